"""What the header of a WAV file says: how many channels, and more sound than there is."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

_CHUNKS = 100
"""Chunks of a WAV that are looked through for its sound."""

_UNKNOWN_SIZE = 0x7FFF0000
"""From here on, a WAV's size is what programs write that do not know it yet."""


def is_mono_wav(stream: BinaryIO) -> bool:
    """Tell whether a seekable stream begins as WAV files of one channel do."""
    try:
        before = stream.tell()
        try:
            # "RIFF" size "WAVE" "fmt " size format channels
            name, kind, channels = struct.unpack("<4s4x8s6xH", stream.read(24))
        finally:
            stream.seek(before)
    except (OSError, ValueError, TypeError, struct.error):  # if that is a fault, FFmpeg meets it again
        return False
    return bool(name in (b"RIFF", b"RF64") and kind == b"WAVEfmt " and channels == 1)


def measure_shortage(stream: BinaryIO) -> float:
    """Return how many times more sound the header of a WAV promises than there is, which FFmpeg hides."""
    try:
        before = stream.tell()
        try:
            return _measure_shortage(stream)
        finally:
            stream.seek(before)
    except (OSError, ValueError, struct.error):
        return 1.0


def _measure_shortage(stream: BinaryIO) -> float:
    end = stream.seek(0, os.SEEK_END)
    at = 12  # after "RIFF", size and "WAVE"
    for _ in range(_CHUNKS):
        stream.seek(at)
        name, size = struct.unpack("<4sI", stream.read(8))
        if name == b"data":
            there = max(1, end - at - 8)
            return size / there if there < size < _UNKNOWN_SIZE else 1.0
        at += 8 + size + size % 2  # chunks begin at even places
    return 1.0
