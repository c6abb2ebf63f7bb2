"""The fields of a file's tags that Earmark writes: genres in every kind of tag that is there, moods and a note.

Which field holds the genre in which format is mediafile's knowledge; mutagen reads and writes the tags. What
they do not know is here: an ID3 tag keeps its version (so no other frame is translated), the ID3v1 block keeps
its other fields, and an APEv2 tag in an MP3 and the INFO list of a WAV are kept in step.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from earmark.errors import MissingExtra, TagError
from earmark.library.tags.riff_info import read_info, write_info_genre
from earmark.library.tags.spelling import parse_genres, resolve_numbers
from earmark.library.tags.tag_fields import list_fields
from earmark.library.tags.values import TagValues

RawGenres = dict[str, list[str]]
"""Values as they stand in each field that has any: genres in "main", "id3v1", "apev2", "info"; "moods"; "earmark"."""

FORMATS = "MP3, FLAC, Ogg Vorbis, Opus, M4A, WMA, APE, WavPack, Musepack, AIFF, WAV"
"""What genre tags can be written in."""

_ID3_IN = frozenset(("MP3", "AIFF", "WAVE", "DSF"))
_ID3V1_IN = frozenset(("MP3", "MonkeysAudio", "WavPack", "Musepack"))
# ID3v1: the last 128 bytes of a file, "TAG" and fixed fields; its last byte is the number of a genre, 255 none
_ID3V1_SIZE, _ID3V1_NONE = 128, 255
# fields that are not genres in other kinds of tag too
_MORE_FIELDS = ("moods", "earmark")


class GenreTags:
    """The tags of one file: what they say of genre, and how to change that alone.

    Raises
    ------
    TagError
        If the file cannot be read, or is of a format without genre tags.
    MissingExtra
        If the packages of the extra "tags" are not installed.
    """

    def __init__(self, path: Path) -> None:
        require_mediafile()
        self.path = path
        self._file = _open(path)
        self.format: str = type(self._file).__name__
        fields = {name: [*field.styles(self._file)] for name, field in list_fields().items()}
        if not fields["main"]:
            raise TagError(f"genre tags cannot be written in this format ({self.format}), but in {FORMATS}")
        self._styles = {name: self._choose_style(styles) for name, styles in fields.items()}
        # some players put an APEv2 tag behind the ID3 tags of an MP3
        self._ape = _read_ape(path) if self.format == "MP3" else None

    def _choose_style(self, styles: list[Any]) -> Any:
        """Choose the name of a field that is there; else the first one, in ID3v2.3 the last."""
        first, last = styles[0], styles[-1]
        if self._file.tags is None or first is last:
            return first
        used = next((style for style in styles if style.get_list(self._file)), None)
        return used or (last if _id3_version(self._file.tags) == 3 else first)

    @property
    def raw(self) -> RawGenres:
        """The values as they stand there, of each field that has any."""
        found: RawGenres = {name: self._read_field(name) for name in self._styles}
        if (block := self._read_id3v1()) and block[-1] != _ID3V1_NONE:
            found["id3v1"] = [str(block[-1])]
        if self._ape is not None and "Genre" in self._ape:
            found["apev2"] = [str(value) for value in self._ape["Genre"]]
        if self.format == "WAVE" and (genre := read_info(self.path).get("IGNR")) is not None:
            found["info"] = [genre]
        return {name: values for name, values in found.items() if values}

    def _read_field(self, name: str) -> list[str]:
        # a file without tags has no frames to look through
        values = [] if self._file.tags is None else self._styles[name].get_list(self._file) or []
        # own fields of MP4 hold bytes
        return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values]

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres they name, of the first kind of tag that names one; none for "Unknown", "Other" and the like."""
        kinds = (values for name, values in self.raw.items() if name not in _MORE_FIELDS)
        return next((names for values in kinds if (names := parse_genres(values))), ())

    @property
    def values(self) -> TagValues:
        """What stands there: genres value by value, numbers by their names; values that name none are left out."""
        raw = self.raw
        names = (name for value in raw.get("main", ()) for name in resolve_numbers(value))
        genres = tuple(name for name in names if parse_genres([name]))
        return TagValues(genres or self.genres, tuple(raw.get("moods", ())), "".join(raw.get("earmark", ())[:1]))

    def holds(self, values: TagValues) -> bool:
        """Return whether genres, and moods where there are some to write, stand there exactly so."""
        raw = self.raw
        return raw.get("main") == list(values.genres) and values.moods in ((), tuple(raw.get("moods", ())))

    @property
    def other_tags(self) -> dict[str, Any]:
        """Everything else in the tags, to be compared before and after."""
        block = self._read_id3v1()
        rest: dict[str, Any] = {"id3v1": block and block[:-1]}
        if self.format == "WAVE":
            rest["info"] = {name: text for name, text in read_info(self.path).items() if name != "IGNR"}
        if self._ape is not None:
            rest["apev2"] = _list_items(self._ape, {"genre"})
        tags = self._file.tags
        if self.format in _ID3_IN:
            own = {"tcon", "txxx:earmark", {"TMOO": "tmoo", "TXXX": "txxx:mood"}[self._styles["moods"].key]}
            return rest | {"main": _list_frames(tags, own)}
        rest["pictures"] = [picture.write() for picture in getattr(self._file, "pictures", ())]
        rest["vendor"] = getattr(tags, "vendor", None)
        rest["main"] = _list_items(tags, {style.key.casefold() for style in self._styles.values()})
        return rest

    def write(self, values: TagValues) -> None:
        """Write genres into every kind of tag that is there, and into a WAV's INFO list; moods and note beside them."""
        genres = list(values.genres)
        raw = {**self.raw, "main": genres, "id3v1": [str(_id3v1_number(values.genres))], "info": genres[:1]}
        if "apev2" in raw:
            raw["apev2"] = genres
        if values.moods:
            raw["moods"] = list(values.moods)
        self.restore({**raw, "earmark": [values.provenance] if values.provenance else []})

    def restore(self, raw: RawGenres) -> None:
        """Put back the values that :attr:`raw` gave; a field that had none gets none."""
        # read now: saving the other tags loses or rewrites the block, which is put back below
        block = self._read_id3v1()
        there = self.raw
        if "apev2" in there or "apev2" in raw:
            self._save_ape(raw.get("apev2"))
        changed = [name for name in self._styles if raw.get(name, []) != there.get(name, [])]
        for name in changed:
            # such as an MP3 without any ID3 tag
            if self._file.tags is None:
                self._file.add_tags()
            values, style = raw.get(name), self._styles[name]
            style.set_list(self._file, values) if values else style.delete(self._file)
        if changed:
            self._save()
        if block:
            self._write_id3v1(block[:-1] + bytes([int(raw.get("id3v1", [_ID3V1_NONE])[0])]))
        if self.format == "WAVE":
            write_info_genre(self.path, next(iter(raw.get("info", ())), None))

    def _save(self) -> None:
        if self.format not in _ID3_IN:
            self._file.save()
            return
        # no separator: several values stay several, in 2.3 too, as all readers but the oldest understand
        self._file.save(v2_version=_id3_version(self._file.tags), v23_sep=None)

    def _save_ape(self, values: list[str] | None) -> None:
        from mutagen.apev2 import APEv2

        # a Lyrics3 block ends in "LYRICS200" or "LYRICSEND", 9 bytes, before the ID3v1 block
        with self.path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _ID3V1_SIZE - 9))
            if b"LYRICS" in file.read():
                raise TagError("an APEv2 genre beside a Lyrics3 block, which would be lost: take one of them out first")
        ape = self._ape if self._ape is not None else APEv2()  # type: ignore[no-untyped-call]
        if values:
            ape["Genre"] = values
        elif "Genre" in ape:
            del ape["Genre"]
        ape.save(self.path)

    def _read_id3v1(self) -> bytes | None:
        """Read the ID3v1 block at the end; None where there is none."""
        if self.format not in _ID3V1_IN:
            return None
        with self.path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _ID3V1_SIZE))
            block = file.read()
        return block if len(block) == _ID3V1_SIZE and block.startswith(b"TAG") else None

    def _write_id3v1(self, block: bytes) -> None:
        """Write it at the end: APE tags were saved without, ID3v2 tags with another that says what they say."""
        exists = self._read_id3v1() is not None
        with self.path.open("r+b") as file:
            file.seek(-_ID3V1_SIZE if exists else 0, 2)
            file.write(block)


