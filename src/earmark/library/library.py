"""The result database of a music library: what was classified once is not classified again.

A verdict belongs to one file as it was (absolute path, size, time of last change) and to one model and extent
(:class:`ModelKey`). Verdicts are written in small batches, each a transaction: a run that is killed loses at most
the last one, and several runs may share a database. What is known of the files whatever the model is in
:mod:`earmark.library.file_store`. Needs nothing but SQLite.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from earmark.inference.genre_names import find_label
from earmark.inference.verdict import DISTRIBUTIONS, Verdict
from earmark.library.database import translate_errors
from earmark.library.file_store import BLOCK, FileRow, FileStore, parse_tags, path_key, read_tags, take_stamp
from earmark.library.look_ahead import FileStatus, answer_in_order
from earmark.library.packing import Packer, pack_clips, unpack_clips
from earmark.library.records import ModelKey, StoredVerdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# verdicts that may wait to be written, and for how long
_BATCH, _BATCH_SECONDS = 64, 1.0

# columns of a track that make a verdict, in the order of _parse; clips follow them
_FIELDS = "track.path, track.genre, reason, confidence, duration, error, genres, styles, moods"
_PUT_TRACK = (
    "INSERT OR REPLACE INTO track (hearing, path, size, mtime_ns, genre, reason, confidence, duration, error, "
    "genres, styles, moods, clips, heard) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

_log = logging.getLogger(__name__)


class Library(FileStore):
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
        super().__init__(path, create=create)
        self.n_known = self.n_classified = 0
        self._packer = Packer(self._database)
        self._pending: list[tuple[tuple[Any, ...], FileRow]] = []
        self._last_flush = time.monotonic()

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

        Known ones are as a fresh run would give them, under the name given now, but for their embeddings. A file that
        was moved is known by its size and times. Beside a fresh verdict its embedding and the file's tags are kept.

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

        def look_up(file: FileStatus) -> Verdict | None:
            return self._look_up(model_id, key.name, file, timeline, retry)

        try:
            for fresh, verdict in answer_in_order(files, look_up, classify):
                if fresh:
                    self.n_classified += 1
                    self._keep(model_id, fresh, verdict, timeline)
                else:
                    self.n_known += 1
                yield verdict
        finally:
            self.flush()

    def _look_up(self, model_id: int, model: str, file: FileStatus, timeline: bool, retry: bool) -> Verdict | None:
        path, status = file
        if status is None:
            return None
        key, stamp = path_key(path), (status.st_size, status.st_mtime_ns)
        row = self._find(model_id, key, stamp, timeline)
        if row is None and stat.S_ISREG(status.st_mode) and self._follow_move(key, *stamp):
            row = self._find(model_id, key, stamp, timeline)
        if row is None:
            return None
        verdict = self._parse(row, model, path)
        # the last of a row are its clips
        return None if (timeline and row[-1] is None) or (retry and verdict.error is not None) else verdict

    def _find(self, model_id: int, key: bytes, stamp: tuple[int, int], timeline: bool) -> tuple[Any, ...] | None:
        rows = self._select(
            f"SELECT {_FIELDS}, {'clips' if timeline else 'NULL'} FROM track "
            "WHERE hearing = ? AND path = ? AND size = ? AND mtime_ns = ?",
            model_id,
            key,
            *stamp,
        )
        return rows[0] if rows else None

    def _keep(self, model_id: int, file: FileStatus, verdict: Verdict, timeline: bool) -> None:
        """Put a verdict where it will be written; one that says nothing about the file itself is forgotten."""
        path, status = file
        # a pipe has no size to know it by; one that cannot be read now may be readable tomorrow
        if status is None or not stat.S_ISREG(status.st_mode) or (verdict.error and not os.access(path, os.R_OK)):
            return
        key = (path_key(path), status.st_size, status.st_mtime_ns)
        # NULL says that clips were not kept, an empty list that there are none
        clips = pack_clips(verdict.clips) if timeline or not verdict.clips else None
        file_row = (*key, read_tags(path), *_pack_embedding(verdict))
        self._pending.append(((model_id, *key, *self._pack(verdict), clips, int(time.time())), file_row))
        if len(self._pending) >= _BATCH or time.monotonic() - self._last_flush > _BATCH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self._last_flush = time.monotonic()
        if not self._pending:
            return
        with self._transaction():
            current = [rows for rows in self._pending if not self._is_outdated(*rows)]
            self._database.executemany(_PUT_TRACK, [track for track, _ in current])
            self._put_files(file for _, file in current)
        _log.debug("library %s: %d answers written", self.path, len(current))
        self._pending.clear()

    def _is_outdated(self, track: tuple[Any, ...], file: FileRow) -> bool:
        """Tell whether another run has meanwhile kept an answer on the file as it is now, and this is on what it was.

        Such a run has tagged it, say.
        """
        key, *stamp = file[:3]
        now = take_stamp(key)
        return now not in (None, tuple(stamp)) and self._find(track[0], key, now, timeline=False) is not None

    def store_many(self, key: ModelKey, verdicts: Iterable[StoredVerdict]) -> int:
        """Keep the verdicts of a model on files that the library knows, and return how many.

        Parameters
        ----------
        key : ModelKey
        verdicts : iterable of StoredVerdict
            With the size and times that :meth:`query` gave. Read as the work goes on, so :meth:`query` may be behind
            them. Neither clips nor embeddings are kept: the latter are there.
        """
        self.flush()
        model_id, kept, n = self._model_id(key), iter(verdicts), 0
        while block := list(islice(kept, BLOCK)):
            now = int(time.time())
            rows = [
                (model_id, path_key(v.path or ""), size, mtime_ns, *self._pack(v), None, now)
                for v, size, mtime_ns, *_ in block
            ]
            with self._transaction():
                self._database.executemany(_PUT_TRACK, rows)
            n += len(rows)
        return n

    def _model_id(self, key: ModelKey) -> int:
        """Return the key's number in the database, and note that it is the one last used."""
        unique = (key.checksum, key.preview)
        file = key.model_file and path_key(key.model_file)
        with self._transaction():
            self._database.execute(
                "INSERT INTO hearing (checksum, preview, name, labels, used, model_file) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET used = excluded.used, "
                "model_file = coalesce(excluded.model_file, model_file)",
                (*unique, key.name, json.dumps(key.labels), time.time_ns(), file),
            )
        # asked for, since lastrowid tells nothing where the row was there before
        return int(self._select("SELECT id FROM hearing WHERE checksum = ? AND preview = ?", *unique)[0][0])

    def models(self) -> list[tuple[ModelKey, int]]:
        """Return the models (and previews) that have verdicts here, and how many; the one last used first."""
        rows = self._select(
            "SELECT checksum, name, labels, preview, model_file, count(*) FROM hearing JOIN track ON hearing = id "
            "GROUP BY id ORDER BY used DESC"
        )
        return [
            (ModelKey(check, name, tuple(json.loads(labels)), bool(preview), file and os.fsdecode(file)), n)
            for check, name, labels, preview, file, n in rows
        ]

    def query(
        self,
        key: ModelKey,
        *,
        genres: Collection[str | None] = (),
        min_confidence: float = 0.0,
        timeline: bool = False,
        embeddings: bool = False,
        corrected: bool = False,
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
        embeddings : bool
            With what the encoder heard, where it was kept.
        corrected : bool
            Only of files that have a correction.
        """
        self.flush()
        genres = [name and find_label(name, key.labels, key.name) for name in genres]
        select = (
            f"SELECT {_FIELDS}, {'clips' if timeline else 'NULL'}, track.size, track.mtime_ns, tags, correction.genre, "
            f"{_select_embedding() if embeddings else 'NULL'} FROM track JOIN hearing ON hearing = id "
            "LEFT JOIN file USING (path, size, mtime_ns) LEFT JOIN correction USING (path) "
            "WHERE checksum = ? AND preview = ? AND confidence >= ?"
            f"{' AND correction.genre IS NOT NULL' if corrected else ''}"
        )
        for rows in self._read_blocks(select, (key.checksum, key.preview, min_confidence)):
            for *row, size, mtime_ns, tags, correction, embedding in rows:
                path = os.fsdecode(row[0])
                verdict = self._parse(row, key.name, path)
                # None asks for unknown genres, not for files that failed: those have no probabilities at all
                if genres and (verdict.genre not in genres or (verdict.error and not verdict.genres)):
                    continue
                if embedding is not None:
                    verdict = replace(verdict, embedding=_unpack_embedding(embedding))
                yield StoredVerdict(verdict, size, mtime_ns, parse_tags(tags, path), correction)

    def find(self, key: ModelKey, path: str) -> Verdict | None:
        """Return what a model said of a file as it was then; None where it was not heard."""
        self.flush()
        select = f"SELECT {_FIELDS}, NULL FROM track JOIN hearing ON hearing = id"
        where = "WHERE checksum = ? AND preview = ? AND track.path = ?"
        rows = self._select(f"{select} {where}", key.checksum, key.preview, path_key(path))
        return self._parse(rows[0], key.name, path) if rows else None

    def _pack(self, verdict: Verdict) -> tuple[Any, ...]:
        """Return the columns of a verdict, from its genre to its moods."""
        with translate_errors(self.path):
            shares = [self._packer.pack(getattr(verdict, what)) for what in DISTRIBUTIONS]
        return (verdict.genre, verdict.reason, verdict.confidence, verdict.duration, verdict.error, *shares)

    def _parse(self, row: Iterable[Any], model: str, path: str) -> Verdict:
        """Parse a row of _FIELDS and clips, which may be NULL."""
        _, genre, reason, confidence, duration, error, *shares, clips = row
        genres, styles, moods = map(self._packer.unpack, shares)
        heard = unpack_clips(clips) if clips else ()
        return Verdict(genre, reason, confidence, genres, duration, heard, model, path, error, styles, moods)


def _pack_embedding(verdict: Verdict) -> tuple[str | None, bytes | None]:
    """Return the encoder's name, and what it heard as float16, little-endian."""
    if verdict.embedding is None:
        return None, None
    from earmark.inference.encoder import Encoder

    return Encoder.name, verdict.embedding.astype("<f2").tobytes()


def _select_embedding() -> str:
    """Return the column of embeddings, NULL where they are of another encoder than the one there is."""
    from earmark.inference.encoder import Encoder

    return f"CASE encoder WHEN '{Encoder.name}' THEN embedding END"


def _unpack_embedding(packed: bytes) -> NDArray[np.float16]:
    import numpy as np

    return np.frombuffer(packed, "<f2")
