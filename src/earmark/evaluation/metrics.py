"""Metrics: pure functions of labels and probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Probabilities = NDArray[np.floating]


def accuracy(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Return the share of predictions that are right; NaN where there are none.

    Examples
    --------
    >>> accuracy(["a", "b"], ["a", "a"])
    0.5
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    return float((truth == predicted).mean()) if len(truth) else float("nan")


def confusion(truth: NDArray[np.intp], predicted: NDArray[np.intp], n_labels: int) -> NDArray[np.intp]:
    """Return counts, shape (labels, labels): row is the truth, column the prediction.

    Examples
    --------
    >>> confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 0], [1, 1]]
    """
    # each pair (truth, prediction) is one number; counting these fills the matrix row by row
    cells = np.bincount(truth * n_labels + predicted, minlength=n_labels * n_labels)
    return cells.reshape(n_labels, n_labels)


def top_k_accuracy(probabilities: Probabilities, truth: NDArray[np.intp], k: int = 3) -> float:
    """Return the share of rows whose truth is among the `k` most probable labels; NaN where there are none.

    Parameters
    ----------
    probabilities : ndarray, shape (n, labels)
        Or logits, or anything that orders the labels.
    truth : ndarray of int, shape (n,)

    Examples
    --------
    >>> top_k_accuracy(np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1]]), np.array([1, 2]), k=2)
    0.5
    """
    if not len(truth):
        return float("nan")
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    # (n, k) == (n, 1) → (n, k)
    return float((best == truth[:, None]).any(axis=1).mean())


def macro_f1(confusion: NDArray[np.intp]) -> float:
    """Return the mean F1 score of the labels that occur as truth; NaN where there are none.

    A label that is only ever predicted counts where it was wrong, as recall that other labels lost. It is
    ``sklearn.metrics.f1_score`` with ``labels=np.unique(truth)`` and ``average="macro"``.

    Parameters
    ----------
    confusion : ndarray of int, shape (labels, labels)
        As :func:`confusion` gives it.

    Examples
    --------
    >>> macro_f1(np.array([[1, 0], [1, 1]]))  # two F1 scores of 2/3
    0.6666666666666666
    """
    # F1 = 2 TP / (2 TP + FP + FN); columns sum to TP + FP, rows to TP + FN
    occurs = confusion.sum(axis=1) > 0
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    f1 = 2 * np.diag(confusion)[occurs] / total[occurs]
    return float(f1.mean()) if len(f1) else float("nan")


def mean_recall(confusion: NDArray[np.intp]) -> float:
    """Return the mean over the labels that occur of the share of each one's rows that is right.

    Examples
    --------
    >>> mean_recall(np.array([[1, 0], [1, 1]]))
    0.75
    """
    counts = confusion.sum(axis=1)
    return float((np.diag(confusion)[counts > 0] / counts[counts > 0]).mean()) if counts.any() else float("nan")


def bootstrap_interval(
    right: NDArray[np.floating],
    rng: np.random.Generator,
    weights: NDArray[np.floating] | None = None,
    *,
    confidence: float = 0.95,
    rounds: int = 2000,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of an accuracy over tracks (Efron and Tibshirani 1993, chapter 13).

    Parameters
    ----------
    right : ndarray, shape (tracks,)
        1 for each track that is right, 0 otherwise; the mean over runs where a track was judged several times.
    rng : numpy.random.Generator
    weights : ndarray, shape (tracks,), optional
        How often each track was judged; alike when left out.
    confidence : float
        Share of the draws between the bounds.
    rounds : int
        Draws.

    Returns
    -------
    low, high : float
        NaN where there are no tracks.
    """
    n = len(right)
    if not n:
        return float("nan"), float("nan")
    # accuracy of a draw: sum(drawn · w · right) / sum(drawn · w)
    w = np.ones(n) if weights is None else weights
    # how often each track is drawn in each round, (rounds, tracks)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=rounds)
    # (rounds, tracks) @ (tracks,) → (rounds,)
    means = drawn @ (w * right) / (drawn @ w)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def pool(
    log_probabilities: Probabilities, track: NDArray[np.intp], y: NDArray[np.intp]
) -> tuple[Probabilities, NDArray[np.intp]]:
    """Average clips' log-probabilities over each track.

    Parameters
    ----------
    log_probabilities : ndarray, shape (clips, labels)
    track : ndarray of int, shape (clips,)
        Track of each clip.
    y : ndarray of int, shape (clips,)
        Label of each clip, the same within a track.

    Returns
    -------
    pooled : ndarray, shape (tracks, labels)
        Mean log-probabilities, not normalised, in the order of track numbers.
    truth : ndarray of int, shape (tracks,)
        Label of each track.
    """
    # position: for each clip, the row of its track
    tracks, first, position = np.unique(track, return_index=True, return_inverse=True)
    total = np.zeros((len(tracks), log_probabilities.shape[1]))
    # total[position] += … would add only one of a track's clips
    np.add.at(total, position, log_probabilities)
    return total / np.bincount(position)[:, None], y[first]


