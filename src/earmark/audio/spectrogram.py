"""Clips → frames × bins: the paper's spectral density, and the log-mel spectrogram of the field.

Training and inference use the same code, so there is no skew between them; the settings travel in the model's card.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.audio.frames import compute_power, frame, require_positive, tukey
from earmark.audio.kaldi_mel import KaldiMel
from earmark.audio.mel import FilterBlock, mel_edges, mel_filters, split_filters
from earmark.errors import SettingError

Samples = NDArray[np.float32]
Spectrogram = NDArray[np.float32]


@dataclass(frozen=True)
class StftDensity:
    """Power spectral density of overlapping frames: the front end of the paper (Section 4).

    Equal to ``scipy.signal.spectrogram(amplitude * x, fs=1.0, window=("tukey", taper), nperseg=n_fft,
    noverlap=n_fft - hop_length)``: remove each frame's mean, apply a Tukey window, and scale the squared magnitude to
    a one-sided density. At the defaults a clip of 5 s becomes 22 frames of 513 bins.

    Attributes
    ----------
    sample_rate : int
        Hz of the samples that come in.
    n_fft, hop_length : int
        Samples a frame, and from frame to frame.
    taper : float
        Share of the window inside the cosine flanks: 0 is a rectangle, 1 a Hann window.
    amplitude : float
        Factor that the samples are multiplied by first: the paper's are 16-bit integers, ours lie within ±1.
    log : bool
        Give ``10 log10(density + 1e-10)`` in dB instead of linear power.

    Examples
    --------
    >>> StftDensity()(np.zeros((6, 20000), np.float32)).shape
    (6, 22, 513)
    """

    sample_rate: int = 4000
    n_fft: int = 1024
    hop_length: int = 896
    taper: float = 0.25
    amplitude: float = 32768.0
    log: bool = False
    kind: Literal["stft-density"] = "stft-density"

    def __post_init__(self) -> None:
        require_positive(self, "sample_rate", "n_fft", "hop_length", "amplitude")
        if not 0 <= self.taper <= 1:
            raise SettingError(f"taper is {self.taper}: need 0 (rectangle) to 1 (Hann)")

    @property
    def n_bins(self) -> int:
        """Number of frequency bins a frame."""
        return self.n_fft // 2 + 1

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of `n_samples` samples: those that lie wholly inside."""
        return max(0, 1 + (n_samples - self.n_fft) // self.hop_length)

    def times(self, n_frames: int) -> NDArray[np.float64]:
        """Return the centre of each frame, in seconds from the clip's start, shape (frames,)."""
        return (np.arange(n_frames) * self.hop_length + self.n_fft / 2) / self.sample_rate

    @cached_property
    def frequencies(self) -> NDArray[np.float64]:
        """The centre of each bin, Hz, shape (bins,)."""
        return np.arange(self.n_bins, dtype=np.float64) * (self.sample_rate / self.n_fft)

    @cached_property
    def window(self) -> NDArray[np.float64]:
        """The periodic Tukey window, shape (n_fft,)."""
        return tukey(self.n_fft, self.taper)

    def __call__(self, samples: Samples) -> Spectrogram:
        """Compute the density of one clip or a batch, (..., samples) → (..., frames, bins), float32."""
        # (..., frames, n_fft); in double precision a quiet bin beside a loud one keeps its digits
        frames = frame(samples, self.n_fft, self.hop_length).astype(np.float64) * self.amplitude
        frames -= frames.mean(axis=-1, keepdims=True)
        # density at fs = 1: |X|² / Σ w²
        power = compute_power(frames, self.window) / np.sum(self.window**2)
        # one-sided: every bin but DC and Nyquist stands for its negative frequency too
        power[..., 1 : -1 if self.n_fft % 2 == 0 else None] *= 2
        return (10 * np.log10(power + 1e-10) if self.log else power).astype(np.float32)


@dataclass(frozen=True)
class LogMel:
    """Log-mel spectrogram: power in mel bands, in dB.

    Equal to ``librosa.power_to_db(librosa.feature.melspectrogram(...), ref, amin, top_db).T``: periodic Hann
    window, Slaney's mel scale with area-normalised triangles.

    Attributes
    ----------
    sample_rate : int
        Hz of the samples that come in.
    n_fft, hop_length : int
        Samples a frame, and from frame to frame.
    n_mels : int
        Mel bands from `fmin` to `fmax`.
    fmin, fmax : float
        Hz; `fmax` is half the sample rate when None.
    center : bool
        Centre frame t on sample ``t * hop_length``, with zeros beyond the ends, instead of starting it there.
    amin : float
        Lower bound of the power.
    top_db : float or None
        Range kept below the clip's own maximum, dB.
    relative : bool
        0 dB is the clip's own maximum (librosa's ``ref=np.max``) instead of full-scale power 1.

    Examples
    --------
    >>> LogMel()(np.zeros(22050, np.float32)).shape
    (44, 128)
    """

    sample_rate: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    center: bool = True
    amin: float = 1e-10
    top_db: float | None = 80.0
    relative: bool = False
    kind: Literal["log-mel"] = "log-mel"
    log: ClassVar[bool] = True  # always in dB, as StftDensity may be

    def __post_init__(self) -> None:
        require_positive(self, "sample_rate", "n_fft", "hop_length", "n_mels", "amin")
        if self.top_db is not None and self.top_db < 0:
            raise SettingError(f"top_db is {self.top_db}: need 0 or more dB, or none")
        if not 0 <= self.fmin < self._fmax <= self.sample_rate / 2:
            raise SettingError(
                f"mel bands from {self.fmin} to {self._fmax} Hz at {self.sample_rate} Hz: "
                "need 0 <= fmin < fmax <= half the sample rate"
            )

    @property
    def _fmax(self) -> float:
        return self.sample_rate / 2 if self.fmax is None else self.fmax

    @property
    def n_bins(self) -> int:
        """Number of mel bands a frame."""
        return self.n_mels

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of `n_samples` samples."""
        padded = n_samples + 2 * (self.n_fft // 2) * self.center
        return max(0, 1 + (padded - self.n_fft) // self.hop_length)

    def times(self, n_frames: int) -> NDArray[np.float64]:
        """Return the centre of each frame, in seconds from the clip's start, shape (frames,)."""
        offset = 0 if self.center else self.n_fft / 2
        return (np.arange(n_frames) * self.hop_length + offset) / self.sample_rate

    @cached_property
    def frequencies(self) -> NDArray[np.float64]:
        """The centre of each band, Hz, shape (bins,)."""
        return mel_edges(self.n_mels, self.fmin, self._fmax)[1:-1]

    @cached_property
    def window(self) -> NDArray[np.float64]:
        """The periodic Hann window, shape (n_fft,)."""
        return tukey(self.n_fft, 1.0)

    @cached_property
    def filters(self) -> NDArray[np.float32]:
        """The mel filter bank, shape (bins, mels)."""
        return mel_filters(self.sample_rate, self.n_fft, self.n_mels, self.fmin, self._fmax)

    @cached_property
    def blocks(self) -> list[FilterBlock]:
        """The filter bank without most of its zeros: bins, mels, and the filters between them."""
        return split_filters(self.filters)

    def __call__(self, samples: Samples) -> Spectrogram:
        """Compute dB in mel bands of one clip or a batch, (..., samples) → (..., frames, mels), float32."""
        pad = self.n_fft // 2 if self.center else 0
        clips = np.pad(samples.reshape(-1, samples.shape[-1]), [(0, 0), (pad, pad)])  # (clips, pad + samples + pad)
        power = np.empty((len(clips), self.n_frames(samples.shape[-1]), self.n_mels), np.float32)
        # clip by clip: what is small stays in cache
        for clip, mels in zip(clips, power, strict=True):
            # (frames, bins)
            bins = compute_power(frame(clip, self.n_fft, self.hop_length), self.window).astype(np.float32)
            for some_bins, some_mels, filters in self.blocks:
                np.matmul(bins[:, some_bins], filters, out=mels[:, some_mels])
        power = power.reshape(*samples.shape[:-1], *power.shape[1:])  # (..., frames, mels)
        level: Spectrogram = 10 * np.log10(np.maximum(power, np.float32(self.amin)))
        if level.size == 0:
            return level
        # (..., 1, 1): each clip's own
        peak = level.max(axis=(-2, -1), keepdims=True)
        if self.top_db is not None:
            level = np.maximum(level, peak - np.float32(self.top_db))
        return level - peak if self.relative else level


FrontEnd = StftDensity | LogMel | KaldiMel
"""Any front end: callable on samples, with ``kind``, ``sample_rate``, ``n_bins``, ``n_frames`` and ``times``."""
