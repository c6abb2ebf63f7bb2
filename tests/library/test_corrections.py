"""Corrections: from the command line, from plans, lists and tags; and the tracks that are most worth one."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.command import run
from support.tags import genres, write
from support.verdicts import KEY, verdict_of

from earmark.errors import SettingError
from earmark.library.corrections import (
    GenreNamer,
    count_new_genres,
    list_tag_genres,
    list_unteachable,
    read_corrections,
)
from earmark.library.library import Library
from earmark.library.tags.plan import PlanRow
from earmark.library.tags.plan_file import write_plan
from earmark.library.tags.values import describe_source
from earmark.library.vocabulary import load_vocabulary

SOURCE = describe_source("made-up", "c0ffee00", 0.7)


def heard(path):
    # the doubt grows with the number in the name
    p = 0.9 - 0.05 * int(Path(path).stem[0])
    embedding = np.random.default_rng(int(Path(path).stem[0])).standard_normal(634).astype(np.float16)
    answer = replace(verdict_of(path), confidence=p, genres={"jazz": p, "rock": 1 - p, "R&B/Soul": 0.0})
    return replace(answer, embedding=embedding)


@pytest.fixture
def shelf(sound, tmp_path):
    """A library of six files, one of them with an equals sign in its name."""
    names = ["0.wav", "1 a=b.wav", "2.wav", "3.wav", "4.wav", "5.wav"]
    paths = [Path(shutil.copy(sound, tmp_path / name)) for name in names]
    with Library(tmp_path / "music.db") as library:
        list(library.classify([(str(p), p.stat()) for p in paths], KEY, lambda found: map(heard, found)))
    return tmp_path


def kept(shelf):
    with Library(shelf / "music.db") as library:
        return {Path(path).name: genre for path, genre in library.corrections().items()}


def test_corrections_are_typed_listed_written_and_forgotten(shelf):
    said = run(
        *("library", "music.db", "--correct", "1 a=b.wav=Dub", "--correct", "none.wav=Jazz"),
        *("--correct", shelf / "2.wav=jazz", "--correct", "3.wav=dub"),
        cwd=shelf, expect=1,
    )  # fmt: skip
    assert kept(shelf) == {"1 a=b.wav": "Dub", "2.wav": "jazz", "3.wav": "dub"}
    assert said.stdout == ""
    assert "none.wav: not in music.db: not corrected" in said.stderr
    assert "3 files corrected; 3 corrections in music.db" in said.stderr
    assert "Dub: new to made-up: it learns it from 2 examples" in said.stderr
    assert "jazz: new" not in said.stderr
    shown = run("library", "music.db", "--corrections", cwd=shelf).stdout
    assert "1 a=b.wav\n    jazz → Dub\n" in shown
    run("library", "music.db", "--corrections", "-o", "mine.csv", cwd=shelf)
    run("library", "music.db", "--forget", "1 a=b.wav", "--forget", shelf / "2.wav", cwd=shelf)
    assert kept(shelf) == {"3.wav": "dub"}
    run("library", "music.db", "--correct-from", "mine.csv", cwd=shelf)
    assert kept(shelf) == {"1 a=b.wav": "Dub", "2.wav": "jazz", "3.wav": "dub"}


@pytest.mark.parametrize("word", ["2.wav", "=Jazz", "2.wav=", "2.wav= "])
def test_a_correction_is_a_path_and_a_genre(shelf, word):
    assert "--correct takes PATH=GENRE" in run("library", shelf / "music.db", "--correct", word, expect=2).stderr
    assert kept(shelf) == {}


def test_one_view_at_a_time(shelf):
    assert "give one of them" in run("library", shelf / "music.db", "--review", "--words", expect=2).stderr


def test_what_a_review_plan_asks_is_taken_where_it_was_decided(shelf):
    plan = shelf / "review.csv"
    said = run("library", "music.db", "--review", "--top", "3", "-o", plan, cwd=shelf).stderr
    assert "review.csv: 3 tracks" in said
    assert f"--correct-from {plan}" in said
    text = plan.read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(text.splitlines()))
    assert {Path(row["path"]).name for row in rows} <= {"2.wav", "3.wav", "4.wav", "5.wav"}
    assert {(row["action"], row["genre"]) for row in rows} == {("review", "jazz")}
    rows[0] |= {"action": "write", "genre": "Dub"}
    rows[1] |= {"action": "write"}
    with plan.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, rows[0], delimiter=";")
        table.writeheader()
        table.writerows(rows)
    said = run("library", "music.db", "--review", "-o", plan, cwd=shelf, expect=2).stderr
    assert "may hold your edits" in said
    run("library", "music.db", "--correct-from", plan, cwd=shelf)
    assert kept(shelf) == {Path(rows[0]["path"]).name: "Dub", Path(rows[1]["path"]).name: "jazz"}
    # what is corrected is not asked again
    shown = run("library", "music.db", "--review", cwd=shelf).stdout
    assert Path(rows[0]["path"]).name not in shown
    assert Path(rows[2]["path"]).name in shown
    assert "→ jazz 7" in shown


def test_of_a_plan_only_what_a_person_decided_counts(tmp_path):
    own = f"{SOURCE}; genre=Jazz"
    state = "1 bytes at 1 ns"
    rows = [
        PlanRow("/own.mp3", genre=("Jazz",), action="write", state=state, source=own),
        PlanRow("/edited.mp3", genre=("Dub", "Rock"), action="write", state=state, source=own),
        PlanRow("/decided.mp3", genre=("Jazz",), action="write", state=state),
        PlanRow("/open.mp3", genre=("Jazz",), action="review", state=state),
        PlanRow("/kept.mp3", genre=("Jazz",), action="keep", state=state),
    ]
    for name in ("plan.csv", "plan.jsonl"):
        write_plan(tmp_path / name, rows)
        assert list(read_corrections(tmp_path / name)) == [("/edited.mp3", "Dub; Rock"), ("/decided.mp3", "Jazz")]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"path,genre\n/a,b,c\n", "a.csv, line 2: path and genre are expected, not '/a; b; c'"),
        ("a.csv", b"path,genre\n/a,Jazz\n\n/b, \n", "a.csv, line 4: path and genre"),
        ("a.csv", b"path,genre\n/a,Caf\xe9\n", "not UTF-8"),
        ("a.csv", b"file,label\n/a,b\n", "unknown column 'file'"),
        ("a.txt", b"/a\n", "a plan is a .csv"),
        ("a.csv", None, "cannot be read"),
    ],
)
def test_a_file_that_holds_no_corrections_is_refused(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingError, match=says):
        list(read_corrections(tmp_path / name))


def test_a_list_may_come_from_a_spreadsheet(tmp_path):
    (tmp_path / "a.csv").write_bytes('\ufeffPath;Genre\r\n/a;Jazz\r\n;\r\n\r\n"/b;c";Dub\r\n'.encode())
    assert list(read_corrections(tmp_path / "a.csv")) == [("/a", "Jazz"), ("/b;c", "Dub")]


def test_tags_of_other_programs_become_corrections(shelf, sound):
    genres(shelf / "0.wav", "Polka", "Jazz")
    genres(shelf / "2.wav", "Ska")
    genres(shelf / "3.wav", "Rock")
    write(shelf / "journal", shelf / "4.wav", "Rock", provenance=SOURCE)
    (shelf / "5.wav").unlink()
    with Library(shelf / "music.db") as library:
        library.correct([(str(shelf / "3.wav"), "Dub")], "person")
        found = {Path(path).name: genre for path, genre in list_tag_genres(library, KEY)}
        # not what Earmark wrote, nor what a person has said otherwise
        assert found == {"0.wav": "Polka; Jazz", "2.wav": "Ska"}
    said = run("library", "music.db", "--correct-from-tags", cwd=shelf).stderr
    assert "2 files corrected; 3 corrections" in said
    assert kept(shelf) == {"0.wav": "Polka", "2.wav": "Ska", "3.wav": "Dub"}
    # a tag that was changed since counts as it is now
    genres(shelf / "2.wav", "Soul")
    run("library", "music.db", "--correct-from-tags", cwd=shelf)
    assert kept(shelf)["2.wav"] == "Soul"
    with Library(shelf / "music.db") as library:
        assert count_new_genres(library, ("Jazz", "soul")) == {"Polka": 1, "Dub": 1}


@pytest.mark.parametrize(
    ("given", "genre"),
    [
        ("JAZZ", "jazz"),
        ("r&b / soul", "R&B/Soul"),
        ("Jazz/Funk", "jazz"),
        # either may be meant
        ("Jazz/Rock", "Jazz/Rock"),
        ("Dance; Jazz", "Dance"),
        ("Musique  Concrète", "Musique Concrète"),
        # words of the vocabulary: one that two genres share stands for none, all of one genre stand for it
        ("Krach", "Krach"),
        ("Swing", "jazz"),
        ("Krach; Heavy", "rock"),
        ("Unknown", None),
        (" ; ", None),
    ],
)
def test_a_genre_is_the_models_where_it_is_one_of_them(given, genre):
    own = load_vocabulary({"words": {"jazz": "Swing", "rock": ["Krach", "Heavy"], "R&B/Soul": "Krach"}})
    assert GenreNamer(KEY.labels, own).name(given) == genre


def test_all_routes_name_genres_alike(shelf):
    word = "Dance; Disco"
    (shelf / "words.csv").write_text(f"path,genre\n{shelf / '1 a=b.wav'},{word}\n{shelf / '3.wav'},Jazz/Funk\n")
    genres(shelf / "2.wav", word)
    genres(shelf / "4.wav", "Jazz/Funk")
    said = run(
        *("library", "music.db", "--correct", f"0.wav={word}", "--correct", "5.wav=Jazz/Funk"),
        *("--correct-from", "words.csv", "--correct-from-tags"),
        cwd=shelf,
    ).stderr  # fmt: skip
    assert kept(shelf) == {
        "0.wav": "Dance", "1 a=b.wav": "Dance", "2.wav": "Dance", "3.wav": "jazz", "4.wav": "jazz", "5.wav": "jazz"
    }  # fmt: skip
    assert "'Dance; Disco' is taken as 'Dance': a correction is one genre" in said
    assert "'Jazz/Funk' is taken as 'jazz'" in said


def test_what_says_no_genre_is_refused(shelf):
    said = run("library", "music.db", "--correct", "2.wav=Unknown", cwd=shelf, expect=1).stderr
    assert "2.wav: 'Unknown' names no genre: not corrected" in said
    # and no more is said of nothing
    assert said.splitlines()[-1] == "0 files corrected; 0 corrections in music.db"


def test_a_new_genre_that_is_nearly_a_known_one_is_asked_about(shelf):
    said = run("library", "music.db", "--correct", "2.wav=jaz", "--correct", "3.wav=Dub", cwd=shelf).stderr
    assert kept(shelf) == {"2.wav": "jaz", "3.wav": "Dub"}
    assert "jaz: new to made-up: it learns it from 1 example; did you mean jazz?" in said
    assert said.count("did you mean") == 1


def test_a_folder_stands_for_the_files_below_it(tmp_path, sound):
    for name in ("dub/1.wav", "dub/b/2.wav", "dub!/3.wav", "dub0/4.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(sound, tmp_path / name)
    files = sorted(tmp_path.rglob("*.wav"))
    with Library(tmp_path / "music.db") as library:
        list(library.classify([(str(p), p.stat()) for p in files], KEY, lambda found: map(heard, found)))
    said = run("library", "music.db", "--correct", "dub/=Dub", "--correct", "dub!=Ska", cwd=tmp_path).stderr
    assert "3 files corrected" in said
    assert kept(tmp_path) == {"1.wav": "Dub", "2.wav": "Dub", "3.wav": "Ska"}
    run("library", "music.db", "--forget", "dub", cwd=tmp_path)
    assert kept(tmp_path) == {"3.wav": "Ska"}


def test_what_cannot_teach_is_named(shelf):
    answers = {
        "0.wav": lambda answer: replace(answer, embedding=None),
        "2.wav": lambda answer: replace(answer, genre=None, genres={}, error="damaged"),
        "3.wav": lambda answer: replace(answer, genre=None, genres={}, reason="silence"),
    }
    other = KEY._replace(checksum="other", name="other")
    with Library(shelf / "music.db") as library:
        (path,) = (path for path in shelf.iterdir() if path.name.startswith("5"))
        list(library.classify([(str(path), path.stat())], other, lambda found: map(heard, found)))
    (shelf / "music.db").unlink()
    with Library(shelf / "music.db") as library:
        files = [(str(p), p.stat()) for p in sorted(shelf.glob("[0-4]*.wav"))]
        list(library.classify([(str(path), path.stat())], other, lambda found: map(heard, found)))
        list(
            library.classify(
                files, KEY, lambda found: (answers.get(Path(p).name, lambda answer: answer)(heard(p)) for p in found)
            )
        )
        library.correct([(str(p), "Dub") for p in sorted(shelf.glob("[1-5]*.wav"))], "person")
        found = {Path(path).name: why for path, why in list_unteachable(library, KEY)}
    assert found == {"2.wav": "damaged", "3.wav": "silence", "5.wav": "made-up has not heard it"}
    said = run("library", "music.db", "--model", "c0ffee", "--correct", "0.wav=Dub", cwd=shelf).stderr
    assert "cannot teach: 0.wav: the library keeps no embedding of it" in said
    assert "2.wav" not in said


def test_to_forget_what_is_not_corrected_is_said(shelf):
    said = run("library", "music.db", "--forget", "none.wav", cwd=shelf, expect=1).stderr
    assert "none.wav: music.db has no correction of it" in said
    assert "0 corrections forgotten" in said


@pytest.mark.parametrize(
    ("view", "name", "says"),
    [
        ("--words", "0.wav", "a vocabulary is a .yaml"),
        ("--words", "words.yaml", "may hold your edits"),
        ("--corrections", "0.wav", "named like a sound file"),
        ("--corrections", "other.csv", "is no list of corrections"),
        ("--review", "other.csv", "may hold your edits"),
        ("--review", "0.wav", "a plan is a .csv"),
        ("--all", "music.db", "is the library itself"),
    ],
)
def test_nothing_of_a_persons_is_replaced(shelf, view, name, says):
    (shelf / "words.yaml").write_text("words: {jazz: Swing}\n")
    (shelf / "other.csv").write_text("path,title\n")
    genres(shelf / "0.wav", "Ska")
    before = (shelf / name).read_bytes()
    said = run("library", "music.db", "--correct", "2.wav=Dub", view, "-o", name, cwd=shelf, expect=2).stderr
    assert says in " ".join(said.split())
    assert (shelf / name).read_bytes() == before
    # nothing else is done either
    assert kept(shelf) == {}


def test_a_list_of_corrections_is_written_anew(shelf):
    for word in ("Dub", "Ska"):
        run("library", "music.db", "--correct", f"2.wav={word}", cwd=shelf)
        run("library", "music.db", "--corrections", "-o", "mine.csv", cwd=shelf)
    assert (shelf / "mine.csv").read_text() == f"path,genre\n{shelf / '2.wav'},Ska\n"
    shown = run("library", "music.db", "--corrections", cwd=shelf).stderr
    assert "1 correction of answers by made-up in music.db" in shown
