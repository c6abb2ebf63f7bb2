"""A corpus → clips of frames, by several processes, kept on disk between runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.data.corpus import Corpus, Track, explain_failures
from earmark.data.features.cache import Clips
from earmark.data.features.worker import ClipSettings, Extractor, compute_clips
from earmark.errors import CorpusError


@dataclass(frozen=True)
class Reduction:
    """What is kept of a track's clips.

    Attributes
    ----------
    pool : bool
        The mean of a clip's frames in their place, at half precision: clips of one frame.
    max_clips : int, optional
        Of more clips, so many that are spread over the track; all when left out.
    """

    pool: bool = False
    max_clips: int | None = None

    def __call__(self, clips: Clips) -> Clips:
        """Reduce the clips of one track."""
        if self.max_clips and len(clips) > self.max_clips:
            clips = [clips[i] for i in np.linspace(0, len(clips) - 1, self.max_clips).round().astype(int)]
        if not self.pool:
            return clips
        # rounded as model files keep them, so that a model made of those is the same
        return [clip.mean(axis=0, keepdims=True).astype(np.float16).astype(np.float32) for clip in clips]


@dataclass(frozen=True)
class Features:
    """Clips of a corpus, ready for an estimator.

    Attributes
    ----------
    X : ndarray of float32, shape (clips, frames, bins)
        A clip shorter than the others ends in NaN frames.
    y : ndarray of str, shape (clips,)
        Genres.
    track : ndarray of int, shape (clips,)
        Index of each clip's track in the corpus.
    failed : dict of str to str
        Ids of the tracks that could not be read, and why.
    """

    X: NDArray[np.float32]
    y: NDArray[np.str_]
    track: NDArray[np.intp]
    failed: dict[str, str]

    def part(self, clips: NDArray[np.intp]) -> Features:
        """Return only these clips."""
        return Features(self.X[clips], self.y[clips], self.track[clips], self.failed)


def stack(sequences: Sequence[NDArray[np.floating]], frames: int | None = None) -> NDArray[np.float32]:
    """Put sequences, each (frames, bins), into one array (clips, frames, bins), with NaN frames at their ends.

    It has as many frames as the longest sequence, unless `frames` says how many.

    Examples
    --------
    >>> stack([np.ones((2, 1)), np.ones((1, 1))])[:, :, 0]
    array([[ 1.,  1.],
           [ 1., nan]], dtype=float32)
    """
    longest = max(len(s) for s in sequences) if frames is None else frames
    X = np.full((len(sequences), longest, sequences[0].shape[1]), np.nan, np.float32)
    for row, sequence in zip(X, sequences, strict=True):
        row[: len(sequence)] = sequence
    return X


def default_cache() -> Path:
    """Return where features are kept between runs: ``earmark/features`` in the user's cache folder."""
    from platformdirs import user_cache_path

    return user_cache_path("earmark", appauthor=False) / "features"


def extract(
    corpus: Corpus,
    front_end: Extractor,
    clip_seconds: float,
    *,
    hop_seconds: float | None = None,
    reduction: Reduction | None = None,
    cache: Path | None = None,
    jobs: int = 1,
    on_track: Callable[[Track], None] | None = None,
) -> Features:
    """Compute the clips of every track; silent clips are left out, as they are when classifying.

    Parameters
    ----------
    corpus : Corpus
    front_end : StftDensity, LogMel, KaldiMel or Encoder
    clip_seconds : float
    hop_seconds : float, optional
        From clip to clip; `clip_seconds` (no overlap) when left out.
    reduction : Reduction, optional
        What is kept of a track's clips; all when left out.
    cache : Path, optional
        Folder to keep results in (see :mod:`earmark.data.features.cache`).
    jobs : int
        Tracks worked on at once. More than a few are given to so many processes.
    on_track : callable, optional
        Called after each track, in corpus order.

    Raises
    ------
    CorpusError
        If no track can be read, or arrays do not fit the front end.
    """
    settings = ClipSettings(front_end, clip_seconds, clip_seconds if hop_seconds is None else hop_seconds)
    reduction = reduction or Reduction()
    rows = _GrowingArray(1 if reduction.pool else settings.frames, front_end.n_bins)
    failed: dict[str, str] = {}
    with closing(compute_clips(corpus.tracks, settings, cache, jobs)) as computed:
        for i, (track, result) in enumerate(zip(corpus.tracks, computed, strict=True)):
            if result.error:
                failed[track.id] = result.error
            # of a few samples some front ends make no frame
            rows.add(i, reduction([clip for clip in result.clips if len(clip)]))
            if on_track:
                on_track(track)
    if not rows.track:
        raise CorpusError(f"none of the {len(corpus.tracks)} tracks gave a clip{explain_failures(failed)}")
    return Features(rows.array(), np.array([corpus.tracks[i].genre for i in rows.track]), np.array(rows.track), failed)


class _GrowingArray:
    """One array that grows with each track's clips, so that these are never held twice."""

    def __init__(self, frames: int, bins: int) -> None:
        self.track: list[int] = []
        # (clips, frames, bins); longer than what is in it by up to an eighth, so that it seldom has to grow
        self._X = np.empty((0, frames, bins), np.float32)

    def add(self, track: int, clips: Clips) -> None:
        if not clips:
            return
        begin, end = len(self.track), len(self.track) + len(clips)
        if end > len(self._X):
            self._grow(end + end // 8)
        self._X[begin:end] = stack(clips, self._X.shape[1])
        self.track += [track] * len(clips)

    def array(self) -> NDArray[np.float32]:
        self._grow(len(self.track))
        return self._X

    def _grow(self, length: int) -> None:
        # in place where the system can, which numpy refuses where it believes that others refer to the array
        self._X.resize((length, *self._X.shape[1:]), refcheck=False)
