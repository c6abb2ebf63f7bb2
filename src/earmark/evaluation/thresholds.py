"""Thresholds of confidence: for a share of answers that is kept, for a share that is right, for the best F1 score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.evaluation.metrics import Probabilities

_PRIOR_ANSWERS = 10
"""Answers of a label that its own threshold needs to count as much as the one of all."""


def find_threshold_for_coverage(confidence: Probabilities, coverage: float = 0.9) -> float:
    """Return the largest threshold that still keeps at least `coverage` of the tracks.

    Examples
    --------
    >>> find_threshold_for_coverage(np.array([0.2, 0.4, 0.6, 0.8]), 0.75)
    0.4
    """
    if not len(confidence):
        return 0.0
    # minus 1e-9, so that rounding of coverage · n does not ask for one track more
    kept = int(np.ceil(coverage * len(confidence) - 1e-9))
    # the kept-th largest; at least 1, as index -0 is the smallest
    return float(np.sort(confidence)[-max(kept, 1)])


def find_threshold_for_precision(confidence: Probabilities, right: NDArray[np.bool_], precision: float = 0.75) -> float:
    """Return the lowest confidence at which an answer is right at least so often, by isotonic regression.

    The regression of right answers on confidence reaches `precision` from that threshold on which makes the sum of
    ``right - precision`` over all answers above it largest (Robertson, Wright and Dykstra 1988, chapter 1).

    Parameters
    ----------
    confidence : ndarray, shape (n,)
    right : ndarray of bool, shape (n,)
    precision : float
        Share of right answers among those of the threshold's own confidence; among all above it are more.

    Returns
    -------
    float
        1 where no answers are right so often.

    Examples
    --------
    >>> find_threshold_for_precision(np.array([0.3, 0.5, 0.6, 0.9]), np.array([False, True, True, True]))
    0.5
    """
    levels, group = np.unique(-confidence, return_inverse=True)  # the most confident first
    gains = np.cumsum(np.bincount(group, right - precision, len(levels)))
    if not len(gains) or gains.max() < 0:
        return 1.0
    # of equal sums the one of most answers
    return float(-levels[np.flatnonzero(gains == gains.max())[-1]])


def find_thresholds_by_label(
    probabilities: Probabilities,
    truth: NDArray[np.intp],
    *,
    default: float,
    least: float = 0.0,
    precision: float = 0.75,
) -> tuple[float, ...]:
    """Return the confidence from which each label is right at least so often, of tracks that were not learned from.

    Parameters
    ----------
    probabilities : ndarray, shape (n, labels)
    truth : ndarray of int, shape (n,)
    default : float
        The threshold of all; that of a label is near it where there are few answers of the label.
    least : float
        No threshold is below this.
    precision : float
        See :func:`find_threshold_for_precision`.
    """
    best, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    found = []
    for label in range(probabilities.shape[1]):
        own, right = confidence[best == label], truth[best == label] == label
        threshold = find_threshold_for_precision(own, right, precision)
        # where all answers are right often enough, so may those be that are less sure
        if not len(own) or threshold <= own.min():
            threshold = min(threshold, default)
        share = len(own) / (len(own) + _PRIOR_ANSWERS)
        found.append(max(least, default + share * (threshold - default)))
    return tuple(found)


def find_best_threshold(probability: Probabilities, belongs: NDArray[np.bool_]) -> float:
    """Return the threshold from which on a label is best given, by the F1 score; all of shape (n,).

    Examples
    --------
    >>> find_best_threshold(np.array([0.2, 0.4, 0.6, 0.8]), np.array([False, True, False, True]))
    0.4
    """
    levels = np.unique(probability)
    # F1 = 2 TP / (2 TP + FP + FN) = 2 TP / (given + belonging)
    given = probability >= levels[:, None]
    f1 = 2 * (given & belongs).sum(axis=1) / (given.sum(axis=1) + belongs.sum())
    return float(levels[f1.argmax()])
