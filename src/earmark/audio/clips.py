"""A signal or an endless stream → clips of equal length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.errors import SettingError

SILENCE_DB = -70.0
"""RMS in dB re full scale below which a clip is silence (16-bit rounding noise alone is at -101)."""


@dataclass(frozen=True)
class Clip:
    """A stretch of sound.

    Attributes
    ----------
    start : int
        First sample, counted from the beginning of the signal.
    samples : ndarray of float32, shape (clip_length,)
        Padded with zeros at the signal's end.
    length : int
        Number of the signal's own samples, without padding.
    """

    start: int
    samples: NDArray[np.float32]
    length: int

    @property
    def silent(self) -> bool:
        """Whether its own samples lie below :data:`SILENCE_DB`."""
        power = np.mean(np.square(self.samples[: self.length], dtype=np.float64))
        # a power, hence dB / 10, not the dB / 20 of an amplitude
        return bool(power < 10 ** (SILENCE_DB / 10))


def cut(blocks: Iterable[NDArray[np.float32]], clip_length: int, hop_length: int | None = None) -> Iterator[Clip]:
    """Cut a stream of blocks into clips, holding no more than one clip and one block in memory.

    A remainder of half a hop or more is padded with zeros and kept, a shorter one dropped, unless it is all there is:
    30 s cut at 5 s give exactly six clips, 32 s six, 33 s seven, and 0.1 s one.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (samples,)
        The signal, in pieces of any size.
    clip_length : int
        Samples a clip.
    hop_length : int, optional
        Samples from one clip's start to the next; `clip_length` (no overlap) when left out.

    Raises
    ------
    SettingError
        If a length is not positive, or clips would leave gaps (hop longer than clip).

    Examples
    --------
    >>> [(c.start, c.length) for c in cut([np.ones(7), np.ones(6)], 5)]
    [(0, 5), (5, 5), (10, 3)]
    """
    hop = _check_hop(clip_length, hop_length)
    buffer = np.empty(0, np.float32)
    start = 0
    for block in blocks:
        buffer = np.concatenate([buffer, block])
        while len(buffer) >= clip_length:
            # a copy: overlapping clips must not share samples, and a view would keep the whole buffer alive
            yield Clip(start, buffer[:clip_length].copy(), clip_length)
            buffer = buffer[hop:]
            start += hop
    if _is_clip(len(buffer), start, clip_length, hop):
        yield Clip(start, np.pad(buffer, (0, clip_length - len(buffer))), len(buffer))


def _check_hop(clip_length: int, hop_length: int | None) -> int:
    hop = clip_length if hop_length is None else hop_length
    if not 0 < hop <= clip_length:
        raise SettingError(f"clip length {clip_length} and hop {hop}: need 0 < hop <= clip length (samples)")
    return hop


def _is_clip(rest: int, start: int, clip_length: int, hop: int) -> bool:
    """Tell whether a remainder of so many samples, which begins at `start`, is a clip: the rule of :func:`cut`."""
    # samples that no clip has yet: the previous clip overlaps by clip_length - hop
    fresh = rest - (clip_length - hop if start else 0)
    return rest > 0 and (start == 0 or 2 * fresh >= hop)


def spans(length: int, clip_length: int, hop_length: int | None = None) -> list[tuple[int, int]]:
    """Return start and length, in samples, of the clips that :func:`cut` would give of a signal of `length` samples.

    Examples
    --------
    >>> spans(13, 5)
    [(0, 5), (5, 5), (10, 3)]
    """
    hop = _check_hop(clip_length, hop_length)
    # clip i is whole if i · hop + clip_length <= length
    whole = max(0, (length - clip_length) // hop + 1)
    rest = length - whole * hop
    last = [(whole * hop, rest)] if _is_clip(rest, whole * hop, clip_length, hop) else []
    return [(i * hop, clip_length) for i in range(whole)] + last


def preview_starts(duration: float, clip_seconds: float, count: int = 6) -> list[float]:
    """Return the starts, in seconds, of `count` clips spread over a file of `duration` seconds; fewer if it is short.

    Each clip lies in the middle of one of `count` equal parts, so intros and endings weigh no more than they should.

    Examples
    --------
    >>> preview_starts(60.0, 5.0, 3)
    [7.5, 27.5, 47.5]
    """
    count = min(count, int(duration // clip_seconds))
    # the middle of part i, less half a clip
    return [(i + 0.5) * duration / count - clip_seconds / 2 for i in range(count)]


def cut_frames(
    frames: NDArray[np.float32],
    duration: float,
    clip_seconds: float,
    clip_frames: int,
    hop_seconds: float | None = None,
) -> list[tuple[float, NDArray[np.float32]]]:
    """Cut a track's evenly spaced frames into the clips that :func:`cut` would give of its sound.

    Parameters
    ----------
    frames : ndarray, shape (frames, bins)
        The whole track, of `duration` seconds.
    clip_seconds, hop_seconds : float
        Seconds a clip, and from one clip's start to the next (`clip_seconds` when left out).
    clip_frames : int
        Frames of one full clip.

    Returns
    -------
    list of (start in seconds, ndarray of shape (up to clip_frames, bins))

    Examples
    --------
    >>> [(s, len(c)) for s, c in cut_frames(np.zeros((387, 128)), 30.0, 5.0, 64)][:2]
    [(0.0, 64), (5.0, 64)]
    """
    hop = None if hop_seconds is None else round(hop_seconds * 1000)
    # spans of milliseconds, rounded to frames below
    clips = spans(round(duration * 1000), round(clip_seconds * 1000), hop)
    per_second = len(frames) / duration
    wanted = [(start / 1000, min(clip_frames, max(1, round(n / 1000 * per_second)))) for start, n in clips]
    return [(start, frames[round(start * per_second) :][:n]) for start, n in wanted]
