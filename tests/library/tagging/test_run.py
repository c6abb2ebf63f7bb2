"""A tagging run from Python: what becomes of each file, in the order it is known."""

import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from mediafile import MediaFile
from support.verdicts import verdict_of

from earmark.errors import MissingExtra
from earmark.library.tagging import tracks
from earmark.library.tagging.run import TagRun
from earmark.library.tags.genre_tags import GenreTags
from earmark.library.tags.journal import read_journal
from earmark.library.tags.selection import GenreSelector
from earmark.library.tags.undo import undo
from earmark.library.tags.values import TagValues
from earmark.library.vocabulary import load_vocabulary


class Tagger:
    """Takes every file for jazz, and notes which it was given, call by call."""

    def __init__(self, tag_threshold=0.0):
        self.calls = []
        self.card = SimpleNamespace(name="made-up", checksum="1a2b3c4d5e6f", tag_thresholds={"jazz": tag_threshold})

    def classify_many(self, paths, *, jobs, preview):
        self.calls.append([])
        for path in paths:
            self.calls[-1].append(Path(path).name)
            yield verdict_of(path, error="no sound" if "broken" in path else None)


@pytest.fixture
def music(put):
    """Files of which two have a genre."""
    for name in "abcd":
        put(".flac", name)
    for name in "bc":
        file = MediaFile(put(".flac", name))
        file.genres = ["Polka"]
        file.save()
    return put(".flac", "broken").parent


def outcomes(results):
    return [(Path(result.path).name, result.outcome) for result in results]


def test_planned_written_and_undone(music, journal):
    before = {path: path.read_bytes() for path in music.iterdir()}
    (journal.parent / "again.flac").symlink_to(music / "a.flac")
    with TagRun(Tagger(), journal=journal, dry_run=True) as plan:
        names = [str(music), str(music / "a.flac"), str(journal.parent / "again.flac"), str(music / "none.flac")]
        planned = list(plan.tag(names))
    assert not journal.exists()
    assert {path: path.read_bytes() for path in music.iterdir()} == before
    with TagRun(Tagger(), GenreSelector(), journal) as real:
        done = list(real.tag([str(music), str(music / "none.flac")]))
    assert outcomes(planned) == [
        ("a.flac", "would write"), ("b.flac", "had one"), ("broken.flac", "failed"), ("c.flac", "had one"),
        ("d.flac", "would write"), ("none.flac", "failed"),
    ]  # fmt: skip
    assert [replace(one, outcome=one.outcome.replace("would write", "written")) for one in planned] == done
    assert real.counts == {"written": 2, "had one": 2, "failed": 2}
    assert asdict(planned[0]) | {"path": ""} == {
        "path": "", "outcome": "would write", "before": (), "genres": ("Jazz",), "moods": (),
        "confidence": 0.7, "reason": None, "guesses": (), "error": None,
    }  # fmt: skip
    assert real.journal.entries == 2
    entries, damaged = read_journal(journal)
    assert outcomes(undo(entries)) == [("d.flac", "restored"), ("a.flac", "restored")]
    assert damaged == 0
    assert {path: path.read_bytes() for path in music.iterdir()} == before


def test_only_files_that_may_get_a_genre_are_classified(music, journal):
    tagger = Tagger()
    with TagRun(tagger, journal=journal, dry_run=True) as plan:
        list(plan.tag([str(music)]))
    assert tagger.calls == [["a.flac", "broken.flac", "d.flac"]]


def test_results_do_not_pile_up_before_a_verdict(music, journal, monkeypatch):
    monkeypatch.setattr(tracks, "_LOOK_AHEAD", 1)
    tagger = Tagger()
    with TagRun(tagger, journal=journal, dry_run=True) as plan:
        found = outcomes(plan.tag([str(music)]))
    assert found == [
        ("a.flac", "would write"), ("b.flac", "had one"), ("broken.flac", "failed"), ("c.flac", "had one"),
        ("d.flac", "would write"),
    ]  # fmt: skip
    assert tagger.calls == [["a.flac"], ["broken.flac"], ["d.flac"]]


def test_what_the_model_is_not_sure_enough_of_is_left_unless_asked_for(put, journal):
    path = str(put(".flac"))
    unsure = Tagger(tag_threshold=0.75)
    with TagRun(unsure, journal=journal) as careful:
        (result,) = careful.tag([path])
    assert (result.outcome, result.reason, result.confidence) == ("unsure", "not sure enough", 0.7)
    assert (result.genres, result.guesses, MediaFile(path).genres) == ((), ("Jazz",), None)
    with TagRun(unsure, GenreSelector(tag_thresholds={"jazz": 0.75}, min_confidence=0.5), journal) as bold:
        assert [result.outcome for result in bold.tag([path])] == ["written"]


def test_what_the_words_leave_out_is_said_to_be_left_out(put, journal):
    with TagRun(Tagger(), GenreSelector(load_vocabulary({"words": {"jazz": []}})), journal) as run_:
        (result,) = run_.tag([str(put(".flac"))])
    assert (result.outcome, result.reason) == ("left out", "your words have none for it")


def test_a_folder_without_sound_fails(tmp_path, journal):
    with TagRun(Tagger(), journal=journal) as empty:
        (result,) = empty.tag([str(tmp_path)])
    assert (result.outcome, result.error) == ("failed", "no audio files in this folder")


def test_without_mediafile_it_does_not_begin(journal, monkeypatch):
    monkeypatch.setitem(sys.modules, "mediafile", None)
    with pytest.raises(MissingExtra, match=r"earmark tag needs packages"):
        TagRun(Tagger(), journal=journal)


def test_moods_and_a_note_are_written_and_own_genres_renewed(put, journal):
    path = put(".flac")
    tagger = Moody()
    with TagRun(tagger, GenreSelector(moods=2), journal) as first:
        assert [result.outcome for result in first.tag([str(path)])] == ["written"]
    # of 20 % and more
    note = "model=made-up; checksum=1a2b3c4d; confidence=0.70; genre=Jazz; mood=Sad"
    assert GenreTags(path).values == TagValues(("Jazz",), ("Sad",), note)
    words = load_vocabulary({"words": {"jazz": "Swing"}})
    with TagRun(tagger, GenreSelector(words), journal, existing="mine") as second:
        assert [(one.outcome, one.before, one.genres) for one in second.tag([str(path)])] == [
            ("written", ("Jazz",), ("Swing",))
        ]
    with TagRun(tagger, GenreSelector(), journal, existing="append", dry_run=True) as third:
        assert [one.genres for one in third.tag([str(path)])] == [("Swing", "Jazz")]
    assert MediaFile(path).genres == ["Swing"]


class Moody(Tagger):
    """Hears sadness too."""

    def classify_many(self, paths, *, jobs, preview):
        for verdict in super().classify_many(paths, jobs=jobs, preview=preview):
            yield replace(verdict, moods={"sad": 0.9, "happy": 0.1})
