"""Temperatures and thresholds, fitted on held-out tracks."""

import numpy as np
import pytest

from earmark.evaluation.calibration import Answers, calibrate
from earmark.evaluation.report import judge
from earmark.evaluation.thresholds import find_threshold_for_precision


def answers(rng, n, **more):
    """Answers whose confidence is what it claims to be, two clips a track."""
    confidence = rng.uniform(0.35, 1, n)
    best = rng.integers(0, 3, n)
    y = np.where(rng.random(n) < confidence, best, (best + 1) % 3)
    p = np.repeat(((1 - confidence) / 2)[:, None], 3, axis=1)
    p[np.arange(n), best] = confidence
    return Answers(
        np.log(np.repeat(p, 2, axis=0)), np.repeat(np.arange(n), 2), np.repeat(y, 2), ("a", "b", "c"), **more
    )


@pytest.mark.parametrize(("n", "slack"), [(30, 0.3), (1000, 0.08)])
def test_tags_are_written_from_where_three_in_four_are_right(rng, n, slack):
    calibration = calibrate(answers(rng, n))
    assert calibration.tag_threshold >= calibration.threshold
    assert calibration.tag_threshold == pytest.approx(0.75, abs=slack)


def test_where_nothing_is_right_often_enough_nothing_is_written():
    assert find_threshold_for_precision(np.array([0.4, 0.9]), np.array([True, False])) == 1
    assert find_threshold_for_precision(np.array([]), np.array([], bool)) == 1


def test_the_threshold_is_that_of_isotonic_regression(rng):
    from sklearn.isotonic import IsotonicRegression

    confidence = np.sort(rng.random(200))
    right = rng.random(200) < confidence
    fitted = IsotonicRegression().fit_transform(confidence, right)
    assert find_threshold_for_precision(confidence, right, 0.6) == confidence[np.argmax(fitted >= 0.6)]


def test_tracks_unlike_the_training_clips_are_not_named(rng):
    novelty = rng.uniform(0, 1, 400)
    given = answers(rng, 200, novelty=novelty)
    calibration = calibrate(given)
    assert calibration.novelty == pytest.approx(np.quantile(given.track_novelty, 0.95), abs=0.02)
    # together with the threshold of confidence
    assert calibration.coverage == pytest.approx(0.9, abs=0.01)
    report = judge(given, calibration, corpus="c", protocol="p", part="test")
    assert report.unknown == pytest.approx(0.1, abs=0.01)
