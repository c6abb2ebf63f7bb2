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
from earmark.parallel import FEW, LITTLE, allowance

_log = logging.getLogger(__name__)


def classify_many(tagger: Tagger, sounds: Iterable[Sound], jobs: int | None, preview: bool) -> Iterator[Verdict]:
    """Name the genres of many sounds: see :meth:`earmark.inference.classifier.Tagger.classify_many`."""
    if jobs is None:
        yield from (_log_verdict(_answer(tagger, sound, preview)) for sound in sounds)
        return
    here: deque[Verdict] = deque()
    payloads = pack_sounds(sounds, lambda sound: here.append(_answer(tagger, sound, preview)))
    first, little = take_first(payloads)
    every = chain(first, payloads)
    answers: Iterator[Verdict | None]
    if little and len(first) < 2:
        answers = (_unpack(tagger, preview, payload) for payload in every)
    else:
        from earmark.parallel import Pool

        answering = partial(_answering, tagger.model, preview)
        workers = 1 if little else jobs
        _log.debug("starting %d processes", workers)
        answers = Pool(answering, workers, partial(_failed, tagger), limit=time_limit).map(every)
    for answer in answers:
        yield _log_verdict(answer or here.popleft())


def _answer(tagger: Tagger, sound: Sound, preview: bool) -> Verdict:
    try:
        if not isinstance(sound, tuple):
            return tagger.classify(sound, preview=preview)
        if len(sound) != 2:
            raise SettingError(f"a tuple of {len(sound)}: need a pair (samples, sample_rate)")
        return tagger.classify(*sound)
    except EarmarkError as error:
        return _failed(tagger, sound, str(error))


def _unpack(tagger: Tagger, preview: bool, payload: Payload) -> Verdict | None:
    """Answer what was sent; None where the answer is there already."""
    if isinstance(payload, NotSent):
        return None
    return _answer(tagger, payload.open() if isinstance(payload, Contents) else payload, preview)


def _answering(model: Model, preview: bool) -> Callable[[Payload], Verdict | None]:
    """What each process of a pool does with its payloads."""
    return partial(_unpack, Tagger(model), preview)


def _failed(tagger: Tagger, sound: Sound | Payload, error: str) -> Verdict:
    return Verdict.from_error(tagger.card.name, os.fsdecode(sound) if is_path(sound) else None, error)


def _log_verdict(verdict: Verdict) -> Verdict:
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

    def open(self) -> BinaryIO:
        """Make a file object of it again."""
        file = io.BytesIO(self.data)
        file.name = self.name
        return file


class NotSent(Enum):
    """In place of a sound that was heard where it is."""

    HERE = "here"


Payload = str | bytes | os.PathLike[str] | os.PathLike[bytes] | Pair | Contents | NotSent


def pack_sounds(sounds: Iterable[Sound], hear: Callable[[Sound], object]) -> Iterator[Payload]:
    """Make of sounds what can be sent to other processes; have those heard at once that cannot, or cost too much.

    A file object is read when it is taken, so that a generator may close it before it gives the next.

    Parameters
    ----------
    sounds : iterable of path, binary file object, or (samples, sample_rate)
    hear : callable
        Called with each sound that is not sent; `NotSent.HERE` comes in its place.

    Yields
    ------
    Payload
    """
    for sound in sounds:
        payload = _pack(sound)
        if payload is NotSent.HERE:
            hear(sound)
        yield payload


def take_first(payloads: Iterator[Payload]) -> tuple[list[Payload], bool]:
    """Take the first few; say whether these are all, and so little that processes are not worth starting."""
    first: list[Payload] = []
    heavy = 0
    for payload in payloads:
        first.append(payload)
        heavy += count_bytes(payload)
        if len(first) > FEW or (heavy >= LITTLE and len(first) > 1):
            return first, False
    return first, True


def count_bytes(payload: Payload) -> int:
    """Bytes to be heard; 0 where there are none."""
    if isinstance(payload, Contents):
        return len(payload.data)
    if is_path(payload):
        try:
            return Path(os.fsdecode(payload)).stat().st_size
        except (OSError, ValueError):
            return 0
    return sum(getattr(part, "nbytes", 0) for part in payload) if isinstance(payload, tuple) else 0


def time_limit(payload: Payload) -> float:
    """Seconds that it may keep a process busy."""
    return allowance(count_bytes(payload))


def _pack(sound: Sound) -> Payload:
    if is_path(sound):
        return sound
    if isinstance(sound, tuple):
        return sound if _is_pair(sound) and count_bytes(sound) <= LARGEST else NotSent.HERE
    return _contents(sound)


def _is_pair(parts: tuple[Any, ...]) -> bool:
    """Whether these are floats and a sample rate: anything else might not even be picklable."""
    match parts:
        case np.ndarray() as samples, Real():
            return bool(samples.dtype.kind == "f")
    return False


def _contents(file: Any) -> Contents | NotSent:
    name = getattr(file, "name", "")
    try:
        before = file.tell()
        size = file.seek(0, os.SEEK_END) - before
        file.seek(before)
        data = file.read() if size <= LARGEST else None
    except (AttributeError, OSError, ValueError):  # whoever hears it will say what is wrong
        return NotSent.HERE
    return Contents(data, name if is_path(name) else "") if isinstance(data, bytes) else NotSent.HERE
