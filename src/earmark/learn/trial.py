"""Recipe + corpus + protocol → a fitted pipeline, and how well it does on what it has not seen."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

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
from earmark.learn.splits import PARTS, Fold, Leak, Protocol, Split, measure_leak, split_clips
from earmark.tell.card import Calibration

Learns = Literal["train", "train+valid", "all"]

COVERAGE = 0.9
"""Share of validation tracks that the "unknown" threshold must keep."""

_SURE = 0.9
"""What is right so often is never "unknown", even where a model is as sure of nearly everything."""


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
    learns : {"train", "train+valid", "all"}
        Which parts learn. Where "valid" does, nothing chooses an epoch: networks keep their last.

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
    learns: Learns = "train"

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
        learns = {"learns": self.learns} if self.learns != "train" else {}
        return {
            "corpus": self.corpus.fingerprint,
            "recipe": self.recipe.model_dump(mode="json"),
            "protocol": self.protocol,
            "seed": self.seed,
            **fold,
            **learns,
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
class Fitting:
    """What has been fitted.

    Attributes
    ----------
    pipeline : Pipeline
    material : Material
    seconds : float
        What fitting took; of a network, over all of its runs.
    notes : tuple of str
        What is to be known of it, such as a solver that stopped early.
    """

    pipeline: Pipeline
    material: Material
    seconds: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Trial(Fitting):
    """What an experiment gave: what has been fitted, judged.

    Attributes
    ----------
    calibration : Calibration
        Fitted on the valid part, or on held-out folds.
    reports : dict of str to Report
        For "valid", and "test" where the split has one; or for "5 held-out folds".
    """

    calibration: Calibration
    reports: dict[str, Report]

    @property
    def labels(self) -> tuple[str, ...]:
        """Genres, in the order of the pipeline's outputs."""
        return tuple(str(label) for label in self.pipeline.classes_)

    @property
    def part(self) -> str:
        """The part that judges: "test", or the only one there is."""
        return "test" if "test" in self.reports else next(iter(self.reports))

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
    fitting = fit(experiment, checkpoint=checkpoint, cache=cache, jobs=jobs, device=device, watch=watch)
    calibration, reports = _judge(experiment, fitting)
    return Trial(**vars(fitting), calibration=calibration, reports=reports)


def chooses_epoch(recipe: Recipe) -> bool:
    """Whether a recipe's network is to be taken from its best epoch, for which the valid part is needed."""
    return recipe.kind in ("network", "mlp") and recipe.training.keep == "best"


def fit(
    experiment: Experiment,
    *,
    checkpoint: Path | None = None,
    cache: Path | None = None,
    jobs: int = 1,
    device: str = "auto",
    watch: Watch | None = None,
) -> Fitting:
    """Fit without judging; parameters and errors are those of :func:`run`."""
    watch = watch or Watch()
    material = gather(experiment, cache, jobs, watch.on_track)
    train, valid = material.parts["train"], material.parts.get("valid")
    settings: dict[str, Any] = {"checkpoint": checkpoint, "device": device, "on_epoch": watch.on_epoch}
    if valid is None:
        settings["validation_fraction"] = 0.0
    made = pipeline.make_pipeline(experiment.recipe, experiment.seed, **settings)
    begin = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        fitted = pipeline.fit(made, train.X, train.y, *((valid.X, valid.y) if valid else ()))
    notes = {"a solver stopped at its limit of iterations" for w in caught if w.category is ConvergenceWarning}
    seconds = sum(epoch["dur"] for epoch in _history(fitted)) or time.perf_counter() - begin
    return Fitting(fitted, material, seconds, tuple(notes))


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

    def clips(some: Corpus, hop_seconds: float, told: Callable[[Track], None] | None = None) -> Features:
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

    hop_seconds, train_hop_seconds = recipe.hops(experiment.protocol)
    every = clips(corpus, hop_seconds, on_track)
    failed = {corpus.tracks[i].id: error for i, error in every.failed.items()}
    kept = np.array(sorted(set(range(len(corpus.tracks))) - set(every.failed)))
    readable = corpus.subset(kept)
    every = replace(every, track=np.searchsorted(kept, every.track))
    split = split_clips(readable, every.track, experiment.protocol, experiment.seed, experiment.fold)
    split = _joined(split, experiment.learns)
    parts = {part: every.part(getattr(split, part)) for part in PARTS if len(getattr(split, part))}
    _require_all(parts, readable, ("train", "valid") if experiment.learns == "train" else ("train",))
    leak = measure_leak(readable, every.track, split)
    if train_hop_seconds != hop_seconds:
        learning = np.unique(parts["train"].track)
        more = clips(readable.subset(learning), train_hop_seconds)
        parts["train"] = replace(more, track=learning[more.track])
    return Material(parts, readable, leak, failed)


