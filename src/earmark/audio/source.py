"""Sources of sound, and files as FFmpeg sees them: opened by us, under a harmless name, their errors kept apart."""

from __future__ import annotations

import os
import re
import stat
from io import BufferedReader
from typing import Any, BinaryIO, TypeGuard

from numpy.typing import ArrayLike

from earmark.errors import AudioError, reason_of

Source = str | bytes | os.PathLike[str] | os.PathLike[bytes] | BinaryIO
"""A path, or a seekable binary file object."""

Pair = tuple[ArrayLike, float]
"""Samples, shape (samples,), (channels, samples) or (samples, channels), and their sample rate in Hz."""

Sound = Source | Pair
"""What can be classified: a path, a binary file object, or a pair of samples and sample rate."""


class ByteStream:
    """A byte stream under a harmless name: FFmpeg sees only the suffix, which helps it guess the format.

    Errors must not pass through FFmpeg, since PyAV prints tracebacks where several meet: `error` keeps the last.
    """

    def __init__(self, stream: BinaryIO, name: Any) -> None:
        # of a file descriptor, the name is its number
        suffix = os.path.splitext(os.fsdecode(name))[1] if is_path(name) else ""
        self.name = "sound" + (suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,5}", suffix) else "")
        self.tell = stream.tell
        self.seekable = getattr(stream, "seekable", lambda: True)
        self.error: Exception | None = None
        self.stream = stream

    def read(self, size: int) -> bytes:
        """Read as files do; nothing after an error."""
        try:
            data = self.stream.read(size)
            if not isinstance(data, bytes):
                raise ValueError(f"reading gives {type(data).__name__}, not bytes: open it in mode 'rb'")
            return data
        except (OSError, ValueError) as error:
            self.error = error
            return b""

    def seek(self, offset: int, whence: int) -> int:
        """Move as files do; return -1 where that is impossible."""
        try:
            return self.stream.seek(offset, whence)
        except (OSError, ValueError):  # FFmpeg tries positions that do not exist
            return -1


def open_file(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> BufferedReader:
    """Open a regular file that is not empty; anything else is an :class:`AudioError` that says what it is."""
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


def is_path(sound: object) -> TypeGuard[str | bytes | os.PathLike[str] | os.PathLike[bytes]]:
    """Tell whether a sound is a path."""
    return isinstance(sound, str | bytes | os.PathLike)
