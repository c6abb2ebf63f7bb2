"""Bringing a library of an older version up to date, of which a copy is kept beside it."""

from __future__ import annotations

import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from earmark.errors import LibraryError, reason_of
from earmark.files import replacing
from earmark.library.database import SCHEMA_VERSION, create_tables, error_code, transaction
from earmark.library.packing import Packer

_log = logging.getLogger(__name__)

# rows read at once
_BLOCK = 1000


def migrate(database: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Bring a library of version 1 or 2 up to date, and return the connection to go on with.

    What it was stays beside it, as ``PATH.v2-backup``. A library that can only be read stays as it is: the connection
    returned is to a private copy, which can only be read too.
    """
    try:
        with transaction(database):
            # asked inside the transaction: another run may have been quicker
            if (version := _read_version(database)) < SCHEMA_VERSION:
                # changes nothing, but fails where nothing can be written: BEGIN does not
                database.execute(f"PRAGMA user_version = {version}")
                _keep_copy(path, copy := path.with_name(f"{path.name}.v{version}-backup"))
                _convert(database, version)
    except sqlite3.OperationalError as error:
        if error_code(error) != sqlite3.SQLITE_READONLY:
            raise
        with closing(database):
            return _open_private_copy(database)
    if version < SCHEMA_VERSION:
        _log.warning("%s is now of format %d; as it was before, it is kept as %s", path, SCHEMA_VERSION, copy)
    return database


def _read_version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _keep_copy(path: Path, copy: Path) -> None:
    """Copy a library, whole or not at all."""
    try:
        # a connection of its own, for the other holds the lock for writing, and SQLite copies from none that does
        with (
            closing(sqlite3.connect(path)) as source,
            replacing(copy) as draft,
            closing(sqlite3.connect(draft)) as target,
        ):
            source.backup(target)
    except (OSError, sqlite3.Error) as error:
        raise LibraryError(
            f"{copy}: no copy of the library can be kept ({reason_of(error)}), so it stays of the older format; "
            "make room beside it"
        ) from error


def _open_private_copy(database: sqlite3.Connection) -> sqlite3.Connection:
    """Copy a library into a file of SQLite's own, which vanishes when it is closed, and bring that up to date."""
    private = sqlite3.connect("", isolation_level=None)
    database.backup(private)
    with transaction(private):
        _convert(private, _read_version(private))
    private.execute("PRAGMA query_only = ON")
    return private


def _convert(database: sqlite3.Connection, version: int) -> None:
    """Pack genres, styles and moods, which were JSON (styles and moods not in version 1), and make what is missing."""
    if version == 1:
        for what in ("styles", "moods"):
            database.execute(f"ALTER TABLE track ADD COLUMN {what} TEXT NOT NULL DEFAULT '{{}}'")
    database.execute("ALTER TABLE hearing ADD COLUMN model_file BLOB")
    create_tables(database)
    packer, last = Packer(database), 0
    select = f"SELECT rowid, genres, styles, moods FROM track WHERE rowid > ? ORDER BY rowid LIMIT {_BLOCK}"
    while rows := database.execute(select, (last,)).fetchall():
        packed = [(*(packer.pack(json.loads(shares)) for shares in row[1:]), row[0]) for row in rows]
        database.executemany("UPDATE track SET genres = ?, styles = ?, moods = ? WHERE rowid = ?", packed)
        last = rows[-1][0]
