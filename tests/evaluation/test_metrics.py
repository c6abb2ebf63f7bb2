"""Metrics against scikit-learn, by hand, and by what they promise."""

import itertools

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from earmark.evaluation import metrics, thresholds


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_accuracy_and_confusion_equal_scikit_learn(pairs):
    truth, guess = np.array(pairs).T
    assert metrics.accuracy(truth, guess) == pytest.approx(sklearn.metrics.accuracy_score(truth, guess))
    expected = sklearn.metrics.confusion_matrix(truth, guess, labels=range(4))
    np.testing.assert_array_equal(metrics.confusion(truth, guess, 4), expected)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), min_size=1, max_size=40))
def test_means_over_genres_are_scikit_learns_over_those_with_true_tracks(pairs):
    """Labels 2 and 3 are predicted at most: they have no F1 score or recall that could be averaged."""
    truth, guess = np.array(pairs).T
    counts = metrics.confusion(truth, guess, 4)
    options = {"labels": np.unique(truth), "average": "macro", "zero_division": 0}
    assert metrics.macro_f1(counts) == pytest.approx(sklearn.metrics.f1_score(truth, guess, **options))
    assert metrics.mean_recall(counts) == pytest.approx(sklearn.metrics.recall_score(truth, guess, **options))


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
    threshold = thresholds.find_threshold_for_coverage(confidence, coverage)
    assert (confidence >= threshold).mean() >= coverage - 1e-9
    above = confidence[confidence > threshold]
    assert len(above) / len(confidence) < coverage  # the next higher one would keep too few


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=5))
def test_risk_and_coverage_equal_the_mean_over_all_orders_of_ties(pairs):
    confidence, right = np.array([c for c, _ in pairs]) / 4, np.array([r for _, r in pairs])
    n = len(pairs)
    orders = [o for o in itertools.permutations(range(n)) if all(np.diff(confidence[list(o)]) <= 0)]
    curves = [[np.mean([right[i] for i in order[:k]]) for k in range(1, n + 1)] for order in orders]
    np.testing.assert_allclose(metrics.selective_accuracy(confidence, right), np.mean(curves, axis=0))
    assert metrics.aurc(confidence, right) == pytest.approx(1 - np.mean(curves))


def test_the_area_tells_good_confidence_from_bad(rng):
    right = rng.random(2000) < 0.7
    good, chance = (metrics.aurc(c, right) for c in (right + rng.random(2000), rng.random(2000)))
    assert good < 0.06
    assert chance == pytest.approx(0.3, abs=0.05)
    assert metrics.aurc(np.ones(2000), right) == pytest.approx(1 - right.mean())
    assert np.isnan(metrics.aurc(np.empty(0), np.empty(0, bool)))
