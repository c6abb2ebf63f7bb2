"""Samples → samples that are pleasant to play: even loudness, no clipping, no DC, nothing outside the band.

Loudness and true peak are those of ITU-R BS.1770-4, which EBU R128 builds on. The weighting filter is applied as a
product of spectra, so it is the standard's own at any sample rate, with no resampling in between. (pyloudnorm designs
its filters anew for each rate: 0.04 LU off for music at 22 kHz, 0.6 LU off for the standard's own tone at 4 kHz.)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from earmark.audio.spectrogram import Samples
from earmark.errors import AudioError, SettingError

LOUDNESS, PEAK = -16.0, -1.0
"""Usual for headphones and small speakers: LUFS, and dBTP."""

# Hz that every player and browser plays
_LOWEST_RATE = 16_000

_LOW_HZ, _SILENCE = 20.0, 1e-7
# Seconds
_FADE, _LOOKAHEAD = 0.01, 0.005

# BS.1770-4, Annex 1, tables 1 and 2: numerators and denominators at 48 kHz of a shelf (the head) and a high-pass.
_K_RATE = 48_000
_K_WEIGHTING = (
    ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585)),
    ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621)),
)


def loudness(samples: ArrayLike, sample_rate: int) -> float:
    """Measure the integrated loudness of a mono sound by ITU-R BS.1770-4.

    Parameters
    ----------
    samples : array, shape (samples,)
        Full scale ±1. What is shorter than a block of 400 ms is repeated until it fills one.
    sample_rate : int

    Returns
    -------
    float
        LUFS; −inf for silence (no block above −70 LUFS).

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 997 * np.arange(48000) / 48000)
    >>> round(loudness(tone, 48000), 2)
    -3.01
    """
    sound = require_mono(samples)
    block, hop = round(0.4 * sample_rate), round(0.1 * sample_rate)
    if 0 < len(sound) < block:
        # ⌈block / length⌉ repetitions
        sound = np.tile(sound, -(-block // len(sound)))
    if not len(sound):
        return -math.inf
    # blocks of 400 ms, every 100 ms, as differences of one running sum
    power = np.cumsum(np.concatenate([[0.0], _weight(sound, sample_rate) ** 2]))
    powers = (power[block::hop] - power[:-block:hop]) / block
    # first the absolute gate, −70 LUFS: 10 ** ((−70 + 0.691) / 10); then the relative one, 10 LU below the mean
    for gate in (lambda powers: 10 ** (-6.9309), lambda powers: 0.1 * powers.mean()):
        powers = powers[powers > gate(powers)]
        if not len(powers):
            return -math.inf
    # L = −0.691 + 10 log10 Σ G · z (BS.1770-4, Annex 1): mono is one channel, of weight G = 1
    return float(-0.691 + 10 * np.log10(powers.mean()))


def true_peak(samples: ArrayLike, sample_rate: int) -> float:
    """Measure the highest level of a mono sound, also between its samples, in dBTP; −inf for silence.

    By fourfold oversampling (BS.1770-4, Annex 2).
    """
    peak = _envelope(require_mono(samples), sample_rate).max(initial=0.0)
    return float(20 * np.log10(peak)) if peak > 0 else -math.inf


def master(
    samples: ArrayLike,
    sample_rate: int,
    *,
    target: float = LOUDNESS,
    ceiling: float = PEAK,
    band: tuple[float, float] | None = None,
) -> tuple[Samples, int]:
    """Master a mono sound: limit its band, fade its ends over 10 ms, set its loudness, limit its peaks.

    DC is removed, silence stays silence.

    Parameters
    ----------
    samples : array, shape (samples,)
    sample_rate : int
    target : float
        LUFS. Not reached by a sound that is nearly all peak, such as a single click.
    ceiling : float
        dBTP that no peak exceeds.
    band : (float, float), optional
        Hz, lowest and highest; 20 Hz to half the sample rate when left out.

    Returns
    -------
    samples : ndarray of float32
    sample_rate : int
        Rates below 16 kHz, which many players refuse, are raised to a multiple.
    """
    sound = require_mono(samples)
    low, high = band or (_LOW_HZ, sample_rate / 2)
    if not 0 < low < high <= sample_rate / 2 or ceiling > 0 or target > 0:
        raise SettingError(
            f"a band of {low} to {high} Hz at {sample_rate} Hz, {target} LUFS, {ceiling} dBTP: need "
            "0 < low < high <= half the sample rate, and levels of at most 0"
        )
    sound = _fade_ends(_limit_band(sound, sample_rate, low, high), sample_rate)
    sound, sample_rate = _raise_rate(sound, sample_rate)
    highest = np.abs(sound).max(initial=0.0)
    if highest < _SILENCE:
        return np.zeros(len(sound), np.float32), sample_rate
    # however quiet it was, no block is below the meter's gate for that
    sound /= highest
    gain = target - loudness(sound, sample_rate)
    # each limiting takes a little loudness away
    for _ in range(4):
        result = _limit_peaks(sound * 10 ** (gain / 20), sample_rate, ceiling - 0.05)
        missing = target - loudness(result, sample_rate)
        if abs(missing) < 0.05:
            break
        gain += missing
    return result.astype(np.float32), sample_rate


def crossfade(pieces: list[Samples], sample_rate: int, *, seconds: float = 0.1) -> Samples:
    """Join mono sounds by crossfades of equal power, of so many seconds or half of the shorter neighbour."""
    joined = np.zeros(0, np.float32)
    for piece in pieces:
        n = min(round(seconds * sample_rate), len(joined) // 2, len(piece) // 2)
        angle = (np.arange(n, dtype=np.float32) + 0.5) / max(n, 1) * np.float32(np.pi / 2)
        # cos² + sin² = 1: the power of two unrelated sounds stays even
        middle = joined[len(joined) - n :] * np.cos(angle) + piece[:n] * np.sin(angle)
        joined = np.concatenate([joined[: len(joined) - n], middle, piece[n:]]).astype(np.float32)
    return joined


def require_mono(samples: ArrayLike) -> NDArray[np.float64]:
    """Return samples as one row of doubles; AudioError if they are not one row of finite numbers."""
    sound = np.asarray(samples, np.float64)
    if sound.ndim != 1 or not np.isfinite(sound).all():
        raise AudioError(f"samples of shape {sound.shape}: need one row of finite numbers")
    return sound


def _weight(sound: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """Apply the standard's K-weighting, as a product of spectra."""
    n = len(sound) + sample_rate  # room for the filters' ringing
    # the filters are defined up to 24 kHz: higher bins get the gain they have there
    hz = np.minimum(np.fft.rfftfreq(n, 1 / sample_rate), _K_RATE / 2)
    delay = np.exp(-2j * np.pi * hz / _K_RATE)  # (bins,), one sample at 48 kHz
    spectrum = np.fft.rfft(sound, n)
    for above, below in _K_WEIGHTING:
        # H = B(z⁻¹) / A(z⁻¹) at z⁻¹ = delay; polyval takes the highest power first
        spectrum *= np.polyval(above[::-1], delay) / np.polyval(below[::-1], delay)
    weighted: NDArray[np.float64] = np.fft.irfft(spectrum, n)[: len(sound)]
    return weighted


