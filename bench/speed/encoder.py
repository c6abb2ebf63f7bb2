"""The pretrained encoder on one core, part by part, against decoding the same MP3s."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import soxr
from material import tracks
from report import Row, at_most, interleaved

from earmark.audio.decode import AudioFile, decode
from earmark.inference.encoder import Encoder
from earmark.inference.session import start_session


def run(work: Path, *, quick: bool) -> Iterator[Row]:
    """Measure."""
    paths = tracks(work / "encoder", 2 if quick else 8)
    rates = [_rate(path) for path in paths]
    encoder, session = Encoder(), start_session(Encoder().graph(), "encoder")
    raw = [decode(path, rate) for path, rate in zip(paths, rates, strict=True)]
    # 30 s as three clips of 10 s: (3, samples)
    clips = [_resample(samples, rate, "HQ")[:960000].reshape(3, -1) for samples, rate in zip(raw, rates, strict=True)]
    mels = [encoder.mel(samples) for samples in clips]
    seconds = interleaved(
        {
            "decoding": lambda: [decode(path, rate) for path, rate in zip(paths, rates, strict=True)],
            **{
                f"resampling to 32 kHz ({quality})": partial(_resample_all, raw, rates, quality)
                for quality in ("HQ", "MQ", "LQ")
            },
            "mel bands": lambda: [encoder.mel(samples) for samples in clips],
            "network": lambda: [session.run(None, {"spectrogram": mel}) for mel in mels],
            "mel bands + network": lambda: [encoder(samples) for samples in clips],
        },
        3 if quick else 9,
    )
    decoding = seconds.pop("decoding")
    for part, time in seconds.items():
        times = 1.0 if part == "mel bands + network" else None
        yield at_most(f"encoder: {part}, {len(paths)} MP3s of 30 s", time, "decoding them", decoding, times)


def _rate(path: Path) -> int:
    with AudioFile(path) as recording:
        return recording.info.sample_rate


def _resample(samples: np.ndarray, rate: int, quality: str) -> np.ndarray:
    return soxr.resample(samples, rate, Encoder.sample_rate, quality=quality)


def _resample_all(raw: list[np.ndarray], rates: list[int], quality: str) -> None:
    for samples, rate in zip(raw, rates, strict=True):
        _resample(samples, rate, quality)
