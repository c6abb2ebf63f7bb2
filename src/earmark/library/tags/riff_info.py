"""The RIFF INFO list of a WAV, which mutagen does not read, and ffprobe and Windows read alone."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# the chunk of the genre, and the name of chunks that readers pass over
_GENRE, _JUNK = b"IGNR", b"JUNK"

_Chunk = tuple[bytes, int, int]
"""A chunk: its name, where it begins, and the size of its data, in bytes."""


def read_info(path: Path) -> dict[str, str]:
    """Read the INFO lists of a WAV: the text of each chunk, by its name, such as "IGNR" (genre) and "INAM" (title)."""
    with path.open("rb") as file:
        found = [(name, _read_data(file, at, size)) for name, at, size in _list_fields(file)]
    # of two chunks with one name the first counts
    texts = {name.decode("latin-1"): data.split(b"\0")[0].decode("utf-8", "replace") for name, data in reversed(found)}
    texts.pop(_JUNK.decode(), None)
    return texts


def write_info_genre(path: Path, genre: str | None) -> None:
    """Write the genre into a WAV's INFO list, None for none; a file whose chunks are damaged is left as it is.

    Where the genre has no place, a new list at the end takes the old one's chunks, and the old one is marked as junk,
    which readers pass over: the sound stays where it is.
    """
    with path.open("r+b") as file:
        fields = list(_list_fields(file))
        places = [(at, size) for name, at, size in fields if name == _GENRE]
        data = b"" if genre is None else genre.encode() + b"\0"
        if genre is not None and not any(len(data) <= size for _, size in places):
            _move_info(file, fields, data)
            return
        for at, size in places:
            file.seek(at)
            if data and len(data) <= size:
                file.write(_GENRE + struct.pack("<I", size) + data.ljust(size, b"\0"))
                # one place suffices
                data = b""
            else:
                file.write(_JUNK)


def _move_info(file: BinaryIO, fields: list[_Chunk], genre: bytes) -> None:
    """Write an INFO list with this genre at the end, and mark those that are there as junk."""
    chunks = _list_chunks(file)
    file.seek(4)
    (size,) = struct.unpack("<I", file.read(4))
    end = file.seek(0, 2)
    # else the new list might count as sound
    if not chunks or end != size + 8 or end != _end_of(chunks[-1]):
        return
    kept = [(name, _read_data(file, at, n)) for name, at, n in fields if name not in (_GENRE, _JUNK)]
    new = _format_chunk(b"LIST", b"INFO" + b"".join(_format_chunk(*field) for field in [*kept, (_GENRE, genre)]))
    for _, at, _ in _find_lists(file):
        file.seek(at)
        file.write(_JUNK)
    file.seek(0, 2)
    file.write(new)
    file.seek(4)
    file.write(struct.pack("<I", size + len(new)))


def _list_fields(file: BinaryIO) -> list[_Chunk]:
    """List the chunks in INFO lists."""
    end = file.seek(0, 2)
    lists = list(_find_lists(file))
    return [field for _, at, size in lists for field in _iterate_chunks(file, at + 12, min(end, at + 8 + size))]


def _find_lists(file: BinaryIO) -> list[_Chunk]:
    lists = [chunk for chunk in _list_chunks(file) if chunk[0] == b"LIST"]
    return [chunk for chunk in lists if _read_data(file, chunk[1], 4) == b"INFO"]


def _list_chunks(file: BinaryIO) -> list[_Chunk]:
    """List the chunks of a WAV; none of any other file."""
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    return list(_iterate_chunks(file, 12, end)) if (head[:4], head[8:]) == (b"RIFF", b"WAVE") else []


def _iterate_chunks(file: BinaryIO, at: int, end: int) -> Iterator[_Chunk]:
    while at + 8 <= end:
        file.seek(at)
        name, size = struct.unpack("<4sI", file.read(8))
        if at + 8 + size > end:
            return
        yield name, at, size
        at = _end_of((name, at, size))


def _end_of(chunk: _Chunk) -> int:
    # a chunk: name (4 bytes), size of its data (4 bytes), the data, filled up to an even number of bytes
    _, at, size = chunk
    return at + 8 + size + size % 2


def _read_data(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at + 8)
    return file.read(size)


def _format_chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
