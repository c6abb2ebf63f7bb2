"""The bundled models on one core, without the decoding: front end and network, against decoding the same MP3s."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from material import tracks
from report import Row, at_most, interleaved

from earmark.audio.decode import decode
from earmark.inference.model import DEFAULT, list_models
from earmark.inference.tagger import Tagger


def run(work: Path, *, quick: bool) -> Iterator[Row]:
    """Measure."""
    paths = tracks(work / "model", 2 if quick else 8)
    for name in list_models():
        tagger = Tagger(name)
        rate = tagger.card.front_end.sample_rate
        decoded = [decode(path, rate) for path in paths]
        seconds = interleaved(
            {
                "decoding": lambda rate=rate: [decode(path, rate) for path in paths],
                "model": partial(_classify, tagger, decoded, rate),
            },
            3 if quick else 7,
        )
        what = f"{name}: front end + network, {len(paths)} MP3s of 30 s"
        times = 0.6 if name == DEFAULT else None
        yield at_most(what, seconds["model"], "decoding and resampling them", seconds["decoding"], times)


def _classify(tagger: Tagger, decoded: list[object], rate: int) -> None:
    for samples in decoded:
        tagger.classify(samples, rate)
