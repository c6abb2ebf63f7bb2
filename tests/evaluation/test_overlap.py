"""Who judges a model by tracks that it learned from is told so."""

from types import SimpleNamespace

import numpy as np
import pytest

from earmark.data.corpus import Corpus, Track
from earmark.data.examples import encode_examples
from earmark.data.features.extract import Features
from earmark.evaluation.evaluate import select_part
from earmark.evaluation.overlap import Overlap, find_overlap

CORPUS = Corpus("ten", tuple(Track(f"{i}", "jazz") for i in range(10)))
ALL = Overlap("corpus", 10)


def model(protocol, parts, seed=1, corpus=CORPUS, name="another", examples=b""):
    training = SimpleNamespace(fingerprint=corpus.fingerprint, protocol=protocol, seed=seed, corpus=name)
    metrics = [SimpleNamespace(part=part) for part in parts]
    card = SimpleNamespace(training=training, metrics=metrics, labels=("jazz",))
    return SimpleNamespace(card=card, examples=examples, name="m.onnx")


@pytest.mark.parametrize(
    ("protocol", "part", "seed", "overlap"),
    [
        ("all", "all", 1, ALL),
        ("track", "test", 1, None),
        ("track", "valid", 1, None),
        ("track", "train", 1, ALL),
        ("track", "test", 2, ALL),  # another split: its test part holds tracks of the other's training part
        ("artist", "test", 1, ALL),
    ],
)
def test_only_the_parts_that_judged_were_not_learned(protocol, part, seed, overlap):
    own = model("track", ("valid", "test"))
    assert find_overlap(own, CORPUS, CORPUS, protocol=protocol, part=part, seed=seed) == overlap


def test_the_fault_filtered_split_is_the_same_whatever_the_seed_and_the_share_that_is_there():
    own = model("fault-filtered", ("valid",), name="GTZAN (639 of 1000 tracks)")
    some = Corpus("GTZAN (9 of 1000 tracks)", CORPUS.tracks[:9])
    for corpus in (CORPUS, some):
        for part in ("valid", "test"):
            assert find_overlap(own, corpus, corpus, protocol="fault-filtered", part=part, seed=7) is None
        assert find_overlap(own, corpus, corpus, protocol="fault-filtered", part="train", seed=7)


def test_after_held_out_folds_everything_is_learned():
    own = model("track", ("5 held-out folds",))
    assert find_overlap(own, CORPUS, CORPUS, protocol="track", part="test", seed=1) == ALL


def test_another_corpus_is_not_learned():
    own = model("track", ("test",), corpus=CORPUS.subset(range(9)))
    assert find_overlap(own, CORPUS, CORPUS) is None


def test_a_corpus_that_bears_the_name_in_the_card():
    own = model("artist", ("5 held-out folds",), corpus=CORPUS.subset(range(9)), name="mine + GTZAN")
    gtzan = Corpus("GTZAN (10 of 1000 tracks)", CORPUS.tracks)
    assert find_overlap(own, gtzan, gtzan) == Overlap("name")


def test_tracks_that_bear_the_names_of_the_models_examples():
    learned = CORPUS.subset(range(4))
    features = Features(np.zeros((4, 1, 3), np.float32), np.array(["jazz"] * 4), np.arange(4), {})
    own = model("album", ("5 held-out folds",), corpus=learned, examples=encode_examples(learned, features))
    assert find_overlap(own, CORPUS, CORPUS.subset(range(2, 8))) == Overlap("tracks", 2)
    assert find_overlap(own, CORPUS, CORPUS.subset(range(5, 8))) is None


def test_what_is_spelled_otherwise_or_foreign_makes_no_other_corpus():
    tracks = [Track(track.id, "Jazz") for track in CORPUS.tracks]
    corpus = Corpus("renamed", (*tracks, Track("x", "polka")))
    own = model("track", ("test",))
    judging = select_part(corpus, own.card.labels)
    assert find_overlap(own, corpus, judging) == ALL
    assert find_overlap(own, corpus, judging, protocol="track", part="test", seed=1) is None
