"""The answer for one track, and for each of its clips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DISTRIBUTIONS = ("genres", "styles", "moods")
"""The fields of an answer that give a probability to each name."""

Doubt = Literal["unlike what it learned", "two genres alike", "not sure enough", "no genre stands out"]
"""Why music has probabilities of genres, but none is named."""

Reason = Literal["too short", "silence", "speech", "no music"] | Doubt
"""Why an answer is unknown. The first four have no probabilities."""

DOUBTS: tuple[Doubt, ...] = get_args(Doubt)


@dataclass(frozen=True)
class ClipVerdict:
    """The answer for one clip.

    Attributes
    ----------
    start, end : float
        Seconds from the beginning of the track.
    genres : dict of str to float
        Calibrated probabilities, most probable first; empty where there are none.
    attention : tuple of float, or None
        One weight a step (of the paper's models, a frame), summing to 1: what the network looked at. None where it
        does not attend.
    reason : str or None
        Why `genres` is empty, as a track's: one of :data:`Reason`.
    """

    start: float
    end: float
    genres: dict[str, float]
    attention: tuple[float, ...] | None
    reason: Reason | None = None


@dataclass(frozen=True)
class Verdict:
    """The answer for one track.

    Attributes
    ----------
    genre : str or None
        The most probable genre; None when unknown.
    reason : str or None
        Why unknown, one of :data:`Reason`: "too short", "silence", "speech", "no music", "unlike what it learned",
        "two genres alike", "not sure enough" or "no genre stands out".
    confidence : float
        Calibrated probability of the most probable genre, named or not; 0 where there is none.
    genres : dict of str to float
        Calibrated probabilities, most probable first; empty where there are none.
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
    styles, moods : dict of str to float
        Shares that sum to 1, most probable first; empty where the model tells none, or there are no genres.
    embedding : ndarray of float16, shape (634,), or None
        The encoder's features, as the mean over the clips that were heard of each clip's mean; None where nothing was
        heard, or the model does not give them. Neither in :meth:`to_dict` nor in :meth:`to_record`.
    """

    genre: str | None
    reason: Reason | None
    confidence: float
    genres: dict[str, float]
    duration: float | None
    clips: tuple[ClipVerdict, ...] = field(repr=False)
    model: str
    path: str | None = None
    error: str | None = None
    styles: dict[str, float] = field(default_factory=dict)
    moods: dict[str, float] = field(default_factory=dict)
    embedding: NDArray[np.float16] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def from_error(cls, model: str, path: str | None, error: str) -> Verdict:
        """Return the verdict on a track that could not be decoded, and why."""
        return cls(None, None, 0.0, {}, None, (), model, path, error)

    @property
    def best(self) -> str | None:
        """The most probable genre, whether or not it is certain enough to be named."""
        return next(iter(self.genres), None)

    def decide(self, threshold: float) -> Verdict:
        """Return the same answer with another threshold: the most probable genre where its probability reaches it.

        What has no probabilities, such as silence, stays as it is.

        Examples
        --------
        >>> answer = Verdict("jazz", None, 0.75, {"jazz": 0.75, "pop": 0.25}, 30.0, (), "mine")
        >>> answer.decide(0.5).genre, answer.decide(0.8).genre
        ('jazz', None)
        """
        if not self.genres:
            return self
        if self.confidence >= threshold:
            return replace(self, genre=self.best, reason=None)
        return replace(self, genre=None, reason=self.reason or explain_doubt(self.genres))

    def to_dict(self, *, timeline: bool = False) -> dict[str, Any]:
        """Return the fields of ``earmark classify --format json``; clips only with `timeline`."""
        record = {
            "path": self.path,
            "genre": self.genre,
            "reason": self.reason,
            "confidence": round(self.confidence, 4),
            **{name: round_probabilities(getattr(self, name)) for name in DISTRIBUTIONS},
            "duration": None if self.duration is None else round(self.duration, 3),
            "clips": [
                {
                    "start": round(clip.start, 3),
                    "end": round(clip.end, 3),
                    "genres": round_probabilities(clip.genres),
                    "reason": clip.reason,
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

    def to_record(self, labels: Iterable[str] = ()) -> dict[str, str | float | None]:
        """Return the answer as one flat row, for pandas, polars, CSV and databases.

        Parameters
        ----------
        labels : iterable of str
            Genres that get a column in any case, such as ``tagger.labels``: rows of tracks that could not be
            heard then have the same columns as the others, in the same order.

        Returns
        -------
        dict
            ``path``, ``genre``, ``reason``, ``confidence``, ``style`` and ``mood`` (the most probable), ``duration``,
            ``error``, ``model``, and for each genre its probability, ``p_jazz`` and so on; None where there is none.

        Examples
        --------
        >>> Verdict("jazz", None, 0.75, {"jazz": 0.75, "pop": 0.25}, 30.0, (), "mine").to_record(["pop", "jazz"])
        ... # doctest: +NORMALIZE_WHITESPACE
        {'path': None, 'genre': 'jazz', 'reason': None, 'confidence': 0.75, 'style': None, 'mood': None,
         'duration': 30.0, 'error': None, 'model': 'mine', 'p_pop': 0.25, 'p_jazz': 0.75}
        """
        names = tuple(labels) or sorted(self.genres)
        return {
            "path": self.path,
            "genre": self.genre,
            "reason": self.reason,
            "confidence": self.confidence,
            "style": next(iter(self.styles), None),
            "mood": next(iter(self.moods), None),
            "duration": self.duration,
            "error": self.error,
            "model": self.model,
            **{f"p_{name}": self.genres.get(name) for name in names},
        }


def explain_doubt(genres: Mapping[str, float]) -> Doubt:
    """Return why none of these genres is named, whose most probable one is less sure than it has to be.

    Parameters
    ----------
    genres : mapping of str to float
        Probabilities, most probable first.

    Examples
    --------
    >>> explain_doubt({"pop": 0.35, "rock": 0.3, "jazz": 0.2}), explain_doubt({"pop": 0.6, "rock": 0.2})
    ('two genres alike', 'not sure enough')
    >>> explain_doubt({"pop": 0.25, "rock": 0.2, "jazz": 0.2})
    'no genre stands out'
    """
    first, second = islice(genres.values(), 2)
    # the first two hold most of the probability, and the second at least half as much as the first
    if first + second >= 0.5 and second >= first / 2:
        return "two genres alike"
    return "not sure enough" if first >= 0.5 else "no genre stands out"


def round_probabilities(probabilities: dict[str, float]) -> dict[str, float]:
    """Return probabilities to four digits, as JSON shows them."""
    return {name: round(p, 4) for name, p in probabilities.items()}
