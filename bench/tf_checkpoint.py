"""Read the float arrays of a TensorFlow checkpoint without TensorFlow."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLOAT = 1  # TensorFlow's DT_FLOAT


def read_checkpoint(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Return arrays by name. The index is a LevelDB table whose values are protobuf messages (BundleEntryProto)."""
    index, data = (folder / ".index").read_bytes(), (folder / ".data-00000-of-00001").read_bytes()
    # the footer: where the index of blocks lies, behind the same of the metaindex
    footer, at = index[-48:], 0
    offsets = []
    for _ in range(4):
        value, at = _read_varint(footer, at)
        offsets.append(value)
    arrays = {}
    for _, handle in _read_block(index, *offsets[2:]):
        offset, at = _read_varint(handle, 0)
        for key, message in _read_block(index, offset, _read_varint(handle, at)[0]):
            entry: dict[int, Any] = dict(_read_fields(message))
            if key and entry.get(1) == _FLOAT:
                # field 2 is the shape: a list of dimensions, each with its size in field 1
                shape = [dict(_read_fields(size)).get(1, 0) for _, size in _read_fields(entry.get(2, b""))]
                # fields 4 and 5: offset and bytes
                raw = np.frombuffer(data, "<f4", entry[5] // 4, entry.get(4, 0))
                arrays[key.decode()] = raw.reshape(shape)
    return arrays


def _read_block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    block = table[offset : offset + size]
    (restarts,) = struct.unpack("<I", block[-4:])
    at, end, key = 0, len(block) - 4 - 4 * restarts, b""
    while at < end:
        # a key is told by what it shares with the one before
        shared, at = _read_varint(block, at)
        new, at = _read_varint(block, at)
        length, at = _read_varint(block, at)
        key = key[:shared] + block[at : at + new]
        at += new
        yield key, block[at : at + length]
        at += length


def _read_fields(message: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        if tag & 7 == 0:
            value, at = _read_varint(message, at)
        else:
            # a length, or four bytes (the checksum)
            size, at = (4, at) if tag & 7 == 5 else _read_varint(message, at)
            value, at = message[at : at + size], at + size  # type: ignore[assignment]
        yield tag >> 3, value


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at
