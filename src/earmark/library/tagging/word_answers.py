"""Answers in the words of a vocabulary, for programs that keep genres in fields of their own, such as beets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from earmark.inference.genre_names import spelling_key
from earmark.inference.verdict import Verdict
from earmark.library.albums import describe_outlier, disagrees, pool_album, tell_kind
from earmark.library.tags.plan import PlanRow
from earmark.library.tags.selection import GenreSelector, select_words, sum_by_word
from earmark.library.vocabulary import Vocabulary

if TYPE_CHECKING:
    from earmark.inference.card import Card
    from earmark.library.tags.file_tags import FileTags


class WordAnswer(NamedTuple):
    """What is said of a track or an album, in words.

    Attributes
    ----------
    best : str
        The most probable word, whether or not it is sure enough; empty where there is none.
    confidence : float
        Its probability: the sum over the genres that share it.
    reason : str
        Why nothing is to be written; or "unlike its album" and what it is, which a person may want to look at.
    genres : tuple of str
        Words to write: genres, then styles.
    moods : tuple of str
        Words to write.
    """

    best: str
    confidence: float
    reason: str = ""
    genres: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()

    def plan(self, row: PlanRow) -> PlanRow:
        """Return the row of a plan that has these words; where they are unsure, for a person to decide."""
        row = replace(row, moods=self.moods, confidence=self.confidence, reason=self.reason)
        if self.genres:
            return replace(row, action="review" if self.reason else "write")
        return replace(row, genre=(self.best,), action="review") if self.best else row


@dataclass(frozen=True)
class WordNamer:
    """Names tracks and albums in words.

    Attributes
    ----------
    card : Card
        Of the model that gave the verdicts.
    selector : GenreSelector
        Which words are written. Of an album, whose tracks differ, less confidence suffices than its `tag_thresholds`:
        the model's threshold of "unknown".
    """

    card: Card
    selector: GenreSelector

    def name_tracks(self, tracks: Sequence[tuple[Verdict, FileTags]]) -> list[WordAnswer]:
        """Name tracks, each for itself."""
        return [_choose_words(verdict, self.selector) for verdict, _ in tracks]

    def name_album(self, tracks: Sequence[tuple[Verdict, FileTags]]) -> WordAnswer | None:
        """Name an album by the mean of its tracks, a single track as such; None of a compilation or a box set."""
        kind = tell_kind([tags for _, tags in tracks])
        if kind == "track":
            return self.name_tracks(tracks)[0]
        return self._name_pooled(pool_album([verdict for verdict, _ in tracks], self.card)) if kind == "album" else None

    def name_together(self, tracks: Sequence[tuple[Verdict, FileTags]]) -> list[WordAnswer]:
        """Name the tracks of an album, each as all together; of one that is of another genre, the reason says so.

        Those of a compilation or a box set are named each for itself.
        """
        answers = self.name_tracks(tracks)
        if tell_kind([tags for _, tags in tracks]) != "album":
            return answers
        verdicts = [verdict for verdict, _ in tracks]
        pooled = pool_album(verdicts, self.card)
        shared = (self._name_pooled(replace(pooled, moods=verdict.moods)) for verdict in verdicts)
        named = []
        for verdict, own, answer in zip(verdicts, answers, shared, strict=True):
            differs = disagrees(verdict, verdicts, self.card)
            odd = describe_outlier(own.best, own.confidence) if differs else ""
            named.append(answer._replace(best=own.best, confidence=own.confidence, reason=odd or answer.reason))
        return named

    def _name_pooled(self, pooled: Verdict) -> WordAnswer:
        return _choose_words(pooled, self.selector.for_albums(self.card))


def _choose_words(verdict: Verdict, selector: GenreSelector) -> WordAnswer:
    # of what is unlike the model's music no confidence says much, unless the user has set one
    unlike = verdict.reason == "unlike what it learned" and selector.min_confidence is None
    # parents would take the place of further genres, and have their sum
    plain = replace(selector.vocabulary, with_parents=False)
    words = {} if unlike else sum_by_word(verdict.genres, plain)
    best, confidence = next(iter(words.items()), ("", 0.0))
    chosen = select_words(words, selector.find_threshold(verdict), selector.top)
    genres = _add_parents(chosen, selector.vocabulary)
    if not genres:
        left_out = "your words have none for it" if words and not best else ""
        return WordAnswer(best, confidence, left_out or verdict.reason or verdict.error or "not sure enough")
    labels = (label for label in verdict.genres if not set(chosen).isdisjoint(plain.translate(label)))
    genres += selector.select_styles(verdict, labels)
    return WordAnswer(best, confidence, "", tuple(dict.fromkeys(genres)), selector.select_moods(verdict))


def _add_parents(words: list[str], vocabulary: Vocabulary) -> list[str]:
    if not vocabulary.with_parents:
        return words
    allowed = vocabulary.whitelist
    line = chain.from_iterable(map(vocabulary.lineage, words))
    return [word for word in line if allowed is None or spelling_key(word) in allowed]
