"""Running verdicts of a stream, in constant memory.

Clips, of the model's length or 5 s, slide over the sound. The network's log-probabilities of each are averaged with
earlier ones; those of `memory` seconds ago weigh 1/e of the newest. So are probabilities of styles, moods and kinds of
sound::

    mean(t) = sum_k exp(-(t - t_k) / memory) log p_k  /  sum_k exp(-(t - t_k) / memory)

The mean becomes probabilities as a track's does in :mod:`earmark.inference.aggregate`: by the card's temperature.
"""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.clips import SILENCE_DB, Clip
from earmark.audio.streams.buffer import StreamBuffer
from earmark.audio.streams.open import open_stream
from earmark.audio.streams.stream import Block, Stream
from earmark.errors import SettingError
from earmark.inference.aggregate import Answer, make_answer, mean_outputs
from earmark.inference.classifier import ClipClassifier
from earmark.inference.verdict import DISTRIBUTIONS, Reason, round_probabilities

WINDOW = 5.0
"""Seconds of sound in one answer at most, however long the model's clips are: change is heard the sooner."""

PAUSE = 2.0
"""Seconds of silence after which nothing is playing any more, and the running mean starts anew."""

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
        Seconds of sound since the beginning, up to the newest sample.
    genre : str or None
        The most probable genre; None when unknown.
    reason : str or None
        Why unknown, one of :data:`~earmark.inference.verdict.Reason`; "too short" has just started.
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
    styles, moods : dict of str to float
        As of :class:`~earmark.inference.verdict.Verdict`.
    """

    time: float
    genre: str | None
    reason: Reason | None
    confidence: float
    genres: dict[str, float]
    title: str | None
    behind: float
    level: float
    skipped: int
    styles: dict[str, float] = field(default_factory=dict)
    moods: dict[str, float] = field(default_factory=dict)

    def to_dict(self, top: int | None = None) -> dict[str, Any]:
        """Return the fields of ``earmark listen --format json``, of the `top` genres, styles and moods."""
        return {
            "time": round(self.time, 3),
            "genre": self.genre,
            "reason": self.reason,
            "confidence": round(self.confidence, 4),
            **{name: dict(islice(round_probabilities(getattr(self, name)).items(), top)) for name in DISTRIBUTIONS},
            "title": self.title,
            "behind": round(self.behind, 3),
            "level": round(self.level, 1),
            "skipped": self.skipped,
        }


class Memory:
    """A mean that forgets exponentially.

    Parameters
    ----------
    seconds : float
        After so long a value weighs 1/e; 0 remembers nothing.

    Examples
    --------
    >>> memory = Memory(5.0)
    >>> memory.update(np.array([0.0]), 1.0), memory.update(np.array([1.0]), 6.0).round(3)
    (array([0.]), array([0.731]))
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._sum: NDArray[np.float64] | float = 0.0
        self._weight, self._time = 0.0, 0.0

    def update(self, values: NDArray[Any], now: float) -> NDArray[np.float64]:
        """Add the values of the time `now` (seconds), and return the mean."""
        # after dt seconds all earlier weights shrink by exp(-dt / memory)
        keep = math.exp((self._time - now) / self.seconds) if self.seconds else 0.0
        # both sums of the module's formula, each updated from the one before
        total: NDArray[np.float64] = keep * self._sum + values
        self._sum, self._weight, self._time = total, keep * self._weight + 1, now
        return total / self._weight


