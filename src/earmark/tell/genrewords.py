"""From a model's labels to the words that people write in genre tags."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from earmark.errors import SettingError
from earmark.tell.verdict import Verdict

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
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"{path}: the mapping cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f'{path}: not TOML ({error}); lines such as hiphop = "Hip-Hop" are wanted') from error
    if unknown := sorted(set(table) - set(labels)):
        raise SettingError(f"{path}: the model has no genre {', '.join(unknown)}; it has {', '.join(labels)}")
    return {label: _words(value, f"{path}: {label}") for label, value in table.items()}


def _words(value: object, where: str) -> tuple[str, ...]:
    words = tuple(value) if isinstance(value, list) else (value,)
    if not all(isinstance(word, str) and word.strip() and word.isprintable() for word in words):
        raise SettingError(f"{where} = {value!r}: a word, or a list of words, is wanted; [] leaves such files alone")
    return words
