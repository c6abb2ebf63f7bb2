"""Bytes in, clips and spectrograms out: decoding, cutting, front ends. Needs NumPy, PyAV and soxr.

Names are imported when they are first used, so that finding files costs nothing of what hearing them needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.listen.audio import AudioInfo, Recording, decode, probe
    from earmark.listen.bytestream import Source
    from earmark.listen.clips import Clip, cut, preview_starts
    from earmark.listen.spectrogram import FrontEnd, LogMel, StftDensity

__all__ = [
    "AudioInfo",
    "Clip",
    "FrontEnd",
    "LogMel",
    "Recording",
    "Source",
    "StftDensity",
    "cut",
    "decode",
    "preview_starts",
    "probe",
]

_HOMES = {
    "audio": ("AudioInfo", "Recording", "decode", "probe"),
    "bytestream": ("Source",),
    "clips": ("Clip", "cut", "preview_starts"),
    "spectrogram": ("FrontEnd", "LogMel", "StftDensity"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"earmark.listen.{module}"), name)
    raise AttributeError(f"module 'earmark.listen' has no attribute {name!r}")
