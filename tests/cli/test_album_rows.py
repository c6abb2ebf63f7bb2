"""Lists by albums: a row an album, in each format, and the tracks that do not fit it."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from mediafile import MediaFile
from rich.cells import cell_len
from rich.text import Text
from support.command import json_lines, run
from support.models import listening
from support.sounds import noise

from earmark.cli.commands.library_view import Page
from earmark.cli.options import Format
from earmark.cli.writers import WRITERS, Tally
from earmark.inference.model import save_model
from earmark.inference.verdict import Verdict
from earmark.library.albums import answer_albums
from earmark.library.library import Library
from earmark.library.records import ModelKey
from earmark.library.tags.file_tags import FileTags
from earmark.library.vocabulary import Vocabulary

LABELS = ["jazz", "children's music", "pop"]
CARD = listening().card


def answers(name="A"):
    def verdict(path, genre, p=0.9):
        genres = {genre: p, **{label: (1 - p) / 2 for label in LABELS if label != genre}}
        return Verdict(genre, None, p, genres, 60.0, (), "m", path)

    card = CARD.model_copy(update={"labels": tuple(LABELS)})
    own = [(verdict(f"Music/{name}/{i}.mp3", "jazz"), {"album": "A"}) for i in range(3)]
    own.append((verdict(f"Music/{name}/odd.mp3", "pop"), {"album": "A"}))
    own.append((Verdict.from_error("m", f"Music/{name}/cut.mp3", "it is cut short"), {"album": "A"}))
    more = [(verdict(f"Music/Hits {name}/{i}.mp3", "pop"), {"album": "Now", "compilation": True}) for i in range(2)]
    more.append((verdict(f"Music/{name} alone.mp3", "jazz"), {}))
    return list(answer_albums([(one, FileTags(Path(one.path), **tags)) for one, tags in own + more], card))


def write(form, given, width=80, *, monkeypatch=None):
    file = io.StringIO()
    if monkeypatch:
        file.isatty = lambda: True
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm")
    writer = WRITERS[form](file, LABELS, None, False, True)
    for answer in given:
        writer.write(answer.verdict, answer)
    return file.getvalue()


def test_a_table_has_a_row_an_album_and_names_tracks_that_do_not_fit():
    header, *lines = (" ".join(line.split()) for line in write("table", answers()).splitlines())
    assert header == "album (tracks) genre confidence other genres"
    assert lines[0].startswith("Music/A (5) jazz")
    assert "1 of 5 tracks with errors, such as cut.mp3: it is cut short" in " ".join(lines[:3])
    assert "except odd.mp3: pop 90%" in lines
    at = lines.index("Music/Hits A: Now: a compilation, by track")
    assert [line.split(" jazz")[0].split(" pop")[0] for line in lines[at + 1 :]] == [
        "Music/Hits A/0.mp3", "Music/Hits A/1.mp3", "Music/A alone.mp3",
    ]  # fmt: skip


def test_of_albums_that_end_alike_the_folder_is_shown_and_the_title_below(monkeypatch):
    given = [replace_title(answers(f"{name}/Gold - Disc 1")[0], "Gold: Greatest Hits") for name in ("ABBA", "Roxette")]
    lines = Text.from_ansi(write("table", given, 80, monkeypatch=monkeypatch)).plain.splitlines()
    rows = [i for i, line in enumerate(lines) if "(5)" in line]
    assert ["ABBA" in lines[i] for i in rows] == [True, False]
    assert ["Roxette" in lines[i] for i in rows] == [False, True]
    assert [lines[i + 1] for i in rows] == ["  Gold: Greatest Hits"] * 2
    # where there is room, in one line
    assert "ABBA/Gold - Disc 1: Gold: Greatest Hits (5)" in write("table", given)


def replace_title(answer, title):
    return replace(answer, album=replace(answer.album, title=title))


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("name", ["A", "long " * 30, "久石譲🎷\x1b[31m" * 9])
def test_every_line_fits_the_terminal(name, width, monkeypatch):
    lines = Text.from_ansi(write("table", answers(name), width, monkeypatch=monkeypatch)).plain.splitlines()
    assert max(map(cell_len, lines)) <= width


def test_json_and_csv_say_what_a_row_is_on():
    rows = json_lines(write("json", answers()))
    told = ("path", "album", "artist", "kind", "tracks", "genre")
    expected = [
        ("Music/A", "A", "", "album", 5, "jazz"),
        ("Music/Hits A/0.mp3", "Now", "", "compilation", 1, "pop"),
        ("Music/Hits A/1.mp3", "Now", "", "compilation", 1, "pop"),
        ("Music/A alone.mp3", "Music", "", "track", 1, "jazz"),
    ]
    assert [tuple(row[name] for name in told) for row in rows] == expected
    assert [row["outliers"] for row in rows] == [["Music/A/odd.mp3"], [], [], []]
    table = list(csv.DictReader(io.StringIO(write("csv", answers()))))
    assert [tuple(row[name] for name in told) for row in table] == [tuple(map(str, row)) for row in expected]
    assert list(table[0])[:6] == ["path", "album", "artist", "kind", "tracks", "genre"]


def test_the_last_line_counts_files_and_albums():
    tally = Tally()
    for answer in answers():
        tally.add(answer.verdict, answer)
    assert tally.describe() == "8 files in 1 album and 3 single tracks, 7 min of sound: jazz 2, pop 2"
    assert tally.describe_failures() == "1 file with errors"


def test_of_a_library_albums_are_chosen_and_not_their_tracks(tmp_path):
    jazz = [0.9, 0.9, 0.5]
    files = [tmp_path / "A" / f"{i}.flac" for i in range(3)]
    (tmp_path / "A").mkdir()
    for file in files:
        file.write_bytes(b"")
    sure = {str(file): p for file, p in zip(files, jazz, strict=True)}

    def classify(paths):
        for path in paths:
            genres = {"jazz": sure[path], "pop": 1 - sure[path]}
            yield Verdict("jazz", None, sure[path], genres, 60.0, (), "m", path)

    card, key = CARD.model_copy(update={"labels": ("jazz", "pop")}), ModelKey("1234", "m", ("jazz", "pop"))
    with Library(tmp_path / "l.db") as library:
        list(library.classify([(str(file), file.stat()) for file in files], key, classify))
        for genres, least, rows in (([], 0.7, 1), (["jazz"], 0.0, 1), (["pop"], 0.0, 0), ([], 0.8, 0)):
            page = Page(library, key, genres, least, False, Vocabulary())
            page.write_albums(Format.json, tmp_path / "out.json", None, card)
            told = json_lines((tmp_path / "out.json").read_text())
            assert [(row["tracks"], row["genre"], row["confidence"]) for row in told] == [(3, "Jazz", 0.7667)] * rows


def test_the_command_answers_by_album(tmp_path, write_sound):
    model = listening()
    model = save_model(tmp_path / "m.onnx", model.graph, model.card)
    for name in ("A/CD 1/1", "A/CD 1/2", "A/CD 2/1", "B/1", "B/2"):
        (tmp_path / "music" / name).parent.mkdir(parents=True, exist_ok=True)
        path = write_sound(tmp_path / "music" / f"{name}.flac", noise(3, 4000), 4000)
        file = MediaFile(path)
        file.update({"album": "Both", "albumartist": "VA" if name[0] == "B" else "X"})
        file.save()
    arguments = ("classify", tmp_path / "music", "--model", tmp_path / "m.onnx", "--album", "-f", "json")
    for more in ((), ("--library", tmp_path / "l.db"), ("--library", tmp_path / "l.db")):
        said = run(*arguments, *more)
        rows = json_lines(said.stdout)
        assert [(row["path"], row["kind"], row["tracks"], row["genre"]) for row in rows] == [
            (str(tmp_path / "music" / "A"), "album", 3, "electronic"),
            *((str(tmp_path / "music" / "B" / f"{i}.flac"), "compilation", 1, "electronic") for i in (1, 2)),
        ]
        assert "5 files in 1 album and 2 single tracks" in said.stderr
    shelf = ("library", tmp_path / "l.db", "--album", "-f", "json")
    for named in ((), ("--model", "listening")):
        assert json_lines(run(*shelf, *named).stdout) == rows
    lists = run(*shelf[:3], "--playlists", tmp_path / "lists")
    assert "playlists have tracks, each by its own genre; --album is about rows" in " ".join(lists.stderr.split())
    assert "electronic.m3u8  5 tracks" in lists.stdout
    assert "compilation" in lists.stdout
    moved = (tmp_path / "m.onnx").rename(tmp_path / "moved.onnx")
    said = " ".join(run(*shelf, expect=2).stderr.split())
    assert f"the model listening ({model.card.checksum[:8]}), whose answers these are, is not in {tmp_path}" in said
    assert "name its file with --model" in said
    assert json_lines(run(*shelf, "--model", moved).stdout) == rows
    moved.rename(tmp_path / "m.onnx")
    for option, kept in (("--genre", 3), ("--min-confidence", 0)):
        value = "electronic" if kept else 0.9
        assert len(json_lines(run(*shelf, option, value, "--model", tmp_path / "m.onnx").stdout)) == kept
    assert {row["genre"] for row in json_lines(run(*arguments, "--min-confidence", 0.9).stdout)} == {None}
    for words in (arguments, shelf):
        assert "an album has no clips" in " ".join(run(*words, "--timeline", expect=2).stderr.split())
