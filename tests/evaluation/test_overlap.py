"""Who judges a model by tracks that it learned from is told so."""

from types import SimpleNamespace

import pytest

from earmark.data.corpus import Corpus, Track
from earmark.evaluation.overlap import was_learned

CORPUS = Corpus("ten", tuple(Track(f"{i}", "jazz") for i in range(10)))


def card(protocol, parts, seed=1, corpus=CORPUS):
    training = SimpleNamespace(fingerprint=corpus.fingerprint, protocol=protocol, seed=seed)
    return SimpleNamespace(training=training, metrics=[SimpleNamespace(part=part) for part in parts])


@pytest.mark.parametrize(
    ("protocol", "part", "seed", "learned"),
    [
        ("all", "all", 1, True),
        ("track", "test", 1, False),
        ("track", "valid", 1, False),
        ("track", "train", 1, True),
        ("track", "test", 2, True),  # another split: its test part holds tracks of the other's training part
        ("artist", "test", 1, True),
    ],
)
def test_only_the_parts_that_judged_were_not_learned(protocol, part, seed, learned):
    own = card("track", ("valid", "test"))
    assert was_learned(own, CORPUS, protocol=protocol, part=part, seed=seed) is learned


def test_the_fault_filtered_split_is_the_same_whatever_the_seed():
    own = card("fault-filtered", ("test",))
    assert not was_learned(own, CORPUS, protocol="fault-filtered", part="test", seed=7)


def test_after_held_out_folds_everything_is_learned():
    own = card("track", ("5 held-out folds",))
    assert was_learned(own, CORPUS, protocol="track", part="test", seed=1)


def test_another_corpus_is_not_learned():
    own = card("track", ("test",), corpus=CORPUS.subset(range(9)))
    assert not was_learned(own, CORPUS)
