"""Threads of a training: those that wait leave the cores to others."""

import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from earmark.data.corpus import Corpus, Track
from earmark.training import fit, pipeline
from earmark.training.experiment import Experiment
from earmark.training.registry import open_recipe


@pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP alone says how long it spins")
@pytest.mark.parametrize(("own", "spins"), [(None, {"0"}), ("active", {"30000000000"})])
def test_openmp_sleeps_while_it_waits_unless_the_user_says_otherwise(own, spins):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    if own:
        env["OMP_WAIT_POLICY"] = own
    told = subprocess.run(
        [sys.executable, "-c", "import earmark.training.network_classifier"],
        env={**env, "OMP_DISPLAY_ENV": "verbose"}, capture_output=True, text=True, check=True, timeout=120,
    ).stderr  # fmt: skip
    assert {line.split("'")[1] for line in told.splitlines() if "GOMP_SPINCOUNT" in line} == spins


def test_a_linear_model_is_fitted_in_one_thread_of_blas(monkeypatch):
    rng = np.random.default_rng(0)
    tracks = [Track(str(i), "ab"[i % 2], spectrogram=rng.random((22, 513), np.float32)) for i in range(20)]
    threads = []

    def watch(*arguments):
        threads.extend(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")
        return fit_pipeline(*arguments)

    fit_pipeline = pipeline.fit
    monkeypatch.setattr(pipeline, "fit", watch)
    with threadpool_limits(2, user_api="blas"):
        fit.fit(Experiment(Corpus("noise", tuple(tracks)), open_recipe("logistic-ovr"), "clip"))
    assert set(threads) == {1}
