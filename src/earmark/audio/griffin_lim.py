"""Frames × bins → samples: what :mod:`earmark.audio.spectrogram` takes away is put back as well as it can be.

Phases are found by the algorithm of Griffin and Lim (1984) with the momentum of Perraudin, Balazs and Søndergaard
(2013): the frames are overlap-added to the signal that fits them best, and analysed again; the phases are kept, the
magnitudes set right, and so on. A log-mel spectrogram knows only the power of whole bands. In each round its bins
move by one multiplicative update of Lee and Seung (2001), by which the bands approach theirs while what is inside
a band is free to become whatever a signal can be.

Our front ends overlap so little that nothing holds frames together: 128 samples of 1024, and between the Hann windows
of the bundled model almost no weight is left, so that the bare inverse beats at the frame rate. So the inversion
works with frames at most half a window apart. Those in between are interpolated; they weigh little and say what
sounds where the given ones are silent, before the first and after the last as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.audio.spectrogram import FrontEnd, LogMel, Samples, StftDensity
from earmark.errors import AudioError, SettingError

Power = NDArray[np.float32]

_BETWEEN = 0.03
"""Weight of an interpolated frame; a given one has 1. More blurs the given ones, less lets the frame rate be heard."""

_LOUDER = 1000.0
"""By how much power a song's own bin may be raised (30 dB) before the rest is made of noise."""

_LEAST = np.float32(1e-30)


def invert(
    spectrogram: ArrayLike,
    front_end: FrontEnd,
    *,
    length: int | None = None,
    phase_from: ArrayLike | None = None,
    seed: int = 0,
    iterations: int = 64,
    momentum: float = 0.99,
) -> Samples:
    """Find a sound that has this spectrogram.

    All frames of a clip are worked on at once: a minute of log-mel at 22 kHz takes 160 MB.

    Parameters
    ----------
    spectrogram : array, shape (..., frames, bins)
        What `front_end` gives, of clips or of whole tracks. Negative densities count as silence.
    front_end : StftDensity or LogMel
    length : int, optional
        Samples wanted; as many as the frames span when left out.
    phase_from : array, shape (..., samples), optional
        A song to start from, at the front end's rate: its sound is kept wherever its spectrogram is the wanted one,
        and made louder or quieter where it is not. Left out, the start is noise.
    seed : int
        Of the noise; each clip of a batch begins with the same, so that it sounds as it would alone.
    iterations : int
        Rounds of Griffin and Lim.
    momentum : float
        0 is the algorithm of 1984; 0.99 is recommended by Perraudin et al.

    Returns
    -------
    ndarray of float32, shape (..., samples)
        Without DC, which the front ends do not hear. Full scale is what it was; where the front end has no absolute
        level (``LogMel(relative=True)``) the peak is 0.5.

    Raises
    ------
    AudioError
        If the shape does not fit or values are not finite.
    SettingError
        If `length`, `iterations` or `momentum` make no sense.

    References
    ----------
    D. Griffin, J. Lim: Signal estimation from modified short-time Fourier transform. IEEE TASSP 32 (2), 1984.
    N. Perraudin, P. Balazs, P. Søndergaard: A fast Griffin–Lim algorithm. WASPAA 2013.
    D. Lee, H. Seung: Algorithms for non-negative matrix factorization. NIPS 2000.

    Examples
    --------
    >>> invert(np.full((22, 513), 1e-3), StftDensity(), iterations=2).shape
    (19840,)
    """
    frames = np.asarray(spectrogram, np.float32)
    _check(frames, front_end, length, iterations, momentum)
    n = _span(front_end, frames.shape[-2]) if length is None else length
    batch, n_frames = frames.shape[:-2], frames.shape[-2]
    song = None if phase_from is None else _fitted(np.asarray(phase_from, np.float32), (*batch, n))
    found = np.zeros((*batch, n), np.float32)
    if n_frames and n:
        grid = _Grid.of(front_end, n_frames, n)
        for clip in np.ndindex(batch):
            rng = np.random.default_rng(seed)
            found[clip] = _inverted(frames[clip], grid, None if song is None else song[clip], rng, iterations, momentum)
    return found


