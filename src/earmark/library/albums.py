"""Albums: which tracks belong together, one answer for all of them, and which tracks do not fit it.

Compilations and box sets hold music of many kinds: they are left to their tracks.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from earmark.errors import format_count
from earmark.inference.verdict import Verdict, explain_doubt
from earmark.library.tags.selection import MIN_SHARE

if TYPE_CHECKING:
    from earmark.inference.card import Card
    from earmark.library.tags.file_tags import FileTags

T = TypeVar("T")

Kind = Literal["album", "compilation", "box set", "track"]
"""What tracks that belong together are; "track" is one that is alone. Only an "album" gets one answer."""

COMPILATION_ARTISTS = 4
"""So many artists, and no album artist, make a compilation."""

BOX_SET_DISCS, BOX_SET_TRACKS = 4, 60
"""A box set has so many discs, or more tracks than this."""

# a folder for one disc of an album: CD 1, Disc 2, Disk-02, cd1, CD 3 - Live
_DISC = re.compile(r"(cd|dis[ck])[\s._-]*\d{1,2}(\D.*)?", re.IGNORECASE)
_GUEST = re.compile(r"[\s(\[]+(feat|ft|featuring)\b.*", re.IGNORECASE)


@dataclass(frozen=True)
class Album(Generic[T]):
    """Tracks that belong together.

    Attributes
    ----------
    folder : Path
        Where they are; of several discs in folders of their own, the folder of these.
    title : str
        As tagged; the folder's name where no track of it names an album; empty of a track that is of none.
    artist : str
        The album's artist, or else that of all tracks; empty where these differ.
    kind : Kind
    tracks : tuple
        As :func:`group_by_album` got them.
    """

    folder: Path
    title: str
    artist: str
    kind: Kind
    tracks: tuple[T, ...]


def find_album_folder(path: Path) -> Path:
    """Return the folder of a track's album, which is that of the discs where a disc has a folder of its own.

    Examples
    --------
    >>> find_album_folder(Path("Miles/Bitches Brew/CD 2/01.flac")) == Path("Miles/Bitches Brew")
    True
    """
    folder = path.parent
    return folder.parent if _DISC.fullmatch(folder.name) else folder


def group_by_album(items: Iterable[T], key: Callable[[T], FileTags]) -> Iterator[Album[T]]:
    """Group tracks by album and album artist, within a folder.

    A folder whose files name no album at all is an album; where others name one, each file without is alone.

    Parameters
    ----------
    items : iterable
        Tracks in an order of folders, such as a :class:`earmark.library.search.Search` or a library gives them; only
        those of a folder, and of the folders that it is in, are held.
    key : callable
        Returns the tags of an item.
    """
    # each folder that may get more tracks is inside the one before it
    unfinished: dict[Path, list[tuple[T, FileTags]]] = {}
    for item in items:
        tags = key(item)
        folder = find_album_folder(Path(tags.path))
        if folder not in unfinished:
            while unfinished and not folder.is_relative_to(last := next(reversed(unfinished))):
                yield from _split_folder(last, unfinished.pop(last))
            unfinished[folder] = []
        unfinished[folder].append((item, tags))
    for folder, tracks in reversed(unfinished.items()):
        yield from _split_folder(folder, tracks)


def _split_folder(folder: Path, tracks: Sequence[tuple[T, FileTags]]) -> Iterator[Album[T]]:
    untagged = not any(tags.album for _, tags in tracks)
    groups: dict[object, list[tuple[T, FileTags]]] = {}
    for number, (item, tags) in enumerate(tracks):
        alone = not tags.album and not untagged
        name = number if alone else (_normalize(tags.album), _normalize(tags.albumartist))
        groups.setdefault(name, []).append((item, tags))
    for group in groups.values():
        own = [tags for _, tags in group]
        title = folder.resolve().name if untagged else own[0].album
        yield Album(folder, title, _name_artist(own), tell_kind(own), tuple(item for item, _ in group))


def tell_kind(tracks: Sequence[FileTags]) -> Kind:
    """Return what tracks that belong together are."""
    if len(tracks) == 1:
        return "track"
    # several tracks of one album share its artist
    several = len({_normalize(_GUEST.sub("", tags.artist)) for tags in tracks} - {""}) >= COMPILATION_ARTISTS
    if tracks[0].various or any(tags.compilation for tags in tracks) or (several and not tracks[0].albumartist):
        return "compilation"
    discs = max(len({Path(tags.path).parent for tags in tracks}), *(max(tags.disc, tags.discs) for tags in tracks))
    return "box set" if discs >= BOX_SET_DISCS or len(tracks) > BOX_SET_TRACKS else "album"


def _name_artist(tracks: Sequence[FileTags]) -> str:
    names = {tags.albumartist or _GUEST.sub("", tags.artist) for tags in tracks}
    return names.pop() if len(names) == 1 else ""


def _normalize(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def pool_album(tracks: Sequence[Verdict], card: Card, folder: str | None = None) -> Verdict:
    """Return one answer for all tracks of an album: the mean of their probabilities.

    The genre is named from the model's threshold of "unknown" on: less than what a track needs to be tagged, as tracks
    of an album differ.

    Parameters
    ----------
    tracks : sequence of Verdict
        At least one.
    card : Card
        Of the model that gave them.
    folder : str, optional
        The answer's path.

    Returns
    -------
    Verdict
        Without clips; its duration is that of all tracks. Its error says how many tracks have one.
    """
    music = [track for track in tracks if track.genres]
    like = [track for track in music if track.reason != "unlike what it learned"]
    novel = 2 * len(like) < len(music)
    # a few that are unlike what the model learned have no say
    genres, styles, moods = _average(music if novel else like)
    best, confidence = next(iter(genres.items()), (None, 0.0))
    if not genres:
        reasons = Counter(track.reason for track in tracks if track.reason)
        reason = reasons.most_common(1)[0][0] if reasons else None
    elif novel:
        reason = "unlike what it learned"
    else:
        reason = explain_doubt(genres) if best and confidence < card.thresholds[best] else None
    known = [track.duration for track in tracks if track.duration is not None]
    return Verdict(
        genre=None if reason else best, reason=reason, confidence=confidence, genres=genres, styles=styles, moods=moods,
        duration=sum(known) if known else None, clips=(), model=card.name, path=folder, error=_sum_up_errors(tracks),
    )  # fmt: skip


def _average(tracks: Sequence[Verdict]) -> Iterator[dict[str, float]]:
    """Yield mean genres, styles and moods, each with the most probable first."""
    for shares in ("genres", "styles", "moods"):
        sums: defaultdict[str, float] = defaultdict(float)
        for track in tracks:
            for name, share in getattr(track, shares).items():
                sums[name] += share
        means = ((name, total / len(tracks)) for name, total in sums.items())
        yield dict(sorted(means, key=lambda item: -item[1]))


def _sum_up_errors(tracks: Sequence[Verdict]) -> str | None:
    wrong = [track for track in tracks if track.error]
    if not wrong:
        return None
    first = f"{Path(wrong[0].path or '-').name}: {wrong[0].error}"
    return f"{len(wrong)} of {format_count(len(tracks), 'track')} with errors, such as {first}"


def disagrees(track: Verdict, tracks: Sequence[Verdict], card: Card) -> bool:
    """Return whether a track is sure enough of a genre to be tagged that its album hardly has.

    Hardly: the mean over the other tracks is below :data:`earmark.library.tags.selection.MIN_SHARE`, from which on a
    genre is written beside another.
    """
    genre = track.genre
    if genre is None or track.confidence < card.tag_thresholds[genre]:
        return False
    # without the track itself, which of a short album is much
    others = [other for other in tracks if other is not track and other.genres]
    return sum(other.genres.get(genre, 0.0) for other in others) < MIN_SHARE * len(others)


def describe_outlier(genre: str | None, confidence: float) -> str:
    """Say what a track is that :func:`disagrees` with its album."""
    return f"unlike its album: {genre} {confidence:.0%}"


@dataclass(frozen=True)
class AlbumAnswer:
    """One row of a list by albums: an album, or a track that is left to itself.

    Attributes
    ----------
    verdict : Verdict
        Its path is the album's folder, or the track's own.
    album : Album
        What the verdict is on, or what its track is of.
    tracks : tuple of Verdict
        Those that the verdict is on.
    outliers : tuple of Verdict
        Tracks of the album that :func:`disagrees` finds.
    """

    verdict: Verdict
    album: Album[tuple[Verdict, FileTags]]
    tracks: tuple[Verdict, ...]
    outliers: tuple[Verdict, ...] = ()

    def to_dict(self) -> dict[str, str | int | list[str | None]]:
        """Return what ``earmark classify --album --format json`` says beside the verdict."""
        return {
            "album": self.album.title,
            "artist": self.album.artist,
            "kind": self.album.kind,
            "tracks": len(self.tracks),
            "outliers": [track.path for track in self.outliers],
        }


def answer_albums(tracks: Iterable[tuple[Verdict, FileTags]], card: Card) -> Iterator[AlbumAnswer]:
    """Yield one answer an album, and one for each track that is left to itself.

    Parameters
    ----------
    tracks : iterable of (Verdict, FileTags)
        In the order that :func:`group_by_album` wants.
    card : Card
        Of the model that answered.
    """
    for album in group_by_album(tracks, key=lambda track: track[1]):
        own = tuple(verdict for verdict, _ in album.tracks)
        if album.kind == "album":
            outliers = tuple(track for track in own if disagrees(track, own, card))
            yield AlbumAnswer(pool_album(own, card, str(album.folder)), album, own, outliers)
        else:
            yield from (AlbumAnswer(track, album, (track,)) for track in own)
