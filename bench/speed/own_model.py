"""A model of one's own by ``earmark train``: from files, and again when they were embedded before."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from features import LAUNCHER
from material import tracks
from report import Row, limit

from earmark.data.synth import STYLES

_JOBS = 2
# The peak is that of the command and, for each of its workers, that of the largest: more than all held at once.
_TRAIN = """
import sys
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from earmark.cli.main import main
try:
    main()
except SystemExit as stop:
    if stop.code:
        raise
peak = getrusage(RUSAGE_SELF).ru_maxrss + 2 * getrusage(RUSAGE_CHILDREN).ru_maxrss
print(peak * (1 if sys.platform == "darwin" else 1024), file=sys.stderr)
"""


def run(work: Path, *, quick: bool) -> Iterator[Row]:
    """Measure (Linux and macOS): ten genres of MP3s of 30 s."""
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
    """Run the command, as a user would, and return its peak memory in bytes."""
    arguments = ["train", corpus, "-o", work / "mine.onnx", "--jobs", str(_JOBS)]
    command = [sys.executable, "-S", "-c", LAUNCHER, sys.executable, "-c", _TRAIN, *arguments]
    surroundings = {**os.environ, "XDG_CACHE_HOME": str(work / "cache"), "OMP_NUM_THREADS": "1"}
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=surroundings)
    return int(said.stderr.splitlines()[-1])
