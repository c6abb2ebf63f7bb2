"""What the network says of clips becomes what is said of their track: pooling, temperature, threshold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark.inference.verdict import ClipVerdict, Doubt, Reason, Verdict, explain_doubt

if TYPE_CHECKING:
    from earmark.inference.card import Card


_MEANS = ("log_probabilities", "styles", "moods", "sound", "novelty", "features")

SOUND_REASONS: tuple[Reason | None, ...] = (None, "speech", "no music")
"""Why no genre is named of the kinds of sound that a model tells apart: music, speech and anything else."""

LEAST_PROBABILITY = 1e-12
"""What the network's probabilities are raised to at least: in 32 bits one may be 0, and its logarithm infinite."""


@dataclass(frozen=True)
class FramePrediction:
    """What the network says of clips; each output of shape (clips, …), or None where the network does not give it.

    Attributes
    ----------
    log_probabilities : ndarray of float64, shape (clips, labels)
        Not calibrated.
    attention : ndarray of float32, shape (clips, steps), or None
        Weights that sum to 1, at even steps from the clip's beginning to its end.
    styles, moods : ndarray of float32, shape (clips, names), or None
        Shares that sum to 1.
    sound : ndarray of float32, shape (clips, 3), or None
        Probabilities of music, speech and anything else, see :data:`SOUND_REASONS`.
    novelty : ndarray of float32, shape (clips,), or None
        How unlike the training clips each is, see :class:`earmark.training.novelty.NoveltyDetector`.
    features : ndarray of float32, shape (clips, 634), or None
        Of the encoder, the mean over each clip's steps.
    embedding : ndarray of float32, shape (clips, steps, 384), or None
        Of the encoder.
    """

    log_probabilities: NDArray[np.float64]
    attention: NDArray[np.float32] | None = None
    styles: NDArray[np.float32] | None = None
    moods: NDArray[np.float32] | None = None
    sound: NDArray[np.float32] | None = None
    novelty: NDArray[np.float32] | None = None
    features: NDArray[np.float32] | None = None
    embedding: NDArray[np.float32] | None = None

    def split(self) -> list[dict[str, Any]]:
        """Return what there is of each clip, by name, as :class:`ClipPrediction` takes it; embeddings apart."""
        given = {name: values for name, values in vars(self).items() if values is not None and name != "embedding"}
        return [{name: values[i] for name, values in given.items()} for i in range(len(self.log_probabilities))]


@dataclass(frozen=True)
class ClipPrediction:
    """What the network says of one clip: the rows of a :class:`FramePrediction`, None where it was not asked.

    Attributes
    ----------
    start, end : float
        Seconds from the beginning of the track.
    skipped : {"too short", "silence"} or None
        Why the network was not asked.
    """

    start: float
    end: float
    log_probabilities: NDArray[np.float64] | None = None
    attention: NDArray[np.float32] | None = None
    skipped: Literal["too short", "silence"] | None = None
    styles: NDArray[np.float32] | None = None
    moods: NDArray[np.float32] | None = None
    sound: NDArray[np.float32] | None = None
    novelty: np.float32 | None = None
    features: NDArray[np.float32] | None = None


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


def pool_clips(
    log_probabilities: NDArray[np.float64], temperature: float, *, multilabel: bool = False
) -> NDArray[np.float64]:
    """Return calibrated probabilities of a track: the geometric mean over its clips, tempered.

    Parameters
    ----------
    log_probabilities : ndarray, shape (clips, labels)
    temperature : float
        Above 1 flattens.
    multilabel : bool
        Whether labels have probabilities of their own.

    Returns
    -------
    ndarray, shape (labels,)
        Sums to 1, unless labels have probabilities of their own.
    """
    # softmax(mean_k log p_k / T): the mean of logarithms is the logarithm of the geometric mean.
    scores: NDArray[np.float64] = log_probabilities.mean(axis=0) / temperature
    if multilabel:
        return np.exp(scores)
    scores = np.exp(scores - scores.max())  # the largest is 1, so nothing overflows
    probabilities: NDArray[np.float64] = scores / scores.sum()
    return probabilities


