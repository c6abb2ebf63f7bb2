"""Sound that goes on → a running verdict, several times in a second's reach of it, in constant memory.

Clips of the model's length slide over the sound. What the network says of each (log-probabilities) is averaged with
what it said before, and what it said `memory` seconds ago weighs 1/e of what it says now::

    mean(t) = sum_k exp(-(t - t_k) / memory) log p_k  /  sum_k exp(-(t - t_k) / memory)

The mean becomes probabilities as a track's does in :mod:`earmark.inference.classifier`: by the card's temperature.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.clips import SILENCE_DB
from earmark.audio.streams.buffer import StreamBuffer
from earmark.audio.streams.open import open_stream
from earmark.audio.streams.stream import Block, Stream
from earmark.errors import SettingError
from earmark.inference.aggregate import pooled
from earmark.inference.classifier import Tagger

PAUSE = 2.0
"""Seconds of silence after which nothing is playing any more, and what was heard before is forgotten."""

LATE = 0.25
"""Seconds behind from which on, of live sound, a verdict is left out if the next one is due already."""

FLOOR_DB = -120.0
"""Level of silence itself, in dB re full scale."""


@dataclass(frozen=True)
class RunningVerdict:
    """What is playing at one moment.

    Attributes
    ----------
    time : float
        Seconds of sound since the beginning, up to the newest that was heard.
    genre : str or None
        The most probable genre; None when unknown.
    reason : str or None
        Why unknown: "too short" (just begun), "silence" or "low confidence".
    confidence : float
        Probability of the most probable genre, named or not; 0 where there is none.
    genres : dict of str to float
        Probabilities, most probable first; empty where nothing can be said.
    title : str or None
        What is playing, where the source says so.
    behind : float
        Seconds from the arrival of the newest sample to this verdict.
    level : float
        RMS since the last verdict, in dB re full scale.
    skipped : int
        Verdicts left out just before this one, because the machine could not keep up.
    """

    time: float
    genre: str | None
    reason: str | None
    confidence: float
    genres: dict[str, float]
    title: str | None
    behind: float
    level: float
    skipped: int

    def to_dict(self, top: int | None = None) -> dict[str, Any]:
        """Return the fields of ``earmark listen --format json``, of the `top` genres."""
        return {
            "time": round(self.time, 3),
            "genre": self.genre,
            "reason": self.reason,
            "confidence": round(self.confidence, 4),
            "genres": {name: round(p, 4) for name, p in list(self.genres.items())[:top]},
            "title": self.title,
            "behind": round(self.behind, 3),
            "level": round(self.level, 1),
            "skipped": self.skipped,
        }


class Memory:
    """Mean of log-probabilities that forgets exponentially.

    Parameters
    ----------
    seconds : float
        After so long, what was heard weighs 1/e; 0 remembers nothing.

    Examples
    --------
    >>> memory = Memory(5.0)
    >>> memory.update(np.array([0.0]), 1.0), memory.update(np.array([1.0]), 6.0).round(3)
    (array([0.]), array([0.731]))
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._sum: NDArray[np.float64] | float = 0.0
        self._weight, self._time = 0.0, 0.0

    def update(self, log_probabilities: NDArray[np.float64], now: float) -> NDArray[np.float64]:
        """Take what was heard at `now` (seconds); return the mean."""
        keep = math.exp((self._time - now) / self.seconds) if self.seconds else 0.0
        total: NDArray[np.float64] = keep * self._sum + log_probabilities
        self._sum, self._weight, self._time = total, keep * self._weight + 1, now
        return total / self._weight


