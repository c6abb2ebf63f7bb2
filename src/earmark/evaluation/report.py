"""The report of an evaluation: a result for each track, and figures of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.evaluation import metrics
from earmark.evaluation.calibration import Answers
from earmark.evaluation.rejection import Rejection
from earmark.inference.card import Calibration


@dataclass(frozen=True)
class TrackResult:
    """What was said of one track.

    Attributes
    ----------
    id, genre : str
        The track, and the genre that its corpus gives it.
    heard : str
        The most probable genre.
    own, best : float
        Calibrated probability of `genre`, and of `heard`.
    """

    id: str
    genre: str
    heard: str
    own: float
    best: float


@dataclass(frozen=True)
class Report:
    """How well a model did on one part of a corpus.

    Attributes
    ----------
    corpus, protocol, part : str
        What was judged.
    clip_accuracy, track_accuracy : float
        Share of clips, and of tracks, whose most probable genre is right, named or "unknown".
    named_accuracy : float
        The same over the tracks that were named; NaN where none was.
    interval : tuple of float
        95 % bootstrap interval of `track_accuracy`, over tracks.
    mean_recall, macro_f1, top3_accuracy : float
        Over tracks: mean of the genres' accuracies, mean of their F1 scores, and share of tracks whose genre is among
        the three most probable.
    unknown : float
        Share of tracks whose verdict was "unknown".
    n_clips, n_tracks : int
    calibration_error : float
        Expected calibration error over tracks, ten bins.
    labels : tuple of str
        Genres, in the order of the confusion matrix.
    confusion : list of list of int
        Tracks: row the truth, column the most probable genre.
    per_genre : dict
        Genre → ``{"n_tracks", "accuracy"}``, for genres that occur.
    tracks : list of TrackResult
    foreign : list of Rejection
        What was said of tracks whose genre the model does not know; they are not counted above.
    failed : dict of str to str
        Tracks that could not be read, and why; they are not counted above.
    """

    corpus: str
    protocol: str
    part: str
    clip_accuracy: float
    track_accuracy: float
    named_accuracy: float
    interval: tuple[float, float]
    mean_recall: float
    macro_f1: float
    top3_accuracy: float
    unknown: float
    n_clips: int
    n_tracks: int
    calibration_error: float
    labels: tuple[str, ...]
    confusion: list[list[int]]
    per_genre: dict[str, dict[str, float]]
    tracks: list[TrackResult]
    foreign: list[Rejection] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def disagreements(self) -> list[TrackResult]:
        """Tracks that are more like another genre, most clearly so first: perhaps their label is wrong."""
        others = [track for track in self.tracks if track.heard != track.genre]
        return sorted(others, key=lambda track: track.own - track.best)

    @property
    def confusions(self) -> list[tuple[str, str, int]]:
        """Pairs of genres that were confused, most often first: (truth, prediction, tracks)."""
        counts = np.array(self.confusion)
        # the diagonal is what was right
        np.fill_diagonal(counts, 0)
        cells = [(self.labels[i], self.labels[j], int(counts[i, j])) for i, j in np.argwhere(counts)]
        return sorted(cells, key=lambda cell: -cell[2])

    def to_dict(self) -> dict[str, Any]:
        """Return plain types for JSON; what is not a number becomes null."""
        return plain_types(self)


def plain_types(report: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as plain types for JSON; NaN becomes null."""
    return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in asdict(report).items()}


def judge(
    answers: Answers,
    calibration: Calibration,
    *,
    corpus: str,
    protocol: str,
    part: str,
    ids: Sequence[str] | None = None,
    failed: dict[str, str] | None = None,
) -> Report:
    """Judge predictions of clips, and the tracks that they belong to.

    Parameters
    ----------
    answers : Answers
        At least one clip.
    calibration : Calibration
    corpus, protocol, part, failed
        For the report.
    ids : sequence of str, optional
        Name of each track, by its number in the answers; the number when left out.
    """
    log_p, y, labels = answers.log_probabilities, answers.y, answers.labels
    pooled, truth = metrics.pool(log_p, answers.track, y)
    probabilities, named = _answer_tracks(pooled, calibration, answers)
    best = probabilities.argmax(axis=1)
    counts = metrics.confusion(truth, best, len(labels))
    return Report(
        corpus=corpus,
        protocol=protocol,
        part=part,
        clip_accuracy=metrics.accuracy(y, log_p.argmax(axis=1)),
        track_accuracy=metrics.accuracy(truth, best),
        named_accuracy=metrics.accuracy(truth[named], best[named]),
        interval=metrics.bootstrap_interval((truth == best).astype(float), np.random.default_rng(0)),
        mean_recall=metrics.mean_recall(counts),
        macro_f1=metrics.macro_f1(counts),
        top3_accuracy=metrics.top_k_accuracy(probabilities, truth, 3),
        unknown=float(1 - named.mean()),
        n_clips=len(y),
        n_tracks=len(truth),
        calibration_error=metrics.calibration_error(probabilities, truth),
        labels=labels,
        confusion=counts.tolist(),
        per_genre=_count_per_genre(counts, labels),
        tracks=_list_tracks(answers, truth, probabilities, ids),
        failed=failed or {},
    )


def _answer_tracks(
    pooled: NDArray[np.floating[Any]], calibration: Calibration, answers: Answers
) -> tuple[NDArray[np.floating[Any]], NDArray[np.bool_]]:
    """Return tracks' probabilities (tracks, labels) as a verdict has them, and which of them it names (tracks,)."""
    several = calibration.thresholds
    # pooled, then tempered
    probabilities = np.exp(pooled) if several else metrics.softmax(pooled / calibration.track_temperature)
    thresholds = np.array(several or [calibration.threshold] * len(answers.labels))
    named = probabilities.max(axis=1) >= thresholds[probabilities.argmax(axis=1)]
    novelty = answers.track_novelty
    if novelty is not None and calibration.novelty is not None:
        named &= novelty <= calibration.novelty
    if answers.rejected is not None:
        # what is no music is unknown, however sure the network is of its genre
        named &= ~answers.rejected[np.unique(answers.track, return_index=True)[1]]
    return probabilities, named


def _list_tracks(
    answers: Answers, truth: NDArray[np.intp], probabilities: NDArray[np.floating[Any]], ids: Sequence[str] | None
) -> list[TrackResult]:
    """Return a result for each track, from true labels (tracks,) and probabilities (tracks, labels)."""
    labels, best = answers.labels, probabilities.argmax(axis=1)
    return [
        TrackResult(ids[i] if ids else str(i), labels[t], labels[b], float(p[t]), float(p[b]))
        # metrics.pool orders tracks as np.unique does
        for i, t, b, p in zip(np.unique(answers.track), truth, best, probabilities, strict=True)
    ]


def _count_per_genre(counts: NDArray[np.intp], labels: Sequence[str]) -> dict[str, dict[str, float]]:
    return {
        # row: the genre's own tracks, so the diagonal over their sum is its recall
        label: {"n_tracks": int(row.sum()), "accuracy": float(row[i] / row.sum())}
        for i, (label, row) in enumerate(zip(labels, counts, strict=True))
        if row.sum()
    }
