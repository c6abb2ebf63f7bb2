"""A procedural composer: ten styles of music, written note by note and rendered with NumPy.

A track is a `Score`: a list of `Note`s in beats, and the key and chords that its parts share. A style is a
function that writes a score: it hands patterns to instruments. One renderer turns any score into samples.
Chance (tempo, key, chords, melody, arrangement, timbre, mix) comes from the caller's generator alone, so a
seed fixes a track.

Patterns are strings, bars parted by spaces, each a row of equal steps: ``x`` plays the chord (or strikes the
drum), ``X`` louder, ``o`` softer; a digit plays that tone of the chord, counted up from its root; ``-`` holds
and ``.`` rests. So ``"xxxx"`` is four crotchets of a bar of four, and ``"x"`` its semibreve. Chord symbols
are spelt as if the key were C, and sound in the track's own key.
"""

from __future__ import annotations

import math
import os
import re
import wave
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["STYLES", "TEMPI", "compose", "write_corpus"]

Samples = NDArray[np.float32]
Rng = np.random.Generator
T = TypeVar("T")
Scale = tuple[int, ...]  # semitones above the tonic
Chord = tuple[int, ...]  # semitones above the key's tonic, the root first
Sketch = tuple[float, float, float, float]  # onset and length in beats, MIDI pitch, velocity
Line = Callable[[list[Chord]], Iterator[Sketch]]  # writes a phrase over its chords