def sort_labels(probabilities: NDArray[Any], labels: Sequence[str]) -> dict[str, float]:
    """Return probabilities, shape (labels,), by label, the most probable first."""
    # stable: labels of equal probability stay in the model's order
    order = np.argsort(-probabilities, kind="stable")
    return {labels[i]: float(probabilities[i]) for i in order}


class Answer(NamedTuple):
    """What is said of a sound; the fields are those of :class:`~earmark.inference.verdict.Verdict`."""

    genre: str | None
    reason: Reason | None
    confidence: float
    genres: dict[str, float]
    styles: dict[str, float]
    moods: dict[str, float]


def reject_sound(mean: Mapping[str, NDArray[Any]]) -> Reason | None:
    """Return why there is no genre of a sound that is not music; None of music, and where the model does not tell."""
    return SOUND_REASONS[int(mean["sound"].argmax())] if "sound" in mean else None


def is_novel(mean: Mapping[str, NDArray[Any]], card: Card) -> bool:
    """Return whether a sound is unlike what the model learned; False where the model does not tell."""
    limit = card.calibration.novelty
    return limit is not None and "novelty" in mean and bool(mean["novelty"] > limit)


def make_answer(mean: Mapping[str, NDArray[Any]], card: Card, temperature: float) -> Answer:
    """Name the genre of a sound if it is music like what the model learned, and the genre is probable enough.

    Parameters
    ----------
    mean : mapping of str to ndarray
        The outputs of :class:`FramePrediction` that there are, as means over the sound's clips, each of shape (names,).
    card : Card
        Of the model: its names, and its thresholds.
    temperature : float
        Of :func:`pool_clips`.
    """
    if reason := reject_sound(mean):
        return Answer(None, reason, 0.0, {}, {}, {})
    # (labels,) → (1, labels): the mean is taken already
    probabilities = pool_clips(mean["log_probabilities"][None], temperature, multilabel=card.multilabel)
    genres = sort_labels(probabilities, card.labels)
    best, confidence = next(iter(genres.items()))
    doubt: Doubt | None = None
    if is_novel(mean, card):
        doubt = "unlike what it learned"
    elif confidence < card.thresholds[best]:
        doubt = explain_doubt(genres)
    styles, moods = (
        sort_labels(mean[name], names) if name in mean else {}
        for name, names in (("styles", card.styles), ("moods", card.moods))
    )
    return Answer(None if doubt else best, doubt, confidence, genres, styles, moods)


def mean_outputs(clips: Iterable[ClipPrediction]) -> dict[str, NDArray[Any]]:
    """Return the means of what :func:`make_verdict` reads over the clips that the network was asked of, by name."""
    heard = [clip for clip in clips if clip.log_probabilities is not None]
    outputs = {name: [getattr(clip, name) for clip in heard] for name in _MEANS}
    # a list of (names,) → (clips, names) → (names,); a model gives an output of every clip or of none
    return {name: np.mean(rows, axis=0) for name, rows in outputs.items() if rows and rows[0] is not None}


def make_verdict(track: TrackPrediction, card: Card) -> Verdict:
    """Pool the clips of a track, and name its genre; `card` is that of the model that made the prediction."""
    if track.duration is None:
        return Verdict.from_error(card.name, track.path, track.error or "")
    clips = tuple(_clip_verdict(clip, card) for clip in track.clips)
    mean = mean_outputs(track.clips)
    if mean:
        answer = make_answer(mean, card, card.calibration.track_temperature)
    else:
        # all() of no clips is true: a track without any is too short
        short = all(clip.skipped == "too short" for clip in track.clips)
        answer = Answer(None, "too short" if short else "silence", 0.0, {}, {}, {})
    return Verdict(
        duration=track.duration,
        clips=clips,
        model=card.name,
        path=track.path,
        error=track.error,
        embedding=mean["features"].astype(np.float16) if "features" in mean else None,
        **answer._asdict(),
    )


def _clip_verdict(clip: ClipPrediction, card: Card) -> ClipVerdict:
    attention = None if clip.attention is None else tuple(clip.attention.tolist())
    if not (mean := mean_outputs([clip])):
        return ClipVerdict(clip.start, clip.end, {}, attention, clip.skipped)
    answer = make_answer(mean, card, card.calibration.clip_temperature)
    return ClipVerdict(clip.start, clip.end, answer.genres, attention, None if answer.genres else answer.reason)
