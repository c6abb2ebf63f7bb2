"""What a model has learned from, beside what it is to learn."""

from types import SimpleNamespace

import numpy as np

from earmark.data.corpus import Corpus, Track
from earmark.data.examples import encode_examples, join_examples
from earmark.data.features.extract import Features


def test_a_genre_that_is_spelled_otherwise_joins_the_models():
    learned = Corpus("old", (Track("a", "hiphop"), Track("b", "jazz")))
    features = Features(np.zeros((2, 1, 3), np.float32), np.array(["hiphop", "jazz"]), np.arange(2), {})
    training = SimpleNamespace(corpus="old")
    card = SimpleNamespace(labels=("hiphop", "jazz"), training=training)
    model = SimpleNamespace(card=card, examples=encode_examples(learned, features), name="old.onnx")
    new = Corpus("new", (Track("c", "Hip-Hop"), Track("d", "Salsa")))
    assert join_examples(new, model).counts == {"Salsa": 1, "hiphop": 2, "jazz": 1}
