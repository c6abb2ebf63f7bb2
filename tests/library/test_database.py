"""The file of a result database: only ours is opened."""

import shutil
import sqlite3
from dataclasses import replace

import pytest
from support.command import run
from support.verdicts import KEY, verdict_of

from earmark.errors import LibraryError
from earmark.library import database
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
        (newer, "library format 99, this Earmark knows up to 2"),
        (tmp_path / "empty", "not a file"),
        (copy / "below.db", "its folder cannot be made"),
    ):
        before = path.read_bytes() if path.is_file() else None
        assert says in run("classify", sound, "--library", path, expect=2).stderr
        assert before is None or path.read_bytes() == before
    assert "no such library" in run("library", tmp_path / "none.db", expect=2).stderr
    assert not (tmp_path / "none.db").exists()


@pytest.fixture
def old(tmp_path):
    """A library as version 1 left it, with one answer."""
    song, path = tmp_path / "song.wav", tmp_path / "old.db"
    song.write_bytes(b"x")
    with Library(path) as library:
        list(library.classify([(str(song), song.stat())], KEY, lambda paths: map(verdict_of, paths)))
    connection = sqlite3.connect(path)
    for statement in ("ALTER TABLE track DROP styles", "ALTER TABLE track DROP moods", "PRAGMA user_version = 1"):
        connection.execute(statement)
    connection.close()
    return path


def test_an_older_library_is_brought_up_to_date(old, tmp_path):
    (tmp_path / "new.wav").write_bytes(b"y")
    told = replace(verdict_of(tmp_path / "new.wav"), styles={"bebop": 0.5, "swing": 0.25}, moods={"sad": 1 / 3})
    for _ in range(2):
        with Library(old) as library:
            list(library.classify([(told.path, (tmp_path / "new.wav").stat())], KEY, lambda paths: [told]))
            found = {kept.verdict.path: kept.verdict for kept in library.query(KEY)}
        assert found[told.path] == told
        assert found[str(tmp_path / "song.wav")] == verdict_of(tmp_path / "song.wav")
    with Library(tmp_path / "fresh.db"), sqlite3.connect(tmp_path / "fresh.db") as fresh, sqlite3.connect(old) as now:
        columns = "SELECT name, type, dflt_value FROM pragma_table_info('track')"
        assert fresh.execute(columns).fetchall() == now.execute(columns).fetchall()


def test_an_older_library_that_can_only_be_read_is_read(old, tmp_path, monkeypatch):
    connect, before = sqlite3.connect, old.read_bytes()
    monkeypatch.setattr(database.sqlite3, "connect", lambda path, **more: connect(f"{path}&mode=ro", **more))
    with Library(old, create=False) as library:
        (kept,) = library.query(library.models()[0][0])
        assert kept.verdict == verdict_of(tmp_path / "song.wav")
        with pytest.raises(LibraryError, match="cannot be written"):
            list(library.classify([], KEY, list))
    assert old.read_bytes() == before
