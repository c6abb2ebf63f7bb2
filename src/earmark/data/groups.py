"""Which tracks belong together: of one artist, copies of one another, or cut from one recording."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from earmark.data import gtzan
from earmark.data.corpus import Corpus, Track
from earmark.errors import CorpusError, SettingError

# A group number for each track, shape (tracks,), or indices of tracks or clips.
Indices = NDArray[np.intp]

# Groups of a genre that cross-validation needs: to learn from, to choose by, to judge by.
MIN_GROUPS = 3


def group_by_protocol(corpus: Corpus, protocol: str) -> Indices:
    """Return a group number for each track; the protocol keeps a group on one side.

    "track": each track by itself. "artist": :func:`group_by_origin`. "album": :func:`group_by_album`.
    "fault-filtered": copies and cuts of one recording; the accepted split does separate some tracks of an artist, see
    :func:`earmark.data.splits.measure_leak`.
    """
    if protocol == "track":
        return np.arange(len(corpus.tracks))
    if protocol == "artist":
        return group_by_origin(corpus)
    if protocol == "album":
        return group_by_album(corpus)
    if protocol == "fault-filtered":
        return _group(corpus, lambda track: [])
    raise SettingError(f"protocol is {protocol!r}: must be one of track, artist, album, fault-filtered")


def group_by_origin(corpus: Corpus) -> Indices:
    """Group tracks of the same artist, byte-identical ones, and those cut from the same recording.

    Tracks without a known artist are held to be all of one artist per genre: too careful rather than leaky.
    """
    if not any(track.artist for track in corpus.tracks):
        raise CorpusError("no artists are known: give a manifest with an 'artist' column, or use protocol 'track'")
    return _group(corpus, _artists)


def group_by_known_artist(corpus: Corpus) -> Indices:
    """Group tracks as :func:`group_by_origin` does, but those of unknown artists are each by themselves."""
    return _group(corpus, lambda track: _artists(track) if track.artist else [])


def group_by_album(corpus: Corpus) -> Indices:
    """Group tracks that share an artist or an album; those that name neither, by their folder below their genre's.

    Each track stands by itself in a genre that would have fewer than :data:`MIN_GROUPS` groups.
    """
    narrow = find_narrow_genres(corpus)
    keys = _album_keys(corpus)
    return _group(corpus, lambda track: [] if track.genre in narrow else keys(track))


def count_groups(corpus: Corpus, protocol: str) -> int:
    """Return how many groups the genre with the fewest has; see :func:`group_by_protocol`."""
    return min(_count_by_genre(corpus, group_by_protocol(corpus, protocol)).values())


def find_narrow_genres(corpus: Corpus) -> list[str]:
    """Return the genres whose tracks, by :func:`group_by_album`, make fewer than :data:`MIN_GROUPS` groups."""
    counts = _count_by_genre(corpus, _group(corpus, _album_keys(corpus)))
    return [genre for genre, n in counts.items() if n < MIN_GROUPS]


def _count_by_genre(corpus: Corpus, groups: Indices) -> dict[str, int]:
    genres = np.array([track.genre for track in corpus.tracks])
    return {genre: len(np.unique(groups[genres == genre])) for genre in corpus.genres}


def _album_keys(corpus: Corpus) -> Callable[[Track], list[tuple[str, str]]]:
    """Return a function that gives the names by which a track belongs to others."""
    folders: dict[str, set[str]] = defaultdict(set)
    for track in corpus.tracks:
        if track.path:
            folders[track.genre].add(str(track.path.parent.absolute()))
    # what lies there lies in no folder of an album
    roots = {os.path.commonpath(paths) for paths in folders.values()}

    def keys(track: Track) -> list[tuple[str, str]]:
        named = _artists(track) if track.artist else []
        named += [("album", track.album.casefold())] if track.album else []
        folder = str(track.path.parent.absolute()) if track.path else ""
        return named or ([("folder", folder)] if folder and folder not in roots else [])

    return keys


def _artists(track: Track) -> list[tuple[str, str]]:
    """Return names by which a track's artist is known; where none is, everyone unknown in its genre."""
    excerpt = gtzan.load_index().get(track.id)
    names = {track.artist} | ({excerpt.artist, excerpt.artist_by_fingerprint} if excerpt else set())
    return [("artist", name.casefold()) for name in names if name] or [("unknown", track.genre)]


def _group(corpus: Corpus, keys: Callable[[Track], list[tuple[str, str]]]) -> Indices:
    """Join tracks that share a key, and those that GTZAN's index knows for copies or cuts of one recording."""
    index = {track.id: i for i, track in enumerate(corpus.tracks)}
    # union-find: each track points to another of its group, the root to itself
    parent = list(range(len(corpus.tracks)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, track in enumerate(corpus.tracks):
        for key in keys(track):
            parent[root(i)] = root(first.setdefault(key, i))
        excerpt = gtzan.load_index().get(track.id)
        for other in (*excerpt.identical_to, *excerpt.same_recording_as) if excerpt else ():
            if other in index:
                parent[root(i)] = root(index[other])
    return np.array([root(i) for i in range(len(parent))])
