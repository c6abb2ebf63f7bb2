"""Opening the file of a result database: it is made where missing, checked, and brought up to date."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote_from_bytes

from earmark.errors import LibraryError
from earmark.library.database import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    create_tables,
    error_code,
    transaction,
    translate_errors,
)
from earmark.library.migration import migrate

# seconds to wait for another run, which holds the file for milliseconds at a time
_BUSY_TIMEOUT = 30.0


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
    if application != APPLICATION_ID:
        raise LibraryError(f"{path}: a database of another program: it is left as it is, give another name")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise LibraryError(
            f"{path}: library format {version}, this Earmark knows up to {SCHEMA_VERSION}: install a newer Earmark"
        )
    if version < SCHEMA_VERSION:
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


def _is_new(database: sqlite3.Connection) -> bool:
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (application,) = database.execute("PRAGMA application_id").fetchone()
    # application_id is 0 until a program sets it
    return (tables, application) == (0, 0)
