"""Measure Earmark against its peers: ``python bench/run.py [--quick] [--json FILE] [NAME...]``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent / "speed"))
from report import Row, table

NAMES = (
    "folder", "preview", "cold", "long_file", "features", "own_model", "training", "rows", "encoder", "model",
    "library", "large_library",
)  # fmt: skip
"""The benchmarks, each a module of ``speed/`` with a function ``run(work, *, quick)`` that yields rows."""


def main() -> None:
    """Run the benchmarks named, or all; exit status 0 even where a target is missed, for this is a report."""
    options = _options()
    console = Console(stderr=True)
    rows: list[Row] = []
    try:
        for name in options.names or NAMES:
            begin = time.perf_counter()
            with console.status(name), TemporaryDirectory(prefix="earmark-bench-") as work:
                measure: Callable[..., Iterator[Row]] = import_module(name).run
                rows.extend(measure(Path(work), quick=options.quick))
            console.print(f"{name}: {time.perf_counter() - begin:.0f} s", style="dim")
    finally:  # what was measured is shown even where the rest fails
        machine = _machine()
        caption = ", ".join(f"{key} {value}" for key, value in machine.items())
        Console(width=max(console.width, 150)).print(table(rows, caption))  # as wide into a pipe
    if options.json:
        record = {"machine": machine, "quick": options.quick, "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; all when left out")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here too")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: there are {', '.join(NAMES)}")
    return options


def _machine() -> dict[str, object]:
    packages = ("earmark", "numpy", "av", "onnxruntime", "torch", "librosa")
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "cores": os.cpu_count(),
        "load": load,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


if __name__ == "__main__":
    main()
