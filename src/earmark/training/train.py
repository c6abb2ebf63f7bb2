"""Recipe + corpus + protocol → a model file, through a run folder that survives a kill."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import earmark
from earmark.data.examples import encode_examples
from earmark.errors import SettingError, TrainingError
from earmark.evaluation.report import Report
from earmark.files import replacing
from earmark.inference.card import Card, Metric, Training
from earmark.inference.model import Model, save_model
from earmark.inference.vocabulary import read_classes
from earmark.training import cross_validation
from earmark.training import fit as trials
from earmark.training.experiment import Experiment, Resources
from earmark.training.export import pipeline_graph, pipeline_head
from earmark.training.fit import Trial
from earmark.training.provenance import commit

__all__ = ["Experiment", "Outcome", "Resources", "train"]


@dataclass(frozen=True)
class Outcome:
    """What a run gave: the model as written, its reports, tracks that could not be read and why, and epochs run.

    The reports are of "valid", and "test" where the split has one; or of "5 held-out folds". The notes say which genres
    were left out, as too few of their tracks could be read.
    """

    model: Model
    reports: dict[str, Report]
    failed: dict[str, str]
    epochs: int
    notes: tuple[str, ...] = ()

    @property
    def report(self) -> Report:
        """The one that says most: of "test" where there is one."""
        return self.reports.get("test") or next(iter(self.reports.values()))


def train(
    experiment: Experiment,
    output: Path,
    *,
    folds: int | None = None,
    name: str | None = None,
    licence: str = "",
    resources: Resources | None = None,
) -> Outcome:
    """Train a model and write its file.

    Parameters
    ----------
    experiment : Experiment
    output : Path
        The model file. Beside it, ``<output>.run`` holds the state after each epoch until the file is
        written; a run that was killed goes on from there.
    folds : int, optional
        Judge by so many held-out folds (0: as many as the genres allow) and learn from every track, see
        :mod:`earmark.training.cross_validation`; else part of the corpus learns and the rest judges.
    name : str, optional
        Name in the card; the file's name when left out.
    licence : str
        Licence of the model, for the card.
    resources : Resources, optional

    Raises
    ------
    CorpusError
        If a genre has too few tracks, or the corpus cannot be split as asked.
    SettingError
        If what the recipe makes has no model file.
    TrainingError
        If the run folder belongs to another experiment, or the loss stops being a number.
    """
    if experiment.recipe.kind == "svm":
        raise SettingError("a recipe with [svm] has no model file: judge it by 'earmark reproduce'")
    with _run_folder(experiment, folds, output) as run:
        if folds is not None:
            trial = cross_validation.run(experiment, folds, run, resources)
        else:
            trial = trials.run(experiment, resources, run / "checkpoint.pt")
        card = _make_card(experiment, name or output.stem, licence, trial)
        learned = trial.material
        recipe = experiment.recipe
        graph = pipeline_graph(trial.pipeline, card.name, recipe.encoder)
        examples = encode_examples(learned.corpus, learned.parts["train"]) if recipe.pool else b""
        head = pipeline_head(trial.pipeline) if recipe.pool and recipe.encoder and recipe.logistic else b""
        model = save_model(output, graph, card, examples, head)
    notes = learned.corpus.notes[len(experiment.corpus.notes) :]
    return Outcome(model, trial.reports, learned.failed, len(trial.history), notes)


def _make_card(experiment: Experiment, name: str, licence: str, trial: Trial) -> Card:
    recipe = experiment.recipe
    front_end = recipe.encoder.mel if recipe.encoder else recipe.front_end
    a_step = recipe.front_end.hop_length // front_end.hop_length
    return Card(
        name=name,
        labels=trial.labels,
        clip_seconds=recipe.clip_seconds,
        hop_seconds=recipe.hop_seconds,
        front_end=front_end,
        n_bins=front_end.n_bins,
        min_frames=a_step,
        attention=recipe.attention,
        styles=tuple(item.name for item in read_classes("genre")) if recipe.encoder else (),
        moods=tuple(item.name for item in read_classes("mood")) if recipe.encoder else (),
        calibration=trial.calibration,
        training=_describe_training(experiment, trial),
        metrics=_list_metrics(experiment, trial.reports),
        licence=licence,
        credits=recipe.encoder.credits if recipe.encoder else (),
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        commit=commit(),
        earmark=earmark.__version__,
    )


def _describe_training(experiment: Experiment, trial: Trial) -> Training:
    learned = trial.material.parts["train"]
    return Training(
        corpus=experiment.corpus.name,
        fingerprint=experiment.corpus.fingerprint,
        protocol=experiment.protocol,
        n_tracks=len(np.unique(learned.track)),
        n_clips=len(learned.y),
        recipe=experiment.recipe.toml(),
        seed=experiment.seed,
        epochs=len(trial.history),
    )


def _list_metrics(experiment: Experiment, reports: dict[str, Report]) -> tuple[Metric, ...]:
    arrays = experiment.corpus.tracks[0].spectrogram is not None
    return tuple(
        Metric(
            name=name,
            value=getattr(report, name),
            n=report.n_clips if name == "clip_accuracy" else report.n_tracks,
            corpus=report.corpus,
            protocol=report.protocol,
            part=report.part,
            route="spectrogram" if arrays else "audio",
        )
        for report in reports.values()
        for name in ("clip_accuracy", "track_accuracy", "mean_recall", "calibration_error")
    )


@contextmanager
def _run_folder(experiment: Experiment, folds: int | None, output: Path) -> Iterator[Path]:
    """Give the run's folder, new or of the same experiment; it stays only where a later run can go on from it."""
    run = output.with_name(output.name + ".run")
    record = run / "run.json"
    # sorted keys: the same run always gives the same text
    identity = json.dumps(
        experiment.identity | ({"folds": folds} if folds is not None else {}), sort_keys=True, indent=1
    )
    # what takes a second begins anew, whatever it was
    if run.exists() and not experiment.recipe.is_network:
        shutil.rmtree(run)
    if not record.exists():
        with replacing(record) as partial:
            partial.write_text(identity, encoding="utf-8")
    elif record.read_text(encoding="utf-8") != identity:
        raise TrainingError(
            f"{run} holds a run with another corpus, recipe, protocol, seed or number of folds: delete it first"
        )
    try:
        yield run
    except BaseException:
        if not experiment.recipe.is_network or list(run.iterdir()) == [record]:
            shutil.rmtree(run)
        raise
    # only now that the file is written
    shutil.rmtree(run)
