"""The tables of a result database, its transactions, and SQLite's errors in plain words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from earmark.errors import LibraryError

SCHEMA_VERSION = 3
"""Version of the tables below."""

APPLICATION_ID = int.from_bytes(b"Earm")
"""SQLite's ``application_id`` of our files."""

# paths are BLOB, for a file system's bytes need not be UTF-8; clips are compressed JSON; genres, styles and moods are
# as :mod:`earmark.library.packing` has them; `file` holds what is true of a file whatever the model, and counts while
# size and mtime_ns are those of its track; `model_file` is NULL where the model is a bundled one
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS hearing (
        id INTEGER PRIMARY KEY, checksum TEXT NOT NULL, preview INTEGER NOT NULL, name TEXT NOT NULL,
        labels TEXT NOT NULL, used INTEGER NOT NULL, model_file BLOB, UNIQUE (checksum, preview)
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
    # an older Earmark that is at work while a library is brought up to date would write JSON
    """CREATE TRIGGER IF NOT EXISTS older BEFORE INSERT ON track WHEN typeof(new.genres) != 'blob'
    BEGIN SELECT RAISE(ABORT, 'it was brought up to date meanwhile: start the newer Earmark again'); END""",
    f"PRAGMA application_id = {APPLICATION_ID}",
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


def create_tables(database: sqlite3.Connection) -> None:
    """Make the tables that are missing, and note that they are ours and of which version."""
    for statement in SCHEMA:
        database.execute(statement)


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
