"""The genre in the INFO list of a WAV, which older programs and Windows write beside, or instead of, an ID3 tag."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_GENRE, _RETIRED = b"IGNR", b"JUNK"


def info_genre(path: Path) -> str | None:
    """Read the genre of a WAV's INFO list.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str or None
        None where it has none.
    """
    with path.open("rb") as file:
        for at, size in _genres(file):
            file.seek(at + 8)
            return file.read(size).split(b"\0")[0].decode("utf-8", "replace")
    return None


def set_info_genre(path: Path, genre: str) -> None:
    """Write the genre over the one in the INFO list, where there is one.

    Where it is too long for its place the old one is marked as junk, which readers pass over: what lies
    behind it then stays where it is.

    Parameters
    ----------
    path : Path
    genre : str
    """
    value = genre.encode("utf-8") + b"\0"
    with path.open("r+b") as file:
        for at, size in list(_genres(file)):
            file.seek(at)
            if len(value) <= size:
                file.write(_GENRE + struct.pack("<I", size) + value.ljust(size, b"\0"))
            else:
                file.write(_RETIRED)


def _genres(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Where genres lie in INFO lists, and their size."""
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if (head[:4], head[8:]) != (b"RIFF", b"WAVE"):
        return
    for name, at, size in _chunks(file, 12, end):
        file.seek(at + 8)
        if name == b"LIST" and file.read(4) == b"INFO":
            yield from ((a, s) for n, a, s in _chunks(file, at + 12, min(end, at + 8 + size)) if n == _GENRE)


def _chunks(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while at + 8 <= end:
        file.seek(at)
        name, size = struct.unpack("<4sI", file.read(8))
        if at + 8 + size > end:
            return
        yield name, at, size
        at += 8 + size + size % 2
