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
    pool: bool = False,
    max_clips: int | None = None,
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
    pool : bool
        Give the mean of a clip's frames in their place, at half precision: clips of one frame.
    max_clips : int, optional
        Of more clips in a track, so many that are spread over it.
    cache : Path, optional
        Folder to keep results in (see :mod:`earmark.data.features.cache`).
    jobs : int
        Tracks worked on at once. More than a few are given to so many processes; a script must then begin its
        work under ``if __name__ == "__main__":``, as always with processes in Python.
    on_track : callable, optional
        Called after each track, in corpus order.

    Raises
    ------
    CorpusError
        If no track can be read, or arrays do not fit the front end.
    """
    settings = ClipSettings(front_end, clip_seconds, clip_seconds if hop_seconds is None else hop_seconds)
    rows = _GrowingArray(1 if pool else settings.frames, front_end.n_bins)
    failed: dict[str, str] = {}
    with closing(compute_clips(corpus.tracks, settings, cache, jobs)) as computed:
        for i, (track, result) in enumerate(zip(corpus.tracks, computed, strict=True)):
            if result.error:
                failed[track.id] = result.error
            # of a few samples some front ends make no frame
            clips = [clip for clip in result.clips if len(clip)]
            clips = _spread(clips, max_clips or len(clips))
            rows.add(i, [_average(clip) for clip in clips] if pool else clips)
            if on_track:
                on_track(track)
    if not rows.track:
        raise CorpusError(f"none of the {len(corpus.tracks)} tracks gave a clip{explain_failures(failed)}")
    return Features(rows.array(), np.array([corpus.tracks[i].genre for i in rows.track]), np.array(rows.track), failed)


def _spread(clips: Clips, count: int) -> Clips:
    """Return at most so many clips, evenly spaced, the first and the last among them."""
    return (
        clips if len(clips) <= count else [clips[i] for i in np.linspace(0, len(clips) - 1, count).round().astype(int)]
    )


def _average(clip: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a clip's mean (1, bins), rounded as model files keep it, so that a model made of these is the same."""
    mean: NDArray[np.float32] = clip.mean(axis=0, keepdims=True)
    return mean.astype(np.float16).astype(np.float32)


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
