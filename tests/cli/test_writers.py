"""How answers look on a terminal, and in files."""

import csv
import io
import json
from dataclasses import replace

import pytest
from rich.text import Text
from support.command import json_lines, run
from support.models import listening
from support.sounds import noise

from earmark.cli.text import sparkline
from earmark.cli.writers import WRITERS
from earmark.inference.model import save_model
from earmark.inference.verdict import ClipVerdict, Verdict
from earmark.inference.vocabulary import list_families, read_classes

FAMILIES, STYLES, MOODS = list_families(), *([c.name for c in read_classes(kind)] for kind in ("genre", "mood"))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shares(names):
    return {name: 0.999 / 2**i for i, name in enumerate(names)}


def verdict(genre="middle eastern", **more):
    genres = shares([genre, *(name for name in FAMILIES if name != genre)])
    fields = {"styles": shares(reversed(STYLES)), "moods": shares(MOODS), "path": f"/music/{'long name ' * 12}.mp3"}
    return Verdict(genre, None, 0.999, genres, 30.0, (), "m", **fields | more)


@pytest.mark.parametrize("columns", [80, 120])
def test_genres_styles_and_moods_fit_a_terminal(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    for top in (None, 1, 3, 9):
        file = Terminal()
        writer = WRITERS["table"](file, FAMILIES, top, False)
        for answer in (verdict(), verdict("pop"), verdict("pop", styles={}, moods={})):
            writer.write(answer)
        lines = Text.from_ansi(file.getvalue()).plain.splitlines()
        assert max(map(len, lines)) <= columns
        header, *lines = lines
        assert header.split()[:3] == ["file", "genre", "confidence"]
        assert len(lines) == (7 if top else 3)
        if top:
            genre, styles, moods = lines[:3]
            at = genre.index("middle eastern ")
            assert (styles.index("styles  "), moods.index("moods   ")) == (at, at)
            assert 1 <= styles.count("%") <= top
            assert "happy 100%" in moods


def test_what_is_no_music_says_so():
    file = io.StringIO()
    clips = (ClipVerdict(0, 5, {}, None, "speech"), ClipVerdict(5, 10, {}, None))
    WRITERS["table"](file, FAMILIES, 3, True).write(Verdict(None, "speech", 0.0, {}, 10.0, clips, "m", "talk.wav"))
    _, *lines = file.getvalue().splitlines()
    assert [line.split()[-1] for line in lines] == ["speech", "(speech)", "heard)"]
    assert "unknown" in lines[0]


def test_a_spreadsheet_has_the_best_style_and_mood():
    file = io.StringIO()
    writer = WRITERS["csv"](file, FAMILIES, None, False)
    for answer in (verdict(), Verdict.from_error("m", "b.mp3", "damaged")):
        writer.write(answer)
    first, second = csv.DictReader(io.StringIO(file.getvalue()))
    assert (first["style"], first["mood"], first["p_middle eastern"]) == (STYLES[-1], "happy", "0.999")
    assert (second["style"], second["mood"], second["error"]) == ("", "", "damaged")


def test_a_spreadsheet_has_the_columns_of_a_record_and_a_row_for_each_clip_or_failure():
    labels = ["jazz", "path"]  # a genre may have the name of another column
    answer = Verdict("jazz", None, 0.75, {"jazz": 0.75, "path": 0.25}, 9.0, (), "m", "a.mp3")
    clips = (ClipVerdict(0, 5, {"path": 0.9, "jazz": 0.1}, None), ClipVerdict(5, 9, {}, None, "speech"))
    for timeline in (False, True):
        file = io.StringIO()
        writer = WRITERS["csv"](file, labels, None, timeline)
        for one in (replace(answer, clips=clips), Verdict.from_error("m", "b.mp3", "damaged")):
            writer.write(one)
        rows = list(csv.DictReader(io.StringIO(file.getvalue())))
        record = answer.to_record(labels)
        if not timeline:
            assert list(rows[0]) == list(record)
            assert [row["p_jazz"] for row in rows] == ["0.75", ""]
        else:
            assert [(row["path"], row["start"], row["p_path"], row["reason"]) for row in rows] == [
                ("a.mp3", "0", "0.9", ""),
                ("a.mp3", "5", "", "speech"),
                ("b.mp3", "", "", ""),
            ]
        assert rows[-1]["error"] == "damaged"


def test_the_command_tells_styles_and_moods(tmp_path, write_sound):
    sound, music, talk = (tmp_path / name for name in ("a.wav", "music.onnx", "talk.onnx"))
    write_sound(sound, noise(3, 4000), 4000)
    for path, model in ((music, listening()), (talk, listening((0.1, 0.8, 0.1)))):
        save_model(path, model.graph, model.card)
    for options in ([], ["--library", tmp_path / "l.db"], ["--library", tmp_path / "l.db"]):
        (told,) = json_lines(run("classify", sound, "-m", music, "-f", "json", "--top", 2, *options).stdout)
        assert (told["genre"], told["styles"]) == ("electronic", {"salsa": 0.7, "techno": 0.2})
        assert told["moods"] == {"sad": 0.6, "happy": 0.3}
    (told,) = json_lines(run("classify", sound, "-m", talk, "-f", "json", "--timeline").stdout)
    assert (told["genre"], told["reason"], told["confidence"], told["styles"]) == (None, "speech", 0.0, {})
    assert {clip["reason"] for clip in told["clips"]} == {"speech"}
    assert "styles  salsa 70%  techno 20%" in run("classify", sound, "-m", music, "--top", 2).stdout
    said = run("models", music).stdout
    assert "techno, salsa, swing" in said and "happy, sad" in said
    (*_, card) = json_lines(run("models", music, "-f", "json").stdout)
    assert card["styles"] == ["techno", "salsa", "swing"]
    assert json.loads(run("library", tmp_path / "l.db", "-f", "json").stdout)["styles"]["swing"] == pytest.approx(0.1)


def test_sparklines_show_where_attention_lies():
    assert sparkline([0, 0, 1, 0.5], 4) == "▁▁█▅"
    assert len(sparkline([0.1] * 100, 24)) == 24
