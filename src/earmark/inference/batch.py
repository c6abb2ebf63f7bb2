"""Many sounds, one verdict each, in order: one after the other here, or in processes that may crash without harm."""

from __future__ import annotations

import io
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import chain
from numbers import Real
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from earmark.audio.source import Pair, Sound, is_path
from earmark.errors import EarmarkError, SettingError
from earmark.inference.classifier import Tagger
from earmark.inference.model import Model
from earmark.inference.verdict import Verdict
from earmark.parallel import MAX_SERIAL_BYTES, MAX_SERIAL_FILES, limit_for_size

_log = logging.getLogger(__name__)


def classify_many(tagger: Tagger, sounds: Iterable[Sound], jobs: int | None, preview: bool) -> Iterator[Verdict]:
    """Name the genres of many sounds: see :meth:`earmark.inference.classifier.Tagger.classify_many`."""
    if jobs is None:
        yield from (_noted(_answer(tagger, sound, preview)) for sound in sounds)
        return
    here: deque[Verdict] = deque()
    parcels = packed(sounds, lambda sound: here.append(_answer(tagger, sound, preview)))
    first, little = begun(parcels)
    every = chain(first, parcels)
    answers: Iterator[Verdict | None]
    if little and len(first) < 2:
        answers = (_unpack(tagger, preview, parcel) for parcel in every)
    else:
        from earmark.parallel import Pool

        answering = partial(_answering, tagger.model, preview)
        workers = 1 if little else jobs
        _log.debug("starting %d processes", workers)
        answers = Pool(answering, workers, partial(_failed, tagger), limit=patience).map(every)
    for answer in answers:
        yield _noted(answer or here.popleft())


def _answer(tagger: Tagger, sound: Sound, preview: bool) -> Verdict:
    try:
        if not isinstance(sound, tuple):
            return tagger.classify(sound, preview=preview)
        if len(sound) != 2:
            raise SettingError(f"a tuple of {len(sound)}: need a pair (samples, sample_rate)")
        return tagger.classify(*sound)
    except EarmarkError as error:
        return _failed(tagger, sound, str(error))


def _unpack(tagger: Tagger, preview: bool, parcel: Parcel) -> Verdict | None:
    """Answer what was sent; None where the answer is there already."""
    if isinstance(parcel, Left):
        return None
    return _answer(tagger, parcel.opened() if isinstance(parcel, Contents) else parcel, preview)


def _answering(model: Model, preview: bool) -> Callable[[Parcel], Verdict | None]:
    """What each process of a pool does with its parcels."""
    return partial(_unpack, Tagger(model), preview)


def _failed(tagger: Tagger, sound: Sound | Parcel, error: str) -> Verdict:
    return Verdict.failed(tagger.card.name, os.fsdecode(sound) if is_path(sound) else None, error)


def _noted(verdict: Verdict) -> Verdict:
    """Log a verdict of many; here, for what processes of a pool log is not heard."""
    if verdict.error:
        _log.info("%s: %s", verdict.path, verdict.error)
    said = verdict.genre or f"unknown ({verdict.reason})"
    if verdict.duration is not None:
        _log.info("%s: %s %.2f, %.1f s of sound", verdict.path, said, verdict.confidence, verdict.duration)
    return verdict


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
        if len(first) > MAX_SERIAL_FILES or (heavy >= MAX_SERIAL_BYTES and len(first) > 1):
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
    return limit_for_size(weight(parcel))


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
