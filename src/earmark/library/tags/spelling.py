"""Genres as people write them in tags: several in one value, ID3v1's numbers, many spellings of one."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from earmark.inference.genre_names import spelling_key

# singer/songwriter is one genre
_SEPARATORS = re.compile(r"[;,|\0]|/(?!\s*songwriter)", re.IGNORECASE)
_LIST_SEPARATORS = re.compile(r"[;,|\0]")

NO_GENRE = frozenset(
    ("unknown", "unknowngenre", "nogenre", "none", "undefined", "unclassified", "n/a", "other", "misc")
)
"""Values that taggers write for want of a genre (ID3v1's number 12 is "Other"), by their spelling key."""


def parse_genres(values: Iterable[str], *, split_slash: bool = True) -> tuple[str, ...]:
    """Parse the values of a genre tag into the genres they name.

    Parameters
    ----------
    values : iterable of str
        As the tag holds them. Each may hold several genres, with ``;``, ``,``, ``/``, ``|`` or NUL between,
        and numbers of ID3v1, bare or in brackets.
    split_slash : bool
        Whether "Hip-Hop/Rap" is two genres; else it is one name.

    Returns
    -------
    tuple of str
        In the tag's order, each once; none for values that say nothing, such as "Unknown" or "Other".

    Examples
    --------
    >>> parse_genres(["Hip-Hop/R&B; Drum & Bass", "(17)", "n/a"])
    ('Hip-Hop', 'R&B', 'Drum & Bass', 'Rock')
    """
    names: dict[str, str] = {}
    for value in values:
        if spelling_key(value) in NO_GENRE:
            continue
        for part in (_SEPARATORS if split_slash else _LIST_SEPARATORS).split(unicodedata.normalize("NFKC", value)):
            for name in map(_tidy, resolve_numbers(part.strip())):
                if spelling_key(name) not in NO_GENRE | {""}:
                    names.setdefault(spelling_key(name), name)
    return tuple(names.values())


def unify_spellings(choices: Sequence[Sequence[str]], given: Iterable[str] = ()) -> list[tuple[str, ...]]:
    """Give all spellings of a genre one name: the one given, or else the one most often used.

    Parameters
    ----------
    choices : sequence of sequence of str
        The genres of each track.
    given : iterable of str
        Spellings that are settled, such as the labels of a model.

    Returns
    -------
    list of tuple of str
        The same genres, each once a track.

    Examples
    --------
    >>> unify_spellings([["Hip-Hop"], ["hip hop", "Soul"], ["Hip-Hop"]])
    [('Hip-Hop',), ('Hip-Hop', 'Soul'), ('Hip-Hop',)]
    """
    used = Counter(name for names in choices for name in names)
    # of two spellings with one key the later stays: the more used, and above all the one given
    shown = {spelling_key(name): name for name, _ in reversed(used.most_common())}
    shown |= {spelling_key(name): name for name in given}
    return [tuple(dict.fromkeys(shown[spelling_key(name)] for name in names)) for names in choices]


def resolve_numbers(text: str) -> list[str]:
    """Resolve ID3v1's numbers in one value: "17" and "(17)" are Rock, "(4)Eurodisco" is Disco and Eurodisco."""
    if not text or text[0] not in "(0123456789":
        return [text]
    from mutagen.id3 import TCON

    return [str(name) for name in TCON(encoding=3, text=[text]).genres]  # type: ignore[no-untyped-call]


def _tidy(name: str) -> str:
    """Reduce to single blanks, nothing unprintable, and no "&" left over from a list ("Folk, World, & Country")."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split()).strip("& ")
