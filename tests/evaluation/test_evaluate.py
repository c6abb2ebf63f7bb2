"""A model judged by folders that are spelled otherwise, and by genres that it does not know."""

import json

import pytest
from support.command import run

from earmark.data.corpus import Corpus, Track, open_corpus
from earmark.data.synth import write_corpus
from earmark.errors import CorpusError
from earmark.evaluation.evaluate import evaluate, select_part
from earmark.inference.tagger import Tagger

FOLDERS = {"ambient": "Classical", "techno": "DISCO", "march": "Hip hop", "waltz": "Waltz"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus") / "music"
    write_corpus(root, tracks=2, seconds=5, styles=list(FOLDERS))
    for style, name in FOLDERS.items():
        (root / style).rename(root / name)
    return root


def test_what_is_known_is_judged_and_the_rest_counted_apart(folder):
    said = run("evaluate", "gtzan", folder, "--format", "json", "-j", 1)
    report = json.loads(said.stdout)
    assert report["n_tracks"] == 6
    assert {genre: cell["n_tracks"] for genre, cell in report["per_genre"].items()} == {
        "classical": 2, "disco": 2, "hiphop": 2
    }  # fmt: skip
    (foreign,) = report["foreign"]
    assert (foreign["kind"], foreign["n_sounds"]) == ("Waltz", 2)
    assert foreign["named"] == sum(foreign["genres"].values()) == 2 - sum(foreign["reasons"].values())
    assert report["overlap"] is None
    assert said.stderr == ""


def test_the_table_says_how_many_are_foreign_and_what_is_averaged(folder):
    page = run("evaluate", "gtzan", folder, "-j", 1).stdout
    assert "Genres that the model does not know, not counted above" in page
    assert "Waltz" in page
    assert "mean over the 3 genres with tracks" in page
    assert "calibration error" in page


def test_foreign_tracks_belong_to_no_part_of_a_split():
    genres = ["jazz"] * 10 + ["Pop"] * 10 + ["polka"]  # no split divides one track
    corpus = Corpus("mine", tuple(Track(f"{i:02}", genre) for i, genre in enumerate(genres)))
    part = select_part(corpus, ("jazz", "pop"), "track", "test")
    assert part.counts == {"jazz": 2, "pop": 2, "polka": 1}


def test_where_nothing_is_known_the_genres_of_both_are_said(folder):
    only = open_corpus(folder).subset([6, 7])
    with pytest.raises(CorpusError, match=r"knows none of the genres of music: Waltz; it knows: blues, classical"):
        evaluate(Tagger("gtzan"), only)


def test_a_corpus_of_the_name_in_the_card_is_warned_of(folder, tmp_path):
    (tmp_path / "GTZAN").symlink_to(folder)
    warned = run("evaluate", "gtzan", tmp_path / "GTZAN", "-j", 1)
    assert "learned from a corpus called GTZAN too" in warned.stderr
    assert "earmark models gtzan" in warned.stderr
    assert "learned from a corpus called GTZAN too" in warned.stdout
    stressed = run("stress", "gtzan", tmp_path / "GTZAN", "--tracks", 1, "--format", "json", "-j", 1)
    record = json.loads(stressed.stdout)
    assert record["overlap"] == {"why": "name", "n_tracks": None}
    assert "earmark models gtzan" in stressed.stderr
    # as it is, and no distortion of it
    assert [(row["kind"], row["n_sounds"]) for row in record["foreign"]] == [("Waltz", 1)]
    assert record["n_tracks"] == 3
