"""Files, and what is known of each before anything is proposed: its tags, and a verdict unless it keeps its genre."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from earmark.errors import TagError
from earmark.inference.verdict import Verdict
from earmark.library.library import Library
from earmark.library.records import ModelKey
from earmark.library.tags.file_tags import FileTags, read_file_tags
from earmark.library.tags.genre_tags import GenreTags
from earmark.library.tags.plan import format_state
from earmark.library.tags.safe_replace import Stamp, check_writable, resolve_links
from earmark.library.tags.values import Existing, TagValues, may_change

if TYPE_CHECKING:
    from earmark.inference.tagger import Tagger
    from earmark.library.look_ahead import FileStatus
    from earmark.library.search import Search

# files that nobody need listen to may wait for the next verdict; at so many classifying is ended, and begun anew
_LOOK_AHEAD = 1000


class Track(NamedTuple):
    """A file of which something may be proposed.

    Attributes
    ----------
    verdict : Verdict
        Without genres where nobody has listened, as to a file that keeps its genre.
    tags : FileTags
    there : TagValues
        What its tags say of genre and mood.
    state : str
        As of :class:`earmark.library.tags.plan.PlanRow`.
    correction : str, optional
        The genre that a person says it has.
    """

    verdict: Verdict
    tags: FileTags
    there: TagValues
    state: str = ""
    correction: str | None = None


class Listener:
    """Reads the tags of files, and listens to those that may get a genre.

    Parameters
    ----------
    tagger : Tagger
    library : Library, optional
        Files that it knows are not listened to again; it has the corrections too.
    existing : Existing
        What becomes of genres that are there.
    break_links : bool
        Whether files of several names may be written.
    """

    def __init__(
        self, tagger: Tagger, library: Library | None = None, existing: Existing = "keep", *, break_links: bool = False
    ) -> None:
        self.tagger, self.library = tagger, library
        self.existing, self.break_links = existing, break_links
        self._corrections = library.corrections() if library else {}
        self._seen: set[str] = set()
        self._read: dict[str, Track] = {}
        self._unheard: deque[Track] = deque()

    def listen(self, search: Search, *, jobs: int = 1, preview: bool = False) -> Iterator[Track]:
        """Yield the tracks that a search finds; what could not be searched comes last, as failed."""
        files = iter(search)
        # mostly once: anew only after _LOOK_AHEAD files in a row that nobody need listen to
        for first in files:
            for verdict in self._classify(self._select(chain([first], files)), jobs, preview):
                yield from self._pop_unheard()
                yield self._read.pop(verdict.path or "")._replace(verdict=verdict)
            yield from self._pop_unheard()
        for verdict in search.failures(self.tagger.card.name):
            yield _make_failure(verdict)

    def _classify(self, files: Iterator[FileStatus], jobs: int, preview: bool) -> Iterator[Verdict]:
        def classify(paths: Iterator[str]) -> Iterator[Verdict]:
            return self.tagger.classify_many(paths, jobs=jobs, preview=preview)

        if self.library is None:
            return classify(path for path, _ in files)
        return self.library.classify(files, ModelKey.of(self.tagger.model, preview=preview), classify)

    def _select(self, files: Iterator[FileStatus]) -> Iterator[FileStatus]:
        """Yield files that may get a genre; the others wait in a queue."""
        for file in files:
            path, status = file
            try:
                real = resolve_links(Path(path))
                if str(real) in self._seen:  # named twice, or by a link too
                    continue
                self._seen.add(str(real))
                track = self._read_track(path, real)
                if may_change(track.there, self.existing):
                    check_writable(real, break_links=self.break_links)
                    self._read[path] = track
                    yield file
                    continue
                # nobody asks the library for it, so what is known of it must be moved here
                if self.library and status:
                    self.library.follow_move(path, status)
            except TagError as error:
                track = _make_failure(Verdict.from_error(self.tagger.card.name, path, str(error)))
            self._unheard.append(track)
            if len(self._unheard) >= _LOOK_AHEAD:
                return

    def _read_track(self, path: str, real: Path) -> Track:
        # the stamp comes first: a change made after it is noticed before anything is written
        stamp = Stamp.of(real)
        unheard = Verdict(None, None, 0.0, {}, None, (), self.tagger.card.name, path)
        there = GenreTags(real).values
        correction = self._corrections.get(os.path.abspath(path))  # noqa: PTH100 (Path.absolute keeps '..')
        state = format_state(stamp.size, stamp.mtime_ns)
        return Track(unheard, read_file_tags(Path(path)), there, state, correction)

    def _pop_unheard(self) -> Iterator[Track]:
        while self._unheard:
            yield self._unheard.popleft()


def list_tracks(library: Library, key: ModelKey, left_out: Counter[str]) -> Iterator[Track]:
    """Yield the tracks of a library without opening a file; count those that are "gone" or "changed" as left out."""
    library.fill_tags()
    for stored in library.query(key):
        if (state := stored.file) != "there":
            left_out[state] += 1
            continue
        tags = stored.tags or FileTags(stored.verdict.path or "", readable=False)
        there = TagValues(tags.genres, tags.moods, tags.provenance)
        yield Track(stored.verdict, tags, there, format_state(stored.size, stored.mtime_ns), stored.correction)


def _make_failure(verdict: Verdict) -> Track:
    return Track(verdict, FileTags(verdict.path or "", readable=False), TagValues(()))
