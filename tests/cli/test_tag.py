"""`earmark tag` as people run it."""

import csv
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mediafile import MediaFile
from rich.text import Text
from support.command import COMMAND, run
from support.models import listening
from support.paths import REPOSITORY

from earmark.cli.commands.tag_view import make_writer
from earmark.cli.options import Shape
from earmark.data.synth import compose
from earmark.inference.card import Calibration
from earmark.inference.model import save_model
from earmark.library.library import Library
from earmark.library.tags.result import TagResult

BENCH = REPOSITORY / "bench" / "robustness" / "tags.py"


@pytest.fixture(scope="session")
def songs(write_sound, tmp_path_factory):
    """A few sounds that get a verdict, and one that gets none."""
    home = tmp_path_factory.mktemp("songs")
    sound = compose("bossa", np.random.default_rng(0), seconds=3, sample_rate=22050)
    for name in ("one.mp3", "two.flac", "three.wav"):
        write_sound(home / name, sound, 22050)
    write_sound(home / "silence.flac", np.zeros(66150), 22050)
    return home


@pytest.fixture
def music(songs, tmp_path):
    """A folder of them, of which one has a genre."""
    folder = shutil.copytree(songs, tmp_path / "music")
    tagged = shutil.copy(folder / "two.flac", folder / "tagged.flac")
    file = MediaFile(tagged)
    file.genres = ["Polka"]
    file.save()
    return folder


@pytest.fixture
def tag(tmp_path):
    """Runs the command with a state folder of its own."""

    def command(*arguments, **options):
        return run("tag", *arguments, env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}, **options)

    return command


