"""Where a result comes from: the software, the machine, the moment."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("earmark", "numpy", "av", "soxr", "scikit-learn", "torch", "skorch")


def provenance() -> dict[str, Any]:
    """Versions, commit, machine and date, for the record of a run."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def commit() -> str:
    """Git commit of Earmark's source tree, where it runs from one."""
    # training, earmark, src, tree
    tree = Path(__file__).parents[3]
    if not (tree / ".git").exists():  # an installed package may lie inside someone else's repository
        return ""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=tree,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
