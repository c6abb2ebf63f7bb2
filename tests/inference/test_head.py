"""Naming from embeddings alone, held against hearing the same files."""

import base64

import numpy as np
import pytest
from support.models import listening
from support.paths import REPOSITORY

from earmark.errors import SettingError
from earmark.inference.aggregate import make_answer
from earmark.inference.head import Head
from earmark.inference.model import open_model, parse, save_model
from earmark.inference.tagger import Tagger
from earmark.training.export import write_adapted

MUSIC = sorted((REPOSITORY / "examples").glob("*.opus"))


def hear(model):
    verdicts = list(Tagger(model).classify_many(MUSIC))
    assert sum(verdict.embedding is not None for verdict in verdicts) == len(MUSIC) > 5
    return verdicts


@pytest.fixture(scope="module")
def families():
    return hear("earmark")


def answer(model, features, base=None):
    head = Head(model)
    rows = head.predict(features, base).split()
    return [make_answer(row, model.card, model.card.calibration.track_temperature) for row in rows]


def assert_same(answers, verdicts):
    for said, heard in zip(answers, verdicts, strict=True):
        # what is no music is told by the sound alone
        if heard.genres:
            assert said.genres == pytest.approx(heard.genres, abs=2e-3)
            assert (said.genre, said.reason, said.confidence) == (heard.genre, heard.reason, said.genres[heard.best])


def test_the_mean_of_the_clips_is_named_as_the_clips_are(families):
    model = open_model("gtzan")
    heard = hear(model)
    # which model heard the sound makes no difference to what its encoder gave
    features = np.stack([verdict.embedding for verdict in families])
    np.testing.assert_array_equal(features, np.stack([verdict.embedding for verdict in heard]))
    assert len(heard[0].clips) > 1
    assert_same(answer(model, features), heard)


def adapt(tmp_path, evidence, weights, bias, labels):
    base = open_model()
    graph, head = write_adapted(base, evidence, weights, bias)
    calibration = base.card.calibration.model_copy(update={"track_temperature": 1.0})
    card = base.card.model_copy(update={"labels": labels, "base": base.card.checksum, "calibration": calibration})
    return save_model(tmp_path / "mine.onnx", graph, card, head=head)


def test_an_adapted_model_hears_what_its_head_says(families, rng, tmp_path):
    labels = (*open_model().card.labels, "tango nuevo")
    # of the new one, the mean logarithm
    evidence = np.column_stack([np.eye(25), np.full(25, 1 / 25)]) / 1.5
    weights, bias = rng.normal(0, 0.02, (26, 634)), rng.normal(0, 0.5, 26)
    adapted = adapt(tmp_path, evidence, weights, bias, labels)
    assert open_model(tmp_path / "mine.onnx") == adapted
    known = np.array([[verdict.genres.get(label, 0) for label in labels[:25]] for verdict in families])
    features = np.stack([verdict.embedding for verdict in families])
    heard = hear(adapted)
    assert_same(answer(adapted, features, known), heard)
    assert [verdict.genre for verdict in heard] != [verdict.genre for verdict in families]
    assert [verdict.styles for verdict in heard] == [verdict.styles for verdict in families]
    scores = np.log(known + 1e-12) @ evidence + features @ weights.T + bias
    expected = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(Head(adapted).predict(features, known).log_probabilities), expected, atol=1e-5)


def test_no_weights_leave_the_answers_as_they_are(families, tmp_path):
    same = adapt(tmp_path, np.eye(25), np.zeros((25, 634)), np.zeros(25), open_model().card.labels)
    for heard, before in zip(hear(same), families, strict=True):
        assert heard.genres == pytest.approx(before.genres, abs=1e-5)


def test_what_has_no_features_cannot_be_adapted():
    for model in (listening(), open_model("paper-attention-2x60")):
        with pytest.raises(SettingError, match="cannot be adapted: it must be on the encoder"):
            write_adapted(model, np.eye(2), np.zeros((2, 634)), np.zeros(2))


def test_a_model_without_a_head_says_so():
    with pytest.raises(SettingError, match="earmark cannot answer from embeddings alone"):
        Head(open_model())


def test_a_head_is_sealed(tmp_path):
    model = open_model("gtzan")
    save_model(tmp_path / "mine.onnx", model.graph, model.card, head=model.head)
    whole = (tmp_path / "mine.onnx").read_bytes()
    assert base64.b64decode(model.head)
    at = whole.index(model.head) + 9
    altered = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    with pytest.raises(Exception, match="the checksum does not match"):
        parse(altered, "mine.onnx")
