"""The installed command, as tests of several files run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

COMMAND = Path(sys.executable).with_name("earmark")


def run(*arguments, expect=0, **options):
    done = subprocess.run(
        [COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300, **options
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == expect, done.stderr
    return done


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def without_torch(folder):
    """Surroundings in which torch and skorch cannot be imported, by the command and by the processes it starts."""
    for name in ("torch", "skorch"):
        (folder / f"{name}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')\n")
    return {**os.environ, "PYTHONPATH": str(folder)}
