"""Folders that are watched: which files are given, when, and under which names."""

import os
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest

from earmark.errors import SettingError
from earmark.library.watch import FolderWatch

pytest.importorskip("watchfiles", reason="the extra 'watch' is not installed")

SETTLE = 0.2


def names_of(batch):
    return [path for path, _ in batch]


def found(folders, **options):
    """Names of all files that are there."""
    watch = FolderWatch([str(folder) for folder in folders], settle=SETTLE, **options)
    return [name for batch in watch.follow(once=True) for name in names_of(batch)]


@pytest.fixture
def follow():
    """Begin to watch; return what makes changes a moment later, and waits for so many files that they bring."""
    opened = []

    def begin(folder, **options):
        batches = FolderWatch([str(folder)], settle=SETTLE, **options).follow()
        opened.append(batches)

        def expect(count, *changes):
            def change():
                for one in changes:
                    time.sleep(0.3)
                    one()

            thread = threading.Thread(target=change)
            thread.start()
            names = []
            while len(names) < count:
                names += names_of(next(batches))
            thread.join()
            return names

        return expect

    yield begin
    for batches in opened:
        batches.close()


def put(path, data=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_what_is_there_is_found_but_not_what_is_hidden_or_half_written(tmp_path):
    names = ("a.mp3", "b.FLAC", "c/d.opus", "half.mp3.part", "x.tmp", "y.crdownload", "z.mp3~", "cover.jpg",
             ".earmark-draft-00.mp3", ".cache/e.mp3", "@eaDir/a.mp3", "c/.f.mp3")  # fmt: skip
    for name in names:
        put(tmp_path / name)
    assert sorted(found([tmp_path])) == [str(tmp_path / name) for name in ("a.mp3", "b.FLAC", "c/d.opus")]


def test_old_files_need_not_wait(tmp_path, monkeypatch):
    for i in range(5):
        put(tmp_path / f"{i}.mp3")
    monkeypatch.setattr("earmark.library.watch._OLD", -1)
    begin = time.monotonic()
    watch = FolderWatch([str(tmp_path)], settle=60)
    assert len(names_of(next(watch.follow()))) == 5
    assert time.monotonic() - begin < 10


def test_names_are_those_that_the_folder_was_given_by(tmp_path, monkeypatch):
    put(tmp_path / "music" / "a.mp3")
    monkeypatch.chdir(tmp_path)
    assert found(["music/"]) == ["music/a.mp3"]
    monkeypatch.chdir(tmp_path / "music")
    assert found(["."]) == ["a.mp3"]


def test_what_is_excluded_is_not_given_neither_at_first_nor_later(follow, tmp_path):
    put(tmp_path / "Podcasts" / "a.mp3")
    put(tmp_path / "b.mp3")
    expect = follow(tmp_path, exclude=["Podcasts/", "*.m4b"])
    assert expect(1) == [str(tmp_path / "b.mp3")]
    changes = [lambda: put(tmp_path / "Podcasts" / "c.mp3"), lambda: put(tmp_path / "d.m4b"),
               lambda: put(tmp_path / "e.mp3")]  # fmt: skip
    assert expect(1, *changes) == [str(tmp_path / "e.mp3")]


def test_files_that_come_are_given_each_when_it_is_whole(follow, tmp_path):
    expect = follow(tmp_path)
    song, record = tmp_path / "a.mp3", tmp_path / "new" / "album" / "1.mp3"
    assert expect(2, lambda: put(song), lambda: put(record)) == [str(song), str(record)]
    part = tmp_path / "b.mp3.part"
    assert expect(1, lambda: put(part), lambda: part.rename(tmp_path / "b.mp3")) == [str(tmp_path / "b.mp3")]
    hidden = tmp_path / ".c.mp3.Xy12"
    assert expect(1, lambda: put(hidden), lambda: hidden.rename(tmp_path / "c.mp3")) == [str(tmp_path / "c.mp3")]


def test_a_file_that_grows_is_given_once_it_has_stopped(follow, tmp_path):
    expect, song = follow(tmp_path), tmp_path / "a.mp3"

    def grow():
        with song.open("ab") as file:
            for _ in range(10):
                file.write(b"x")
                file.flush()
                time.sleep(SETTLE / 2)

    begin = time.monotonic()
    assert expect(1, grow) == [str(song)]
    assert time.monotonic() - begin > 0.3 + 9 * SETTLE / 2 + SETTLE
    assert song.stat().st_size == 10


def test_a_folder_that_is_moved_in_is_gone_through(follow, tmp_path):
    album = put(tmp_path / "elsewhere" / "album" / "cd1" / "1.mp3").parents[1]
    (tmp_path / "music").mkdir()
    expect = follow(tmp_path / "music")
    names = expect(1, lambda: album.rename(tmp_path / "music" / "album"))
    assert names == [str(tmp_path / "music/album/cd1/1.mp3")]


def test_thousands_at_once_are_all_given(follow, tmp_path):
    (tmp_path / "music").mkdir()
    for i in range(3000):
        put(tmp_path / "elsewhere" / f"{i // 100}" / f"{i}.mp3")
    expect = follow(tmp_path / "music")
    names = expect(3000, lambda: shutil.copytree(tmp_path / "elsewhere", tmp_path / "music" / "many"))
    assert len(set(names)) == 3000


def test_a_folder_that_is_away_is_waited_for_and_this_is_said_once(follow, tmp_path):
    music, notes = tmp_path / "music", []
    put(music / "a.mp3")
    expect = follow(music, on_note=notes.append)
    assert expect(1) == [str(music / "a.mp3")]

    def come_back():
        put(music / "b.mp3")

    away = tmp_path / "away"
    names = expect(1, lambda: music.rename(away), lambda: time.sleep(1), lambda: away.rename(music), come_back)
    assert names == [str(music / "b.mp3")]
    assert notes == [f"{music} is not there: waiting for it", f"{music} is back"]


def test_links_are_followed_as_in_a_search(follow, tmp_path):
    music, other = tmp_path / "music", put(tmp_path / "other" / "out.mp3")
    put(music / "a.mp3")
    (music / "out.mp3").symlink_to(other)
    (music / "folder").symlink_to(other.parent)
    notes = []
    expect = follow(music, on_note=notes.append)
    assert expect(1) == [str(music / "a.mp3")]
    assert notes == [f"{music}/out.mp3: is a link out of the folders given: name it outright to follow it"]
    changes = [lambda: (music / "late.mp3").symlink_to(other), lambda: put(other.parent / "b.mp3"),
               lambda: (music / "in.mp3").symlink_to(music / "a.mp3")]  # fmt: skip
    assert expect(1, *changes) == [str(music / "in.mp3")]


def test_the_folder_itself_may_be_a_link(follow, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "music").symlink_to(tmp_path / "real")
    expect = follow(tmp_path / "music")
    song = tmp_path / "music" / "album" / "a.mp3"
    assert expect(1, lambda: put(song)) == [str(song)]


def test_of_two_folders_one_may_be_away(follow, tmp_path):
    (tmp_path / "here").mkdir()
    notes = []
    watch = FolderWatch([str(tmp_path / "here"), str(tmp_path / "there")], settle=SETTLE, on_note=notes.append)
    batches = watch.follow()
    threading.Timer(0.3, put, [tmp_path / "here" / "a.mp3"]).start()
    assert names_of(next(batches)) == [str(tmp_path / "here" / "a.mp3")]
    threading.Timer(0.3, put, [tmp_path / "there" / "b.mp3"]).start()
    assert names_of(next(batches)) == [str(tmp_path / "there" / "b.mp3")]
    batches.close()
    assert notes == [f"{tmp_path}/there is not there: waiting for it", f"{tmp_path}/there is back"]


@pytest.mark.skipif(sys.platform != "linux", reason="names there are Unicode")
def test_names_of_any_bytes_are_found(follow, tmp_path):
    expect = follow(tmp_path)
    name = os.fsencode(tmp_path) + b"/caf\xe9.mp3"
    assert expect(1, lambda: Path(os.fsdecode(name)).write_bytes(b"x")) == [os.fsdecode(name)]


def test_polling_finds_the_same(follow, tmp_path):
    expect = follow(tmp_path, poll=0.2)
    assert expect(1, lambda: put(tmp_path / "a.mp3")) == [str(tmp_path / "a.mp3")]


def test_a_file_is_no_folder_to_watch(tmp_path):
    with pytest.raises(SettingError, match="name the folder to watch"):
        FolderWatch([str(put(tmp_path / "a.mp3"))])


def test_where_the_system_watches_no_more_folders_it_says_what_to_do(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError("OS file watch limit reached")
        yield

    monkeypatch.setattr("watchfiles.watch", refuse)
    with pytest.raises(SettingError, match=r"watch limit reached.*--poll 60"):
        next(FolderWatch([str(tmp_path)]).follow())
