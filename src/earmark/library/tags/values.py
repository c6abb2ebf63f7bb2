"""What is written into tags: genres, moods, and the note of where they came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import unquote

from earmark.inference.genre_names import spelling_key
from earmark.library.tags.spelling import parse_genres

Existing = Literal["keep", "replace", "append", "mine"]
"""What becomes of genres that are there: they stay and nothing is written; new ones replace them; new ones are written
after them; or they stay unless Earmark wrote them and nobody has changed them since."""


@dataclass(frozen=True)
class TagValues:
    """Values of the fields that Earmark writes.

    Attributes
    ----------
    genres : tuple of str
        One value each.
    moods : tuple of str
        One value each; to write none leaves those that are there.
    provenance : str
        Of values to write, who says so, as of :func:`describe_source`; of values that are there, the whole note. To
        write none removes the one that is there: it would speak of other genres.
    """

    genres: tuple[str, ...]
    moods: tuple[str, ...] = ()
    provenance: str = ""

    @property
    def is_own(self) -> bool:
        """Whether Earmark wrote these genres: there is its note, and it names exactly them."""
        return bool(self.genres) and read_note(self.provenance, "genre") == self.genres


def may_change(there: TagValues, existing: Existing) -> bool:
    """Return whether a file of values `there` may get a genre.

    Examples
    --------
    >>> polka = TagValues(("Polka",))
    >>> may_change(polka, "keep"), may_change(polka, "mine"), may_change(polka, "append")
    (False, False, True)
    """
    return not there.genres or existing in ("replace", "append") or (existing == "mine" and there.is_own)


def merge_values(there: TagValues, new: TagValues, existing: Existing) -> TagValues:
    """Return what a file of values `there` gets, if it gets anything.

    Its note names only what comes from `new`, so that a later run knows what it may renew.

    Examples
    --------
    >>> there = TagValues(("Polka", "hip hop"), ("Calm",))
    >>> merge_values(there, TagValues(("Hip-Hop", "Jazz"), ("Happy",), "model=earmark"), "append")
    ... # doctest: +NORMALIZE_WHITESPACE
    TagValues(genres=('Polka', 'hip hop', 'Jazz'), moods=('Calm', 'Happy'),
              provenance='model=earmark; genre=Jazz; mood=Happy')
    """
    genres, moods = new.genres, new.moods
    if existing == "append":
        genres, moods = _list_missing(genres, there.genres), _list_missing(moods, there.moods)
    elif existing != "replace" and read_note(there.provenance, "mood") != there.moods:
        # moods that somebody else wrote
        moods = ()
    if new.provenance:
        new = replace(new, provenance=_format_note(new.provenance, genres, moods))
    if existing == "append":
        genres, moods = there.genres + genres, moods and there.moods + moods
    return replace(new, genres=genres, moods=moods)


def describe_source(model: str, checksum: str, confidence: float) -> str:
    """Describe who says what is written: the beginning of the note that goes into the field EARMARK.

    Examples
    --------
    >>> describe_source("earmark", "1a2b3c4d5e6f", 0.8312)
    'model=earmark; checksum=1a2b3c4d; confidence=0.83'
    """
    return f"model={_escape(model)}; checksum={checksum[:8]}; confidence={confidence:.2f}"


def read_note(note: str, key: str) -> tuple[str, ...]:
    """Return all values of a key in a note, such as each "genre" that Earmark has written.

    Examples
    --------
    >>> read_note("model=earmark; confidence=0.83; genre=Rock%3B Pop; genre=Jazz", "genre")
    ('Rock; Pop', 'Jazz')
    """
    pairs = (item.strip().partition("=") for item in note.split(";"))
    return tuple(unquote(value) for name, _, value in pairs if name == key)


def _format_note(source: str, genres: Iterable[str], moods: Iterable[str]) -> str:
    fields = (("genre", genres), ("mood", moods))
    return "; ".join([source, *(f"{key}={_escape(value)}" for key, values in fields for value in values)])


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace(";", "%3B")


def _list_missing(names: tuple[str, ...], there: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that are not there in any spelling, in a value of their own or with others."""
    keys = set(map(spelling_key, parse_genres(there)))
    return tuple(name for name in names if spelling_key(name) not in keys)
