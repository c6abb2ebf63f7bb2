"""A model of one's own by ``earmark train``: from files, and again when they were embedded before."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from cold import EARMARK
from material import tracks
from report import Row, limit

from earmark.data.synth import STYLES

_JOBS = 2
_STEP = 0.05
"""Seconds from one look at the memory to the next."""


def run(work: Path, *, quick: bool) -> Iterator[Row]:
    """Measure (Linux): ten genres of MP3s of 30 s."""
    each = 4 if quick else 20
    corpus = write_genres(work / "genres", each)
    what = f"train: 10 genres x {each} MP3s of 30 s"
    for name, most in (("", 60), (", embedded before", 5)):
        begin = time.perf_counter()
        peak = _train(corpus, work)
        yield limit(what + name, time.perf_counter() - begin, "s", most)
        yield limit(f"{what}{name}: peak memory, workers included", peak / 1e6, "MB", 400)


def write_genres(folder: Path, each: int) -> Path:
    """Write so many files a genre: two pieces, that differ in the last bytes, as a cache takes for other sound."""
    pieces = tracks(folder.with_name("pieces"), 2 * len(STYLES))
    for piece in pieces:
        number, style = piece.stem.split(" ")
        (folder / style).mkdir(parents=True, exist_ok=True)
        for i in range(each // 2):
            # an ID3v1 tag: 128 bytes, whose title comes first
            tag = b"TAG" + f"{number} {i}".encode().ljust(124, b"\0") + b"\xff"
            (folder / style / f"{number} {i}.mp3").write_bytes(piece.read_bytes() + tag)
    return folder


def _train(corpus: Path, work: Path) -> int:
    """Run the command, as a user would; returns the most memory in bytes that it and its workers held at once."""
    command = [EARMARK, "train", str(corpus), "-o", str(work / "mine.onnx"), "--jobs", str(_JOBS)]
    surroundings = {**os.environ, "XDG_CACHE_HOME": str(work / "cache"), "OMP_NUM_THREADS": "1"}
    # the second run finds everything compiled, as what pip installs is
    surroundings |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(work / "compiled")}
    peak = 0
    with subprocess.Popen(command, env=surroundings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, sum(_measure_share(pid) for pid in _list_processes(process.pid)))
            time.sleep(_STEP)
    if process.returncode:
        raise RuntimeError(f"earmark train failed with status {process.returncode}")
    return peak


def _list_processes(pid: int) -> list[int]:
    """Return a process and all below it."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:  # it has ended
        return []
    return [pid, *(below for child in children for below in _list_processes(child))]


def _measure_share(pid: int) -> int:
    """Return a process's memory in bytes; of pages that several share, its part."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
