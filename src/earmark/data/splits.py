"""Protocols: train, validation and test parts of a corpus, and a check that nothing leaks between them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from earmark.data import gtzan
from earmark.data.corpus import Corpus
from earmark.data.groups import Indices, group_by_known_artist, group_by_protocol
from earmark.errors import CorpusError, SettingError, format_count

Protocol = Literal["clip", "track", "artist", "album", "fault-filtered"]
PROTOCOLS = ("clip", "track", "artist", "album", "fault-filtered")
PARTS = ("train", "valid", "test")
# Of train, valid and test: the paper's 4200 / 600 / 1200.
SHARES = (0.7, 0.1, 0.2)


@dataclass(frozen=True)
class Fold:
    """One turn of a k-fold cross-validation over `count` folds, three or more.

    In turn `index`, from 0, that fold is the test part, the next one validates, and the others train. So over all
    turns each track is tested once.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if self.count < 3:
            raise SettingError(f"{self.count} folds: need 3 or more, to learn from, to choose by, and to judge by")
        if not 0 <= self.index < self.count:
            raise SettingError(f"fold {self.index} of {self.count}: must be 0 to {self.count - 1}")

    def part(self, fold: NDArray[np.intp]) -> NDArray[np.str_]:
        """Return the parts that fold numbers stand for in this turn."""
        turn = (fold - self.index) % self.count
        return np.where(turn == 0, "test", np.where(turn == 1, "valid", "train"))


@dataclass(frozen=True)
class Split:
    """Indices of the clips that train, validate and test; the test part may be empty."""

    protocol: str
    train: Indices
    valid: Indices
    test: Indices


@dataclass(frozen=True)
class Leak:
    """How much of the test part was met in training.

    Attributes
    ----------
    tracks : float
        Share of the test clips with a sibling, a clip of the same track, in the train part.
    artists : float or None
        Share whose artist, or a copy or another cut of whose recording, is in the train part; None where no artists
        are known.
    """

    tracks: float
    artists: float | None


def split_clips(corpus: Corpus, track: Indices, protocol: Protocol, seed: int = 0, fold: Fold | None = None) -> Split:
    """Split a corpus' clips, and check that nothing leaks (but for "clip", whose leak can be measured).

    ==============  =========================================================================================
    clip            clips shuffled, 70/10/20: the paper's. Clips of one track land on both sides, so it
                    measures memory as much as generalization.
    track           all clips of a track on one side
    artist          all tracks of an artist on one side, copies and recordings of one origin together
    album           all tracks that share an artist or an album, by their tags or folders, on one side
    fault-filtered  GTZAN's accepted split, 443/197/290 tracks, faulty excerpts left out; its folds hold the
                    same tracks, divided by artist
    ==============  =========================================================================================

    Parameters
    ----------
    corpus : Corpus
    track : ndarray of int, shape (clips,)
        For each clip, the index of its track in the corpus.
    protocol : {"clip", "track", "artist", "album", "fault-filtered"}
    seed : int
        Of the shuffling; "fault-filtered" without folds needs none.
    fold : Fold, optional
        One turn of a cross-validation, instead of 70/10/20.

    Raises
    ------
    CorpusError
        If the corpus cannot be split so: too few tracks of a genre, artists unknown, not GTZAN.
    """
    if protocol == "clip":
        sides = _shuffle_clips(len(track), seed, fold)
        return Split(protocol, *(np.flatnonzero(sides == part) for part in PARTS))
    sides = split_tracks(corpus, protocol, seed, fold)
    split = Split(protocol, *(np.flatnonzero(np.isin(track, np.flatnonzero(sides == part))) for part in PARTS))
    check_split(corpus, track, split)
    return split


def split_tracks(corpus: Corpus, protocol: Protocol, seed: int = 0, fold: Fold | None = None) -> NDArray[np.str_]:
    """Assign each track of a corpus to "train", "valid" or "test", or to "" (left out).

    Parameters and errors are those of :func:`split_clips`, without "clip".
    """
    if protocol == "fault-filtered":
        accepted = _fault_filtered(corpus)
        if fold is None:
            check_no_leak(corpus, accepted, group_by_protocol(corpus, protocol))
            return accepted
        # folds: the same tracks, but divided by artist
        kept = np.flatnonzero(accepted != "")
        accepted[kept] = split_tracks(corpus.subset(kept), "artist", seed, fold)
        return accepted
    groups = group_by_protocol(corpus, protocol)
    genres = np.array([track.genre for track in corpus.tracks])
    _require_groups(groups, genres, protocol, fold)
    rng = np.random.default_rng(seed)
    if fold:
        sides = fold.part(_deal_groups(groups, genres, np.full(fold.count, 1 / fold.count), rng))
    else:
        sides = np.array(PARTS)[_deal_groups(groups, genres, np.array(SHARES), rng)]
    check_no_leak(corpus, sides, groups)
    return sides


