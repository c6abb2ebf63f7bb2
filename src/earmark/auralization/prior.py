"""What spectrograms of music are like, whatever the genre: how loud each frequency is, and what varies together.

A Gaussian field over frames × bins, in decibels: a mean spectrum, a covariance between bins, and a power spectrum of
the modulation in time. Three linear steps turn white noise into such a field. Its modes are also the coordinates for
gradient ascent: steps along them are as smooth in time and frequency as music is (Olah et al. 2017 decorrelate pictures
in the same way).

References
----------
C. Olah, A. Mordvintsev, L. Schubert: Feature visualization. Distill, 2017, section "Preconditioning and
parameterization".
R. Voss, J. Clarke: "1/f noise" in music and speech. Nature 258, 1975.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from earmark.audio.kaldi_mel import KaldiMel
from earmark.audio.mel import mel_edges
from earmark.audio.spectrogram import FrontEnd, StftDensity
from earmark.data.corpus import Corpus, Track
from earmark.data.features.extract import extract
from earmark.inference.model import Model

Array = NDArray[np.float64]

_HZ = (30, 50, 80, 125, 200, 315, 500, 800, 1250, 2000, 3150, 5000, 8000, 11025, 22050)
_DB = (-61, -53, -50, -52, -54, -58, -62, -66, -69, -70, -73, -79, -84, -95, -115)
"""Mean level of a frame, dB re full scale²/Hz, at these frequencies: 80 excerpts of GTZAN, eight a genre; above 8 kHz,
where many of those are cut off, by eye."""

_DEVIATION = 9.0
"""Standard deviation of a bin's level around that, dB, as there."""

_COMMON, _BROAD, _FINE = 0.55, 95.0, 1.3
"""Share of the variance that bins have in common, over how many bands it fades, and over how many the rest does. As
there, in mel bands of which 158 are below 24 kHz, and 128 below 11."""

_BANDS = mel_edges(158, 0.0, 24_000.0)

_SLOPE, _CORNER = 0.8, 8.0
"""The power of modulation falls by this power of its rate, and steeply from so many Hz on. As there."""


@dataclass(frozen=True)
class Prior:
    """A Gaussian field of levels.

    Attributes
    ----------
    mean : ndarray, shape (bins,)
        dB, as the front end gives them, or would if it were logarithmic.
    covariance : ndarray, shape (bins, bins)
        dB².
    rates, power : ndarray, shape (n,)
        Relative power of modulation at these rates, rising, in Hz.
    """

    mean: Array
    covariance: Array
    rates: Array
    power: Array

    @classmethod
    def typical(cls, front_end: FrontEnd) -> Prior:
        """Make the prior of music in general, for a front end, from a few figures measured on GTZAN."""
        hz = front_end.frequencies
        rates = np.geomspace(0.05, 100, 60)
        return cls(_mean_levels(front_end, hz), covariance(hz), rates, modulation_power(rates))

    @classmethod
    def from_clips(cls, clips: ArrayLike, front_end: FrontEnd) -> Prior:
        """Measure the prior of a corpus.

        Parameters
        ----------
        clips : array, shape (clips, frames, bins)
            What the front end gives, such as :attr:`earmark.data.features.extract.Features.X`; NaN is filling.
        front_end : StftDensity, LogMel or KaldiMel
        """
        level = to_decibels(np.asarray(clips, np.float32), front_end)
        # only clips of full length: those with filling, NaN, have other rates of modulation
        level = level[~np.isnan(level).any(axis=(1, 2))].astype(np.float64)
        mean = level.mean(axis=(0, 1))
        centred = level - mean
        # (clips · frames, bins)
        flat = centred.reshape(-1, centred.shape[2])
        frame_rate = front_end.sample_rate / front_end.hop_length
        # of the clips' length, without the zeros at its ends
        window = np.hanning(centred.shape[1] + 2)[1:-1, None]
        # (clips, rates, bins) → (rates,)
        power = (np.abs(np.fft.rfft(centred * window, axis=1)) ** 2).mean(axis=(0, 2))
        rates = np.fft.rfftfreq(centred.shape[1], 1 / frame_rate)
        # Above half the frame rate nothing was measured: there the typical law goes on from the last value.
        beyond = np.geomspace(rates[-1] * 1.2, max(100.0, rates[-1] * 2), 20)
        known = power[-1] / modulation_power(rates[-1:])
        return cls(
            mean,
            flat.T @ flat / len(flat),
            # without 0 Hz, which has no logarithm to interpolate over
            np.concatenate([rates[1:], beyond]),
            np.concatenate([power[1:], known * modulation_power(beyond)]),
        )

    @cached_property
    def axes(self) -> Tensor:
        """Principal axes of the covariance, each as long as its standard deviation, (bins, bins): one a row."""
        # eigh gives axes as columns, and by rounding a variance may lie just below 0
        variances, axes = np.linalg.eigh(self.covariance)
        return torch.from_numpy(np.sqrt(np.maximum(variances, 0))[:, None] * axes.T).float()

    def gains(self, frames: int, frame_rate: float) -> Tensor:
        """Compute the gain of each rate of modulation that white noise needs, for so many frames a second, (rates,)."""
        rate = np.fft.rfftfreq(frames, 1 / frame_rate)
        # interpolated over logarithms, where 0 Hz has none
        rate[0] = rate[1] if len(rate) > 1 else 1.0
        power = np.exp(np.interp(np.log(rate), np.log(self.rates), np.log(self.power)))
        # How often each rate stands in the whole spectrum; only 0 and half the frame rate have no mirror image.
        counted = np.full(len(rate), 2.0)
        counted[0] = 1
        if frames % 2 == 0:
            counted[-1] = 1
        # so that the field keeps the variance of the noise: Σ counted · gain² = frames
        return torch.from_numpy(np.sqrt(power * frames / (counted * power).sum())).float()

    def deviation(self, modes: Tensor, frames: int, frame_rate: float) -> Tensor:
        """Turn modes into deviations from the mean, (frames, bins), dB; the end joins on the beginning.

        `modes`, complex, (frames // 2 + 1, bins), tells how strongly each axis swings at each rate, in standard
        deviations.
        """
        spectrum = modes * self.gains(frames, frame_rate)[:, None]
        # (rates, axes) → (frames, axes) → (frames, bins)
        field: Tensor = torch.fft.irfft(spectrum, frames, dim=0, norm="ortho") @ self.axes
        return field


