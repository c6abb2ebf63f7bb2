"""A library's second run against its first: ``python bench/speed/library.py [--files N] [--rounds R]``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

from material import tracks
from report import Row, at_most, interleaved
from rich.console import Console

EARMARK = str(Path(sys.executable).with_name("earmark"))
FILES = 300


def run(work: Path, *, quick: bool) -> Iterator[Row]:
    """Measure."""
    yield from measured(work, 60 if quick else FILES, rounds=1 if quick else 2)


def measured(work: Path, files: int, *, rounds: int) -> Iterator[Row]:
    """Run the command on copies of a few MP3s of 30 s, each round with a new database and then again.

    Parameters
    ----------
    work : Path
        An empty folder.
    files : int
    rounds : int

    Yields
    ------
    Row
        The second run against the first; and, for information, against a run over one known file: what is fixed.
    """
    music = _copies(work, files)
    databases = iter(range(rounds))

    def first() -> None:
        database = work / f"{next(databases)}.db"
        _classify(music, database)
        copyfile(database, work / "last.db")  # all of it: the write-ahead log is folded in when a run ends

    contenders = {
        "first": first,
        "second": lambda: _classify(music, work / "last.db"),
        "start": lambda: _classify(music / "0", work / "last.db"),
    }
    seconds = interleaved(contenders, rounds)
    what = f"second run over {files} MP3s of 30 s, unchanged"
    yield at_most(what, seconds["second"], "the first", seconds["first"], 0.03)
    yield at_most(f"{what}: all of it", seconds["second"], "starting up, one known file", seconds["start"])


def _copies(work: Path, files: int) -> Path:
    """Folders of a hundred files; a copy shares nothing with its original that could make it quicker to hear."""
    originals = tracks(work / "originals", 6)
    for i in range(files):
        folder = work / "music" / str(i // 100 + 1)
        folder.mkdir(parents=True, exist_ok=True)
        copyfile(originals[i % len(originals)], folder / f"{i:06}.mp3")
    (work / "music" / "0").mkdir()
    copyfile(originals[0], work / "music" / "0" / "one.mp3")
    return work / "music"


def _classify(music: Path, database: Path) -> None:
    command = [EARMARK, "classify", str(music), "--library", str(database), "--format", "json", "-o", "answers.json"]
    subprocess.run(command, check=True, capture_output=True, cwd=database.parent)


def main() -> None:
    """Measure as the command line says, and print the rows."""
    from report import table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    begin = time.perf_counter()
    with TemporaryDirectory(prefix="earmark-bench-") as work:
        rows = list(measured(Path(work), options.files, rounds=options.rounds))
    Console(width=150).print(table(rows, f"{time.perf_counter() - begin:.0f} s"))


if __name__ == "__main__":
    main()
