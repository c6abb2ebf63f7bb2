"""Recipe + corpus + protocol → a fitted pipeline, and how well it does on what it has not seen."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from earmark.errors import CorpusError
from earmark.learn import metrics, pipeline
from earmark.learn.corpus import Corpus, Track
from earmark.learn.evaluation import Report, judge
from earmark.learn.features import Features, extract
from earmark.learn.recipe import Recipe
from earmark.learn.splits import PARTS, Fold, Leak, Protocol, measure_leak, split_clips
from earmark.tell.card import Calibration

COVERAGE = 0.9
"""Share of validation tracks that the "unknown" threshold must keep."""


@dataclass(frozen=True)
class Experiment:
    """One model to be made and judged.

    Attributes
    ----------
    corpus : Corpus
    recipe : Recipe
    protocol : {"clip", "track", "artist", "fault-filtered"}
        How the corpus is split into what learns, what chooses, and what judges.
    seed : int
        Of the split, the weights, the order, dropout and augmentation.
    fold : Fold, optional
        One turn of a cross-validation.

    Raises
    ------
    CorpusError
        If the corpus has one genre only.
    """

    corpus: Corpus
    recipe: Recipe
    protocol: Protocol = "track"
    seed: int = 0
    fold: Fold | None = None

    def __post_init__(self) -> None:
        if len(self.corpus.genres) < 2:
            raise CorpusError(
                f"the corpus has one genre, {self.corpus.genres[0]!r}: there is nothing to tell apart; add tracks of "
                "another"
            )

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two runs the same run."""
        fold = {"fold": [self.fold.index, self.fold.count]} if self.fold else {}
        return {
            "corpus": self.corpus.fingerprint,
            "recipe": self.recipe.model_dump(mode="json"),
            "protocol": self.protocol,
            "seed": self.seed,
            **fold,
        }


@dataclass(frozen=True)
class Watch:
    """Whom to tell how far it is; every call may be left out.

    Attributes
    ----------
    on_track : callable
        After each track whose clips are ready.
    on_epoch : callable
        After each epoch, with skorch's record of it.
    """

    on_track: Callable[[Track], None] | None = None
    on_epoch: Callable[[dict[str, Any]], None] | None = None


@dataclass(frozen=True)
class Material:
    """A corpus as an experiment meets it.

    Attributes
    ----------
    parts : dict of str to Features
        Clips of "train", "valid", and "test" where the split has one.
    corpus : Corpus
        The tracks that could be read; ``Features.track`` counts in it.
    leak : Leak
        What the judging clips have in common with the training clips.
    failed : dict of str to str
        Tracks that could not be read, and why.
    """

    parts: dict[str, Features]
    corpus: Corpus
    leak: Leak
    failed: dict[str, str]


@dataclass(frozen=True)
class Trial:
    """What an experiment gave.

    Attributes
    ----------
    pipeline : Pipeline
        Fitted.
    material : Material
    calibration : Calibration
        Fitted on the valid part.
    reports : dict of str to Report
        For "valid", and "test" where the split has one.
    seconds : float
        What fitting took; of a network, over all of its runs.
    notes : tuple of str
        What is to be known of it, such as a solver that stopped early.
    """

    pipeline: Pipeline
    material: Material
    calibration: Calibration
    reports: dict[str, Report]
    seconds: float
    notes: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Genres, in the order of the pipeline's outputs."""
        return tuple(str(label) for label in self.pipeline.classes_)

    @property
    def part(self) -> str:
        """The part that judges: "test", or "valid" where there is none."""
        return "test" if "test" in self.reports else "valid"

    @property
    def history(self) -> list[dict[str, Any]]:
        """For each epoch of a network: losses, accuracy and seconds; empty for others."""
        return _history(self.pipeline)

    @property
    def parameters(self) -> int | None:
        """Numbers that a network has learned; None for others."""
        if not pipeline.is_network(self.pipeline):
            return None
        return sum(int(weight.numel()) for weight in self.pipeline[-1].network.parameters())


