"""Judging: what a model says of tracks whose genre is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import AudioError, CorpusError, SettingError
from earmark.learn import metrics
from earmark.learn.corpus import Corpus, Track
from earmark.learn.splits import PARTS, split_tracks
from earmark.tell.card import Calibration
from earmark.tell.tagger import Tagger
from earmark.tell.verdict import Verdict


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
    macro_f1, top3_accuracy : float
        Over tracks: mean of the genres' F1 scores, and share of tracks whose genre is among the three most
        probable.
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
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def at_odds(self) -> list[TrackResult]:
        """Tracks heard as another genre, most decidedly so first: perhaps it is their label that is wrong."""
        others = [track for track in self.tracks if track.heard != track.genre]
        return sorted(others, key=lambda track: track.own - track.best)

    @property
    def confusions(self) -> list[tuple[str, str, int]]:
        """Pairs of genres that were mistaken, most often first: (truth, heard, tracks)."""
        cells = [
            (self.labels[i], self.labels[j], n)
            for i, row in enumerate(self.confusion)
            for j, n in enumerate(row)
            if n and i != j
        ]
        return sorted(cells, key=lambda cell: -cell[2])

    def to_dict(self) -> dict[str, Any]:
        """Return plain types for JSON; what is not a number becomes null."""
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in asdict(self).items()}


def judge(
    log_probabilities: NDArray[np.floating],
    track: NDArray[np.intp],
    y: NDArray[np.intp],
    labels: tuple[str, ...],
    calibration: Calibration,
    *,
    corpus: str,
    protocol: str,
    part: str,
    ids: Sequence[str] | None = None,
    failed: dict[str, str] | None = None,
    seed: int = 0,
) -> Report:
    """Judge clip predictions, and the tracks that they belong to.

    Parameters
    ----------
    log_probabilities : ndarray, shape (clips, labels)
    track : ndarray of int, shape (clips,)
        Track of each clip.
    y : ndarray of int, shape (clips,)
        True label of each clip.
    labels : tuple of str
    calibration : Calibration
    corpus, protocol, part : str
        For the report.
    ids : sequence of str, optional
        Name of each track, by its number in `track`; the number when left out.
    failed : dict of str to str, optional
        For the report.
    seed : int
        Of the bootstrap's draws.

    Returns
    -------
    Report
    """
    pooled, truth = metrics.pool(log_probabilities, track, y)
    probabilities = metrics.softmax(pooled / calibration.track_temperature)
    best = probabilities.argmax(axis=1)
    named = probabilities.max(axis=1) >= calibration.threshold
    counts = metrics.confusion(truth, best, len(labels))
    return Report(
        corpus=corpus,
        protocol=protocol,
        part=part,
        clip_accuracy=metrics.accuracy(y, log_probabilities.argmax(axis=1)),
        track_accuracy=metrics.accuracy(truth, best),
        named_accuracy=metrics.accuracy(truth[named], best[named]),
        interval=metrics.bootstrap_interval((truth == best).astype(float), np.random.default_rng(seed)),
        macro_f1=metrics.macro_f1(counts),
        top3_accuracy=metrics.top_k_accuracy(probabilities, truth, 3),
        unknown=float(1 - named.mean()),
        n_clips=len(y),
        n_tracks=len(truth),
        calibration_error=metrics.calibration_error(probabilities, truth),
        labels=labels,
        confusion=counts.tolist(),
        per_genre={
            label: {"n_tracks": int(row.sum()), "accuracy": float(row[i] / row.sum())}
            for i, (label, row) in enumerate(zip(labels, counts, strict=True))
            if row.sum()
        },
        tracks=[
            TrackResult(ids[i] if ids else str(i), labels[t], labels[b], float(p[t]), float(p[b]))
            for i, t, b, p in zip(np.unique(track), truth, best, probabilities, strict=True)
        ],
        failed=failed or {},
    )


def evaluate(
    tagger: Tagger,
    corpus: Corpus,
    *,
    protocol: str = "all",
    part: str = "all",
    seed: int = 0,
    on_track: Callable[[Track], None] | None = None,
    jobs: int = 1,
) -> Report:
    """Let a model classify a corpus, as a user would, and compare with the truth.

    Parameters
    ----------
    tagger : Tagger
    corpus : Corpus
        Its genres must be among the model's labels.
    protocol, part : str
        Judge only this part of this split; "all" takes every track.
    seed : int
        Of the split.
    on_track : callable, optional
        Called after each track.
    jobs : int
        Files worked on at once.

    Returns
    -------
    Report

    Raises
    ------
    CorpusError
        If the corpus holds genres that the model does not know, or nothing could be read.
    """
    require_known(corpus, tagger.labels)
    chosen = part_of(corpus, protocol, part, seed)
    log_p, track, y = [], [], []
    failed: dict[str, str] = {}
    for i, (item, verdict) in enumerate(verdicts(tagger, chosen, jobs)):
        if on_track:
            on_track(item)
        if verdict.error:
            failed[item.id] = verdict.error
        for clip in verdict.clips:
            if clip.genres:
                log_p.append([np.log(max(clip.genres[label], 1e-12)) for label in tagger.labels])
                track.append(i)
                y.append(tagger.labels.index(item.genre))
    if not y:
        raise CorpusError("no track of the corpus could be judged" + "".join(f"; {k}: {v}" for k, v in failed.items()))
    # The verdict's clips are tempered; undo it, so that pooling gives the track's own probabilities.
    logits = np.array(log_p) * tagger.card.calibration.clip_temperature
    return judge(
        logits,
        np.array(track),
        np.array(y),
        tagger.labels,
        tagger.card.calibration,
        ids=[item.id for item in chosen.tracks],
        corpus=corpus.name,
        protocol=protocol,
        part=part,
        failed=failed,
    )


def require_known(corpus: Corpus, labels: Sequence[str]) -> None:
    """Raise :class:`CorpusError` where a corpus has genres that are not among a model's labels."""
    foreign = sorted(set(corpus.genres) - set(labels))
    if foreign:
        raise CorpusError(
            f"the corpus has genres that the model does not know: {', '.join(foreign)}; it knows: {', '.join(labels)}"
        )


