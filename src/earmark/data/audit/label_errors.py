"""Label errors: tracks that do not sound like their genre, by confident learning on summaries of timbre.

A simple classifier predicts each track without having seen it or its artist. Where it finds the track's own genre
improbable, and another as probable as that genre's tracks usually are, the label is suspect.

References
----------
Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 2021.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.data.corpus import Track
from earmark.errors import CorpusError

# Tracks a genre needs; folds that are predicted in turn, and so artists that a genre needs.
MIN_TRACKS, FOLDS = 10, 5
# Groups of neighbouring bands, so that few tracks suffice.
_BAND_GROUPS = 32
# Inverse strength of the regression's penalty.
_PENALTY = 0.2
# Bounds of the probability from which on a genre counts as confidently predicted.
_CONFIDENT = (0.4, 0.6)
# How many times more probable than its own genre a suspect's other genre is.
_MIN_RATIO = 12


class Timbre:
    """Summary of a track's frames: mean, deviation and mean change of groups of bands."""

    def __init__(self) -> None:
        self._sums: list[NDArray[np.float64]] = []
        self._frames = self._changes = 0

    def add(self, frames: NDArray[np.float32]) -> None:
        """Take the next frames, shape (frames, bands), log-mel in dB."""
        if not len(frames):
            return
        edges = np.linspace(0, frames.shape[1], min(_BAND_GROUPS, frames.shape[1]) + 1).astype(int)
        groups = np.add.reduceat(frames, edges[:-1], axis=1, dtype=np.float64) / np.diff(edges)  # (frames, groups)
        # sums over frames suffice for mean, deviation and mean change, and let the sound come in pieces
        change = np.abs(np.diff(groups, axis=0)).sum(axis=0)
        self._sums.append(np.stack([groups.sum(axis=0), np.square(groups).sum(axis=0), change]))  # (3, groups)
        self._frames += len(groups)
        self._changes += len(groups) - 1

    def features(self) -> NDArray[np.float64] | None:
        """Return the summary, shape (3 · groups,), whatever the loudness; None where all is silent."""
        if not self._changes:
            return None
        total, squares, change = np.sum(self._sums, axis=0)
        mean = total / self._frames  # (groups,)
        deviation = np.sqrt(np.maximum(0, squares / self._frames - mean**2))
        summary = np.concatenate([mean - mean.mean(), deviation, change / self._changes])
        return summary if np.isfinite(summary).all() else None


@dataclass(frozen=True)
class LabelError:
    """A track whose label is doubtful: `own` is the probability of its label, `probability` that of `genre` instead."""

    track: Track
    own: float
    genre: str
    probability: float


def screen_genres(tracks: Sequence[Track]) -> tuple[list[str], list[str]]:
    """Divide genres into those with enough tracks of enough artists to be judged, and the others; both sorted."""
    tally = Counter(track.genre for track in tracks)
    artists = Counter(genre for genre, _ in {(track.genre, _artist_key(track)) for track in tracks})
    enough = [genre for genre in sorted(tally) if tally[genre] >= MIN_TRACKS and artists[genre] >= FOLDS]
    return enough, sorted(set(tally) - set(enough))


def find_label_errors(tracks: Sequence[Track], features: NDArray[np.float64], seed: int = 0) -> list[LabelError]:
    """Find tracks that sound like another genre, the surest first.

    Parameters
    ----------
    tracks : sequence of Track
        No copies of one another, which would vouch for each other; tracks of one artist share a fold.
        Tracks of genres that :func:`screen_genres` refuses are left out.
    features : ndarray, shape (tracks, features)
        From :class:`Timbre`.
    seed : int
        Of the folds.

    Raises
    ------
    CorpusError
        If fewer than two genres can be judged.
    """
    labels, _ = screen_genres(tracks)
    if len(labels) < 2:
        raise CorpusError(
            f"labels cannot be judged: that takes two genres with {MIN_TRACKS} tracks of {FOLDS} artists each, "
            f"and {len(labels)} of {len({track.genre for track in tracks})} has so many"
        )
    kept = [i for i, track in enumerate(tracks) if track.genre in labels]
    tracks = [tracks[i] for i in kept]
    label = np.array([labels.index(track.genre) for track in tracks])
    artist = np.unique([_artist_key(track) for track in tracks], return_inverse=True)[1]
    probability = _predict_out_of_fold(features[kept], label, artist, seed)
    return [
        LabelError(tracks[i], float(probability[i, label[i]]), labels[other], float(probability[i, other]))
        for i, other in find_confident_errors(probability, label)
    ]


def find_confident_errors(probability: NDArray[np.float64], label: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Find what is labelled one class and confidently predicted another: (track, class), the largest margin first.

    A class is predicted confidently where its probability reaches its mean over the tracks that bear its label
    (Northcutt et al., equation 2), clipped to 0.4 to 0.6: a guess below is no confidence, and where all else is
    clear, a wrong label would never reach the mean. The track's own label must be 12 times less probable.
    `probability` has shape (tracks, classes), predicted out of fold; `label` has shape (tracks,).

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.02, 0.98], [0.1, 0.9], [0.7, 0.3]])
    >>> find_confident_errors(p, np.array([0, 0, 0, 1, 1]))
    [(2, 1)]
    """
    rows = np.arange(len(label))
    own = probability[rows, label]
    # t_j = mean of p(j) over the tracks labelled j: shape (classes,)
    threshold = np.array([probability[label == j, j].mean() for j in range(probability.shape[1])])
    confident = np.where(probability >= np.clip(threshold, *_CONFIDENT), probability, 0)  # (tracks, classes)
    other = confident.argmax(axis=1)
    margin = confident[rows, other] - own
    found = np.flatnonzero((_MIN_RATIO * own < confident[rows, other]) & (other != label))
    return [(int(i), int(other[i])) for i in found[np.argsort(-margin[found], kind="stable")]]


def _predict_out_of_fold(
    X: NDArray[np.float64], y: NDArray[np.intp], artist: NDArray[np.intp], seed: int
) -> NDArray[np.float64]:
    """Return probabilities, shape (tracks, classes), each by a classifier that was not fitted on the artist."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits  # scikit-learn brings it

    probability = np.zeros((len(y), y.max() + 1))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    # so small a problem is slower on many threads
    with threadpool_limits(1):
        for train, test in folds.split(X, y, artist):
            regression = LogisticRegression(C=_PENALTY, max_iter=1000, class_weight="balanced")
            model = make_pipeline(StandardScaler(), regression).fit(X[train], y[train])
            probability[np.ix_(test, model.classes_)] = model.predict_proba(X[test])
    return probability


def _artist_key(track: Track) -> str:
    """Return a key of the artist, or of the track itself where none is known."""
    return f"artist {track.artist.casefold()}" if track.artist else f"track {track.id}"
