"""Thresholds of confidence."""

import numpy as np
import pytest

from earmark.evaluation.thresholds import find_thresholds_by_label


def test_thresholds_of_labels_move_away_from_that_of_all_where_there_are_answers():
    confidence = np.linspace(0.05, 0.95, 200)
    # of the first label only those above 0.7 are right; all of the second; of the third there are none
    p = np.zeros((400, 3))
    p[:200, 0], p[200:, 1] = confidence, confidence
    truth = np.r_[np.where(confidence > 0.7, 0, 2), np.full(200, 1)]
    first, second, third = find_thresholds_by_label(p, truth, default=0.5, least=0.3)
    assert first == pytest.approx(0.7, abs=0.03)
    assert second == 0.3
    assert third == 0.5
    few = find_thresholds_by_label(p[::50], truth[::50], default=0.5, least=0.3)
    assert 0.5 < few[0] < first
    sure = find_thresholds_by_label(np.array([[0.95, 0.05]] * 5), np.zeros(5, int), default=0.5, least=0.3)
    assert sure == (0.5, 0.5)
