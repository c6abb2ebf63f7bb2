"""What a result database knows of files whatever the model: their tags, what the encoder heard, their corrections."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from earmark.errors import LibraryError, MissingExtra, SettingError
from earmark.library.connection import connect
from earmark.library.database import transaction, translate_errors
from earmark.library.tags.file_tags import FileTags, read_file_tags
from earmark.library.tags.genre_tags import require_mediafile

if TYPE_CHECKING:
    from earmark.library.tags.safe_replace import Stamp

BLOCK = 1000
"""Rows that are read or written at once: no run holds the database for long, and memory stays small."""

FileRow = tuple[bytes, int, int, str | None, str | None, bytes | None]
"""A row of the table ``file``."""

# of a file that has changed, what was known before no longer holds; else what is not given stays
_PUT_FILE = """
INSERT INTO file (path, size, mtime_ns, tags, encoder, embedding) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (path) DO UPDATE SET (size, mtime_ns, tags, encoder, embedding) = (
    SELECT excluded.size, excluded.mtime_ns, coalesce(excluded.tags, iif(same, file.tags, NULL)),
        coalesce(excluded.encoder, iif(same, file.encoder, NULL)),
        coalesce(excluded.embedding, iif(same, file.embedding, NULL))
    FROM (SELECT file.size = excluded.size AND file.mtime_ns = excluded.mtime_ns AS same)
)"""

# the index of tracks begins with the hearing: so a path is found without a look at every row
_OF_PATH = "hearing IN (SELECT id FROM hearing) AND path = ?"

_log = logging.getLogger(__name__)


class FileStore:
    """A result database, as far as it is about files; :class:`earmark.library.library.Library` adds the answers."""

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True) -> None:
        self.path = Path(path)
        self._database = connect(self.path, create=create)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits, and let go."""
        try:
            self.flush()
        finally:
            self._database.close()

    def flush(self) -> None:
        """Write what waits; nothing does here."""

    def fill_tags(self) -> int:
        """Read the tags of files that have none stored, as a library of an older version, and return how many.

        Those that are gone, or have changed since they were heard, are passed over. A MissingExtra where the packages
        of the extra "tags" are not installed.
        """
        require_mediafile("reading tags")
        self.flush()
        n = 0
        for hearing in self._select("SELECT id FROM hearing"):
            select = (
                "SELECT track.path, track.size, track.mtime_ns FROM track LEFT JOIN file USING (path, size, mtime_ns) "
                "WHERE hearing = ? AND tags IS NULL"
            )
            for rows in self._read_blocks(select, hearing):
                there = [row for row in rows if file_state(*row) == "there"]
                files = [(*row, read_tags(os.fsdecode(row[0])), None, None) for row in there]
                with self._transaction():
                    self._put_files(files)
                n += len(files)
        return n

    def note_change(self, path: str | os.PathLike[str], old: Stamp, new: Stamp) -> None:
        """Note that tags of a file were written, and nothing else: what is known of it holds for what it is now.

        Parameters
        ----------
        path : path
        old, new : Stamp
            Of the file before and after.
        """
        self.flush()
        key, stamp = path_key(path), (new.size, new.mtime_ns)
        tags = read_tags(os.fspath(path))
        with self._transaction():
            values = (*stamp, key, old.size, old.mtime_ns)
            where = "AND size = ? AND mtime_ns = ?"
            self._database.execute(f"UPDATE file SET size = ?, mtime_ns = ? WHERE path = ? {where}", values)
            tracks = self._database.execute(f"UPDATE track SET size = ?, mtime_ns = ? WHERE {_OF_PATH} {where}", values)
            if tracks.rowcount:
                self._put_files([(key, *stamp, tags, None, None)])

    def correct(self, pairs: Iterable[tuple[str, str]], source: str) -> int:
        """Keep the genres that files have in truth, and return how many; they stay when a file changes.

        Parameters
        ----------
        pairs : iterable of (str, str)
            Path and genre, in any words.
        source : str
            Where they come from, such as "plan".

        Raises
        ------
        LibraryError
            If the library knows no such file, see :meth:`knows`; then nothing is kept.
        SettingError
            If a genre is empty.
        """
        self.flush()
        rows = []
        for path, genre in pairs:
            if not self.knows(path):
                raise LibraryError(f"{path}: not in {self.path}; 'earmark classify FILE --library' puts it there")
            if not (words := " ".join(genre.split())):
                raise SettingError(f"{path}: a correction needs a genre")
            rows.append((path_key(path), words, source, int(time.time())))
        with self._transaction():
            self._database.executemany("INSERT OR REPLACE INTO correction VALUES (?, ?, ?, ?)", rows)
        return len(rows)

    def corrections(self, source: str | None = None) -> dict[str, str]:
        """Return the genres that were corrected by the absolute path of their file; only of a source where given."""
        rows = self._select("SELECT path, genre FROM correction WHERE source = ifnull(?, source) ORDER BY path", source)
        return {os.fsdecode(path): genre for path, genre in rows}

    def forget_corrections(self, path: str) -> int:
        """Forget the correction of a file, or those of all files below a folder, and return how many there were."""
        key = path_key(path)
        with self._transaction():
            delete = "DELETE FROM correction WHERE path = ? OR path >= ? AND path < ?"
            return self._database.execute(delete, (key, *_range_below(key))).rowcount

    def find_files(self, path: str) -> list[str]:
        """Return the absolute path of a file that was heard, or those of all that were heard below a folder."""
        key = path_key(path)
        if self.knows(path):
            return [os.fsdecode(key)]
        select = "SELECT DISTINCT path FROM track WHERE hearing IN (SELECT id FROM hearing) AND path >= ? AND path < ?"
        return [os.fsdecode(found) for (found,) in self._select(select, *_range_below(key))]

    def knows(self, path: str) -> bool:
        """Tell whether a file was heard, by whatever model."""
        return bool(self._select(f"SELECT 1 FROM track WHERE {_OF_PATH} LIMIT 1", path_key(path)))

    def find_embedding(self, path: str, encoder: str) -> bytes | None:
        """Return what an encoder heard in a file as it is now, as float16, little-endian; None where none is kept."""
        rows = self._select(
            "SELECT path, size, mtime_ns, embedding FROM file WHERE path = ? AND encoder = ?", path_key(path), encoder
        )
        return next((embedding for *file, embedding in rows if file_state(*file) == "there"), None)

    def read_embeddings(self, encoder: str) -> Iterator[list[tuple[str, bytes]]]:
        """Yield, in blocks, the paths of all files in which an encoder heard something, and what, as float16."""
        last = 0
        while rows := self._select(
            "SELECT rowid, path, embedding FROM file WHERE rowid > ? AND encoder = ? AND embedding IS NOT NULL "
            f"ORDER BY rowid LIMIT {BLOCK}",
            last,
            encoder,
        ):
            yield [(os.fsdecode(path), embedding) for _, path, embedding in rows]
            last = rows[-1][0]

    def prune(self) -> tuple[int, int]:
        """Forget files that are gone; return how many, and how many corrections went with them.

        A LibraryError if all are gone: rather, their disk is away.
        """
        paths = [path for (path,) in self._select("SELECT DISTINCT path FROM track")]
        # lexists: a link whose target is away is not gone
        gone = [(path,) for path in paths if not os.path.lexists(path)]
        if gone and len(gone) == len(paths):
            raise LibraryError(
                f"{self.path}: none of its {len(paths)} files is there, such as {os.fsdecode(paths[0])!r}. "
                "Nothing was forgotten: is their disk connected? Delete the library if they are gone for good"
            )
        with self._transaction():
            self._database.executemany(f"DELETE FROM track WHERE {_OF_PATH}", gone)
            self._database.executemany("DELETE FROM file WHERE path = ?", gone)
            corrections = self._database.executemany("DELETE FROM correction WHERE path = ?", gone).rowcount
        return len(gone), max(0, corrections)

    def follow_move(self, path: str, status: os.stat_result) -> bool:
        """Give a file what was known of it under another path, if it was moved from there; return whether it was."""
        self.flush()
        return self._follow_move(path_key(path), status.st_size, status.st_mtime_ns)

    def _follow_move(self, key: bytes, size: int, mtime_ns: int) -> bool:
        """Give a file that was not known what was known under another path, if it was moved from there."""
        rows = self._select("SELECT DISTINCT path FROM track WHERE mtime_ns = ? AND size = ? LIMIT 2", mtime_ns, size)
        # two alike: no telling which
        if len(rows) != 1:
            return False
        (old,) = rows[0]
        # archives give many files one time of full seconds: there the name must be the same too
        precise = mtime_ns % 1_000_000_000 or os.path.basename(old) == os.path.basename(key)  # noqa: PTH119 (bytes)
        if not precise or os.path.lexists(old):
            return False
        with self._transaction():
            self._database.execute(f"UPDATE OR REPLACE track SET path = ? WHERE {_OF_PATH}", (key, old))
            for table in ("file", "correction"):
                self._database.execute(f"UPDATE OR REPLACE {table} SET path = ? WHERE path = ?", (key, old))
        _log.debug("library %s: %r was moved to %r", self.path, old, key)
        return True

    def _put_files(self, rows: Iterable[FileRow]) -> None:
        self._database.executemany(_PUT_FILE, rows)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with translate_errors(self.path), transaction(self._database):
            yield

    def _select(self, statement: str, *values: Any) -> list[Any]:
        with translate_errors(self.path):
            return self._database.execute(statement, values).fetchall()

    def _read_blocks(self, select: str, values: Iterable[Any]) -> Iterator[list[Any]]:
        """Yield blocks of tracks in the order of their paths, which come first in a row."""
        last = b""
        while rows := self._select(f"{select} AND track.path > ? ORDER BY track.path LIMIT {BLOCK}", *values, last):
            yield rows
            last = rows[-1][0]


