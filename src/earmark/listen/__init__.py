"""Bytes in, clips and spectrograms out: decoding, cutting, front ends. Needs NumPy, PyAV and soxr."""

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
