"""The result database of a music library: what was heard once is not heard again.

An answer belongs to one file as it was (absolute path, size, time of last change) and to one way of hearing it
(the model's checksum, all of it or a preview). Answers are written in small batches, each a transaction: a run
that is killed loses at most the last one, and several runs may share a database. Needs nothing but SQLite.
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

from earmark.errors import LibraryError, SettingError
from earmark.inference.verdict import ClipVerdict, Verdict
from earmark.library.database import connect, transaction, translate_errors

_BATCH, _BATCH_SECONDS = 64, 1.0
"""Answers that may wait to be written, and for how long."""

_LOOK_AHEAD = 4096
"""Known files in a row from which hearing is ended and begun anew, so that their answers need not wait in memory."""

_FIELDS = "path, genre, reason, confidence, genres, duration, error"

_log = logging.getLogger(__name__)

FileStatus = tuple[str, os.stat_result | None]
"""A file as it is to be named in answers, and its size and times; None where there is no such file."""


class ModelKey(NamedTuple):
    """One way of hearing: which model, and whether all of each file.

    Attributes
    ----------
    checksum, name : str
        The model's.
    labels : tuple of str
        Genres that it names.
    preview : bool
    """

    checksum: str
    name: str
    labels: tuple[str, ...]
    preview: bool = False


class StoredVerdict(NamedTuple):
    """An answer in the database, and what has become of its file: as it was, changed since, or gone."""

    verdict: Verdict
    file: Literal["there", "changed", "gone"]


class Library:
    """A result database.

    Parameters
    ----------
    path : path
        Made where missing, with its folder.
    create : bool
        Whether to make it.

    Raises
    ------
    LibraryError
        If the file is something else, was written by a newer Earmark, or cannot be used. The same goes for
        all methods; what was kept before stays.
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
        hearing: ModelKey,
        hear: Callable[[Iterator[str]], Iterator[Verdict]],
        *,
        timeline: bool = False,
        retry: bool = False,
    ) -> Iterator[Verdict]:
        """Answer for each file in order, and listen only to those that are new or have changed.

        Parameters
        ----------
        files : iterable of (path, stat result or None)
            Read as the work goes on.
        hearing : ModelKey
        hear : callable
            Gives a verdict for each of the paths it is given, in order; called only where some file is new.
        timeline : bool
            Whether clips are wanted. They are kept only then, for they are large: a file known without them
            is heard again.
        retry : bool
            Hear files again that failed before.

        Yields
        ------
        Verdict
            Known ones as a fresh run would give them, under the name given now.
        """
        number = self._model_id(hearing)
        remaining = iter(files)

        def known(file: FileStatus) -> Verdict | None:
            return self._look_up(number, hearing.name, file, timeline, retry)

        try:
            for file in remaining:
                if verdict := known(file):
                    self.n_known += 1
                    yield verdict
                else:
                    yield from self._classify_from(number, file, remaining, known, hear, timeline)
        finally:
            self.flush()

    def _classify_from(
        self,
        number: int,
        first: FileStatus,
        remaining: Iterator[FileStatus],
        known: Callable[[FileStatus], Verdict | None],
        hear: Callable[[Iterator[str]], Iterator[Verdict]],
        timeline: bool,
    ) -> Iterator[Verdict]:
        """Listen, beginning with a file that is new, and give answers known already in their turn."""
        queue: deque[tuple[FileStatus, Verdict | None]] = deque([(first, None)])

        def fresh() -> Iterator[str]:
            yield first[0]
            in_a_row = 0
            for file in remaining:
                verdict = known(file)
                queue.append((file, verdict))
                in_a_row = in_a_row + 1 if verdict else 0
                if not verdict:
                    yield file[0]
                elif in_a_row == _LOOK_AHEAD:
                    return

        for heard in chain(hear(fresh()), [None]):  # None: what is left is known
            while queue and (verdict := queue[0][1]):
                queue.popleft()
                self.n_known += 1
                yield verdict
            if heard:
                self._store(number, queue.popleft()[0], heard, timeline)
                yield heard

    def _look_up(self, number: int, model: str, file: FileStatus, timeline: bool, retry: bool) -> Verdict | None:
        path, status = file
        if status is None:
            return None
        with translate_errors(self.path):
            row = self._database.execute(
                f"SELECT {_FIELDS}, {'clips' if timeline else 'NULL'} FROM track "
                "WHERE hearing = ? AND path = ? AND size = ? AND mtime_ns = ?",
                (number, _path_key(path), status.st_size, status.st_mtime_ns),
            ).fetchone()
        if row is None or (timeline and row[-1] is None) or (retry and row[-2] is not None):
            return None
        return _parse_verdict(row, model, path)

    def _store(self, number: int, file: FileStatus, verdict: Verdict, timeline: bool) -> None:
        """Put an answer where it will be written; one that says nothing about the file itself is forgotten."""
        self.n_classified += 1
        path, status = file
        if status is None or not stat.S_ISREG(status.st_mode) or (verdict.error and not os.access(path, os.R_OK)):
            return
        clips = None
        if timeline or not verdict.clips:
            clips = zlib.compress(json.dumps([vars(clip) for clip in verdict.clips]).encode())
        answer = (verdict.genre, verdict.reason, verdict.confidence, json.dumps(verdict.genres))
        key = (number, _path_key(path), status.st_size, status.st_mtime_ns)
        self._pending.append((*key, *answer, verdict.duration, verdict.error, clips, int(time.time())))
        if len(self._pending) >= _BATCH or time.monotonic() - self._last_flush > _BATCH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self._last_flush = time.monotonic()
        if not self._pending:
            return
        with translate_errors(self.path), transaction(self._database):
            marks = ", ".join("?" * len(self._pending[0]))
            self._database.executemany(f"INSERT OR REPLACE INTO track VALUES ({marks})", self._pending)
        _log.debug("library %s: %d answers written", self.path, len(self._pending))
        self._pending.clear()

    def _model_id(self, hearing: ModelKey) -> int:
        """Number that stands for a way of hearing in the database, and note that it is the one last used."""
        key = (hearing.checksum, hearing.preview)
        with translate_errors(self.path), transaction(self._database):
            self._database.execute(
                "INSERT INTO hearing (checksum, preview, name, labels, used) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET used = excluded.used",
                (*key, hearing.name, json.dumps(hearing.labels), time.time_ns()),
            )
            row = self._database.execute("SELECT id FROM hearing WHERE checksum = ? AND preview = ?", key).fetchone()
        return int(row[0])

    def models(self) -> list[tuple[ModelKey, int]]:
        """Ways of hearing that have answers here, and how many; the one last used first."""
        with translate_errors(self.path):
            rows = self._database.execute(
                "SELECT checksum, name, labels, preview, count(*) FROM hearing JOIN track ON hearing = id "
                "GROUP BY id ORDER BY used DESC"
            ).fetchall()
        return [(ModelKey(check, name, tuple(json.loads(labels)), bool(p)), n) for check, name, labels, p, n in rows]

    def query(
        self,
        hearing: ModelKey,
        *,
        genres: Collection[str | None] = (),
        min_confidence: float = 0.0,
        timeline: bool = False,
    ) -> Iterator[StoredVerdict]:
        """Answers in the database, by path.

        Parameters
        ----------
        hearing : ModelKey
            One of :meth:`models`.
        genres : collection of str or None
            Only these; None stands for unknown. All when empty.
        min_confidence : float
            Only answers at least so sure; 0 gives files that failed too.
        timeline : bool
            With clips, where they were kept.

        Yields
        ------
        StoredVerdict
            Under their absolute paths.

        Raises
        ------
        SettingError
            If a genre is none of the model's.
        """
        if wrong := [name for name in genres if name is not None and name not in hearing.labels]:
            raise SettingError(f"{hearing.name} names no {wrong[0]!r}; it names {', '.join(hearing.labels)}")
        clips = "clips" if timeline else "NULL"
        with translate_errors(self.path):
            rows = self._database.execute(
                f"SELECT {_FIELDS}, {clips}, size, mtime_ns FROM track JOIN hearing ON hearing = id "
                "WHERE checksum = ? AND preview = ? AND confidence >= ? ORDER BY path",
                (hearing.checksum, hearing.preview, min_confidence),
            )
            for *row, size, mtime_ns in rows:
                verdict = _parse_verdict(row, hearing.name, os.fsdecode(row[0]))
                if genres and (verdict.genre not in genres or (verdict.error and not verdict.genres)):
                    continue
                yield StoredVerdict(verdict, _file_state(row[0], size, mtime_ns))

    def prune(self) -> int:
        """Forget files that are gone.

        Returns
        -------
        int
            Files forgotten.

        Raises
        ------
        LibraryError
            If none of the files is there: more likely, their disk is not.
        """
        with translate_errors(self.path):
            paths = [path for (path,) in self._database.execute("SELECT DISTINCT path FROM track")]
            gone = [(path,) for path in paths if not os.path.lexists(path)]
            if gone and len(gone) == len(paths):
                raise LibraryError(
                    f"{self.path}: none of its {len(paths)} files is there, such as {os.fsdecode(paths[0])!r}. "
                    "Nothing was forgotten: is their disk connected? Delete the library if they are gone for good"
                )
            with transaction(self._database):
                self._database.executemany("DELETE FROM track WHERE path = ?", gone)
        return len(gone)


def _path_key(path: str) -> bytes:
    """Absolute path as the system's bytes, which may be no text."""
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 (Path.absolute keeps '..')


def _parse_verdict(row: Iterable[Any], model: str, path: str) -> Verdict:
    _, genre, reason, confidence, genres, duration, error, packed = row
    clips = json.loads(zlib.decompress(packed)) if packed else []
    return Verdict(
        genre,
        reason,
        confidence,
        json.loads(genres),
        duration,
        tuple(_parse_clip(**clip) for clip in clips),
        model,
        path,
        error,
    )


def _parse_clip(start: float, end: float, genres: dict[str, float], attention: list[float] | None) -> ClipVerdict:
    return ClipVerdict(start, end, genres, None if attention is None else tuple(attention))


def _file_state(path: bytes, size: int, mtime_ns: int) -> Literal["there", "changed", "gone"]:
    try:
        status = os.stat(path)  # noqa: PTH116 (bytes)
    except OSError:
        return "gone"
    return "there" if (status.st_size, status.st_mtime_ns) == (size, mtime_ns) else "changed"
