"""Recipe + corpus + protocol → a fitted pipeline, and how well it does on what it has not seen."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from earmark.data.corpus import Corpus
from earmark.data.features.extract import Features
from earmark.evaluation import metrics
from earmark.evaluation.calibration import Answers, calibrate
from earmark.evaluation.report import Report, judge
from earmark.inference.card import Calibration
from earmark.training import pipeline
from earmark.training.experiment import Experiment, Material, Resources, gather
from earmark.training.recipe import Recipe


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
        """The part that is judged: "test", or the only one there is."""
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
        return sum(int(weight.numel()) for weight in self.pipeline[-1].network_.parameters())


def run(experiment: Experiment, resources: Resources | None = None, checkpoint: Path | None = None) -> Trial:
    """Fit and judge.

    Parameters
    ----------
    experiment : Experiment
    resources : Resources, optional
    checkpoint : Path, optional
        Where a network's state is kept after each epoch; a run that finds it goes on from there.

    Raises
    ------
    CorpusError
        If a genre has too few tracks, or the corpus cannot be split as asked.
    TrainingError
        If the checkpoint is of another run, or the loss stops being a number.
    """
    fitting = fit(experiment, resources, checkpoint)
    calibration, reports = _judge(experiment, fitting)
    return Trial(**vars(fitting), calibration=calibration, reports=reports)


def fit(
    experiment: Experiment,
    resources: Resources | None = None,
    checkpoint: Path | None = None,
    computed: tuple[Corpus, Features] | None = None,
) -> Fitting:
    """Fit without judging; parameters and errors are those of :func:`run`, and `computed` is :func:`gather`'s."""
    resources = resources or Resources()
    material = gather(experiment, resources, computed)
    train, valid = material.parts["train"], material.parts.get("valid")
    settings: dict[str, Any] = {"device": resources.device, "on_epoch": resources.on_epoch}
    if valid is None:
        # else a network would set clips aside by itself
        settings["validation_fraction"] = 0.0
    made = pipeline.make_pipeline(experiment.recipe, experiment.seed, checkpoint=checkpoint, **settings)
    begin = time.perf_counter()
    # BLAS in one thread: for problems this small its threads mostly wait for each other, and spin meanwhile
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        if experiment.recipe.multilabel:
            fitted = pipeline.fit_several(made, train.X, [material.corpus.tracks[i].genres for i in train.track])
        else:
            fitted = pipeline.fit(made, train.X, train.y, *((valid.X, valid.y) if valid else ()))
    # a set: one-versus-rest solvers may warn once a genre
    notes = {"a solver stopped at its limit of iterations" for w in caught if w.category is ConvergenceWarning}
    # of a resumed run the history knows all epochs
    seconds = sum(epoch["dur"] for epoch in _history(fitted)) or time.perf_counter() - begin
    return Fitting(fitted, material, seconds, tuple(notes))


def _history(fitted: Pipeline) -> list[dict[str, Any]]:
    if not pipeline.is_network(fitted):
        return []
    keys = ("epoch", "train_loss", "valid_loss", "valid_acc", "dur")
    return [{k: row[k] for k in keys if k in row} for row in fitted[-1].net_.history]


def _judge(experiment: Experiment, fitting: Fitting) -> tuple[Calibration, dict[str, Report]]:
    corpus, parts = fitting.material.corpus, [part for part in fitting.material.parts if part != "train"]
    answers = {part: find_truth(answers_to(fitting, part), corpus, experiment.recipe) for part in parts}
    calibration = calibrate(answers["valid"])
    return calibration, {
        part: report(experiment, corpus, answer, calibration, part) for part, answer in answers.items()
    }


def answers_to(fitting: Fitting, part: str) -> Answers:
    """Let what was fitted answer one part of its material."""
    features, labels = fitting.material.parts[part], tuple(str(label) for label in fitting.pipeline.classes_)
    log_p = pipeline.log_probabilities(fitting.pipeline, features.X)
    novelty = pipeline.measure_novelty(fitting.pipeline, features.X)
    return Answers(log_p, features.track, np.searchsorted(np.array(labels), features.y), labels, novelty=novelty)


def find_truth(answers: Answers, corpus: Corpus, recipe: Recipe) -> Answers:
    """Return answers with all genres of each track, where a track may have several; others as they are.

    For the true one is then held the most probable genre, if it is one of the track's.
    """
    if not recipe.multilabel:
        return answers
    members = np.array([[label in track.genres for label in answers.labels] for track in corpus.tracks])[answers.track]
    pooled, _ = metrics.pool(answers.log_probabilities, answers.track, answers.y)
    # (tracks,) → (clips,)
    best = pooled.argmax(axis=1)[np.unique(answers.track, return_inverse=True)[1]]
    y = np.where(members[np.arange(len(best)), best], best, answers.y)
    return replace(answers, y=y, members=members)


def report(experiment: Experiment, corpus: Corpus, answers: Answers, calibration: Calibration, part: str) -> Report:
    """Judge answers; `corpus` is the one whose tracks they count."""
    return judge(
        answers, calibration,
        ids=[track.id for track in corpus.tracks],
        corpus=experiment.corpus.name, protocol=experiment.protocol, part=part,
    )  # fmt: skip
