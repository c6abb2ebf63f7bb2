"""Is an explanation true? What it calls important is deleted, or alone is kept, and the network asked again.

Deletion and insertion curves: V. Petsiuk, A. Das, K. Saenko, *RISE: Randomized Input Sampling for Explanation of
Black-box Models*, 2018. They mean something only beside those of random orders of the same cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.explanation.occlusion import BATCH_FRAMES, Cells, Replacement, make_neutral
from earmark.inference.aggregate import pool_clips
from earmark.inference.tagger import Tagger

STEPS = 20
"""Twentieths of the clip, after each of which the network is asked."""

TENTH = STEPS // 10
"""The step at which a tenth of the cells is gone."""


@dataclass(frozen=True)
class Curves:
    """Probability of one genre while cells are taken away, or put back, in some orders.

    Attributes
    ----------
    deletion : ndarray, shape (orders, STEPS + 1)
        From the whole clip to the neutral one.
    insertion : ndarray, shape (orders, STEPS + 1)
        From the neutral clip to the whole one.
    """

    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]

    @property
    def drop(self) -> NDArray[np.float64]:
        """By how much the probability falls when the first tenth is deleted, shape (orders,)."""
        fallen: NDArray[np.float64] = self.deletion[:, 0] - self.deletion[:, TENTH]
        return fallen

    @property
    def areas(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean height of the deletion curves (low is good) and of the insertion curves (high is good)."""
        below = [(curve[:, 1:] + curve[:, :-1]).mean(axis=1) / 2 for curve in (self.deletion, self.insertion)]
        return below[0], below[1]


def order(relevance: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.intp]:
    """Rank cells, the most important first; equals at random.

    Parameters
    ----------
    relevance : ndarray, shape (columns, bands)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (columns * bands,)
    """
    shuffled = rng.permutation(relevance.size)
    return shuffled[np.argsort(-relevance.ravel()[shuffled], kind="stable")]


def curves(
    tagger: Tagger,
    frames: NDArray[np.float32],
    cells: Cells,
    orders: NDArray[np.intp],
    label: int,
    replacement: Replacement = make_neutral,
) -> Curves:
    """Delete and insert the cells of a clip, in each of the orders.

    Parameters
    ----------
    tagger : Tagger
    frames : ndarray, shape (frames, bins)
    cells : Cells
    orders : ndarray of int, shape (orders, columns * bands)
        Cells, first to go (or to come) first; see :func:`order`.
    label : int
        Which genre's probability is followed.
    replacement : callable
        What is heard where cells are missing.

    Returns
    -------
    Curves
    """
    counts = np.round(np.linspace(0, orders.shape[1], STEPS + 1))
    ranks = np.argsort(orders, axis=1)  # when each cell's turn comes
    touched = (ranks[:, None, :] < counts[None, :, None]).reshape(-1, *cells.shape)  # (orders · steps, columns, bands)
    base = replacement(frames, tagger.card.front_end)
    shape = len(orders), STEPS + 1
    return Curves(
        _probabilities(tagger, base, frames, cells, touched, label).reshape(shape),
        _probabilities(tagger, frames, base, cells, touched, label).reshape(shape),
    )


def _probabilities(
    tagger: Tagger,
    inside: NDArray[np.float32],
    outside: NDArray[np.float32],
    cells: Cells,
    touched: NDArray[np.bool_],
    label: int,
) -> NDArray[np.float64]:
    temperature = tagger.card.calibration.clip_temperature
    found = []
    batch = max(1, BATCH_FRAMES // len(inside))
    for first in range(0, len(touched), batch):
        clips = np.where(cells.expand(touched[first : first + batch]), inside, outside)
        found += [pool_clips(log_p[None], temperature)[label] for log_p in tagger.predict_log_proba(clips)]
    return np.array(found)
