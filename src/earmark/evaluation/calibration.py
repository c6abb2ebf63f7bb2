"""Temperatures and the threshold of "unknown", fitted on held-out predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.evaluation import metrics, thresholds
from earmark.inference.card import Calibration

COVERAGE = 0.9
"""Share of validation tracks that the "unknown" thresholds, of novelty and confidence, must keep together."""

LIKE_LEARNED = 0.95
"""Share of validation tracks that are not "unlike what it learned"."""

TAG_PRECISION = 0.75
"""Share of answers that must be right at the confidence from which tags are written."""

_SURE = 0.9
"""Confidence that is never "unknown", even where a model is more confident of nearly everything."""


@dataclass(frozen=True)
class Answers:
    """Predictions for clips whose genre is known.

    Attributes
    ----------
    log_probabilities : ndarray, shape (clips, labels)
    track, y : ndarray of int, shape (clips,)
        Track in the material's corpus, and true label.
    labels : tuple of str
    rejected : ndarray of bool, shape (clips,), or None
        Whether the model takes the whole track for no music, or for unlike what it learned.
    members : ndarray of bool, shape (clips, labels), or None
        All genres of each clip, where a track may have several.
    novelty : ndarray, shape (clips,), or None
        How unlike the training clips each is, where the model says so: what the limit of novelty is fitted to.
    """

    log_probabilities: NDArray[np.float64]
    track: NDArray[np.intp]
    y: NDArray[np.intp]
    labels: tuple[str, ...]
    rejected: NDArray[np.bool_] | None = None
    members: NDArray[np.bool_] | None = None
    novelty: NDArray[np.float64] | None = None

    @property
    def track_novelty(self) -> NDArray[np.floating] | None:
        """Mean over each track's clips, shape (tracks,), in the order of track numbers."""
        return None if self.novelty is None else metrics.pool(self.novelty[:, None], self.track, self.y)[0][:, 0]


def calibrate(answers: Answers) -> Calibration:
    """Fit temperatures and thresholds to predictions of tracks that were not trained on."""
    log_p, y = answers.log_probabilities, answers.y
    # (tracks, labels); log-probabilities serve as logits, since softmax ignores a constant added to a row
    pooled, truth = metrics.pool(log_p, answers.track, y)
    novelty, limit, novel = answers.track_novelty, None, np.zeros(len(truth), bool)
    if novelty is not None:
        limit = -thresholds.find_threshold_for_coverage(-novelty, LIKE_LEARNED)
        novel = novelty > limit
    if answers.members is not None:
        members = metrics.pool(answers.members.astype(float), answers.track, y)[0] > 0
        return _calibrate_several(np.exp(pooled), members, novel, limit)
    # tracks first: their temperature decides the confidence that the threshold is set on
    temperature = metrics.fit_temperature(pooled, truth)
    probabilities = metrics.softmax(pooled / temperature)
    # of what is unlike the training clips none is named, however confident
    confidence = np.where(novel, 0, probabilities.max(axis=1))
    threshold = min(_SURE, thresholds.find_threshold_for_coverage(confidence, COVERAGE))
    right = probabilities.argmax(axis=1) == truth
    return Calibration(
        clip_temperature=metrics.fit_temperature(log_p, y),
        track_temperature=temperature,
        threshold=threshold,
        novelty=limit,
        coverage=float((confidence >= threshold).mean()),
        tag_threshold=max(threshold, thresholds.find_threshold_for_precision(confidence, right, TAG_PRECISION)),
    )


def _calibrate_several(
    probabilities: NDArray[np.floating], members: NDArray[np.bool_], novel: NDArray[np.bool_], limit: float | None
) -> Calibration:
    """Return the threshold of each genre, both (tracks, labels), as is best for the genre's own F1 score."""
    pairs = zip(probabilities.T, members.T, strict=True)
    own = [thresholds.find_best_threshold(p, belongs) for p, belongs in pairs]
    named = (probabilities >= own).any(axis=1) & ~novel
    return Calibration(threshold=min(own), thresholds=tuple(own), novelty=limit, coverage=float(named.mean()))
