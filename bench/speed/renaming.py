"""A library named again by another model, from embeddings alone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from stat import S_IFREG
from types import SimpleNamespace

import numpy as np
from report import Row, limit

from earmark.inference.model import open_model
from earmark.inference.verdict import DISTRIBUTIONS, Verdict
from earmark.library.library import Library, ModelKey

EARMARK = str(Path(sys.executable).with_name("earmark"))
TRACKS = 100_000


def run(work: Path, *, quick: bool) -> Iterator[Row]:
    """Measure the command, from start to end."""
    tracks = TRACKS // 10 if quick else TRACKS
    database = work / "music.db"
    compose_library(database, tracks)
    yield limit(f"a library of {tracks} tracks, for each", database.stat().st_size / tracks / 1000, "kB", 5)
    begin = time.perf_counter()
    subprocess.run([EARMARK, "library", database, "--rename", "gtzan"], check=True, capture_output=True)
    yield limit(f"name {tracks} tracks again", time.perf_counter() - begin, "s", 60 * tracks / TRACKS)


def compose_library(path: Path, tracks: int) -> None:
    """Make a library of a thousand drawn answers of the default model, again and again, to files that are not there."""
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
    answers = (replace(drawn[i % 1000], path=f"/music/{i // 12}/{i}.mp3") for i in range(tracks))
    # of one size and time they would be taken for one file that moves
    files = (
        (f"/music/{i // 12}/{i}.mp3", SimpleNamespace(st_size=i, st_mtime_ns=i, st_mode=S_IFREG)) for i in range(tracks)
    )
    key = ModelKey(card.checksum, card.name, card.labels)
    with Library(path) as library:
        deque(library.classify(files, key, lambda paths: (next(answers) for _ in paths)), maxlen=0)
