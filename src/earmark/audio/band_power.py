"""What a front end keeps of a frame's frequency bins, and back: each bin's power, or that of mel bands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.audio.kaldi_mel import KaldiMel
from earmark.audio.spectrogram import FrontEnd, LogMel, StftDensity

Power = NDArray[np.float32]

LEAST = np.float32(1e-30)
"""Lower bound of what is divided by."""


class BandPower:
    """Powers of a front end's bands from those of bins, and of bins from those of bands.

    Of a :class:`StftDensity` bands are bins, of the others they are mel bands.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        self.front_end = front_end
        if not isinstance(front_end, StftDensity):
            self._bin_weights: Power = np.maximum(front_end.filters.sum(axis=1), LEAST)  # (bins,)
            self._flat: Power = np.maximum(front_end.filters.sum(axis=0), LEAST)  # (mels,), of bins of power 1

    def read_spectrogram(self, spectrogram: NDArray[np.float32]) -> NDArray[np.float64]:
        """Undo decibels and scale: (frames, bins of the front end) → squared magnitudes (frames, bands)."""
        front_end = self.front_end
        if isinstance(front_end, LogMel):
            mels: NDArray[np.float64] = 10 ** (spectrogram.astype(np.float64) / 10)
            # amin stands for silence; in 32 bits it may come back a little above itself
            return np.where(mels > front_end.amin * 1.0001, mels, 0.0)
        if isinstance(front_end, KaldiMel):
            # a little more is taken off, so that rounded silence stays silent
            return np.maximum(front_end.to_power(spectrogram.astype(np.float64)) - 1e-9, 0)
        density = spectrogram.astype(np.float64)
        if front_end.log:
            # undo 10 log10(density + 1e-10); a little more is taken off, so that rounded silence stays silent
            density = 10 ** (density / 10) - 1.0001e-10
        # |X|² = density · Σ w² / amplitude²
        power: NDArray[np.float64] = np.maximum(density, 0) * np.sum(front_end.window**2) / front_end.amplitude**2
        power[:, 1 : -1 if front_end.n_fft % 2 == 0 else None] /= 2  # a bin of a one-sided density stands for two
        return power

    def to_bands(self, bins: Power) -> Power:
        """Sum squared magnitudes into bands: (frames, bins) → (frames, bands)."""
        if isinstance(self.front_end, StftDensity):
            return bins
        bands = np.empty((len(bins), self.front_end.n_mels), np.float32)
        for some_bins, some_mels, filters in self.front_end.blocks:
            # (frames, some bins) @ (some bins, some mels)
            np.matmul(bins[:, some_bins], filters, out=bands[:, some_mels])
        return bands

    def to_bins(self, bands: Power) -> Power:
        """Average the bands over each bin: (frames, bands) → (frames, bins); zero where no band is."""
        if isinstance(self.front_end, StftDensity):
            return bands
        bins = np.zeros((len(bands), self.front_end.n_fft // 2 + 1), np.float32)
        for some_bins, some_mels, filters in self.front_end.blocks:
            # neighbouring blocks share bins, hence +=
            bins[:, some_bins] += bands[:, some_mels] @ filters.T
        bins /= self._bin_weights
        return bins

    def to_even_bins(self, bands: Power) -> Power:
        """Return bins that have such bands, as evenly as possible: (frames, bands) → (frames, bins)."""
        return bands if isinstance(self.front_end, StftDensity) else self.to_bins(bands / self._flat)

    def gain(self, bins: Power, target: Power) -> Power:
        """Return the factors on bins' powers by which their bands approach the target: Lee and Seung's update."""
        # for the Kullback–Leibler divergence: bins ← bins · [(target / (bins F)) Fᵀ] / Σ F, F the filters (bins, mels)
        now: Power = np.maximum(self.to_bands(bins), LEAST)
        return self.to_bins(target / now)
