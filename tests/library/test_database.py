"""The file of a result database: only ours is opened."""

import shutil
import sqlite3

from support.command import run

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
        (newer, "library format 99, this Earmark knows up to 1"),
        (tmp_path / "empty", "not a file"),
        (copy / "below.db", "its folder cannot be made"),
    ):
        before = path.read_bytes() if path.is_file() else None
        assert says in run("classify", sound, "--library", path, expect=2).stderr
        assert before is None or path.read_bytes() == before
    assert "no such library" in run("library", tmp_path / "none.db", expect=2).stderr
    assert not (tmp_path / "none.db").exists()
