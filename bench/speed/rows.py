"""The paper's fifteen rows on a data set of its size, and its baselines against plain scikit-learn."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from report import Row, at_most, interleaved, limit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC, LinearSVC
from threadpoolctl import threadpool_limits

from earmark.audio import StftDensity
from earmark.paper.rows import FIGURE_3, PAPER
from earmark.training.pipeline import fit, is_network, make_pipeline
from earmark.training.registry import open_recipe

_CORES = 2
_EPOCHS = 3
"""Of each network; all of its epochs would take as much longer as they are more."""

PEERS: dict[str, Callable[[], Any]] = {
    "svm-linear-l2": lambda: LinearSVC(dual=True, random_state=0),
    "svm-linear-l1": lambda: LinearSVC(penalty="l1", dual=False, random_state=0),
    "svm-rbf": lambda: OneVsRestClassifier(SVC(gamma="auto")),
    "svm-poly": lambda: OneVsRestClassifier(SVC(kernel="poly", gamma="auto")),
    "svm-sigmoid": lambda: OneVsRestClassifier(SVC(kernel="sigmoid", gamma="auto")),
    "logistic-ovr": lambda: OneVsRestClassifier(LogisticRegression(solver="liblinear")),
    "logistic-multinomial": lambda: LogisticRegression(solver="newton-cg"),
}
"""Plain scikit-learn, by the solvers and numbers that suit it: double precision for liblinear and libsvm, which would
convert to it, single for Newton's method."""


def run(work: Path, *, quick: bool) -> Iterator[Row]:
    """Measure, each fit on one core, as rows run; baselines and their peers on fewer clips, for some peers are slow."""
    torch.set_num_threads(1)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield from _baselines(*clips(300 if quick else 1000))
        yield _all_rows(*clips(700 if quick else 4800))


def clips(n: int) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Coloured noise in ten colours, through the paper's front end, as loud and as quiet as music is."""
    rng = np.random.default_rng(0)
    front_end = StftDensity()
    hz = np.fft.rfftfreq(20_000, 1 / front_end.sample_rate)
    y = np.arange(n) % 10
    X = np.empty((n, 22, front_end.n_bins), np.float32)
    for clip, colour in zip(X, y, strict=True):
        slope = -1 - 0.15 * colour + 0.3 * rng.standard_normal()
        peak = np.exp(-(((hz - 150 * (1 + colour)) / 80) ** 2)) * rng.exponential(30)
        spectrum = np.maximum(hz, 20) ** slope * (1 + peak) * np.fft.rfft(rng.standard_normal(20_000))
        samples = np.fft.irfft(spectrum)
        clip[:] = front_end((samples * 10 ** rng.uniform(-2, -0.5) / np.abs(samples).max()).astype(np.float32))
    return X, np.array([f"colour {colour}" for colour in y])


def _baselines(X: NDArray[np.float32], y: NDArray[np.str_]) -> Iterator[Row]:
    vectors = ((X - X.mean(dtype=np.float64)) / X.std(dtype=np.float64)).reshape(len(X), -1)
    for name, peer in PEERS.items():
        dtype = np.float32 if name == "logistic-multinomial" else np.float64
        theirs = vectors.astype(dtype)
        seconds = interleaved(
            {
                "ours": lambda name=name: make_pipeline(open_recipe(name)).fit(X, y),
                "peer": lambda peer=peer, theirs=theirs: peer().fit(theirs, y),
            },
            1,
        )
        yield at_most(f"{name}, {len(X)} clips", seconds["ours"], "plain scikit-learn", seconds["peer"], 1.0)


def _all_rows(X: NDArray[np.float32], y: NDArray[np.str_]) -> Row:
    """Minutes of all fifteen on two cores, if every network ran all of its epochs, without stopping early.

    Each fits on one core, so its processor time is what it takes, whatever else the machine does.
    """
    learn = np.random.default_rng(1).permutation(len(X)) < 7 * len(X) // 8  # 4200 learn, 600 choose
    total = 0.0
    for name in PAPER:
        recipe = open_recipe(name)
        every = recipe.training.max_epochs
        training = recipe.training.model_copy(update={"max_epochs": _EPOCHS, "patience": None})
        pipeline = make_pipeline(recipe.model_copy(update={"training": training}))
        begin = time.process_time()
        fit(pipeline, X[learn], y[learn], X[~learn], y[~learn])
        seconds = time.process_time() - begin
        total += seconds * every / _EPOCHS if is_network(pipeline) else seconds
    what = (
        f"all {len(PAPER)} rows on {learn.sum()} clips: {len(FIGURE_3) - 2} baselines, 8 networks at all their epochs"
    )
    return limit(what, total / _CORES / 60, "min", 90)
