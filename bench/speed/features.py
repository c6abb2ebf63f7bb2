"""Features of a corpus: ours, new and from the cache, against the loop that everyone writes, in two processes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from report import Row, limit

from earmark.data.synth import write_corpus

_JOBS = 2

# A process starts with its parent's peak memory as its own, so a small one stands between us and the work. The peak
# is that of the process, and the largest of its workers for each of them: more than all held at any one moment.
_LAUNCHER = """
import os, sys
child = os.fork()
if not child:
    os.execv(sys.argv[1], sys.argv[1:])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
_EXTRACT = """
import sys, time
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from earmark.data.corpus import open_corpus
from earmark.data.features.extract import extract
from earmark.audio import StftDensity
jobs = int(sys.argv[3])
corpus = open_corpus(sys.argv[1])
begin = time.perf_counter()
features = extract(corpus, StftDensity(), 5.0, cache=Path(sys.argv[2]), jobs=jobs)
seconds = time.perf_counter() - begin
peak = getrusage(RUSAGE_SELF).ru_maxrss + jobs * getrusage(RUSAGE_CHILDREN).ru_maxrss
print(len(features.X), seconds, peak * (1 if sys.platform == "darwin" else 1024))
"""


@dataclass(frozen=True)
class _Extraction:
    """Seconds of ``extract`` alone and of its process as a whole; bytes."""

    seconds: float
    whole: float
    peak: float


def run(work: Path, *, quick: bool) -> Iterator[Row]:
    """Measure (Linux and macOS); the loop, ours and ours from the cache take turns."""
    corpus, cache = work / "corpus", work / "cache"
    paths = write_corpus(corpus, tracks=20 if quick else 100, jobs=_JOBS)
    new: list[_Extraction] = []
    cached: list[_Extraction] = []
    peer: list[float] = []
    with ProcessPoolExecutor(_JOBS, get_context("spawn")) as pool:
        _loop(pool, paths[:20])  # everything imported and warm
        for _ in range(2):
            begin = time.perf_counter()
            clips = len(_loop(pool, paths))
            peer.append(time.perf_counter() - begin)
            shutil.rmtree(cache, ignore_errors=True)
            new.append(_extraction(corpus, cache, clips))
            cached.append(_extraction(corpus, cache, clips))
    what, loop, share = f"features of {len(paths)} excerpts of 30 s", "librosa + scipy loop, warm", len(paths) / 1000
    for name, runs, most in (("", new, 60 * share), (", again", cached, 3 * share)):
        yield limit(f"{what}{name}", min(r.seconds for r in runs), "s", most, loop, min(peer))
        yield Row(f"{what}{name}: the process as a whole", min(r.whole for r in runs), "s")
    yield limit(f"{what}: peak memory, workers included", max(r.peak for r in new + cached) / 1e6, "MB", 1000)


def usual_clips(path: Path) -> NDArray[np.float32]:
    """Compute the paper's spectrograms of one file as scripts do, shape (clips, frames, bins)."""
    import librosa
    from scipy.signal import spectrogram

    samples, _ = librosa.load(path, sr=4000)
    clips = 32768 * samples[: len(samples) // 20000 * 20000].reshape(-1, 20000)
    density = spectrogram(clips, window=("tukey", 0.25), nperseg=1024, noverlap=128)[2]  # (clips, bins, frames)
    return density.transpose(0, 2, 1).astype(np.float32)


def _loop(pool: ProcessPoolExecutor, paths: Sequence[Path]) -> NDArray[np.float32]:
    return np.concatenate(list(pool.map(usual_clips, paths, chunksize=10)))


def _extraction(corpus: Path, cache: Path, clips: int) -> _Extraction:
    command = [sys.executable, "-S", "-c", _LAUNCHER, sys.executable, "-c", _EXTRACT, corpus, cache, str(_JOBS)]
    begin = time.perf_counter()
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    whole = time.perf_counter() - begin
    if int(said[0]) != clips:
        raise RuntimeError(f"{said[0]} clips, but the loop found {clips}")
    return _Extraction(float(said[1]), whole, float(said[2]))
