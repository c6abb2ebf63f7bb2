"""Mel bands: where they lie, and the triangular filters that sum frequency bins into them; Slaney's and Kaldi's."""

from __future__ import annotations

from typing import Any

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


def kaldi_filters(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> NDArray[np.float32]:
    """Return Kaldi's filters, shape (n_fft // 2 + 1, n_mels): triangles of height 1 over mels, not over Hz."""
    # as Kaldi, which leaves the last bin (Nyquist) out
    bins = _kaldi_mel(np.fft.rfftfreq(n_fft, 1 / sample_rate)[:-1])[:, None]  # (bins, 1)
    edges = np.linspace(_kaldi_mel(fmin), _kaldi_mel(fmax), n_mels + 2)
    width = edges[1] - edges[0]
    triangles = np.minimum(bins - edges[:-2], edges[2:] - bins) / width  # (bins, mels)
    return np.pad(np.maximum(0, triangles), [(0, 1), (0, 0)]).astype(np.float32)


def kaldi_edges(n_mels: int, fmin: float, fmax: float) -> NDArray[np.float64]:
    """Return where Kaldi's bands begin, peak and end, Hz, shape (n_mels + 2,); see :func:`mel_edges`."""
    return 700 * np.expm1(np.linspace(_kaldi_mel(fmin), _kaldi_mel(fmax), n_mels + 2) / 1127)


def _kaldi_mel(hz: Any) -> Any:
    return 1127 * np.log1p(hz / 700)


FilterBlock = tuple[slice, slice, NDArray[np.float32]]
"""Some bins, some mels, and the filters between them."""


def split_filters(filters: NDArray[np.float32]) -> list[FilterBlock]:
    """Split a filter bank (bins, mels) into blocks of eight bands, without most of its zeros."""
    # Eight neighbouring bands share few bins: ten times fewer products, and each so small that BLAS does not wake
    # its threads, which would wait for one another wherever cores are busy.
    blocks = []
    for first in range(0, filters.shape[1], 8):
        mels = slice(first, min(first + 8, filters.shape[1]))
        used = np.flatnonzero(filters[:, mels].any(axis=1))
        bins = slice(used[0], used[-1] + 1) if used.size else slice(0, 1)
        blocks.append((bins, mels, np.ascontiguousarray(filters[bins, mels])))
    return blocks
