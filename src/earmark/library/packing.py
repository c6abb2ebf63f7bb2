"""How a result database holds an answer: probabilities as numbers of names and floats, in few bytes and exactly."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from sqlite3 import Connection
from typing import Any

from earmark.inference.verdict import ClipVerdict
from earmark.library.database import transaction

# bytes of a name's number and of its probability
_ID_SIZE, _SHARE_SIZE = 2, 8


class Packer:
    """Packs probabilities by name, and unpacks them; names are numbered in the table ``name``.

    Packed are the numbers of the names, as uint16, and then as many float64, little-endian, in the order of the
    mapping: ten bytes a name, where JSON takes 36.
    """

    def __init__(self, database: Connection) -> None:
        self._database = database
        self._names: dict[int, str] = {}
        self._numbers: dict[str, int] = {}

    def pack(self, shares: Mapping[str, float]) -> bytes:
        """Pack probabilities; names that are new get numbers."""
        if not shares.keys() <= self._numbers.keys():
            self._add(shares)
        return struct.pack(f"<{len(shares)}H{len(shares)}d", *map(self._numbers.__getitem__, shares), *shares.values())

    def unpack(self, packed: bytes) -> dict[str, float]:
        """Unpack what :meth:`pack` gave, in its order."""
        n = len(packed) // (_ID_SIZE + _SHARE_SIZE)
        values = struct.unpack(f"<{n}H{n}d", packed)
        try:
            return dict(zip(map(self._names.__getitem__, values[:n]), values[n:], strict=True))
        except KeyError:
            # another run has added names since
            self._load()
            return dict(zip(map(self._names.__getitem__, values[:n]), values[n:], strict=True))

    def _add(self, names: Mapping[str, float]) -> None:
        # committed before any row that needs them, so that no number is forgotten with a row that fails
        with nullcontext() if self._database.in_transaction else transaction(self._database):
            self._database.executemany("INSERT OR IGNORE INTO name (name) VALUES (?)", ((name,) for name in names))
        self._load()

    def _load(self) -> None:
        self._names = dict(self._database.execute("SELECT id, name FROM name").fetchall())
        self._numbers = {name: number for number, name in self._names.items()}


def pack_clips(clips: Sequence[ClipVerdict]) -> bytes:
    """Pack the answers for the clips of a track."""
    return zlib.compress(json.dumps([vars(clip) for clip in clips]).encode())


def unpack_clips(packed: bytes) -> tuple[ClipVerdict, ...]:
    """Unpack what :func:`pack_clips` gave."""
    return tuple(_parse_clip(**clip) for clip in json.loads(zlib.decompress(packed)))


def _parse_clip(attention: list[float] | None, **fields: Any) -> ClipVerdict:
    return ClipVerdict(attention=None if attention is None else tuple(attention), **fields)
