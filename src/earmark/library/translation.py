"""Answers in the words of a vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from earmark.inference.genre_names import find_label, spelling_key
from earmark.library.tags.selection import sum_by_word

if TYPE_CHECKING:
    from earmark.inference.verdict import Verdict
    from earmark.library.vocabulary import Vocabulary


def translate_verdict(verdict: Verdict, vocabulary: Vocabulary) -> Verdict:
    """Return the same answer in a vocabulary's words; unknown where it has none for the genre.

    Of genres that share a word the probabilities are added. The words of the genre that is named come first, and the
    first of them is the genre.

    Examples
    --------
    >>> from earmark.inference.verdict import Verdict
    >>> from earmark.library.vocabulary import load_vocabulary
    >>> own = load_vocabulary({"words": {"metal": "Rock", "hiphop": ["Hip-Hop", "Rap"]}})
    >>> heard = {"jazz": 0.375, "rock": 0.25, "metal": 0.25, "hiphop": 0.125}
    >>> one = translate_verdict(Verdict("jazz", None, 0.375, heard, 30.0, (), "mine"), own)
    >>> one.genre, one.confidence, one.genres
    ('Jazz', 0.375, {'Jazz': 0.375, 'Rock': 0.5, 'Hip-Hop': 0.125, 'Rap': 0.125})
    """
    if vocabulary.keeps_names:
        return verdict
    own = vocabulary.translate(verdict.genre) if verdict.genre else ()
    genres = _sum(verdict.genres, vocabulary)
    genres = {**{word: genres[word] for word in own if word in genres}, **genres}
    clips = tuple(replace(clip, genres=_sum(clip.genres, vocabulary)) for clip in verdict.clips)
    return replace(
        verdict,
        genre=next(iter(own), None),
        confidence=genres[own[0]] if own and own[0] in genres else verdict.confidence,
        genres=genres,
        styles=_sum(verdict.styles, vocabulary),
        clips=clips,
    )


def list_words(labels: Iterable[str], vocabulary: Vocabulary) -> list[str]:
    """Return all words that genres may get, each once."""
    return list(dict.fromkeys(chain.from_iterable(map(vocabulary.translate, labels))))


def find_genres(
    names: Iterable[str], labels: Sequence[str], model: str, vocabulary: Vocabulary
) -> tuple[list[str], list[str]]:
    """Find what names mean, each a word or one of the model's genres in any spelling.

    Returns
    -------
    genres : list of str
        The model's genres that are named, and all that share a word with them.
    words : list of str

    Raises
    ------
    SettingError
        If a name is neither.
    """
    by_key = {spelling_key(word): word for word in list_words(labels, vocabulary)}
    named: list[str] = []
    words: list[str] = []
    for name in names:
        if word := by_key.get(spelling_key(name)):
            words.append(word)
        else:
            named.append(find_label(name, labels, model))
    words = list(dict.fromkeys([*words, *list_words(named, vocabulary)]))
    meant = {label for label in labels if not set(words).isdisjoint(vocabulary.translate(label))}
    return [label for label in labels if label in meant.union(named)], words


def _sum(shares: Mapping[str, float], vocabulary: Vocabulary) -> dict[str, float]:
    return {word: share for word, share in sum_by_word(shares, vocabulary).items() if word}
