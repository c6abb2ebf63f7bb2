"""The file of a result database: only ours is opened."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest
from support.command import run
from support.verdicts import KEY, verdict_of

from earmark.errors import LibraryError
from earmark.library.library import Library


def test_what_is_no_library_is_left_as_it_is(sound, tmp_path):
    (tmp_path / "empty").mkdir()
    foreign, newer, copy = tmp_path / "beets.db", tmp_path / "newer.db", tmp_path / "song.wav"
    for path, statement in ((foreign, "CREATE TABLE items (id)"), (newer, "PRAGMA user_version = 99")):
        if path is newer:
            Library(path).close()
        connection = sqlite3.connect(path)
        connection.execute(statement)
        connection.commit()
        connection.close()
    shutil.copy(sound, copy)
    for path, says in (
        (copy, "not a library of Earmark's"),
        (foreign, "a database of another program"),
        (newer, "library format 99, this Earmark knows up to 3"),
        (tmp_path / "empty", "not a file"),
        (copy / "below.db", "its folder cannot be made"),
    ):
        before = path.read_bytes() if path.is_file() else None
        assert says in run("classify", sound, "--library", path, expect=2).stderr
        assert before is None or path.read_bytes() == before
    assert "no such library" in run("library", tmp_path / "none.db", expect=2).stderr
    assert not (tmp_path / "none.db").exists()


# as versions 1 and 2 made them
OLD_HEARING = """CREATE TABLE hearing (
    id INTEGER PRIMARY KEY, checksum TEXT NOT NULL, preview INTEGER NOT NULL, name TEXT NOT NULL,
    labels TEXT NOT NULL, used INTEGER NOT NULL, UNIQUE (checksum, preview)
)"""
OLD_TRACK = """CREATE TABLE track (
    hearing INTEGER NOT NULL REFERENCES hearing, path BLOB NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, genre TEXT, reason TEXT, confidence REAL NOT NULL, genres TEXT NOT NULL,
    duration REAL, error TEXT, clips BLOB, heard INTEGER NOT NULL{more}, UNIQUE (hearing, path)
)"""
SECOND = ", styles TEXT NOT NULL DEFAULT '{}', moods TEXT NOT NULL DEFAULT '{}'"
OLD_FILES = 2500  # more than are converted at once


@pytest.fixture(params=[1, 2])
def old(tmp_path, request):
    """A library as an older version left it, and its verdicts."""
    path, song, version = tmp_path / "old.db", tmp_path / "song.wav", request.param
    song.write_bytes(b"x")
    told = {}
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute(OLD_HEARING)
        made.execute(OLD_TRACK.format(more=SECOND if version == 2 else ""))
        made.execute(f"PRAGMA application_id = {int.from_bytes(b'Earm')}")
        made.execute(f"PRAGMA user_version = {version}")
        made.execute("INSERT INTO hearing VALUES (1, ?, 0, ?, ?, 0)", (KEY.checksum, KEY.name, json.dumps(KEY.labels)))
        made.execute("BEGIN")
        for i in range(OLD_FILES):
            verdict = verdict_of(f"{song}{i}" if i else song)
            if version == 2:
                verdict = replace(verdict, styles={"bebop": 1 / 3, "swing": 1 / (i + 7)}, moods={"sad": 0.5})
            row = [1, os.fsencode(verdict.path), 1, song.stat().st_mtime_ns, "jazz", None, 0.7]
            row += [json.dumps(verdict.genres), 12.0, None, None, 0]
            row += [json.dumps(verdict.styles), json.dumps(verdict.moods)][: 2 * (version == 2)]
            made.execute(f"INSERT INTO track VALUES ({', '.join('?' * len(row))})", row)
            told[verdict.path] = verdict
        made.execute("COMMIT")
    return path, told, version


def read_all(library):
    return {kept.verdict.path: kept.verdict for kept in library.query(library.models()[0][0])}


def test_an_older_library_is_brought_up_to_date_and_a_copy_kept(old, tmp_path, caplog):
    path, told, version = old
    before = list(sqlite3.connect(path).iterdump())
    new = tmp_path / "new.wav"
    new.write_bytes(b"y")
    fresh = replace(verdict_of(new), styles={"bebop": 0.5, "swing": 0.25}, moods={"sad": 1 / 3})
    for _ in range(2):
        with Library(path) as library:
            assert read_all(library).items() >= told.items()
            list(library.classify([(str(new), new.stat())], KEY, lambda paths: [fresh]))
            assert read_all(library) == told | {str(new): fresh}
    copy = tmp_path / f"old.db.v{version}-backup"
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} is now of format 3; as it was before, it is kept as {copy}"
    ]
    assert list(sqlite3.connect(copy).iterdump()) == before
    assert [p.name for p in tmp_path.glob("*.partial")] == []
    with Library(tmp_path / "fresh.db"), sqlite3.connect(tmp_path / "fresh.db") as fresh, sqlite3.connect(path) as now:
        columns = "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c ORDER BY 1, 2"
        assert fresh.execute(columns).fetchall() == now.execute(columns).fetchall()


def test_an_older_library_that_can_only_be_read_is_read(old, monkeypatch):
    path, told, _ = old
    connect, before = sqlite3.connect, path.read_bytes()

    def only_read(name, **more):
        return connect(f"{name}&mode=ro" if "mode=" in str(name) else name, **more)

    monkeypatch.setattr(sqlite3, "connect", only_read)
    with Library(path, create=False) as library:
        assert read_all(library) == told
        with pytest.raises(LibraryError, match="cannot be written"):
            list(library.classify([], KEY, list))
    assert path.read_bytes() == before


def test_an_older_library_stays_as_it_is_where_no_copy_can_be_kept(old):
    path, _, version = old
    before = path.read_bytes()
    blocked = path.with_name(f"old.db.v{version}-backup")
    (blocked / "something").mkdir(parents=True)
    with pytest.raises(LibraryError, match="-backup: no copy of the library can be kept"):
        Library(path)
    assert path.read_bytes() == before


def test_an_older_run_at_work_meanwhile_writes_nothing_wrong(old):
    path, told, _ = old
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        (row,) = older.execute("SELECT * FROM track LIMIT 1")
        with Library(path):
            pass
        with pytest.raises(sqlite3.Error, match="brought up to date meanwhile|values"):
            older.execute(f"INSERT OR REPLACE INTO track VALUES ({', '.join('?' * len(row))})", row)
    with Library(path) as library:
        assert read_all(library) == told


def test_two_runs_bring_an_older_library_up_to_date_once(old):
    path, told, _ = old
    code = f"from earmark.library.library import Library\nwith Library({str(path)!r}): pass"
    runs = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = "".join(run.communicate(timeout=60)[1] for run in runs)
    assert said.count("is now of format 3") == 1, said
    with Library(path) as library:
        assert read_all(library) == told
