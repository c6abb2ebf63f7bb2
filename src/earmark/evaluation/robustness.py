"""Robustness: one model on every track in every distorted version, and on sounds that are no music."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import groupby

import numpy as np

from earmark.audio import AudioFile
from earmark.data.corpus import Corpus, Track
from earmark.data.known_genres import divide_by_labels
from earmark.errors import AudioError, CorpusError
from earmark.evaluation import nonmusic
from earmark.evaluation.distortions import DISTORTIONS, Samples
from earmark.evaluation.nonmusic import Sound
from earmark.evaluation.robustness_report import UNDISTORTED, RobustnessReport, summarize
from earmark.inference.model import Model
from earmark.inference.tagger import Tagger
from earmark.inference.verdict import Verdict
from earmark.parallel import Pool

_HIGHEST_RATE = 48_000
"""Hz, the highest rate at which sound is distorted: people hear no more, and codecs take no more."""


_Answer = dict[str, Verdict] | str
"""The verdict on each version of a track, or the one on a sound; or why there are none."""


def measure_robustness(
    tagger: Tagger,
    corpus: Corpus,
    sounds: Sequence[Sound] = (),
    *,
    jobs: int = 1,
    on_item: Callable[[Track | Sound], None] | None = None,
) -> RobustnessReport:
    """Test a model's robustness. Each track is decoded once and held in memory while its versions are classified.

    Parameters
    ----------
    tagger : Tagger
    corpus : Corpus
        Of sound files. Tracks of genres that the model does not know are classified as they are and counted apart.
    sounds : sequence of Sound
        That are no music, those of a kind side by side.
    jobs : int
        Processes at most.
    on_item : callable, optional
        Called after each track and each sound.

    Returns
    -------
    RobustnessReport

    Raises
    ------
    CorpusError
        If the corpus holds arrays, or no genre that the model knows, or nothing could be decoded.
    """
    require_sound(corpus)
    known, unknown = divide_by_labels(corpus, tagger.labels)
    # of a foreign genre, only what the model says of the track as it is
    strangers = [Sound(track.genre, track.id, track.path) for track in unknown.tracks]
    foreign_sounds = set(strangers)
    items: list[Track | Sound] = [*known.tracks, *strangers, *sounds]
    tracks: list[tuple[Track, dict[str, Verdict]]] = []
    others: list[tuple[Sound, Verdict]] = []
    foreign: list[tuple[Sound, Verdict]] = []
    failed: dict[str, str] = {}
    # an error in this loop must end the pool's processes at once
    with closing(_classify_all(tagger, items, jobs)) as answers:
        for item, answer in zip(items, answers, strict=True):
            if isinstance(answer, str):
                failed[item.id if isinstance(item, Track) else item.name] = answer
            elif isinstance(item, Track):
                tracks.append((item, answer))
            else:
                (foreign if item in foreign_sounds else others).append((item, answer[UNDISTORTED]))
            if on_item:
                on_item(item)
    if not tracks:
        raise CorpusError("no track of the corpus could be heard" + "".join(f"; {k}: {v}" for k, v in failed.items()))
    return summarize(corpus.name, tracks, others, foreign, failed)


def require_sound(corpus: Corpus) -> None:
    """Raise :class:`CorpusError` where a corpus holds arrays: what is no longer sound cannot be distorted."""
    if any(track.path is None for track in corpus.tracks):
        raise CorpusError(
            f"{corpus.name} holds arrays of spectrograms, and only sound can be distorted: need a folder of genre "
            "folders or a .csv manifest"
        )


def subsample(corpus: Corpus, tracks: int) -> Corpus:
    """Return so many tracks of each genre, or all of it where it has fewer, evenly spaced over its ids.

    Examples
    --------
    >>> corpus = Corpus("ten", tuple(Track(f"{i}", "jazz") for i in range(10)))
    >>> [track.id for track in subsample(corpus, 3).tracks]
    ['1', '5', '8']
    """
    chosen: list[int] = []
    for _, group in groupby(range(len(corpus.tracks)), key=lambda i: corpus.tracks[i].genre):
        members = list(group)
        wanted = min(tracks, len(members))
        # the middle of each of `wanted` equal parts
        chosen += [members[(2 * i + 1) * len(members) // (2 * wanted)] for i in range(wanted)]
    return corpus.subset(chosen)


class _Worker:
    """Classifies one track or sound after another, here or in a process of a pool."""

    def __init__(self, tagger: Tagger | Model) -> None:
        self.tagger = tagger if isinstance(tagger, Tagger) else Tagger(tagger)
        self.distortions = [one for one in DISTORTIONS if one.codec.available]

    def __call__(self, item: Track | Sound) -> _Answer:
        try:
            return self._classify_track(item) if isinstance(item, Track) else self._classify_sound(item)
        except AudioError as error:
            return str(error)

    def _classify_track(self, track: Track) -> dict[str, Verdict]:
        """Return the verdicts on a track's versions, undistorted first."""
        samples, rate = _decode(track)
        verdicts = {UNDISTORTED: self._classify(samples, rate)}
        for distortion in self.distortions:
            verdicts[distortion.name] = self._classify(*distortion.apply(samples, rate))
        return verdicts

    def _classify_sound(self, sound: Sound) -> dict[str, Verdict]:
        if sound.path is None:
            return {UNDISTORTED: self._classify(sound.make(), nonmusic.RATE)}
        verdict = self.tagger.classify(sound.path)
        if verdict.error:
            raise AudioError(verdict.error)
        return {UNDISTORTED: replace(verdict, clips=())}

    def _classify(self, samples: Samples, rate: int) -> Verdict:
        # without its clips, which would cost much on the way between processes
        return replace(self.tagger.classify(samples, rate), clips=())


def _decode(track: Track) -> tuple[Samples, int]:
    """Return the samples of a whole track, at its own rate where that is no more than codecs take."""
    assert track.path is not None
    with AudioFile(track.path) as recording:
        rate = min(recording.info.sample_rate, _HIGHEST_RATE)
        samples = np.concatenate(list(recording.blocks(rate)))
        if recording.read_error:
            raise AudioError(recording.read_error)
        return samples, rate


def _classify_all(tagger: Tagger, items: Sequence[Track | Sound], jobs: int) -> Generator[_Answer, None, None]:
    """Classify each, in order."""
    if jobs == 1:
        yield from map(_Worker(tagger), items)
    else:
        yield from Pool(partial(_Worker, tagger.model), jobs, lambda item, failure: failure).map(iter(items))
