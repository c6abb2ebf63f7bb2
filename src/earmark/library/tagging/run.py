"""A tagging run: the files found → their verdicts → a plan → tags, and what became of each file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from earmark.errors import SettingError, TagError
from earmark.library.answers import find_hearing
from earmark.library.search import Search
from earmark.library.tagging.proposal import HAD_GENRE, Proposer
from earmark.library.tagging.tracks import Listener, list_tracks
from earmark.library.tags.genre_tags import GenreTags, require_mediafile
from earmark.library.tags.journal import Journal, default_journal
from earmark.library.tags.plan import PlanRow, parse_state
from earmark.library.tags.result import TagResult
from earmark.library.tags.safe_replace import (
    Stamp,
    check_writable,
    remove_drafts,
    resolve_links,
    system_errors_as_tag_errors,
)
from earmark.library.tags.selection import GenreSelector
from earmark.library.tags.values import Existing, TagValues, read_note
from earmark.library.tags.writer import GenreWriter

if TYPE_CHECKING:
    from earmark.inference.tagger import Tagger
    from earmark.library.library import Library


class TagRun:
    """Writes genres into the tags of files; a context manager, which closes the journal.

    Tagging is a plan that is applied at once: :meth:`tag` is :meth:`apply` of :meth:`propose`.

    Parameters
    ----------
    tagger : Tagger, optional
        Left out: plans can be applied, but none proposed.
    selector : GenreSelector, optional
        Which genres are written, in which words. Left out: the most probable one, from the model's own
        ``tag_thresholds`` on.
    journal : path, optional
        Where changes are noted first, see :class:`earmark.library.tags.journal.Journal`. Left out: a file of its own
        in the user's state folder.
    library : Library, optional
        Files that it knows are not listened to again; what is written is noted there.
    existing : Existing
        What becomes of genres that are there.
    by_album : bool
        Give the tracks of an album one genre, see :mod:`earmark.library.albums`.
    dry_run : bool
        Only say what would become of each file, and write nothing.
    keep_mtime, break_links : bool
        As of :class:`earmark.library.tags.writer.GenreWriter`.

    Attributes
    ----------
    counts : Counter of str
        Files by outcome, so far.
    left_out : Counter of str
        Of :meth:`propose_from`, files of the library that are "gone", and that were "changed" since they were heard.
    journal : Journal
        Its `path` is what :func:`earmark.library.tags.journal.read_journal` reads to undo the run.

    Raises
    ------
    MissingExtra
        If the packages of the extra "tags" are not installed.
    SettingError
        If the journal is a file of another kind.

    Examples
    --------
    >>> import tempfile
    >>> import earmark
    >>> with tempfile.TemporaryDirectory() as folder, TagRun(earmark.load(), journal=f"{folder}/journal") as run:
    ...     for result in run.tag([f"{folder}/none.mp3"]):
    ...         print(result.outcome, result.error, dict(run.counts), sep=", ")
    failed, no such file or directory, {'failed': 1}
    """

    def __init__(
        self,
        tagger: Tagger | None = None,
        selector: GenreSelector | None = None,
        journal: str | Path | None = None,
        *,
        library: Library | None = None,
        existing: Existing = "keep",
        by_album: bool = False,
        dry_run: bool = False,
        keep_mtime: bool = False,
        break_links: bool = False,
    ) -> None:
        require_mediafile("earmark tag")
        self.tagger, self.selector, self.library = tagger, selector, library
        self.existing, self.by_album = existing, by_album
        self.dry_run, self.break_links = dry_run, break_links
        self.journal = Journal(Path(journal) if journal else default_journal())
        self.counts: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self._writer = GenreWriter(self.journal, keep_mtime=keep_mtime, break_links=break_links)
        self._cleaned: set[Path] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.close()

    def tag(self, paths: Iterable[str], *, jobs: int = 1, preview: bool = False) -> Iterator[TagResult]:
        """Tag files, and all audio in folders; the parameters are those of :meth:`propose`.

        Yields
        ------
        TagResult
            One for each file, as soon as it is known.
        """
        return self.apply(self.propose(paths, jobs=jobs, preview=preview))

    def propose(self, paths: Iterable[str], *, jobs: int = 1, preview: bool = False) -> Iterator[PlanRow]:
        """Propose what files get, and all audio in folders; those that keep their genre are not even decoded.

        Parameters
        ----------
        paths : iterable of str
            As of :class:`earmark.library.search.Search`.
        jobs : int
            Files worked on at once.
        preview : bool
            Classify 30 s of each file, not all.

        Yields
        ------
        PlanRow
            One for each file, as soon as it is known; of an album, when all its folder is.
        """
        tagger, proposer = self._require_tagger()
        listener = Listener(tagger, self.library, self.existing, break_links=self.break_links)
        yield from proposer.propose_all(listener.listen(Search(paths), jobs=jobs, preview=preview))

    def propose_from(self, library: Library) -> Iterator[PlanRow]:
        """Propose what the files of a library get by the answers of the tagger's model there; none is listened to.

        What is gone or has changed since it was heard is left out, and counted. A SettingError where the library has
        no answers of this model.
        """
        tagger, proposer = self._require_tagger()
        key = find_hearing(library, tagger.card)
        yield from proposer.propose_all(list_tracks(library, key, self.left_out))

    def _require_tagger(self) -> tuple[Tagger, Proposer]:
        if self.tagger is None:
            raise SettingError("a run without a tagger applies plans, and proposes nothing")
        selector = self.selector or GenreSelector(tag_thresholds=self.tagger.card.tag_thresholds)
        return self.tagger, Proposer(self.tagger.card, selector, self.existing, self.by_album)

    def apply(self, rows: Iterable[PlanRow], within: Sequence[str] = ()) -> Iterator[TagResult]:
        """Write what the rows of a plan say, exactly, into files that have not changed since.

        A row whose values are there already changes nothing, so a plan that was interrupted may be applied again.

        Parameters
        ----------
        rows : iterable of PlanRow
            Such as :func:`earmark.library.tags.plan_file.read_plan` gives.
        within : sequence of str
            Files and folders that the rows must not lead out of; they may lead anywhere when left out.

        Yields
        ------
        TagResult
            One for each row.
        """
        allowed = [os.path.realpath(path) for path in within]
        for row in rows:
            result = self._apply(row, allowed)
            self.counts[result.outcome] += 1
            yield result

    def _apply(self, row: PlanRow, allowed: Sequence[str]) -> TagResult:
        if row.outcome == "failed":
            return TagResult(row.path, "failed", row.current, error=row.reason)
        outcome = row.outcome or ("kept" if row.action == "keep" else "not reviewed")
        result = TagResult(row.path, outcome, row.current, confidence=row.confidence)
        if row.action != "write":
            return replace(result, reason=row.reason or None, guesses=row.genre)
        # of what a person put in the model is not sure
        confidence = row.confidence if _name_source(row) else None
        result = replace(result, genres=row.genres, moods=row.moods, confidence=confidence)
        try:
            written = self._write(row, allowed)
        except TagError as error:
            return replace(result, outcome="failed", error=str(error))
        done = "would write" if self.dry_run else "written"
        return replace(result, outcome=done if written else HAD_GENRE)

    def _write(self, row: PlanRow, allowed: Sequence[str]) -> bool:
        """Write a row, and return whether there was anything to write."""
        path = resolve_links(Path(row.path))
        if allowed and not any(path.is_relative_to(folder) for folder in allowed):
            raise TagError("outside of what was named: not touched")
        if path.parent not in self._cleaned and not self.dry_run:
            self._cleaned.add(path.parent)
            remove_drafts(path.parent)
        values = TagValues(row.genres, row.moods, _name_source(row))
        with system_errors_as_tag_errors():
            stamp = Stamp.of(path)
            same = (stamp.size, stamp.mtime_ns) == parse_state(row.state)
            if self.dry_run or not same:
                if GenreTags(path).holds(values):
                    return False
                if not same:
                    raise TagError("changed by another program since this was planned: left as it is; plan it anew")
                check_writable(path, break_links=self.break_links)
                return True
            written = self._writer.write(path, values, stamp)
        # what goes wrong here is no failure of the file, which is written
        if written and self.library:
            self.library.note_change(row.path, stamp, Stamp.of(path))
        return written


def _name_source(row: PlanRow) -> str:
    """Return the note on where a row's values come from; none where a person has taken one of them out."""
    named = {*read_note(row.source, "genre"), *read_note(row.source, "mood")}
    return row.source if named <= {*row.genres, *row.moods} else ""