class Window:
    """The last samples of a stream.

    Parameters
    ----------
    length : int
        How many.
    """

    def __init__(self, length: int) -> None:
        self._kept = np.zeros(2 * length, np.float32)
        self._length, self._end = length, 0
        self._begin = 0

    def clear(self) -> None:
        """Forget them."""
        self._begin = self._end = 0

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take new ones, at most `length` at once."""
        if self._end + len(samples) > len(self._kept):
            last = self.samples
            self._kept[: len(last)] = last
            self._begin, self._end = 0, len(last)
        self._kept[self._end : self._end + len(samples)] = samples
        self._end += len(samples)

    @property
    def samples(self) -> NDArray[np.float32]:
        """A copy of the last `length` samples, or of as many as there are."""
        return self._kept[max(self._begin, self._end - self._length) : self._end].copy()


class Listener:
    """Turns blocks into running verdicts; one stream each.

    Parameters
    ----------
    tagger : Tagger
    every : float
        Seconds from verdict to verdict.
    memory : float
        Seconds, see above.
    """

    def __init__(self, tagger: Tagger, every: float, memory: float) -> None:
        self._tagger, self._memory = tagger, Memory(memory)
        self.rate = tagger.card.front_end.sample_rate
        self._hop = round(every * self.rate)
        self._window = Window(tagger.card.clip_length)
        self._heard, self._due = 0, self._hop  # samples since the beginning; at which the next verdict falls due
        self._power, self._fresh = 0.0, 0  # of the samples since the last verdict; how many they are
        self._quiet = 0  # samples of silence that were heard last
        self._skipped = 0

    def take(self, block: Block, waiting: int | None = None) -> Iterator[RunningVerdict]:
        """Hear a block; give a verdict for each moment in it at which one is due.

        Of live sound, `waiting` says how many newer samples there are already; then none is given for moments that
        are long past. Of any other sound, nothing is left out.
        """
        if block.lost:
            self._heard += block.lost
            missed = max(0, (self._heard - self._due) // self._hop + 1)
            self._skipped += missed
            self._due += missed * self._hop
            self._window.clear()
        rest = block.samples
        while len(rest):
            part, rest = rest[: self._due - self._heard], rest[self._due - self._heard :]
            for start in range(0, len(part), self._hop):
                self._listen(part[start : start + self._hop])
            if self._heard < self._due:
                continue
            self._due += self._hop
            newer = waiting is not None and len(rest) + waiting >= self._hop
            if newer and time.monotonic() - block.arrived > LATE:
                self._skipped += 1
            else:
                yield self._verdict(block)

    def _listen(self, samples: NDArray[np.float32]) -> None:
        self._heard += len(samples)
        self._window.push(samples)
        self._power += float(np.dot(samples, samples))
        self._fresh += len(samples)

    def _verdict(self, block: Block) -> RunningVerdict:
        level = 10 * math.log10(max(self._power / max(1, self._fresh), 10 ** (FLOOR_DB / 10)))
        self._quiet = self._quiet + self._fresh if level < SILENCE_DB else 0
        self._power, self._fresh = 0.0, 0
        reason, genres = self._answer()
        confidence = next(iter(genres.values()), 0.0)
        genre = None if reason else next(iter(genres))
        skipped, self._skipped = self._skipped, 0
        behind = max(0.0, time.monotonic() - block.arrived)
        now = self._heard / self.rate
        return RunningVerdict(now, genre, reason, confidence, genres, block.title, behind, level, skipped)

    def _answer(self) -> tuple[str | None, dict[str, float]]:
        """Why there is no genre, if so; and the probabilities, where there are any."""
        if self._quiet >= PAUSE * self.rate:
            self._window.clear()
            self._memory.forget()
            return "silence", {}
        samples = self._window.samples
        if not self._tagger.enough(len(samples)):
            return "too short", {}
        log_probabilities = self._tagger.hear(samples)
        if log_probabilities is None:
            return "silence", {}
        mean = self._memory.update(log_probabilities, self._heard / self.rate)
        calibration = self._tagger.card.calibration
        genres = self._tagger.named(pooled(mean[None], calibration.track_temperature))
        certain = next(iter(genres.values())) >= calibration.threshold
        return None if certain else "low confidence", genres


def follow(
    tagger: Tagger, source: Stream | str | os.PathLike[str], *, every: float = 0.5, memory: float = 5.0
) -> Generator[RunningVerdict, None, None]:
    """Name the genre of what is playing, again and again.

    The source is heard in a thread of its own. Close the generator (or leave its loop) to end it. Of live sound,
    what the machine is too slow for is left out, and the next verdict says so; any other source is made to wait.

    Parameters
    ----------
    tagger : Tagger
    source : Stream, str or path
        A stream; or what :func:`earmark.audio.streams.open.open_stream` makes one of: an address, a file, ``"-"`` for
        standard input, ``"microphone"``.
    every : float
        Seconds of sound from one verdict to the next, 0.1 to 60.
    memory : float
        Seconds after which what was heard weighs 1/e in the answer; 0 for the last clip only.

    Yields
    ------
    RunningVerdict
        The first ones may be "too short": an answer needs 2.5 s of sound with the bundled models.

    Raises
    ------
    SettingError
        If a setting makes no sense.
    AudioError
        If the source cannot be heard, or fails for good.

    Examples
    --------
    >>> import io
    >>> from earmark.audio.streams.stream import Pcm, Pipe
    >>> quiet = Pipe(io.BytesIO(bytes(2 * 8000 * 3)), Pcm(8000))  # three seconds of nothing
    >>> [(verdict.time, verdict.reason) for verdict in follow(Tagger(), quiet, every=1)]
    [(1.0, 'too short'), (2.0, 'silence'), (3.0, 'silence')]
    """
    if not 0.1 <= every <= 60 or not 0 <= memory <= 3600:
        raise SettingError(f"a verdict every {every:g} s with a memory of {memory:g} s: need 0.1 to 60, and 0 to 3600")
    stream = source if isinstance(source, Stream) else open_stream(os.fspath(source))
    listener = Listener(tagger, every, memory)
    return _following(listener, stream)


def _following(listener: Listener, stream: Stream) -> Generator[RunningVerdict, None, None]:
    with StreamBuffer(stream, listener.rate) as relay:
        for block in relay:
            yield from listener.take(block, relay.waiting if stream.live else None)