def _joined(split: Split, learns: Learns) -> Split:
    """Let more than the train part learn."""
    if learns == "train":
        return split
    test = split.test if learns == "train+valid" else split.test[:0]
    joining = [split.valid] if learns == "train+valid" else [split.valid, split.test]
    return Split(split.protocol, np.sort(np.concatenate([split.train, *joining])), split.valid[:0], test)


def _require_all(parts: dict[str, Features], corpus: Corpus, needed: Sequence[str]) -> None:
    for part in needed:
        missing = sorted(set(corpus.genres) - set(parts[part].y if part in parts else ()))
        if part not in parts or (missing and part == "train"):
            raise CorpusError(
                f"the {part} part of the split has no clips" + (f" of {', '.join(missing)}" if missing else "")
                + ": give more tracks of each genre"
            )  # fmt: skip


def _judge(experiment: Experiment, fitting: Fitting) -> tuple[Calibration, dict[str, Report]]:
    answers = {part: answers_to(fitting, part) for part in fitting.material.parts if part != "train"}
    calibration = calibrate(answers["valid"])
    return calibration, {
        part: report(experiment, fitting.material.corpus, answer, calibration, part) for part, answer in answers.items()
    }


@dataclass(frozen=True)
class Answers:
    """What was said of clips whose genre is known.

    Attributes
    ----------
    log_probabilities : ndarray, shape (clips, labels)
    track, y : ndarray of int, shape (clips,)
        Track in the material's corpus, and true label.
    labels : tuple of str
    """

    log_probabilities: NDArray[np.float64]
    track: NDArray[np.intp]
    y: NDArray[np.intp]
    labels: tuple[str, ...]


def answers_to(fitting: Fitting, part: str) -> Answers:
    """Let what was fitted answer one part of its material."""
    features, labels = fitting.material.parts[part], tuple(str(label) for label in fitting.pipeline.classes_)
    log_p = pipeline.log_probabilities(fitting.pipeline, features.X)
    return Answers(log_p, features.track, np.searchsorted(np.array(labels), features.y), labels)


def report(experiment: Experiment, corpus: Corpus, answers: Answers, calibration: Calibration, part: str) -> Report:
    """Judge answers; `corpus` is the one whose tracks they count."""
    return judge(
        answers.log_probabilities, answers.track, answers.y, answers.labels, calibration,
        ids=[track.id for track in corpus.tracks],
        corpus=experiment.corpus.name, protocol=experiment.protocol, part=part,
    )  # fmt: skip


def calibrate(answers: Answers) -> Calibration:
    """Temperatures and the "unknown" threshold, from answers to what was not learned from."""
    log_p, y = answers.log_probabilities, answers.y
    pooled, truth = metrics.pool(log_p, answers.track, y)
    temperature = metrics.fit_temperature(pooled, truth)
    confidence = metrics.softmax(pooled / temperature).max(axis=1)
    threshold = min(_SURE, metrics.threshold_for_coverage(confidence, COVERAGE))
    return Calibration(
        clip_temperature=metrics.fit_temperature(log_p, y),
        track_temperature=temperature,
        threshold=threshold,
        coverage=float((confidence >= threshold).mean()),
    )
