"""Runs of many rows side by side, each in a process of its own, each resumed after a kill.

A folder holds, for each row (:class:`~earmark.paper.rows.Row`), ``rows/PROTOCOL/RECIPE/seed-N/`` with::

    experiment.json   what exactly it is; a folder of anything else is started afresh
    state.json        the last epoch's record, while it runs
    checkpoint.pt     a network's state after its last whole epoch, while it runs
    result.json       its record, once it is done
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from earmark.data.corpus import Corpus, Track
from earmark.data.features.extract import extract
from earmark.data.features.worker import Extractor
from earmark.errors import CorpusError, EarmarkError, MissingExtra
from earmark.files import replacing
from earmark.paper.rows import Row
from earmark.parallel import Pool
from earmark.training.experiment import Experiment, Resources
from earmark.training.provenance import commit
from earmark.training.recipe import Recipe
from earmark.training.registry import open_recipe

if TYPE_CHECKING:
    from earmark.training.fit import Trial

# A row's result, or what is known of it while it runs, as JSON holds it.
Record = dict[str, Any]


@dataclass(frozen=True)
class RowResult:
    """What came of a row: its record, or the error that it failed with; the other is empty."""

    row: Row
    record: Record
    error: str = ""


@dataclass(frozen=True)
class Reproduction:
    """Runs rows and keeps their results.

    Attributes
    ----------
    folder : Path
        For results; shared by all machines, where rows run on several.
    cache : Path
        Folder for features.
    device : str
        "auto", "cpu", "cuda"…
    epochs : int, optional
        Epochs at most, instead of the recipes'.
    """

    corpus: Corpus
    folder: Path
    cache: Path
    device: str = "auto"
    epochs: int | None = None

    def prepare(self, rows: Sequence[Row], jobs: int, on_track: Callable[[Track], None] | None = None) -> None:
        """Compute the features that rows need, once, before several of them would at the same time."""
        for front_end, clip_seconds, hop_seconds in self._feature_settings(rows):
            extract(
                self.corpus, front_end, clip_seconds,
                hop_seconds=hop_seconds, cache=self.cache, jobs=jobs, on_track=on_track,
            )  # fmt: skip

    def n_preparations(self, rows: Sequence[Row]) -> int:
        """Return the number of calls of `on_track` that :meth:`prepare` will make."""
        return len(self._feature_settings(rows)) * len(self.corpus.tracks)

    def run(self, rows: Sequence[Row], jobs: int) -> Iterator[RowResult]:
        """Yield the results of rows as they finish; those that have one already are not run again.

        Each runs in a process of this machine, on one core, whatever `jobs`: sums of floating-point numbers depend on
        how many threads share them, and the same seed shall give the same numbers.
        """
        # what a killed run left behind runs no more
        for row in rows:
            (self.place(row) / "state.json").unlink(missing_ok=True)
        # called in each process, partial(partial, f, x) returns partial(f, x), which runs its rows
        pool: Pool[Row, RowResult] = Pool(partial(partial, run_row, self), jobs, _report_crash)
        yield from pool.map_unordered(iter(rows))

    def run_on_ray(self, rows: Sequence[Row], address: str) -> Iterator[RowResult]:
        """Run rows on a Ray cluster, through joblib; they read the corpus and write results on a shared disk.

        `address` is that of ``ray.init``: "auto", "local", "ray://host:10001"…
        """
        try:
            import ray
            from ray.util.joblib import register_ray
        except ImportError as error:
            raise MissingExtra("running on Ray", "scale") from error
        import joblib

        if not ray.is_initialized():
            ray.init(address=None if address == "local" else address, log_to_driver=False, logging_level=logging.ERROR)
        register_ray()
        there = self._absolute()
        with joblib.parallel_config(backend="ray"):
            # batch_size=1: a row may take an hour, so none waits in a batch behind another
            yield from joblib.Parallel(n_jobs=-1, batch_size=1)(joblib.delayed(run_row)(there, row) for row in rows)

    def place(self, row: Row) -> Path:
        """Return the folder of one row."""
        return self.folder / "rows" / row.place

    def result(self, row: Row) -> Record | None:
        """Return the result of a row, if it is done and is of this very experiment."""
        record = _read(self.place(row) / "result.json")
        return record if record and record["identity"] == self.experiment(row).identity else None

    def state(self, row: Row) -> Record | None:
        """Return the last epoch's record of a row; None where it has not started or is done."""
        return _read(self.place(row) / "state.json")

    def recipe(self, row: Row) -> Recipe:
        """Return a row's recipe, with this reproduction's limit on epochs."""
        recipe = open_recipe(row.recipe)
        return recipe if self.epochs is None else recipe.with_epochs(self.epochs)

    def experiment(self, row: Row) -> Experiment:
        """Return what a row runs; its identity makes a result the result of just this row."""
        return Experiment(self.corpus, self.recipe(row), row.protocol, row.seed, row.fold)

    def _absolute(self) -> Reproduction:
        """Return the same with absolute paths, for processes that start in another folder."""
        tracks = tuple(replace(track, path=track.path and track.path.absolute()) for track in self.corpus.tracks)
        corpus = replace(self.corpus, tracks=tracks)
        return replace(self, corpus=corpus, folder=self.folder.absolute(), cache=self.cache.absolute())

    def _feature_settings(self, rows: Sequence[Row]) -> list[tuple[Extractor, float, float]]:
        """Return front end, clip and hop in seconds of each kind of features that rows read, once."""
        recipes = [(row.protocol, self.recipe(row)) for row in rows]
        kinds = [(r.front_end, r.clip_seconds, hop) for protocol, r in recipes for hop in r.hops(protocol)]
        return list(dict.fromkeys(kinds))


