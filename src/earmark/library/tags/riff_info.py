"""The genre in a WAV's RIFF INFO list, which mutagen does not read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# the chunk that holds the genre, and the name of chunks that readers pass over
_GENRE, _JUNK = b"IGNR", b"JUNK"


def read_info_genre(path: Path) -> str | None:
    """Read the genre of a WAV's INFO list; None where it has none."""
    with path.open("rb") as file:
        for at, size in _find_genres(file):
            file.seek(at + 8)
            return file.read(size).split(b"\0")[0].decode("utf-8", "replace")
    return None


def write_info_genre(path: Path, genre: str) -> None:
    """Write the genre over the one in a WAV's INFO list, where there is one.

    Where it is too long for its place the old one is marked as junk, which readers pass over: what lies
    behind it then stays where it is.
    """
    value = genre.encode("utf-8") + b"\0"
    with path.open("r+b") as file:
        for at, size in list(_find_genres(file)):
            file.seek(at)
            if len(value) <= size:
                file.write(_GENRE + struct.pack("<I", size) + value.ljust(size, b"\0"))
            else:
                file.write(_JUNK)


def _find_genres(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Find genres in INFO lists: where their chunks begin, and the size of their data, in bytes."""
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if (head[:4], head[8:]) != (b"RIFF", b"WAVE"):
        return
    for name, at, size in _iterate_chunks(file, 12, end):
        file.seek(at + 8)
        if name == b"LIST" and file.read(4) == b"INFO":
            inner = _iterate_chunks(file, at + 12, min(end, at + 8 + size))
            yield from ((a, s) for n, a, s in inner if n == _GENRE)


def _iterate_chunks(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    # a chunk: name (4 bytes), size of its data (4 bytes), the data, filled up to an even number of bytes
    while at + 8 <= end:
        file.seek(at)
        name, size = struct.unpack("<4sI", file.read(8))
        if at + 8 + size > end:
            return
        yield name, at, size
        at += 8 + size + size % 2
