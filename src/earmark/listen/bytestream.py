"""Files as FFmpeg gets to see them: opened by us, under a name that gives nothing away, and errors kept apart."""

from __future__ import annotations

import os
import re
import stat
import struct
from io import BufferedReader
from typing import Any, BinaryIO

from earmark.errors import AudioError

Source = str | bytes | os.PathLike[str] | os.PathLike[bytes] | BinaryIO
"""What can be listened to: a path, or a seekable binary file object."""

_CHUNKS = 100
"""Chunks of a WAV that are looked through for its sound."""

_UNKNOWN_SIZE = 0x7FFF0000
"""From here on, a WAV's size is what programs write that do not know it yet."""


class ByteStream:
    """A byte stream under a harmless name: FFmpeg sees only the suffix, which helps it guess the format.

    Errors must not pass through FFmpeg, since PyAV prints tracebacks where several meet: `error` keeps the last.
    """

    def __init__(self, stream: BinaryIO, name: Any) -> None:
        known = isinstance(name, str | bytes | os.PathLike)  # of a file descriptor, the name is its number
        suffix = os.path.splitext(os.fsdecode(name))[1] if known else ""
        self.name = "sound" + (suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,5}", suffix) else "")
        self.tell = stream.tell
        self.seekable = getattr(stream, "seekable", lambda: True)
        self.error: Exception | None = None
        self._stream = stream

    def read(self, size: int) -> bytes:
        """Read as files do; after an error, nothing more."""
        try:
            return self._stream.read(size)
        except (OSError, ValueError) as error:
            self.error = error
            return b""

    def seek(self, offset: int, whence: int) -> int:
        """Move as files do; -1 where that cannot be."""
        try:
            return self._stream.seek(offset, whence)
        except (OSError, ValueError):  # FFmpeg tries positions that do not exist
            return -1

    def is_mono_wave(self) -> bool:
        """Whether it begins as WAVs of one channel do."""
        try:
            before = self.tell()
            try:
                name, kind, channels = struct.unpack("<4s4x8s6xH", self._stream.read(24))
            finally:
                self._stream.seek(before)
        except (OSError, ValueError, TypeError, struct.error):  # if that is a fault, FFmpeg meets it again
            return False
        return bool(name in (b"RIFF", b"RF64") and kind == b"WAVEfmt " and channels == 1)

    def wave_shortage(self) -> float:
        """How many times more sound the header of a WAV promises than there is, which FFmpeg hides."""
        try:
            before = self.tell()
            try:
                return self._wave_shortage()
            finally:
                self._stream.seek(before)
        except (OSError, ValueError, struct.error):
            return 1.0

    def _wave_shortage(self) -> float:
        end = self._stream.seek(0, os.SEEK_END)
        at = 12  # after "RIFF", size and "WAVE"
        for _ in range(_CHUNKS):
            self._stream.seek(at)
            name, size = struct.unpack("<4sI", self._stream.read(8))
            if name == b"data":
                there = max(1, end - at - 8)
                return size / there if there < size < _UNKNOWN_SIZE else 1.0
            at += 8 + size + size % 2
        return 1.0


def open_file(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> BufferedReader:
    """Open a regular file that has something in it; anything else is an :class:`AudioError` that says what it is."""
    try:
        status = os.stat(path)
        kind = status.st_mode
        if stat.S_ISDIR(kind):
            raise AudioError("is a folder, not a file")
        if not stat.S_ISREG(kind):  # opening a named pipe would wait for ever
            raise AudioError("is not a regular file (a pipe, socket or device)")
        if not status.st_size:
            raise AudioError("is empty")
        return open(path, "rb")
    except (OSError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        if os.path.islink(path) and isinstance(error, FileNotFoundError):
            raise AudioError("broken link: the file it points to does not exist") from error
        raise AudioError(f"cannot be opened ({reason_of(error)})") from error


def reason_of(error: BaseException) -> str:
    """Return the cause in a few words, without the stream's made-up name."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
