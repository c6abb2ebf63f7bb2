"""The result database of a music library: what was classified once is not classified again.

A verdict belongs to one file as it was (absolute path, size, time of last change) and to one model and extent
(:class:`ModelKey`). Verdicts are written in small batches, each a transaction: a run that is killed loses at most
the last one, and several runs may share a database. Needs nothing but SQLite.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import time
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

from earmark.errors import LibraryError
from earmark.inference.genre_names import find_label
from earmark.inference.verdict import Verdict
from earmark.library.database import FIELDS, connect, parse_verdict, transaction, translate_errors

# verdicts that may wait to be written, and for how long
_BATCH, _BATCH_SECONDS = 64, 1.0
# known files in a row after which classifying is ended and begun anew: their verdicts need not wait in memory
_LOOK_AHEAD = 4096

_log = logging.getLogger(__name__)

FileStatus = tuple[str, os.stat_result | None]
"""A file as it is to be named in verdicts, and its size and times; None where there is no such file."""


class ModelKey(NamedTuple):
    """What a verdict depends on beside the file: the model, with the genres it names, and whether it saw a preview."""

    checksum: str
    name: str
    labels: tuple[str, ...]
    preview: bool = False


class StoredVerdict(NamedTuple):
    """A verdict in the database, and what has become of its file: as it was, changed since, or gone."""

    verdict: Verdict
    file: Literal["there", "changed", "gone"]


class Library:
    """A result database; a context manager, which writes what waits and closes it.

    Parameters
    ----------
    path : path
    create : bool
        Whether to make it where missing, with its folder.

    Attributes
    ----------
    n_known, n_classified : int
        Files that :meth:`classify` found in the database, and those that it had to classify.

    Raises
    ------
    LibraryError
        If the file is something else, of a newer Earmark, or cannot be used, now or later; what was kept before stays.
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True) -> None:
        self.path = Path(path)
        self.n_known = self.n_classified = 0
        self._pending: list[tuple[Any, ...]] = []
        self._last_flush = time.monotonic()
        self._database = connect(self.path, create=create)

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits, and let go."""
        try:
            self.flush()
        finally:
            self._database.close()

    def classify(
        self,
        files: Iterable[FileStatus],
        key: ModelKey,
        classify: Callable[[Iterator[str]], Iterator[Verdict]],
        *,
        timeline: bool = False,
        retry: bool = False,
    ) -> Iterator[Verdict]:
        """Yield a verdict for each file in order, and classify only those that are new or have changed.

        Known ones are as a fresh run would give them, under the name given now.

        Parameters
        ----------
        files : iterable of FileStatus
            Read as the work goes on; :class:`earmark.library.search.Search` yields such.
        key : ModelKey
        classify : callable
            Yields a verdict for each of the paths it is given, in order; called only where some file is new.
        timeline : bool
            Whether clips are wanted. They are kept only then, for they are large: a file known without them
            is classified again.
        retry : bool
            Classify files again that failed before.
        """
        model_id = self._model_id(key)
        # one iterator for all: classifying reads ahead in it, and the loop below goes on where that ended
        remaining = iter(files)

        def look_up(file: FileStatus) -> Verdict | None:
            return self._look_up(model_id, key.name, file, timeline, retry)

        try:
            for file in remaining:
                if verdict := look_up(file):
                    self.n_known += 1
                    yield verdict
                else:
                    for fresh, verdict in self._classify_from(file, remaining, look_up, classify):
                        if fresh:
                            self._store(model_id, fresh, verdict, timeline)
                        yield verdict
        finally:
            self.flush()

    def _classify_from(
        self,
        first: FileStatus,
        remaining: Iterator[FileStatus],
        look_up: Callable[[FileStatus], Verdict | None],
        classify: Callable[[Iterator[str]], Iterator[Verdict]],
    ) -> Iterator[tuple[FileStatus | None, Verdict]]:
        """Yield verdicts in order, beginning with a file that is new; with those that are fresh, their files."""
        # as far as files were read ahead: each file, and its verdict if known
        queue: deque[tuple[FileStatus, Verdict | None]] = deque([(first, None)])

        def select_new() -> Iterator[str]:
            yield first[0]
            known_in_a_row = 0
            for file in remaining:
                verdict = look_up(file)
                queue.append((file, verdict))
                known_in_a_row = known_in_a_row + 1 if verdict else 0
                if not verdict:
                    yield file[0]
                elif known_in_a_row == _LOOK_AHEAD:
                    return

        # the None at the end: what is left in the queue then is known
        for fresh in chain(classify(select_new()), [None]):
            while queue and (verdict := queue[0][1]):
                queue.popleft()
                self.n_known += 1
                yield None, verdict
            if fresh:
                yield queue.popleft()[0], fresh

    def _look_up(self, model_id: int, model: str, file: FileStatus, timeline: bool, retry: bool) -> Verdict | None:
        path, status = file
        if status is None:
            return None
        with translate_errors(self.path):
            row = self._database.execute(
                f"SELECT {FIELDS}, {'clips' if timeline else 'NULL'} FROM track "
                "WHERE hearing = ? AND path = ? AND size = ? AND mtime_ns = ?",
                (model_id, _path_key(path), status.st_size, status.st_mtime_ns),
            ).fetchone()
        # a row ends with error and clips
        if row is None or (timeline and row[-1] is None) or (retry and row[-2] is not None):
            return None
        return parse_verdict(row, model, path)

    def _store(self, model_id: int, file: FileStatus, verdict: Verdict, timeline: bool) -> None:
        """Put a verdict where it will be written; one that says nothing about the file itself is forgotten."""
        self.n_classified += 1
        path, status = file
        # a pipe has no size to know it by; one that cannot be read now may be readable tomorrow
        if status is None or not stat.S_ISREG(status.st_mode) or (verdict.error and not os.access(path, os.R_OK)):
            return
        # NULL says that clips were not kept, an empty list that there are none
        kept = [vars(clip) for clip in verdict.clips] if timeline or not verdict.clips else None
        clips = None if kept is None else zlib.compress(json.dumps(kept).encode())
        # in the order of the table's columns
        answer = (verdict.genre, verdict.reason, verdict.confidence, json.dumps(verdict.genres))
        key = (model_id, _path_key(path), status.st_size, status.st_mtime_ns)
        more = (json.dumps(verdict.styles), json.dumps(verdict.moods))
        self._pending.append((*key, *answer, verdict.duration, verdict.error, clips, int(time.time()), *more))
        if len(self._pending) >= _BATCH or time.monotonic() - self._last_flush > _BATCH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self._last_flush = time.monotonic()
        if not self._pending:
            return
        with translate_errors(self.path), transaction(self._database):
            marks = ", ".join("?" * len(self._pending[0]))
            self._database.executemany(f"INSERT OR REPLACE INTO main.track VALUES ({marks})", self._pending)
        _log.debug("library %s: %d answers written", self.path, len(self._pending))
        self._pending.clear()

    def _model_id(self, key: ModelKey) -> int:
        """Return the key's number in the database, and note that it is the one last used."""
        unique = (key.checksum, key.preview)
        with translate_errors(self.path), transaction(self._database):
            self._database.execute(
                "INSERT INTO hearing (checksum, preview, name, labels, used) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET used = excluded.used",
                (*unique, key.name, json.dumps(key.labels), time.time_ns()),
            )
            # asked for, since lastrowid tells nothing where the row was there before
            row = self._database.execute("SELECT id FROM hearing WHERE checksum = ? AND preview = ?", unique).fetchone()
        return int(row[0])

    def models(self) -> list[tuple[ModelKey, int]]:
        """Return the models (and previews) that have verdicts here, and how many; the one last used first."""
        with translate_errors(self.path):
            rows = self._database.execute(
                "SELECT checksum, name, labels, preview, count(*) FROM hearing JOIN track ON hearing = id "
                "GROUP BY id ORDER BY used DESC"
            ).fetchall()
        return [(ModelKey(check, name, tuple(json.loads(labels)), bool(p)), n) for check, name, labels, p, n in rows]

    def query(
        self,
        key: ModelKey,
        *,
        genres: Collection[str | None] = (),
        min_confidence: float = 0.0,
        timeline: bool = False,
    ) -> Iterator[StoredVerdict]:
        """Yield verdicts of the database in the order of their paths, which are absolute.

        Parameters
        ----------
        key : ModelKey
            One of :meth:`models`.
        genres : collection of str or None
            Only these; None stands for unknown. All when empty. One that is none of the model's is a SettingError.
        min_confidence : float
            Only verdicts at least so sure; 0 gives files that failed too.
        timeline : bool
            With clips, where they were kept.
        """
        genres = [name and find_label(name, key.labels, key.name) for name in genres]
        clips = "clips" if timeline else "NULL"
        with translate_errors(self.path):
            rows = self._database.execute(
                f"SELECT {FIELDS}, {clips}, size, mtime_ns FROM track JOIN hearing ON hearing = id "
                "WHERE checksum = ? AND preview = ? AND confidence >= ? ORDER BY path",
                (key.checksum, key.preview, min_confidence),
            )
            for *row, size, mtime_ns in rows:
                verdict = parse_verdict(row, key.name, os.fsdecode(row[0]))
                # None asks for unknown genres, not for files that failed: those have no probabilities at all
                if genres and (verdict.genre not in genres or (verdict.error and not verdict.genres)):
                    continue
                yield StoredVerdict(verdict, _file_state(row[0], size, mtime_ns))

    def prune(self) -> int:
        """Forget files that are gone, and return how many; a LibraryError if all are: rather, their disk is away."""
        with translate_errors(self.path):
            paths = [path for (path,) in self._database.execute("SELECT DISTINCT path FROM track")]
            # lexists: a link whose target is away is not gone
            gone = [(path,) for path in paths if not os.path.lexists(path)]
            if gone and len(gone) == len(paths):
                raise LibraryError(
                    f"{self.path}: none of its {len(paths)} files is there, such as {os.fsdecode(paths[0])!r}. "
                    "Nothing was forgotten: is their disk connected? Delete the library if they are gone for good"
                )
            with transaction(self._database):
                self._database.executemany("DELETE FROM main.track WHERE path = ?", gone)
        return len(gone)


def _path_key(path: str) -> bytes:
    """Return the absolute path as the system's bytes, which may be no text."""
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 (Path.absolute keeps '..')


def _file_state(path: bytes, size: int, mtime_ns: int) -> Literal["there", "changed", "gone"]:
    try:
        status = os.stat(path)  # noqa: PTH116 (bytes)
    except OSError:
        return "gone"
    return "there" if (status.st_size, status.st_mtime_ns) == (size, mtime_ns) else "changed"
