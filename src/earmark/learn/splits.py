"""Protocols: who learns, who chooses, who judges, and proof that nothing leaks between them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from earmark.errors import CorpusError, SettingError
from earmark.learn import gtzan
from earmark.learn.corpus import Corpus

Protocol = Literal["clip", "track", "artist", "fault-filtered"]
PROTOCOLS = ("clip", "track", "artist", "fault-filtered")
PARTS = ("train", "valid", "test")
SHARES = (0.7, 0.1, 0.2)
"""Of train, valid and test: the paper's 4200 / 600 / 1200."""

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Split:
    """Which clips learn, choose and judge.

    Attributes
    ----------
    protocol : str
    train, valid, test : ndarray of int
        Indices of clips; test may be empty.
    """

    protocol: str
    train: Indices
    valid: Indices
    test: Indices


def split_clips(corpus: Corpus, track: Indices, protocol: Protocol, seed: int = 0) -> Split:
    """Split a corpus' clips.

    ==============  =========================================================================================
    clip            clips shuffled, 70/10/20: the paper's. Clips of one track land on both sides, so it
                    measures memory as much as hearing.
    track           all clips of a track on one side
    artist          all tracks of an artist on one side, copies and recordings of one origin together
    fault-filtered  GTZAN's accepted split, 443/197/290 tracks, faulty excerpts left out
    ==============  =========================================================================================

    Parameters
    ----------
    corpus : Corpus
    track : ndarray of int, shape (clips,)
        For each clip, the index of its track in the corpus.
    protocol : {"clip", "track", "artist", "fault-filtered"}
    seed : int
        Of the shuffling; "fault-filtered" needs none.

    Returns
    -------
    Split

    Raises
    ------
    CorpusError
        If the corpus cannot be split so: too few tracks of a genre, artists unknown, not GTZAN.
    """
    if protocol == "clip":
        order = np.random.default_rng(seed).permutation(len(track))
        first, second = (round(sum(SHARES[:k]) * len(track)) for k in (1, 2))
        return Split(protocol, np.sort(order[:first]), np.sort(order[first:second]), np.sort(order[second:]))
    sides = split_tracks(corpus, protocol, seed)
    train, valid, test = (np.flatnonzero(np.isin(track, np.flatnonzero(sides == part))) for part in PARTS)
    return Split(protocol, train, valid, test)


def split_tracks(corpus: Corpus, protocol: Protocol, seed: int = 0) -> NDArray[np.str_]:
    """Assign each track of a corpus to "train", "valid" or "test", or to "" (left out).

    Parameters and errors are those of :func:`split_clips`, without "clip".
    """
    if protocol == "fault-filtered":
        return _fault_filtered(corpus)
    if protocol == "track":
        groups = np.arange(len(corpus.tracks))
    elif protocol == "artist":
        groups = origin_groups(corpus)
    else:
        raise SettingError(f"protocol is {protocol!r}: must be one of {', '.join(PROTOCOLS)}")
    genres = np.array([track.genre for track in corpus.tracks])
    for genre in corpus.genres:
        n = len(np.unique(groups[genres == genre]))
        if n < len(PARTS):
            what = "track" if protocol == "track" else "artist"
            raise CorpusError(
                f"genre {genre!r} has {n} {what}{'s' * (n != 1)}: each needs at least 3, one to learn from, one to "
                f"choose by, one to judge by; add {what}s or remove the genre"
            )
    sides = _fill(groups, genres, np.random.default_rng(seed))
    prove_no_leak(corpus, sides, groups)
    return sides


def origin_groups(corpus: Corpus) -> Indices:
    """Group tracks that must stay together: same artist, byte-identical, or cut from the same recording.

    Tracks without a known artist are held to be all of one artist per genre: too careful rather than leaky.

    Returns
    -------
    ndarray of int, shape (tracks,)
        A group number for each track.
    """
    if not any(track.artist for track in corpus.tracks):
        raise CorpusError("no artists are known: give a manifest with an 'artist' column, or use protocol 'track'")
    index = {track.id: i for i, track in enumerate(corpus.tracks)}
    parent = list(range(len(corpus.tracks)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, track in enumerate(corpus.tracks):
        fact = gtzan.facts().get(track.id)
        names = {track.artist} | ({fact.artist, fact.artist_by_fingerprint} if fact else set())
        keys = [("artist", name.casefold()) for name in names if name] or [("unknown", track.genre)]
        for key in keys:
            parent[root(i)] = root(first.setdefault(key, i))
        for other in (*fact.identical_to, *fact.same_recording_as) if fact else ():
            if other in index:
                parent[root(i)] = root(index[other])
    return np.array([root(i) for i in range(len(parent))])


def prove_no_leak(corpus: Corpus, sides: NDArray[np.str_], groups: Indices) -> None:
    """Raise :class:`CorpusError` where a group of tracks stands on two sides.

    Parameters
    ----------
    corpus : Corpus
    sides : ndarray of str, shape (tracks,)
        As :func:`split_tracks` gives them.
    groups : ndarray of int, shape (tracks,)
        What must stay together, such as :func:`origin_groups`.
    """
    seen: dict[int, int] = {}
    for i, (side, group) in enumerate(zip(sides, groups, strict=True)):
        if not side:
            continue
        other = seen.setdefault(int(group), i)
        if sides[other] != side:
            raise CorpusError(
                f"leak: {corpus.tracks[other].id} ({sides[other]}) and {corpus.tracks[i].id} ({side}) belong together"
            )


def _fault_filtered(corpus: Corpus) -> NDArray[np.str_]:
    facts = gtzan.facts()
    known = [facts.get(track.id) for track in corpus.tracks]
    sides = np.array([fact.fault_filtered if fact else "" for fact in known])
    if not (sides == "train").any() or not (sides == "valid").any():
        raise CorpusError(
            "protocol 'fault-filtered' is GTZAN's: tracks must be named like blues.00000, and its train and valid "
            "parts must both be there; use 'track' or 'artist' for other corpora"
        )
    return sides


def _fill(groups: Indices, genres: NDArray[np.str_], rng: np.random.Generator) -> NDArray[np.str_]:
    """Deal groups to parts: a small one of each genre to valid and test, then the large ones where most lacks."""
    members: dict[int, list[int]] = defaultdict(list)
    for i in rng.permutation(len(groups)):
        members[int(groups[i])].append(int(i))
    names, code = np.unique(genres, return_inverse=True)
    wanted = np.outer(SHARES, np.bincount(code))  # (parts, genres)
    given = np.zeros_like(wanted)
    sides = np.empty(len(groups), dtype="<U5")
    smallest_first = sorted(members.values(), key=len)

    def deal(group: list[int], part: int) -> None:
        given[part] += np.bincount(code[group], minlength=len(names))
        sides[group] = PARTS[part]

    for genre in range(len(names)):
        for part in (1, 2):
            free = [g for g in smallest_first if not sides[g[0]] and (code[g] == genre).any()]
            if free and not given[part, genre]:
                deal(free[0], part)
    for group in reversed(smallest_first):
        if not sides[group[0]]:
            deal(group, int(np.argmax((wanted - given) @ np.bincount(code[group], minlength=len(names)))))
    return sides
