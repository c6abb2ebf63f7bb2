"""Clips → frames × mel bands as Kaldi computes them: the front end of the pretrained encoder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.audio.frames import frame, require_positive
from earmark.audio.mel import FilterBlock, kaldi_edges, kaldi_filters, split_filters
from earmark.errors import SettingError

_CHUNK = 128
"""Frames transformed at once: what is in work, 1 MB in all, stays in cache."""

SILENCE = 1e-8
"""Power, re full scale, far below which a clip is not made louder: -80 dB."""


@dataclass(frozen=True)
class KaldiMel:
    """Log-mel spectrogram by Kaldi's definition, scaled as EfficientAT's networks read it.

    Pre-emphasis ``x[t] - a x[t-1]``, symmetric Hann window, centred frames with reflection at the ends, power, Kaldi's
    mel bands (triangles on the mel axis, height 1), then ``(ln(mel + 1e-5) + 4.5) / 5``.

    Attributes
    ----------
    sample_rate : int
        Hz of the samples that come in.
    n_fft, window_length, hop_length : int
        Samples of the transform, of the window inside it, and from frame to frame.
    preemphasis : float
        The a above.
    n_mels : int
        Mel bands from `fmin` to `fmax`.
    fmin, fmax : float
        Hz.
    rms_db : float, optional
        Bring each clip to this level first, in dB re full scale, so that a louder one gives the same.

    Examples
    --------
    >>> KaldiMel()(np.zeros(320000, np.float32)).shape
    (1000, 128)
    """

    sample_rate: int = 32000
    n_fft: int = 1024
    window_length: int = 800
    hop_length: int = 320
    preemphasis: float = 0.97
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float = 15000.0
    rms_db: float | None = None
    kind: Literal["kaldi-mel"] = "kaldi-mel"
    log: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_positive(self, "sample_rate", "window_length", "hop_length", "n_mels")
        if self.window_length > self.n_fft:
            raise SettingError(f"window_length is {self.window_length}: need at most n_fft, {self.n_fft}")
        if not 0 <= self.fmin < self.fmax <= self.sample_rate / 2:
            raise SettingError(
                f"mel bands from {self.fmin} to {self.fmax} Hz at {self.sample_rate} Hz: "
                "need 0 <= fmin < fmax <= half the sample rate"
            )

    @property
    def n_bins(self) -> int:
        """Number of mel bands a frame."""
        return self.n_mels

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of `n_samples` samples."""
        # pre-emphasis takes the first sample; centred frames need no whole window
        return 1 + (n_samples - 1) // self.hop_length if n_samples > 1 else 0

    def times(self, n_frames: int) -> NDArray[np.float64]:
        """Return the centre of each frame, in seconds from the clip's start, shape (frames,)."""
        return np.arange(n_frames) * self.hop_length / self.sample_rate

    @cached_property
    def frequencies(self) -> NDArray[np.float64]:
        """The centre of each band, Hz, shape (bins,)."""
        return kaldi_edges(self.n_mels, self.fmin, self.fmax)[1:-1]

    @cached_property
    def window(self) -> NDArray[np.float64]:
        """The symmetric Hann window, shape (window_length,)."""
        return np.hanning(self.window_length)

    @cached_property
    def filters(self) -> NDArray[np.float32]:
        """The mel filter bank, shape (n_fft // 2 + 1, mels)."""
        return kaldi_filters(self.sample_rate, self.n_fft, self.n_mels, self.fmin, self.fmax)

    @cached_property
    def blocks(self) -> list[FilterBlock]:
        """The filter bank without most of its zeros: bins, mels, and the filters between them."""
        return split_filters(self.filters)

    @cached_property
    def _blocks_of_parts(self) -> list[FilterBlock]:
        # each row twice: they weigh re² and im², which lie side by side
        return split_filters(self.filters.repeat(2, axis=0))

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute mel bands of one clip or a batch, (..., samples) → (..., frames, mels), float32."""
        shape = (*samples.shape[:-1], self.n_frames(samples.shape[-1]), self.n_mels)
        mel = np.empty((int(np.prod(shape[:-2])), *shape[-2:]), np.float32)
        if not mel.size:
            return mel.reshape(shape)
        half = self.window_length // 2
        # clip by clip: what is small needs no new pages from the system
        for clip, bands in zip(samples.reshape(len(mel), -1).astype(np.float32, copy=False), mel, strict=True):
            if self.rms_db is not None:
                # the second term keeps silence silent
                clip = clip * np.float32(10 ** (self.rms_db / 20) / np.sqrt(np.mean(clip**2) + SILENCE))
            signal = np.pad(clip[1:] - np.float32(self.preemphasis) * clip[:-1], half, mode="reflect")
            self._sum_bands(frame(signal, self.window_length, self.hop_length), bands)
        return self.from_power(mel).reshape(shape)

    @staticmethod
    def from_power(mel: NDArray[Any]) -> NDArray[Any]:
        """Return ``(ln(mel + 1e-5) + 4.5) / 5`` of the power in bands, in its place."""
        mel += mel.dtype.type(1e-5)
        np.log(mel, out=mel)
        mel += mel.dtype.type(4.5)
        mel /= mel.dtype.type(5)
        return mel

    @staticmethod
    def to_power(frames: NDArray[Any]) -> NDArray[Any]:
        """Return the power in bands of what this front end gives; of silence it may lie a little below 0."""
        dtype = frames.dtype.type
        power: NDArray[Any] = np.exp(5 * frames - dtype(4.5)) - dtype(1e-5)
        return power

    def to_decibels(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the levels of what this front end gives: 10 log10 of the power in each band, and 1e-5."""
        return (5 * mel - np.float32(4.5)) * np.float32(10 / np.log(10))

    def _sum_bands(self, frames: NDArray[np.float32], bands: NDArray[np.float32]) -> None:
        """Write the power of frames (frames, window_length) in mel bands into `bands` (frames, mels)."""
        window = self.window.astype(np.float32)
        # zeros after the window instead of around it: that turns phases, not powers
        padded = np.zeros((_CHUNK, self.n_fft), np.float32)
        spectrum: Any = np.empty((_CHUNK, self.n_fft // 2 + 1), np.complex64)
        for first in range(0, len(bands), _CHUNK):
            chunk = bands[first : first + _CHUNK]
            n = len(chunk)
            np.multiply(frames[first : first + n], window, out=padded[:n, : self.window_length])
            np.fft.rfft(padded[:n], out=spectrum[:n])
            # (frames, bins) complex → (frames, 2 · bins): re and im in turn
            parts = spectrum[:n].view(np.float32)
            np.square(parts, out=parts)
            for some_parts, some_mels, filters in self._blocks_of_parts:
                np.matmul(parts[:, some_parts], filters, out=chunk[:, some_mels])
