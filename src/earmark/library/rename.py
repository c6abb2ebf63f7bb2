"""New names for all tracks of a library, by another model, from what the encoder heard: no file is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from earmark.errors import LibraryError, SettingError
from earmark.inference.aggregate import make_answer
from earmark.inference.genre_names import match_genres
from earmark.inference.head import Head
from earmark.inference.model import Model
from earmark.inference.verdict import Verdict
from earmark.library.library import Library
from earmark.library.records import ModelKey, StoredVerdict

_BLOCK = 200
"""Tracks that are named at once."""


@dataclass
class Renaming:
    """What became of the answers of a library.

    Attributes
    ----------
    source, key : ModelKey
        Whose answers there were, and whose there are now.
    n_named : int
        Tracks that have a new answer, or none again, for they are no music or failed.
    n_unheard : int
        Tracks that keep their old answer alone, for the library has no embedding of them.
    changes : Counter of (str or None, str or None)
        How many tracks changed from which genre to which; None is unknown. Another spelling is no change.
    """

    source: ModelKey
    key: ModelKey
    n_named: int = 0
    n_unheard: int = 0
    changes: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)


def rename(library: Library, model: Model) -> Renaming:
    """Let a model name all tracks whose embeddings a library keeps, and store its answers beside those there are.

    A track gets the genre that the model would hear, see :mod:`earmark.inference.head`. What failed, is silent, too
    short or no music stays so, and styles and moods stay as they are.

    Parameters
    ----------
    library : Library
    model : Model
        With a head. It begins from the answers last used, or from those of its base.

    Raises
    ------
    SettingError
        If the model has no head, or there are no answers to begin from.
    LibraryError
        If the library keeps no embeddings.
    """
    head = Head(model)
    source = _choose_source(library, model)
    done = Renaming(source, ModelKey.of(model, preview=source.preview))
    library.store_many(done.key, _rename(library.query(source, embeddings=True), head, done))
    if done.n_unheard and not done.n_named:
        raise LibraryError(
            f"{library.path}: the answers of {source.name} were kept without embeddings, so the files must be heard "
            "once more: 'earmark classify --library' with a bundled model, or one trained anew on the encoder"
        )
    return done


def _choose_source(library: Library, model: Model) -> ModelKey:
    card = model.card
    for key, _ in library.models():
        if key.checksum != card.checksum and card.base in ("", key.checksum):
            return key
    wanted = f"the model {card.base[:8]}, which it goes on from" if card.base else "another model"
    raise SettingError(
        f"{library.path}: {model.name} cannot name files again, for there are no answers of {wanted}; "
        "'earmark classify --library' hears them"
    )


def _rename(rows: Iterable[StoredVerdict], head: Head, done: Renaming) -> Iterator[StoredVerdict]:
    """Yield rows with their new answers, and count them."""
    rows = iter(rows)
    # the new model's labels as the old one spells them
    spelled = match_genres(done.key.labels, done.source.labels)
    while block := list(islice(rows, _BLOCK)):
        for row, verdict in zip(block, _answer([row.verdict for row in block], head, done.source), strict=True):
            if verdict is None:
                done.n_unheard += 1
                continue
            done.n_named += 1
            before, after = row.verdict.genre, verdict.genre
            if before != (after and spelled.get(after, after)):
                done.changes[before, after] += 1
            yield row._replace(verdict=verdict)


def _answer(verdicts: Sequence[Verdict], head: Head, source: ModelKey) -> Iterator[Verdict | None]:
    """Yield the new answer to each; None where there is nothing to answer from."""
    card = head.card
    heard = [(v.genres, v.embedding) for v in verdicts if v.genres and v.embedding is not None]
    # (tracks, labels); read only by models that go on from these answers
    base = (
        np.array([[genres[label] for label in source.labels] for genres, _ in heard]) if card.base and heard else None
    )
    means = iter(head.predict(np.stack([embedding for _, embedding in heard]), base).split() if heard else ())
    for verdict in verdicts:
        if not verdict.genres:
            yield replace(verdict, model=card.name)
        elif verdict.embedding is None:
            yield None
        else:
            answer = make_answer(next(means), card, card.calibration.track_temperature)
            kept = answer._replace(styles=verdict.styles, moods=verdict.moods)
            yield replace(verdict, model=card.name, **kept._asdict())