def run_row(reproduction: Reproduction, row: Row) -> RowResult:
    """Fit and evaluate one row, unless it is done; an error is part of the result."""
    place = reproduction.place(row)
    if record := reproduction.result(row):
        return RowResult(row, record)
    try:
        identity = reproduction.experiment(row).identity
        # a folder of another experiment: nothing in it may be resumed
        if _read(place / "experiment.json") != identity:
            shutil.rmtree(place, ignore_errors=True)
            _write(place / "experiment.json", identity)
        record = {"identity": identity, **_run(reproduction, row, place)}
    except EarmarkError as error:
        return RowResult(row, {}, str(error))
    except Exception as error:
        # a bug in one row must not end the others
        return RowResult(row, {}, f"{type(error).__name__}: {error}")
    _write(place / "result.json", record)
    # after the result is on disk: a kill in between costs nothing
    for name in ("checkpoint.pt", "state.json"):
        (place / name).unlink(missing_ok=True)
    return RowResult(row, record)


def _run(reproduction: Reproduction, row: Row, place: Path) -> Record:
    import torch
    from threadpoolctl import threadpool_limits

    from earmark.training.fit import run

    tell = partial(_write, place / "state.json")
    resources = Resources(reproduction.cache, device=reproduction.device, on_epoch=tell)
    _write(place / "state.json", {})
    # sums of floats depend on how many threads share them
    torch.set_num_threads(1)
    # and those of BLAS and OpenMP, which scikit-learn uses
    with threadpool_limits(1):
        trial = run(reproduction.experiment(row), resources, place / "checkpoint.pt")
        return _record(row, trial)


def _record(row: Row, trial: Trial) -> Record:
    report = trial.reports[trial.part].to_dict()
    # of the evaluation, and before it of the features
    failed = {**report.pop("failed"), **trial.material.failed}
    return {
        "recipe": row.name,
        "fold": row.fold.index if row.fold else None,
        "folds": row.fold.count if row.fold else None,
        "seed": row.seed,
        **report,
        "leak": asdict(trial.material.leak),
        "epochs": len(trial.history) or None,
        "seconds": round(trial.seconds, 2),
        "parameters": trial.parameters,
        "history": trial.history,
        "attention": _average_attention(trial),
        "notes": list(trial.notes),
        "failed": failed,
        "commit": commit(),
    }


def _average_attention(trial: Trial) -> dict[str, list[float]] | None:
    """Return attention over the judging clips' frames, averaged by genre; whole clips only."""
    network = trial.pipeline[-1]
    if getattr(getattr(network, "network", None), "attention", None) is None:
        return None
    tested = trial.material.parts[trial.part]
    # NaN frames fill clips that are shorter than the others
    # (clips, frames, bins) → (clips,)
    whole = ~np.isnan(tested.X).any(axis=(1, 2))
    weights = network.attend(trial.pipeline[:-1].transform(tested.X[whole]))  # (clips, frames)
    genres = tested.y[whole]
    return {str(g): weights[genres == g].mean(axis=0).round(5).tolist() for g in np.unique(genres)}


def _report_crash(row: Row, failure: str) -> RowResult:
    return RowResult(row, {}, "its process died; was there enough memory? The same command tries again")


def _read(path: Path) -> Record | None:
    try:
        record: Record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} cannot be read ({error}): delete it to begin that row afresh") from error
    return record


def _write(path: Path, record: Record) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(record), encoding="utf-8")
