"""Which model answers for a library where none is named."""

import os
import shutil

import numpy as np
import pytest
from support.command import json_lines, run
from support.models import listening
from support.verdicts import verdict_of

from earmark.inference.model import open_model, save_model
from earmark.library.answers import find_last_used
from earmark.library.library import Library
from earmark.library.records import ModelKey


@pytest.fixture(scope="module")
def song(write_sound, tmp_path_factory):
    path = tmp_path_factory.mktemp("song") / "one.flac"
    return write_sound(path, np.random.default_rng(0).uniform(-0.1, 0.1, 3 * 4000), 4000)


@pytest.fixture
def shelf(song, tmp_path):
    """Run a command in a folder with a song, a model of one's own, and a library with its answer."""
    (tmp_path / "music").mkdir()
    shutil.copy(song, tmp_path / "music")
    model = listening()
    save_model(tmp_path / "own.onnx", model.graph, model.card)

    def command(*arguments, **options):
        done = run(*arguments, cwd=tmp_path, **options)
        done.stderr = " ".join(done.stderr.split())
        return done

    first = command("classify", "music", "--library", "shelf.db", "--model", "own.onnx")
    assert "last used" not in first.stderr
    shutil.copy(song, tmp_path / "music" / "two.flac")
    return command


def models_of(done):
    return [row["model"] for row in json_lines(done.stdout)]


def test_the_model_last_used_goes_on_from_anywhere(shelf, tmp_path):
    (tmp_path / "below").mkdir()
    line = f"by listening ({open_model(tmp_path / 'own.onnx').card.checksum[:8]}), last used in"
    for place in (".", "below"):
        shelf_db, music = (os.path.relpath(tmp_path / name, tmp_path / place) for name in ("shelf.db", "music"))
        done = run("classify", music, "--library", shelf_db, "-f", "json", cwd=tmp_path / place)
        assert line in " ".join(done.stderr.split())
        assert models_of(done) == ["listening"] * 2
    watched = shelf("watch", "music", "--library", "shelf.db", "--once", "--plan", "plan.csv")
    assert line in watched.stderr
    for paths in ((), ("music",)):
        done = shelf("tag", *paths, "--library", "shelf.db", "--dry-run", "-f", "json")
        assert line in done.stderr
        assert [row["genres"] for row in json_lines(done.stdout)] == [["Electronic"]] * 2
    # it moves: named once, it is found again
    (tmp_path / "own.onnx").rename(tmp_path / "below" / "own.onnx")
    shelf("classify", "music", "--library", "shelf.db", "--model", "below/own.onnx")
    assert line in shelf("classify", "music", "--library", "shelf.db").stderr


def test_a_model_that_is_named_comes_first(shelf):
    classify = ("classify", "music/one.flac", "-f", "json")
    keeping = (*classify, "--library", "shelf.db")
    assert models_of(shelf(*classify)) == ["earmark"]
    for more, options in (
        (("--model", "earmark"), {}),
        ((), {"env": {**os.environ, "EARMARK_MODEL": "earmark"}}),
        ((), {}),  # for that is the last one now, and the default, of which nothing need be said
    ):
        done = shelf(*keeping, *more, **options)
        assert (models_of(done), "last used" in done.stderr) == (["earmark"], False)
    # by its name in the library
    assert models_of(shelf(*keeping, "--model", "listening")) == ["listening"]
    assert models_of(shelf("classify", "music/one.flac", "-f", "json", "--library", "new.db")) == ["earmark"]


@pytest.mark.parametrize("lost", ["gone", "another"])
def test_a_model_that_is_lost_is_said(shelf, tmp_path, lost):
    shelf("classify", "music", "--library", "shelf.db", "--model", "gtzan")
    shelf("classify", "music", "--library", "shelf.db", "--model", "own.onnx")
    (tmp_path / "own.onnx").unlink()
    if lost == "another":
        another = listening(labels=("jazz", "pop"))
        save_model(tmp_path / "own.onnx", another.graph, another.card)
    told = f"whose answers these are, is not in {tmp_path / 'own.onnx'} any more"
    without = shelf("tag", "--library", "shelf.db", expect=2).stderr
    assert f"{told}: name its file with --model, or another whose answers shelf.db has: gtzan" in without
    done = shelf("classify", "music", "--library", "shelf.db", "-f", "json")
    assert f"{told}: by earmark instead; --model chooses another" in done.stderr
    assert models_of(done) == ["earmark"] * 2
    assert told in shelf("tag", "music", "--library", "shelf.db", "--model", "listening", expect=2).stderr


def test_answers_of_an_older_bundled_model_are_no_alarm(song, tmp_path):
    old = ModelKey("c0ffee", "earmark", ("jazz",))
    with Library(tmp_path / "shelf.db") as library:
        assert find_last_used(library) is None
        list(library.classify([(str(song), song.stat())], old, lambda paths: map(verdict_of, paths)))
        assert find_last_used(library) is None
    done = run("classify", song, "--library", tmp_path / "shelf.db", "-f", "json")
    assert (models_of(done), "last used" in done.stderr) == (["earmark"], False)
