"""Words for genres as people write them: a model's labels are made for machines, "hiphop" and "drum_and_bass"."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from earmark.errors import SettingError

WORDS = {
    "a cappella": "A Cappella",
    "acappella": "A Cappella",
    "dnb": "Drum and Bass",
    "drum and bass": "Drum and Bass",
    "edm": "EDM",
    "hip hop": "Hip-Hop",
    "hiphop": "Hip-Hop",
    "idm": "IDM",
    "lofi": "Lo-Fi",
    "r and b": "R&B",
    "r'n'b": "R&B",
    "rnb": "R&B",
    "rock and roll": "Rock & Roll",
    "triphop": "Trip-Hop",
}
"""Labels whose word is not just the label with capitals."""


def load_map(
    labels: Iterable[str], own: Mapping[str, str | None] | str | os.PathLike[str] | None = None
) -> dict[str, str]:
    """Give each genre of a model the word that goes into tags.

    Parameters
    ----------
    labels : iterable of str
        The model's genres.
    own : mapping or path, optional
        The user's words, by label; a TOML file with lines such as ``hiphop = "Rap"``. Two genres may have the
        same word. An empty word, or None, keeps a genre out of tags.

    Returns
    -------
    dict of str to str
        A word for each label: the user's, or else the customary one.

    Raises
    ------
    SettingError
        If the file cannot be read, the model lacks a label, or a word is not text of one line.

    Examples
    --------
    >>> load_map(["hiphop", "jazz", "pop"], {"jazz": "Bebop", "pop": None})
    {'hiphop': 'Hip-Hop', 'jazz': 'Bebop', 'pop': ''}
    """
    words = {label: customary(label) for label in labels}
    given = _read(Path(own)) if isinstance(own, str | os.PathLike) else own or {}
    for label, word in given.items():
        if label not in words:
            raise SettingError(f"a word for {label!r}, which the model cannot name: it knows {', '.join(words)}")
        if word is not None and not (isinstance(word, str) and word.isprintable()):
            raise SettingError(f"the word for {label} is {word!r}: need text of one line, or nothing to leave it out")
        words[label] = (word or "").strip()
    return words


def customary(label: str) -> str:
    """Word for a label as most libraries spell it; one that has capitals is left alone.

    Examples
    --------
    >>> [customary(label) for label in ("hip-hop", "drum_and_bass", "synth pop", "K-Pop")]
    ['Hip-Hop', 'Drum and Bass', 'Synth Pop', 'K-Pop']
    """
    plain = label.replace("_", " ")
    return plain if plain != plain.lower() else WORDS.get(plain, plain.title())


def worded(genres: Mapping[str, float], words: Mapping[str, str]) -> dict[str, float]:
    """Turn probabilities of genres into those of words: where genres share a word, theirs add up.

    Parameters
    ----------
    genres : mapping of str to float
        As in :class:`~earmark.tell.verdict.Verdict`.
    words : mapping of str to str
        From :func:`load_map`.

    Returns
    -------
    dict of str to float
        Most probable first.

    Examples
    --------
    >>> worded({"jazz": 0.5, "metal": 0.375, "rock": 0.125}, {"jazz": "Jazz", "metal": "Rock", "rock": "Rock"})
    {'Jazz': 0.5, 'Rock': 0.5}
    """
    sums: dict[str, float] = {}
    for label, p in genres.items():
        sums[words[label]] = sums.get(words[label], 0.0) + p
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def chosen(words: Mapping[str, float], floor: float, count: int = 1) -> list[str]:
    """Choose the words to write: at most `count`, each at least as probable as `floor`, none that is empty.

    Examples
    --------
    >>> chosen({"Jazz": 0.5, "": 0.3, "Blues": 0.2}, floor=0.2, count=2)
    ['Jazz']
    """
    most = list(words.items())[:count]
    return [word for word, p in most if word and p >= floor]


def _read(path: Path) -> dict[str, str]:
    try:
        return tomllib.loads(path.expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise SettingError(f"{path}: cannot be read ({reason})") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f'{path}: not TOML such as hiphop = "Rap" ({error})') from error
