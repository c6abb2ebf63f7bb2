"""What the header of a WAV file says: how many channels, and more sound than there is."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

# Chunks of a WAV that are searched for its sound
_MAX_CHUNKS = 100

# From here on, a WAV's size is what programs write that do not know it yet
_UNKNOWN_SIZE = 0x7FFF0000


@contextmanager
def _keep_position(stream: BinaryIO) -> Iterator[None]:
    before = stream.tell()
    try:
        yield
    finally:
        stream.seek(before)


def is_mono_wav(stream: BinaryIO) -> bool:
    """Tell whether a seekable stream begins as WAV files of one channel do."""
    try:
        with _keep_position(stream):
            # "RIFF" size "WAVE" "fmt " size format channels
            name, kind, channels = struct.unpack("<4s4x8s6xH", stream.read(24))
    except (OSError, ValueError, TypeError, struct.error):  # if that is a fault, FFmpeg meets it again
        return False
    return bool(name in (b"RIFF", b"RF64") and kind == b"WAVEfmt " and channels == 1)


def measure_shortage(stream: BinaryIO) -> float:
    """Return how many times more sound the header of a WAV promises than there is, which FFmpeg hides."""
    try:
        with _keep_position(stream):
            end = stream.seek(0, os.SEEK_END)
            at = 12  # after "RIFF", size and "WAVE"
            for _ in range(_MAX_CHUNKS):
                stream.seek(at)
                name, size = struct.unpack("<4sI", stream.read(8))
                if name == b"data":
                    there = max(1, end - at - 8)
                    return size / there if there < size < _UNKNOWN_SIZE else 1.0
                at += 8 + size + size % 2  # chunks begin at even places
    except (OSError, ValueError, struct.error):
        pass
    return 1.0
