"""Mel bands: where they lie, and the triangular filters that sum frequency bins into them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Slaney's scale: linear below 1 kHz (15 mels), then 27 mels for each factor of 6.4.
_HZ_PER_MEL, _KNEE_HZ, _KNEE_MEL, _LOG_STEP = 200 / 3, 1000.0, 15.0, np.log(6.4) / 27


def mel_filters(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> NDArray[np.float32]:
    """Return triangular mel filters of equal area (Slaney's Auditory Toolbox, 1998), shape (n_fft // 2 + 1, n_mels).

    The bands are evenly spaced on the mel scale between `fmin` and `fmax` (Hz).
    """
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)[:, None]  # (bins, 1), Hz
    edges = mel_edges(n_mels, fmin, fmax)
    low, mid, high = edges[:-2], edges[1:-1], edges[2:]
    # (bins, mels): the lower of the rising and the falling flank
    triangles = np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid))
    # of area 1 each: a triangle of height 2 / width
    return (np.maximum(0, triangles) * 2 / (high - low)).astype(np.float32)


def mel_edges(n_mels: int, fmin: float, fmax: float) -> NDArray[np.float64]:
    """Return where mel bands between `fmin` and `fmax` begin, peak and end, Hz, shape (n_mels + 2,).

    Band i begins at edge i, peaks at edge i + 1 and ends at edge i + 2.
    """
    return _mel_to_hz(np.linspace(_hz_to_mel(fmin), _hz_to_mel(fmax), n_mels + 2))


def _hz_to_mel(hz: float) -> float:
    if hz < _KNEE_HZ:
        return hz / _HZ_PER_MEL
    return float(_KNEE_MEL + np.log(hz / _KNEE_HZ) / _LOG_STEP)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _KNEE_HZ * np.exp(_LOG_STEP * (mel - _KNEE_MEL))
    return np.where(mel < _KNEE_MEL, mel * _HZ_PER_MEL, above)
