"""The report on robustness: how steady the answers are, and whether the model knows when it does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from earmark.data.corpus import Track
from earmark.evaluation import metrics
from earmark.evaluation.distortions import DISTORTIONS
from earmark.evaluation.nonmusic import Sound
from earmark.evaluation.rejection import Rejection, count_rejections
from earmark.evaluation.report import plain_types
from earmark.inference.verdict import Verdict

UNDISTORTED = "undistorted"

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Shares of the most confident tracks of which the accuracy is reported."""


@dataclass(frozen=True)
class Steadiness:
    """How the answers change under one distortion.

    Attributes
    ----------
    distortion, what : str
        Its name, and in words.
    agreement : float
        Share of tracks whose most probable genre is that of the undistorted track.
    verdict_agreement : float
        The same of the final answer; "unknown" is one.
    accuracy : float
        Share of tracks whose most probable genre is that of their label.
    """

    distortion: str
    what: str
    agreement: float
    verdict_agreement: float
    accuracy: float


@dataclass(frozen=True)
class RobustnessReport:
    """How robust a model is.

    Attributes
    ----------
    corpus : str
    n_tracks : int
        That could be decoded.
    accuracy : float
        Share of undistorted tracks whose most probable genre is right.
    coverage : float
        Share of them that were named.
    named_accuracy : float
        Accuracy among those; NaN where none was.
    curve : list of dict
        ``{"coverage", "accuracy"}``: accuracy among that share of the tracks, the most confident.
    aurc : float
        Area under the risk–coverage curve.
    steadiness : list of Steadiness
    left_out : list of str
        Distortions that this build of FFmpeg cannot encode.
    rejection : list of Rejection
        Of sounds that are no music.
    foreign : list of Rejection
        Of tracks whose genre the model does not know; they are not counted above.
    failed : dict of str to str
        Tracks and sounds that could not be decoded whole, and why; they are not counted above.
    """

    corpus: str
    n_tracks: int
    accuracy: float
    coverage: float
    named_accuracy: float
    curve: list[dict[str, float]]
    aurc: float
    steadiness: list[Steadiness]
    left_out: list[str]
    rejection: list[Rejection]
    foreign: list[Rejection]
    failed: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return plain types for JSON; what is not a number becomes null."""
        return plain_types(self)


def summarize(
    corpus: str,
    tracks: Sequence[tuple[Track, dict[str, Verdict]]],
    others: Sequence[tuple[Sound, Verdict]],
    foreign: Sequence[tuple[Sound, Verdict]],
    failed: dict[str, str],
) -> RobustnessReport:
    """Summarize verdicts.

    Parameters
    ----------
    corpus, failed
        For the report.
    tracks : sequence of (Track, dict of str to Verdict)
        At least one: the verdict on each version, by the distortion's name and :data:`UNDISTORTED`.
    others, foreign : sequence of (Sound, Verdict)
        Of what is no music, and of music whose genre the model does not know; those of a kind side by side.
    """
    plain = [verdicts[UNDISTORTED] for _, verdicts in tracks]
    right = np.array([verdict.best == track.genre for (track, _), verdict in zip(tracks, plain, strict=True)])
    named = np.array([verdict.genre is not None for verdict in plain])
    confidence = np.array([verdict.confidence for verdict in plain])
    curve = metrics.selective_accuracy(confidence, right)
    # how many of the most confident tracks each coverage keeps
    # minus 1e-9 as in thresholds.find_threshold_for_coverage
    kept = [max(1, int(np.ceil(coverage * len(right) - 1e-9))) for coverage in COVERAGES]
    return RobustnessReport(
        corpus=corpus,
        n_tracks=len(tracks),
        accuracy=float(right.mean()),
        coverage=float(named.mean()),
        named_accuracy=float(right[named].mean()) if named.any() else float("nan"),
        curve=[{"coverage": c, "accuracy": float(curve[k - 1])} for c, k in zip(COVERAGES, kept, strict=True)],
        aurc=metrics.aurc(confidence, right),
        steadiness=_steadiness(tracks),
        left_out=[distortion.name for distortion in DISTORTIONS if not distortion.codec.available],
        rejection=_rejection(others),
        foreign=_rejection(foreign),
        failed=failed,
    )


def _steadiness(tracks: Sequence[tuple[Track, dict[str, Verdict]]]) -> list[Steadiness]:
    """Return one row for each distortion that was applied to the tracks."""
    found = []
    for distortion in DISTORTIONS:
        # FFmpeg lacks the codec, for this track as for all
        if distortion.name not in tracks[0][1]:
            continue
        pairs = [(verdicts[UNDISTORTED], verdicts[distortion.name]) for _, verdicts in tracks]
        agreement = float(np.mean([before.best == after.best for before, after in pairs]))
        verdicts_agree = float(np.mean([before.genre == after.genre for before, after in pairs]))
        accuracy = float(np.mean([track.genre == verdicts[distortion.name].best for track, verdicts in tracks]))
        found.append(Steadiness(distortion.name, distortion.what, agreement, verdicts_agree, accuracy))
    return found


def _rejection(answers: Sequence[tuple[Sound, Verdict]]) -> list[Rejection]:
    """Return one row for each kind, in order."""
    return [
        count_rejections(kind, [verdict for _, verdict in group], made=made)
        for (kind, made), group in groupby(answers, key=lambda pair: (pair[0].kind, pair[0].path is None))
    ]