def softmax(logits: Probabilities) -> Probabilities:
    """Return probabilities from logits or log-probabilities, over the last axis."""
    exponential = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Probabilities = exponential / exponential.sum(axis=-1, keepdims=True)
    return probabilities


def fit_temperature(logits: Probabilities, truth: NDArray[np.intp]) -> float:
    """Return the temperature at which ``softmax(logits / T)`` makes the truth most likely (Guo et al. 2017).

    Parameters
    ----------
    logits : ndarray, shape (n, labels)
    truth : ndarray of int, shape (n,)

    Returns
    -------
    float
        Between 0.5 and 20, to 1 %; 1 where there is nothing to fit.
    """
    if not len(truth):
        return 1.0
    # Steps of 1 %. Not below 0.5: a handful of tracks, all of them right, would ask for certainty.
    grid = np.geomspace(0.5, 20, 372)
    likelihood = [np.log(softmax(logits / t)[np.arange(len(truth)), truth] + 1e-12).mean() for t in grid]
    return float(grid[int(np.argmax(likelihood))])


def calibration_error(probabilities: Probabilities, truth: NDArray[np.intp], bins: int = 10) -> float:
    """Return the expected calibration error: mean distance of confidence and accuracy, over equal bins of confidence.

    Parameters
    ----------
    probabilities : ndarray, shape (n, labels)
    truth : ndarray of int, shape (n,)
    bins : int
        Number of bins.
    """
    return confidence_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth, bins)


def confidence_error(confidence: Probabilities, right: NDArray[np.bool_], bins: int = 10) -> float:
    """:func:`calibration_error` where only the confidence of each answer is known, and whether it was right."""
    # a confidence of 1 belongs to the last bin
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    # sum over bins b of |confidence - accuracy| times the share of tracks in b (Guo et al. 2017, equation 3)
    # set(which): the mean of an empty bin would be NaN
    gaps = [abs(confidence[which == b].mean() - right[which == b].mean()) * (which == b).mean() for b in set(which)]
    return float(sum(gaps))


def selective_accuracy(confidence: Probabilities, right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the accuracy among the k most confident tracks, for every k: one minus the risk–coverage curve.

    Parameters
    ----------
    confidence : ndarray, shape (n,)
        Tracks of equal confidence are in no order, so each of them counts as the mean of them all.
    right : ndarray of bool, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
        Item k - 1 is of the k most confident tracks, and so of the coverage k / n.

    Examples
    --------
    >>> selective_accuracy(np.array([0.5, 0.9, 0.7]), np.array([True, True, False])).round(3).tolist()
    [1.0, 0.5, 0.667]
    """
    levels, group = np.unique(-confidence, return_inverse=True)  # the most confident first
    # tracks of equal confidence count as the mean of them all
    expected = np.bincount(group, right, len(levels)) / np.bincount(group, minlength=len(levels))
    # (levels,) → (n,) by confidence, then the mean of the first k for every k
    accuracies: NDArray[np.float64] = np.cumsum(expected[np.sort(group)]) / np.arange(1, len(right) + 1)
    return accuracies


def aurc(confidence: Probabilities, right: NDArray[np.bool_]) -> float:
    """Return the area under the risk–coverage curve (Geifman, Uziel and El-Yaniv 2019): mean risk over all coverages.

    Parameters are those of :func:`selective_accuracy`.

    Returns
    -------
    float
        0 where nothing is wrong; where confidence says nothing, the share that is wrong; NaN of no tracks.

    Examples
    --------
    >>> aurc(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, True, False]))
    0.0625
    """
    return float(1 - selective_accuracy(confidence, right).mean()) if len(right) else float("nan")
