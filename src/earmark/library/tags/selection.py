"""Which genres of an answer are written, for ``earmark tag`` and beets alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, Literal, Self

from earmark.inference.genre_names import spelling_key
from earmark.inference.verdict import Verdict
from earmark.inference.vocabulary import find_family, list_families
from earmark.library.vocabulary import Vocabulary, spell_label

if TYPE_CHECKING:
    from earmark.inference.card import Card

MIN_SHARE = 0.2
"""Least probability at which a genre that is not the most probable one is written too."""


@dataclass(frozen=True)
class GenreSelector:
    """Selects the genres, styles and moods to write for a verdict.

    Attributes
    ----------
    vocabulary : Vocabulary
        The words for labels.
    top : int
        At most so many of the verdict's genres: the most probable one, and others of at least :data:`MIN_SHARE`.
    tag_thresholds : mapping of str to float
        Least confidence at which a genre that the model names is written, by label, as of the model's card; 0 of labels
        that are not in it.
    min_confidence : float, optional
        Least confidence at which anything is written, in place of the model's own thresholds, whatever the model
        itself calls unknown.
    moods : int
        At most so many of the verdict's moods, of at least :data:`MIN_SHARE`.
    thresholds : mapping of str to float
        Of a model that gives several genres: least probability of each, in place of :data:`MIN_SHARE`.
    styles : int
        At most so many of the verdict's styles after the genres, of at least :data:`MIN_SHARE`: those that belong to a
        genre that is written (:func:`earmark.inference.vocabulary.find_family`); any after a genre that is no family.
    """

    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    top: int = 1
    tag_thresholds: Mapping[str, float] = field(default_factory=dict)
    min_confidence: float | None = None
    styles: int = 0
    moods: int = 0
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def for_card(
        cls,
        card: Card,
        vocabulary: Vocabulary,
        *,
        top: int | None = None,
        min_confidence: float | None = None,
        styles: int = 0,
        moods: int = 0,
    ) -> Self:
        """Return what selects from the answers of a model; without `top`, one genre or, where it gives several, all."""
        several = card.thresholds if card.multilabel else {}
        return cls(vocabulary, top or len(several) or 1, card.tag_thresholds, min_confidence, styles, moods, several)

    def for_albums(self, card: Card) -> Self:
        """Return the same for answers to albums: named by the model is sure enough, for tracks that agree tell more."""
        return replace(self, tag_thresholds=card.thresholds)

    def find_threshold(self, verdict: Verdict) -> float:
        """Return the least confidence at which the most probable genre of a verdict is written."""
        own = self.tag_thresholds.get(verdict.best or "", 0.0)
        return own if self.min_confidence is None else self.min_confidence

    def rejects(self, verdict: Verdict) -> Literal["unknown", "unsure"] | None:
        """Return why nothing is to be written: the model names no genre, or is less sure than it has to be."""
        if not verdict.genres or (verdict.genre is None and self.min_confidence is None):
            return "unknown"
        return "unsure" if verdict.confidence < self.find_threshold(verdict) else None

    def select(self, verdict: Verdict) -> tuple[str, ...]:
        """Return the words of the genres to write, each once; none where the verdict is rejected.

        Examples
        --------
        >>> from earmark.library.vocabulary import load_vocabulary
        >>> verdict = Verdict("jazz", None, 0.7, {"jazz": 0.7, "blues": 0.3}, 30.0, (), "model")
        >>> GenreSelector(load_vocabulary({"words": {"jazz": ["Jazz", "Swing"]}}), top=2).select(verdict)
        ('Jazz', 'Swing', 'Blues')
        """
        return () if self.rejects(verdict) else self.guess(verdict)

    def guess(self, verdict: Verdict) -> tuple[str, ...]:
        """Return the words of the genres that come first, however sure; none where the verdict has no genres."""
        return self._translate(self._rank(verdict))

    def _rank(self, verdict: Verdict) -> list[str]:
        # the most probable genre in any case, however many share the rest
        ranked = list(verdict.genres.items())[: self.top]
        return [label for i, (label, p) in enumerate(ranked) if i == 0 or p >= self.thresholds.get(label, MIN_SHARE)]

    def select_styles(self, verdict: Verdict, labels: Iterable[str] | None = None) -> tuple[str, ...]:
        """Return the words of the styles to write, each once, after genres of these labels: those of :meth:`guess`."""
        if not self.styles:
            return ()
        written = set(map(spelling_key, self._rank(verdict) if labels is None else labels))
        any_style = not written.issubset(map(spelling_key, list_families()))

        def belongs(style: str) -> bool:
            # a family is a style of itself too
            return any_style or (spelling_key(find_family(style)) in written and spelling_key(style) not in written)

        likely = (style for style, p in verdict.styles.items() if p >= self.thresholds.get(style, MIN_SHARE))
        return self._translate(islice(filter(belongs, likely), self.styles))

    def select_moods(self, verdict: Verdict) -> tuple[str, ...]:
        """Return the moods to write, spelled as the vocabulary spells genres."""
        moods = list(verdict.moods.items())[: self.moods]
        return tuple(spell_label(mood, self.vocabulary.base) for mood, share in moods if share >= MIN_SHARE)

    @cached_property
    def _words(self) -> Callable[[str], tuple[str, ...]]:
        # a library has 100 000 files, but a model few labels
        return cache(self.vocabulary.translate)

    def _translate(self, labels: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(chain.from_iterable(map(self._words, labels))))


def sum_by_word(genres: Mapping[str, float], vocabulary: Vocabulary) -> dict[str, float]:
    """Turn probabilities of genres into those of words, most probable first; of genres that share a word, the sum.

    Genres without a word share ``""``.

    Examples
    --------
    >>> from earmark.library.vocabulary import load_vocabulary
    >>> own = load_vocabulary({"words": {"jazz": [], "metal": "Rock"}})
    >>> sum_by_word({"jazz": 0.5, "metal": 0.25, "rock": 0.125, "pop": 0.125}, own)
    {'': 0.5, 'Rock': 0.375, 'Pop': 0.125}
    """
    # word → Σ p over its genres
    sums: dict[str, float] = {}
    for label, p in genres.items():
        for word in vocabulary.translate(label) or ("",):
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
