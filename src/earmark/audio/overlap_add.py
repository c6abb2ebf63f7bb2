"""A signal ↔ the spectra of its frames: the short-time Fourier transform of a front end, and its least-squares inverse.

Our front ends overlap so little that nothing holds frames together: by 128 samples of 1024, and between the Hann
windows of the bundled model almost no weight is left, so the bare inverse beats at the frame rate. Hence the inversion
works with frames at most half a window apart. Those in between are interpolated; they weigh little, and say what
sounds where the given ones are silent, before the first and after the last as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from earmark.audio.kaldi_mel import KaldiMel
from earmark.audio.spectrogram import FrontEnd, LogMel, Samples, StftDensity

# Of an interpolated frame; a given one has 1. More blurs the given ones, less lets the frame rate be heard.
_INTERPOLATED_WEIGHT = 0.03


@dataclass(frozen=True, eq=False)
class FrameGrid:
    """The frames of a signal: those given, and those interpolated between them.

    Attributes
    ----------
    front_end : FrontEnd
    positions : ndarray, shape (all frames,)
        Where each stands among the given frames, which stand at 0, 1, 2 …
    starts : ndarray of int, shape (all frames,)
        First sample of each, of `n_samples`.
    given : ndarray of bool, shape (all frames,)
    sound : slice
        The samples asked for, of `n_samples`.
    n_samples : int
        Samples from the first frame's first to the last frame's last.
    """

    front_end: FrontEnd
    positions: NDArray[np.float64]
    starts: NDArray[np.intp]
    given: NDArray[np.bool_]
    sound: slice
    n_samples: int

    @classmethod
    def make(cls, front_end: FrontEnd, n_frames: int, length: int) -> FrameGrid:
        """Lay out the grid for so many given frames of a sound of `length` samples."""
        hop, n_fft = front_end.hop_length, front_end.n_fft
        # frames at most half a window apart: ⌈2 hop / n_fft⌉ to each given one
        steps = -(-2 * hop // n_fft)
        # given frames' distances that a window spans, before the first and after the last
        around = -(-n_fft // hop)
        last = max(n_frames - 1, (length + count_padding(front_end)) // hop) + around
        positions = np.arange(-around * steps, last * steps + 1) / steps
        starts = np.rint(positions * hop).astype(np.intp)
        # counted from given frame 0: the sound begins at count_padding, the first of all frames at starts[0] < 0
        before = count_padding(front_end) - starts[0]
        given = (positions == np.rint(positions)) & (positions >= 0) & (positions < n_frames)
        n_samples = int(starts[-1] - starts[0]) + n_fft
        return cls(front_end, positions, starts - starts[0], given, slice(before, before + length), n_samples)

    @cached_property
    def _window(self) -> Samples:
        # as long as the transform: Kaldi's lies in its middle
        around = (self.front_end.n_fft - len(self.front_end.window)) // 2
        return np.pad(self.front_end.window.astype(np.float32), around)

    @cached_property
    def _frame_windows(self) -> NDArray[np.float32]:
        """The window of every frame times the frame's weight, (all frames, n_fft)."""
        return np.where(self.given, 1.0, _INTERPOLATED_WEIGHT)[:, None].astype(np.float32) * self._window

    @cached_property
    def _overlap(self) -> Samples:
        """The sum of squared windows, (n_samples,), where 0 made tiny."""
        return np.maximum(self._overlap_add(self._frame_windows * self._window), np.float32(1e-9))

    def interpolate(self, power: NDArray[np.float32]) -> NDArray[np.float32]:
        """Interpolate powers of the given frames, (frames, bands) → of all (all frames, bands)."""
        # beyond the ends the nearest given frame holds
        position = np.clip(self.positions, 0, len(power) - 1)
        left = np.minimum(position.astype(np.intp), max(len(power) - 2, 0))
        share = (position - left)[:, None].astype(np.float32)  # (all frames, 1)
        right = np.minimum(left + 1, len(power) - 1)
        between: NDArray[np.float32] = (1 - share) * power[left] + share * power[right]
        return between

    def synthesise(self, spectra: NDArray[np.complex64]) -> Samples:
        """Return the signal whose frames fit the spectra best: (all frames, bins) → (n_samples,)."""
        frames = np.fft.irfft(spectra, self.front_end.n_fft).astype(np.float32, copy=False)  # (all frames, n_fft)
        # Griffin and Lim, equation 6: x = Σ w·y / Σ w²
        signal = self._overlap_add(frames * self._frame_windows)
        signal /= self._overlap
        # where frames are centred, zeros lie beyond the ends, or of Kaldi's a reflection
        if isinstance(self.front_end, KaldiMel):
            signal = np.pad(signal[self.sound], (self.sound.start, len(signal) - self.sound.stop), mode="reflect")
        elif count_padding(self.front_end):
            signal[: self.sound.start] = 0
            signal[self.sound.stop :] = 0
        return signal

    def analyse(self, signal: Samples) -> NDArray[np.complex64]:
        """Return the spectra of all frames as the front end takes them: (n_samples,) → (all frames, bins)."""
        frames = signal[self.starts[:, None] + np.arange(self.front_end.n_fft)]  # (all frames, n_fft)
        if isinstance(self.front_end, StftDensity):
            # as the front end does; in place, since indexing with arrays has copied
            frames -= frames.mean(axis=1, keepdims=True)
        return np.fft.rfft(frames * self._window).astype(np.complex64, copy=False)

    def _overlap_add(self, frames: NDArray[np.float32]) -> Samples:
        """Add frames up where they lie: (all frames, n_fft) → (n_samples,)."""
        signal = np.zeros(self.n_samples, np.float32)
        for start, part in zip(self.starts, frames, strict=True):
            signal[start : start + len(part)] += part
        return signal


def count_padding(front_end: FrontEnd) -> int:
    """Return how many samples of the first frame lie before the signal."""
    centred = isinstance(front_end, KaldiMel) or (isinstance(front_end, LogMel) and front_end.center)
    return front_end.n_fft // 2 if centred else 0


def count_samples(front_end: FrontEnd, n_frames: int) -> int:
    """Return how many samples so many frames need."""
    length = (n_frames - 1) * front_end.hop_length + front_end.n_fft - 2 * count_padding(front_end)
    # pre-emphasis takes the first sample
    length += isinstance(front_end, KaldiMel)
    return max(0, length) if n_frames else 0
