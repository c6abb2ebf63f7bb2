"""The tables of docs/model.md: ``python bench/quality/card.py RESULTS [RECIPE]``.

RESULTS is where ``earmark reproduce`` wrote. With a recipe: its tracks by genre, confusions, calibration and
risk–coverage curve. Without: a line for each recipe.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.evaluation.metrics import aurc, bootstrap_interval, confidence_error, selective_accuracy
from earmark.paper.summary import pool_tracks, summarize

Record = dict[str, Any]


def main() -> None:
    """Print Markdown."""
    folder, *recipe = sys.argv[1:]
    records: list[Record] = [json.loads(p.read_text()) for p in sorted(Path(folder).glob("rows/**/result.json"))]
    if recipe:
        _one([record for record in records if record["recipe"] == recipe[0]])
        return
    of = {summary.recipe: summary.records for summary in summarize(records)}
    print("| recipe | tracks right | 95 % interval | clips right | parameters | minutes a fit |")
    print("|---|---:|---|---:|---:|---:|")
    for name, some in sorted(of.items(), key=lambda item: -_right(item[1]).mean()):
        low, high = _interval(_right(some))
        clips = np.average([r["clip_accuracy"] for r in some], weights=[r["n_clips"] for r in some])
        minutes = np.mean([r["seconds"] for r in some]) / 60
        row = f"| `{name}` | {_right(some).mean():.1%} | {low:.1%} to {high:.1%} | {clips:.1%} "
        print(row + f"| {some[0]['parameters']:,} | {minutes:.1f} |")


def _one(records: Sequence[Record]) -> None:
    right = _right(records)
    seeds = sorted({record["seed"] for record in records})
    each = [f"{_right([r for r in records if r['seed'] == seed]).mean():.1%}" for seed in seeds]
    low, high = _interval(right)
    print(f"tracks: {right.mean():.1%} ({low:.1%} to {high:.1%}); by seed {', '.join(each)}")
    tracks = [track for record in records for track in record["tracks"]]
    print("\n| genre | tracks | right | 95 % interval | mostly mistaken for |\n|---|---:|---:|---|---|")
    for genre in records[0]["labels"]:
        own = _right(records, genre)
        low, high = _interval(own)
        heard = Counter(t["heard"] for t in tracks if t["genre"] == genre)
        total = heard.total()
        others = [f"{other} {n / total:.0%}" for other, n in heard.most_common(4) if other != genre][:3]
        print(f"| {genre} | {len(own)} | {own.mean():.0%} | {low:.0%} to {high:.0%} | {', '.join(others)} |")
    confidence = np.array([t["best"] for t in tracks])
    hit = np.array([t["heard"] == t["genre"] for t in tracks])
    print(f"\nexpected calibration error {confidence_error(confidence, hit):.3f}; AURC {aurc(confidence, hit):.3f}\n")
    curve = selective_accuracy(confidence, hit)
    shares = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
    print("| " + " | ".join(f"{share:.0%}" for share in shares) + " |\n" + "|---:" * len(shares) + "|")
    print("| " + " | ".join(f"{curve[max(1, round(share * len(curve))) - 1]:.1%}" for share in shares) + " |")


def _right(records: Sequence[Record], genre: str | None = None) -> NDArray[np.float64]:
    """For each track, of a genre where one is given, the share of runs that are right."""
    kept = [{"tracks": [t for t in record["tracks"] if genre in (None, t["genre"])]} for record in records]
    return pool_tracks(kept)[0]


def _interval(right: NDArray[np.float64]) -> tuple[float, float]:
    return bootstrap_interval(right, np.random.default_rng(0))


if __name__ == "__main__":
    main()