_PHRASE = 4  # bars in a phrase: chords, melodies and fills all turn over with it
_BLOCK, _SLAB = 128, 16  # samples in a row, and rows in a slab: too small a product to wake BLAS's threads
_ROOTS = {name: n for n, name in enumerate(["C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"])}
_MAJOR: Scale = (0, 2, 4, 5, 7, 9, 11)
_MINOR: Scale = (0, 2, 3, 5, 7, 8, 10)
_DORIAN: Scale = (0, 2, 3, 5, 7, 9, 10)
_PELOG: Scale = (0, 1, 3, 7, 8)
_SLENDRO: Scale = (0, 2, 5, 7, 10)
_QUALITIES = {
    "": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "m7": (0, 3, 7, 10), "maj7": (0, 4, 7, 11),
    "6": (0, 4, 7, 9), "m6": (0, 3, 7, 9), "9": (0, 4, 7, 10, 14), "m9": (0, 3, 7, 10, 14),
    "maj9": (0, 4, 7, 11, 14), "sus": (0, 5, 7), "dim": (0, 3, 6, 9), "pelog": _PELOG, "slendro": _SLENDRO,
}  # fmt: skip
_VELOCITIES = {"X": 1.0, "o": 0.35}  # every other mark has 0.7


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
        hz = 440 * 2 ** ((pitch - 69) / 12) * ratios * 2 ** (self.chorus * np.array([[-1], [1]]) / 2400)
        decay = np.broadcast_to(ratios**self.damping / self.ring, hz.shape)
        levels = np.where(hz < 0.46 * sample_rate, levels / math.sqrt(2), 0)  # nothing near Nyquist: no alias
        heard = levels > 0
        poles = (2j * np.pi * hz - decay)[heard] / sample_rate
        size = round((seconds + self.release) * sample_rate)
        # sample b * _BLOCK + j of a partial is pole**(b * _BLOCK) * pole**j: rows times columns
        slabs = -(-size // (_BLOCK * _SLAB))
        rows = np.exp(np.outer(np.arange(slabs * _SLAB) * _BLOCK, poles)) * levels[heard]
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
        turns = self.hz * (t + 0.03 * (fall - 1) * (1 - np.exp(-t / 0.03)))
        skin = np.sin(2 * np.pi * turns) * np.exp(-t / self.ring) * (self.hz * fall < 0.46 * sample_rate)
        spectrum = np.fft.rfft(rng.standard_normal(size, dtype=np.float32))
        hz = np.fft.rfftfreq(size, 1 / sample_rate)
        spectrum /= 1 + (self.band[0] / np.maximum(hz, 1)) ** 4 + (hz / self.band[1]) ** 4  # soft edges
        burst = np.fft.irfft(spectrum, size) * np.exp(-t / self.hiss)
        return ((skin + self.noise * burst) * np.linspace(1, 0, size)).astype(np.float32)


class Note(NamedTuple):
    """One note: onset and length in beats, MIDI pitch (for a drum: 0), velocity from 0 to about 1."""

    onset: float
    length: float
    pitch: float
    velocity: float
    voice: Tone | Drum


@dataclass(frozen=True)
class Style:
    """What the tracks of a style have in common, and the function that writes one."""

    write: Callable[[Score], None]
    tempo: tuple[float, float]  # BPM, lowest and highest
    modes: dict[Scale, str]  # scales, each with its four-bar progressions of chord symbols, parted by bars
    beats: int = 4  # in a bar
    swing: float = 0.0  # at most so much of a sixteenth is every second sixteenth late
    room: float = 0.2  # level of the reverb
    feel: float = 0.006  # seconds, standard deviation of an onset


class Score:
    """The notes of one track, and the tempo, key, chords and form that its parts share."""

    def __init__(self, style: Style, rng: Rng, seconds: float) -> None:
        self.style, self.rng, self.notes = style, rng, list[Note]()
        self.tempo = rng.uniform(*style.tempo)
        self.swing = rng.uniform(0, style.swing)
        self.tonic = 60 + int(rng.integers(-6, 6))
        self.tuning = np.zeros(12)  # semitones by which each degree departs from equal temperament
        self.scale = self.pick(*style.modes)
        phrases = math.ceil(seconds * self.tempo / 60 / style.beats / _PHRASE)
        form = self.pick("AABA", "ABAC", "ABAB", "AABB", "ABCB")
        self.form = [form[n % 4] for n in range(phrases)]
        progressions = [_chords(symbols) for symbols in style.modes[self.scale].split("|")]
        order = rng.permutation(len(progressions))
        self.chords = {part: progressions[order[n % len(order)]] for n, part in enumerate("ABC")}

    def pick(self, *choices: T) -> T:
        """Return one of `choices`."""
        return choices[self.rng.integers(len(choices))]

    def ghosts(self, pattern: str, chance: float) -> str:
        """Return `pattern` with soft strokes in some of its rests."""
        return "".join("o" if mark == "." and self.rng.random() < chance else mark for mark in pattern)

    def part(self, voice: Tone | Drum, bars: str, low: int = 60, **mix: float) -> None:
        """Play `bars` over and over, upwards from MIDI pitch `low`; see `_place` for `mix`."""
        patterns = bars.split()

        def line(chords: list[Chord]) -> Iterator[Sketch]:
            for bar, chord in enumerate(chords):
                for onset, length, mark in _strokes(patterns[bar % len(patterns)], self.style.beats):
                    for pitch in (0,) if isinstance(voice, Drum) else self._pitches(mark, chord, low):
                        yield bar * self.style.beats + onset, length, pitch, _VELOCITIES.get(mark, 0.7)

        self._place(voice, line, **mix)

    def tune(self, voice: Tone, bars: str, low: int, octave: float = 0.0, **mix: float) -> None:
        """Sing a melody between MIDI pitches `low` and ``low + 18``; see `_place` for `mix`.

        A phrase is a motif, the motif over the next chord, a turn, and a close in the last of `bars`.
        On the beat the melody has a tone of the chord; between the beats it moves by steps and leaps.
        `octave` is how loud, against it, the same is doubled an octave above.
        """
        *rhythms, close = bars.split()
        motif, turn = self.pick(*rhythms), self.pick(*rhythms)
        turns = np.where(self.rng.random(32) < 0.35, -1, 1)  # now and then the line turns round
        moves = np.cumprod(turns) * self.rng.choice([0, 1, 1, 1, 1, 2, 2], 32)

        def line(chords: list[Chord]) -> Iterator[Sketch]:
            pitch = low + int(self.rng.integers(5, 14))
            for bar, (chord, rhythm) in enumerate(zip(chords, (motif, motif, turn, close), strict=True)):
                for i, (onset, length, mark) in enumerate(_strokes(rhythm, self.style.beats)):
                    pitch = _climb(self._ladder(chord, low, chordal=onset % 1 == 0), pitch, moves[i])
                    beat, velocity = bar * self.style.beats + onset, _VELOCITIES.get(mark, 0.7)
                    yield beat, length, pitch, velocity
                    if octave:
                        yield beat, length, pitch + 12, velocity * octave

        self._place(voice, line, **mix)

    def _place(
        self, voice: Tone | Drum, line: Line, level: float = 0.5, presence: float = 1.0, echo: float = 0.0
    ) -> None:
        """Add the notes of `line` to a share `presence` of the phrases; an `echo` is so much softer."""
        voice, level = voice.vary(self.rng), level * self.rng.uniform(0.7, 1.3)
        phrase, jitter = _PHRASE * self.style.beats, self.style.feel * self.tempo / 60
        lines = {part: list(line(chords)) for part, chords in self.chords.items()}
        for start, part in enumerate(self.form):
            if self.rng.random() >= presence:
                continue
            for onset, length, pitch, velocity in lines[part]:
                beat = start * phrase + onset + self.rng.normal(0, jitter)
                bend = self.tuning[int(pitch - self.tonic) % 12] if isinstance(voice, Tone) else 0.0
                gain = level * velocity * self.rng.uniform(0.8, 1.1)
                for n in range(4 if echo else 1):
                    self.notes.append(Note(beat + 0.75 * n, length, pitch + bend, gain * echo**n, voice))

    def _pitches(self, mark: str, chord: Chord, low: int) -> list[int]:
        """Return the MIDI pitches that `mark` plays: one tone of `chord`, or all in close position."""
        if not mark.isdigit():  # every chord in one octave: voices keep common tones and move little
            return sorted({low + (self.tonic + tone - low) % 12 for tone in chord})
        octave, tone = divmod(int(mark), len(chord))
        return [low + (self.tonic + chord[0] - low) % 12 + chord[tone] - chord[0] + 12 * octave]

    def _ladder(self, chord: Chord, low: int, *, chordal: bool) -> list[int]:
        """Return the pitches a melody may take: tones of `chord`, or of the scale that do not rub with it."""
        tones = {tone % 12 for tone in chord}
        if not chordal:
            tones |= {tone for tone in self.scale if not {(tone - 1) % 12, (tone + 1) % 12} & tones}
        return [pitch for pitch in range(low, low + 19) if (pitch - self.tonic) % 12 in tones]

    def seconds(self, beat: float) -> float:
        """Return when `beat` sounds, in seconds; every second sixteenth comes late by the swing."""
        eighth, within = divmod(beat * 2, 1)
        late = self.swing / 2 * (1 - abs(2 * within - 1))
        return max(0.0, (eighth + within + late) / 2 * 60 / self.tempo)


def _climb(rungs: list[int], pitch: int, move: int) -> int:
    """Return the rung that lies `move` above `pitch`, turning back at the ends; the nearest for no move."""
    ahead = [rung for rung in rungs if (rung - pitch) * move >= 0 and (rung != pitch or not move)]
    if not ahead:
        return _climb(rungs, pitch, -move)
    return sorted(ahead, key=lambda rung: abs(rung - pitch))[max(0, min(abs(move), len(ahead)) - 1)]


def _strokes(pattern: str, beats: int) -> Iterator[tuple[float, float, str]]:
    """Yield onset and length, in beats, and the mark of every stroke in a bar's `pattern`."""
    step = beats / len(pattern)
    for stroke in re.finditer("[^.-]-*", pattern):
        yield stroke.start() * step, len(stroke[0]) * step, stroke[0][0]


def _chords(symbols: str) -> list[Chord]:
    """Return the chords of a progression as semitones above the tonic, roots first."""
    chords = []
    for symbol in symbols.split():
        root = symbol[:2] if symbol[1:2] == "b" else symbol[:1]
        chords.append(tuple(_ROOTS[root] + tone for tone in _QUALITIES[symbol[len(root) :]]))
    return chords


def _perform(score: Score, size: int, sample_rate: int) -> Samples:
    """Return `size` samples of `score`, dry; what sounds the same is rendered once."""
    track = np.zeros(size, np.float32)
    rendered: dict[tuple[Tone | Drum, float, float], Samples] = {}
    for note in score.notes:
        start = round(score.seconds(note.onset) * sample_rate)
        if start >= size:
            continue
        key = (note.voice, note.pitch, note.length)
        if key not in rendered:
            seconds = note.length * 60 / score.tempo
            rendered[key] = note.voice.render(note.pitch, seconds, sample_rate, score.rng)
        sound = rendered[key][: size - start]
        track[start : start + sound.size] += np.float32(note.velocity) * sound
    return track


def _master(track: Samples, score: Score, sample_rate: int) -> Samples:
    """Return `track` in a room, equalised, without DC, gently limited and at a level of its own."""
    rng, size, tail = score.rng, track.size, round(1.2 * sample_rate)
    impulse = rng.standard_normal(tail, dtype=np.float32)
    impulse *= np.exp(-np.arange(tail, dtype=np.float32) / (rng.uniform(0.15, 0.35) * sample_rate))
    impulse *= score.style.room * rng.uniform(0.6, 1.4) / np.linalg.norm(impulse)
    impulse[0] = 1
    padded = -(-(size + tail) // 4096) * 4096  # a length without large prime factors
    spectrum = np.fft.rfft(track, padded) * np.fft.rfft(impulse, padded)
    hz = np.fft.rfftfreq(padded, 1 / sample_rate).astype(np.float32)
    spectrum *= hz**2 / (hz**2 + 30**2) * (1 + hz / 1000) ** np.float32(rng.uniform(-0.2, 0.6))
    wet: Samples = np.fft.irfft(spectrum, padded)[:size].astype(np.float32)
    wet = np.tanh(wet / (4 * wet.std()))  # peaks give way, the body stays
    wet -= wet.mean()
    return wet * np.float32(rng.uniform(0.3, 0.95) / np.abs(wet).max())


# Instruments


def _harmonics(count: int) -> tuple[float, ...]:
    return tuple(n * math.sqrt(1 + 1e-4 * n * n) for n in range(1, count + 1))  # strings are a little stiff


_ODD = (1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0)
_PIANO = Tone(_harmonics(14), 1.1, ring=0.9, attack=0.002, chorus=2)
_HONKY_TONK = replace(_PIANO, rolloff=0.9, chorus=14)
_GUITAR = Tone(_harmonics(9), 1.4, ring=0.5, damping=0.9, attack=0.003)
_BASS = Tone(_harmonics(6), 1.6, ring=0.6, attack=0.008)
_SUB = Tone((1, 2, 3), 2.2, attack=0.01, release=0.05, chorus=1)
_REESE = Tone((1, 2, 3, 4, 5, 6, 7, 8), 1.0, attack=0.01, release=0.06, chorus=22)
_ACID = Tone(tuple(range(1, 17)), 0.6, ring=0.3, damping=0.8, release=0.03)
_STAB = Tone(tuple(range(1, 13)), 0.8, ring=0.22, damping=0.5, chorus=16)
_PAD = Tone(tuple(range(1, 9)), 1.7, attack=0.9, release=1.8, chorus=12)
_CHOIR = Tone((1, 2, 3, 4, 6), 1.2, attack=0.6, release=1.5, chorus=18)
_GLASS = Tone((1, 2.01, 3.03, 5.2), 1.5, ring=1.4, attack=0.01, release=1.5, chorus=5)
_FLUTE = Tone((1, 2, 3, 4), 2.0, attack=0.06, chorus=7)
_STRINGS = Tone(tuple(range(1, 13)), 1.1, attack=0.08, release=0.2, chorus=14)
_ACCORDION = Tone(tuple(range(1, 11)), 0.7, attack=0.03, chorus=20)
_BRASS = Tone(tuple(range(1, 15)), 0.7, attack=0.03, release=0.06, chorus=6)
_TUBA = Tone(tuple(range(1, 8)), 1.2, attack=0.025, release=0.06)
_CLARINET = Tone(_ODD, 1.3, attack=0.03)
_PICCOLO = Tone((1, 2, 3), 1.5, attack=0.025, chorus=9)
_SQUARE = Tone(_ODD, 1.0, attack=0.002, release=0.01, chorus=1)
_PULSE = Tone((1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15), 0.9, attack=0.002, release=0.01, chorus=5)
_TRIANGLE = Tone(_ODD, 2.0, attack=0.003, release=0.01, chorus=1)
_BELL = Tone((0.5, 1, 1.2, 1.5, 2, 2.5, 3, 4, 5.3), 0.7, ring=1.6, damping=0.8, release=2, chorus=3)
_SARON = Tone((1, 2.76, 5.4, 8.9), 1.0, ring=0.9, damping=0.9, attack=0.002, release=0.6, chorus=25)
_BONANG = Tone((1, 1.53, 2.8, 4.2), 1.0, ring=0.35, attack=0.002, release=0.3, chorus=20)
_GONG = Tone((1, 1.48, 2.01, 2.6, 3.4), 0.8, ring=3, damping=0.6, attack=0.03, release=4, chorus=20)

_KICK = Drum(48, drop=30, ring=0.12, noise=0.15, hiss=0.006)
_BOOM = Drum(62, drop=9, ring=0.22, noise=0.2, band=(60, 1500), hiss=0.04)
_SNARE = Drum(185, drop=4, ring=0.05, noise=1.2, band=(900, 8500), hiss=0.07)
_TOM = Drum(110, drop=7, ring=0.13, noise=0.3, band=(150, 2500), hiss=0.02)
_CLAP = Drum(noise=1.6, band=(900, 4500), hiss=0.06)
_RIM = Drum(1650, ring=0.012, noise=0.8, band=(1000, 5000), hiss=0.008)
_HAT = Drum(noise=0.8, band=(6500, 16000), hiss=0.018)
_OPEN_HAT = Drum(noise=0.8, band=(5500, 16000), hiss=0.1)
_SHAKER = Drum(noise=0.6, band=(4500, 9500), hiss=0.03)
_CRASH = Drum(noise=0.9, band=(2500, 16000), hiss=0.5)
_NOISE = Drum(noise=1.2, band=(400, 11000), hiss=0.045)


# Styles

_BOOK: dict[str, Style] = {}
Writer = Callable[[Score], None]


def _style(
    low: float, high: float, modes: dict[Scale, str], beats: int = 4, **feel: float
) -> Callable[[Writer], Writer]:
    """Enter the decorated function in the book of styles, under its name; `low` and `high` bound the BPM."""

    def enter(write: Writer) -> Writer:
        _BOOK[write.__name__.lstrip("_")] = Style(write, (low, high), modes, beats, **feel)
        return write

    return enter


_WASHES = {
    _MAJOR: "Cmaj9 Am9 Fmaj9 Gsus | Fmaj9 Cmaj7 Dm9 Am7 | Am9 Fmaj9 Cmaj9 Gsus",
    _DORIAN: "Cm9 F9 Cm9 Bbmaj7 | Ebmaj9 Bb Cm9 Gm7 | Cm9 Gm7 Ebmaj7 F9",
}


@_style(50, 66, _WASHES, room=0.8, feel=0.02)
def _ambient(score: Score) -> None:
    """Write slow washes of wide chords over a drone, and single drops of glass."""
    score.part(score.pick(_PAD, _CHOIR, _STRINGS), "x", low=score.pick(50, 53, 55), level=0.3)
    score.part(score.pick(_SUB, _PAD), "0", low=36, level=0.4)
    score.part(_PAD, ".x", low=67, level=0.12, presence=0.6)
    drops = score.pick(_GLASS, _FLUTE, _BELL)
    score.tune(drops, "x-..x--- ..x---x- x---..x- x", low=67, level=0.4, echo=0.5)
    score.part(_GLASS, "..0.2.4. ....3.1.", low=72, level=0.2, presence=0.5, echo=0.5)


_SEVENTHS = {
    _MAJOR: "Cmaj9 Cmaj7 Dm9 G9 | Cmaj7 A7 Dm9 G9 | Fmaj7 Fm6 Em7 A7 | Dm9 G9 Cmaj9 Cmaj7",
    _MINOR: "Cm9 Cm6 Fm7 G7 | Abmaj7 G7 Cm9 Cm7 | Fm7 Bb9 Ebmaj7 G7",
}


@_style(120, 146, _SEVENTHS)
def _bossa(score: Score) -> None:
    """Write guitar chords around the clave, root and fifth in the bass, and a soft tune."""
    chops = score.pick("x-.x-.x- .x-.x-x.", "x-.xx-.x x..x-x..", "x-.x-.x- x-.xx-.x")
    score.part(score.pick(_GUITAR, _PIANO), chops, low=score.pick(50, 53), level=0.35)
    score.part(_BASS, score.pick("0--02--0 0--02--2", "0--02--0 0--22-2-", "0--0 0--2"), low=36, level=0.8)
    score.part(_RIM, score.pick("x..x..x. ..x..x..", "..x.x... x..x..x."), level=0.5)
    score.part(_SHAKER, score.ghosts(score.pick("XoxoXoxo", "oXooxXoo", "x.x.x.x."), 0.3), level=0.6)
    score.part(_BOOM, score.pick("ox", "o..xo..x", "o..ox..o"), level=0.3, presence=0.8)
    lead, rhythms = score.pick(_FLUTE, _CLARINET, _GUITAR), "x--x--x- .x-x-x-- x-xx-x-- .x-xx-x- x"
    score.tune(lead, rhythms, low=score.pick(64, 67), presence=0.8)


@_style(160, 178, {_MINOR: "Cm9 Cm9 Abmaj7 Bb | Cm7 Ebmaj7 Fm9 Gm7 | Abmaj9 Gm7 Cm9 Cm9"}, swing=0.2, feel=0.002)
def _breakbeat(score: Score) -> None:
    """Write a chopped drum break at double speed over a slow, deep bass."""
    kick = score.pick("x.x.......xx....", "x.....x...x.....", "x..x......x..x..")
    snare = score.pick("....x..o.o..x..o", ".x.x", "....x..x.o..x.o.", "....x.....x...x.")
    fill = score.pick("....x..x..x.x.xx", "x.xxx.x.xxx.xxxx", "....x.......xxxx")
    score.part(_KICK, f"{kick} {kick} {kick} x.x.......x..x..", level=1.1)
    score.part(_SNARE, f"{score.ghosts(snare, 0.1)} {snare} {score.ghosts(snare, 0.1)} {fill}", level=0.8)
    score.part(_HAT, score.ghosts("x.x.x.x.x.x.x.x.", 0.3), level=0.4)
    score.part(_OPEN_HAT, ".......x .", level=0.3)
    bass = score.pick("0-----2-", "0--..0-3", "0-0----.....0-3-", "0-------0---1---")
    score.part(score.pick(_REESE, _SUB), f"{bass} {score.pick(bass, '0')}", low=31, level=0.9)
    score.part(_PAD, "x", low=57, level=0.16, presence=0.7)
    score.part(_STAB, score.pick("...x............ .", "x.....x......... ."), level=0.2, presence=0.7, echo=0.5)
    score.tune(score.pick(_GLASS, _SQUARE), "x-..x-....x-.... x--..x-. .", low=69, level=0.2, presence=0.5)


_HYMNS = {
    _MAJOR: "C G Am F | F C G C | C F Dm G | Am Em F G | C Am F G",
    _MINOR: "Cm Gm Ab Bb | Fm Cm G Cm | Cm Bb Ab G",
}


@_style(66, 92, _HYMNS, room=0.5, feel=0.012)
def _carillon(score: Score) -> None:
    """Write for a tower of bells: a hymn tune, great bells below it, and peals that run down."""
    score.tune(_BELL, "xxxx x--xx-x- x-xxx--- xx-x x-xxx-x- xx", low=67, level=0.7)
    score.part(_BELL, f"0 {score.pick('02', '0', '0..2')}", low=48, level=0.7)
    inner = score.pick(".012.012", "02120212", "..12", ".2.1.2.1", "..0121..")
    score.part(_BELL, inner, low=60, level=0.35, presence=0.8)
    peal = score.pick("76543210", "..654321", "45342312", "7654321076543210")
    score.part(_BELL, f". {score.pick('.', peal)} . {peal}", low=72, level=0.4, presence=0.8)


_CARTRIDGES = {
    _MAJOR: "C G Am F | F G Em Am | C Bb F C | Am F C G",
    _MINOR: "Cm Ab Bb Cm | Cm Bb Ab G | Fm Cm Ab Bb | Ab Bb Cm Cm",
}


@_style(132, 168, _CARTRIDGES, room=0.03, feel=0.0)
def _chiptune(score: Score) -> None:
    """Write for a sound chip's voices and its noise: racing arpeggios, leaping bass, square tune."""
    run = score.pick("0120", "0123", "0213", "0012", "3210") * 4
    score.part(_PULSE, run, low=60, level=0.3, presence=0.9)
    bass = score.pick("03030303", "00300032", "0-..0-3-0-..3-2-", "0-003-000-003-20")
    score.part(score.pick(_TRIANGLE, _SQUARE), bass, low=36, level=0.7)
    rhythms = "xxx-xxx- x--x--x-x---x-x- xxx-x-x-x---x--- x-------x---x-x- x--xx---"
    score.tune(score.pick(_SQUARE, _PULSE), rhythms, low=69, presence=0.9, echo=0.3)
    score.part(_KICK, score.pick("xxxx", "x..xx...", "x..x..x.x..x...."), level=0.6)
    fill = score.pick("....x.....x.x.xx", "x.x.x.x.xxxxxxxx", "..x...x...x.xxxx")
    score.part(_NOISE, f".x.x .x.x .x.x {fill}", level=0.4)
    score.part(replace(_NOISE, hiss=0.012), score.pick("xxxxxxxx", "xoxoxoxoxoxoxoxo", ".x.x.x.x"), level=0.3)


@_style(58, 80, {_PELOG: "Cpelog " * 4, _SLENDRO: "Cslendro " * 4}, room=0.35, feel=0.012)
def _gamelan(score: Score) -> None:
    """Write for bronze in a tuning of its own: gongs mark the cycle, slow tunes, parts that interlock."""
    score.tuning = score.rng.uniform(-0.35, 0.35, 12)
    score.part(_GONG, "0 . . .", low=34, level=1.0)
    score.part(_GONG, score.pick("..2. ..1.", ".2.1", "..1. 0.3."), low=46, level=0.4)
    score.tune(_SARON, "xxxx x-xx xxx- xxxx xx-x", low=60, level=0.6)
    score.tune(replace(_SARON, ring=1.5), "xx x xx xx", low=48, level=0.4)
    first, second = score.pick(
        ("0.10.10.10.10.10", ".2.32.3.2.32.3.2"),
        ("1.21.2.11.21.2.1", ".3.34.4..3.34.4."),
        ("01010101", ".2.3.2.3"),
    )
    score.part(_BONANG, f"{first} {first[::-1]}", low=72, level=0.35)
    score.part(_BONANG, f"{second} {second[::-1]}", low=72, level=0.35, presence=0.8)
    score.part(_RIM, "xxxx", level=0.15)
    score.part(_TOM, score.ghosts(score.pick("x..xx..x", "....x..x....x.x."), 0.15), level=0.35, presence=0.8)


@_style(108, 124, {_MAJOR: "C C G7 G7 | C F G7 C | F C G7 C | C A7 D7 G7 | Am Em D7 G7"}, room=0.3, feel=0.008)
def _march(score: Score) -> None:
    """Write for a parade band: tuba and drum on the beat, horns off it, snare rolls, brass tune, piccolo."""
    score.part(_TUBA, f"0.2.0.2. 0.2.0.2. 0.2.0.2. {score.pick('0.2.0.2.', '0.0.1.2.')}", low=36, level=0.8)
    score.part(_BRASS, ".x.x.x.x", low=55, level=0.2)
    score.part(_BOOM, score.pick("xxxx", "XoXo", "xxx."), level=0.9)
    taps = score.pick("x..xx.x.x..xx.x.", "x.xxx.x.x.xxx.x.", "x.x.x.xxx.x.x.xx", ".x.x.x.x")
    roll = score.pick("x.x.x.x.x.x.xxxxxxxxxxxxxxxxxxxx", "x.x.xxxxx.x.xxxxx.x.xxxxxxxxxxxx")
    score.part(_SNARE, f"{taps} {taps} {taps} {roll}", level=0.5)
    score.part(_CRASH, score.pick("x... . . .", "x... . x... ."), level=0.35)
    rhythms = "x---x--xx---x--- xx-xx-x- xx-x x--xx--xx---x--- x---x---x--xx--- x-xxx-xx x-x."
    score.tune(_BRASS, rhythms, low=score.pick(60, 63), level=0.6)
    score.tune(score.pick(_PICCOLO, _CLARINET), rhythms, low=77, level=0.2, presence=0.6)


_RAGS = {_MAJOR: "C A7 D7 G7 | C E7 F G7 | F Cdim C A7 | D7 G7 C C | C G7 C G7 | Am E7 D7 G7"}


@_style(84, 106, _RAGS, beats=2, swing=0.15, room=0.12, feel=0.008)
def _ragtime(score: Score) -> None:
    """Write a striding left hand and a right hand against the beat, for a piano that wants tuning."""
    piano = score.pick(_HONKY_TONK, _PIANO)
    score.part(piano, f"0-..2-.. 0-..2-.. 0-..2-.. {score.pick('0.2.', '0210')}", low=36, level=0.7)
    score.part(piano, ".x.x", low=52, level=0.3)
    rhythms = f"xx-xx-x- x-xx-xx- .x-xx-x- x-x-xx-x xx-x.xx- xxxxx-x- {score.pick('x--xx---', 'xxx.')}"
    score.tune(piano, rhythms, low=score.pick(64, 67, 70), octave=score.pick(0.0, 0.6), level=0.6)


_LOOPS = {_MINOR: "Cm Cm Cm Cm | Cm7 Cm7 Abmaj7 Bb | Cm9 Cm9 Fm9 Fm9 | Cm Eb Cm Bb"}


@_style(124, 138, _LOOPS, swing=0.2, feel=0.0)
def _techno(score: Score) -> None:
    """Write four on the floor, hats off the beat, a bass riff without end and stabs that echo."""
    score.part(_KICK, f"xxxx xxxx xxxx {score.pick('xxxx', 'x.x.x.xx', 'x...x...x...xxxx')}", level=1.3)
    score.part(_OPEN_HAT, ".x.x.x.x", level=0.6)
    score.part(_HAT, score.ghosts("x.x.x.x.x.x.x.x.", 0.4), level=0.45, presence=0.8)
    score.part(_CLAP, ".x.x", level=0.4, presence=0.7)
    riff = "0" + "".join(score.pick(*"000122334-....") for _ in range(15))
    score.part(score.pick(_ACID, _REESE), riff, low=33, level=0.8)
    stab = score.pick("..x..x....x.....", "...x..x.........", "x..x..x.........")
    score.part(_STAB, f"{stab} {score.pick(stab, '.')}", level=0.25, presence=0.8, echo=0.45)
    score.part(_PAD, "x", low=55, level=0.12, presence=0.4)
    score.part(_TOM, score.ghosts("................", 0.2), level=0.4, presence=0.5)


_DANCES = {
    _MAJOR: "C C G7 G7 | G7 G7 C C | F C G7 C | C A7 Dm G7 | C Am Dm G7",
    _MINOR: "Cm Cm G7 G7 | Fm Cm G7 Cm | Cm Ab Fm G7 | Eb Bb G7 Cm",
}


@_style(156, 190, _DANCES, beats=3, room=0.4, feel=0.01)
def _waltz(score: Score) -> None:
    """Write one in the bass, two and three above it, and strings or an accordion that sing and turn."""
    score.part(score.pick(_BASS, _TUBA), "0.. 2..", low=36, level=0.8)
    score.part(score.pick(_STRINGS, _ACCORDION, _PIANO), score.pick("..x.x.", ".xx", "..x-x."), low=55, level=0.35)
    lead = score.pick(_STRINGS, _ACCORDION, _CLARINET)
    score.tune(lead, "x-x xxx x--xx- x-xxxx x x-.", low=67, level=0.6)
    score.tune(score.pick(_FLUTE, _STRINGS), "x x-x x", low=74, level=0.25, presence=0.5)
    score.part(_STRINGS, "x", low=60, level=0.15, presence=0.6)


STYLES: tuple[str, ...] = tuple(sorted(_BOOK))
TEMPI: Mapping[str, tuple[float, float]] = {name: _BOOK[name].tempo for name in STYLES}


def compose(style: str, rng: Rng, *, seconds: float = 30.0, sample_rate: int = 22050) -> Samples:
    """Return a new track of a style.

    Parameters
    ----------
    style : str
        One of `STYLES`.
    rng : numpy.random.Generator
        Source of everything by which one track differs from another.
    seconds : float, default 30
        Length of the track, at least 0.5 s.
    sample_rate : int, default 22050
        In Hz, from 4000 to 48000.

    Returns
    -------
    ndarray of float32, shape (round(seconds * sample_rate),)
        Mono samples without DC, whose peak lies between 0.3 and 0.95.

    Raises
    ------
    ValueError
        For a style, a length or a sample rate that is not allowed.

    Examples
    --------
    >>> compose("waltz", np.random.default_rng(7), seconds=2).shape
    (44100,)
    """
    _check([style], seconds, sample_rate)
    score = Score(_BOOK[style], rng, seconds)
    _BOOK[style].write(score)
    return _master(_perform(score, round(seconds * sample_rate), sample_rate), score, sample_rate)


def _check(styles: Sequence[str], seconds: float, sample_rate: int) -> None:
    for style in styles:
        if style not in _BOOK:
            raise ValueError(f"unknown style {style!r}: choose from {', '.join(STYLES)}")
    if not 0.5 <= seconds < math.inf:
        raise ValueError(f"a track of {seconds} seconds: allowed are 0.5 and more")
    if not 4000 <= sample_rate <= 48000:
        raise ValueError(f"sample_rate {sample_rate} Hz: allowed are 4000 to 48000")


class _Job(NamedTuple):
    path: Path
    style: str
    seed: tuple[int, int, int]
    seconds: float
    sample_rate: int


def _write(job: _Job) -> Path:
    """Compose one track into its WAV file, which appears under its name only when it is whole."""
    rng = np.random.default_rng(job.seed)
    track = compose(job.style, rng, seconds=job.seconds, sample_rate=job.sample_rate)
    unfinished = job.path.with_name(f".{job.path.name}.{os.getpid()}")
    try:
        with wave.open(str(unfinished), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(job.sample_rate)
            file.writeframes(np.rint(track * 32768).astype("<i2").tobytes())
        return unfinished.replace(job.path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_corpus(
    folder: Path,
    *,
    tracks: int = 10,
    seconds: float = 30.0,
    sample_rate: int = 22050,
    seed: int = 0,
    styles: Sequence[str] = STYLES,
    jobs: int = 1,
    on_track: Callable[[Path], None] | None = None,
) -> list[Path]:
    """Write tracks of every style as ``folder/<style>/<style>.<number>.wav``, mono, 16-bit.

    A track depends on the seed, its style and its number only, and so is the same, byte for byte, however
    many others are written, and by however many processes.

    Parameters
    ----------
    folder : Path
        Where the styles' folders go; made when missing. Files of the same name are replaced.
    tracks : int, default 10
        Number of tracks per style.
    seconds : float, default 30
        Length of a track, at least 0.5 s.
    sample_rate : int, default 22050
        In Hz, from 4000 to 48000.
    seed : int, default 0
        Not negative; another seed gives another corpus.
    styles : sequence of str, default STYLES
        Which styles to write.
    jobs : int, default 1
        Number of processes.
    on_track : callable, optional
        Called with each path, in order, when its file is whole. What it raises ends the writing.

    Returns
    -------
    list of Path
        The files, style by style.

    Raises
    ------
    ValueError
        For a style, length, sample rate or number that is not allowed; nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = write_corpus(Path(folder), tracks=2, seconds=1, styles=["bossa"])
    >>> [path.name for path in paths]
    ['bossa.00000.wav', 'bossa.00001.wav']
    """
    _check(styles, seconds, sample_rate)
    if tracks < 0 or seed < 0 or jobs < 1:
        raise ValueError(f"tracks={tracks}, seed={seed}, jobs={jobs}: allowed are 0, 0 and 1 and more")
    queue = []
    for style in styles:
        (folder / style).mkdir(parents=True, exist_ok=True)
        for track in range(tracks):
            path = folder / style / f"{style}.{track:05}.wav"
            queue.append(_Job(path, style, (seed, STYLES.index(style), track), seconds, sample_rate))
    written = []
    with closing(_each(queue, jobs)) as paths:  # when on_track raises, the processes end before this does
        for path in paths:
            written.append(path)
            if on_track:
                on_track(path)
    return written


def _each(queue: Sequence[_Job], jobs: int) -> Generator[Path, None, None]:
    """Yield the path of every job when it is written, in order."""
    if jobs == 1:
        yield from map(_write, queue)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_write, queue)  # when closed, it cancels what has not begun
