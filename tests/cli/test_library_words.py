"""`earmark library` in words of a vocabulary, and the words that files have now."""

import csv
import json
import shutil
from dataclasses import replace

import pytest
from mediafile import MediaFile
from support.command import json_lines, run
from support.tags import write
from support.verdicts import KEY, verdict_of

from earmark.library.library import Library
from earmark.library.vocabulary import load_vocabulary

GENRES = {"a": ["Swing/Jazz"], "b": ["Swing/Jazz", "Polka"], "c": [], "d": ["Krach"], "e": ["Krach"], "f": ["Krach"]}


@pytest.fixture
def shelf(tmp_path, write_sound, tone):
    """A library of six files; a to c are heard as jazz, d to f as rock."""
    folder = tmp_path / "music"
    folder.mkdir()
    first = write_sound(folder / "a.flac", tone(440, 0.2, 8000), 8000)
    for name, genres in GENRES.items():
        path = folder / f"{name}.flac"
        if path != first:
            shutil.copy(first, path)
        file = MediaFile(path)
        file.genres = genres
        file.save()
    # what Earmark wrote is no word of the person's
    write(tmp_path / "journal", folder / "c.flac", "Hard Bop", provenance="model=made-up")
    files = [(str(folder / f"{name}.flac"), (folder / f"{name}.flac").stat()) for name in GENRES]

    def classify(paths):
        for path in paths:
            yield replace(verdict_of(path, "jazz" if path[-6] in "abc" else "rock"), confidence=0.7)

    with Library(tmp_path / "l.db") as library:
        list(library.classify(files, KEY, classify))
    return tmp_path / "l.db"


def test_the_genres_of_files_are_shown_and_become_a_vocabulary(shelf, tmp_path):
    table = [line.split() for line in run("library", shelf, "--words").stdout.splitlines()[1:]]
    assert table == [
        ["Krach", "3", "rock?", "rock", "100%"],
        ["Swing/Jazz", "2", "jazz", "jazz", "100%"],
        ["Polka", "1", "\u2013", "jazz", "100%"],
    ]
    done = run("library", shelf, "--words", "-o", tmp_path / "my words.yaml")
    assert "2 words of yours" in done.stderr
    assert f"--vocabulary '{tmp_path / 'my words.yaml'}'" in done.stderr
    own = load_vocabulary(tmp_path / "my words.yaml", KEY.labels)
    assert [own.translate(label) for label in KEY.labels] == [("Swing/Jazz",), ("R&B/Soul",), ("Krach",)]


def test_words_follow_the_files_that_have_changed_since(shelf, tmp_path):
    for name in "def":
        file = MediaFile(tmp_path / "music" / f"{name}.flac")
        file.genres = ["Rock"]
        file.save()
    assert "Krach" not in run("library", shelf, "--words").stdout


def test_a_shelf_without_genres_has_no_words(shelf, tmp_path):
    for path in (tmp_path / "music").iterdir():
        file = MediaFile(path)
        file.genres = None
        file.save()
    done = run("library", shelf, "--words", "-o", tmp_path / "words.yaml")
    assert "no file has a genre" in done.stderr
    assert not (tmp_path / "words.yaml").exists()


def test_rows_and_playlists_in_words(shelf, tmp_path):
    words = tmp_path / "words.yaml"
    words.write_text("words:\n  jazz: [Jazz, Swing]\n  rock: Krach\n")
    options = ("--vocabulary", words)
    rows = json_lines(run("library", shelf, *options, "-f", "json").stdout)
    assert [row["genre"] for row in rows] == ["Jazz"] * 3 + ["Krach"] * 3
    assert rows[0]["genres"] == {"Jazz": 0.7, "Swing": 0.7, "Krach": 0.3}
    (head, *_) = csv.reader(run("library", shelf, *options, "-f", "csv").stdout.splitlines())
    assert head[-4:] == ["p_Jazz", "p_Swing", "p_R&B/Soul", "p_Krach"]
    made = run("library", shelf, *options, "--playlists", tmp_path / "lists")
    assert {path.name: path.read_text().count("#EXTINF") for path in (tmp_path / "lists").iterdir()} == {
        "Jazz.m3u8": 3, "Swing.m3u8": 3, "Krach.m3u8": 3
    }  # fmt: skip
    assert "Jazz 3, Krach 3" in made.stderr
    for name in ("swing", "jazz"):
        found = json_lines(run("library", shelf, *options, "--genre", name, "-f", "json").stdout)
        assert [row["genre"] for row in found] == ["Jazz"] * 3
    assert "'polka' is no genre" in run("library", shelf, *options, "--genre", "polka", expect=2).stderr


def test_without_a_vocabulary_names_are_the_models(shelf):
    rows = run("library", shelf, "-f", "json").stdout
    assert {row["genre"] for row in json_lines(rows)} == {"jazz", "rock"}
    assert run("library", shelf, "--vocabulary", "model", "-f", "json").stdout == rows
    assert json.loads(rows.splitlines()[0])["genres"] == {"jazz": 0.7, "rock": 0.3}