@dataclass(frozen=True, eq=False)
class _Grid:
    """The frames of a signal, those given and those between.

    Attributes
    ----------
    front_end : FrontEnd
    places : ndarray, shape (all frames,)
        Where each stands among the given frames, which stand at 0, 1, 2 …
    starts : ndarray of int, shape (all frames,)
        First sample of each in `whole` samples.
    given : ndarray of bool, shape (all frames,)
    sound : slice
        The samples asked for, in `whole` samples.
    whole : int
        Samples from the first frame's first to the last frame's last.
    """

    front_end: FrontEnd
    places: NDArray[np.float64]
    starts: NDArray[np.intp]
    given: NDArray[np.bool_]
    sound: slice
    whole: int

    @classmethod
    def of(cls, front_end: FrontEnd, n_frames: int, length: int) -> _Grid:
        hop, n_fft = front_end.hop_length, front_end.n_fft
        steps = -(-2 * hop // n_fft)  # frames at most half a window apart
        around = -(-n_fft // hop)  # given frames' distances that a window spans
        last = max(n_frames - 1, (length + _padding(front_end)) // hop) + around
        places = np.arange(-around * steps, last * steps + 1) / steps
        starts = np.rint(places * hop).astype(np.intp)
        before = _padding(front_end) - starts[0]
        given = (places == np.rint(places)) & (places >= 0) & (places < n_frames)
        whole = int(starts[-1] - starts[0]) + n_fft
        return cls(front_end, places, starts - starts[0], given, slice(before, before + length), whole)

    @cached_property
    def _window(self) -> Samples:
        return self.front_end.window.astype(np.float32)

    @cached_property
    def _weighted(self) -> NDArray[np.float32]:
        """The window of every frame, (all frames, n_fft); that of an interpolated one is faint."""
        return np.where(self.given, 1.0, _BETWEEN)[:, None].astype(np.float32) * self._window

    @cached_property
    def _overlap(self) -> Samples:
        """Squared windows added up, (whole,)."""
        return np.maximum(self._added(self._weighted * self._window), np.float32(1e-9))

    def interpolated(self, power: Power) -> Power:
        """Powers of the given frames (frames, bands) → of all (all frames, bands)."""
        place = np.clip(self.places, 0, len(power) - 1)
        left = np.minimum(place.astype(np.intp), max(len(power) - 2, 0))
        share = (place - left)[:, None].astype(np.float32)
        right = np.minimum(left + 1, len(power) - 1)
        between: Power = (1 - share) * power[left] + share * power[right]
        return between

    def synthesised(self, spectra: NDArray[np.complex64]) -> Samples:
        """Signal whose frames fit the spectra best by least squares: (all frames, bins) → (whole,)."""
        frames = np.fft.irfft(spectra, self.front_end.n_fft).astype(np.float32, copy=False)
        signal = self._added(frames * self._weighted)
        signal /= self._overlap
        if _padding(self.front_end):  # zeros lie beyond the ends
            signal[: self.sound.start] = 0
            signal[self.sound.stop :] = 0
        return signal

    def analysed(self, signal: Samples) -> NDArray[np.complex64]:
        """Spectra of all frames as the front end takes them: (whole,) → (all frames, bins)."""
        frames = signal[self.starts[:, None] + np.arange(self.front_end.n_fft)]
        if isinstance(self.front_end, StftDensity):
            frames -= frames.mean(axis=1, keepdims=True)
        return np.fft.rfft(frames * self._window).astype(np.complex64, copy=False)

    def _added(self, frames: NDArray[np.float32]) -> Samples:
        """Overlap-add: (all frames, n_fft) → (whole,)."""
        signal = np.zeros(self.whole, np.float32)
        for start, part in zip(self.starts, frames, strict=True):
            signal[start : start + len(part)] += part
        return signal


class _Bands:
    """What a front end tells of a frame's bins: each one's power, or that of mel bands."""

    def __init__(self, front_end: FrontEnd) -> None:
        self.front_end = front_end
        if isinstance(front_end, LogMel):
            self._covered: Power = np.maximum(front_end.filters.sum(axis=1), _LEAST)  # (bins,)
            self._flat: Power = np.maximum(front_end.filters.sum(axis=0), _LEAST)  # (mels,), of bins of power 1

    def powers(self, spectrogram: NDArray[np.float32]) -> NDArray[np.float64]:
        """Undo decibels and scale: (frames, bins of the front end) → squared magnitudes (frames, bands)."""
        front_end = self.front_end
        if isinstance(front_end, LogMel):
            mels: NDArray[np.float64] = 10 ** (spectrogram.astype(np.float64) / 10)
            return np.where(mels > front_end.amin * 1.0001, mels, 0.0)
        density = spectrogram.astype(np.float64)
        if front_end.log:
            density = 10 ** (density / 10) - 1.0001e-10
        power: NDArray[np.float64] = np.maximum(density, 0) * np.sum(front_end.window**2) / front_end.amplitude**2
        power[:, 1 : -1 if front_end.n_fft % 2 == 0 else None] /= 2  # a bin of a one-sided density stands for two
        return power

    def of(self, bins: Power) -> Power:
        """Squared magnitudes (frames, bins) → bands (frames, bands)."""
        if isinstance(self.front_end, StftDensity):
            return bins
        bands = np.empty((len(bins), self.front_end.n_mels), np.float32)
        for some, mels, filters in self.front_end.blocks:
            np.matmul(bins[:, some], filters, out=bands[:, mels])
        return bands

    def spread(self, bands: Power) -> Power:
        """Average of the bands over each bin: (frames, bands) → (frames, bins); zero where no band is."""
        if isinstance(self.front_end, StftDensity):
            return bands
        bins = np.zeros((len(bands), self.front_end.n_fft // 2 + 1), np.float32)
        for some, mels, filters in self.front_end.blocks:
            bins[:, some] += bands[:, mels] @ filters.T
        bins /= self._covered
        return bins

    def even(self, bands: Power) -> Power:
        """Bins that have such bands, as evenly as possible."""
        return self.spread(bands / self._flat) if isinstance(self.front_end, LogMel) else bands

    def gain(self, bins: Power, wanted: Power) -> Power:
        """By how much to multiply the bins' powers so that the bands come nearer to the wanted ones."""
        now: Power = np.maximum(self.of(bins), _LEAST)
        return self.spread(wanted / now)


def _inverted(
    spectrogram: NDArray[np.float32],
    grid: _Grid,
    song: Samples | None,
    rng: np.random.Generator,
    iterations: int,
    momentum: float,
) -> Samples:
    """One clip: (frames, bins) → (samples,)."""
    bands = _Bands(grid.front_end)
    powers = bands.powers(spectrogram)
    if not (most := powers.max()):
        return np.zeros(grid.sound.stop - grid.sound.start, np.float32)
    scaled = (powers / most).astype(np.float32)  # whatever the level was, nothing leaves the range of 32 bits
    if song is None:
        spectra, wanted = _from_noise(scaled, bands, grid, rng)
    else:
        spectra, wanted = _from(song / np.float32(np.sqrt(most)), scaled, bands, grid, rng)
    signal, before = grid.synthesised(spectra), None
    for _ in range(iterations):
        now = grid.analysed(signal)
        ahead = now if before is None else now + np.float32(momentum) * (now - before)
        before = now
        signal = grid.synthesised(ahead * np.sqrt(bands.gain(_squared(ahead), wanted)))
    sound = signal[grid.sound] * np.sqrt(most)
    sound -= sound.mean()
    if isinstance(grid.front_end, LogMel) and grid.front_end.relative:
        sound *= 0.5 / max(np.abs(sound).max(), 1e-30)
    found: Samples = sound.astype(np.float32)
    return found


def _from_noise(
    powers: Power, bands: _Bands, grid: _Grid, rng: np.random.Generator
) -> tuple[NDArray[np.complex64], Power]:
    """Spectra to start from, (all frames, bins), and the powers wanted, (all frames, bands)."""
    wanted = grid.interpolated(powers)
    return _noise(bands.even(wanted), rng), wanted


def _from(
    song: Samples, powers: Power, bands: _Bands, grid: _Grid, rng: np.random.Generator
) -> tuple[NDArray[np.complex64], Power]:
    """As :func:`_from_noise`, but what is interpolated is how far the song is from what is wanted."""
    whole = np.zeros(grid.whole, np.float32)
    whole[grid.sound] = song
    spectra = grid.analysed(whole)
    own = bands.of(_squared(spectra))
    gain = np.minimum(powers / np.maximum(own[grid.given], _LEAST), _LOUDER)
    lacking = grid.interpolated(np.maximum(powers - _LOUDER * own[grid.given], 0))
    gain = grid.interpolated(gain)
    start = spectra * np.sqrt(bands.spread(gain)) + _noise(bands.even(lacking), rng)
    return start, own * gain + lacking


def _noise(power: Power, rng: np.random.Generator) -> NDArray[np.complex64]:
    phase = rng.random(power.shape, np.float32) * np.float32(2 * np.pi)
    noise: NDArray[np.complex64] = np.sqrt(power) * np.exp(1j * phase)
    return noise


def _squared(spectra: NDArray[np.complex64]) -> Power:
    return spectra.real**2 + spectra.imag**2


def _padding(front_end: FrontEnd) -> int:
    """Samples of the first frame that lie before the signal."""
    return front_end.n_fft // 2 if isinstance(front_end, LogMel) and front_end.center else 0


def _span(front_end: FrontEnd, n_frames: int) -> int:
    """Samples that so many frames need."""
    span = (n_frames - 1) * front_end.hop_length + front_end.n_fft - 2 * _padding(front_end)
    return max(0, span) if n_frames else 0


def _fitted(samples: Samples, shape: tuple[int, ...]) -> Samples:
    """Cut or filled with zeros to so many samples."""
    if samples.shape[:-1] != shape[:-1] or not np.isfinite(samples).all():
        raise AudioError(f"a song of shape {samples.shape}: need finite samples, shape {(*shape[:-1], 'samples')}")
    samples = samples[..., : shape[-1]]
    missing = shape[-1] - samples.shape[-1]
    return np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(0, missing)])


def _check(
    frames: NDArray[np.float32], front_end: FrontEnd, length: int | None, iterations: int, momentum: float
) -> None:
    if frames.ndim < 2 or frames.shape[-1] != front_end.n_bins:
        raise AudioError(f"a spectrogram of shape {frames.shape}: need (..., frames, {front_end.n_bins})")
    if not np.isfinite(frames).all():
        raise AudioError("the spectrogram holds numbers that are not finite")
    if length is not None and length < 0:
        raise SettingError(f"length is {length}: need 0 or more samples")
    if iterations < 0:
        raise SettingError(f"iterations is {iterations}: need 0 or more")
    if not 0 <= momentum <= 1:
        raise SettingError(f"momentum is {momentum}: need 0 to 1")
