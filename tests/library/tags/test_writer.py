"""Genres in files: in each format, nothing else altered, nothing lost, and taken back byte for byte."""

import errno
import os
import shutil
import subprocess

import pytest
from mediafile import MediaFile
from support.tags import FORMATS, dress, foreign, refused, samples, undone, write

from earmark.errors import TagError
from earmark.library.tags import safe_replace, writer
from earmark.library.tags.genre_tags import GenreTags
from earmark.library.tags.safe_replace import Stamp, put_in_place
from earmark.library.tags.values import TagValues


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("dressed", [False, True], ids=["bare", "dressed"])
def test_genres_are_written_and_nothing_else_and_undone_byte_for_byte(put, journal, suffix, dressed):
    path = put(suffix)
    before = dress(path) if dressed else foreign(path)
    original, sound, mtime = path.read_bytes(), samples(path), path.stat().st_mtime_ns
    path.chmod(0o640)
    assert write(journal, path, "Hip-Hop", "Jazz")
    assert MediaFile(path).genres == ["Hip-Hop", "Jazz"]
    assert foreign(path) == before
    assert samples(path) == sound
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.stat().st_mtime_ns > mtime
    assert not write(journal, path, "Hip-Hop", "Jazz")  # it has them now
    assert write(journal, path, "Rock", keep_mtime=True)
    assert MediaFile(path).genres == ["Rock"]
    assert undone(journal, dry_run=True) == [("would restore", None)] * 2
    assert MediaFile(path).genres == ["Rock"]
    assert undone(journal) == [("restored", None)] * 2
    assert path.read_bytes() == original
    assert path.stat().st_mtime_ns == mtime
    assert undone(journal)[-1] == ("as it was", None)
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name]


def test_hard_links_are_refused_or_broken_on_demand(put, journal):
    path = put(".mp3")
    other = path.with_name("other.mp3")
    other.hardlink_to(path)
    original = path.read_bytes()
    refused(journal, path, r"2 names \(hard links\).*--break-links")
    assert path.samefile(other)
    assert write(journal, path, "Jazz", break_links=True)
    assert other.read_bytes() == original
    (path.parent / "third.mp3").hardlink_to(path)
    assert undone(journal)[0][0] == "failed"
    assert undone(journal, break_links=True) == [("restored", None)]
    assert path.read_bytes() == original


def test_a_symbolic_link_stays_one(put, journal, tmp_path):
    path = put(".mp3")
    link = tmp_path / "link.mp3"
    link.symlink_to(path)
    assert write(journal, link, "Jazz")
    assert link.is_symlink()
    assert MediaFile(path).genres == ["Jazz"]


def test_a_read_only_file_is_refused(put, journal):
    path = put(".mp3")
    path.chmod(0o444)
    refused(journal, path, "read-only")


def test_a_file_changed_since_it_was_heard_is_refused(put, journal):
    path = put(".mp3")
    seen = Stamp.of(path)
    os.utime(path)
    refused(journal, path, "changed meanwhile", seen=seen)


def test_a_file_changed_while_it_is_written_is_left_as_others_made_it(put, journal, monkeypatch):
    path = put(".mp3")

    def change(draft, target, *rest):
        target.write_bytes(b"new")
        return put_in_place(draft, target, *rest)

    monkeypatch.setattr(writer, "put_in_place", change)
    with pytest.raises(TagError, match="changed meanwhile"):
        write(journal, path, "Jazz")
    assert path.read_bytes() == b"new"
    assert b'{"dropped"' in journal.read_bytes()


def test_a_full_disk_costs_nothing(put, journal, monkeypatch):
    path = put(".mp3")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(safe_replace.shutil, "copyfile", fail)
    refused(journal, path, "disk is full")
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", fail)
    refused(journal, path, "disk is full")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting is for root")
def test_a_disk_that_is_really_full(put, journal, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    size = 2 * put(".wav").stat().st_size - 4096
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        path = disk / "song.wav"
        shutil.copyfile(put(".wav"), path)
        refused(journal, path, "disk is full")
        fill(disk)
        refused(disk / "journal.jsonl", put(".flac"), "journal .* cannot be written: the disk is full")
    finally:
        subprocess.run(["umount", disk], check=True)


def fill(disk):
    with pytest.raises(OSError, match="No space"):
        (disk / "rubbish").write_bytes(bytes(1 << 22))


def test_a_copy_that_differs_in_more_than_its_genre_is_thrown_away(put, journal, monkeypatch):
    path = put(".flac")
    dress(path)

    def clumsy(draft, edit):
        edit(GenreTags(draft))
        file = MediaFile(draft)
        file.title = "oops"
        file.save()

    monkeypatch.setattr(writer, "edit_tags", clumsy)
    refused(journal, path, "other tags would have been altered")


@pytest.mark.parametrize("values", [TagValues(("Rock",), ("Calm",)), TagValues(("Jazz",), ("Sad",))])
def test_a_copy_that_does_not_say_what_was_written_is_thrown_away(put, journal, monkeypatch, values):
    path = put(".flac")
    write(journal, path, "Ska", moods=("Calm",))
    monkeypatch.setattr(writer, "edit_tags", lambda draft, edit: GenreTags(draft).write(values))
    refused(journal, path, "does not read back")


def test_a_copy_that_sounds_different_is_thrown_away(put, journal, monkeypatch):
    path = put(".wav")

    def clumsy(draft, edit):
        edit(GenreTags(draft))
        data = bytearray(draft.read_bytes())
        data[5000] ^= 1
        draft.write_bytes(data)

    monkeypatch.setattr(writer, "edit_tags", clumsy)
    refused(journal, path, "sound would have been altered")