class Window:
    """The last samples of a stream, at most `length`."""

    def __init__(self, length: int) -> None:
        # Twice the length, so that samples are moved to the front once a length, not with every push.
        self._kept = np.zeros(2 * length, np.float32)
        self._length, self._end = length, 0

    def clear(self) -> None:
        """Forget them."""
        self._end = 0

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take new ones."""
        samples = samples[-self._length :]
        # full: the last samples move to the front
        if self._end + len(samples) > len(self._kept):
            last = self.samples
            self._kept[: len(last)] = last
            self._end = len(last)
        self._kept[self._end : self._end + len(samples)] = samples
        self._end += len(samples)

    @property
    def samples(self) -> NDArray[np.float32]:
        """A copy of the last `length` samples, or of as many as there are."""
        return self._kept[max(0, self._end - self._length) : self._end].copy()


class LiveClassifier:
    """Turns the blocks of one stream into running verdicts.

    Parameters
    ----------
    classifier : ClipClassifier
    every : float
        Seconds from verdict to verdict.
    memory : float
        Seconds, see above.
    """

    def __init__(self, classifier: ClipClassifier, every: float, memory: float) -> None:
        # a running mean of each output that the model gives
        self._classifier, self._memories = classifier, defaultdict[str, Memory](partial(Memory, memory))
        self.rate = classifier.card.front_end.sample_rate
        self._hop = round(every * self.rate)
        self._window = Window(min(classifier.card.clip_length, round(WINDOW * self.rate)))
        # All in samples: since the beginning, until the next verdict, since the last one, of silence at the end.
        self._position, self._due, self._fresh, self._quiet = 0, self._hop, 0, 0
        self._energy = 0.0  # sum of squares since the last verdict
        self._skipped = 0

    def classify_block(self, block: Block, waiting: int | None = None) -> Iterator[RunningVerdict]:
        """Take a block; give a verdict for each moment in it at which one is due.

        Of live sound, `waiting` says how many newer samples there are already; then none is given for moments that
        are long past. Of any other sound, nothing is left out.
        """
        # time goes on over what was lost, and no clip may reach across the gap
        if block.lost:
            self._position += block.lost
            # verdicts were due at _due, _due + _hop, … up to the new position
            missed = max(0, (self._position - self._due) // self._hop + 1)
            self._skipped += missed
            self._due += missed * self._hop
            self._window.clear()
        rest = block.samples
        while len(rest):
            wanted = self._due - self._position
            part, rest = rest[:wanted], rest[wanted:]
            self._push(part)
            if self._position < self._due:
                continue
            self._due += self._hop
            # the sound of the next verdict is there already
            newer = waiting is not None and len(rest) + waiting >= self._hop
            if newer and time.monotonic() - block.arrived > LATE:
                self._skipped += 1
            else:
                yield self._verdict(block)

    def _push(self, samples: NDArray[np.float32]) -> None:
        self._window.push(samples)
        self._energy += float(np.dot(samples, samples))
        self._position += len(samples)
        self._fresh += len(samples)

    def _verdict(self, block: Block) -> RunningVerdict:
        # 10 log10 of the mean square, with a floor instead of minus infinity
        level = 10 * math.log10(max(self._energy / max(1, self._fresh), 10 ** (FLOOR_DB / 10)))
        # silence is counted in whole intervals, from verdict to verdict
        self._quiet = self._quiet + self._fresh if level < SILENCE_DB else 0
        self._energy, self._fresh = 0.0, 0
        answer = self._predict()
        skipped, self._skipped = self._skipped, 0
        return RunningVerdict(
            time=self._position / self.rate,
            title=block.title,
            behind=max(0.0, time.monotonic() - block.arrived),
            level=level,
            skipped=skipped,
            **answer._asdict(),
        )

    def _predict(self) -> Answer:
        if self._quiet >= PAUSE * self.rate:
            # what plays next may be other music: nothing heard before may weigh on it
            self._window.clear()
            self._memories.clear()
            return Answer(None, "silence", 0.0, {}, {}, {})
        samples, card = self._window.samples, self._classifier.card
        (clip,) = self._classifier.predict_clips([Clip(0, samples, len(samples))])
        if clip.log_probabilities is None:
            return Answer(None, clip.skipped or "silence", 0.0, {}, {}, {})
        now = self._position / self.rate
        mean = {name: self._memories[name].update(values, now) for name, values in mean_outputs([clip]).items()}
        return make_answer(mean, card, card.calibration.track_temperature)


def follow(
    classifier: ClipClassifier, source: Stream | str | os.PathLike[str], *, every: float = 0.5, memory: float = 5.0
) -> Generator[RunningVerdict, None, None]:
    """Name the genre of what is playing, again and again.

    The source is read in a thread of its own. Close the generator (or leave its loop) to end it. Of live sound,
    what the machine is too slow for is left out, and the next verdict says so; any other source is made to wait.

    Parameters
    ----------
    classifier : ClipClassifier
    source : Stream, str or path
        A stream; or what :func:`earmark.audio.streams.open.open_stream` makes one of: an address, a file, ``"-"`` for
        standard input, ``"microphone"``.
    every : float
        Seconds of sound from one verdict to the next, 0.1 to 60.
    memory : float
        Seconds after which a clip weighs 1/e in the answer; 0 for the last clip only.

    Yields
    ------
    RunningVerdict
        The first ones may be "too short": an answer needs 1 s of sound.

    Raises
    ------
    SettingError
        If a setting makes no sense.
    AudioError
        If the source cannot be read, or fails for good.

    Examples
    --------
    >>> import io
    >>> from earmark import Tagger
    >>> from earmark.audio.streams.stream import Pcm, Pipe
    >>> quiet = Pipe(io.BytesIO(bytes(2 * 8000 * 3)), Pcm(8000))  # three seconds of nothing
    >>> [(verdict.time, verdict.reason) for verdict in follow(Tagger(), quiet, every=1)]
    [(1.0, 'silence'), (2.0, 'silence'), (3.0, 'silence')]
    """
    if not 0.1 <= every <= 60 or not 0 <= memory <= 3600:
        raise SettingError(f"a verdict every {every:g} s with a memory of {memory:g} s: need 0.1 to 60, and 0 to 3600")
    stream = source if isinstance(source, Stream) else open_stream(os.fspath(source))
    live = LiveClassifier(classifier, every, memory)
    # a generator apart, so that bad settings raise at the call and not at the first verdict
    return _follow(live, stream)


def _follow(live: LiveClassifier, stream: Stream) -> Generator[RunningVerdict, None, None]:
    with StreamBuffer(stream, live.rate) as relay:
        for block in relay:
            yield from live.classify_block(block, relay.waiting if stream.live else None)
