"""The report on robustness, by hand."""

from pathlib import Path

import numpy as np
import pytest

from earmark.data.corpus import Track
from earmark.evaluation.distortions import DISTORTIONS
from earmark.evaluation.nonmusic import Sound
from earmark.evaluation.robustness_report import UNDISTORTED, summarize
from earmark.inference.verdict import Verdict


def verdict(best, confidence=0.9, *, certain=True, reason="two genres alike"):
    genres = {best: confidence} if best else {}
    return Verdict(best if certain and best else None, None if certain else reason, confidence, genres, 5.0, (), "m")


def test_conclusions_by_hand():
    same = dict.fromkeys([d.name for d in DISTORTIONS])
    tracks = [
        (Track("a", "jazz"), {k: verdict("jazz", 0.9) for k in same} | {"mp3-64": verdict("jazz", 0.2, certain=False)}),
        (Track("b", "jazz"), {k: verdict("pop", 0.5) for k in same} | {"mp3-64": verdict("jazz", 0.7)}),
        (Track("c", "pop"), {k: verdict("pop", 0.8) for k in same}),
        (Track("d", "pop"), {k: verdict("rock", 0.1, certain=False) for k in same}),
    ]
    before = [verdict("jazz", 0.9), verdict("pop", 0.5), verdict("pop", 0.8), verdict("rock", 0.1, certain=False)]
    tracks = [(track, {UNDISTORTED: plain} | rest) for (track, rest), plain in zip(tracks, before, strict=True)]
    others = [
        (Sound("hum", "hum.0"), verdict("jazz")),
        (Sound("hum", "hum.1"), verdict(None, 0.0, certain=False, reason="silence")),
        (Sound("hum", "mine.wav", Path("mine.wav")), verdict("pop", 0.2, certain=False)),
    ]
    found = summarize("c", tracks, others, [], {})
    by_name = {row.distortion: row for row in found.steadiness}
    assert [by_name["stereo"].agreement, by_name["stereo"].verdict_agreement, by_name["stereo"].accuracy] == [1, 1, 0.5]
    assert [by_name["mp3-64"].agreement, by_name["mp3-64"].verdict_agreement] == [0.75, 0.5]
    assert by_name["mp3-64"].accuracy == 0.75
    assert (found.accuracy, found.coverage) == (0.5, 0.75)
    assert found.named_accuracy == pytest.approx(2 / 3)
    assert [point["accuracy"] for point in found.curve] == pytest.approx([0.5, 0.5, 0.5, 0.5, 2 / 3, 2 / 3, 1])
    assert found.aurc == pytest.approx(np.mean([0, 0, 1 / 3, 1 / 2]))
    made, mine = found.rejection
    assert (made.made, made.n_sounds, made.named, made.genres, made.reasons) == (
        True,
        2,
        1,
        {"jazz": 1},
        {"silence": 1},
    )
    assert (mine.made, mine.named, mine.reasons) == (False, 0, {"two genres alike": 1})