def path_key(path: str | os.PathLike[str]) -> bytes:
    """Return the absolute path as the system's bytes, which may be no text."""
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 (Path.absolute keeps '..')


def _range_below(folder: bytes) -> tuple[bytes, bytes]:
    """Return the first path that may be below a folder, and the first after all of them."""
    start = os.path.join(folder, b"")  # noqa: PTH118 (bytes)
    return start, start[:-1] + bytes([start[-1] + 1])


def read_tags(path: str) -> str | None:
    """Read a file's tags as JSON; None where mediafile is not installed."""
    try:
        require_mediafile()
    except MissingExtra:
        return None
    return json.dumps(read_file_tags(Path(path)).to_dict(), separators=(",", ":"))


def parse_tags(tags: str | None, path: str) -> FileTags | None:
    """Parse what :func:`read_tags` gave."""
    return None if tags is None else FileTags.from_dict(path, json.loads(tags))


def file_state(path: bytes | str, size: int, mtime_ns: int) -> Literal["there", "changed", "gone"]:
    """Return what has become of a file: as it was, changed since, or gone."""
    stamp = take_stamp(path)
    return "gone" if stamp is None else "there" if stamp == (size, mtime_ns) else "changed"


def take_stamp(path: bytes | str) -> tuple[int, int] | None:
    """Return size and modification time of a file, by which it is known again; None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 (bytes)
    # no path at all, such as one with NUL
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns
