"""Names of genres as people spell them, and which of a model's labels a name means."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache

from earmark.errors import SettingError
from earmark.inference.vocabulary import read_classes

# rock and roll, rock 'n' roll
_AND = re.compile(r"\band\b|['\u2019]?(?<=[\s'\u2019])n(?=[\s'\u2019])['\u2019]?")
# blanks, hyphens, dashes and apostrophes
_LOOSE = re.compile(r"[\s_\-\u2010-\u2015'\u2019]")
# keys of the short and the long name of one genre
_SYNONYMS = {"rnb": "r&b", "rhythm&blues": "r&b", "dnb": "drum&bass"}


@lru_cache(maxsize=4096)
def spelling_key(name: str) -> str:
    """Return what all spellings of a genre share.

    Case, blanks, hyphens, apostrophes and "music" at the end do not count, "and" is "&", and "RnB" is "R&B".

    Examples
    --------
    >>> spelling_key("Rock 'n' Roll") == spelling_key("rock & roll"), spelling_key("Hip-Hop")
    (True, 'hiphop')
    """
    key = _LOOSE.sub("", _AND.sub("&", unicodedata.normalize("NFKC", name).casefold()))
    key = key.removesuffix("music") or key
    return _SYNONYMS.get(key, key)


def match_genres(names: Iterable[str], labels: Sequence[str], *, families: bool = False) -> dict[str, str]:
    """Match names of genres with a model's labels.

    Parameters
    ----------
    names : iterable of str
    labels : sequence of str
    families : bool
        Whether a style, such as "salsa", means its family, "latin", where the style is no label itself.

    Returns
    -------
    dict of str to str
        Name → label, spelled alike if there is one, else as :func:`spelling_key` has it; names that mean no label are
        left out.

    Examples
    --------
    >>> match_genres(["Hip-Hop", "Salsa", "polka"], ["hiphop", "latin"], families=True)
    {'Hip-Hop': 'hiphop', 'Salsa': 'latin'}
    """
    # of two labels with one key the first is meant
    spelled = {spelling_key(label): label for label in reversed(labels)}
    family = _list_families() if families else {}
    found = {}
    for name in names:
        key = spelling_key(name)
        label = name if name in labels else spelled.get(key) or spelled.get(family.get(key, ""))
        if label is not None:
            found[name] = label
    return found


def find_label(label: str, labels: Sequence[str], model: str) -> str:
    """Return a label, given in any spelling, as the model of this name spells it.

    Raises
    ------
    SettingError
        If it is none of them; says which there are, and which one may be meant.
    """
    if found := match_genres([label], labels).get(label):
        return found
    near = get_close_matches(label, labels, 1)
    hint = f"; did you mean {near[0]!r}? It" if near else ": it"
    raise SettingError(f"{label!r} is no genre of {model}{hint} knows {', '.join(labels)}")


@cache
def _list_families() -> dict[str, str]:
    """Return the key of each style's family, by the keys of the style's names."""
    return {
        spelling_key(name): spelling_key(style.family)
        for style in read_classes("genre")
        for name in (style.audioset, style.name)
    }
