"""A file of ten hours: peak memory, and whether anything is copied to disk on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cold import EARMARK
from material import low_rate_track, repeated
from report import Row, limit

# A process starts with its parent's peak memory as its own, so a small one stands between us and the command.
# It looks at what the command has written before it lets it go.
_LAUNCHER = """
import os, sys
child = os.fork()
if not child:
    os.execv(sys.argv[1], sys.argv[1:])
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
try:
    written = dict(line.split(": ") for line in open(f"/proc/{child}/io"))["wchar"].strip()
except OSError:
    written = "-1"
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), written, status, file=sys.stderr)
"""


def run(work: Path, *, quick: bool) -> Iterator[Row]:
    """Measure the command line in a process of its own (Linux and macOS)."""
    hours = 1 if quick else 10
    track = repeated(low_rate_track(work / "five minutes.mp3"), work / "long.mp3", 12 * hours)
    temporary = work / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-S", "-c", _LAUNCHER, EARMARK, "classify", str(track), "--format", "json"]
    begin = time.perf_counter()
    with subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        left: set[Path] = set()
        while process.poll() is None:  # the command says little, so its pipes cannot fill
            left |= set(temporary.iterdir())
            time.sleep(0.02)
        answer, (*words, peak, written, status) = process.stdout.read(), process.stderr.read().split()
    seconds = time.perf_counter() - begin
    if status != "0":
        raise RuntimeError(f"earmark classify failed: {' '.join(words)} {answer}")
    what = f"classify a file of {hours} h"
    yield limit(f"{what}: peak memory", int(peak) / 1e6, "MB", 250)
    found = f", in TMPDIR {', '.join(sorted(path.name for path in left))}" if left else ""
    yield Row(
        f"{what}: bytes written",
        int(written) / 1e3,
        "kB",
        f"the file has {track.stat().st_size / 1e3:.0f} kB{found}",
        target="no temporary copy",
        met=0 <= int(written) < 100_000,
    )
    yield Row(f"{what}: speed", json.loads(answer)["duration"] / seconds, "x real time")
