"""Assign each track one genre that enough tracks share, and say what becomes of the rest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from earmark.data.corpus import Corpus, sort_tracks
from earmark.errors import CorpusError, SettingError, format_count

Rare = Literal["drop", "merge"]

# The genre of tracks whose own is rare, where those are merged.
OTHER = "other"
# Tracks below which a genre is rare, where nothing is said.
MIN_TRACKS = 10
# Genres named in a note; of the rest it says how many.
_MAX_LISTED = 20
# The genres of each track, the first first.
Choices = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Assignment:
    """The genre of each track ("" where it is left out), and notes of what was left out or merged, with counts."""

    genres: tuple[str, ...]
    notes: tuple[str, ...] = ()


def assign_common_genres(choices: Choices, min_tracks: int = MIN_TRACKS, rare: Rare = "drop") -> Assignment:
    """Assign each track the first of its genres that is common enough.

    Parameters
    ----------
    choices : sequence of sequence of str
        The genres of each track; at least one.
    min_tracks : int, default 10
        A genre that fewer tracks would be assigned is rare. The rarest gives its tracks up first, and so may make
        another common.
    rare : {"drop", "merge"}
        Whether tracks of rare genres only are left out, or become "other", if they are enough for that.

    Raises
    ------
    CorpusError
        If no genre is common enough.
    SettingError
        If `min_tracks` is no count, or `rare` is neither.
    """
    if min_tracks < 1 or rare not in ("drop", "merge"):
        raise SettingError(f"min_tracks {min_tracks}, rare {rare!r}: need at least 1, and 'drop' or 'merge'")
    genres = _choose_genres(choices, min_tracks)
    lost = [own[0] for own, genre in zip(choices, genres, strict=True) if not genre]
    if len(lost) == len(choices):
        genre, n = Counter(name for own in choices for name in own).most_common(1)[0]
        raise CorpusError(
            f"no genre has {min_tracks} tracks; the most common, {genre!r}, has {n}: give more tracks, or lower "
            "the minimum (--min-tracks)"
        )
    what = f"of genres with fewer than {min_tracks} tracks"
    if rare == "merge" and lost:
        other = next((genre for genre in genres if genre.casefold() == OTHER), OTHER)
        if other in genres or len(lost) >= min_tracks:
            note = f"merged {format_count(len(lost), 'track')} {what} into {other!r}: {_format_counts(lost)}"
            return Assignment(tuple(genre or other for genre in genres), (note,))
        what += f", too few to make up {OTHER!r}"
    return Assignment(tuple(genres), _describe_left_out(lost, choices, what))


def filter_rare_genres(corpus: Corpus, min_tracks: int = MIN_TRACKS, rare: Rare = "drop") -> Corpus:
    """Drop or merge the rare genres of a corpus, with a note; see :func:`assign_common_genres`."""
    assignment = assign_common_genres([[track.genre] for track in corpus.tracks], min_tracks, rare)
    kept = [replace(track, genre=genre) for track, genre in zip(corpus.tracks, assignment.genres, strict=True) if genre]
    return Corpus(corpus.name, sort_tracks(kept), corpus.notes + assignment.notes)


def _choose_genres(choices: Choices, min_tracks: int) -> list[str]:
    """Return the genre of each track; "" where all its genres are rare."""
    mentions = Counter(name for own in choices for name in set(own))
    common = {name for name, n in mentions.items() if n >= min_tracks}

    def first(i: int) -> str:
        return next((name for name in choices[i] if name in common), "")

    members: dict[str, list[int]] = defaultdict(list)
    for i in range(len(choices)):
        members[first(i)].append(i)
    # A genre that is often named may seldom be first: the rarest goes, its tracks to their next genre, until all
    # that are left are common.
    while scarce := [(len(tracks), name) for name, tracks in members.items() if name and len(tracks) < min_tracks]:
        _, rarest = min(scarce)
        common.remove(rarest)
        for i in members.pop(rarest):
            members[first(i)].append(i)
    return [first(i) for i in range(len(choices))]


def _describe_left_out(lost: list[str], choices: Choices, what: str) -> tuple[str, ...]:
    return (
        (f"left out {len(lost)} of {format_count(len(choices), 'track')}, {what}: {_format_counts(lost)}",)
        if lost
        else ()
    )


def _format_counts(genres: list[str]) -> str:
    """Write genres with counts, the most common first."""
    counts = sorted(Counter(genres).items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{genre} {n}" for genre, n in counts[:_MAX_LISTED])
    return named + (f" and {len(counts) - _MAX_LISTED} more" if len(counts) > _MAX_LISTED else "")
