"""What is named on the command line, and which files are meant."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command import COMMAND, run

from earmark.files import scan, walk
from earmark.library.search import Search, _split_names

pytestmark = pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Empty files with the names of sounds; the search does not open them."""
    for name in (
        "b.mp3", "a.MP3", ".hidden.mp3", "cover.jpg", "Live/1.flac", "Live/2.m4b", "Live/2024/x.ogg", ".git/y.mp3",
        "Podcasts/news.mp3", "albums/Live/3.flac", "a/z.wav",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "bare").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*paths, **options):
    return [path for path, _ in Search(paths, **options)]


EVERY = [
    "a.MP3", "b.mp3", "Live/1.flac", "Live/2.m4b", "Live/2024/x.ogg", "Podcasts/news.mp3", "a/z.wav",
    "albums/Live/3.flac",
]  # fmt: skip


def test_a_folder_gives_its_sounds_files_first(tree):
    assert found(".") == EVERY
    assert found(str(tree)) == [str(tree / name) for name in EVERY]
    assert [str(path.relative_to(tree)) for path in walk(tree)] == EVERY


def test_the_walk_is_that_of_the_standard_library(tree):
    (tree / "loop").symlink_to(tree)
    (tree / "self.mp3").symlink_to("self.mp3")
    expected = []
    for folder, folders, files in os.walk(tree):
        folders[:] = sorted(f for f in folders if f[0] != ".")
        wanted = (f for f in sorted(files) if f[0] != "." and not f.endswith("jpg"))
        expected += [str(Path(folder, f)) for f in wanted]
    assert [entry.path for entry in scan(tree)] == expected
    assert str(tree / "self.mp3") in expected


def test_sizes_and_times_come_along(tree):
    for path, status in Search(["Live", "b.mp3", "none.mp3"]):
        assert status == (Path(path).stat() if path != "none.mp3" else None)


@pytest.mark.parametrize(
    ("patterns", "gone"),
    [
        (["*.m4b"], {"Live/2.m4b"}),
        (["Live/"], {"Live/1.flac", "Live/2.m4b", "Live/2024/x.ogg", "albums/Live/3.flac"}),
        (["/Live/"], {"Live/1.flac", "Live/2.m4b", "Live/2024/x.ogg"}),
        (["/Live/*", "!/Live/1.flac"], {"Live/2.m4b", "Live/2024/x.ogg"}),
        (["**/2024/**", "b.*"], {"Live/2024/x.ogg", "b.mp3"}),
        (["*.mp3", "# not a pattern", ""], {"b.mp3", "Podcasts/news.mp3"}),
    ],
)
def test_excluded_as_git_would(tree, patterns, gone):
    left = [name for name in EVERY if name not in gone]
    assert found(".", exclude=patterns) == left
    assert found(str(tree), exclude=patterns) == [str(tree / name) for name in left]
    (tree / ".gitignore").write_text("\n".join(patterns))
    subprocess.run(["git", "init", "-q", tree / "a"], check=False, capture_output=True)  # no outer repository matters
    subprocess.run(["git", "init", "-q", tree], check=True, capture_output=True)
    listed = subprocess.run(
        ["git", "-C", tree, "check-ignore", "--no-index", *EVERY], check=False, capture_output=True, text=True
    )
    assert set(listed.stdout.split()) == gone


def test_files_that_are_named_are_excluded_too(tree):
    assert found("b.mp3", "Live/1.flac", exclude=["*.flac"]) == ["b.mp3"]


def test_each_file_once(tree):
    assert found("b.mp3", ".", "./b.mp3", "Live", "a/../b.mp3", str(tree / "b.mp3")) == [
        "b.mp3", *[name for name in EVERY if name != "b.mp3"],
    ]  # fmt: skip


def test_patterns_that_no_shell_has_expanded(tree):
    assert found("Live/*.flac") == ["Live/1.flac"]
    assert found("**/*.flac") == ["Live/1.flac", "albums/Live/3.flac"]
    assert found("nothing*.mp3") == ["nothing*.mp3"]  # to be reported as missing
    (tree / "what[1].mp3").write_bytes(b"x")
    assert found("what[1].mp3") == ["what[1].mp3"]  # a file's name goes first


def test_folders_without_sound_are_said(tree):
    search = Search(["bare", "a"])
    assert [path for path, _ in search] == ["a/z.wav"]
    assert search.problems == [("bare", "no audio files in this folder")]
    assert [v.error for v in search.failures("m")] == ["no audio files in this folder"]


def test_a_folder_that_cannot_be_read_is_said(tree, monkeypatch):
    real = os.scandir

    def scandir(path):
        if str(path).endswith("Live"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    search = Search(["Live"])
    assert list(search) == []
    assert search.problems == [("Live", "folder cannot be read (Permission denied)")]


def test_the_walk_streams(tree):
    """The first file of a folder comes before its other folders are looked at."""
    entries = scan(tree)
    assert next(entries).name == "a.MP3"
    (tree / "zz").mkdir()
    (tree / "Live" / "late.mp3").write_bytes(b"x")
    assert "late.mp3" in {entry.name for entry in entries}


@given(
    st.lists(st.binary(min_size=1, max_size=9).filter(lambda n: b"\n" not in n and b"\0" not in n), max_size=9),
    st.sampled_from([b"\n", b"\0"]),
    st.booleans(),
    st.integers(1, 4),
)
def test_names_survive_the_pipe(names, end, ended, size):
    class Drip(io.BytesIO):
        def read1(self, _=-1):
            return super().read1(size)

    text = end.join(names) + end * (ended and bool(names))
    assert [os.fsencode(name) for name in _split_names(Drip(text), end)] == names


# With the command


def piped(*arguments, stdin, expect=0):
    done = subprocess.run([COMMAND, "classify", *arguments, "-f", "json", "-j", "1"], input=stdin, capture_output=True,
                          check=False, timeout=120)  # fmt: skip
    assert done.returncode == expect, done.stderr
    return [json.loads(line)["path"] for line in done.stdout.splitlines()]


def test_names_on_standard_input(tmp_path, write_sound, tone):
    names = ["plain.wav", "new\nline.wav", "\U0001f3b7.wav"] + [os.fsdecode(b"\xff.wav")] * (sys.platform == "linux")
    first = write_sound(tmp_path / names[0], tone(440, 1.5, 22050), 22050)
    for name in names[1:]:
        (tmp_path / name).write_bytes(first.read_bytes())
    paths = [str(tmp_path / name) for name in names]
    assert piped("-0", stdin=b"\0".join(map(os.fsencode, paths))) == paths
    assert piped("-", "--null", stdin=b"\0".join(map(os.fsencode, paths)) + b"\0") == paths
    lines = b"\n".join(os.fsencode(path) for path in paths if "\n" not in path)
    assert piped("-", paths[1], "--exclude", "plain*", stdin=lines) == [*paths[2:], paths[1]]
    assert piped("-", stdin=b"") == []
    assert piped("-", stdin=os.fsencode(tmp_path / "none.wav") + b"\n", expect=1) == [str(tmp_path / "none.wav")]


def test_sound_on_standard_input_holds_no_names(tmp_path, write_sound, tone):
    sound = write_sound(tmp_path / "a.wav", tone(440, 1.5, 22050), 22050).read_bytes()
    done = subprocess.run([COMMAND, "classify", "-"], input=sound, capture_output=True, check=False, timeout=60)
    assert done.returncode == 2
    assert b"'earmark listen -' takes sound" in done.stderr


def test_nothing_named_is_wrong_usage():
    assert "give files or folders" in " ".join(run("classify", expect=2).stderr.split())
