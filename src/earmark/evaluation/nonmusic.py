"""Sounds that are no music, synthetic or from a folder: any genre named for them is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark.errors import CorpusError, SettingError
from earmark.files import walk

SECONDS = 10.0
"""Length of a synthetic sound."""

RATE = 44_100
"""Hz, of the same."""

OF_A_KIND = 8
"""Synthetic sounds of each kind."""

Samples = NDArray[np.float32]
Rng = np.random.Generator


class Kind(NamedTuple):
    """A kind of synthetic sound.

    Attributes
    ----------
    make : callable
        Gives so many samples at :data:`RATE`, at any level.
    peak_db : tuple of float
        Between which the peak is then put, in dB re full scale.
    """

    make: Callable[[Rng, int], NDArray[np.float64]]
    peak_db: tuple[float, float] = (-30.0, -3.0)


@dataclass(frozen=True)
class Sound:
    """A sound that is no music.

    Attributes
    ----------
    kind : str
    name : str
        For reports.
    path : Path or None
        Its file; None where it is synthetic.
    seed : tuple of int
        Of a synthetic sound.
    """

    kind: str
    name: str
    path: Path | None = None
    seed: tuple[int, ...] = ()

    def make(self) -> Samples:
        """Compute the samples of a synthetic sound at :data:`RATE`, shape (samples,); the same each time."""
        rng = np.random.default_rng(self.seed)
        kind = KINDS[self.kind]
        samples = kind.make(rng, round(SECONDS * RATE))
        # dB to amplitude: 10^(dB / 20)
        peak = 10 ** (rng.uniform(*kind.peak_db) / 20)
        scaled: Samples = (samples * (peak / np.abs(samples).max())).astype(np.float32)
        return scaled


def list_synthetic(seed: int) -> list[Sound]:
    """Return :data:`OF_A_KIND` synthetic sounds of each of the :data:`KINDS`; the seed must not be negative."""
    if seed < 0:
        raise SettingError(f"seed {seed}: must be 0 or more")
    return [
        Sound(kind, f"{kind}.{number}", seed=(seed, k, number))
        for k, kind in enumerate(KINDS)
        for number in range(OF_A_KIND)
    ]


def find_sounds(folder: str | os.PathLike[str]) -> list[Sound]:
    """Return the sounds in a folder of the user's own, by kind; raise :class:`CorpusError` where there are none.

    The folders directly below it are kinds, such as ``speech``; what lies beside them is of a kind named like the
    folder itself.
    """
    root = Path(folder)
    if not root.is_dir():
        raise CorpusError(f"no folder at {root}: need one of sounds that are no music, such as speech/talk.wav")
    sounds = [Sound(_kind(path, root), str(path.relative_to(root)), path) for path in walk(root)]
    if not sounds:
        raise CorpusError(f"{root} holds no audio: expected sounds that are no music, such as speech/talk.wav")
    return sorted(sounds, key=lambda sound: (sound.kind, sound.name))


def _kind(path: Path, root: Path) -> str:
    below = path.relative_to(root).parts
    return below[0] if len(below) > 1 else root.resolve().name


def _noise(rng: Rng, size: int, slope: float) -> NDArray[np.float64]:
    """Return Gaussian noise whose power falls as frequency to the power of minus `slope`, from 20 Hz up."""
    spectrum = np.fft.rfft(rng.standard_normal(size))
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    # power ~ f^-slope, so amplitude ~ f^(-slope/2)
    # below 20 Hz the factor is constant: at 0 it would be infinite
    spectrum *= np.maximum(frequency, 20.0) ** (-slope / 2)
    # no constant offset
    spectrum[0] = 0
    return np.fft.irfft(spectrum, size)


def _band(rng: Rng, size: int) -> NDArray[np.float64]:
    """Return one octave of noise, the lowest from 100 Hz, the highest from 4 kHz."""
    # log-uniform between 100 Hz and 4 kHz
    low = 100 * 40 ** rng.random()
    spectrum = np.fft.rfft(rng.standard_normal(size))
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    spectrum[(frequency < low) | (frequency > 2 * low)] = 0
    return np.fft.irfft(spectrum, size)


def _sine(rng: Rng, size: int) -> NDArray[np.float64]:
    """Return a sine between 50 Hz and 6.4 kHz."""
    return np.sin(2 * np.pi * 50 * 2 ** rng.uniform(0, 7) * _time(size))


def _hum(rng: Rng, size: int) -> NDArray[np.float64]:
    """Return mains hum: 50 or 60 Hz and nine harmonics, weaker as they are higher."""
    harmonics = np.arange(1, 11)
    # amplitudes ~ 1/k of the k-th harmonic, phases at random
    weights = rng.uniform(0.3, 1, 10) / harmonics
    spectrum = np.zeros(size // 2 + 1, complex)
    # frequency f is bin f · size / rate of a transform of `size` samples
    bins = np.round(rng.choice([50, 60]) * harmonics * size / RATE).astype(int)
    spectrum[bins] = weights * np.exp(2j * np.pi * rng.random(10))
    return np.fft.irfft(spectrum, size)


def _chirp(rng: Rng, size: int) -> NDArray[np.float64]:
    """Return sweeps over six octaves from 100 Hz, up or down, each of one to five seconds."""
    # phase = 2π times the sum of the frequency over time
    turns = _time(size) / rng.uniform(1, 5) % 1
    octaves = 6 * (turns if rng.random() < 0.5 else 1 - turns)
    return np.sin(2 * np.pi * np.cumsum(100 * 2**octaves) / RATE)


def _clicks(rng: Rng, size: int) -> NDArray[np.float64]:
    """Return single samples at random times, between one and thirty a second."""
    samples = np.zeros(size)
    count = round(rng.uniform(1, 30) * size / RATE)
    samples[rng.integers(0, size, count)] = rng.choice([-1.0, 1.0], count)
    return samples


def _time(size: int) -> NDArray[np.float64]:
    """Return the time of each sample, in seconds."""
    return np.arange(size) / RATE


KINDS = {
    "white noise": Kind(partial(_noise, slope=0)),
    "pink noise": Kind(partial(_noise, slope=1)),
    "brown noise": Kind(partial(_noise, slope=2)),
    "band of noise": Kind(_band),
    "sine": Kind(_sine),
    "mains hum": Kind(_hum),
    "chirps": Kind(_chirp),
    "clicks": Kind(_clicks),
    "silence": Kind(partial(_noise, slope=0), (-120.0, -80.0)),  # a recorder's noise where nothing sounds
}
"""In the order of reports."""
