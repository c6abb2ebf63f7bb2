"""A tagging run: the files found → those that may get a genre → their verdicts → tags, and what became of each file."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Self

from earmark.errors import TagError
from earmark.library.search import Search
from earmark.library.tags.genre_tags import GenreTags, require_mediafile
from earmark.library.tags.journal import Journal, default_journal
from earmark.library.tags.safe_replace import Stamp, remove_drafts, resolve_links
from earmark.library.tags.selection import GenreSelector
from earmark.library.tags.values import Existing, TagValues, describe_source, merge_values
from earmark.library.tags.writer import GenreWriter

if TYPE_CHECKING:
    from earmark.inference.tagger import Tagger
    from earmark.inference.verdict import Verdict

HAD_GENRE = "had one"
"""Outcome of files that keep the genre they have."""

# results that may wait for the next verdict; at so many classifying is ended, and begun anew with the next file
_LOOK_AHEAD = 1000


@dataclass(frozen=True)
class TagResult:
    """What became of one file.

    Attributes
    ----------
    path : str
    outcome : str
        "written" (in a dry run "would write"), "had one", "unknown", "unsure" (of a genre, too little to write
        it), "left out" (the user's words have none for it) or "failed"; of an undo, see
        :func:`earmark.library.tags.undo.undo`.
    before, genres : tuple of str
        Genres that were there, and that were (or would be) written.
    confidence : float or None
    reason : str or None
        Why nothing is written.
    guesses : tuple of str
        Of a file that is not written to, the two most probable genres, in the model's words.
    error : str or None
    """

    path: str
    outcome: str
    before: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()
    confidence: float | None = None
    reason: str | None = None
    guesses: tuple[str, ...] = ()
    error: str | None = None


class TagRun:
    """Writes genres into the tags of files; a context manager, which closes the journal.

    Parameters
    ----------
    tagger : Tagger
    selector : GenreSelector, optional
        Which genres are written, in which words. Left out: the most probable one, from the model's own
        ``tag_threshold`` on.
    journal : path, optional
        Where changes are noted first, see :class:`earmark.library.tags.journal.Journal`. Left out: a file of its own
        in the user's state folder.
    dry_run : bool
        Only say what would become of each file, and write nothing.
    existing, keep_mtime, break_links
        As of :class:`earmark.library.tags.writer.GenreWriter`.

    Attributes
    ----------
    counts : Counter of str
        Files by outcome, so far.
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
        tagger: Tagger,
        selector: GenreSelector | None = None,
        journal: str | Path | None = None,
        *,
        dry_run: bool = False,
        existing: Existing = "keep",
        keep_mtime: bool = False,
        break_links: bool = False,
    ) -> None:
        require_mediafile("earmark tag")
        self.tagger, self.dry_run = tagger, dry_run
        self.selector = selector or GenreSelector(tag_threshold=tagger.card.calibration.tag_threshold)
        self.journal = Journal(Path(journal) if journal else default_journal())
        self.counts: Counter[str] = Counter()
        self._writer = GenreWriter(self.journal, existing, keep_mtime=keep_mtime, break_links=break_links)
        self._found: dict[str, tuple[Stamp, tuple[str, ...], TagValues]] = {}
        self._seen: set[str] = set()
        self._cleaned: set[Path] = set()
        self._pending: deque[TagResult] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.close()

    def tag(self, paths: Iterable[str], *, jobs: int = 1, preview: bool = False) -> Iterator[TagResult]:
        """Tag files, and all audio in folders; those that may not get a genre are not even decoded.

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
        TagResult
            One for each file, as soon as it is known.
        """
        search = Search(paths)
        files = (path for path, _ in search)
        # mostly once: anew only after _LOOK_AHEAD files in a row that are not wanted
        for first in files:
            wanted = self._select(chain([first], files))
            for verdict in self.tagger.classify_many(wanted, jobs=jobs, preview=preview):
                yield from self._pop_pending()
                yield self._count(self._apply(verdict))
            yield from self._pop_pending()
        for failure in search.failures(self.tagger.card.name):
            yield self._count(self._apply(failure))

    def _select(self, paths: Iterable[str]) -> Iterator[str]:
        """Yield files that may get a genre; results of the others wait in a queue."""
        for path in paths:
            if self._wants(path):
                yield path
            elif len(self._pending) >= _LOOK_AHEAD:
                return

    def _pop_pending(self) -> Iterator[TagResult]:
        while self._pending:
            yield self._count(self._pending.popleft())

    def _count(self, result: TagResult) -> TagResult:
        self.counts[result.outcome] += 1
        return result

    def _wants(self, path: str) -> bool:
        """Return whether a file may get a genre: it can be written, and its genre is missing or may be replaced."""
        try:
            real = resolve_links(Path(path))
            if str(real) in self._seen:  # named twice, or by a link too
                return False
            self._seen.add(str(real))
            if real.parent not in self._cleaned and not self.dry_run:
                self._cleaned.add(real.parent)
                remove_drafts(real.parent)
            # the stamp comes first: a change made after it is noticed before anything is written
            stamp, tags = Stamp.of(real), GenreTags(real)
            if self._writer.wants(tags):
                self._found[path] = stamp, tags.genres, tags.values
                return True
            self._pending.append(TagResult(path, HAD_GENRE, tags.genres))
        except TagError as error:
            self._pending.append(TagResult(path, "failed", error=str(error)))
        return False

    def _apply(self, verdict: Verdict) -> TagResult:
        """Write what a verdict says, or say why not."""
        path = verdict.path or ""
        stamp, before, there = self._found.pop(path, (None, (), TagValues(())))
        if verdict.error:
            return TagResult(path, "failed", before, error=verdict.error)
        genres, confidence = self.selector.select(verdict), verdict.confidence
        card = self.tagger.card
        source = describe_source(card.name, card.checksum, confidence)
        values = TagValues(genres, self.selector.select_moods(verdict), source)
        if not genres:
            outcome = self.selector.rejects(verdict) or "left out"
            reason = "your words have none for it" if outcome == "left out" else verdict.reason or "not sure enough"
            return TagResult(path, outcome, before, (), confidence, reason, tuple(verdict.genres)[:2])
        genres = merge_values(there, values, self._writer.existing).genres
        try:
            written = before != genres if self.dry_run else self._writer.write(Path(path), values, stamp)
        except TagError as error:
            return TagResult(path, "failed", before, genres, confidence, error=str(error))
        done = "would write" if self.dry_run else "written"
        return TagResult(path, done if written else HAD_GENRE, before, genres, confidence)