def check_split(corpus: Corpus, track: Indices, split: Split) -> None:
    """Raise :class:`CorpusError` where a split breaks its protocol's promise; "clip" promises nothing.

    `track` is the index of each clip's track, shape (clips,).
    """
    sides = np.full(len(corpus.tracks), "", dtype="<U5")
    for part in PARTS:
        here = np.unique(track[getattr(split, part)])
        for i in here[sides[here] != ""]:
            raise CorpusError(f"leak: clips of {corpus.tracks[i].id} are both in {sides[i]} and in {part}")
        sides[here] = part
    check_no_leak(corpus, sides, group_by_protocol(corpus, split.protocol))


def check_no_leak(corpus: Corpus, sides: NDArray[np.str_], groups: Indices) -> None:
    """Raise :class:`CorpusError` where a group of tracks stands on two sides.

    `sides` are those of :func:`split_tracks`, `groups` those of :mod:`earmark.data.groups`, each of shape (tracks,).
    """
    # the first track of each group that is on any side
    seen: dict[int, int] = {}
    for i, (side, group) in enumerate(zip(sides, groups, strict=True)):
        if not side:
            continue
        other = seen.setdefault(int(group), i)
        if sides[other] != side:
            raise CorpusError(
                f"leak: {corpus.tracks[other].id} ({sides[other]}) and {corpus.tracks[i].id} ({side}) belong together"
            )


def measure_leak(corpus: Corpus, track: Indices, split: Split) -> Leak:
    """Measure how much of the test part, or else the valid part, was met in training; nothing where both are empty.

    Parameters are those of :func:`check_split`; the protocol makes no difference.
    """
    trained, tested = track[split.train], track[split.test if len(split.test) else split.valid]
    if not len(tested):
        return Leak(0.0, None)
    artists = None
    if any(t.artist for t in corpus.tracks):
        groups = group_by_known_artist(corpus)
        artists = float(np.isin(groups[tested], groups[trained]).mean())
    return Leak(float(np.isin(tested, trained).mean()), artists)


def _fault_filtered(corpus: Corpus) -> NDArray[np.str_]:
    facts = gtzan.load_index()
    known = [facts.get(track.id) for track in corpus.tracks]
    sides = np.array([fact.fault_filtered if fact else "" for fact in known], dtype="<U5")
    if not (sides == "train").any() or not (sides == "valid").any():
        raise CorpusError(
            "protocol 'fault-filtered' is GTZAN's: tracks must be named like blues.00000, and its train and valid "
            "parts must both be there; use 'track' or 'artist' for other corpora"
        )
    return sides


def _require_groups(groups: Indices, genres: NDArray[np.str_], protocol: str, fold: Fold | None) -> None:
    """Raise CorpusError for a genre of too few groups: two artists suffice, but three tracks are easier to find."""
    needed = fold.count if fold else 2 if protocol == "artist" else len(PARTS)
    why = {2: "one to learn from, one to judge by", 3: "one to learn from, one to choose by, one to judge by"}
    what = "artist" if protocol == "artist" else "track"
    for genre in np.unique(genres):
        n = len(np.unique(groups[genres == genre]))
        if n < needed:
            raise CorpusError(
                f"genre {str(genre)!r} has {format_count(n, what)}: each needs at least {needed}, "
                f"{why.get(needed, 'one a fold')}; add {what}s or remove the genre"
            )


def _shuffle_clips(n: int, seed: int, fold: Fold | None) -> NDArray[np.str_]:
    order = np.random.default_rng(seed).permutation(n)
    if fold:
        # folds of equal size, or one clip more: 0 0 0 1 1 1 2 2 …, laid over the shuffled clips
        folds = np.empty(n, np.intp)
        folds[order] = np.arange(n) * fold.count // n
        return fold.part(folds)
    sides = np.empty(n, dtype="<U5")
    ends = [round(sum(SHARES[:k]) * n) for k in (1, 2)]
    for part, some in zip(PARTS, np.split(order, ends), strict=True):
        sides[some] = part
    return sides


def _deal_groups(
    groups: Indices, genres: NDArray[np.str_], shares: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return the number of each track's part, shape (tracks,), so that a group is never divided.

    First every part but the first gets a small group of each genre; where a genre has too few groups, test comes
    before valid. Then the other groups, the largest first, go where most is lacking.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for i in rng.permutation(len(groups)):
        members[int(groups[i])].append(int(i))
    names, code = np.unique(genres, return_inverse=True)
    wanted = np.outer(shares, np.bincount(code))  # tracks, (parts, genres)
    given = np.zeros_like(wanted)
    part_of = np.full(len(groups), -1)
    smallest_first = sorted(members.values(), key=len)

    def deal(group: list[int], part: int) -> None:
        given[part] += np.bincount(code[group], minlength=len(names))
        part_of[group] = part

    for genre in range(len(names)):
        for part in range(len(shares) - 1, 0, -1):
            free = [g for g in smallest_first if part_of[g[0]] < 0 and (code[g] == genre).any()]
            # a genre's last group is for the train part
            if not given[part, genre] and (len(free) > 1 or (free and given[0, genre])):
                deal(free[0], part)
    for group in reversed(smallest_first):
        if part_of[group[0]] < 0:
            # the part that lacks most of just the genres which the group has
            deal(group, int(np.argmax((wanted - given) @ np.bincount(code[group], minlength=len(names)))))
    return part_of
