"""Many sounds, one verdict each, in order: one after the other here, or in processes that may crash without harm."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain

from earmark.errors import EarmarkError, SettingError
from earmark.tell.model import Model
from earmark.tell.parcels import Contents, Left, Parcel, Sound, begun, is_path, packed, patience
from earmark.tell.tagger import Tagger
from earmark.tell.verdict import Verdict

_log = logging.getLogger(__name__)


def classify_many(tagger: Tagger, sounds: Iterable[Sound], jobs: int | None, preview: bool) -> Iterator[Verdict]:
    """Name the genres of many sounds: see :meth:`earmark.tell.tagger.Tagger.classify_many`."""
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
        from earmark.listen.pool import Pool

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
