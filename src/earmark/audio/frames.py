"""Signals → overlapping frames → power of each frequency bin."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from earmark.errors import SettingError


def frame(samples: NDArray[np.float32], n_fft: int, hop_length: int) -> NDArray[np.float32]:
    """View signals as overlapping frames, without copying: (..., samples) → (..., frames, n_fft).

    Frames begin `hop_length` samples apart and lie wholly inside; a signal shorter than `n_fft` has none.
    """
    if samples.shape[-1] < n_fft:
        return np.empty((*samples.shape[:-1], 0, n_fft), samples.dtype)
    # every window, (..., samples - n_fft + 1, n_fft), of which every hop-th is kept
    return sliding_window_view(samples, n_fft, axis=-1)[..., ::hop_length, :]


def tukey(length: int, taper: float) -> NDArray[np.float64]:
    """Return the periodic Tukey (tapered cosine) window, shape (length,).

    `taper` is the share inside the two cosine flanks: 1 is a Hann window, 0 a rectangle.
    """
    if taper <= 0:
        return np.ones(length)
    # distance to the nearer end, in lengths of a flank
    flank = np.minimum(np.arange(length), length - np.arange(length)) / (taper * length / 2)
    # a raised cosine on the flanks, 1 between them
    return 0.5 - 0.5 * np.cos(np.pi * np.minimum(flank, 1.0))


def compute_power(frames: NDArray[np.floating], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared magnitude of windowed frames, (..., n_fft) → (..., n_fft // 2 + 1)."""
    spectrum = np.fft.rfft(frames * window)
    # |X|² without the root that np.abs would take
    return spectrum.real**2 + spectrum.imag**2


def require_positive(settings: object, *names: str) -> None:
    """Refuse settings of which a named one is not greater than 0."""
    for name in names:
        if not getattr(settings, name) > 0:
            raise SettingError(f"{name} is {getattr(settings, name)}: must be greater than 0")
