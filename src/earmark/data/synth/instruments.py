"""Instruments: tones that are sums of partials, drums that are a skin and a burst of noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Rng = np.random.Generator

# Samples in a row, and rows in a slab: too small a product to wake BLAS's threads.
_BLOCK, _SLAB = 128, 16


@dataclass(frozen=True)
class Tone:
    """A pitched instrument: a sum of partials that ring down, inside an attack and a release.

    The partial at `partials` times the pitch has level ``ratio**-rolloff`` and falls to 1/e in
    ``ring / ratio**damping`` seconds. `chorus` sounds every partial twice, this many cents apart.
    """

    partials: tuple[float, ...]
    rolloff: float = 1.0
    ring: float = 60.0
    damping: float = 0.7
    attack: float = 0.004
    release: float = 0.08
    chorus: float = 2.0

    def vary(self, rng: Rng) -> Tone:
        """Return the same instrument, built a little differently."""
        return replace(
            self,
            rolloff=self.rolloff + rng.uniform(-0.25, 0.25),
            ring=self.ring * rng.uniform(0.7, 1.4),
            attack=self.attack * rng.uniform(0.7, 1.4),
            chorus=self.chorus * rng.uniform(0.5, 1.5),
        )

    def render(self, pitch: float, seconds: float, sample_rate: int, rng: Rng) -> Samples:
        """Return one note of `seconds` and its release: all partials in one matrix product."""
        ratios = np.asarray(self.partials)
        levels = ratios**-self.rolloff / np.linalg.norm(ratios**-self.rolloff)
        # (2, partials): each partial twice, `chorus` cents apart
        hz = 440 * 2 ** ((pitch - 69) / 12) * ratios * 2 ** (self.chorus * np.array([[-1], [1]]) / 2400)
        decay = np.broadcast_to(ratios**self.damping / self.ring, hz.shape)
        # nothing near Nyquist: no alias
        levels = np.where(hz < 0.46 * sample_rate, levels / math.sqrt(2), 0)
        audible = levels > 0
        poles = (2j * np.pi * hz - decay)[audible] / sample_rate
        size = round((seconds + self.release) * sample_rate)
        # sample b * _BLOCK + j of a partial is pole**(b * _BLOCK) * pole**j: rows times columns
        slabs = -(-size // (_BLOCK * _SLAB))
        rows = np.exp(np.outer(np.arange(slabs * _SLAB) * _BLOCK, poles)) * levels[audible]
        columns = np.exp(np.outer(poles, np.arange(_BLOCK)))
        left = np.hstack([rows.imag, rows.real]).astype(np.float32).reshape(slabs, _SLAB, 2 * poles.size)
        note: Samples = (left @ np.vstack([columns.real, columns.imag]).astype(np.float32)).ravel()[:size]
        rise, fall = (min(size, max(1, round(s * sample_rate))) for s in (self.attack, self.release))
        note[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
        note[-fall:] *= np.linspace(1, 0, fall, dtype=np.float32) ** 2
        return note


@dataclass(frozen=True)
class Drum:
    """A struck skin and a burst of noise.

    The skin is a sine that falls `drop` semitones to `hz` and rings for `ring` seconds (to 1/e); the burst is
    `noise` times as loud, lies within `band` (Hz) and rings for `hiss` seconds.
    """

    hz: float = 0.0
    drop: float = 0.0
    ring: float = 0.1
    noise: float = 1.0
    band: tuple[float, float] = (200.0, 9000.0)
    hiss: float = 0.05

    def vary(self, rng: Rng) -> Drum:
        """Return the same drum, tuned and damped a little differently."""
        tune, damp, filtered = rng.uniform(0.8, 1.25, 3)
        band = (self.band[0] * filtered, self.band[1] * filtered)
        return replace(self, hz=self.hz * tune, ring=self.ring * damp, hiss=self.hiss * damp, band=band)

    def render(self, pitch: float, seconds: float, sample_rate: int, rng: Rng) -> Samples:
        """Return one stroke; what pitch and length the note has makes no difference."""
        size = round(5 * max(self.ring * (self.hz > 0), self.hiss) * sample_rate)
        t = np.arange(size, dtype=np.float32) / sample_rate
        fall = 2 ** (self.drop / 12)
        # phase of the falling sine, in turns: the integral of hz * (1 + (fall - 1) * exp(-t / 0.03))
        turns = self.hz * (t + 0.03 * (fall - 1) * (1 - np.exp(-t / 0.03)))
        skin = np.sin(2 * np.pi * turns) * np.exp(-t / self.ring) * (self.hz * fall < 0.46 * sample_rate)
        spectrum = np.fft.rfft(rng.standard_normal(size, dtype=np.float32))
        hz = np.fft.rfftfreq(size, 1 / sample_rate)
        # soft edges of the band
        spectrum /= 1 + (self.band[0] / np.maximum(hz, 1)) ** 4 + (hz / self.band[1]) ** 4
        burst = np.fft.irfft(spectrum, size) * np.exp(-t / self.hiss)
        return ((skin + self.noise * burst) * np.linspace(1, 0, size)).astype(np.float32)


def _harmonics(count: int) -> tuple[float, ...]:
    # strings are a little stiff: f_n = n f_1 sqrt(1 + B n²)
    return tuple(n * math.sqrt(1 + 1e-4 * n * n) for n in range(1, count + 1))


_ODD = (1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0)
PIANO = Tone(_harmonics(14), 1.1, ring=0.9, attack=0.002, chorus=2)
HONKY_TONK = replace(PIANO, rolloff=0.9, chorus=14)
GUITAR = Tone(_harmonics(9), 1.4, ring=0.5, damping=0.9, attack=0.003)
BASS = Tone(_harmonics(6), 1.6, ring=0.6, attack=0.008)
SUB = Tone((1, 2, 3), 2.2, attack=0.01, release=0.05, chorus=1)
REESE = Tone((1, 2, 3, 4, 5, 6, 7, 8), 1.0, attack=0.01, release=0.06, chorus=22)
ACID = Tone(tuple(range(1, 17)), 0.6, ring=0.3, damping=0.8, release=0.03)
STAB = Tone(tuple(range(1, 13)), 0.8, ring=0.22, damping=0.5, chorus=16)
PAD = Tone(tuple(range(1, 9)), 1.7, attack=0.9, release=1.8, chorus=12)
CHOIR = Tone((1, 2, 3, 4, 6), 1.2, attack=0.6, release=1.5, chorus=18)
GLASS = Tone((1, 2.01, 3.03, 5.2), 1.5, ring=1.4, attack=0.01, release=1.5, chorus=5)
FLUTE = Tone((1, 2, 3, 4), 2.0, attack=0.06, chorus=7)
STRINGS = Tone(tuple(range(1, 13)), 1.1, attack=0.08, release=0.2, chorus=14)
ACCORDION = Tone(tuple(range(1, 11)), 0.7, attack=0.03, chorus=20)
BRASS = Tone(tuple(range(1, 15)), 0.7, attack=0.03, release=0.06, chorus=6)
TUBA = Tone(tuple(range(1, 8)), 1.2, attack=0.025, release=0.06)
CLARINET = Tone(_ODD, 1.3, attack=0.03)
PICCOLO = Tone((1, 2, 3), 1.5, attack=0.025, chorus=9)
SQUARE = Tone(_ODD, 1.0, attack=0.002, release=0.01, chorus=1)
PULSE = Tone((1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15), 0.9, attack=0.002, release=0.01, chorus=5)
TRIANGLE = Tone(_ODD, 2.0, attack=0.003, release=0.01, chorus=1)
BELL = Tone((0.5, 1, 1.2, 1.5, 2, 2.5, 3, 4, 5.3), 0.7, ring=1.6, damping=0.8, release=2, chorus=3)
SARON = Tone((1, 2.76, 5.4, 8.9), 1.0, ring=0.9, damping=0.9, attack=0.002, release=0.6, chorus=25)
BONANG = Tone((1, 1.53, 2.8, 4.2), 1.0, ring=0.35, attack=0.002, release=0.3, chorus=20)
GONG = Tone((1, 1.48, 2.01, 2.6, 3.4), 0.8, ring=3, damping=0.6, attack=0.03, release=4, chorus=20)

KICK = Drum(48, drop=30, ring=0.12, noise=0.15, hiss=0.006)
BOOM = Drum(62, drop=9, ring=0.22, noise=0.2, band=(60, 1500), hiss=0.04)
SNARE = Drum(185, drop=4, ring=0.05, noise=1.2, band=(900, 8500), hiss=0.07)
TOM = Drum(110, drop=7, ring=0.13, noise=0.3, band=(150, 2500), hiss=0.02)
CLAP = Drum(noise=1.6, band=(900, 4500), hiss=0.06)
RIM = Drum(1650, ring=0.012, noise=0.8, band=(1000, 5000), hiss=0.008)
HAT = Drum(noise=0.8, band=(6500, 16000), hiss=0.018)
OPEN_HAT = Drum(noise=0.8, band=(5500, 16000), hiss=0.1)
SHAKER = Drum(noise=0.6, band=(4500, 9500), hiss=0.03)
CRASH = Drum(noise=0.9, band=(2500, 16000), hiss=0.5)
NOISE = Drum(noise=1.2, band=(400, 11000), hiss=0.045)
