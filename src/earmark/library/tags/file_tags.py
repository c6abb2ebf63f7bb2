"""What the tags of a sound file say of its genres, its artist and its album."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from earmark.inference.genre_names import spelling_key
from earmark.library.tags.spelling import parse_genres
from earmark.library.tags.tag_fields import list_fields
from earmark.library.tags.values import read_note

# as spelling_key gives them: what programs and people write in several languages
_VARIOUS = frozenset((
    "va", "v.a.", "v/a", "various", "variousartist", "variousartists", "variousperformers", "verschiedene",
    "verschiedeneinterpreten", "verschiedenekünstler", "diverseinterpreten", "artistesdivers", "artistesvariés",
    "artistivari", "aavv", "aa.vv.", "variosartistas", "váriosartistas", "diverseartiesten", "diverseartister",
    "blandadeartister", "różniwykonawcy", "разныеисполнители", "ヴァリアス・アーティスト",
))  # fmt: skip
_NO_ARTIST = _VARIOUS | {"", "unknown", "unknownartist"}


@dataclass(frozen=True)
class FileTags:
    """What the tags of a file say; what they do not say is empty.

    Attributes
    ----------
    path : str
    genres : tuple of str
        In the tag's order, as :func:`earmark.library.tags.spelling.parse_genres` gives them.
    artist, album, albumartist : str
        As tagged, but for blanks.
    disc, discs : int
        The number of the disc, and how many the album has; 0 where unknown.
    compilation : bool
        The flag of a compilation: TCMP, cpil, COMPILATION.
    moods : tuple of str
    provenance : str
        The note of what Earmark wrote, as of :class:`earmark.library.tags.values.TagValues`.
    values : tuple of str
        The genre's values as they stand, such as "Hip-Hop/Rap", where `genres` are not the same.
    readable : bool
        Whether tags could be read at all.
    """

    path: str
    genres: tuple[str, ...] = ()
    artist: str = ""
    album: str = ""
    albumartist: str = ""
    disc: int = 0
    discs: int = 0
    compilation: bool = False
    moods: tuple[str, ...] = ()
    provenance: str = ""
    values: tuple[str, ...] = ()
    readable: bool = True

    @property
    def known_artist(self) -> str:
        """The album's artist, or else the track's; empty where unknown or "Various Artists"."""
        return next((name for name in (self.albumartist, self.artist) if spelling_key(name) not in _NO_ARTIST), "")

    @property
    def various(self) -> bool:
        """Whether the album's artist is "Various Artists", in any spelling."""
        return spelling_key(self.albumartist) in _VARIOUS

    @property
    def is_own(self) -> bool:
        """Whether Earmark wrote these genres: there is its note, and it names exactly them."""
        return bool(self.genres) and parse_genres(read_note(self.provenance, "genre")) == self.genres

    def to_dict(self) -> dict[str, Any]:
        """Return what is not empty, without the path, for JSON."""
        empty = FileTags(self.path)
        return {name: value for name, value in asdict(self).items() if value != getattr(empty, name)}

    @classmethod
    def from_dict(cls, path: str, record: Mapping[str, Any]) -> FileTags:
        """Return the tags that :meth:`to_dict` gave; names that it does not know are passed over."""
        # JSON has lists for tuples
        values: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in record.items() if name in _NAMES
        }
        return cls(path, **values)


_NAMES = frozenset(field.name for field in fields(FileTags))


def read_file_tags(path: Path) -> FileTags:
    """Read the tags of a file; never fails. Needs mediafile."""
    from mediafile import MediaFile

    # a pipe would be waited for, a dangling link is nothing
    if not path.is_file():
        return FileTags(str(path), readable=False)
    try:
        file = MediaFile(str(path))
        artist, album, albumartist = (
            " ".join((name or "").split()) for name in (file.artist, file.album, file.albumartist)
        )
        values = tuple(file.genres or ())
        genres = parse_genres(values)
        moods, note = (tuple(list_fields()[name].__get__(file) or ()) for name in ("moods", "earmark"))
        return FileTags(
            str(path), genres, artist, album, albumartist, file.disc or 0, file.disctotal or 0, bool(file.comp), moods,
            "".join(note[:1]), () if values == genres else values,
        )  # fmt: skip
    except Exception:
        # whatever a parser stumbles over: it is one file of many
        return FileTags(str(path), readable=False)
