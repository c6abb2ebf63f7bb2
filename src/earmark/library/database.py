"""The file of a result database: making, opening and checking it, and SQLite's errors in plain words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote_from_bytes

from earmark.errors import LibraryError

SCHEMA_VERSION = 3
"""Version of the tables below."""

# SQLite's ``application_id`` of our files
_APPLICATION_ID = int.from_bytes(b"Earm")
# seconds to wait for another run, which holds the file for milliseconds at a time
_BUSY_TIMEOUT = 30.0

# paths are BLOB, for a file system's bytes need not be UTF-8; clips are compressed JSON; genres, styles and moods are
# as :mod:`earmark.library.packing` has them; `file` holds what is true of a file whatever the model, and counts while
# size and mtime_ns are those of its track
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS hearing (
        id INTEGER PRIMARY KEY, checksum TEXT NOT NULL, preview INTEGER NOT NULL, name TEXT NOT NULL,
        labels TEXT NOT NULL, used INTEGER NOT NULL, UNIQUE (checksum, preview)
    )""",
    """CREATE TABLE IF NOT EXISTS track (
        hearing INTEGER NOT NULL REFERENCES hearing, path BLOB NOT NULL, size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL, genre TEXT, reason TEXT, confidence REAL NOT NULL, genres BLOB NOT NULL,
        duration REAL, error TEXT, clips BLOB, heard INTEGER NOT NULL, styles BLOB NOT NULL, moods BLOB NOT NULL,
        UNIQUE (hearing, path)
    )""",
    "CREATE INDEX IF NOT EXISTS track_mtime ON track (mtime_ns)",
    "CREATE TABLE IF NOT EXISTS name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    """CREATE TABLE IF NOT EXISTS file (
        path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, tags TEXT, encoder TEXT, embedding BLOB
    )""",
    """CREATE TABLE IF NOT EXISTS correction (
        path BLOB PRIMARY KEY, genre TEXT NOT NULL, source TEXT NOT NULL, corrected INTEGER NOT NULL
    )""",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

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

    It is made where missing, with its folder, unless `create` is false; one of an older version is brought up to
    date. Transactions are begun by hand, see :func:`transaction`. A LibraryError if it is missing, something else, or
    newer than this Earmark.
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
            return _prepare(database, path)
        except BaseException:
            database.close()
            raise


def _prepare(database: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Refuse what is not ours, make the tables where there are none, and let readers and writers work side by side."""
    if _is_new(database):
        with transaction(database):
            # asked again inside the transaction: another run may have been quicker
            if _is_new(database):
                create_tables(database)
    (application,) = database.execute("PRAGMA application_id").fetchone()
    if application != _APPLICATION_ID:
        raise LibraryError(f"{path}: a database of another program: it is left as it is, give another name")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise LibraryError(
            f"{path}: library format {version}, this Earmark knows up to {SCHEMA_VERSION}: install a newer Earmark"
        )
    if version < SCHEMA_VERSION:
        from earmark.library.migration import migrate

        database = migrate(database, path)
    try:
        # no effect where the file system cannot: then slower, as safe
        database.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        # another run is doing it; or it can only be read
        if error_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY):
            raise
    # under WAL a power cut may lose the last transactions, but damages nothing
    database.execute("PRAGMA synchronous = NORMAL")
    return database


def create_tables(database: sqlite3.Connection) -> None:
    """Make the tables that are missing, and note that they are ours and of which version."""
    for statement in SCHEMA:
        database.execute(statement)


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
        raise LibraryError(f"{path}: {_MESSAGES.get(error_code(error), str(error))}") from error


def error_code(error: sqlite3.Error) -> int:
    """Return the primary code of an error."""
    # extended codes hold it in their last byte
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
