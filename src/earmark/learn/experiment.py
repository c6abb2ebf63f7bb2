"""Recipe + corpus + protocol → a model file, through a run folder that survives a kill."""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

import earmark
from earmark.errors import CorpusError, TrainingError
from earmark.learn import metrics
from earmark.learn.augment import Augmentation
from earmark.learn.corpus import Corpus, Track
from earmark.learn.estimators import RecurrentClassifier
from earmark.learn.evaluation import Report, judge
from earmark.learn.export import pipeline_graph
from earmark.learn.features import Features, extract
from earmark.learn.recipe import Recipe
from earmark.learn.scalers import LevelNormalizer, Standardizer
from earmark.learn.splits import Protocol, split_clips
from earmark.listen.files import replacing
from earmark.tell.card import Calibration, Card, Metric, Training
from earmark.tell.model import Model, save_model

COVERAGE = 0.9
"""Share of validation tracks that the "unknown" threshold must keep."""


@dataclass(frozen=True)
class Experiment:
    """One model to be made.

    Attributes
    ----------
    corpus : Corpus
    recipe : Recipe
    protocol : {"clip", "track", "artist", "fault-filtered"}
        How the corpus is split into what learns, what chooses, and what judges.
    seed : int
        Of the split, the weights, the order, dropout and augmentation.
    """

    corpus: Corpus
    recipe: Recipe
    protocol: Protocol = "track"
    seed: int = 0

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two runs the same run."""
        return {
            "corpus": self.corpus.fingerprint,
            "recipe": self.recipe.model_dump(mode="json"),
            "protocol": self.protocol,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Outcome:
    """What a run gave.

    Attributes
    ----------
    model : Model
        As written.
    reports : dict of str to Report
        For "valid", and "test" where the split has one.
    failed : dict of str to str
        Tracks that could not be read, and why.
    epochs : int
        Epochs run.
    """

    model: Model
    reports: dict[str, Report]
    failed: dict[str, str]
    epochs: int


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


def train(
    experiment: Experiment,
    output: Path,
    *,
    name: str | None = None,
    licence: str = "",
    cache: Path | None = None,
    jobs: int = 1,
    device: str = "auto",
    watch: Watch | None = None,
) -> Outcome:
    """Train a model and write its file.

    Parameters
    ----------
    experiment : Experiment
    output : Path
        The model file. Beside it, ``<output>.run`` holds the state after each epoch until the file is
        written; a run that was killed goes on from there.
    name : str, optional
        Name in the card; the file's name when left out.
    licence : str
        Licence of the model, for the card.
    cache : Path, optional
        Folder for features.
    jobs : int
        Tracks decoded at once.
    device : str
        "auto", "cpu", "cuda"…
    watch : Watch, optional

    Returns
    -------
    Outcome

    Raises
    ------
    CorpusError
        If the corpus has one genre, a genre with too few tracks, or cannot be split as asked.
    TrainingError
        If the run folder belongs to another experiment, or the loss stops being a number.
    """
    watch = watch or Watch()
    if len(experiment.corpus.genres) < 2:
        raise CorpusError(
            f"the corpus has one genre, {experiment.corpus.genres[0]!r}: there is nothing to tell apart; add tracks "
            "of another"
        )
    run = _run_folder(experiment, output)
    parts, failed = _features(experiment, cache, jobs, watch.on_track)
    pipeline = _fit(experiment, parts, run / "checkpoint.pt", device, watch.on_epoch)
    labels = tuple(str(c) for c in pipeline[-1].classes_)
    log_p = {
        part: np.log(np.maximum(pipeline.predict_proba(f.X), 1e-12)) for part, f in parts.items() if part != "train"
    }
    y = {part: np.searchsorted(np.array(labels), parts[part].y) for part in log_p}
    calibration = _calibrate(log_p["valid"], parts["valid"].track, y["valid"])
    reports = {
        part: judge(
            log_p[part], parts[part].track, y[part], labels, calibration,
            corpus=experiment.corpus.name, protocol=experiment.protocol, part=part,
        )
        for part in log_p
    }  # fmt: skip
    card = _card(experiment, name or output.stem, licence, pipeline, calibration, parts["train"], reports)
    model = save_model(output, pipeline_graph(pipeline, card.name), card)
    shutil.rmtree(run)
    return Outcome(model, reports, failed, pipeline[-1].n_iter_)


def make_pipeline(recipe: Recipe, seed: int = 0, **settings: Any) -> Pipeline:
    """Build the estimator that a recipe describes, unfitted.

    Parameters
    ----------
    recipe : Recipe
    seed : int
    **settings
        Further parameters of :class:`RecurrentClassifier`, such as ``checkpoint``.

    Returns
    -------
    sklearn.pipeline.Pipeline
        From clips of the recipe's front end to genres.
    """
    augmentation = Augmentation(**recipe.augmentation.model_dump())
    classifier = RecurrentClassifier(
        **recipe.network.model_dump(),
        **recipe.training.model_dump(),
        augmentation=augmentation if augmentation != Augmentation() else None,
        random_state=seed,
        **settings,
    )
    steps: list[tuple[str, Any]] = [
        ("standardize", Standardizer(recipe.per_bin, recipe.with_std)),
        ("network", classifier),
    ]
    if recipe.top_db is not None:
        steps.insert(0, ("level", LevelNormalizer(recipe.top_db)))
    return Pipeline(steps)


def _features(
    experiment: Experiment, cache: Path | None, jobs: int, on_track: Callable[[Track], None] | None
) -> tuple[dict[str, Features], dict[str, str]]:
    """Clips of each part; those that learn may overlap."""
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
    split = split_clips(readable, every.track, experiment.protocol, experiment.seed)
    parts = {part: every.part(getattr(split, part)) for part in ("train", "valid", "test") if len(getattr(split, part))}
    _require_all(parts, readable)
    if recipe.train_hop_seconds and experiment.protocol != "clip":
        parts["train"] = clips(readable.subset(np.unique(parts["train"].track)), recipe.train_hop_seconds)
    return parts, failed


def _require_all(parts: dict[str, Features], corpus: Corpus) -> None:
    for part in ("train", "valid"):
        missing = sorted(set(corpus.genres) - set(parts[part].y if part in parts else ()))
        if part not in parts or (missing and part == "train"):
            raise CorpusError(
                f"the {part} part of the split has no clips" + (f" of {', '.join(missing)}" if missing else "")
                + ": give more tracks of each genre"
            )  # fmt: skip


def _fit(
    experiment: Experiment,
    parts: dict[str, Features],
    checkpoint: Path,
    device: str,
    on_epoch: Callable[[dict[str, Any]], None] | None,
) -> Pipeline:
    """Fit scalers on the training clips alone, then the network, choosing the epoch by the validation clips."""
    pipeline = make_pipeline(
        experiment.recipe, experiment.seed, checkpoint=checkpoint, device=device, on_epoch=on_epoch
    )
    scalers = pipeline[:-1]
    X = scalers.fit_transform(parts["train"].X)
    pipeline[-1].fit(X, parts["train"].y, scalers.transform(parts["valid"].X), parts["valid"].y)
    return pipeline


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


def _card(
    experiment: Experiment,
    name: str,
    licence: str,
    pipeline: Pipeline,
    calibration: Calibration,
    learned: Features,
    reports: dict[str, Report],
) -> Card:
    return Card(
        name=name,
        labels=tuple(str(c) for c in pipeline[-1].classes_),
        clip_seconds=experiment.recipe.clip_seconds,
        front_end=experiment.recipe.front_end,
        n_bins=experiment.recipe.front_end.n_bins,
        min_frames=pipeline[-1].network.min_frames,
        attention=experiment.recipe.network.attention is not None,
        calibration=calibration,
        training=Training(
            corpus=experiment.corpus.name,
            fingerprint=experiment.corpus.fingerprint,
            protocol=experiment.protocol,
            n_tracks=len(np.unique(learned.track)),
            n_clips=len(learned.y),
            recipe=experiment.recipe.toml(),
            seed=experiment.seed,
            epochs=pipeline[-1].n_iter_,
        ),
        metrics=_figures(experiment, reports),
        licence=licence,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        commit=_commit(),
        earmark=earmark.__version__,
    )


def _figures(experiment: Experiment, reports: dict[str, Report]) -> tuple[Metric, ...]:
    arrays = experiment.corpus.tracks[0].spectrogram is not None
    return tuple(
        Metric(
            name=name,
            value=round(getattr(report, name), 4),
            n=report.n_clips if name == "clip_accuracy" else report.n_tracks,
            corpus=report.corpus,
            protocol=report.protocol,
            part=report.part,
            route="spectrogram" if arrays else "audio",
        )
        for report in reports.values()
        for name in ("clip_accuracy", "track_accuracy", "calibration_error")
    )


def _run_folder(experiment: Experiment, output: Path) -> Path:
    """The run's folder, new or of the same experiment."""
    run = output.with_name(output.name + ".run")
    record = run / "run.json"
    identity = json.dumps(experiment.identity, sort_keys=True, indent=1)
    if record.exists():
        if record.read_text(encoding="utf-8") != identity:
            raise TrainingError(f"{run} holds a run with another corpus, recipe, protocol or seed: delete it first")
        return run
    with replacing(record) as partial:
        partial.write_text(identity, encoding="utf-8")
    return run


def _commit() -> str:
    """Git commit of Earmark's source tree, where it runs from one."""
    tree = Path(__file__).parents[3]
    if not (tree / ".git").exists():  # an installed package may lie inside someone else's repository
        return ""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=tree,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