def tree(folder):
    return {
        str(p): (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns, p.stat().st_ino)
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def content(folder):
    return {path: (sha, mtime) for path, (sha, mtime, _) in tree(folder).items()}


def rows(done):
    return {Path(row["path"]).name: row for row in map(json.loads, done.stdout.splitlines())}


def genres(folder):
    return {p.name: MediaFile(p).genres for p in folder.iterdir()}


def test_missing_genres_are_filled_and_undone_by_the_line_it_prints(tag, music, tmp_path):
    before = content(music)
    (guess,) = rows(tag(music / "one.mp3", "--dry-run", "--min-confidence", "0", "-f", "json")).values()
    done = tag(music, "--min-confidence", "0")
    name = guess["genres"]
    assert genres(music) == {
        "one.mp3": name, "two.flac": name, "three.wav": name, "silence.flac": None, "tagged.flac": ["Polka"]
    }  # fmt: skip
    assert name[0] == name[0].title()
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert any("silence.flac" in line and "unknown: silence" in line for line in lines)
    assert sum(f"\u2013 → {name[0]}" in line for line in lines) == 3
    assert "written 3" in done.stderr
    assert "had one 1" in done.stderr
    assert "unknown 1" in done.stderr
    undo = done.stderr.split("earmark tag ")[1].split()
    assert Path(undo[1]).parent == tmp_path / "state" / "earmark" / "journals"
    tag(*undo, "--dry-run")
    assert genres(music)["one.mp3"] == name
    assert tag(*undo).stdout.count(f"{name[0]} → \u2013") == 3
    assert content(music) == before
    assert "as it was 3" in tag(*undo).stderr


def test_a_dry_run_changes_nothing(tag, music, tmp_path):
    before = tree(tmp_path)
    options = ("--dry-run", "--overwrite", "--min-confidence", "0")
    done = tag(music, *options)
    assert "Polka → " in done.stdout
    assert "would write 4, unknown 1 (a dry run: nothing is written)" in done.stderr
    planned = rows(tag(music, *options, "--format", "json"))
    assert {name: row["outcome"] for name, row in planned.items()} == {
        name: "unknown" if name == "silence.flac" else "would write" for name in genres(music)
    }
    assert tree(tmp_path) == before


def test_what_is_not_sure_enough_is_left_and_said(tag, music):
    before = tree(music)
    done = tag(music, "--min-confidence", "1", "-f", "json")
    special = {"tagged.flac": "had one", "silence.flac": "unknown"}
    assert {name: row["outcome"] for name, row in rows(done).items()} == {
        name: special.get(name, "unsure") for name in genres(music)
    }
    assert "3 files left without a genre: the model is less than 100% sure" in done.stderr
    assert "a lower --min-confidence writes more" in done.stderr
    assert tree(music) == before


def test_the_model_itself_says_from_which_confidence_tags_are_written(tag, music, tmp_path):
    model = listening(calibration=Calibration(threshold=0.5, tag_threshold=0.8))  # it is 75 % sure of everything
    save_model(tmp_path / "own.onnx", model.graph, model.card)
    done = tag(music / "one.mp3", "-m", tmp_path / "own.onnx")
    assert "unsure: Electronic 75%, not sure enough" in done.stdout
    assert "1 file left without a genre: the model is less than 80% sure" in done.stderr
    assert "written 1" in tag(music / "one.mp3", "-m", tmp_path / "own.onnx", "--min-confidence", "0.7").stderr


def test_own_words_more_than_one_and_the_time_of_day(tag, music, tmp_path):
    words = tmp_path / "words.yaml"
    labels = json.loads(run("models", "--format", "json").stdout.splitlines()[0])["labels"]
    words.write_text(json.dumps({"words": {label: ["Tanz", f"{label}!"] for label in labels}}))
    mtime = (music / "tagged.flac").stat().st_mtime_ns
    options = ["--vocabulary", words, "--min-confidence", "0", "--overwrite", "--keep-mtime", "--top", "2"]
    tag(music / "tagged.flac", *options, "--journal", tmp_path / "j")
    found = MediaFile(music / "tagged.flac").genres
    assert found[0] == "Tanz"
    assert found[1].rstrip("!") in labels
    assert (music / "tagged.flac").stat().st_mtime_ns == mtime
    tag(
        music / "tagged.flac",
        "--overwrite",
        "--vocabulary",
        "model",
        "--min-confidence",
        "0",
        "--journal",
        tmp_path / "j",
    )
    assert MediaFile(music / "tagged.flac").genres[0] in labels
    tag("--undo", tmp_path / "j")
    assert MediaFile(music / "tagged.flac").genres == ["Polka"]


def test_styles_follow_the_genre_where_they_are_asked_for(tag, music, tmp_path):
    model = listening()
    save_model(tmp_path / "own.onnx", model.graph, model.card)
    (tmp_path / "words.yaml").write_text("words:\n  Electronic: Synths\n  salsa: [Salsa, Mambo]\n")
    options = ("-m", tmp_path / "own.onnx", "--vocabulary", tmp_path / "words.yaml", "--format", "json")
    for more, genres in (([], ["Synths"]), (["--styles", 3, "--overwrite"], ["Synths", "Techno"])):
        (found,) = map(json.loads, tag(music / "one.mp3", *options, *more).stdout.splitlines())
        assert found["genres"] == genres
    assert MediaFile(music / "one.mp3").genres == genres


def test_what_fails_is_named_and_the_rest_goes_on(tag, music):
    (music / "broken.flac").write_bytes((music / "two.flac").read_bytes()[:50])
    (music / "linked.mp3").hardlink_to(music / "one.mp3")
    (music / "locked.mp3").write_bytes((music / "one.mp3").read_bytes())
    (music / "locked.mp3").chmod(0o444)
    done = tag(music, music / "none.mp3", music / "three.wav", "--min-confidence", "0", "-f", "json", expect=1)
    found = rows(done)
    failed = {name for name, row in found.items() if row["outcome"] == "failed"}
    assert failed == {"broken.flac", "linked.mp3", "one.mp3", "locked.mp3", "none.mp3"}
    assert "hard links" in found["linked.mp3"]["error"]
    assert "read-only" in found["locked.mp3"]["error"]
    assert "no such file" in found["none.mp3"]["error"]
    assert found["three.wav"]["outcome"] == "written"  # named twice, written once
    assert done.stdout.count("three.wav") == 1
    assert "failed 5" in done.stderr
    empty = music / "empty"
    empty.mkdir()
    assert "no audio files" in tag(empty, expect=1).stdout
    assert "to apply" not in tag(empty, "--plan", empty / "plan.csv", expect=1).stderr


def test_undo_says_what_it_could_not_take_back(tag, music, tmp_path):
    tag(music, "--min-confidence", "0", "--journal", tmp_path / "j")
    (music / "one.mp3").unlink()
    with (tmp_path / "j").open("ab") as file:
        file.write(b'{"change":{"pa')
    done = tag("--undo", tmp_path / "j", "-f", "json", expect=1)
    assert {name: row["outcome"] for name, row in rows(done).items()} == {
        "one.mp3": "failed", "two.flac": "restored", "three.wav": "restored"
    }  # fmt: skip
    assert "1 line of the journal cannot be read" in done.stderr


def edit(plan, **actions):
    """Set actions of rows in a plan as a spreadsheet of a country with decimal commas saves it."""
    with plan.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["action"] = actions.get(Path(row["path"]).stem, row["action"])
        row["confidence"] = row["confidence"].replace(".", ",")
    with plan.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, rows[0], delimiter=";")
        table.writeheader()
        table.writerows(rows)


