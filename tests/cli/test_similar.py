"""`earmark similar` as people run it."""

import shutil
from pathlib import Path

import pytest
from support.command import json_lines, run
from support.paths import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A library of a few files."""
    home = tmp_path_factory.mktemp("shelf")
    (home / "music").mkdir()
    for name in ("hungarian-dance", "solo-trumpet", "lets-go-fishin"):
        shutil.copy(EXAMPLES / f"{name}.opus", home / "music")
    shutil.copytree(EXAMPLES / "lessons" / "ballet", home / "music" / "ballet")
    run("classify", home / "music", "--library", home / "db")
    return home


def names(done):
    return [Path(row["path"]).name for row in json_lines(done.stdout)]


def test_parts_of_one_piece_are_next_to_each_other_and_nothing_is_opened(shelf, tmp_path):
    asked = shelf / "music" / "ballet" / "sugar-plum-fairy-42.opus"
    done = run("-v", "similar", asked, "--library", shelf / "db", "--top", "3", "-f", "json")
    assert {name.removesuffix(".opus") for name in names(done)} == {f"sugar-plum-fairy-{n}" for n in (56, 70, 84)}
    assert "s of sound" not in done.stderr
    rows = json_lines(done.stdout)
    assert sorted(rows, key=lambda row: -row["similarity"]) == rows
    assert {row["genre"] for row in rows} <= {"classical", "jazz", None}


def test_a_file_that_the_library_does_not_know_is_heard_and_not_kept(shelf):
    before = run("library", shelf / "db", "-f", "json").stdout
    done = run(
        "-v", "similar", EXAMPLES / "sugar-plum-fairy.opus", "--library", shelf / "db", "--top", "1", "-f", "json"
    )
    assert names(done)[0].startswith("sugar-plum-fairy")
    assert "s of sound" in done.stderr
    assert run("library", shelf / "db", "-f", "json").stdout == before


def test_copies_and_files_that_are_gone_are_left_out(shelf, tmp_path):
    music = shutil.copytree(shelf / "music", tmp_path / "music", ignore=shutil.ignore_patterns("ballet"))
    shutil.copy(music / "solo-trumpet.opus", music / "copy.opus")
    run("classify", music, "--library", tmp_path / "db")
    (music / "hungarian-dance.opus").unlink()
    found = run("similar", music / "solo-trumpet.opus", "--library", tmp_path / "db", "-f", "json")
    assert names(found) == ["lets-go-fishin.opus"]


def test_a_playlist_and_who_may_write_over_it(shelf, tmp_path):
    asked, lists = shelf / "music" / "solo-trumpet.opus", tmp_path / "like.m3u8"
    for _ in range(2):
        run("similar", asked, "--library", shelf / "db", "--top", "2", "-o", lists)
    lines = lists.read_text(encoding="utf-8").splitlines()
    assert lines[2] == "#PLAYLIST:Like solo-trumpet"
    assert len(lines) == 3 + 2 * 2
    assert (lists.parent / lines[4]).resolve().is_file()
    lists.write_text("my own")
    said = run("similar", asked, "--library", shelf / "db", "-o", lists, expect=2).stderr
    assert "left as it is" in said
    assert lists.read_text() == "my own"


def test_bad_input_is_one_clear_line(shelf, tmp_path):
    asked = shelf / "music" / "solo-trumpet.opus"
    assert "no such library" in run("similar", asked, "--library", tmp_path / "none.db", expect=2).stderr
    gone = run("similar", tmp_path / "gone.mp3", "--library", shelf / "db", expect=2).stderr
    assert "gone.mp3: cannot be opened" in gone
    assert ".m3u8" in run("similar", asked, "--library", shelf / "db", "-o", "list.txt", expect=2).stderr
