"""Frames × bins → samples: the inverse of :mod:`earmark.audio.spectrogram`, as far as there is one.

Phases are found by the algorithm of Griffin and Lim (1984) with the momentum of Perraudin, Balazs and Søndergaard
(2013): the frames are overlap-added to the signal that fits them best, and analysed again; the phases are kept, the
magnitudes set right, and so on. A log-mel spectrogram knows only the power of whole bands. In each round its bins
move by one multiplicative update of Lee and Seung (2001), by which the bands approach theirs while what is inside
a band is free to become whatever a signal can be. Where the front end emphasises high frequencies, it is the emphasised
signal that is found, and the emphasis is undone at last.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.audio.band_power import LEAST, BandPower, Power
from earmark.audio.kaldi_mel import KaldiMel
from earmark.audio.overlap_add import FrameGrid, count_samples
from earmark.audio.spectrogram import FrontEnd, LogMel, Samples
from earmark.errors import AudioError, SettingError

# By how much the power of a song's bin may be raised (30 dB) before the rest is made of noise
_MAX_GAIN = 1000.0


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

    A clip is inverted as a whole: a minute of log-mel at 22 kHz takes 160 MB.

    Parameters
    ----------
    spectrogram : array, shape (..., frames, bins)
        What `front_end` gives, of clips or of whole tracks. Negative densities count as silence.
    front_end : StftDensity, LogMel or KaldiMel
    length : int, optional
        Samples wanted; as many as the frames span when left out.
    phase_from : array, shape (..., samples), optional
        A song to start from, at the front end's rate: kept wherever its spectrogram is the wanted one, made louder or
        quieter where it is not. The start is noise when left out.
    seed : int
        Of the noise; the same for each clip of a batch, so that it sounds as it would alone.
    iterations, momentum : int, float
        Rounds of Griffin and Lim; momentum 0 is their algorithm, Perraudin et al. recommend 0.99.

    Returns
    -------
    ndarray of float32, shape (..., samples)
        Without DC, which the front ends take off. Full scale is what it was; where the front end has no absolute
        level (``LogMel(relative=True)``) the peak is 0.5.

    References
    ----------
    D. Griffin, J. Lim: Signal estimation from modified short-time Fourier transform. IEEE TASSP 32 (2), 1984.
    N. Perraudin, P. Balazs, P. Søndergaard: A fast Griffin–Lim algorithm. WASPAA 2013.
    D. Lee, H. Seung: Algorithms for non-negative matrix factorization. NIPS 2000.

    Examples
    --------
    >>> from earmark.audio import StftDensity
    >>> invert(np.full((22, 513), 1e-3), StftDensity(), iterations=2).shape
    (19840,)
    """
    frames = np.asarray(spectrogram, np.float32)
    _check(frames, front_end, length, iterations, momentum)
    batch, n_frames = frames.shape[:-2], frames.shape[-2]
    n = count_samples(front_end, n_frames) if length is None else length
    song = None if phase_from is None else _fit_length(np.asarray(phase_from, np.float32), (*batch, n))
    sound = np.zeros((*batch, n), np.float32)
    # its first sample is lost to pre-emphasis
    first = int(isinstance(front_end, KaldiMel))
    if n_frames and n > first:
        grid = FrameGrid.make(front_end, n_frames, n - first)
        for clip in np.ndindex(batch):
            rng = np.random.default_rng(seed)
            own = None if song is None else _emphasise(song[clip], front_end)
            sound[clip][first:] = _invert_clip(frames[clip], grid, own, rng, iterations, momentum)
    return sound


def _emphasise(samples: Samples, front_end: FrontEnd) -> Samples:
    if not isinstance(front_end, KaldiMel):
        return samples
    return samples[1:] - np.float32(front_end.preemphasis) * samples[:-1]


def _undo_emphasis(signal: Samples, front_end: FrontEnd) -> Samples:
    """Solve y[t] = x[t] - a x[t-1] for x: the sum of a^k y[t-k], over as many k as count in 32 bits."""
    if not isinstance(front_end, KaldiMel) or not front_end.preemphasis:
        return signal
    response = front_end.preemphasis ** np.arange(np.log(1e-8) / np.log(front_end.preemphasis))
    return np.convolve(signal, response.astype(np.float32))[: len(signal)]


def _invert_clip(
    spectrogram: NDArray[np.float32],
    grid: FrameGrid,
    song: Samples | None,
    rng: np.random.Generator,
    iterations: int,
    momentum: float,
) -> Samples:
    """Invert one clip: (frames, bins) → (samples,)."""
    bands = BandPower(grid.front_end)
    powers = bands.read_spectrogram(spectrogram)
    if not (highest := powers.max()):
        return np.zeros(grid.sound.stop - grid.sound.start, np.float32)
    # whatever the level was, nothing leaves the range of 32 bits
    scaled = (powers / highest).astype(np.float32)
    if song is None:
        target = grid.interpolate(scaled)
        spectra = _make_noise(bands.to_even_bins(target), rng)
    else:
        # samples are amplitudes: they are divided by the root of what powers are divided by
        spectra, target = _start_from_song(song / np.float32(np.sqrt(highest)), scaled, bands, grid, rng)
    signal, before = grid.synthesise(spectra), None
    for _ in range(iterations):
        now = grid.analyse(signal)
        # Perraudin et al.: tₙ = cₙ + α (cₙ − cₙ₋₁)
        ahead = now if before is None else now + np.float32(momentum) * (now - before)
        before = now
        # keep the phases, set the magnitudes right
        signal = grid.synthesise(ahead * np.sqrt(bands.gain(_square(ahead), target)))
    sound = _undo_emphasis(signal[grid.sound], grid.front_end) * np.sqrt(highest)
    sound -= sound.mean()
    if isinstance(grid.front_end, LogMel) and grid.front_end.relative:
        sound *= 0.5 / max(np.abs(sound).max(), 1e-30)
    result: Samples = sound.astype(np.float32)
    return result


def _start_from_song(
    song: Samples, powers: Power, bands: BandPower, grid: FrameGrid, rng: np.random.Generator
) -> tuple[NDArray[np.complex64], Power]:
    """Return spectra to start from, (all frames, bins), and target powers, (all frames, bands).

    What is interpolated is not the powers, but how far the song is from them.
    """
    whole = np.zeros(grid.n_samples, np.float32)
    whole[grid.sound] = song
    spectra = grid.analyse(whole)
    own = bands.to_bands(_square(spectra))
    # the song's bins are raised as far as they may be; noise supplies the rest
    gain = np.minimum(powers / np.maximum(own[grid.given], LEAST), _MAX_GAIN)
    lacking = grid.interpolate(np.maximum(powers - _MAX_GAIN * own[grid.given], 0))
    gain = grid.interpolate(gain)
    start = spectra * np.sqrt(bands.to_bins(gain)) + _make_noise(bands.to_even_bins(lacking), rng)
    return start, own * gain + lacking


def _make_noise(power: Power, rng: np.random.Generator) -> NDArray[np.complex64]:
    phase = rng.random(power.shape, np.float32) * np.float32(2 * np.pi)
    noise: NDArray[np.complex64] = np.sqrt(power) * np.exp(1j * phase)
    return noise


def _square(spectra: NDArray[np.complex64]) -> Power:
    return spectra.real**2 + spectra.imag**2


def _fit_length(samples: Samples, shape: tuple[int, ...]) -> Samples:
    """Cut samples, or fill them with zeros, to a shape."""
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
