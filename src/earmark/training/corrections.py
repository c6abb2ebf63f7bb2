"""What a library knows of tracks whose genre somebody has corrected or confirmed, as arrays to learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.data.corpus import Corpus, Track
from earmark.data.groups import group_by_album
from earmark.errors import SettingError
from earmark.inference.genre_names import match_genres
from earmark.library.answers import advise_hearing
from earmark.library.corrections import explain_unteachable, list_unteachable
from earmark.library.library import Library
from earmark.library.records import ModelKey, StoredVerdict
from earmark.library.tags.spelling import unify_spellings
from earmark.training.residual import ShrunkWhitening

_BLOCK = 5000
"""Tracks whose embeddings are held at once."""


@dataclass(frozen=True)
class Corrections:
    """Tracks of which the genre is known.

    Attributes
    ----------
    genres : tuple of str
        As the model spells them, or of a genre that is new to it, as most corrections do.
    features : ndarray of float32, shape (tracks, 634)
        What the encoder heard.
    answers : ndarray, shape (tracks, labels)
        The model's calibrated probabilities.
    groups : ndarray of int, shape (tracks,)
        Tracks that share an artist, an album or a folder.
    whitening : ShrunkWhitening
        Fitted to all tracks of the library, corrected or not.
    fingerprint : str
        SHA-256 over paths and genres.
    n_tags : int
        How many genres are those of tags.
    left_out : dict of str to str
        Files whose corrections are not among these tracks, and why, see
        :func:`earmark.library.corrections.list_unteachable`.
    """

    genres: tuple[str, ...]
    features: NDArray[np.float32]
    answers: NDArray[np.float64]
    groups: NDArray[np.intp]
    whitening: ShrunkWhitening
    fingerprint: str = ""
    n_tags: int = 0
    left_out: dict[str, str] = field(default_factory=dict)

    def list_new(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Return the genres that are none of these labels, the most frequent first."""
        return tuple(genre for genre, _ in Counter(self.genres).most_common() if genre not in labels)

    def encode(self, labels: tuple[str, ...]) -> NDArray[np.intp]:
        """Return where the genres stand among these labels, shape (tracks,)."""
        return np.array([labels.index(genre) for genre in self.genres])

    def subset(self, tracks: NDArray[np.intp]) -> Corrections:
        """Return the corrections of these tracks only."""
        genres = tuple(self.genres[i] for i in tracks)
        arrays = {name: getattr(self, name)[tracks] for name in ("features", "answers", "groups")}
        return replace(self, genres=genres, **arrays)


def read_corrections(library: Library, hearing: ModelKey, *, tags: bool = False) -> Corrections:
    """Read all corrections in a library, in constant memory but for the tracks that are corrected.

    Parameters
    ----------
    library : Library
    hearing : ModelKey
        Whose answers were corrected.
    tags : bool
        Whether tags that were not written by Earmark count too, where they name a genre that the model or a correction
        knows, or a style of one.

    Raises
    ------
    SettingError
        If nothing is corrected, or only to one genre, or no embeddings are kept.
    """
    corrected = library.corrections()
    if not corrected and not tags:
        raise SettingError(
            f"{library.path} has no corrections to learn from: 'earmark library {library.path} --review' lists what is "
            "most worth one, --correct PATH=GENRE takes it"
        )
    names = unify_spellings([[genre] for genre in corrected.values()], hearing.labels)
    genre_of = {path: name for path, (name,) in zip(corrected, names, strict=True)}
    known = tuple(dict.fromkeys((*hearing.labels, *genre_of.values())))
    whitening, kept, genres, n_tags = ShrunkWhitening(), [], [], 0
    for block in _read_heard(library, hearing):
        whitening.partial_fit(_stack_embeddings(block))
        for track in block:
            genre = genre_of.get(track.verdict.path or "")
            if not genre and tags and (genre := _find_tagged(track, known)):
                n_tags += 1
            if genre:
                kept.append(track)
                genres.append(genre)
    _require_something(library, hearing, hasattr(whitening, "mean_"), genres)
    corpus = Corpus("corrections", tuple(map(_make_track, kept, genres)))
    return Corrections(
        tuple(genres),
        _stack_embeddings(kept),
        np.array([[track.verdict.genres[label] for label in hearing.labels] for track in kept]),
        group_by_album(corpus),
        whitening,
        corpus.fingerprint,
        n_tags,
        dict(list_unteachable(library, hearing)),
    )


def _read_heard(library: Library, hearing: ModelKey) -> Iterator[list[StoredVerdict]]:
    """Yield blocks of the tracks that are music, and have an embedding."""
    tracks = library.query(hearing, embeddings=True)
    heard = (track for track in tracks if not explain_unteachable(track.verdict))
    while block := list(islice(heard, _BLOCK)):
        yield block


def _stack_embeddings(tracks: list[StoredVerdict]) -> NDArray[np.float32]:
    embeddings = (track.verdict.embedding for track in tracks)
    return np.stack([embedding for embedding in embeddings if embedding is not None]).astype(np.float32)


def _find_tagged(track: StoredVerdict, known: tuple[str, ...]) -> str | None:
    """Return the first known genre in a track's tags, unless Earmark wrote them."""
    if not track.tags or track.tags.is_own:
        return None
    return next(iter(match_genres(track.tags.genres, known, families=True).values()), None)


def _make_track(track: StoredVerdict, genre: str) -> Track:
    path, tags = track.verdict.path or "", track.tags
    artist, album = (tags.known_artist, tags.album) if tags else ("", "")
    return Track(path, genre, Path(path), artist=artist, album=album)


def _require_something(library: Library, hearing: ModelKey, heard: bool, genres: list[str]) -> None:
    """Raise an error where there is nothing to learn from."""
    if not heard:
        raise SettingError(
            f"{library.path} keeps no embeddings of {hearing.name}, as an older Earmark filled it: "
            f"{advise_hearing(library)}"
        )
    if not genres:
        raise SettingError(f"{library.path}: no track that is corrected is music that {hearing.name} has heard")
    if len(set(genres)) < 2:
        raise SettingError(
            f"all corrections in {library.path} are {genres[0]!r}: correct or confirm tracks of another genre too"
        )
