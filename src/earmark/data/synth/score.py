"""Scores: notes in beats, and the tempo, key, chords and form that the parts of a track share.

Patterns are strings, bars parted by spaces, each a row of equal steps: ``x`` plays the chord (or strikes the
drum), ``X`` louder, ``o`` softer; a digit plays that tone of the chord, counted up from its root; ``-`` holds
and ``.`` rests. So ``"xxxx"`` is four crotchets of a bar of four, and ``"x"`` its semibreve. Chord symbols
are spelt as if the key were C, and sound in the track's own key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from earmark.data.synth.instruments import Drum, Rng, Tone

T = TypeVar("T")
# Semitones above the tonic.
Scale = tuple[int, ...]
# Semitones above the key's tonic, the root first.
Chord = tuple[int, ...]
# Onset and length in beats, MIDI pitch, velocity.
Sketch = tuple[float, float, float, float]
# Writes a phrase over its chords.
Line = Callable[[list[Chord]], Iterator[Sketch]]
# Bars in a phrase: chords, melodies and fills all turn over with it.
_PHRASE = 4
_ROOTS = {name: n for n, name in enumerate(["C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"])}
MAJOR: Scale = (0, 2, 4, 5, 7, 9, 11)
MINOR: Scale = (0, 2, 3, 5, 7, 8, 10)
DORIAN: Scale = (0, 2, 3, 5, 7, 9, 10)
PELOG: Scale = (0, 1, 3, 7, 8)
SLENDRO: Scale = (0, 2, 5, 7, 10)
_QUALITIES = {
    "": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "m7": (0, 3, 7, 10), "maj7": (0, 4, 7, 11),
    "6": (0, 4, 7, 9), "m6": (0, 3, 7, 9), "9": (0, 4, 7, 10, 14), "m9": (0, 3, 7, 10, 14),
    "maj9": (0, 4, 7, 11, 14), "sus": (0, 5, 7), "dim": (0, 3, 6, 9), "pelog": PELOG, "slendro": SLENDRO,
}  # fmt: skip
# Every other mark has 0.7.
_VELOCITIES = {"X": 1.0, "o": 0.35}


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
        # semitones by which each degree departs from equal temperament
        self.tuning = np.zeros(12)
        self.scale = self.pick(*style.modes)
        phrases = math.ceil(seconds * self.tempo / 60 / style.beats / _PHRASE)
        form = self.pick("AABA", "ABAC", "ABAB", "AABB", "ABCB")
        self.form = [form[n % 4] for n in range(phrases)]
        progressions = [parse_chords(symbols) for symbols in style.modes[self.scale].split("|")]
        order = rng.permutation(len(progressions))
        self.chords = {part: progressions[order[n % len(order)]] for n, part in enumerate("ABC")}

    def pick(self, *choices: T) -> T:
        """Return one of `choices`."""
        return choices[self.rng.integers(len(choices))]

    def ghosts(self, pattern: str, chance: float) -> str:
        """Return `pattern` with soft strokes in some of its rests."""
        return "".join("o" if mark == "." and self.rng.random() < chance else mark for mark in pattern)

    def play(self, voice: Tone | Drum, bars: str, low: int = 60, **mix: float) -> None:
        """Play `bars` over and over, upwards from MIDI pitch `low`; see `_place` for `mix`."""
        patterns = bars.split()

        def line(chords: list[Chord]) -> Iterator[Sketch]:
            for bar, chord in enumerate(chords):
                for onset, length, mark in parse_pattern(patterns[bar % len(patterns)], self.style.beats):
                    for pitch in (0,) if isinstance(voice, Drum) else self._pitches(mark, chord, low):
                        yield bar * self.style.beats + onset, length, pitch, _VELOCITIES.get(mark, 0.7)

        self._place(voice, line, **mix)

    def sing(self, voice: Tone, bars: str, low: int, octave: float = 0.0, **mix: float) -> None:
        """Sing a melody between MIDI pitches `low` and ``low + 18``; see `_place` for `mix`.

        A phrase is a motif, the motif over the next chord, a turn, and a close in the last of `bars`.
        On the beat the melody has a tone of the chord; between the beats it moves by steps and leaps.
        `octave` is how loud, against it, the same is doubled an octave above.
        """
        *rhythms, close = bars.split()
        motif, turn = self.pick(*rhythms), self.pick(*rhythms)
        # steps of the melody on the ladder of allowed pitches; now and then the line turns round
        turns = np.where(self.rng.random(32) < 0.35, -1, 1)
        moves = np.cumprod(turns) * self.rng.choice([0, 1, 1, 1, 1, 2, 2], 32)

        def line(chords: list[Chord]) -> Iterator[Sketch]:
            pitch = low + int(self.rng.integers(5, 14))
            for bar, (chord, rhythm) in enumerate(zip(chords, (motif, motif, turn, close), strict=True)):
                for i, (onset, length, mark) in enumerate(parse_pattern(rhythm, self.style.beats)):
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
        # every chord in one octave: voices keep common tones and move little
        if not mark.isdigit():
            return sorted({low + (self.tonic + tone - low) % 12 for tone in chord})
        # digits count on into the next octave, after the chord's last tone
        octave, tone = divmod(int(mark), len(chord))
        return [low + (self.tonic + chord[0] - low) % 12 + chord[tone] - chord[0] + 12 * octave]

    def _ladder(self, chord: Chord, low: int, *, chordal: bool) -> list[int]:
        """Return the pitches a melody may take: tones of `chord`, or of the scale that do not rub with it."""
        tones = {tone % 12 for tone in chord}
        # between the beats: tones of the scale, too, unless they are a semitone from one of the chord
        if not chordal:
            tones |= {tone for tone in self.scale if not {(tone - 1) % 12, (tone + 1) % 12} & tones}
        return [pitch for pitch in range(low, low + 19) if (pitch - self.tonic) % 12 in tones]

    def seconds(self, beat: float) -> float:
        """Return when `beat` sounds, in seconds; every second sixteenth comes late by the swing."""
        # the middle of an eighth is late by all of the swing, its ends by nothing
        eighth, within = divmod(beat * 2, 1)
        late = self.swing / 2 * (1 - abs(2 * within - 1))
        return max(0.0, (eighth + within + late) / 2 * 60 / self.tempo)


def _climb(rungs: list[int], pitch: int, move: int) -> int:
    """Return the rung that lies `move` above `pitch`, turning back at the ends; the nearest for no move."""
    ahead = [rung for rung in rungs if (rung - pitch) * move >= 0 and (rung != pitch or not move)]
    if not ahead:
        return _climb(rungs, pitch, -move)
    return sorted(ahead, key=lambda rung: abs(rung - pitch))[max(0, min(abs(move), len(ahead)) - 1)]


def parse_pattern(pattern: str, beats: int) -> Iterator[tuple[float, float, str]]:
    """Yield onset and length, in beats, and the mark of every stroke in a bar's `pattern`."""
    step = beats / len(pattern)
    for stroke in re.finditer("[^.-]-*", pattern):
        yield stroke.start() * step, len(stroke[0]) * step, stroke[0][0]


def parse_chords(symbols: str) -> list[Chord]:
    """Return the chords of a progression as semitones above the tonic, roots first."""
    chords = []
    for symbol in symbols.split():
        root = symbol[:2] if symbol[1:2] == "b" else symbol[:1]
        chords.append(tuple(_ROOTS[root] + tone for tone in _QUALITIES[symbol[len(root) :]]))
    return chords
