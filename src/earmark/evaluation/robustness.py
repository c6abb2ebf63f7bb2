"""Stress: every track in every distorted version, and sounds that are no music, before one model."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import numpy as np

from earmark.audio import AudioFile
from earmark.data.corpus import Corpus, Track
from earmark.errors import AudioError, CorpusError
from earmark.evaluation import nonmusic
from earmark.evaluation.distortions import DISTORTIONS, Samples
from earmark.evaluation.evaluate import require_known
from earmark.evaluation.nonmusic import Sound
from earmark.evaluation.robustness_report import UNDISTORTED, Stress, conclude
from earmark.inference.classifier import Tagger
from earmark.inference.model import Model
from earmark.inference.verdict import Verdict
from earmark.parallel import Pool

_HIGHEST_RATE = 48_000
"""Hz, at which the sound of files of higher rates is distorted: more than people hear, and codecs take."""


@dataclass(frozen=True)
class _Heard:
    """The verdict on each version of a track, or the one on a sound; or why there are none."""

    verdicts: dict[str, Verdict]
    error: str = ""


def stress(
    tagger: Tagger,
    corpus: Corpus,
    sounds: Sequence[Sound] = (),
    *,
    jobs: int = 1,
    on_item: Callable[[Track | Sound], None] | None = None,
) -> Stress:
    """Put a model under stress. Each track is decoded once and held in memory while its versions are classified.

    Parameters
    ----------
    tagger : Tagger
    corpus : Corpus
        Of sound files, whose genres are among the model's labels.
    sounds : sequence of Sound
        That are no music, those of a kind side by side.
    jobs : int
        Processes at most. A script that asks for more than one must begin its work under
        ``if __name__ == "__main__":``, as always with processes in Python.
    on_item : callable, optional
        Called after each track and each sound.

    Returns
    -------
    Stress

    Raises
    ------
    CorpusError
        If the corpus holds arrays, or genres that the model does not know, or nothing could be heard.
    """
    require_sound(corpus)
    require_known(corpus, tagger.labels)
    items: list[Track | Sound] = [*corpus.tracks, *sounds]
    heard = []
    failed: dict[str, str] = {}
    with closing(_hear(tagger, items, jobs)) as answers:
        for item, answer in zip(items, answers, strict=True):
            heard.append(answer)
            if answer.error:
                failed[item.id if isinstance(item, Track) else item.name] = answer.error
            if on_item:
                on_item(item)
    n = len(corpus.tracks)
    tracks = [(track, one.verdicts) for track, one in zip(corpus.tracks, heard[:n], strict=True) if not one.error]
    others = [(s, one.verdicts[UNDISTORTED]) for s, one in zip(sounds, heard[n:], strict=True) if not one.error]
    if not tracks:
        raise CorpusError("no track of the corpus could be heard" + "".join(f"; {k}: {v}" for k, v in failed.items()))
    return conclude(corpus.name, tracks, others, failed)


def require_sound(corpus: Corpus) -> None:
    """Raise :class:`CorpusError` where a corpus holds arrays: what is no longer sound cannot be distorted."""
    if any(track.path is None for track in corpus.tracks):
        raise CorpusError(
            f"{corpus.name} holds arrays of spectrograms, and only sound can be distorted: need a folder of genre "
            "folders or a .csv manifest"
        )


def spread(corpus: Corpus, tracks: int) -> Corpus:
    """Return so many tracks of each genre, or all of it where it has fewer, evenly spread over its ids.

    Examples
    --------
    >>> corpus = Corpus("ten", tuple(Track(f"{i}", "jazz") for i in range(10)))
    >>> [track.id for track in spread(corpus, 3).tracks]
    ['1', '5', '8']
    """
    chosen: list[int] = []
    for _, group in groupby(range(len(corpus.tracks)), key=lambda i: corpus.tracks[i].genre):
        members = list(group)
        wanted = min(tracks, len(members))
        chosen += [members[(2 * i + 1) * len(members) // (2 * wanted)] for i in range(wanted)]
    return corpus.subset(chosen)


class _Listener:
    """Classifies one track or sound after another, here or in a process of a pool."""

    def __init__(self, tagger: Tagger | Model) -> None:
        self.tagger = tagger if isinstance(tagger, Tagger) else Tagger(tagger)
        self.distortions = [one for one in DISTORTIONS if one.codec.there]

    def __call__(self, item: Track | Sound) -> _Heard:
        try:
            return _Heard(self._track(item) if isinstance(item, Track) else {UNDISTORTED: self._sound(item)})
        except AudioError as error:
            return _Heard({}, str(error))

    def _track(self, track: Track) -> dict[str, Verdict]:
        """Its verdicts, undistorted first."""
        samples, rate = _decoded(track)
        verdicts = {UNDISTORTED: self._classified(samples, rate)}
        for distortion in self.distortions:
            verdicts[distortion.name] = self._classified(*distortion.apply(samples, rate))
        return verdicts

    def _sound(self, sound: Sound) -> Verdict:
        if sound.path is None:
            return self._classified(sound.make(), nonmusic.RATE)
        verdict = self.tagger.classify(sound.path)
        if verdict.error:
            raise AudioError(verdict.error)
        return replace(verdict, clips=())

    def _classified(self, samples: Samples, rate: int) -> Verdict:
        return replace(self.tagger.classify(samples, rate), clips=())  # which weigh much on the way between processes


def _decoded(track: Track) -> tuple[Samples, int]:
    """Samples of a whole track, at its own rate where that is no more than codecs take."""
    assert track.path is not None
    with AudioFile(track.path) as recording:
        rate = min(recording.info.sample_rate, _HIGHEST_RATE)
        samples = np.concatenate(list(recording.blocks(rate)))
        if recording.read_error:
            raise AudioError(recording.read_error)
        return samples, rate


def _hear(tagger: Tagger, items: Sequence[Track | Sound], jobs: int) -> Generator[_Heard, None, None]:
    """Hear each, in order."""
    if jobs == 1:
        yield from map(_Listener(tagger), items)
    else:
        yield from Pool(partial(_Listener, tagger.model), jobs, _crashed).map(iter(items))


def _crashed(item: Track | Sound, failure: str) -> _Heard:
    return _Heard({}, failure)
