"""Assignment each track under one genre that enough tracks share, and saying what becomes of the rest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from earmark.data.corpus import Corpus
from earmark.errors import CorpusError, SettingError

Rare = Literal["drop", "merge"]

OTHER = "other"
"""The genre of tracks whose own is rare, where those are merged."""

MIN_TRACKS = 10
"""Tracks below which a genre is rare, where nothing is said."""

# Genres named in a note; of the rest it says how many.
_MAX_LISTED = 20

Choices = Sequence[Sequence[str]]
"""The genres of each track, the first first."""


@dataclass(frozen=True)
class Assignment:
    """Where tracks went.

    Attributes
    ----------
    genres : tuple of str
        One a track; empty where it is left out.
    notes : tuple of str
        What was left out or merged, in words, with counts.
    """

    genres: tuple[str, ...]
    notes: tuple[str, ...] = ()


def assign_common_genres(choices: Choices, min_tracks: int = MIN_TRACKS, rare: Rare = "drop") -> Assignment:
    """File each track under the first of its genres that is common enough.

    Parameters
    ----------
    choices : sequence of sequence of str
        The genres of each track; at least one.
    min_tracks : int, default 10
        A genre under which fewer tracks would be filed is rare. The rarest gives its tracks up first, and so
        may make another common.
    rare : {"drop", "merge"}
        Whether tracks of rare genres only are left out, or filed under "other", if they are enough for that.

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
            note = f"merged {_format_tracks(len(lost))} {what} into {other!r}: {_format_counts(lost)}"
            return Assignment(tuple(genre or other for genre in genres), (note,))
        what += f", too few to make up {OTHER!r}"
    return Assignment(tuple(genres), _describe_left_out(lost, choices, what))


def assign_known_genres(choices: Choices, known: Collection[str]) -> Assignment:
    """File each track under the first of its genres that a model knows.

    Parameters
    ----------
    choices : sequence of sequence of str
        The genres of each track, spelled as the model does; at least one.
    known : collection of str
        The model's labels. Where "other" is one of them, tracks of unknown genres are that; else they are
        left out.

    Raises
    ------
    CorpusError
        If the model knows none of the genres.
    """
    rest = OTHER if OTHER in known else ""
    genres = tuple(next((name for name in own if name in known), rest) for own in choices)
    if not any(genres):
        counts = _format_counts([own[0] for own in choices])
        raise CorpusError(
            f"the model knows none of the genres of {_format_tracks(len(choices))}: {counts}; "
            f"it knows: {', '.join(known)}"
        )
    lost = [own[0] for own, genre in zip(choices, genres, strict=True) if not genre]
    return Assignment(genres, _describe_left_out(lost, choices, "of genres that the model does not know"))


def filter_rare_genres(corpus: Corpus, min_tracks: int = MIN_TRACKS, rare: Rare = "drop") -> Corpus:
    """Drop or merge the rare genres of a corpus whose tracks have one genre each.

    Parameters and errors are those of :func:`assign_common_genres`.

    Returns
    -------
    Corpus
        With notes of what was dropped or merged.
    """
    assignment = assign_common_genres([[track.genre] for track in corpus.tracks], min_tracks, rare)
    kept = [replace(track, genre=genre) for track, genre in zip(corpus.tracks, assignment.genres, strict=True) if genre]
    return Corpus(corpus.name, tuple(sorted(kept, key=lambda t: (t.genre, t.id))), corpus.notes + assignment.notes)


def _choose_genres(choices: Choices, min_tracks: int) -> list[str]:
    """The genre of each track; empty where all its genres are rare."""
    mentions = Counter(name for own in choices for name in set(own))
    common = {name for name, n in mentions.items() if n >= min_tracks}

    def first(i: int) -> str:
        return next((name for name in choices[i] if name in common), "")

    filed: dict[str, list[int]] = defaultdict(list)
    for i in range(len(choices)):
        filed[first(i)].append(i)
    while scarce := [(len(tracks), name) for name, tracks in filed.items() if name and len(tracks) < min_tracks]:
        _, rarest = min(scarce)
        common.remove(rarest)
        for i in filed.pop(rarest):
            filed[first(i)].append(i)
    genres = [""] * len(choices)
    for name, tracks in filed.items():
        for i in tracks:
            genres[i] = name
    return genres


def _describe_left_out(lost: list[str], choices: Choices, what: str) -> tuple[str, ...]:
    return (f"left out {len(lost)} of {_format_tracks(len(choices))}, {what}: {_format_counts(lost)}",) if lost else ()


def _format_counts(genres: list[str]) -> str:
    """Genres with counts, the most common first."""
    counts = sorted(Counter(genres).items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{genre} {n}" for genre, n in counts[:_MAX_LISTED])
    return named + (f" and {len(counts) - _MAX_LISTED} more" if len(counts) > _MAX_LISTED else "")


def _format_tracks(n: int) -> str:
    return f"{n} track{'s' * (n != 1)}"
