"""Clips kept on disk between runs, named by the sound's content and the settings.

::

    <folder>/v2/index.json             which content each sound file had when it was last read
    <folder>/v2/ab/ab34….clips         the clips of one content under one set of settings

The index only saves reading every file again: without it, or where it is damaged, files are read. Any number of
processes may use one folder, for all is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.source import open_file
from earmark.errors import AudioError, reason_of
from earmark.files import replacing

# Clips of one track, each of shape (frames, bins).
Clips = list[NDArray[np.float32]]
# Of the folder's layout; also to be raised when the same sound and settings give other clips than before.
VERSION = 2

# Nanoseconds: a file changed again within a file system's tick looks unchanged (git calls it "racily clean").
_MIN_AGE = 2_000_000_000

# Size in bytes, time of change in ns, and number of a file: while these stay, its content stays.
_FileState = tuple[int, int, int]


@dataclass(frozen=True)
class Content:
    """What a sound file held when it was read: the SHA-256 of its bytes, and the file's state just before.

    The state is None where the file was too young for size, time of change and number to show a later change.
    """

    digest: str
    state: _FileState | None


def read_content(path: Path) -> Content:
    """Read a sound file's content; AudioError if it is no regular file, is empty, or cannot be read."""
    with open_file(path) as file:
        now, state = time.time_ns(), _file_state(os.fstat(file.fileno()))
        try:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise AudioError(f"cannot be read ({reason_of(error)})") from error
    return Content(digest, state if now - state[1] > _MIN_AGE else None)


class Index:
    """Remembers the content of files in a cache's folder, so that unchanged ones need not be read again."""

    def __init__(self, cache: Path) -> None:
        self._file = cache / f"v{VERSION}" / "index.json"
        self._entries = self._read()
        self._new: dict[str, list[Any]] = {}

    def find(self, path: Path) -> str | None:
        """Return the digest of a file's content; None where the file is new, has changed or is not there."""
        entry = self._entries.get(str(path.absolute()))
        try:
            *state, digest = entry  # type: ignore[misc]
            return digest if isinstance(digest, str) and state == [*_file_state(path.stat())] else None
        except (OSError, TypeError, ValueError):
            # gone, not in the index, or the index is damaged
            return None

    def add(self, path: Path, content: Content) -> None:
        """Remember what a file held, unless it was too young."""
        if content.state:
            self._new[str(path.absolute())] = [*content.state, content.digest]

    def save(self) -> None:
        """Write what was noted, next to what other processes have noted meanwhile."""
        if self._new:
            self._entries = self._read() | self._new
            with replacing(self._file) as partial:
                partial.write_text(json.dumps(self._entries), encoding="ascii")
            self._new = {}

    def _read(self) -> dict[str, Any]:
        try:
            entries = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            # not there yet, or damaged: files are read again
            return {}
        return entries if isinstance(entries, dict) else {}


class ClipCache:
    """Clips by content, for one set of settings, in a folder that is made when missing.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clips = ClipCache(Path(folder), "2 s clips")
    ...     clips.put("5eed", [np.ones((3, 2), np.float32)])
    ...     "5eed" in clips, [clip.shape for clip in clips.get("5eed")], clips.get("another")
    (True, [(3, 2)], None)
    """

    def __init__(self, cache: Path, settings: str) -> None:
        self._folder, self._settings = cache / f"v{VERSION}", settings

    def __contains__(self, digest: str) -> bool:
        return self._file(digest).exists()

    def get(self, digest: str) -> Clips | None:
        """Return the clips of a content, read-only; None where they are not kept, or damaged."""
        try:
            return _decode(self._file(digest).read_bytes())
        except (OSError, ValueError):
            return None

    def put(self, digest: str, clips: Clips) -> None:
        """Keep the clips of a content."""
        with replacing(self._file(digest)) as partial:
            partial.write_bytes(_encode(clips))

    def _file(self, digest: str) -> Path:
        key = hashlib.sha256(f"{digest} {self._settings}".encode()).hexdigest()
        # two digits a folder, as git does: no folder grows too large
        return self._folder / key[:2] / f"{key}.clips"


def _encode(clips: Sequence[NDArray[np.float32]]) -> bytes:
    # CRC-32 of the rest, number of clips, bins, frames of each clip (int64), then all frames (float32)
    bins = clips[0].shape[1] if clips else 0
    head = np.array([len(clips), bins, *map(len, clips)], "<i8")
    body = b"".join([head.tobytes(), *(clip.astype("<f4").tobytes() for clip in clips)])
    return np.array([zlib.crc32(body)], "<i8").tobytes() + body


def _decode(content: bytes) -> Clips:
    body = memoryview(content)[8:]
    if len(body) < 16 or zlib.crc32(body) != np.frombuffer(content, "<i8", 1)[0]:
        raise ValueError("the checksum is wrong: the file is damaged")
    number, bins = np.frombuffer(body, "<i8", 2)
    if not number:
        return []
    # where each clip ends, in frames, and all frames, (frames, bins): behind 2 + number integers of 8 bytes
    ends = np.cumsum(np.frombuffer(body, "<i8", number, offset=16))
    frames = np.frombuffer(body, "<f4", offset=8 * (2 + number)).reshape(ends[-1], bins)
    return np.split(frames.astype(np.float32, copy=False), ends[:-1])


def _file_state(status: os.stat_result) -> _FileState:
    return status.st_size, status.st_mtime_ns, status.st_ino
