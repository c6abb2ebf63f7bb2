"""The result database: what was heard once is not heard again, whatever happens to the run or to the files."""

import csv
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.command import COMMAND, run
from support.verdicts import KEY, verdict_of

from earmark.errors import LibraryError, SettingError
from earmark.inference.verdict import ClipVerdict
from earmark.library import library as library_module
from earmark.library import look_ahead
from earmark.library.library import Library

FILES = 14


@pytest.fixture
def music(sound, tmp_path):
    """A small library with folders, a damaged file, and one that is no sound."""
    root = tmp_path / "music"
    for i in range(FILES - 2):
        (root / f"disc {i % 3}").mkdir(parents=True, exist_ok=True)
        shutil.copy(sound, root / f"disc {i % 3}" / f"{i:02}.wav")
    (root / "cut.wav").write_bytes(sound.read_bytes()[:60_000])
    (root / "no sound.mp3").write_text("a letter")
    return root


def answers(*arguments, expect=1, **options):
    said = run("classify", *arguments, "--format", "json", expect=expect, **options)
    return [json.loads(line) for line in said.stdout.splitlines()], said.stderr


def rows(database):
    with sqlite3.connect(database) as connection:
        found = connection.execute("SELECT path, hearing FROM track").fetchall()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    return found


# With the command


def test_a_second_run_says_the_same_without_hearing(music, tmp_path):
    database = tmp_path / "new folder" / "music.db"
    plain, _ = answers(music, "--timeline", "--jobs", 1)
    first, said = answers(music, "--library", database, "--timeline", "--jobs", 1)
    assert first == plain
    assert re.search(rf"{FILES} files, \d+ s of sound: [a-z ]+ \d+.*; 0 known before; took \d", said)
    assert "2 files with errors" in said
    again, said = answers(music, "--library", database, "--timeline")
    assert again == plain
    assert f"{FILES} known before" in said
    for form in ("csv", "table"):
        same = [run("classify", music, "-f", form, *extra, expect=1).stdout for extra in ((), ("--library", database))]
        assert same[0] == same[1]


@pytest.mark.skipif(os.name == "nt", reason="processor time of child processes")
def test_a_second_run_costs_little(write_sound, rng, tmp_path):
    """In full: bench/speed/library.py. Starting up is most of it here, and other work on the machine does not count."""
    import resource

    (tmp_path / "music").mkdir()
    first = write_sound(tmp_path / "music" / "0.wav", 0.1 * rng.standard_normal(8000 * 400), 8000)
    for i in range(1, 6):
        shutil.copy(first, first.with_name(f"{i}.wav"))
    spent = []
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        answers(first.parent, "--library", tmp_path / "music.db", "--jobs", 1, expect=0)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert spent[1] <= 0.25 * spent[0]