def part_of(corpus: Corpus, protocol: str, part: str, seed: int) -> Corpus:
    """Return the tracks of one part of a split; all of them where protocol or part is "all"."""
    if protocol == "all":
        if part != "all":
            raise SettingError(f"part {part!r} of what? Name the split with a protocol too")
        return corpus
    if protocol == "clip":
        raise SettingError("protocol 'clip' splits tracks into clips, so whole tracks cannot be judged by it")
    sides = split_tracks(corpus, protocol, seed)  # type: ignore[arg-type]
    if part != "all" and part not in PARTS:
        raise SettingError(f"part is {part!r}: must be one of {', '.join(PARTS)}, all")
    chosen = corpus.subset(np.flatnonzero(sides != "" if part == "all" else sides == part))
    if not chosen.tracks:
        raise CorpusError(f"the {part} part of protocol {protocol!r} has no tracks in this corpus")
    return chosen


def verdicts(tagger: Tagger, corpus: Corpus, jobs: int) -> Iterator[tuple[Track, Verdict]]:
    """Let a model classify every track of a corpus: those of sound first, then those of arrays.

    Parameters
    ----------
    tagger : Tagger
    corpus : Corpus
    jobs : int
        Files worked on at once.

    Yields
    ------
    (Track, Verdict)
        One that cannot be heard has an error.
    """
    sounds = [track for track in corpus.tracks if track.path is not None]
    heard = tagger.classify_many((track.path for track in sounds if track.path), jobs=jobs)
    yield from zip(sounds, heard, strict=True)
    for track in corpus.tracks:
        if track.spectrogram is not None:
            try:
                yield track, tagger.classify_spectrogram(track.spectrogram)
            except AudioError as error:
                yield track, Verdict.failed(tagger.card.name, None, str(error))
