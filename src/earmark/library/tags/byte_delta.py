"""What has to be known to turn a changed file back into the one it was, byte for byte.

Writing a tag puts some bytes in at one place, takes some out, and alters sizes and offsets elsewhere. So most of
the old file lies in the new one: up to some byte (`split`) at the same place, from there on moved by the difference
of their sizes (`move`). A delta is that byte, and whatever differs; of a whole album it is a few hundred bytes.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from earmark.errors import TagError

# bytes compared at once; a multiple of _CELL
_BLOCK = 1 << 20
# bytes whose differences are counted together, to find where the old file is moved from
_CELL = 4096
# equal bytes between two differences that are kept along: another patch would take as much
_MAX_GAP = 12


def encode_delta(old: Path, new: Path) -> str:
    """Return what turns `new` back into `old`, as text for :func:`apply_delta`."""
    size = old.stat().st_size
    move = new.stat().st_size - size
    with old.open("rb") as before, new.open("rb") as after:
        split = _find_split(before, after, size, move) if move else size
        patches = list(_find_patches(before, after, size, split, move))
    head = {"size": size, "split": split, "move": move, "patches": [[at, len(data)] for at, data in patches]}
    text = json.dumps(head, separators=(",", ":")).encode()
    # length of the head (4 bytes) | head | the bytes of all patches, one after another
    packed = zlib.compress(struct.pack("<I", len(text)) + text + b"".join(data for _, data in patches), 9)
    return base64.b64encode(packed).decode()


def apply_delta(delta: str, new: BinaryIO) -> Iterator[bytes]:
    """Yield the old file, piece by piece, from the new one and what :func:`encode_delta` gave.

    Raises
    ------
    TagError
        If the delta is damaged.
    """
    try:
        packed = zlib.decompress(base64.b64decode(delta, validate=True))
        (length,) = struct.unpack_from("<I", packed)
        head = json.loads(packed[4 : 4 + length])
        size, split, move = (int(head[key]) for key in ("size", "split", "move"))
        patches = iter([(int(at), int(n)) for at, n in head["patches"]])
    except (ValueError, KeyError, TypeError, struct.error, zlib.error) as error:
        raise TagError(f"the journal's note of what was there is damaged ({error})") from error
    position = 4 + length
    patch = next(patches, None)
    for start, block in _read_moved(new, size, split, move):
        # a patch never crosses a block: when it was made, the blocks came from _read_moved too
        while patch and patch[0] < start + len(block):
            at, n = patch
            block[at - start : at - start + n] = np.frombuffer(packed, np.uint8, n, position)
            position += n
            patch = next(patches, None)
        yield block.tobytes()


def _read_moved(file: BinaryIO, size: int, split: int, move: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield blocks of `size` bytes as far as `file` has them: to `split` from the same place, then moved."""
    for first, last, by in ((0, split, 0), (split, size, move)):
        for start in range(first, last, _BLOCK):
            yield start, _read_padded(file, start + by, min(_BLOCK, last - start))


def _read_padded(file: BinaryIO, start: int, length: int) -> NDArray[np.uint8]:
    """Read bytes of a file, zeros where it has none."""
    block = np.zeros(length, np.uint8)
    before = min(length, max(0, -start))
    file.seek(max(0, start))
    found = np.frombuffer(file.read(length - before), np.uint8)
    block[before : before + len(found)] = found
    return block


def _find_split(old: BinaryIO, new: BinaryIO, size: int, move: int) -> int:
    """Find the byte from which on the old file is best found moved: first to a cell, then to the byte."""
    # one count a cell of bytes that differ, in place and moved; one cell more, for a split at the very end
    n_cells = len(range(0, size, _CELL)) + 1
    in_place, moved = np.zeros(n_cells, np.int64), np.zeros(n_cells, np.int64)
    for start in range(0, size, _BLOCK):
        block = _read_padded(old, start, min(_BLOCK, size - start))
        for counts, by in ((in_place, 0), (moved, move)):
            wrong = (block != _read_padded(new, start + by, len(block))).astype(np.int64)
            sums = np.add.reduceat(wrong, np.arange(0, len(wrong), _CELL))
            counts[start // _CELL : start // _CELL + len(sums)] = sums
    coarse = _find_switch(in_place, moved) * _CELL
    first, last = max(0, coarse - _CELL), min(size, coarse + _CELL)
    block = _read_padded(old, first, last - first)
    wrongs = [np.append(block != _read_padded(new, first + by, last - first), False) for by in (0, move)]
    return first + _find_switch(wrongs[0].astype(np.int64), wrongs[1].astype(np.int64))


def _find_switch(before: NDArray[np.int64], after: NDArray[np.int64]) -> int:
    """Find where to change from one row of costs to the other for the least sum."""
    # cost of changing at i: Σ before[:i] + Σ after[i:]
    return int(np.argmin(np.cumsum(before) - before + after.sum() - (np.cumsum(after) - after)))


def _find_patches(old: BinaryIO, new: BinaryIO, size: int, split: int, move: int) -> Iterator[tuple[int, bytes]]:
    for start, source in _read_moved(new, size, split, move):
        block = _read_padded(old, start, len(source))
        wrong = np.flatnonzero(block != source)
        if not len(wrong):
            continue
        # bytes that differ, parted where more than _MAX_GAP equal ones lie between
        for run in np.split(wrong, np.flatnonzero(np.diff(wrong) > _MAX_GAP) + 1):
            yield start + int(run[0]), block[run[0] : run[-1] + 1].tobytes()