def test_a_plan_is_written_edited_and_applied_by_the_line_it_prints(tag, music, tmp_path):
    before = content(music)
    done = tag(music, "--plan", tmp_path / "plan.csv", "--min-confidence", "0")
    assert done.stdout == ""
    assert content(music) == before
    assert "plan.csv: write 3, keep 2" in done.stderr
    assert "may hold your edits" in tag(music, "--plan", tmp_path / "plan.csv", expect=2).stderr
    applying = done.stderr.split("to apply: earmark tag ")[1].split()
    edit(tmp_path / "plan.csv", one="keep", two="review")
    done = tag(*applying)
    assert "not reviewed 1" in done.stderr
    assert "1 row to review" in done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert "three.wav" in done.stdout
    there = genres(music)
    assert there.pop("three.wav")
    assert there == {"one.mp3": None, "two.flac": None, "silence.flac": None, "tagged.flac": ["Polka"]}
    assert "was applied already: every file has what it says" in tag(*applying).stderr
    (tmp_path / "plan.csv").write_text((tmp_path / "plan.csv").read_text().replace("review", "write"))
    done = tag(*applying, music)
    assert "written 1" in done.stderr
    tag(*done.stderr.split("earmark tag ")[1].split())


def test_a_plan_of_files_that_fail_is_written_and_says_so(tag, music, tmp_path):
    (music / "broken.flac").write_bytes(b"no sound")
    odd = os.fsencode(music) + b"/caf\xe9.mp3"
    shutil.copy(music / "one.mp3", odd)
    done = tag(music, "--plan", tmp_path / "plan.csv", expect=1)
    assert "1 file failed: the column reason says why" in done.stderr
    assert "caf\ufffd.mp3: left out: a name that is not UTF-8 fits into a .jsonl only" in done.stderr
    assert len((tmp_path / "plan.csv").read_text().splitlines()) == 1 + 6
    done = tag(music, "--plan", tmp_path / "plan.jsonl", "--min-confidence", "0", expect=1)
    assert len((tmp_path / "plan.jsonl").read_text().splitlines()) == 7
    tag("--apply", tmp_path / "plan.jsonl")
    assert MediaFile(os.fsdecode(odd)).genres


def test_a_plan_whose_files_have_changed_is_status_1(tag, music, tmp_path):
    tag(music, "--plan", tmp_path / "plan.csv", "--min-confidence", "0")
    os.utime(music / "one.mp3")
    done = tag("--apply", tmp_path / "plan.csv", expect=1)
    assert "changed by another program since this was planned" in done.stdout
    assert set(done.stderr.splitlines()[0].split(", ")) == {"written 2", "kept 2", "failed 1"}


