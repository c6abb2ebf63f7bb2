"""A library of 100 000 tracks: planned, searched for neighbours, and named again by another model."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from report import Row, limit

from earmark.inference.model import open_model
from earmark.inference.verdict import DISTRIBUTIONS, Verdict
from earmark.library.library import Library
from earmark.library.records import ModelKey

EARMARK = str(Path(sys.executable).with_name("earmark"))
TRACKS = 100_000


def run(work: Path, *, quick: bool) -> Iterator[Row]:
    """Measure commands, from start to end."""
    tracks = TRACKS // 10 if quick else TRACKS
    share = tracks / TRACKS
    database = work / "music.db"
    compose_library(work / "music", database, tracks)
    yield limit(f"a library of {tracks} tracks, for each", database.stat().st_size / tracks / 1000, "kB", 5)
    plan = ["tag", "--library", database, "--plan", work / "plan.csv"]
    yield limit(f"plan {tracks} tracks", _time(*plan), "s", 5 * share)
    similar = ["similar", work / "music/0/0.mp3", "--library", database]
    yield limit(f"the nearest of {tracks} tracks", _time(*similar), "s", 2 * share)
    yield limit(f"name {tracks} tracks again", _time("library", database, "--rename", "gtzan"), "s", 60 * share)


def _time(*arguments: object) -> float:
    """Return how many seconds a command of Earmark takes."""
    begin = time.perf_counter()
    subprocess.run([EARMARK, *map(str, arguments)], check=True, capture_output=True)
    return time.perf_counter() - begin


def compose_library(folder: Path, path: Path, tracks: int) -> None:
    """Make a library of a thousand drawn answers of the default model, again and again, to files that hold nothing."""
    rng, card = np.random.default_rng(0), open_model().card
    drawn = []
    for _ in range(1000):
        shares = {}
        for what, names in zip(DISTRIBUTIONS, (card.labels, card.styles, card.moods), strict=True):
            values = np.sort(rng.dirichlet(np.full(len(names), 0.3)))[::-1]
            shares[what] = dict(zip(rng.permutation(names).tolist(), values.tolist(), strict=True))
        genre, confidence = next(iter(shares["genres"].items()))
        embedding = rng.normal(0, 1, 634).astype(np.float16)
        drawn.append(
            Verdict(genre, None, confidence, duration=200.0, clips=(), model=card.name, embedding=embedding, **shares)
        )
    files = [(str(path), path.stat()) for path in (_make_file(folder, i) for i in range(tracks))]
    answers = (replace(drawn[i % 1000], path=name) for i, (name, _) in enumerate(files))
    key = ModelKey(card.checksum, card.name, card.labels)
    with Library(path) as library:
        deque(library.classify(files, key, lambda paths: (next(answers) for _ in paths)), maxlen=0)


def _make_file(folder: Path, number: int) -> Path:
    """Make a file of a size and time of its own: of one size and time they would be taken for one file that moves."""
    path = folder / str(number // 12) / f"{number}.mp3"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.truncate(path, number)
    os.utime(path, ns=(number, number))
    return path
