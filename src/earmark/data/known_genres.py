"""The tracks of a corpus under the labels of a model, and those of genres that it does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from earmark.data.corpus import Corpus
from earmark.data.rare_genres import OTHER, Choices
from earmark.errors import CorpusError
from earmark.inference.genre_names import match_genres, spelling_key


def assign_known_genres(choices: Choices, labels: Sequence[str]) -> tuple[str, ...]:
    """Assign each track the first of its genres that means one of a model's labels.

    Tracks of none are "other" where that is a label, and else of the first of their own.
    """
    known = match_genres({name for own in choices for name in own}, labels, families=True)
    rest = OTHER if OTHER in labels else ""
    return tuple(next((known[name] for name in own if name in known), rest or own[0]) for own in choices)


def divide_by_labels(corpus: Corpus, labels: Sequence[str]) -> tuple[Corpus, Corpus]:
    """Divide a corpus into the tracks that a model can name, under its labels, and the foreign ones, under their own.

    Names are matched in any spelling, and a style counts as its family, which the notes of the first say; see
    :func:`earmark.inference.genre_names.match_genres`.

    Raises
    ------
    CorpusError
        If the model knows none of the genres.
    """
    found = match_genres(corpus.genres, labels, families=True)
    styles = {name: label for name, label in found.items() if spelling_key(name) != spelling_key(label)}
    notes = tuple(f"{name} counts as {label}" for name, label in styles.items())
    named = corpus.rename(found)
    if not set(named.genres) & set(labels):
        raise CorpusError(
            f"the model knows none of the genres of {corpus.name}: {', '.join(corpus.genres)}; "
            f"it knows: {', '.join(labels)}"
        )
    known = [track.genre in labels for track in named.tracks]
    return (
        replace(named.subset([i for i, one in enumerate(known) if one]), notes=notes),
        named.subset([i for i, one in enumerate(known) if not one]),
    )