def test_where_all_is_known_nothing_heavy_is_imported(music, tmp_path):
    database = tmp_path / "music.db"
    answers(music, "--library", database)
    code = (
        "import sys; from earmark.cli.main import app; sys.argv[0] = 'earmark'\n"
        "try: app()\nexcept SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    )
    words = [sys.executable, "-c", code, "classify", str(music), "--library", str(database), "--format", "json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert len(done.stdout.splitlines()) == FILES
    loaded = set(done.stderr.split())
    assert {"sqlite3", "earmark.library.library"} <= loaded
    assert not {"av", "numpy", "onnxruntime", "earmark.inference.card", "soxr"} & loaded


def test_only_what_changed_moved_or_is_new_is_heard(music, sound, tmp_path):
    database = tmp_path / "music.db"
    answers(music, "--library", database)
    os.utime(music / "disc 0" / "00.wav", ns=(1, 1))  # touched
    (music / "disc 1" / "01.wav").write_bytes(sound.read_bytes()[:-1000])  # another length
    (music / "disc 2" / "02.wav").rename(music / "moved.wav")
    shutil.copy(sound, music / "new.wav")
    (music / "disc 0" / "03.wav").unlink()
    found, said = answers(music, "--library", database)
    assert f"{FILES - 3} known before" in said
    assert found == answers(music)[0]
    shown = run("library", database, "--format", "json")
    paths = [json.loads(line)["path"] for line in shown.stdout.splitlines()]
    assert sorted(paths) == sorted(str(p) for p in music.rglob("*.*"))
    assert "1 file no longer there, left out" in shown.stderr
    assert len(run("library", database, "--format", "json", "--all").stdout.splitlines()) == FILES + 1
    assert "1 file forgotten" in run("library", database, "--prune").stderr
    assert len(rows(database)) == FILES
    os.utime(music / "new.wav", ns=(1, 1))
    assert "1 file changed since" in run("library", database).stderr


def test_answers_of_another_model_or_a_preview_are_not_mistaken(music, tmp_path):
    database = tmp_path / "music.db"
    first, _ = answers(music, "--library", database)
    other, said = answers(music, "--library", database, "--model", "paper-lstm-2x250")
    assert "0 known before" in said
    assert {v["model"] for v in other} == {"paper-lstm-2x250"}
    by_first = ("--library", database, "--model", "earmark")
    assert "0 known before" in answers(music, *by_first, "--preview")[1]
    assert "1 known before" in answers(music, *by_first, "--timeline")[1]  # one has no clips anyway
    assert answers(music, "--library", database)[0] == first

    shown = run("library", database, "--format", "json", "--model", "paper-lstm-2x250")
    assert [json.loads(line)["genres"] for line in shown.stdout.splitlines()] == [
        v["genres"] for v in sorted(other, key=lambda v: os.fsencode(v["path"]))
    ]
    last = run("library", database, "--format", "json")
    assert "--model chooses another" in last.stderr
    assert json.loads(last.stdout.splitlines()[0])["model"] == "earmark"
    assert "no answers of model 'house'" in run("library", database, "--model", "house", expect=2).stderr


def test_failures_are_heard_again_when_asked(music, tmp_path):
    database = tmp_path / "music.db"
    answers(music, "--library", database)
    assert f"{FILES - 2} known before" in answers(music, "--library", database, "--retry")[1]
    assert "only with --library" in " ".join(run("classify", music, "--retry", expect=2).stderr.split())


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_killed_at_any_moment_it_goes_on(music, sound, tmp_path):
    for i in range(60):
        shutil.copy(sound, music / f"more {i}.wav")
    database, chance = tmp_path / "music.db", random.Random(0)
    counts = [0]
    for _ in range(5):
        command = [COMMAND, "classify", music, "--library", database, "--jobs", "1", "-o", tmp_path / "out.csv"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.3, 1.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        counts.append(len(rows(database)) if database.exists() and database.stat().st_size else 0)
    assert counts == sorted(counts)
    found, _ = answers(music, "--library", database, "--jobs", 1)
    assert found == answers(music, "--library", tmp_path / "other.db", "--jobs", 1)[0]
    assert len(rows(database)) == len(set(rows(database))) == FILES + 60


def test_two_runs_share_a_database(music, tmp_path):
    database = tmp_path / "music.db"
    command = [COMMAND, "classify", music, "--library", database, "--format", "json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [1, 1], said
    assert said[0][0] == said[1][0]
    assert len(rows(database)) == FILES


def test_exports(music, tmp_path):
    database, lists = tmp_path / "music.db", tmp_path / "lists"
    answers(music, "--library", database, "--model", "paper-lstm-2x250")
    table = list(csv.DictReader(run("library", database, "--format", "csv").stdout.splitlines()))
    assert len(table) == FILES
    named = [row for row in table if row["genre"]]
    assert named
    genre = named[0]["genre"]
    only = run("library", database, "--format", "json", "--genre", genre, "--min-confidence", 0.01).stdout.splitlines()
    assert len(only) == sum(row["genre"] == genre for row in table)
    assert not run("library", database, "--format", "json", "--min-confidence", 0.999).stdout
    unknown = run("library", database, "--format", "json", "--genre", "unknown").stdout.splitlines()
    assert len(unknown) == len([row for row in table if row["reason"]])
    assert "did you mean 'jazz'? It knows blues" in run("library", database, "--genre", "jaz", expect=2).stderr
    run("library", database, "--playlists", lists)
    lines = (lists / f"{genre}.m3u8").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#EXTM3U"
    assert f"#PLAYLIST:{genre}" in lines
    assert {(lists / line).resolve() for line in lines if line[0] != "#"} == {
        Path(row["path"]) for row in named if row["genre"] == genre
    }
    assert any(line.startswith("#EXTINF:3,") for line in lines)


# The database itself


@pytest.fixture
def shelf(tmp_path):
    """Files that are no sound, for a hearing that only counts."""

    def put(*names):
        (tmp_path / "shelf").mkdir(exist_ok=True)
        found = []
        for name in names:
            path = tmp_path / "shelf" / os.fsdecode(name)
            path.write_bytes(b"x")
            found.append((str(path), path.stat()))
        return found

    return put


def counted(heard):
    def hear(paths):
        for path in paths:
            heard.append(path)
            yield verdict_of(path, clips=[ClipVerdict(0.0, 5.0, {"jazz": 1 / 3}, (0.1, 0.9))])

    return hear


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
def test_names_of_any_bytes(shelf, tmp_path):
    files = shelf("plain", "new\nline", b"\xff\xfe bytes", "\U0001f3b7 sax", "quo'te\"", " blank ", "-")
    heard = []
    for _ in range(2):
        with Library(tmp_path / "l.db") as library:
            found = list(library.classify(files, KEY, counted(heard)))
            assert [v.path for v in found] == [path for path, _ in files]
            assert {kept.verdict.path for kept in library.query(KEY)} == {path for path, _ in files}
    assert heard == [path for path, _ in files]


def test_known_and_new_come_in_the_order_asked(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(look_ahead, "_LOOK_AHEAD", 5)
    files, chance = shelf(*(f"{i:03}" for i in range(200))), random.Random(1)
    with Library(tmp_path / "l.db") as library:
        before = [file for file in files if chance.random() < 0.8]
        list(library.classify(before, KEY, counted([])))
        heard, library.n_known = [], 0
        order = [v.path for v in library.classify(iter(files), KEY, counted(heard))]
    assert order == [path for path, _ in files]
    assert heard == [path for path, status in files if (path, status) not in before]
    assert library.n_known == len(before)


def test_a_timeline_is_kept_exactly_where_it_was_asked_for(shelf, tmp_path):
    files, heard = shelf("a", "b"), []
    with Library(tmp_path / "l.db") as library:
        list(library.classify(files, KEY, counted(heard)))
        first = list(library.classify(files, KEY, counted(heard), timeline=True))
        again = list(library.classify(files, KEY, counted(heard), timeline=True))
        assert first == again
        assert len(heard) == 4
        assert [v.clips for v in library.classify(files, KEY, counted(heard))] == [(), ()]
        assert [k.verdict.clips for k in library.query(KEY, timeline=True)] == [v.clips for v in first]


def test_what_cannot_be_read_now_is_not_remembered(shelf, tmp_path, monkeypatch):
    files = [*shelf("locked", "broken"), (str(tmp_path / "missing"), None)]
    monkeypatch.setattr(os, "access", lambda path, _: "locked" not in str(path))
    with Library(tmp_path / "l.db") as library:
        for _ in range(2):
            list(library.classify(files, KEY, lambda paths: (verdict_of(p, None, "no sound") for p in paths)))
    assert (library.n_classified, library.n_known) == (5, 1)


def test_a_run_that_is_stopped_keeps_what_it_heard(shelf, tmp_path):
    files = shelf(*map(str, range(10)))
    with Library(tmp_path / "l.db") as library:
        answers = library.classify(files, KEY, counted([]))
        for _ in range(4):
            next(answers)
        answers.close()
        assert library.models() == [(KEY, 4)]


def test_a_full_disk_loses_nothing_that_was_kept(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(library_module, "_BATCH", 8)
    files = shelf(*map(str, range(400)))
    library = Library(tmp_path / "l.db")
    library._database.execute("PRAGMA max_page_count = 20")
    with pytest.raises(LibraryError, match="the disk is full"):
        list(library.classify(files, KEY, counted([]), timeline=True))
    library._database.close()
    with Library(tmp_path / "l.db") as library:
        ((_, kept),) = library.models()
        assert 8 <= kept < 400
        assert len(list(library.classify(files, KEY, counted([]), timeline=True))) == 400
    assert library.n_known == kept


def test_a_database_held_by_another(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr("earmark.library.connection._BUSY_TIMEOUT", 0.05)
    with Library(tmp_path / "l.db") as library:
        other = sqlite3.connect(tmp_path / "l.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LibraryError, match="another run has held it too long"):
            list(library.classify(shelf("a"), KEY, counted([])))
        other.execute("ROLLBACK")
        other.close()
        assert len(list(library.classify(shelf("a"), KEY, counted([])))) == 1


def test_prune_does_not_forget_a_disk_that_is_away(shelf, tmp_path):
    files = shelf("a", "b")
    with Library(tmp_path / "l.db") as library:
        list(library.classify(files, KEY, counted([])))
        (tmp_path / "shelf").rename(tmp_path / "away")
        with pytest.raises(LibraryError, match="is their disk connected"):
            library.prune()
        assert [kept.file for kept in library.query(KEY)] == ["gone", "gone"]
        (tmp_path / "away").rename(tmp_path / "shelf")
        Path(files[0][0]).unlink()
        assert library.prune() == (1, 0)
        with pytest.raises(SettingError, match="'polka' is no genre of made-up: it knows jazz"):
            list(library.query(KEY, genres=["polka"]))


def test_playlists_leave_files_of_ones_own_alone(music, tmp_path):
    database, lists = tmp_path / "music.db", tmp_path / "lists"
    answers(music, "--library", database, "--model", "paper-lstm-2x250", "--min-confidence", 0)
    made = run("library", database, "--playlists", lists).stdout
    mine, others = min(lists.iterdir()), sorted(lists.iterdir())[1:]
    assert "tracks, " in made or "1 track, " in made
    mine.write_text("#EXTM3U\nmy own.mp3\n")
    for other in others:
        other.write_bytes(other.read_bytes() + b"# more\n")
    done = run("library", database, "--playlists", lists, expect=1)
    assert f"{mine}: left as it is" in done.stderr
    assert "--force" in done.stderr
    assert mine.read_text() == "#EXTM3U\nmy own.mp3\n"
    assert not any(b"# more" in other.read_bytes() for other in others)
    assert str(mine) in run("library", database, "--playlists", lists, "--force").stdout
    assert "my own" not in mine.read_text()
    before = mine.read_bytes()
    other = next(genre for genre in ("jazz", "metal") if genre != mine.stem)
    run("library", database, "--playlists", lists, "--genre", other.upper())
    assert mine.read_bytes() == before  # what was not asked for keeps its list


def test_no_output_takes_the_place_of_a_sound(music, sound, tmp_path):
    database, song = tmp_path / "music.db", tmp_path / "song.mp3"
    song.write_bytes(b"music")
    run("classify", sound, "--library", database)
    for words in (("classify", sound, "-o", song), ("library", database, "-o", song)):
        run(*words, expect=2)
        assert "named like a sound file" in run(*words, "--format", "csv", expect=2).stderr
        assert "but .csv, .json, .jsonl, .txt" in run(*words[:-1], tmp_path / "x.xlsx", expect=2).stderr
    for words in (("listen", sound, "-o", song), ("export", "gtzan", "-o", song), ("train", music, "-o", song)):
        assert "named like a sound file" in run(*words, expect=2).stderr
    assert song.read_bytes() == b"music"


@pytest.mark.parametrize(
    ("name", "begins"), [("x.csv", "path,genre,"), ("x.jsonl", "{"), ("x.json", "{"), ("x.txt", "file ")]
)
def test_the_suffix_of_the_output_chooses_its_format(music, sound, tmp_path, monkeypatch, name, begins):
    database, file = tmp_path / "music.db", tmp_path / name
    for words in (("classify", sound, "--library", database), ("library", database)):
        run(*words, "-o", file)
        assert file.read_text().startswith(begins)
        run(*words, "-o", file, "--format", "csv")
        assert file.read_text().startswith("path,genre,")
    # A setting is no word for this one file.
    settings = tmp_path / "settings.toml"
    settings.write_text('format = "json"\n')
    monkeypatch.setenv("EARMARK_CONFIG", str(settings))
    run("classify", sound, "-o", file)
    assert file.read_text().startswith("{" if name == "x.txt" else begins)


def test_a_threshold_of_ones_own_changes_what_is_named_and_not_what_is_kept(music, tmp_path):
    database = tmp_path / "music.db"
    model = ("--library", database, "--model", "paper-lstm-2x250")
    plain, _ = answers(music, *model)
    for threshold in (0, 0.3, 0.9, 1):
        told, _ = answers(music, *model, "--min-confidence", threshold)
        for ours, theirs in zip(plain, told, strict=True):
            assert theirs["genres"] == ours["genres"]
            sure = bool(ours["genres"]) and ours["confidence"] >= threshold
            assert theirs["genre"] == (next(iter(ours["genres"])) if sure else None)
            assert (theirs["reason"] is None) == (sure or (not theirs["genres"] and theirs["error"] is not None))
    assert answers(music, *model)[0] == plain