def _limit_band(sound: NDArray[np.float64], sample_rate: int, low: float, high: float) -> NDArray[np.float64]:
    """Remove what is below and above the band, with flanks of half an octave below and a twentieth above."""
    # half a second of zeros: without it, what rings at the end would wrap round to the beginning
    n = len(sound) + sample_rate // 2
    hz = np.fft.rfftfreq(n, 1 / sample_rate)
    flanks = np.clip((hz / low - 0.7) / 0.3, 0, 1) * np.clip((high - hz) / (0.05 * high), 0, 1)
    banded: NDArray[np.float64] = np.fft.irfft(np.fft.rfft(sound, n) * (0.5 - 0.5 * np.cos(np.pi * flanks)), n)
    return banded[: len(sound)]


def _fade_ends(sound: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    n = min(round(_FADE * sample_rate), len(sound) // 2)
    flank = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / max(n, 1))
    gain: NDArray[np.float64] = np.concatenate([flank, np.ones(len(sound) - 2 * n), flank[::-1]])
    return sound * gain


def _raise_rate(sound: NDArray[np.float64], sample_rate: int) -> tuple[NDArray[np.float64], int]:
    times = -(-_LOWEST_RATE // sample_rate)
    if times == 1 or not len(sound):
        return sound, sample_rate
    import soxr

    raised: NDArray[np.float64] = soxr.resample(sound, sample_rate, times * sample_rate, quality="VHQ")
    return raised, times * sample_rate


def _envelope(sound: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """Return the highest amplitude from each sample to the next, (samples,)."""
    import soxr

    if not len(sound):
        return sound
    fine = soxr.resample(sound, sample_rate, 4 * sample_rate, quality="HQ")
    # soxr's length may differ from four times the samples
    fine = np.pad(fine, (0, max(0, 4 * len(sound) - len(fine))))[: 4 * len(sound)]
    # (samples, 4) → (samples,); the given samples count too, since resampling may round them off
    envelope: NDArray[np.float64] = np.maximum(np.abs(fine).reshape(-1, 4).max(axis=1), np.abs(sound))
    return envelope


def _limit_peaks(sound: NDArray[np.float64], sample_rate: int, ceiling: float) -> NDArray[np.float64]:
    """Turn peaks down to the ceiling (dBTP), beginning 5 ms ahead and ending 5 ms after."""
    highest = 10 ** (ceiling / 20)
    around = round(_LOOKAHEAD * sample_rate)
    # (2 · around + 1,): without the zeros at the ends of NumPy's window
    smooth = np.hanning(2 * around + 3)[1:-1]
    # what is turned down is another waveform, with other peaks between its samples
    for _ in range(3):
        envelope = _envelope(sound, sample_rate)
        if envelope.max(initial=0.0) <= highest:
            break
        gain = np.minimum(1.0, highest / np.maximum(envelope, 1e-12))
        # the lowest gain within 2 × 5 ms, then smoothed by a window as wide: never above the gain that is needed
        lowest = sliding_window_view(np.pad(gain, 2 * around, constant_values=1.0), 2 * around + 1).min(axis=1)
        sound = sound * np.convolve(lowest, smooth / smooth.sum(), mode="valid")
    return sound
