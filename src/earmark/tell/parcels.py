"""Sounds of any kind on their way to other processes: paths as they are, files and arrays with all that is in them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from numbers import Real
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from earmark.listen.bytestream import Source
from earmark.listen.files import FEW, LITTLE, allowance

Pair = tuple[ArrayLike, float]
"""Samples, shape (samples,) or (channels, samples), and their sample rate in Hz."""

Sound = Source | Pair
"""What can be heard: a path, a binary file object, or a pair of samples and sample rate."""

LARGEST = 64_000_000
"""Bytes of a file object or an array that are sent; what is larger is better heard where it is."""


@dataclass(frozen=True)
class Contents:
    """What is in a file object, and its name, whose suffix helps to guess the format."""

    data: bytes
    name: str | bytes | os.PathLike[Any]

    def opened(self) -> BinaryIO:
        """Make a file object of it again."""
        file = io.BytesIO(self.data)
        file.name = self.name
        return file


class Left(Enum):
    """In place of a sound that was heard where it is."""

    HERE = "here"


Parcel = str | bytes | os.PathLike[str] | os.PathLike[bytes] | Pair | Contents | Left


def packed(sounds: Iterable[Sound], hear: Callable[[Sound], object]) -> Iterator[Parcel]:
    """Make of sounds what can be sent to other processes; have those heard at once that cannot, or cost too much.

    A file object is read when it is taken, so that a generator may close it before it gives the next.

    Parameters
    ----------
    sounds : iterable of path, binary file object, or (samples, sample_rate)
    hear : callable
        Called with each sound that is not sent; `Left.HERE` comes in its place.

    Yields
    ------
    Parcel
    """
    for sound in sounds:
        parcel = _packed(sound)
        if parcel is Left.HERE:
            hear(sound)
        yield parcel


def begun(parcels: Iterator[Parcel]) -> tuple[list[Parcel], bool]:
    """Take the first few; say whether these are all, and so little that processes are not worth starting."""
    first: list[Parcel] = []
    heavy = 0
    for parcel in parcels:
        first.append(parcel)
        heavy += weight(parcel)
        if len(first) > FEW or (heavy >= LITTLE and len(first) > 1):
            return first, False
    return first, True


def weight(parcel: Parcel) -> int:
    """Bytes to be heard; 0 where there are none."""
    if isinstance(parcel, Contents):
        return len(parcel.data)
    if is_path(parcel):
        try:
            return Path(os.fsdecode(parcel)).stat().st_size
        except (OSError, ValueError):
            return 0
    return sum(getattr(part, "nbytes", 0) for part in parcel) if isinstance(parcel, tuple) else 0


def patience(parcel: Parcel) -> float:
    """Seconds that it may keep a process busy."""
    return allowance(weight(parcel))


def is_path(sound: object) -> TypeGuard[str | bytes | os.PathLike[str] | os.PathLike[bytes]]:
    """Tell paths from all else."""
    return isinstance(sound, str | bytes | os.PathLike)


def _packed(sound: Sound) -> Parcel:
    if is_path(sound):
        return sound
    if isinstance(sound, tuple):
        return sound if _is_pair(sound) and weight(sound) <= LARGEST else Left.HERE
    return _contents(sound)


def _is_pair(parts: tuple[Any, ...]) -> bool:
    """Whether these are floats and a sample rate: anything else might not even be picklable."""
    match parts:
        case np.ndarray() as samples, Real():
            return bool(samples.dtype.kind == "f")
    return False


def _contents(file: Any) -> Contents | Left:
    name = getattr(file, "name", "")
    try:
        before = file.tell()
        size = file.seek(0, os.SEEK_END) - before
        file.seek(before)
        data = file.read() if size <= LARGEST else None
    except (AttributeError, OSError, ValueError):  # whoever hears it will say what is wrong
        return Left.HERE
    return Contents(data, name if is_path(name) else "") if isinstance(data, bytes) else Left.HERE
