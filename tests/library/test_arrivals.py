"""What becomes of files that come: in a library, in a plan."""

import csv
import os
from dataclasses import replace

import pytest

from earmark.errors import SettingError
from earmark.inference.verdict import Verdict
from earmark.library.arrivals import GrowingPlan, classify_unknown
from earmark.library.library import Library
from earmark.library.records import ModelKey
from earmark.library.tags.plan import PlanRow, format_state
from earmark.library.tags.plan_file import read_plan

KEY = ModelKey("0" * 64, "model", ("jazz",))


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in ("a.mp3", "b.mp3")]
    for path in paths:
        path.write_bytes(b"x")
    return [(str(path), path.stat()) for path in paths]


def verdict_on(path):
    return Verdict("jazz", None, 0.9, {"jazz": 0.9}, 30.0, (), "model", path)


def failure_of(path):
    return Verdict.from_error("model", path, "cannot be opened")


def test_a_library_makes_no_file_heard_twice(files, tmp_path):
    with Library(tmp_path / "db") as library:
        first, again = (
            list(classify_unknown(library, iter(files), KEY, lambda paths: map(verdict_on, paths), print))
            for _ in range(2)
        )
    assert [verdict.path for verdict in first] == [path for path, _ in files]
    assert again == []


def test_files_whose_disk_went_away_are_no_failures(files, tmp_path):
    (tmp_path / "b.mp3").unlink()
    gone = []
    with Library(tmp_path / "db") as library:
        verdicts = list(classify_unknown(library, iter(files), KEY, lambda paths: map(failure_of, paths), gone.append))
    assert [verdict.path for verdict in verdicts] == [str(tmp_path / "a.mp3")]
    assert gone == [str(tmp_path / "b.mp3")]


def row_for(file, **values):
    path, status = file
    return PlanRow(
        path, genre=("Jazz",), action="write", state=format_state(status.st_size, status.st_mtime_ns), **values
    )


@pytest.mark.parametrize("name", ["plan.csv", "plan.jsonl"])
def test_a_plan_grows_and_knows_after_a_restart_what_it_has(files, tmp_path, name):
    first = GrowingPlan(tmp_path / name)
    assert not (tmp_path / name).exists()
    first.add([row_for(files[0])])
    assert [first.has(*file) for file in files] == [True, False]
    second = GrowingPlan(tmp_path / name)
    assert [second.has(*file) for file in files] == [True, False]
    second.add([row_for(files[1])])
    assert [row.path for row in read_plan(tmp_path / name)] == [path for path, _ in files]


def test_what_a_person_has_edited_meanwhile_stays(files, tmp_path):
    plan = GrowingPlan(tmp_path / "plan.csv")
    plan.add([row_for(files[0])])
    text = plan.path.read_text(encoding="utf-8")
    plan.path.write_text(text.replace("Jazz", "Swing"), encoding="utf-8")
    plan.add([row_for(files[1])])
    assert [row.genre for row in read_plan(plan.path)] == [("Swing",), ("Jazz",)]


def test_a_file_that_has_changed_gets_a_new_row_in_place_of_the_old(files, tmp_path):
    plan = GrowingPlan(tmp_path / "plan.csv")
    plan.add([row_for(files[0])])
    (tmp_path / "a.mp3").write_bytes(b"longer")
    changed = str(tmp_path / "a.mp3"), (tmp_path / "a.mp3").stat()
    assert not plan.has(*changed)
    plan.add([replace(row_for(changed), genre=("Folk",), confidence=0.4)])
    assert [row.genre for row in read_plan(plan.path)] == [("Folk",)]


def edit(plan, old, new):
    plan.path.write_text(plan.path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("name", ["plan.csv", "plan.jsonl"])
def test_what_a_person_has_edited_stays_where_the_file_is_only_touched(files, tmp_path, name):
    plan = GrowingPlan(tmp_path / name)
    plan.add([row_for(file, confidence=0.8351) for file in files])
    edit(plan, "Jazz", "Swing")
    os.utime(tmp_path / "a.mp3", ns=(5, 5))
    touched = row_for((files[0][0], (tmp_path / "a.mp3").stat()), confidence=0.8351)
    assert plan.add([touched]) == []
    rows = list(read_plan(plan.path))
    assert [(row.path, row.genre) for row in rows] == [(path, ("Swing",)) for path, _ in files]
    assert rows[0].state == touched.state
    assert plan.count_actions() == {"write": 2}
    # what sounds otherwise, or has got a genre meanwhile, is another file
    for other in (replace(touched, confidence=0.2), replace(touched, current=("Polka",))):
        edit(plan, "Jazz", "Swing")
        assert plan.add([other]) == [other]
        assert {row.path: row.genre for row in read_plan(plan.path)}[files[0][0]] == ("Jazz",)


def test_a_row_follows_its_file_to_another_name(files, tmp_path):
    plan = GrowingPlan(tmp_path / "plan.csv")
    plan.add([row_for(file) for file in files])
    edit(plan, "Jazz", "Swing")
    (tmp_path / "a.mp3").rename(moved := tmp_path / "c.mp3")
    os.utime(tmp_path / "b.mp3", ns=(5, 5))
    plan.add([row_for((str(moved), moved.stat()))])
    assert {row.path: row.genre for row in read_plan(plan.path)} == {str(moved): ("Swing",), files[1][0]: ("Swing",)}


def test_a_plan_that_cannot_be_read_is_refused_before_anything_is_heard(tmp_path):
    with (tmp_path / "plan.csv").open("w", newline="") as file:
        csv.writer(file).writerow(["what", "is", "this"])
    with pytest.raises(SettingError, match=r"plan\.csv, line 1"):
        GrowingPlan(tmp_path / "plan.csv")
