"""Running verdicts → segments of one genre, without flicker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.inference.live import RunningVerdict

HOLD = 3.0
"""Seconds that another genre must last before it counts as a change."""

DOUBT = 10.0
"""Seconds after which a genre that is no longer heard has ended, whatever has come instead."""

_Sound = tuple[str | None, str | None]  # genre, or reason why there is none


@dataclass(frozen=True)
class Segment:
    """A stretch in which one genre was heard, or none.

    Attributes
    ----------
    start, end : float
        Seconds of sound since the beginning. Each segment begins where the one before ended.
    genre : str or None
    reason : str or None
        Why there is no genre: "silence" or "low confidence".
    confidence : float
        Mean probability of the genre over the segment's verdicts; 0 where there is none.
    title : str or None
        What was playing, where the source said so.
    """

    start: float
    end: float
    genre: str | None
    reason: str | None
    confidence: float
    title: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of ``earmark listen``'s segment lines."""
        times = {"start": round(self.start, 3), "end": round(self.end, 3)}
        rest = {"reason": self.reason, "confidence": round(self.confidence, 4), "title": self.title}
        return {**times, "genre": self.genre, **rest}


@dataclass
class _Stretch:
    """What is heard alike, so far."""

    sound: _Sound
    start: float
    title: str | None
    total: float = 0.0
    count: int = 0

    def add(self, verdict: RunningVerdict) -> None:
        self.total += verdict.genres.get(self.sound[0] or "", 0.0)
        self.count += 1

    def until(self, end: float) -> Segment:
        return Segment(self.start, end, *self.sound, self.total / max(1, self.count), self.title)


@dataclass
class Segmenter:
    """Notices where the genre changes, from running verdicts in order.

    Another genre must be heard for :data:`HOLD` seconds without a break, and "unknown" for :data:`DOUBT`, before the
    segment before it ends, then at the moment at which the other was heard first. Where one is no longer heard for
    :data:`DOUBT` seconds, and others come in turns, it ends too. Silence (which takes its time to be noticed) and a
    new title count at once; what is left of a genre after that, or at the beginning, counts from :data:`HOLD` on.

    Examples
    --------
    >>> from earmark.inference.live import RunningVerdict
    >>> def heard(time, genre):
    ...     return RunningVerdict(time, genre, None, 0.8, {genre: 0.8}, None, 0.0, -20.0, 0)
    >>> genres = ["jazz"] * 8 + ["rock"] + ["jazz"] + ["rock"] * 5
    >>> [(s.start, s.end, s.genre) for s in segments(heard(i + 1.0, g) for i, g in enumerate(genres))]
    [(0.0, 10.0, 'jazz'), (10.0, 15.0, 'rock')]
    """

    _now: float = field(default=0.0, init=False)
    _heard: float = field(default=0.0, init=False)  # when the current sound was last heard
    _current: _Stretch | None = field(default=None, init=False)
    _other: _Stretch | None = field(default=None, init=False)

    def update(self, verdict: RunningVerdict) -> Segment | None:
        """Take the next verdict; return the segment that it shows to have ended, if one has."""
        before, self._now = self._now, verdict.time
        sound: _Sound = (verdict.genre, None) if verdict.genre else (None, verdict.reason)
        if sound[1] == "too short":
            return None
        if self._current is None:
            self._current = _Stretch(sound, 0.0, verdict.title)
        ended = self._titled(verdict, sound, before)
        if sound == self._current.sound:
            self._other, self._heard = None, self._now
            self._current.add(verdict)
            return ended
        if self._other is None or self._other.sound != sound:
            self._other = _Stretch(sound, before, verdict.title)
        self._other.add(verdict)
        held = self._now - self._other.start
        if held >= _hold(sound) or self._now - self._heard >= DOUBT:
            return self._changed(self._other) or ended
        return ended

    def _changed(self, to: _Stretch) -> Segment | None:
        """Go on with another stretch; what was too short to count, after a title or at the beginning, becomes its."""
        before, self._current, self._other, self._heard = self._current, to, None, self._now
        assert before is not None
        if to.start - before.start < min(HOLD, _hold(before.sound), _hold(to.sound)):
            to.start, to.title = before.start, to.title or before.title
            return None
        return before.until(to.start)

    @property
    def open(self) -> Segment | None:
        """The segment that still goes on, as far as it is known; None before the first."""
        return self._current.until(self._now) if self._current else None

    def _titled(self, verdict: RunningVerdict, sound: _Sound, before: float) -> Segment | None:
        """End the segment where another title begins."""
        current = self._current
        if current is None or verdict.title in (None, current.title):
            return None
        if current.title is None:
            current.title = verdict.title
            return None
        self._current = _Stretch(current.sound if _hold(sound) else sound, before, verdict.title)
        self._other, self._heard = None, before
        return current.until(before)


def segments(verdicts: Iterable[RunningVerdict]) -> Iterator[Segment]:
    """Segments of running verdicts, each as soon as it has ended; at last the one that was still going on.

    Parameters
    ----------
    verdicts : iterable of RunningVerdict
        As from :meth:`earmark.inference.classifier.Tagger.follow`.

    Yields
    ------
    Segment
    """
    segmenter = Segmenter()
    for verdict in verdicts:
        if ended := segmenter.update(verdict):
            yield ended
    if segmenter.open:
        yield segmenter.open


def _hold(sound: _Sound) -> float:
    if sound[0]:
        return HOLD
    return 0.0 if sound[1] == "silence" else DOUBT
