"""Four-minute MP3s: 30 s of each against all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from material import repeated, tracks
from report import Row, faster, interleaved

from earmark.inference.tagger import Tagger


def run(work: Path, *, quick: bool) -> Iterator[Row]:
    """Measure."""
    shorts = tracks(work / "preview", 2 if quick else 4)
    paths = [repeated(path, path.with_name(f"long {path.name}"), 8) for path in shorts]
    tagger = Tagger()
    tagger.classify(shorts[0])
    seconds = interleaved(
        {
            "preview": lambda: list(tagger.classify_many(paths, preview=True)),
            "all": lambda: list(tagger.classify_many(paths)),
        },
        3,
    )
    what = f"classify --preview, {len(paths)} MP3s of 4 min"
    yield faster(what, seconds["preview"], "full reading", seconds["all"], 4)