def test_a_library_is_planned_and_tagged_without_hearing(tag, music, tmp_path):
    database = tmp_path / "music.db"
    options = ("--library", database, "--min-confidence", "0")
    assert "written 3" in tag(music, *options).stderr
    renewed = (*options, "--overwrite", "--vocabulary", "model", "--plan")
    done = tag(*renewed, tmp_path / "plan.csv")
    assert "plan.csv: write 3, keep 1" in done.stderr
    applying = done.stderr.split("to apply: earmark tag ")[1].split()
    assert applying[2:] == ["--library", str(database)]
    assert "written 3" in tag(*applying).stderr
    # the one with a genre was not heard before; the others are known by what was written into them
    assert "4 known before, 1 listened to" in tag(music, *renewed, tmp_path / "new.csv").stderr
    done = run("tag", "--dry-run", env={**os.environ, "EARMARK_LIBRARY": str(database)}, expect=2)
    assert "name files or folders" in done.stderr


def test_words_may_be_for_corrections_that_the_model_does_not_know(tag, music, tmp_path):
    database, words = tmp_path / "music.db", tmp_path / "words.yaml"
    tag(music, "--library", database, "--dry-run")
    words.write_text("words: {Campfire: Lagerfeuer}")
    assert "no genre 'Campfire'" in tag("--library", database, "--vocabulary", words, expect=2).stderr
    with Library(database) as library:
        library.correct([(str(music / "one.mp3"), "Campfire")], "test")
    os.utime(music / "two.flac")
    done = tag("--library", database, "--vocabulary", words, "--min-confidence", "0")
    assert MediaFile(music / "one.mp3").genres == ["Lagerfeuer"]
    assert "1 file changed since the hearing, left out" in done.stderr
    run("library", database, "--vocabulary", words)


def test_runs_that_apply_one_plan_share_a_journal(tag, music, tmp_path):
    before = content(music)
    plan, journals = tmp_path / "plan.csv", tmp_path / "state" / "earmark" / "journals"
    tag(music, "--plan", plan, "--min-confidence", "0")
    whole = plan.read_text(encoding="utf-8-sig")
    # stopped after its first file, and edited; of another folder, as it may be for a while
    tag("--apply", plan, music / "one.mp3", expect=1)
    edit(plan, three="review")
    tag("--apply", plan)
    (journal,) = journals.iterdir()
    assert journal.name.startswith("plan-")
    undo = tag("--undo", "last")
    assert f"undoing {journal}" in undo.stderr
    assert "restored 2" in undo.stderr
    assert content(music) == before
    plan.write_text(whole)
    assert "written 3" in tag("--apply", plan).stderr
    # each file once, though the journal has two changes of it
    assert tag("--undo", journal).stderr.splitlines() == ["restored 3"]
    assert content(music) == before
    # a later plan of that name is another one
    plan.unlink()
    (music / "two.flac").unlink()
    tag(music, "--plan", plan, "--min-confidence", "0")
    tag("--apply", plan)
    assert len(list(journals.iterdir())) == 2
    assert "restored 2" in tag("--undo", "last").stderr


def test_rows_fit_the_terminal_and_break_between_words(music, monkeypatch):
    error = "its tags cannot be read, since the disk failed in the midst of a copy of this file"
    given = [
        TagResult("music/" + "long " * 20 + "name.mp3", "failed", error=error),
        TagResult("a.mp3", "written", genres=("Electronic", "Drum & Bass", "Ambient", "House"), confidence=0.9),
        TagResult("b.mp3", "unsure", guesses=("Electronic",), confidence=0.5, reason="not sure enough"),
    ]
    for width, name in ((40, 16), (80, 36), (120, 60)):
        lines = render_rows(given, width, monkeypatch)
        assert max(map(len, lines)) <= width
        assert lines[0][name : name + 3] == "  ✗"
        said = f"✗ {error} \u2013 → Electronic; Drum & Bass; Ambient; House 90% unsure: Electronic 50%, not sure enough"
        assert " ".join(line[name + 2 :] for line in lines).split() == said.split()


def render_rows(results, width, monkeypatch):
    """Return the lines that a terminal of so many columns gets."""
    file = io.StringIO()
    file.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", file)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    write = make_writer(Shape.table)
    for result in results:
        write(result)
    return Text.from_ansi(file.getvalue()).plain.split("\n")[:-1]


