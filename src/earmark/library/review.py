"""Which tracks of a library are most worth a look: what a person corrects first, so that a model learns most from it.

Active learning by doubt and representativeness. Uncertainty sampling (Lewis and Gale 1994) finds the tracks whose
answer, tag or album is least probable. Among these, greedy facility location (Wei, Iyer and Bilmes 2015), weighted by
doubt as information density is (Settles and Craven 2008), takes tracks that many others in doubt sound like, and none
twice that sound alike: not ten tracks of one album.

References
----------
Lewis, Gale, "A sequential algorithm for training text classifiers", SIGIR 1994.
Settles, Craven, "An analysis of active learning strategies for sequence labeling tasks", EMNLP 2008.
Wei, Iyer, Bilmes, "Submodularity in data subset selection and active learning", ICML 2015.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import nlargest
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark.inference.genre_names import match_genres
from earmark.library.albums import Album, group_by_album
from earmark.library.tags.file_tags import FileTags

if TYPE_CHECKING:
    from earmark.library.records import StoredVerdict

MAX_SUGGESTIONS = 2000
"""So many tracks in doubt are compared with each other, and no more are suggested: memory grows with their square."""

_MIN_OTHERS = 2
"""Other tracks of an album that it takes to say what its genre is."""

_MIN_SHARE = 0.5
"""The genre of an album has more than this share of the probability: a folder may hold anything."""


class Suggestion(NamedTuple):
    """A track that is worth a look.

    Attributes
    ----------
    track : StoredVerdict
    reason : str
        Why, such as "not sure: jazz 41%, blues 38%" or "tagged Pop, but sounds like metal".
    doubt : float
        1 minus the probability of the answer, of the genre in the tag, or of the album's, whichever is least probable.
    """

    track: StoredVerdict
    reason: str
    doubt: float


def rank_for_review(tracks: Iterable[StoredVerdict], top: int = 20) -> list[Suggestion]:
    """Return the tracks most worth a look, the first first.

    Tracks that are corrected already, that are gone, or that have no genre at all, such as silence, are left out.

    Parameters
    ----------
    tracks : iterable of StoredVerdict
        In the order of their paths, as :meth:`earmark.library.library.Library.query` gives them, with embeddings;
        tracks without are ranked by doubt alone. Memory does not grow with their number.
    top : int, default 20
        How many, at most :data:`MAX_SUGGESTIONS`.
    """
    albums = group_by_album(tracks, key=_get_tags)
    examined = (suggestion for album in albums for suggestion in _examine(album))
    doubtful = nlargest(MAX_SUGGESTIONS, examined, key=lambda suggestion: suggestion.doubt)
    doubtful = [suggestion for suggestion in doubtful if suggestion.track.file != "gone"]
    if not doubtful:
        return []
    similarity = measure_similarity([suggestion.track.verdict.embedding for suggestion in doubtful])
    doubt = np.array([suggestion.doubt for suggestion in doubtful], np.float32)
    return [doubtful[i] for i in select_representatives(similarity, doubt, top)]


def measure_similarity(embeddings: Sequence[NDArray[np.floating] | None]) -> NDArray[np.float32]:
    """Return the cosines of standardised embeddings, from 0 up, shape (n, n); one that is None is like itself only."""
    known = [i for i, embedding in enumerate(embeddings) if embedding is not None]
    similarity = np.eye(len(embeddings), dtype=np.float32)
    if known:
        X = np.stack([embeddings[i] for i in known]).astype(np.float32)  # type: ignore[misc]
        X -= X.mean(axis=0)
        X /= np.maximum(X.std(axis=0), np.finfo(np.float32).tiny)
        X /= np.maximum(np.linalg.norm(X, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        similarity[np.ix_(known, known)] = np.maximum(X @ X.T, 0)
    return similarity


def select_representatives(similarity: NDArray[np.float32], doubt: NDArray[np.float32], top: int) -> list[int]:
    """Select rows greedily, each time the one of most doubt that most doubtful rows are like, and no selected one yet.

    Parameters
    ----------
    similarity : ndarray, shape (n, n)
        From 0 to 1.
    doubt : ndarray, shape (n,)
    top : int
        How many; all where there are fewer.
    """
    # of each row, its similarity to the nearest one selected, (n,)
    covered = np.zeros(len(doubt), np.float32)
    selected: list[int] = []
    for _ in range(min(top, len(doubt))):
        # doubt_i · sum_j doubt_j · max(0, similarity_ij - covered_j): (n, n) @ (n,) → (n,)
        gain = doubt * (np.maximum(similarity - covered, 0) @ doubt)
        gain[selected] = -1
        selected.append(int(gain.argmax()))
        covered = np.maximum(covered, similarity[selected[-1]])
    return selected


def _get_tags(track: StoredVerdict) -> FileTags:
    return track.tags or FileTags(track.verdict.path or "")


def _examine(album: Album[StoredVerdict]) -> Iterator[Suggestion]:
    """Yield the tracks of an album that may be suggested."""
    music = [track for track in album.tracks if track.verdict.genres]
    total: Counter[str] = Counter()
    for track in music:
        total.update(track.verdict.genres)
    n_others = len(music) - 1 if album.kind == "album" else 0
    for track in music:
        if track.correction is None:
            yield _doubt(track, _find_album_genre(total, track.verdict.genres, n_others))


def _find_album_genre(total: Mapping[str, float], own: Mapping[str, float], n_others: int) -> str | None:
    """Return the genre that the other tracks of an album are of, if any: a track must not vote for itself."""
    if n_others < _MIN_OTHERS:
        return None
    genre = max(total, key=lambda name: total[name] - own.get(name, 0))
    return genre if total[genre] - own.get(genre, 0) > _MIN_SHARE * n_others else None


def _doubt(track: StoredVerdict, album_genre: str | None) -> Suggestion:
    """Find which of answer, tag and album is the least probable."""
    verdict, tags = track.verdict, _get_tags(track)
    guesses = ", ".join(f"{genre} {p:.0%}" for genre, p in list(verdict.genres.items())[:2])
    claims = [(verdict.confidence, f"not sure: {guesses}")]
    # what Earmark wrote is its own answer
    if not tags.is_own and (tagged := set(match_genres(tags.genres, list(verdict.genres), families=True).values())):
        p = sum(verdict.genres[genre] for genre in tagged)
        claims.append((p, f"tagged {'; '.join(tags.genres)}, but sounds like {verdict.best}"))
    if album_genre:
        p = verdict.genres.get(album_genre, 0)
        claims.append((p, f"its album is {album_genre}, it sounds like {verdict.best}"))
    # of equal ones the first
    p, reason = min(claims, key=lambda claim: claim[0])
    return Suggestion(track, reason, 1 - p)
