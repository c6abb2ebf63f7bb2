"""Many rows side by side: each is fitted in a process of its own, leaves a result behind, and survives a kill.

A folder holds, for each row (:class:`~earmark.paper.rows.Row`), ``rows/PROTOCOL/RECIPE/seed-N/`` with::

    experiment.json   what exactly it is; a folder of anything else is begun afresh
    state.json        how far it is, while it runs
    checkpoint.pt     a network's state after its last whole epoch, while it runs
    result.json       all that came of it, once it is done
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

from earmark.audio import FrontEnd
from earmark.data.corpus import Corpus, Track
from earmark.data.features.extract import extract
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

Record = dict[str, Any]
"""A row's result, or what is known of it while it runs, as JSON holds it."""


@dataclass(frozen=True)
class Done:
    """A row that came to its end.

    Attributes
    ----------
    row : Row
    record : dict
        Its result; empty where it failed.
    error : str
        Why it failed; empty where it did not.
    """

    row: Row
    record: Record
    error: str = ""


@dataclass(frozen=True)
class Laboratory:
    """Where rows are run and their results kept.

    Attributes
    ----------
    corpus : Corpus
    folder : Path
        Shared by all machines, where rows run on several.
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
        """Make the features that rows need, once, before several of them would at the same time."""
        for front_end, clip_seconds, hop_seconds in self._cuttings(rows):
            extract(
                self.corpus, front_end, clip_seconds,
                hop_seconds=hop_seconds, cache=self.cache, jobs=jobs, on_track=on_track,
            )  # fmt: skip

    def n_preparations(self, rows: Sequence[Row]) -> int:
        """Calls of `on_track` that :meth:`prepare` will make."""
        return len(self._cuttings(rows)) * len(self.corpus.tracks)

    def run(self, rows: Sequence[Row], jobs: int) -> Iterator[Done]:
        """Run rows in processes of this machine, each on one core.

        One core each, whatever `jobs`: sums of floating-point numbers depend on how many threads share them, and
        the same seed shall give the same numbers.

        Yields
        ------
        Done
            As they come to their end; those that have a result already, without running them again.
        """
        for row in rows:  # what a killed run left behind runs no more
            (self.place(row) / "state.json").unlink(missing_ok=True)
        pool: Pool[Row, Done] = Pool(partial(_prepared, self), jobs, _crashed)
        yield from pool.as_done(iter(rows))

    def run_on_ray(self, rows: Sequence[Row], address: str) -> Iterator[Done]:
        """Run rows on a Ray cluster, through joblib; they read the corpus and write results on a shared disk.

        Parameters
        ----------
        address : str
            As ``ray.init`` takes it: "auto", "local", "ray://host:10001"…
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
            yield from joblib.Parallel(n_jobs=-1, batch_size=1)(joblib.delayed(run_row)(there, row) for row in rows)

    def place(self, row: Row) -> Path:
        """Return the folder of one row."""
        return self.folder / "rows" / row.place

    def result(self, row: Row) -> Record | None:
        """Result of a row, if it is done and is of this very experiment."""
        record = _read(self.place(row) / "result.json")
        return record if record and record["identity"] == self.experiment(row).identity else None

    def state(self, row: Row) -> Record | None:
        """How far a row is: the last epoch's record, or None where it has not begun or is done."""
        return _read(self.place(row) / "state.json")

    def recipe(self, row: Row) -> Recipe:
        """Return a row's recipe, with this laboratory's limit on epochs."""
        recipe = open_recipe(row.recipe)
        return recipe if self.epochs is None else recipe.with_epochs(self.epochs)

    def experiment(self, row: Row) -> Experiment:
        """Return what a row runs; its identity makes a result the result of just this row."""
        return Experiment(self.corpus, self.recipe(row), row.protocol, row.seed, row.fold)

    def _absolute(self) -> Laboratory:
        """The same, for processes that start in another folder."""
        tracks = tuple(replace(track, path=track.path and track.path.absolute()) for track in self.corpus.tracks)
        corpus = replace(self.corpus, tracks=tracks)
        return replace(self, corpus=corpus, folder=self.folder.absolute(), cache=self.cache.absolute())

    def _cuttings(self, rows: Sequence[Row]) -> list[tuple[FrontEnd, float, float]]:
        """Front end, clip and hop in seconds of each kind of features that rows read, once."""
        recipes = [(row.protocol, self.recipe(row)) for row in rows]
        kinds = [(r.front_end, r.clip_seconds, hop) for protocol, r in recipes for hop in r.hops(protocol)]
        return list(dict.fromkeys(kinds))


def run_row(laboratory: Laboratory, row: Row) -> Done:
    """Fit and judge one row, unless it is done; what goes wrong with it is its own affair.

    Returns
    -------
    Done
    """
    place = laboratory.place(row)
    if record := laboratory.result(row):
        return Done(row, record)
    try:
        identity = laboratory.experiment(row).identity
        if _read(place / "experiment.json") != identity:
            shutil.rmtree(place, ignore_errors=True)
            _write(place / "experiment.json", identity)
        record = {"identity": identity, **_run(laboratory, row, place)}
    except EarmarkError as error:
        return Done(row, {}, str(error))
    except Exception as error:  # a bug in one row must not end the others
        return Done(row, {}, f"{type(error).__name__}: {error}")
    _write(place / "result.json", record)
    for name in ("checkpoint.pt", "state.json"):
        (place / name).unlink(missing_ok=True)
    return Done(row, record)


def _run(laboratory: Laboratory, row: Row, place: Path) -> Record:
    import torch
    from threadpoolctl import threadpool_limits

    from earmark.training.fit import run

    tell = partial(_write, place / "state.json")
    resources = Resources(laboratory.cache, device=laboratory.device, on_epoch=tell)
    _write(place / "state.json", {})
    torch.set_num_threads(1)
    with threadpool_limits(1):
        trial = run(laboratory.experiment(row), resources, place / "checkpoint.pt")
        return _record(row, trial)


def _record(row: Row, trial: Trial) -> Record:
    report = trial.reports[trial.part].to_dict()
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
    judged = trial.material.parts[trial.part]
    whole = ~np.isnan(judged.X).any(axis=(1, 2))
    weights = network.attend(trial.pipeline[:-1].transform(judged.X[whole]))  # (clips, frames)
    genres = judged.y[whole]
    return {str(g): weights[genres == g].mean(axis=0).round(5).tolist() for g in np.unique(genres)}


def _prepared(laboratory: Laboratory) -> Callable[[Row], Done]:
    return partial(run_row, laboratory)


def _crashed(row: Row, failure: str) -> Done:
    return Done(row, {}, "its process died; was there enough memory? The same command tries again")


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