def test_ctrl_c_while_planning_leaves_no_plan(music, tmp_path):
    for i in range(300):
        shutil.copy(music / "one.mp3", music / f"{i}.mp3")
    plan = tmp_path / "plan.csv"
    command = [COMMAND, "tag", music, "--plan", plan, "-j", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not list(tmp_path.glob(".plan.csv*")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (130, f"stopped; {plan} is not written\n")
    assert not list(tmp_path.glob("*plan*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name files or folders"),
        (["x.mp3", "--undo", "j"], "leave out the paths"),
        (["--undo", "nowhere.jsonl"], "cannot be read"),
        (["x.mp3", "--vocabulary", "nowhere.yaml"], "or name one of common, model, musicbrainz"),
        (["x.mp3", "--min-confidence", "2"], "min-confidence"),
        (["x.mp3", "--top", "0"], "--top"),
        (["--apply", "p.csv", "--plan", "q.csv"], "give one of them"),
        (["--apply", "nowhere.csv"], "No such file"),
        (["x.mp3", "--plan", "p.xlsx", "--library", "new.db"], "a plan is a .csv"),
        (["x.mp3", "--plan", "nodir/p.csv", "--library", "new.db"], "there is no folder nodir"),
        (["--undo", "last"], "there is no journal in"),
        (["--library", "nowhere.db"], "there is no such library"),
    ],
)
def test_wrong_usage_is_status_2(tag, tmp_path, arguments, message):
    assert message in " ".join(tag(*arguments, expect=2, cwd=tmp_path).stderr.split())
    assert not list(tmp_path.iterdir())


def test_names_of_any_bytes(tag, music, tmp_path):
    name = os.fsencode(music) + b"/caf\xe9.mp3"
    shutil.copy(music / "one.mp3", name)
    before = Path(os.fsdecode(name)).read_bytes()
    tag(os.fsdecode(name), "--min-confidence", "0", "--journal", tmp_path / "j")
    assert MediaFile(os.fsdecode(name)).genres
    tag("--undo", tmp_path / "j")
    assert Path(os.fsdecode(name)).read_bytes() == before


def test_ctrl_c_stops_between_files_and_says_how_to_undo(music, tmp_path):
    for i in range(300):
        shutil.copy(music / "one.mp3", music / f"{i}.mp3")
    journal = tmp_path / "j"
    command = [COMMAND, "tag", music, "--min-confidence", "0", "--journal", journal, "-j", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while not journal.exists() or journal.read_bytes().count(b"done") < 3:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "to undo: earmark tag --undo" in said
    assert said.endswith("stopped; the same command goes on from here\n")
    assert "Traceback" not in said
    assert not list(music.glob(".earmark*"))


def test_a_library_killed_twice_is_tagged_and_undone(tmp_path):
    done = subprocess.run(
        [sys.executable, BENCH, "--files", "132", "--kills", "2", "--work", tmp_path],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not restored byte for byte     0" in done.stdout


def test_genres_that_are_there_are_added_to_or_renewed_where_they_are_earmarks(tag, music):
    guess = ["--min-confidence", "0"]
    tag(music, "--keep-existing", "--moods", "1", *guess)
    (name,) = genres(music)["one.mp3"]
    # the one that had a genre keeps it
    assert genres(music)["tagged.flac"] == ["Polka", name]
    assert name.lower() != name
    done = tag(music, "--mine", "--vocabulary", "model", "--dry-run", *guess)
    assert f"{name} → {name.lower()}" in done.stdout
    tag(music, "--mine", "--vocabulary", "model", *guess)
    assert genres(music) == {
        "one.mp3": [name.lower()], "two.flac": [name.lower()], "three.wav": [name.lower()], "silence.flac": None,
        "tagged.flac": ["Polka", name],
    }  # fmt: skip
    assert "give one of --overwrite, --keep-existing and --mine" in tag(music, "--mine", "--overwrite", expect=2).stderr