_SILENT = logging.NullHandler()


def require_mediafile(feature: str = "genre tags") -> None:
    """Raise MissingExtra where mediafile is missing, which `feature` (a phrase) needs; and keep it quiet."""
    try:
        import mediafile  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra(feature, "tags") from error
    # without a handler it would write of damaged files to stderr; the same one each time is added once
    logging.getLogger("mediafile").addHandler(_SILENT)


def _open(path: Path) -> Any:
    """Open a file by mutagen, ID3 frames as they are and not brought up to date."""
    import mutagen

    try:
        if not path.is_file():
            raise TagError("no such file" if not path.exists() else "not a file: genre tags are in sound files")
        file = mutagen.File(path)
        name = type(file).__name__
        if file is None:
            raise TagError(f"not a file whose genre tag can be written: it may be {FORMATS}")
        if name not in _ID3_IN:
            return file
        # ID3v2.2 can only be read: its frames under the names of 2.3, as which it will be written
        if file.tags is not None and file.tags.version[:2] == (2, 2):
            return type(file)(path, v2_version=3, load_v1=False)
        as_it_is = type(file)(path, translate=False, load_v1=False)
        return file if as_it_is.tags is None else as_it_is
    except TagError:
        raise
    except Exception as error:  # whatever a parser stumbles over
        # mutagen names the file, which our messages name themselves
        words = str(error).replace(repr(str(path)), "it")
        raise TagError(f"its tags cannot be read ({words})") from error


