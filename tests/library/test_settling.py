"""Paths wait until they are whole."""

import os
import shutil
import subprocess
import sys

import pytest

from earmark.library.settling import SettlingPaths, is_open_for_writing


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def waiting(clock):
    return SettlingPaths(5, clock)


def test_a_file_settles_when_it_has_not_changed_for_so_long(waiting, clock, tmp_path):
    song = tmp_path / "a.mp3"
    song.write_bytes(b"one")
    waiting.add(str(song))
    clock.now += 4.9
    assert waiting.pop() == []
    clock.now += 0.2
    assert waiting.pop() == [str(song)]
    assert not waiting
    clock.now += 10
    assert waiting.pop() == []


def test_a_growing_file_is_not_touched(waiting, clock, tmp_path):
    song = tmp_path / "a.mp3"
    song.write_bytes(b"")
    waiting.add(str(song))
    for _ in range(4):
        with song.open("ab") as file:
            file.write(b"more")
        clock.now += 6
        assert waiting.pop() == []
    clock.now += 6
    assert waiting.pop() == [str(song)]


def test_a_change_of_time_alone_makes_it_wait_anew(waiting, clock, tmp_path):
    song = tmp_path / "a.mp3"
    song.write_bytes(b"one")
    waiting.add(str(song))
    os.utime(song, ns=(1, 1))
    clock.now += 6
    assert waiting.pop() == []


def test_what_is_gone_is_forgotten(waiting, clock, tmp_path):
    (tmp_path / "album").mkdir()
    waiting.add(str(tmp_path / "album"))
    waiting.add(str(tmp_path / "never.mp3"))
    assert len(waiting) == 1
    shutil.rmtree(tmp_path / "album")
    clock.now += 6
    assert waiting.pop() == []
    assert not waiting


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open")
def test_a_copy_that_stalls_is_open_for_writing_and_so_not_whole(waiting, clock, tmp_path):
    song = tmp_path / "a.mp3"
    with song.open("wb") as file:
        file.write(b"half")
        file.flush()
        waiting.add(str(song))
        assert is_open_for_writing(str(song))
        clock.now += 60
        assert waiting.pop() == []
    assert not is_open_for_writing(str(song))
    clock.now += 6
    assert waiting.pop() == [str(song)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open")
def test_a_writer_that_comes_while_we_look_neither_fails_nor_ends_us(tmp_path):
    song = tmp_path / "a.mp3"
    song.write_bytes(b"")
    program = "import sys\nfor i in range(20000):\n    open(sys.argv[1], 'ab').close()"
    writer = subprocess.Popen([sys.executable, "-c", program, str(song)])
    while writer.poll() is None:
        is_open_for_writing(str(song))
    assert writer.returncode == 0
    with song.open("rb"):
        assert not is_open_for_writing(str(song))


def test_a_folder_and_what_is_not_there_have_no_writers(tmp_path):
    assert not is_open_for_writing(str(tmp_path))
    assert not is_open_for_writing(str(tmp_path / "none.mp3"))
