"""A folder of 30 s MP3s: ours against decoding alone, and against the usual script."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import peers
from material import tracks
from report import Row, at_most, faster, interleaved

from earmark.inference.tagger import Tagger

_DECODERS: dict[str, tuple[Callable[[Path], int], float | None]] = {
    "decode to mono 22050 Hz": (peers.mono_22050, 1.5),
    "decode at the file's rate": (peers.own_rate, 1.5),
    "decode, samples unseen": (peers.packets, None),
}


def run(work: Path, *, quick: bool) -> Iterator[Row]:
    """Measure; the rows without a target are for information."""
    paths = tracks(work / "tracks", 4 if quick else 24) * (1 if quick else 4)  # enough to outlast starting processes
    tagger = Tagger()
    scripts = {
        "librosa + torch": peers.UsualScript(tagger.model),
        "librosa + torch, the model's hop": peers.UsualScript(tagger.model, tagger.card.front_end.hop_length),
    }
    for warm in (tagger.classify, peers.mono_22050, *scripts.values()):
        warm(paths[0])
    scripts_seconds: dict[str, float] = {}
    for jobs in (None, os.cpu_count() or 1):  # in this process; in one a core
        contenders: dict[str, Callable[[], object]] = {
            "ours": lambda jobs=jobs: list(tagger.classify_many(paths, jobs=jobs))
        }
        for name, (decoder, _) in _DECODERS.items():
            contenders[name] = partial(peers.every, decoder, paths, jobs or 1)
        if not scripts_seconds:
            contenders |= {name: partial(peers.every, script, paths, 1) for name, script in scripts.items()}
        seconds = interleaved(contenders, 2)
        scripts_seconds |= {name: seconds[name] for name in scripts if name in seconds}
        what = f"classify {len(paths)} MP3s of 30 s, {f'{jobs} processes' if jobs else 'in this process'}"
        for name, (_, times) in _DECODERS.items():
            yield at_most(what, seconds["ours"], name, seconds[name], times)
        for name, its in scripts_seconds.items():
            yield faster(what, seconds["ours"], name, its, 3 if name == "librosa + torch" else None)
