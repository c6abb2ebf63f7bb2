"""The answer for one track, and for each of its clips."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ClipVerdict:
    """What the network heard in one clip.

    Attributes
    ----------
    start, end : float
        Seconds from the beginning of the track.
    genres : dict of str to float
        Calibrated probabilities, most probable first; empty for a silent clip.
    attention : tuple of float, or None
        One weight a frame, summing to 1: what the network looked at. None where it does not attend.
    """

    start: float
    end: float
    genres: dict[str, float]
    attention: tuple[float, ...] | None


@dataclass(frozen=True)
class Verdict:
    """The answer for one track.

    Attributes
    ----------
    genre : str or None
        The most probable genre; None when unknown.
    reason : str or None
        Why unknown: "low confidence", "silence" or "too short".
    confidence : float
        Calibrated probability of the most probable genre, named or not; 0 where nothing was heard.
    genres : dict of str to float
        Calibrated probabilities, most probable first; empty where nothing was heard.
    duration : float or None
        Seconds.
    clips : tuple of ClipVerdict
        In time order.
    model : str
        Name of the model.
    path : str or None
        Where the sound came from.
    error : str or None
        What went wrong, if anything; a damaged file may have both a verdict and an error.
    """

    genre: str | None
    reason: str | None
    confidence: float
    genres: dict[str, float]
    duration: float | None
    clips: tuple[ClipVerdict, ...] = field(repr=False)
    model: str
    path: str | None = None
    error: str | None = None

    @classmethod
    def failed(cls, model: str, path: str | None, error: str) -> Verdict:
        """Say of a track only that it could not be heard, and why."""
        return cls(None, None, 0.0, {}, None, (), model, path, error)

    @property
    def best(self) -> str | None:
        """The most probable genre, whether or not it is certain enough to be named."""
        return next(iter(self.genres), None)

    def to_dict(self, *, timeline: bool = False) -> dict[str, Any]:
        """Return the fields of ``earmark classify --format json``; clips only with `timeline`."""
        record = {
            "path": self.path,
            "genre": self.genre,
            "reason": self.reason,
            "confidence": round(self.confidence, 4),
            "genres": _rounded(self.genres),
            "duration": None if self.duration is None else round(self.duration, 3),
            "clips": [
                {
                    "start": round(clip.start, 3),
                    "end": round(clip.end, 3),
                    "genres": _rounded(clip.genres),
                    "attention": None if clip.attention is None else [round(a, 6) for a in clip.attention],
                }
                for clip in self.clips
            ],
            "error": self.error,
            "model": self.model,
        }
        if not timeline:
            del record["clips"]
        return record


def _rounded(genres: dict[str, float]) -> dict[str, float]:
    return {name: round(p, 4) for name, p in genres.items()}
