"""What excites the units of a network most: the moments of a corpus at which their activations are highest.

Looking for the real inputs that excite a unit most is the oldest way to ask what it stands for, and needs no assumption
on what lies between it and the sound.

References
----------
D. Erhan, Y. Bengio, A. Courville, P. Vincent: Visualizing higher-layer features of a deep network. Université de
Montréal, 2009.
R. Girshick, J. Donahue, T. Darrell, J. Malik: Rich feature hierarchies. CVPR 2014, section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from earmark.audio.clips import cut
from earmark.audio.decode import AudioFile
from earmark.auralization.excerpts import Moment, no_track_heard
from earmark.auralization.units import UnitProbe
from earmark.data.corpus import Corpus, Track
from earmark.data.features.worker import ClipSettings
from earmark.errors import AudioError

_BATCH = 8
"""Clips that go through the network at once."""


@dataclass(frozen=True)
class PeakActivations:
    """Highest activation of each unit in each track, and when.

    Attributes
    ----------
    probe : UnitProbe
        Of the network.
    corpus : Corpus
    highest : ndarray, shape (tracks, units)
        Activation; NaN where a track could not be read, or is silent.
    at : ndarray, shape (tracks, units)
        When, seconds.
    failed : dict of str to str
        Tracks that could not be read, and why.
    """

    probe: UnitProbe
    corpus: Corpus
    highest: NDArray[np.float32]
    at: NDArray[np.float64]
    failed: dict[str, str]

    def moments(self, unit: int, count: int = 6, *, seconds: float = 3.0) -> list[Moment]:
        """List the moments of `count` tracks, at most, that excite a unit most, the most exciting first.

        Each lasts `seconds`, around the highest activation in the track.
        """
        values = self.highest[:, unit]
        # NaN stands last, and is left out
        best = [i for i in np.argsort(-values, kind="stable") if not np.isnan(values[i])][:count]
        starts = [max(0.0, float(self.at[i, unit]) - seconds / 2) for i in best]
        return [
            Moment(self.corpus.tracks[i], start, start + seconds, float(values[i]))
            for i, start in zip(best, starts, strict=True)
        ]

    def selectivity(self) -> dict[str, NDArray[np.float64]]:
        """Measure how well each unit's highest activations separate each genre from all others.

        Returns
        -------
        dict of str to ndarray, shape (units,)
            d′ of signal detection: 0 says nothing, 2 separates five in six; negative where activations are lower in
            the genre. Genres of fewer than two tracks are left out.
        """
        heard = ~np.isnan(self.highest).any(axis=1)
        genres = np.array([track.genre for track in self.corpus.tracks])
        found = {}
        for genre in self.corpus.genres:
            # (tracks, units) each
            own, others = (self.highest[heard & side].astype(np.float64) for side in (genres == genre, genres != genre))
            if min(len(own), len(others)) >= 2:
                # d′ = (difference of the means) / (root of the mean variance)
                deviation = np.sqrt((own.var(axis=0, ddof=1) + others.var(axis=0, ddof=1)) / 2)
                found[genre] = (own.mean(axis=0) - others.mean(axis=0)) / np.maximum(deviation, 1e-6)
        return found

    def most_selective(self, count: int) -> list[int]:
        """Return the units that tell a genre best from the others.

        The best one of each genre, then the second best of each, and so on; the first units where the corpus is of one
        genre alone, and there is nothing to tell.
        """
        ranked = [(-values).argsort(kind="stable").tolist() for values in self.selectivity().values()]
        if not ranked:
            return list(range(count))
        # Column i of `ranked` holds the i-th best of each genre; a unit counts where it stands first.
        units = dict.fromkeys(unit for place in zip(*ranked, strict=True) for unit in place)
        return list(units)[:count]


def find_peak_activations(
    probe: UnitProbe, corpus: Corpus, *, on_track: Callable[[Track], None] | None = None
) -> PeakActivations:
    """Find the moments of a corpus that excite each unit of a network most.

    Parameters
    ----------
    probe : UnitProbe
    corpus : Corpus
        Of sound; tracks that are arrays of frames are read too, but have no sound to decode afterwards.
    on_track : callable, optional
        Called after each track.

    Returns
    -------
    PeakActivations
        Of all units: computing features takes longer than the network does.

    Raises
    ------
    CorpusError
        If no track could be heard, or an array does not fit the front end.
    """
    highest = np.full((len(corpus.tracks), probe.n_units), np.nan, np.float32)
    at = np.full(highest.shape, np.nan)
    failed = {}
    for i, track in enumerate(corpus.tracks):
        try:
            for starts, frames in _batches(probe, track):
                activations = probe.activations(frames)
                # activations are (clips, steps, units): a step may read several frames
                times = probe.times(frames.shape[1], activations.shape[1])
                for start, own in zip(starts, activations, strict=True):
                    _update(highest[i], at[i], own, start + times)
        except AudioError as error:
            failed[track.id] = str(error)
        if on_track:
            on_track(track)
    if np.isnan(highest).all():
        raise no_track_heard(corpus, failed, ": all are silent or too short")
    return PeakActivations(probe, corpus, highest, at, failed)


def _batches(probe: UnitProbe, track: Track) -> Iterator[tuple[Sequence[float], NDArray[np.float32]]]:
    """Yield the clips of a track that are neither silent nor too short: starts, and frames (clips, frames, bins)."""
    card, front_end = probe.card, probe.card.front_end
    if track.path is None:
        for i, frames in enumerate(ClipSettings(front_end, card.clip_seconds, card.clip_seconds).read_array(track)):
            if len(frames) >= card.min_frames:
                yield [i * card.clip_seconds], frames[None]
        return
    with AudioFile(track.path) as recording:
        clips = cut(recording.blocks(front_end.sample_rate), card.clip_length)
        heard = (c for c in clips if card.reason_to_skip(c) is None)
        while batch := list(islice(heard, _BATCH)):
            # the last clip may be shorter
            for length in {clip.length for clip in batch}:
                alike = [clip for clip in batch if clip.length == length]
                frames = front_end(np.stack([clip.samples[:length] for clip in alike]))
                yield [clip.start / front_end.sample_rate for clip in alike], frames


def _update(
    highest: NDArray[np.float32], at: NDArray[np.float64], activations: NDArray[np.float32], times: NDArray[np.float64]
) -> None:
    """Put what exceeds the highest so far in its place: both (units,), activations (steps, units), times (steps,)."""
    peak = activations.max(axis=0)
    # also where there is NaN: nothing yet
    higher = ~(peak <= highest)
    highest[higher] = peak[higher]
    at[higher] = times[activations.argmax(axis=0)[higher]]
