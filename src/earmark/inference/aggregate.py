"""Clips make a track: probabilities pooled and tempered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pool_clips(log_probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Calibrated probabilities of a track: the geometric mean over its clips, tempered.

    Parameters
    ----------
    log_probabilities : ndarray, shape (clips, labels)
    temperature : float
        Above 1 flattens.

    Returns
    -------
    ndarray, shape (labels,)
        Sums to 1.
    """
    scores = log_probabilities.mean(axis=0) / temperature
    scores = np.exp(scores - scores.max())
    total: NDArray[np.float64] = scores / scores.sum()
    return total
