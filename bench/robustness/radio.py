"""Listen to a station of our own in real time: ``python bench/robustness/radio.py [--seconds S] [--json FILE]``.

A server on this machine sends MP3 (192 kb/s, ICY metadata in the middle of frames) at the speed at which it sounds, and
drops the connection twice. ``earmark listen --format json`` listens, in a process of its own. Since the server knows
when it sent which second, the lag is the true one: from a second's leaving the server to the line that tells of it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "speed"))
sys.path.append(str(Path(__file__).parents[2] / "tests"))
from cold import EARMARK
from material import repeated, tracks
from support.station import Station

_RATE = 192_000 / 8
"""Bytes a second of the material."""


def main() -> None:
    """Listen, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="earmark-radio-") as work:
        (track,) = tracks(Path(work) / "tracks", 1)
        sound = repeated(track, Path(work) / "long.mp3", options.seconds // 30 + 1).read_bytes()
    n = round(options.seconds * _RATE)
    station = Station(
        sound=sound[:n], rate=_RATE, every=4001,
        titles=[(0, b"First half"), (n // 2, "Zweite Hälfte".encode())],
        drops=[n // 4 + 7, 3 * n // 4 + 7],
    )  # fmt: skip
    with station:
        lines, sizes, notes, status = _listen(station)
    figures = {**_figures(station, lines, options.seconds), **sizes, "exit_status": status}
    for name, value in figures.items():
        print(f"{name:32} {value}")
    print(notes.strip())
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _listen(station: Station) -> tuple[list[tuple[float, dict]], dict[str, float], str, int]:
    """Lines of the command with the times at which they came; its memory (Linux) and its notes."""
    command = [EARMARK, "listen", station.url, "--format", "json", "--retries", "3"]
    lines, sizes = [], []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            lines.append((time.monotonic(), json.loads(line)))
            status = Path(f"/proc/{process.pid}/statm")
            if status.exists() and (fields := status.read_text().split()):
                sizes.append(int(fields[1]) * 4096 / 1e6)
        notes = process.stderr.read()
    tenth = max(1, len(sizes) // 10)
    memory = {
        "memory_after_a_tenth_MB": round(float(np.median(sizes[tenth : 2 * tenth])), 1),
        "memory_at_the_end_MB": round(float(np.median(sizes[-tenth:])), 1),
    }
    return lines, memory if sizes else {}, notes, process.returncode


def _figures(station: Station, lines: list[tuple[float, dict]], seconds: int) -> dict[str, object]:
    verdicts = [(at, line) for at, line in lines if "time" in line]
    answered = [(at, line) for at, line in verdicts if line["genres"]]
    sent_at = [at for at, _ in station.log]
    sent = [position / station.rate for _, position in station.log]
    lags = [at - float(np.interp(line["time"], sent, sent_at)) for at, line in answered]
    steady = [
        lag for (at, _), lag in zip(answered, lags, strict=True) if not any(0 < at - s < 1 for s in station.starts[1:])
    ]
    behind = [line["behind"] for _, line in answered]
    gaps = [b[0] - a[0] for a, b in pairwise(answered)]
    sound_gaps = [b[1]["time"] - a[1]["time"] for a, b in pairwise(answered)]
    return {
        "seconds_sent": seconds,
        "connections": station.connections,
        "verdicts": len(verdicts),
        "first_answer_s_of_sound": answered[0][1]["time"],
        "first_answer_s_after_connecting": round(answered[0][0] - station.starts[0], 2),
        "lag_p50_p95_max_s": [round(float(np.quantile(lags, q)), 3) for q in (0.5, 0.95, 1)],
        "lag_max_but_after_a_drop_s": round(max(steady), 3),
        "behind_p50_p95_max_s": [round(float(np.quantile(behind, q)), 3) for q in (0.5, 0.95, 1)],
        "gap_p50_p95_max_s": [round(float(np.quantile(gaps, q)), 3) for q in (0.5, 0.95, 1)],
        "gap_max_s_of_sound": round(max(sound_gaps), 3),
        "last_verdict_s_of_sound": verdicts[-1][1]["time"],
        "left_out": sum(line["skipped"] for _, line in verdicts),
        "titles": list(dict.fromkeys(line["title"] for _, line in verdicts if line["title"])),
    }


if __name__ == "__main__":
    main()
