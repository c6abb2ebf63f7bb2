"""What a model says of sounds for which it has no label: music of other genres, and what is no music."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from earmark.inference.verdict import Verdict


@dataclass(frozen=True)
class Rejection:
    """What was said of one kind of sound that has no label.

    Attributes
    ----------
    kind : str
        Such as "speech"; of music, its genre.
    made : bool
        Whether it was made by :mod:`~earmark.evaluation.nonmusic`; otherwise it was the user's.
    n_sounds : int
    named : int
        How many were called a genre.
    genres : dict of str to int
        Which, and how many each.
    reasons : dict of str to int
        Why the others are unknown, and how many each.
    """

    kind: str
    made: bool
    n_sounds: int
    named: int
    genres: dict[str, int]
    reasons: dict[str, int]


def count_rejections(kind: str, verdicts: Sequence[Verdict], *, made: bool = False) -> Rejection:
    """Count what was said of the sounds of one kind."""
    genres = Counter(verdict.genre for verdict in verdicts if verdict.genre)
    reasons = Counter[str](verdict.reason for verdict in verdicts if verdict.reason)
    counts = dict(genres.most_common()), dict(reasons.most_common())
    return Rejection(kind, made, len(verdicts), genres.total(), *counts)
