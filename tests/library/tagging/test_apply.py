"""A plan applied: what it says is written, and nothing else, into files that are what they were."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from mediafile import MediaFile
from support.models import listening
from support.tags import genres
from support.verdicts import verdict_of

from earmark.errors import LibraryError, SettingError
from earmark.inference.card import Calibration
from earmark.library.library import Library
from earmark.library.tagging.run import TagRun
from earmark.library.tags.genre_tags import GenreTags
from earmark.library.tags.journal import read_journal
from earmark.library.tags.plan_file import read_plan, write_plan
from earmark.library.tags.selection import GenreSelector
from earmark.library.tags.undo import undo
from earmark.library.tags.values import TagValues


class Tagger:
    """Takes every file for calm jazz, and notes which it was given."""

    def __init__(self, model):
        self.model, self.card, self.heard = model, model.card, []

    def classify_many(self, paths, *, jobs, preview):
        for path in paths:
            self.heard.append(Path(path).name)
            yield replace(verdict_of(path, error="no sound" if "broken" in path else None), moods={"calm": 0.9})


@pytest.fixture
def tagger():
    changes = {"name": "made-up", "labels": ("jazz", "rock"), "calibration": Calibration()}
    return Tagger(listening(**changes))


@pytest.fixture
def music(put):
    for name in "abc":
        put(".flac", name)
    genres(put(".mp3", "had"), "Polka")
    return put(".mp3", "broken").parent


@pytest.fixture
def plan(music, tagger, journal, tmp_path):
    """A plan for them all."""
    path = tmp_path / "plan.csv"
    with TagRun(tagger, GenreSelector(moods=1), journal) as run:
        assert write_plan(path, run.propose([str(music)])) == []
    return path


def edit(plan, **changes):
    """Change cells of rows, by the names of their files without suffix."""
    rows = [replace(row, **changes.get(Path(row.path).stem, {})) for row in read_plan(plan)]
    write_plan(plan, rows)


def apply(plan, journal, *within, **options):
    with TagRun(journal=journal, **options) as run:
        return {Path(one.path).stem: (one.outcome, one.error) for one in run.apply(read_plan(plan), within)}


def read(music):
    return {path.stem: MediaFile(path).genres for path in music.iterdir()}


def content(music):
    return {path.name: path.read_bytes() for path in music.iterdir()}


def test_a_plan_is_made_without_a_change_and_then_written_and_undone(music, plan, journal):
    before = content(music)
    assert not journal.exists()
    assert apply(plan, journal) == {
        "a": ("written", None), "b": ("written", None), "c": ("written", None), "had": ("kept", None),
        "broken": ("kept", None),
    }  # fmt: skip
    note = "model=made-up; checksum=; confidence=0.70; genre=Jazz; mood=Calm"
    assert GenreTags(music / "a.flac").values == TagValues(("Jazz",), ("Calm",), note)
    assert read(music)["had"] == ["Polka"]
    assert {one.outcome for one in undo(read_journal(journal)[0])} == {"restored"}
    assert content(music) == before


def test_what_a_person_edits_is_written_as_it_is_and_not_in_our_name(music, plan, journal):
    edit(
        plan,
        a={"genre": ("My own Words", "misc"), "moods": ("odd",)},
        b={"genre": ("Jazz", "Ska")},
        c={"action": "keep"},
        had={"genre": ("Ska",), "action": "write"},
    )
    assert apply(plan, journal)["had"] == ("written", None)
    assert GenreTags(music / "a.flac").raw == {"main": ["My own Words", "misc"], "moods": ["odd"]}
    assert GenreTags(music / "b.flac").values.provenance.endswith("genre=Jazz; mood=Calm")
    assert not GenreTags(music / "b.flac").values.is_own
    assert read(music) == {
        "a": ["My own Words", "misc"], "b": ["Jazz", "Ska"], "c": None, "had": ["Ska"], "broken": None
    }  # fmt: skip


def test_files_that_are_gone_or_changed_are_refused_and_the_rest_is_written(music, plan, journal):
    genres(music / "a.flac", "Ska")
    (music / "b.flac").unlink()
    done = apply(plan, journal)
    assert done["a"] == (
        "failed", "changed by another program since this was planned: left as it is; plan it anew"
    )  # fmt: skip
    assert done["b"] == ("failed", "no such file or directory")
    assert done["c"] == ("written", None)
    assert read(music)["a"] == ["Ska"]


def test_a_plan_applied_again_changes_nothing(music, plan, journal):
    apply(plan, journal)
    before = content(music)
    assert {outcome for outcome, _ in apply(plan, journal).values()} == {"had one", "kept"}
    assert content(music) == before


def test_rows_outside_of_the_folders_given_are_refused(music, plan, journal, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (music / "c.flac").rename(other / "c.flac")
    (music / "c.flac").symlink_to(other / "c.flac")
    done = apply(plan, journal, str(music))
    assert done["a"] == ("written", None)
    assert done["c"] == ("failed", "outside of what was named: not touched")
    assert MediaFile(other / "c.flac").genres is None
    assert apply(plan, journal, str(music), str(other / "c.flac"))["c"] == ("written", None)


def test_a_dry_run_says_what_would_become_of_each_row(music, plan, journal):
    genres(music / "a.flac", "Ska")
    (music / "b.flac").chmod(0o444)
    before = content(music)
    done = apply(plan, journal, dry_run=True)
    assert [done[name][0] for name in "abc"] == ["failed", "failed", "would write"]
    assert content(music) == before
    assert not journal.exists()


def test_without_a_tagger_nothing_can_be_proposed(journal):
    with TagRun(journal=journal) as run, pytest.raises(SettingError, match="proposes nothing"):
        next(run.propose(["x"]))


@pytest.fixture
def library(tmp_path):
    with Library(tmp_path / "music.db") as kept:
        yield kept


def test_a_library_is_not_heard_again_after_its_files_were_tagged(music, tagger, journal, library):
    with TagRun(tagger, GenreSelector(), journal, library=library) as run:
        assert [one.outcome for one in run.tag([str(music)])].count("written") == 3
    assert tagger.heard == ["a.flac", "b.flac", "broken.mp3", "c.flac"]
    with TagRun(tagger, GenreSelector(), journal, library=library, existing="replace", dry_run=True) as run:
        outcomes = [(Path(one.path).stem, one.outcome) for one in run.tag([str(music)])]
    assert outcomes == [
        ("a", "had one"), ("b", "had one"), ("broken", "failed"), ("c", "had one"), ("had", "would write")
    ]  # fmt: skip
    assert tagger.heard[4:] == ["had.mp3"]


def test_a_tagged_file_that_is_moved_is_followed_in_the_library(music, tagger, journal, library):
    with TagRun(tagger, journal=journal, library=library) as run:
        list(run.tag([str(music)]))
    library.correct([(str(music / "a.flac"), "Ska")], "person")
    (music / "album").mkdir()
    (music / "a.flac").rename(moved := music / "album" / "1.flac")
    with TagRun(tagger, journal=journal, library=library) as run:
        assert [one.outcome for one in run.tag([str(moved)])] == ["had one"]
    assert library.corrections() == {str(moved): "Ska"}
    (key, _), *_ = library.models()
    assert {Path(row.verdict.path).name: row.file for row in library.query(key)}["1.flac"] == "there"


def test_nor_after_that_was_undone(music, tagger, journal, library):
    with TagRun(tagger, journal=journal, library=library) as run:
        list(run.tag([str(music)]))
    n_heard = len(tagger.heard)
    undone = undo(read_journal(journal)[0], on_change=library.note_change)
    assert {result.outcome for result in undone} == {"restored"}
    with TagRun(tagger, journal=journal, library=library, dry_run=True) as run:
        assert [result.before for result in run.tag([str(music)]) if "a.flac" in result.path] == [()]
    (key, _), *_ = library.models()
    rows = [row for row in library.query(key) if "a.flac" in row.verdict.path]
    assert [(row.file, row.tags.genres) for row in rows] == [("there", ())]
    assert len(tagger.heard) == n_heard


def test_a_library_that_cannot_be_written_ends_the_run_and_is_not_taken_for_a_file_that_failed(
    music, plan, journal, library, monkeypatch
):
    def fail(*_):
        raise LibraryError("music.db: the disk is full")

    monkeypatch.setattr(library, "note_change", fail)
    with pytest.raises(LibraryError, match="the disk is full"):
        apply(plan, journal, library=library)
    monkeypatch.undo()
    assert read(music)["a"] == ["Jazz"]
    assert apply(plan, journal, library=library)["a"] == ("had one", None)


def test_a_plan_from_a_library_is_the_one_from_its_files_and_opens_none(
    music, tagger, plan, journal, library, tmp_path, monkeypatch
):
    with TagRun(tagger, GenreSelector(moods=1), journal, library=library, existing="replace") as run:
        heard = list(run.propose([str(music)]))
    assert [row.action for row in heard] == ["write", "write", "keep", "write", "write"]
    monkeypatch.setattr("mutagen.File", None)
    monkeypatch.setattr("mediafile.MediaFile.__init__", None)
    with TagRun(tagger, GenreSelector(moods=1), journal, existing="replace") as run:
        assert list(run.propose_from(library)) == heard
    with TagRun(tagger, GenreSelector(moods=1), journal) as run:
        assert list(run.propose_from(library)) == list(read_plan(plan))
        os.utime(music / "a.flac")
        (music / "b.flac").unlink()
        assert [Path(row.path).stem for row in run.propose_from(library)] == ["broken", "c", "had"]
        assert run.left_out == {"changed": 1, "gone": 1}


def test_a_library_without_answers_of_the_model_says_so(tagger, journal, library):
    says = "no answers of the model made-up .*'earmark classify FOLDER --library .*music.db'.* corrections stay"
    with TagRun(tagger, journal=journal) as run, pytest.raises(SettingError, match=says):
        next(run.propose_from(library))


def test_corrections_in_a_library_are_proposed(music, tagger, journal, library):
    with TagRun(tagger, GenreSelector(), journal, library=library, existing="replace") as run:
        list(run.propose([str(music)]))
        library.correct([(str(music / "a.flac"), "Ska")], "person")
        for rows in (run.propose_from(library), run.propose([str(music)])):
            assert next(rows).genre == ("Ska",)
