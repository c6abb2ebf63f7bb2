"""From a model's labels to the words that people write in genre tags."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earmark.errors import SettingError
from earmark.inference.verdict import Verdict

SHARE = 0.2
"""Probability from which on a genre that is not the most probable one is written too."""

_WORDS = {
    "hiphop": "Hip-Hop",
    "hip hop": "Hip-Hop",
    "hip-hop": "Hip-Hop",
    "r&b": "R&B",
    "rnb": "R&B",
    "rhythm and blues": "R&B",
    "drum and bass": "Drum & Bass",
    "dnb": "Drum & Bass",
    "edm": "EDM",
    "rock and roll": "Rock & Roll",
    "k-pop": "K-Pop",
    "a cappella": "A Cappella",
    "acappella": "A Cappella",
    "idm": "IDM",
    "lofi": "Lo-Fi",
    "r and b": "R&B",
    "r'n'b": "R&B",
    "triphop": "Trip-Hop",
    "j-pop": "J-Pop",
}


def canonical(label: str) -> str:
    """Write a label as tags usually have it.

    Parameters
    ----------
    label : str

    Returns
    -------
    str
        A label with capitals is left as it is: somebody has spelt it already.

    Examples
    --------
    >>> canonical("hiphop"), canonical("new age"), canonical("IDM")
    ('Hip-Hop', 'New Age', 'IDM')
    """
    if label != label.lower():
        return label
    words = label.replace("_", " ")
    return _WORDS.get(words) or " ".join(word[:1].upper() + word[1:] for word in words.split(" "))


@dataclass(frozen=True)
class GenreWords:
    """What is written for a verdict.

    Attributes
    ----------
    words : dict of str to tuple of str
        What stands for a label, other than :func:`canonical`; nothing is written for an empty tuple.
    top : int
        At most so many of the verdict's genres: the most probable one, and others of at least :data:`SHARE`.
    min_confidence : float, optional
        The least confidence for which anything is written, in place of the model's own threshold: below
        that threshold a guess is written that the model itself would call unknown.
    raw : bool
        Labels as they are instead of :func:`canonical`.
    """

    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    top: int = 1
    min_confidence: float | None = None
    raw: bool = False

    def of(self, verdict: Verdict) -> tuple[str, ...]:
        """Genres to write; none where the verdict is unknown, or too unsure.

        Parameters
        ----------
        verdict : Verdict

        Returns
        -------
        tuple of str
        """
        unsure = verdict.genre is None if self.min_confidence is None else verdict.confidence < self.min_confidence
        if unsure or not verdict.genres:
            return ()
        best, *others = list(verdict.genres.items())[: self.top]
        labels = [best[0], *(label for label, share in others if share >= SHARE)]
        words = [self.words.get(label, (label if self.raw else canonical(label),)) for label in labels]
        return tuple(dict.fromkeys(word for some in words for word in some))


def read_map(path: Path, labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read a mapping of genres to words: a TOML file of lines such as ``hiphop = ["Hip-Hop", "Rap"]``.

    Parameters
    ----------
    path : Path
    labels : sequence of str
        Genres of the model.

    Returns
    -------
    dict of str to tuple of str

    Raises
    ------
    SettingError
        If it cannot be read, names a genre that the model does not, or gives anything but words.
    """
    table = _read(path)
    if unknown := sorted(set(table) - set(labels)):
        raise SettingError(f"{path}: the model has no genre {', '.join(unknown)}; it has {', '.join(labels)}")
    return {label: _words(value, f"{path}: {label}") for label, value in table.items()}


def load_words(
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
    >>> load_words(["hiphop", "jazz", "pop"], {"jazz": "Bebop", "pop": None})
    {'hiphop': 'Hip-Hop', 'jazz': 'Bebop', 'pop': ''}
    """
    words = {label: canonical(label) for label in labels}
    given = _read(Path(own)) if isinstance(own, str | os.PathLike) else own or {}
    for label, word in given.items():
        if label not in words:
            raise SettingError(f"a word for {label!r}, which the model cannot name: it knows {', '.join(words)}")
        if word is not None and not (isinstance(word, str) and word.isprintable()):
            raise SettingError(f"the word for {label} is {word!r}: need text of one line, or nothing to leave it out")
        words[label] = (word or "").strip()
    return words


def sum_by_word(genres: Mapping[str, float], words: Mapping[str, str]) -> dict[str, float]:
    """Turn probabilities of genres into those of words: where genres share a word, theirs add up.

    Parameters
    ----------
    genres : mapping of str to float
        As in :class:`~earmark.inference.verdict.Verdict`.
    words : mapping of str to str
        From :func:`load_words`.

    Returns
    -------
    dict of str to float
        Most probable first.

    Examples
    --------
    >>> sum_by_word({"jazz": 0.5, "metal": 0.375, "rock": 0.125}, {"jazz": "Jazz", "metal": "Rock", "rock": "Rock"})
    {'Jazz': 0.5, 'Rock': 0.5}
    """
    sums: dict[str, float] = {}
    for label, p in genres.items():
        sums[words[label]] = sums.get(words[label], 0.0) + p
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def select_words(words: Mapping[str, float], floor: float, count: int = 1) -> list[str]:
    """Choose the words to write: at most `count`, each at least as probable as `floor`, none that is empty.

    Examples
    --------
    >>> select_words({"Jazz": 0.5, "": 0.3, "Blues": 0.2}, floor=0.2, count=2)
    ['Jazz']
    """
    most = list(words.items())[:count]
    return [word for word, p in most if word and p >= floor]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f'{path}: not TOML ({error}); lines such as hiphop = "Hip-Hop" are wanted') from error


def _words(value: object, where: str) -> tuple[str, ...]:
    words = tuple(value) if isinstance(value, list) else (value,)
    if not all(isinstance(word, str) and word.strip() and word.isprintable() for word in words):
        raise SettingError(f"{where} = {value!r}: a word, or a list of words, is wanted; [] leaves such files alone")
    return words
