"""The report of an evaluation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.evaluation.calibration import Answers
from earmark.evaluation.report import judge
from earmark.inference.card import Calibration


def test_what_is_no_music_counts_as_unknown():
    track, y = np.array([3, 3, 5, 7]), np.array([0, 0, 1, 1])
    log_p = np.log([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8]])
    answers = Answers(log_p, track, y, ("a", "b"), np.array([False, False, True, False]))
    report = judge(answers, Calibration(), corpus="c", protocol="p", part="test")
    assert (report.unknown, report.track_accuracy, report.named_accuracy) == (pytest.approx(1 / 3), 1, 1)


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
