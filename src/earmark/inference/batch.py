"""Many sounds, one answer each, in order: one after the other here, or in processes that may crash without harm."""

from __future__ import annotations

import io
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from numbers import Real
from typing import Any, BinaryIO

import numpy as np

from earmark.audio.source import Pair, Sound, is_path
from earmark.errors import EarmarkError, SettingError
from earmark.inference.aggregate import TrackPrediction, make_verdict
from earmark.inference.classifier import TrackClassifier
from earmark.inference.model import Model
from earmark.inference.verdict import Verdict
from earmark.parallel import MAX_SERIAL_BYTES, MAX_SERIAL_FILES, Pool, file_size, limit_for_size

_log = logging.getLogger(__name__)


def classify_many(
    classifier: TrackClassifier, sounds: Iterable[Sound], jobs: int | None, preview: bool = False
) -> Iterator[Verdict]:
    """Name the genres of many sounds: see :meth:`earmark.Tagger.classify_many`."""
    if is_path(sounds):
        raise SettingError(f"{os.fsdecode(sounds)!r} is one sound: give a list of sounds, or use classify")
    if jobs is not None and jobs < 1:
        raise SettingError(f"jobs is {jobs}: must be at least 1, or None to work in this process")
    for track in predict_many(classifier, sounds, jobs, preview):
        verdict = make_verdict(track, classifier.card)
        if verdict.error:
            _log.info("%s: %s", verdict.path, verdict.error)
        said = verdict.genre or f"unknown ({verdict.reason})"
        if verdict.duration is not None:
            _log.info("%s: %s %.2f, %.1f s of sound", verdict.path, said, verdict.confidence, verdict.duration)
        yield verdict


def predict_many(
    classifier: TrackClassifier, sounds: Iterable[Sound], jobs: int | None, preview: bool = False
) -> Iterator[TrackPrediction]:
    """Predict the clips of many sounds; parameters and order are those of :func:`classify_many`.

    The prediction for a sound that cannot be decoded has an error, and no clips.
    """
    if jobs is None:
        yield from (_predict(classifier, preview, sound) for sound in sounds)
        return
    here: deque[TrackPrediction] = deque()  # of sounds that are not sent
    payloads = pack_sounds(sounds, lambda sound: here.append(_predict(classifier, preview, sound)))
    # a process takes a second to start: not for one sound, and only one for a few
    first, little = take_first(payloads)
    every = chain(first, payloads)
    answers: Iterator[TrackPrediction | None]
    if little and len(first) < 2:
        answers = (_unpack(classifier, preview, payload) for payload in every)
    else:
        workers = 1 if little else jobs
        _log.debug("starting %d processes", workers)
        answers = Pool(partial(_make_worker, classifier.model, preview), workers, _fail, limit=time_limit).map(every)
    # answers come in order, so the next one that is None is the next of those here
    for answer in answers:
        yield answer or here.popleft()


def _predict(classifier: TrackClassifier, preview: bool, sound: Sound) -> TrackPrediction:
    try:
        if not isinstance(sound, tuple):
            return classifier.predict(sound, preview=preview)
        if len(sound) != 2:
            raise SettingError(f"a tuple of {len(sound)}: need a pair (samples, sample_rate)")
        return classifier.predict(*sound)
    except EarmarkError as error:
        return _fail(sound, str(error))


def _unpack(classifier: TrackClassifier, preview: bool, payload: Payload) -> TrackPrediction | None:
    """Predict what was sent; None where the answer is there already."""
    if payload is None:
        return None
    return _predict(classifier, preview, payload.open() if isinstance(payload, Contents) else payload)


def _make_worker(model: Model, preview: bool) -> Callable[[Payload], TrackPrediction | None]:
    """Return what each process of a pool applies to its payloads."""
    # onnxruntime's sessions cannot be pickled: each process gets the model and starts its own
    return partial(_unpack, TrackClassifier(model), preview)


def _fail(sound: Sound | Payload, error: str) -> TrackPrediction:
    return TrackPrediction((), None, os.fsdecode(sound) if is_path(sound) else None, error)


LARGEST = 64_000_000
"""Bytes of a file object or an array that are sent; what is larger is better worked on where it is."""


@dataclass(frozen=True)
class Contents:
    """What is in a file object, and its name, whose suffix helps to guess the format."""

    data: bytes
    name: str | bytes

    def open(self) -> BinaryIO:
        """Make a file object of it again."""
        file = io.BytesIO(self.data)
        file.name = self.name
        return file


Payload = str | bytes | Pair | Contents | None
"""What is sent to a process; None in place of a sound that is worked on where it is."""


def pack_sounds(sounds: Iterable[Sound], keep: Callable[[Sound], object]) -> Iterator[Payload]:
    """Make of sounds what can be sent to other processes; hand over at once those that cannot, or cost too much.

    A file object is read when it is taken, so that a generator may close it before it gives the next.
    Each sound that is not sent is given to `keep`, and None comes in its place.
    """
    for sound in sounds:
        payload = _pack(sound)
        if payload is None:
            keep(sound)
        yield payload


def take_first(payloads: Iterator[Payload]) -> tuple[list[Payload], bool]:
    """Take the first few; tell whether these are all, and so little that processes are not worth starting."""
    first: list[Payload] = []
    heavy = 0
    for payload in payloads:
        first.append(payload)
        heavy += count_bytes(payload)
        # one sound, however large, gains nothing from processes: wait for a second
        if len(first) > MAX_SERIAL_FILES or (heavy >= MAX_SERIAL_BYTES and len(first) > 1):
            return first, False
    return first, True


def count_bytes(payload: Payload) -> int:
    """Return the bytes to be decoded; 0 where there are none."""
    if isinstance(payload, Contents):
        return len(payload.data)
    if is_path(payload):
        return file_size(payload)
    # a pair: the bytes of its array; a plain number has no nbytes
    return sum(getattr(part, "nbytes", 0) for part in payload) if isinstance(payload, tuple) else 0


def time_limit(payload: Payload) -> float:
    """Return the seconds that a payload may keep a process busy."""
    return limit_for_size(count_bytes(payload))


def _pack(sound: Sound) -> Payload:
    if is_path(sound):
        return os.fspath(sound)
    if isinstance(sound, tuple):
        return sound if _is_pair(sound) and count_bytes(sound) <= LARGEST else None
    return _contents(sound)


def _is_pair(parts: tuple[Any, ...]) -> bool:
    """Return whether these are floats and a sample rate: anything else might not even be picklable."""
    match parts:
        case np.ndarray() as samples, Real():
            return bool(samples.dtype.kind == "f")
    return False


def _contents(file: Any) -> Contents | None:
    name = getattr(file, "name", "")
    try:
        # what is left of the file, without reading it
        before = file.tell()
        size = file.seek(0, os.SEEK_END) - before
        file.seek(before)
        data = file.read() if size <= LARGEST else None
    except (AttributeError, OSError, ValueError):  # decoding it will say what is wrong
        return None
    # None where it is too large, str where it was opened as text: neither is sent
    return Contents(data, os.fspath(name) if is_path(name) else "") if isinstance(data, bytes) else None
