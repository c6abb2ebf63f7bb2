"""Metrics against scikit-learn, by hand, and by what they promise."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.evaluation import metrics
from earmark.evaluation.calibration import Answers
from earmark.evaluation.report import judge
from earmark.inference.card import Calibration


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_accuracy_and_confusion_equal_scikit_learn(pairs):
    truth, guess = np.array(pairs).T
    assert metrics.accuracy(truth, guess) == pytest.approx(sklearn.metrics.accuracy_score(truth, guess))
    expected = sklearn.metrics.confusion_matrix(truth, guess, labels=range(4))
    np.testing.assert_array_equal(metrics.confusion(truth, guess, 4), expected)


def test_pooling_is_the_mean_over_each_track():
    log_p = np.log([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    pooled, truth = metrics.pool(log_p, np.array([7, 3, 7]), np.array([0, 1, 0]))
    np.testing.assert_allclose(pooled, [log_p[1], (log_p[0] + log_p[2]) / 2])
    assert truth.tolist() == [1, 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_temperature_is_found_again(rng, temperature):
    logits = rng.normal(0, 2, (4000, 5))
    truth = np.array([rng.choice(5, p=p) for p in metrics.softmax(logits)])
    assert metrics.fit_temperature(logits * temperature, truth) == pytest.approx(temperature, rel=0.1)


def test_calibration_error_by_hand():
    probabilities = np.array([[0.95, 0.05]] * 10 + [[0.65, 0.35]] * 10)
    truth = np.array([0] * 9 + [1] + [0] * 5 + [1] * 5)
    assert metrics.calibration_error(probabilities, truth) == pytest.approx(0.5 * 0.05 + 0.5 * 0.15)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0.01, 1))
def test_threshold_keeps_what_it_promises(confidence, coverage):
    confidence = np.array(confidence)
    threshold = metrics.threshold_for_coverage(confidence, coverage)
    assert (confidence >= threshold).mean() >= coverage - 1e-9
    above = confidence[confidence > threshold]
    assert len(above) / len(confidence) < coverage  # the next higher one would keep too few


@given(seed=st.integers(0, 999))
@settings(max_examples=30)
def test_a_report_adds_up(seed):
    rng = np.random.default_rng(seed)
    track = np.sort(rng.integers(0, 12, 40))
    genre_of = rng.integers(0, 3, 12)
    y = genre_of[track]
    log_p = np.log(rng.dirichlet([1, 1, 1], 40))
    calibration = Calibration(threshold=0.5)
    report = judge(Answers(log_p, track, y, ("a", "b", "c")), calibration, corpus="c", protocol="p", part="test")
    assert report.n_clips == 40
    assert report.n_tracks == len(np.unique(track)) == np.sum(report.confusion)
    assert report.track_accuracy == pytest.approx(np.trace(report.confusion) / report.n_tracks)
    right = sum(g["n_tracks"] * g["accuracy"] for g in report.per_genre.values())
    assert right == pytest.approx(np.trace(report.confusion))
    assert 0 <= report.unknown <= 1
    assert report.to_dict()["named_accuracy"] is None or 0 <= report.named_accuracy <= 1
