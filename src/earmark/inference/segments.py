"""Running verdicts → segments of one genre, without flicker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from earmark.inference.verdict import DOUBTS

if TYPE_CHECKING:
    from earmark.inference.live import RunningVerdict

MIN_DURATION = 3.0
"""Seconds that another genre must last before it counts as a change."""

MAX_GAP = 10.0
"""Seconds after which a genre that no longer occurs has ended, whatever follows it."""

_DOUBT = "no genre stands out"
"""What all doubts are in a segment: one may follow another many times while the music stays the same."""

_Label = tuple[str | None, str | None]  # genre, or reason why there is none


@dataclass(frozen=True)
class Segment:
    """A stretch of one genre, or of none.

    Attributes
    ----------
    start, end : float
        Seconds of sound since the beginning. Each segment begins where the one before ended.
    genre : str or None
    reason : str or None
        Why there is no genre: "silence", "speech", "no music" or, whatever the doubt was, "no genre stands out".
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
class _Run:
    """A run of verdicts with one label, so far."""

    label: _Label
    start: float
    title: str | None
    total: float = 0.0
    count: int = 0

    def add(self, verdict: RunningVerdict) -> None:
        self.total += verdict.genres.get(self.label[0] or "", 0.0)
        self.count += 1

    def end_at(self, end: float) -> Segment:
        return Segment(self.start, end, *self.label, self.total / max(1, self.count), self.title)


@dataclass
class Segmenter:
    """Finds the moments at which the genre changes, from running verdicts in order.

    A segment ends where another genre begins that lasts for :data:`MIN_DURATION` seconds without a break, or an
    "unknown" that lasts for :data:`MAX_GAP`. It also ends once its own genre has not occurred for :data:`MAX_GAP`
    seconds, if several others alternate. Silence and a new title end it at once. What remains of a genre after a
    title, or at the beginning, is a segment only from :data:`MIN_DURATION` on.

    Examples
    --------
    >>> from earmark.inference.live import RunningVerdict
    >>> def running(time, genre):
    ...     return RunningVerdict(time, genre, None, 0.8, {genre: 0.8}, None, 0.0, -20.0, 0)
    >>> genres = ["jazz"] * 8 + ["rock"] + ["jazz"] + ["rock"] * 5
    >>> [(s.start, s.end, s.genre) for s in find_segments(running(i + 1.0, g) for i, g in enumerate(genres))]
    [(0.0, 10.0, 'jazz'), (10.0, 15.0, 'rock')]
    """

    _now: float = field(default=0.0, init=False)
    _last_time: float = field(default=0.0, init=False)  # of the current label
    _current: _Run | None = field(default=None, init=False)
    _other: _Run | None = field(default=None, init=False)

    def update(self, verdict: RunningVerdict) -> Segment | None:
        """Take the next verdict; return the segment that it shows to have ended, if one has."""
        before, self._now = self._now, verdict.time
        label: _Label = (verdict.genre, _DOUBT if verdict.reason in DOUBTS else verdict.reason)
        if label[1] == "too short":
            return None
        if self._current is None:
            self._current = _Run(label, 0.0, verdict.title)
        # a title may end one segment, and the verdict itself begin another run
        ended = self._change_title(verdict, label, before)
        if label == self._current.label:
            self._other, self._last_time = None, self._now
            self._current.add(verdict)
            return ended
        # another label: a candidate, dated to the verdict before
        if self._other is None or self._other.label != label:
            self._other = _Run(label, before, verdict.title)
        self._other.add(verdict)
        held = self._now - self._other.start
        # the other label has lasted, or the current one gave way to several that alternate
        if held >= _min_duration(label) or self._now - self._last_time >= MAX_GAP:
            return self._switch(self._other) or ended
        return ended

    def _switch(self, to: _Run) -> Segment | None:
        """Go on with another stretch; what was too short to count, after a title or at the beginning, becomes its."""
        before, self._current, self._other, self._last_time = self._current, to, None, self._now
        assert before is not None
        # too short to be a segment: what follows takes over its beginning
        # silence has a minimum of 0, so on neither side is it merged
        if to.start - before.start < min(MIN_DURATION, _min_duration(before.label), _min_duration(to.label)):
            to.start, to.title = before.start, to.title or before.title
            return None
        return before.end_at(to.start)

    @property
    def open(self) -> Segment | None:
        """The segment that still goes on, as far as it is known; None before the first."""
        return self._current.end_at(self._now) if self._current else None

    def _change_title(self, verdict: RunningVerdict, label: _Label, before: float) -> Segment | None:
        """End the segment where another title begins."""
        current = self._current
        if current is None or verdict.title in (None, current.title):
            return None
        # the first title that is known names the segment that goes on
        if current.title is None:
            current.title = verdict.title
            return None
        # the genre goes on under the new title until another has lasted; silence begins at once
        self._current = _Run(current.label if _min_duration(label) else label, before, verdict.title)
        self._other, self._last_time = None, before
        return current.end_at(before)


def find_segments(verdicts: Iterable[RunningVerdict]) -> Iterator[Segment]:
    """Yield the segments of running verdicts, each as soon as it has ended; at last the one that still went on."""
    segmenter = Segmenter()
    for verdict in verdicts:
        if ended := segmenter.update(verdict):
            yield ended
    if segmenter.open:
        yield segmenter.open


def _min_duration(label: _Label) -> float:
    # to be unsure for a while between two of a genre is no change; speech is one, as another genre is
    return {"silence": 0.0, _DOUBT: MAX_GAP}.get(label[1] or "", MIN_DURATION)
