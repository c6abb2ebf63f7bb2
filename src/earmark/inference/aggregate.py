"""What the network says of clips becomes what is said of their track: pooling, temperature, threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earmark.inference.verdict import ClipVerdict, Verdict

if TYPE_CHECKING:
    from earmark.inference.card import Calibration, Card


@dataclass(frozen=True)
class ClipPrediction:
    """What the network says of one clip.

    Attributes
    ----------
    start, end : float
        Seconds from the beginning of the track.
    log_probabilities : ndarray of float64, shape (labels,), or None
        Not calibrated; None where the network was not asked.
    attention : ndarray of float32, shape (frames,), or None
        Weights that sum to 1; None where the network was not asked, or does not attend.
    skipped : {"too short", "silence"} or None
        Why the network was not asked.
    """

    start: float
    end: float
    log_probabilities: NDArray[np.float64] | None
    attention: NDArray[np.float32] | None = None
    skipped: str | None = None


@dataclass(frozen=True)
class TrackPrediction:
    """What the network says of the clips of one track.

    Attributes
    ----------
    clips : sequence of ClipPrediction
        In time order.
    duration : float or None
        Seconds; None where nothing could be decoded.
    path : str or None
        Where the sound came from.
    error : str or None
        What went wrong, if anything; a damaged file may have both clips and an error.
    """

    clips: Sequence[ClipPrediction]
    duration: float | None
    path: str | None = None
    error: str | None = None


def pool_clips(log_probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return calibrated probabilities of a track: the geometric mean over its clips, tempered.

    Parameters
    ----------
    log_probabilities : ndarray, shape (clips, labels)
    temperature : float
        Above 1 flattens.

    Returns
    -------
    ndarray, shape (labels,)
        Sums to 1.
    """
    # softmax(mean_k log p_k / T): the mean of logarithms is the logarithm of the geometric mean.
    scores = log_probabilities.mean(axis=0) / temperature
    scores = np.exp(scores - scores.max())  # the largest is 1, so nothing overflows
    probabilities: NDArray[np.float64] = scores / scores.sum()
    return probabilities


def sort_genres(probabilities: NDArray[np.float64], labels: Sequence[str]) -> dict[str, float]:
    """Return probabilities, shape (labels,), by genre, the most probable first."""
    # stable: labels of equal probability stay in the model's order
    order = np.argsort(-probabilities, kind="stable")
    return {labels[i]: float(probabilities[i]) for i in order}


def choose_genre(genres: dict[str, float], calibration: Calibration) -> tuple[str | None, float]:
    """Return the first of sorted genres, None where it is less probable than the threshold, and its probability."""
    best, confidence = next(iter(genres.items()))
    return (best if confidence >= calibration.threshold else None), confidence


def make_verdict(track: TrackPrediction, card: Card) -> Verdict:
    """Pool the clips of a track, and name its genre if it is probable enough.

    `card` is that of the model that made the prediction: its labels, temperatures and threshold.
    """
    if track.duration is None:
        return Verdict.from_error(card.name, track.path, track.error or "")
    log_p = [clip.log_probabilities for clip in track.clips if clip.log_probabilities is not None]
    clips = tuple(_clip_verdict(clip, card) for clip in track.clips)
    genres: dict[str, float] = {}
    genre, confidence = None, 0.0
    # all() of no clips is true: a track without any is too short
    reason = "too short" if all(clip.skipped == "too short" for clip in track.clips) else "silence"
    if log_p:
        # a list of (labels,) → (clips, labels)
        genres = sort_genres(pool_clips(np.stack(log_p), card.calibration.track_temperature), card.labels)
        genre, confidence = choose_genre(genres, card.calibration)
        reason = "low confidence"
    why = None if genre else reason
    return Verdict(genre, why, confidence, genres, track.duration, clips, card.name, track.path, track.error)


def _clip_verdict(clip: ClipPrediction, card: Card) -> ClipVerdict:
    genres: dict[str, float] = {}
    if clip.log_probabilities is not None:
        # (labels,) → (1, labels): a clip is pooled alone, so only its temperature acts
        genres = sort_genres(pool_clips(clip.log_probabilities[None], card.calibration.clip_temperature), card.labels)
    return ClipVerdict(clip.start, clip.end, genres, None if clip.attention is None else tuple(clip.attention.tolist()))