def measure_prior(
    corpus: Corpus,
    model: Model,
    *,
    cache: Path | None = None,
    jobs: int = 1,
    on_track: Callable[[Track], None] | None = None,
) -> Prior:
    """Measure what the music of a corpus is like, whatever the genre, as a model's front end gives it.

    Parameters
    ----------
    corpus : Corpus
    model : Model
    cache : Path, optional
        Folder for features.
    jobs : int
        Tracks decoded at once.
    on_track : callable, optional
        Called after each track.
    """
    card = model.card
    features = extract(corpus, card.front_end, card.clip_seconds, cache=cache, jobs=jobs, on_track=on_track)
    return Prior.from_clips(features.X, card.front_end)


def covariance(hz: ArrayLike, deviation: float = _DEVIATION) -> Array:
    """Return how levels at such frequencies vary together, (bins, bins): near ones much, far ones somewhat.

    `deviation` is the standard deviation of each, dB.
    """
    band = np.interp(np.asarray(hz, np.float64), _BANDS, np.arange(len(_BANDS)))
    distance = np.abs(band[:, None] - band)
    shape = _COMMON * np.exp(-distance / _BROAD) + (1 - _COMMON) * np.exp(-distance / _FINE)
    matrix: Array = deviation**2 * shape
    return matrix


def modulation_power(rate: ArrayLike) -> Array:
    """Return the relative power of modulation at a rate in Hz."""
    hz = np.asarray(rate, np.float64)
    power: Array = hz**-_SLOPE / (1 + (hz / _CORNER) ** 4)
    return power


def to_decibels(frames: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.float32]:
    """Return what a front end gives in dB."""
    if isinstance(front_end, KaldiMel):
        frames = front_end.to_power(frames)
    elif front_end.log:
        return frames
    return (10 * np.log10(np.maximum(frames, 1e-10))).astype(np.float32)


def _mean_levels(front_end: FrontEnd, hz: Array) -> Array:
    """Return the mean level of each bin, dB, of music as loud as records are."""
    level: Array = np.interp(np.log(np.maximum(hz, 1.0)), np.log(_HZ), _DB)
    # What the front end makes of 1 full scale²/Hz.
    if isinstance(front_end, StftDensity):
        unit = np.full(len(hz), front_end.sample_rate * front_end.amplitude**2)
    else:
        # one-sided density 1 means |X|² = fs · Σ w² / 2 in each bin, summed by a band's filter
        unit = front_end.filters.sum(axis=0) * front_end.sample_rate * np.sum(front_end.window**2) / 2
    level += 10 * np.log10(np.maximum(unit * emphasis(front_end), 1e-12))
    return level


def emphasis(front_end: FrontEnd) -> Array:
    """Return the gain of power, before bands are summed, at the centre of each: 1 without pre-emphasis."""
    if not isinstance(front_end, KaldiMel):
        return np.ones(front_end.n_bins)
    # |1 - a exp(-i w)|²
    angle = 2 * np.pi * front_end.frequencies / front_end.sample_rate
    gain: Array = np.abs(1 - front_end.preemphasis * np.exp(-1j * angle)) ** 2
    return gain
