"""Walking: everything below a folder, nothing beyond it, no loop, and what cannot be read is said."""

import os
import subprocess
from pathlib import Path

import pytest
from support.command import json_lines, run

from earmark.files import walk


@pytest.fixture
def reported():
    said = {}

    def on_error(path, words):
        said[path] = words

    on_error.said = said
    return on_error


def test_links_to_folders_are_not_followed_so_no_loop_is(tmp_path, reported):
    (tmp_path / "music" / "album").mkdir(parents=True)
    (tmp_path / "music" / "a.mp3").touch()
    (tmp_path / "music" / "album" / "b.mp3").touch()
    (tmp_path / "music" / "album" / "up").symlink_to(tmp_path / "music")
    (tmp_path / "music" / "self").symlink_to("self")
    (tmp_path / "music" / "self.mp3").symlink_to("self.mp3")
    (tmp_path / "named").symlink_to(tmp_path / "music")
    (tmp_path / "music" / "@eaDir").mkdir()
    (tmp_path / "music" / "@eaDir" / "c.mp3").touch()
    names = ["a.mp3", "self.mp3", "album/b.mp3"]  # whoever opens the second will see what it is
    for root in (tmp_path / "music", tmp_path / "named"):  # what is named outright is followed
        assert [str(path.relative_to(root)) for path in walk(root, on_error=reported)] == names
        assert [str(path.relative_to(root)) for path in walk(root, within=[root], on_error=reported)] == names
    assert reported.said == {}


def test_links_to_files_lead_no_further_than_the_folders_given(tmp_path, reported):
    for folder in ("music", "music too", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "song.mp3").touch()
    music, too, other = tmp_path / "music", tmp_path / "music too", tmp_path / "other"
    (music / "inside.mp3").symlink_to("song.mp3")
    (music / "neighbour.mp3").symlink_to(too / "song.mp3")  # whose folder's name begins alike
    (music / "out.mp3").symlink_to("../other/song.mp3")
    (music / "twice.mp3").symlink_to("out.mp3")
    (music / "gone.mp3").symlink_to(other / "gone.mp3")
    every = ["gone.mp3", "inside.mp3", "neighbour.mp3", "out.mp3", "song.mp3", "twice.mp3"]
    assert [path.name for path in walk(music, on_error=reported)] == every
    assert reported.said == {}
    inside = [path.name for path in walk(music, within=[music, too], on_error=reported)]
    assert inside == ["gone.mp3", "inside.mp3", "neighbour.mp3", "song.mp3"]
    assert {path.name for path in reported.said} == {"out.mp3", "twice.mp3"}
    assert all("link out of the folders given" in words for words in reported.said.values())
    assert [path.name for path in walk(music, within=[music])] == ["gone.mp3", "inside.mp3", "song.mp3"]


def test_a_folder_that_holds_itself_is_entered_once(tmp_path, monkeypatch):
    """As one that is mounted below itself does; no ordinary user can mount, so `stat` pretends."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x.mp3").touch()
    (tmp_path / "a" / "y.mp3").touch()
    real = os.stat
    monkeypatch.setattr(
        os, "stat", lambda path, **more: real(tmp_path / "a" if str(path).endswith("b") else path, **more)
    )
    assert [path.name for path in walk(tmp_path)] == ["y.mp3"]


@pytest.fixture
def deep(tmp_path):
    """Make folders one in the other, step by step, for the whole name may be longer than is allowed."""

    def make(name, depth):
        try:
            for _ in range(depth):
                Path(name).mkdir()
                os.chdir(name)
            Path("deep.mp3").touch()
        finally:
            os.chdir(tmp_path)

    home = Path.cwd()
    os.chdir(tmp_path)
    yield make
    subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)  # which Python's own tidying could not
    os.chdir(home)


def test_a_tree_deeper_than_pythons_stack(tmp_path, deep):
    deep("d", 1500)
    assert [path.name for path in walk(tmp_path)] == ["deep.mp3"]


def test_a_tree_deeper_than_names_may_be(tmp_path, deep, reported):
    deep("d" * 200, 25)
    assert list(walk(tmp_path, on_error=reported)) == []
    assert list(reported.said.values()) == ["folder cannot be read (File name too long)"]


def test_a_folder_that_vanishes_on_the_way(tmp_path, reported):
    (tmp_path / "b").mkdir()
    (tmp_path / "a.mp3").touch()
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "d.mp3").touch()
    found = walk(tmp_path, on_error=reported)
    assert next(found).name == "a.mp3"
    (tmp_path / "b").rmdir()
    assert next(found).name == "d.mp3"
    assert reported.said == {tmp_path / "b": "folder cannot be read (No such file or directory)"}


def test_a_folder_without_permission_is_an_error_of_the_batch(tmp_path, write_sound, rng):
    write_sound(tmp_path / "a.wav", rng.normal(size=(1, 16000)) * 0.1, 16000)
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0)
    if os.access(closed, os.R_OK):
        pytest.skip("this user (root?) may read everything")
    done = run("classify", tmp_path, "--format", "json", expect=1)
    heard, unread = json_lines(done.stdout)
    assert heard["error"] is None
    assert (unread["path"], unread["error"]) == (str(closed), "folder cannot be read (Permission denied)")


def test_links_out_are_errors_of_the_batch_and_followed_where_named(tmp_path, write_sound, rng):
    (tmp_path / "music").mkdir()
    song = write_sound(tmp_path / "song.wav", rng.normal(size=(1, 16000)) * 0.1, 16000)
    link = tmp_path / "music" / "link.wav"
    link.symlink_to(song)
    done = run("classify", tmp_path / "music", "--format", "json", expect=1)
    (unread,) = json_lines(done.stdout)
    assert unread["path"] == str(link)
    assert unread["error"] == "is a link out of the folders given: name it outright to follow it"
    for named in ([link], [tmp_path / "music", tmp_path]):
        assert all(record["error"] is None for record in json_lines(run("classify", *named, "--format", "json").stdout))