def _read_ape(path: Path) -> Any:
    from mutagen.apev2 import APENoHeaderError, APEv2

    try:
        return APEv2(path)  # type: ignore[no-untyped-call]
    except APENoHeaderError:
        return None


def _list_items(tags: Any, own: set[str]) -> dict[str, str]:
    """List all tags but our own, as text that shows every byte of them."""
    values = {} if tags is None else tags.as_dict() if hasattr(tags, "as_dict") else dict(tags)
    return {key: repr(value) for key, value in values.items() if key.casefold() not in own}


def _list_frames(tags: Any, own: set[str]) -> dict[str, Any]:
    """List all ID3 frames but our own, without their encoding: UTF-8 in ID3v2.3 is an error that is put right."""
    if tags is None:
        return {}
    frames = {key: repr({**vars(frame), "encoding": 0}) for key, frame in tags.items() if key.casefold() not in own}
    return {**frames, "unknown": list(tags.unknown_frames)}


def _id3_version(tags: Any) -> int:
    """Return which version of ID3v2 a tag is written in: mutagen writes 2.3 and 2.4; of 2.2, 2.3 is the nearer."""
    return 3 if getattr(tags, "version", ())[:2] in ((2, 2), (2, 3)) else 4


def _id3v1_number(genres: tuple[str, ...]) -> int:
    """Return ID3v1's number of the first genre that has one."""
    from mutagen.id3 import TCON

    numbers = {name.casefold(): number for number, name in enumerate(TCON.GENRES)}
    return next((numbers[name.casefold()] for name in genres if name.casefold() in numbers), _ID3V1_NONE)
