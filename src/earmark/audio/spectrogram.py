"""Clips → frames × bins: the paper's spectral density, and the log-mel spectrogram of the field.

Each front end is written once, here, and is used both to learn and to tell, so there is no skew between
the two. Its settings travel in the model's card. FFTs run in double precision: a quiet bin beside a loud
one keeps its digits, and at these sizes that costs next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from earmark.errors import SettingError

Samples = NDArray[np.float32]
Spectrogram = NDArray[np.float32]


@dataclass(frozen=True)
class StftDensity:
    """Power spectral density of overlapping frames: the front end of the paper (Section 4).

    Equal to ``scipy.signal.spectrogram(amplitude * x, fs=1.0, window=("tukey", taper), nperseg=n_fft,
    noverlap=n_fft - hop_length)``: per frame the mean is taken off, a Tukey window laid on, and the squared
    magnitude scaled to a one-sided density. At the defaults a clip of 5 s becomes 22 frames of 513 bins.

    Attributes
    ----------
    sample_rate : int
        Hz of the samples that come in.
    n_fft : int
        Samples a frame.
    hop_length : int
        Samples from frame to frame.
    taper : float
        Share of the window inside the cosine flanks: 0 is a rectangle, 1 a Hann window.
    amplitude : float
        Factor on the samples first; the paper's are 16-bit integers, ours are ±1.
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
        _require_positive(self, "sample_rate", "n_fft", "hop_length", "amplitude")
        if not 0 <= self.taper <= 1:
            raise SettingError(f"taper is {self.taper}: need 0 (rectangle) to 1 (Hann)")

    @property
    def n_bins(self) -> int:
        """Number of frequency bins a frame."""
        return self.n_fft // 2 + 1

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames `n_samples` samples give: those that lie wholly inside."""
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
        """Compute the density.

        Parameters
        ----------
        samples : ndarray, shape (..., samples)
            One clip or a batch.

        Returns
        -------
        ndarray of float32, shape (..., frames, bins)
        """
        frames = frame(samples, self.n_fft, self.hop_length).astype(np.float64) * self.amplitude
        frames -= frames.mean(axis=-1, keepdims=True)
        power = _power(frames, self.window) / np.sum(self.window**2)  # density at fs = 1
        power[..., 1 : -1 if self.n_fft % 2 == 0 else None] *= 2  # one-sided: all but DC and Nyquist stand for two
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
    n_fft : int
        Samples a frame.
    hop_length : int
        Samples from frame to frame.
    n_mels : int
        Mel bands.
    fmin : float
        Lowest frequency, Hz.
    fmax : float or None
        Highest frequency, Hz; half the sample rate when None.
    center : bool
        Frame t is centred on sample ``t * hop_length``, zeros beyond the ends, instead of starting there.
    amin : float
        Power below which everything is alike.
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
        _require_positive(self, "sample_rate", "n_fft", "hop_length", "n_mels", "amin")
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
        """Return how many frames `n_samples` samples give."""
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
    def blocks(self) -> list[tuple[slice, slice, NDArray[np.float32]]]:
        """The filter bank without most of its zeros: bins, mels, and the filters between them.

        Eight neighbouring bands share few bins. The products become ten times fewer, and each so small that
        BLAS does not wake its threads, which would wait for one another wherever cores are busy.
        """
        blocks = []
        for first in range(0, self.n_mels, 8):
            mels = slice(first, min(first + 8, self.n_mels))
            used = np.flatnonzero(self.filters[:, mels].any(axis=1))
            bins = slice(used[0], used[-1] + 1) if used.size else slice(0, 1)
            blocks.append((bins, mels, np.ascontiguousarray(self.filters[bins, mels])))
        return blocks

    def __call__(self, samples: Samples) -> Spectrogram:
        """Compute the log-mel spectrogram.

        Parameters
        ----------
        samples : ndarray, shape (..., samples)
            One clip or a batch.

        Returns
        -------
        ndarray of float32, shape (..., frames, mels)
            dB.
        """
        pad = self.n_fft // 2 if self.center else 0
        clips = np.pad(samples.reshape(-1, samples.shape[-1]), [(0, 0), (pad, pad)])
        power = np.empty((len(clips), self.n_frames(samples.shape[-1]), self.n_mels), np.float32)
        for clip, mels in zip(clips, power, strict=True):  # one by one: what is small stays in cache
            bins = _power(frame(clip, self.n_fft, self.hop_length), self.window).astype(np.float32)
            for some_bins, some_mels, filters in self.blocks:
                np.matmul(bins[:, some_bins], filters, out=mels[:, some_mels])
        power = power.reshape(*samples.shape[:-1], *power.shape[1:])  # (..., frames, mels)
        level: Spectrogram = 10 * np.log10(np.maximum(power, np.float32(self.amin)))
        if level.size == 0:
            return level
        peak = level.max(axis=(-2, -1), keepdims=True)
        if self.top_db is not None:
            level = np.maximum(level, peak - np.float32(self.top_db))
        return level - peak if self.relative else level


FrontEnd = StftDensity | LogMel
"""Any front end: callable on samples, with ``kind``, ``sample_rate``, ``n_bins``, ``n_frames`` and ``times``."""


def frame(samples: Samples, n_fft: int, hop_length: int) -> NDArray[np.float32]:
    """View a signal as overlapping frames, without copying.

    Parameters
    ----------
    samples : ndarray, shape (..., samples)
    n_fft, hop_length : int
        Samples a frame, and from frame to frame.

    Returns
    -------
    ndarray, shape (..., frames, n_fft)
        No frames where the signal is shorter than one.
    """
    if samples.shape[-1] < n_fft:
        return np.empty((*samples.shape[:-1], 0, n_fft), samples.dtype)
    return sliding_window_view(samples, n_fft, axis=-1)[..., ::hop_length, :]


def tukey(length: int, taper: float) -> NDArray[np.float64]:
    """Periodic Tukey (tapered cosine) window; ``taper=1`` is Hann, ``taper=0`` a rectangle.

    Parameters
    ----------
    length : int
        Samples.
    taper : float
        Share inside the two cosine flanks.

    Returns
    -------
    ndarray, shape (length,)
    """
    if taper <= 0:
        return np.ones(length)
    flank = np.minimum(np.arange(length), length - np.arange(length)) / (taper * length / 2)  # distance to an end
    return 0.5 - 0.5 * np.cos(np.pi * np.minimum(flank, 1.0))


def mel_filters(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> NDArray[np.float32]:
    """Triangular mel filters of equal area (Slaney's Auditory Toolbox, 1998).

    Parameters
    ----------
    sample_rate : int
        Hz.
    n_fft : int
        Samples a frame.
    n_mels : int
        Bands, evenly spaced on the mel scale between `fmin` and `fmax` (Hz).

    Returns
    -------
    ndarray of float32, shape (n_fft // 2 + 1, n_mels)
    """
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)[:, None]  # (bins, 1), Hz
    edges = mel_edges(n_mels, fmin, fmax)
    low, mid, high = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid))  # (bins, mels)
    return (np.maximum(0, triangles) * 2 / (high - low)).astype(np.float32)


def mel_edges(n_mels: int, fmin: float, fmax: float) -> NDArray[np.float64]:
    """Where mel bands begin, peak and end: each band at the peak of the one before, and at that of the next.

    Parameters
    ----------
    n_mels : int
        Bands between `fmin` and `fmax` (Hz).

    Returns
    -------
    ndarray, shape (n_mels + 2,)
        Hz, rising.
    """
    return _mel_to_hz(np.linspace(_hz_to_mel(fmin), _hz_to_mel(fmax), n_mels + 2))


# Slaney's scale: linear below 1 kHz (15 mels), then 27 mels for each factor of 6.4.
_HZ_PER_MEL, _KNEE_HZ, _KNEE_MEL, _LOG_STEP = 200 / 3, 1000.0, 15.0, np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    if hz < _KNEE_HZ:
        return hz / _HZ_PER_MEL
    return float(_KNEE_MEL + np.log(hz / _KNEE_HZ) / _LOG_STEP)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _KNEE_HZ * np.exp(_LOG_STEP * (mel - _KNEE_MEL))
    return np.where(mel < _KNEE_MEL, mel * _HZ_PER_MEL, above)


def _power(frames: NDArray[np.floating], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared magnitude of windowed frames, (..., n_fft) → (..., bins)."""
    spectrum = np.fft.rfft(frames * window)
    return spectrum.real**2 + spectrum.imag**2


def _require_positive(settings: object, *names: str) -> None:
    for name in names:
        if not getattr(settings, name) > 0:
            raise SettingError(f"{name} is {getattr(settings, name)}: must be greater than 0")