def run(
    experiment: Experiment,
    *,
    checkpoint: Path | None = None,
    cache: Path | None = None,
    jobs: int = 1,
    device: str = "auto",
    watch: Watch | None = None,
) -> Trial:
    """Fit and judge.

    Parameters
    ----------
    experiment : Experiment
    checkpoint : Path, optional
        Where a network's state is kept after each epoch; a run that finds it goes on from there.
    cache : Path, optional
        Folder for features.
    jobs : int
        Tracks decoded at once.
    device : str
        "auto", "cpu", "cuda"…
    watch : Watch, optional

    Returns
    -------
    Trial

    Raises
    ------
    CorpusError
        If a genre has too few tracks, or the corpus cannot be split as asked.
    TrainingError
        If the checkpoint is of another network, or the loss stops being a number.
    """
    watch = watch or Watch()
    material = gather(experiment, cache, jobs, watch.on_track)
    parts = material.parts
    settings: dict[str, Any] = {"checkpoint": checkpoint, "device": device, "on_epoch": watch.on_epoch}
    made = pipeline.make_pipeline(experiment.recipe, experiment.seed, **settings)
    begin = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        fitted = pipeline.fit(made, parts["train"].X, parts["train"].y, parts["valid"].X, parts["valid"].y)
    notes = {"a solver stopped at its limit of iterations" for w in caught if w.category is ConvergenceWarning}
    seconds = sum(epoch["dur"] for epoch in _history(fitted)) or time.perf_counter() - begin
    calibration, reports = _judge(experiment, fitted, material)
    return Trial(fitted, material, calibration, reports, seconds, tuple(notes))


def _history(fitted: Pipeline) -> list[dict[str, Any]]:
    if not pipeline.is_network(fitted):
        return []
    keys = ("epoch", "train_loss", "valid_loss", "valid_acc", "dur")
    return [{k: row[k] for k in keys if k in row} for row in fitted[-1].net_.history]


def gather(
    experiment: Experiment,
    cache: Path | None = None,
    jobs: int = 1,
    on_track: Callable[[Track], None] | None = None,
) -> Material:
    """Make and split the clips of an experiment; those that learn may overlap. See :func:`run`."""
    corpus, recipe = experiment.corpus, experiment.recipe

    def clips(some: Corpus, hop_seconds: float | None = None, told: Callable[[Track], None] | None = None) -> Features:
        return extract(
            some,
            recipe.front_end,
            recipe.clip_seconds,
            hop_seconds=hop_seconds,
            min_frames=recipe.min_frames,
            cache=cache,
            jobs=jobs,
            on_track=told,
        )

    every = clips(corpus, None, on_track)
    failed = {corpus.tracks[i].id: error for i, error in every.failed.items()}
    kept = np.array(sorted(set(range(len(corpus.tracks))) - set(every.failed)))
    readable = corpus.subset(kept)
    every = replace(every, track=np.searchsorted(kept, every.track))
    split = split_clips(readable, every.track, experiment.protocol, experiment.seed, experiment.fold)
    parts = {part: every.part(getattr(split, part)) for part in PARTS if len(getattr(split, part))}
    _require_all(parts, readable)
    leak = measure_leak(readable, every.track, split)
    if recipe.train_hop_seconds and experiment.protocol != "clip":
        learning = np.unique(parts["train"].track)
        more = clips(readable.subset(learning), recipe.train_hop_seconds)
        parts["train"] = replace(more, track=learning[more.track])
    return Material(parts, readable, leak, failed)


def _require_all(parts: dict[str, Features], corpus: Corpus) -> None:
    for part in ("train", "valid"):
        missing = sorted(set(corpus.genres) - set(parts[part].y if part in parts else ()))
        if part not in parts or (missing and part == "train"):
            raise CorpusError(
                f"the {part} part of the split has no clips" + (f" of {', '.join(missing)}" if missing else "")
                + ": give more tracks of each genre"
            )  # fmt: skip


def _judge(experiment: Experiment, fitted: Pipeline, material: Material) -> tuple[Calibration, dict[str, Report]]:
    labels = tuple(str(label) for label in fitted.classes_)
    judging = {part: features for part, features in material.parts.items() if part != "train"}
    log_p = {part: pipeline.log_probabilities(fitted, features.X) for part, features in judging.items()}
    y = {part: np.searchsorted(np.array(labels), features.y) for part, features in judging.items()}
    calibration = _calibrate(log_p["valid"], judging["valid"].track, y["valid"])
    ids = [track.id for track in material.corpus.tracks]
    reports = {
        part: judge(
            log_p[part], features.track, y[part], labels, calibration, ids=ids,
            corpus=experiment.corpus.name, protocol=experiment.protocol, part=part,
        )
        for part, features in judging.items()
    }  # fmt: skip
    return calibration, reports


def _calibrate(log_p: NDArray[np.floating], track: NDArray[np.intp], y: NDArray[np.intp]) -> Calibration:
    """Temperatures and the "unknown" threshold, from the validation part."""
    pooled, truth = metrics.pool(log_p, track, y)
    temperature = metrics.fit_temperature(pooled, truth)
    confidence = metrics.softmax(pooled / temperature).max(axis=1)
    threshold = metrics.threshold_for_coverage(confidence, COVERAGE)
    return Calibration(
        clip_temperature=metrics.fit_temperature(log_p, y),
        track_temperature=temperature,
        threshold=threshold,
        coverage=float((confidence >= threshold).mean()),
    )
