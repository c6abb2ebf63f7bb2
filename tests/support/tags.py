"""Writing genres and undoing it, and what other readers say of a file, for the tests of tags."""

import io

import av
import pytest
from mediafile import MediaFile

from earmark.errors import TagError
from earmark.library.tags.genre_tags import GenreTags
from earmark.library.tags.journal import Journal, read_journal
from earmark.library.tags.undo import undo
from earmark.library.tags.values import TagValues, may_change, merge_values
from earmark.library.tags.writer import GenreWriter, digest

FORMATS = (".mp3", ".flac", ".ogg", ".opus", ".m4a", ".alac.m4a", ".wma", ".ape", ".wv", ".aiff", ".wav")


PICTURE = bytes(range(256)) * 300


def write(journal, path, *genres, moods=(), provenance="", existing="replace", seen=None, **options):
    """Write what a run would, which merges values with those that are there."""
    values = TagValues(genres, moods, provenance)
    if existing != "replace" or provenance:
        there = GenreTags(path).values
        if not may_change(there, existing):
            return False
        values = merge_values(there, values, existing)
    with Journal(journal) as noted:
        return GenreWriter(noted, **options).write(path, values, seen)


def genres(path, *names):
    """Write genres as another program does."""
    file = MediaFile(path)
    file.genres = list(names)
    file.save()


def undone(journal, **options):
    return [(one.outcome, one.error) for one in undo(read_journal(journal)[0], **options)]


def samples(path):
    with av.open(io.BytesIO(path.read_bytes())) as file:
        return b"".join(frame.to_ndarray().tobytes() for frame in file.decode(audio=0))


def dress(path):
    """Tags that must not change; what a foreign reader gives of them."""
    file = MediaFile(path)
    file.update({"title": "Zwölf", "artists": ["Ünique", "B"], "comments": "ein Wort", "track": 3, "year": 1999})
    if path.suffix not in (".wma", ".m4a"):
        file.art = b"\x89PNG\r\n\x1a\n" + PICTURE
    file.save()
    return foreign(path)


def foreign(path):
    file = MediaFile(path)
    return {name: getattr(file, name) for name in file.fields() if name not in ("genre", "genres", "images")} | {
        "pictures": [image.data for image in file.images or ()]
    }


def has_id3(path):
    return path.read_bytes().startswith(b"ID3")


def with_id3v1(path, genre):
    block = b"TAG" + b"Another title".ljust(30, b"\0") + b"Somebody".ljust(94, b"\0") + bytes([genre])
    with path.open("ab") as file:
        file.write(block)
    return block


def refused(journal, path, match, **options):
    before = digest(path)
    with pytest.raises(TagError, match=match):
        write(journal, path, "Jazz", **options)
    assert digest(path) == before
    assert not [p for p in path.parent.iterdir() if p.name.startswith(".earmark")]
