"""Bytes in, clips and spectrograms out: decoding, cutting, front ends. Needs NumPy, PyAV and soxr.

Names are imported when they are first used, so that finding files costs nothing of what decoding them needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.audio.clips import Clip, cut, preview_starts
    from earmark.audio.decode import AudioFile, probe
    from earmark.audio.info import AudioInfo
    from earmark.audio.kaldi_mel import KaldiMel
    from earmark.audio.source import Source
    from earmark.audio.spectrogram import FrontEnd, LogMel, StftDensity

__all__ = [
    "AudioFile", "AudioInfo", "Clip", "FrontEnd", "KaldiMel", "LogMel", "Source", "StftDensity", "cut",
    "preview_starts", "probe",
]  # fmt: skip

_HOMES = {
    "clips": ("Clip", "cut", "preview_starts"),
    "decode": ("AudioFile", "probe"),
    "info": ("AudioInfo",),
    "kaldi_mel": ("KaldiMel",),
    "source": ("Source",),
    "spectrogram": ("FrontEnd", "LogMel", "StftDensity"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"earmark.audio.{module}"), name)
    raise AttributeError(f"module 'earmark.audio' has no attribute {name!r}")
