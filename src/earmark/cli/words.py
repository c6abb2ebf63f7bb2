"""The words that genres get in a command: those of a vocabulary, for all that the model or a correction may say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earmark.library.library import Library
    from earmark.library.vocabulary import Vocabulary


def load_words(
    name: str | None, told: Iterable[str], library: Library | None = None, *, parents: bool, depth: int | None
) -> Vocabulary:
    """Load a vocabulary: words for what a model tells, genres and styles, and for the corrections of a library.

    `parents` and `depth` are those of :class:`earmark.library.vocabulary.Vocabulary`.
    """
    from earmark.library.vocabulary import load_vocabulary

    known = (*told, *(library.corrections().values() if library else ()))
    return load_vocabulary(name, known, with_parents=parents, depth=depth)
