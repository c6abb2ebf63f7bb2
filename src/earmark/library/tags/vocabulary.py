"""The words that stand for a model's genres in tags: read, checked and applied for ``earmark tag`` and beets alike."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from earmark.errors import SettingError
from earmark.inference.genre_names import match_genres, spelling_key
from earmark.inference.verdict import Verdict

MIN_SHARE = 0.2
"""Least probability at which a genre that is not the most probable one is written too."""

# what capitals at the beginning of each word do not give, by spelling key
_SPELLINGS = {
    "hiphop": "Hip-Hop", "triphop": "Trip-Hop", "r&b": "R&B", "drum&bass": "Drum & Bass", "rock&roll": "Rock & Roll",
    "edm": "EDM", "idm": "IDM", "kpop": "K-Pop", "jpop": "J-Pop", "lofi": "Lo-Fi", "acappella": "A Cappella",
}  # fmt: skip


def spell_label(label: str) -> str:
    """Spell a model's label as tags usually have it; one with capitals is left as it is.

    Examples
    --------
    >>> spell_label("hiphop"), spell_label("new age"), spell_label("IDM")
    ('Hip-Hop', 'New Age', 'IDM')
    """
    if label != label.lower():
        return label
    words = label.replace("_", " ").split(" ")
    return _SPELLINGS.get(spelling_key(label)) or " ".join(word[:1].upper() + word[1:] for word in words)


def load_words(
    labels: Iterable[str], own: Mapping[str, Any] | str | os.PathLike[str] | None = None, *, raw: bool = False
) -> dict[str, tuple[str, ...]]:
    """Return the words that stand for each genre of a model.

    Parameters
    ----------
    labels : iterable of str
        The model's genres, and styles.
    own : mapping or path, optional
        The user's words, by label in any spelling: a word, a list of words, or nothing (``""``, ``[]``, None) to keep
        it out of tags. Labels may share words. A path is that of a TOML file of lines ``hiphop = ["Hip-Hop", "Rap"]``.
    raw : bool
        Other labels as they are, instead of as :func:`spell_label` spells them.

    Raises
    ------
    SettingError
        If the file cannot be read, names a genre that the model lacks, or gives anything but words of one line.

    Examples
    --------
    >>> load_words(["hiphop", "jazz", "pop"], {"jazz": ["Jazz", "Swing"], "pop": None})
    {'hiphop': ('Hip-Hop',), 'jazz': ('Jazz', 'Swing'), 'pop': ()}
    """
    words = {label: (label if raw else spell_label(label),) for label in labels}
    # by what an error names the map
    source, given = ("map", own or {}) if isinstance(own, Mapping | None) else (str(own), _read_toml(Path(own)))
    known = match_genres(map(str, given), list(words))
    given = {known.get(str(label), str(label)): value for label, value in given.items()}
    if unknown := sorted(given.keys() - words.keys()):
        raise SettingError(f"{source}: the model has no genre {', '.join(unknown)}; it has {', '.join(words)}")
    return words | {label: _check_words(value, f"{source}: {label}") for label, value in given.items()}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f'{path}: not TOML ({error}); lines such as "hip hop" = "Rap" are wanted') from error


def _check_words(value: object, where: str) -> tuple[str, ...]:
    if value is None or (isinstance(value, str) and value.isprintable() and not value.strip()):
        return ()
    words = tuple(value) if isinstance(value, list) else (value,)
    if not all(isinstance(word, str) and word.strip() and word.isprintable() for word in words):
        raise SettingError(f"{where} = {value!r}: a word, or a list of words, is wanted; [] leaves such files alone")
    return tuple(word.strip() for word in words)


@dataclass(frozen=True)
class GenreSelector:
    """Selects the genres to write for a verdict.

    Attributes
    ----------
    words : mapping of str to tuple of str
        What stands for each label, see :func:`load_words`; for one that is missing, :func:`spell_label`'s.
    top : int
        At most so many of the verdict's genres: the most probable one, and others of at least :data:`MIN_SHARE`.
    tag_threshold : float
        Least confidence at which a genre that the model names is written, as of the model's card.
    min_confidence : float, optional
        Least confidence at which anything is written, in place of the model's own thresholds, whatever the model
        itself calls unknown.
    thresholds : mapping of str to float
        Of a model that gives several genres: least probability of each, in place of :data:`MIN_SHARE`.
    styles : int
        At most so many of the verdict's styles after the genres, of at least :data:`MIN_SHARE`.
    """

    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    top: int = 1
    tag_threshold: float = 0.0
    min_confidence: float | None = None
    styles: int = 0
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @property
    def threshold(self) -> float:
        """Least confidence at which a genre is written."""
        return self.tag_threshold if self.min_confidence is None else self.min_confidence

    def rejects(self, verdict: Verdict) -> Literal["unknown", "unsure"] | None:
        """Return why nothing is to be written: the model names no genre, or is less sure than it has to be."""
        if not verdict.genres or (verdict.genre is None and self.min_confidence is None):
            return "unknown"
        return "unsure" if verdict.confidence < self.threshold else None

    def select(self, verdict: Verdict) -> tuple[str, ...]:
        """Return the words to write, each once; none where the verdict is rejected.

        Examples
        --------
        >>> verdict = Verdict("jazz", None, 0.7, {"jazz": 0.7, "blues": 0.3}, 30.0, (), "model")
        >>> GenreSelector({"jazz": ("Jazz", "Swing")}, top=2).select(verdict)
        ('Jazz', 'Swing', 'Blues')
        """
        if self.rejects(verdict):
            return ()
        # the most probable genre in any case, however many share the rest
        best, *others = list(verdict.genres.items())[: self.top]
        others += list(verdict.styles.items())[: self.styles]
        labels = [best[0], *(label for label, share in others if share >= self.thresholds.get(label, MIN_SHARE))]
        words = [self.words.get(label, (spell_label(label),)) for label in labels]
        return tuple(dict.fromkeys(word for some in words for word in some))


def sum_by_word(genres: Mapping[str, float], words: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """Turn probabilities of genres into those of words, most probable first; of genres that share a word, the sum.

    Genres without a word share ``""``.

    Examples
    --------
    >>> rock = ("Rock",)
    >>> sum_by_word({"jazz": 0.5, "metal": 0.25, "rock": 0.125, "pop": 0.125}, {"jazz": (), "metal": rock})
    {'': 0.5, 'Rock': 0.375, 'Pop': 0.125}
    """
    # word → Σ p over its genres
    sums: dict[str, float] = {}
    for label, p in genres.items():
        for word in words.get(label, (spell_label(label),)) or ("",):
            sums[word] = sums.get(word, 0.0) + p
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def select_words(words: Mapping[str, float], min_probability: float, count: int = 1) -> list[str]:
    """Return at most `count` of the most probable words, each of at least `min_probability`, none that is empty.

    Examples
    --------
    >>> select_words({"Jazz": 0.5, "": 0.3, "Blues": 0.2}, 0.2, count=2)
    ['Jazz']
    """
    return [word for word, p in list(words.items())[:count] if word and p >= min_probability]
