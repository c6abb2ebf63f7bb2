"""The file of a result database: making, opening and checking it, and SQLite's errors in plain words."""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

from earmark.errors import LibraryError
from earmark.inference.verdict import ClipVerdict, Verdict

SCHEMA_VERSION = 2
"""Version of the tables below."""

# SQLite's ``application_id`` of our files
_APPLICATION_ID = int.from_bytes(b"Earm")
# seconds to wait for another run, which holds the file for milliseconds at a time
_BUSY_TIMEOUT = 30.0

# paths are BLOB, for a file system's bytes need not be UTF-8; clips are compressed JSON
_SCHEMA = (
    """CREATE TABLE hearing (
        id INTEGER PRIMARY KEY, checksum TEXT NOT NULL, preview INTEGER NOT NULL, name TEXT NOT NULL,
        labels TEXT NOT NULL, used INTEGER NOT NULL, UNIQUE (checksum, preview)
    )""",
    """CREATE TABLE track (
        hearing INTEGER NOT NULL REFERENCES hearing, path BLOB NOT NULL, size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL, genre TEXT, reason TEXT, confidence REAL NOT NULL, genres TEXT NOT NULL,
        duration REAL, error TEXT, clips BLOB, heard INTEGER NOT NULL, styles TEXT NOT NULL DEFAULT '{}',
        moods TEXT NOT NULL DEFAULT '{}', UNIQUE (hearing, path)
    )""",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

# what version 2 added: to a file, or where that cannot be written, to what this connection sees of it
_UPGRADE = (
    "ALTER TABLE track ADD COLUMN styles TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE track ADD COLUMN moods TEXT NOT NULL DEFAULT '{}'",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
_UPGRADED_VIEW = "CREATE TEMP VIEW track AS SELECT *, '{}' AS styles, '{}' AS moods FROM main.track"

FIELDS = "path, genre, reason, confidence, genres, duration, styles, moods, error"
"""Columns of a track that make a verdict, in the order of :func:`parse_verdict`; clips follow them."""

_MESSAGES = {
    sqlite3.SQLITE_BUSY: "another run has held it too long: try again when that is done",
    sqlite3.SQLITE_LOCKED: "another run has held it too long: try again when that is done",
    sqlite3.SQLITE_FULL: "the disk is full. What was kept before stays; make room, and the same command goes on",
    sqlite3.SQLITE_NOTADB: "not a library of Earmark's (no SQLite database): it is left as it is, give another name",
    sqlite3.SQLITE_CORRUPT: "the database is damaged: delete it, or put a copy of it back",
    sqlite3.SQLITE_READONLY: "it cannot be written: see who owns it, and its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: see who may read and write it, and its folder",
    sqlite3.SQLITE_IOERR: "the disk fails. What was kept before stays",
}


def connect(path: Path, *, create: bool = True) -> sqlite3.Connection:
    """Open a result database.

    It is made where missing, with its folder, unless `create` is false. Transactions are begun by hand, see
    :func:`transaction`. A LibraryError if it is missing, something else, or newer than this Earmark.
    """
    if not create and not path.exists():
        raise LibraryError(f"{path}: there is no such library; 'earmark classify FOLDER --library {path}' makes one")
    if path.exists() and not path.is_file():
        raise LibraryError(f"{path}: not a file; give the library a name of its own")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(f"{path}: its folder cannot be made ({error.strerror})") from error
    with translate_errors(path):
        # a URI, for only there "rw" can be said: open, but do not create
        address = f"file:{quote_from_bytes(os.fsencode(path.absolute()))}?mode={'rwc' if create else 'rw'}"
        database = sqlite3.connect(address, uri=True, timeout=_BUSY_TIMEOUT, isolation_level=None)
        try:
            _prepare(database, path)
        except BaseException:
            database.close()
            raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    """Refuse what is not ours, make the tables where there are none, and let readers and writers work side by side."""
    if _is_new(database):
        with transaction(database):
            # asked again inside the transaction: another run may have been quicker
            if _is_new(database):
                for statement in _SCHEMA:
                    database.execute(statement)
    (application,) = database.execute("PRAGMA application_id").fetchone()
    if application != _APPLICATION_ID:
        raise LibraryError(f"{path}: a database of another program: it is left as it is, give another name")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise LibraryError(
            f"{path}: library format {version}, this Earmark knows up to {SCHEMA_VERSION}: install a newer Earmark"
        )
    if version < SCHEMA_VERSION:
        _upgrade(database)
    try:
        # no effect where the file system cannot: then slower, as safe
        database.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        # another run is doing it; or it can only be read
        if _error_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY):
            raise
    # under WAL a power cut may lose the last transactions, but damages nothing
    database.execute("PRAGMA synchronous = NORMAL")


def _upgrade(database: sqlite3.Connection) -> None:
    """Bring a library of version 1 up to date; one that can only be read stays as it is, and is read as if it were."""
    try:
        with transaction(database):
            # asked again inside the transaction: another run may have been quicker
            if database.execute("PRAGMA user_version").fetchone() == (1,):
                for statement in _UPGRADE:
                    database.execute(statement)
    except sqlite3.OperationalError as error:
        if _error_code(error) != sqlite3.SQLITE_READONLY:
            raise
        database.execute(_UPGRADED_VIEW)


def _is_new(database: sqlite3.Connection) -> bool:
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (application,) = database.execute("PRAGMA application_id").fetchone()
    # application_id is 0 until a program sets it
    return (tables, application) == (0, 0)


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Do all of a transaction or nothing; wait for another run's to end."""
    # takes the write lock at once: SQLite may refuse, without waiting, to raise a read lock to it later
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        # after some errors, such as a full disk, SQLite has rolled back by itself
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as ours, which say what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise LibraryError(f"{path}: {_MESSAGES.get(_error_code(error), str(error))}") from error


def _error_code(error: sqlite3.Error) -> int:
    """Return the primary code of an error."""
    # extended codes hold it in their last byte
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def parse_verdict(row: Iterable[Any], model: str, path: str) -> Verdict:
    """Parse a row of :data:`FIELDS` and clips, which may be NULL."""
    _, genre, reason, confidence, genres, duration, styles, moods, error, packed = row
    clips = tuple(_parse_clip(**clip) for clip in json.loads(zlib.decompress(packed))) if packed else ()
    genres, styles, moods = map(json.loads, (genres, styles, moods))
    return Verdict(genre, reason, confidence, genres, duration, clips, model, path, error, styles, moods)


def _parse_clip(attention: list[float] | None, **fields: Any) -> ClipVerdict:
    return ClipVerdict(attention=None if attention is None else tuple(attention), **fields)
