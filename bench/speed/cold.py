"""Cold start: fresh processes, from nothing to done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from material import tracks
from report import Row, interleaved, limit

EARMARK = str(Path(sys.executable).with_name("earmark"))

_IMPORT = """
import sys, time
begin = time.perf_counter()
import earmark
print(time.perf_counter() - begin, *sorted({"torch", "onnxruntime"} & set(sys.modules)))
"""


def run(work: Path, *, quick: bool) -> Iterator[Row]:
    """Measure."""
    (track,) = tracks(work / "cold", 1)
    commands = {
        "python": [sys.executable, "-c", ""],
        "help": [EARMARK, "--help"],
        "imports": [sys.executable, "-c", "import numpy, av, soxr, onnxruntime, typer, pydantic"],
        "classify": [EARMARK, "classify", str(track)],
    }
    calls = {name: lambda command=command: _output(command) for name, command in commands.items()}
    interleaved(calls, 1)  # fill the file system's cache
    seconds = interleaved(calls, 5 if quick else 11)
    yield limit("earmark --help", seconds["help"], "s", 0.3, "bare Python", seconds["python"])
    yield limit(
        "earmark classify one.mp3 (30 s)",
        seconds["classify"],
        "s",
        1.2,
        "importing what it needs",
        seconds["imports"],
    )
    yield _import_alone(5 if quick else 11)


def _import_alone(times: int) -> Row:
    """Return the row of ``import earmark``; a heavy package that comes along fails it, however quick."""
    seconds, heavy = [], set()
    for _ in range(times):
        took, *loaded = _output([sys.executable, "-c", _IMPORT]).split()
        seconds.append(1000 * float(took))
        heavy |= set(loaded)
    row = limit("import earmark", median(seconds), "ms", 50)
    note = f"loads {' and '.join(sorted(heavy))}" if heavy else "loads neither torch nor onnxruntime"
    return Row(row.benchmark, row.measured, row.unit, note, target=row.target, met=row.met and not heavy)


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
