"""Earmark tells the genre of music by ear.

>>> import earmark
>>> tagger = earmark.load()
>>> tagger.labels[:3]
('pop', 'hip hop', 'rock')

``tagger.classify("song.mp3")`` gives a :class:`~earmark.inference.verdict.Verdict`. Importing this package is
cheap; the heavy parts are imported when they are first used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from earmark.errors import EarmarkError

if TYPE_CHECKING:
    from earmark.audio.source import Source
    from earmark.explanation.explainer import Explainer
    from earmark.explanation.explanation import Explanation
    from earmark.inference.tagger import Tagger
    from earmark.inference.verdict import ClipVerdict, Verdict

    __version__: str

__all__ = [
    "ClipVerdict", "EarmarkError", "Explainer", "Explanation", "Tagger", "Verdict", "__version__", "classify",
    "explain", "load",
]  # fmt: skip

_LATE = {
    "ClipVerdict": "earmark.inference.verdict",
    "Explainer": "earmark.explanation.explainer",
    "Explanation": "earmark.explanation.explanation",
    "Tagger": "earmark.inference.tagger",
    "Verdict": "earmark.inference.verdict",
}
"""Where names are that are imported when they are first used."""


def load(model: str | os.PathLike[str] | None = None) -> Tagger:
    """Open a model.

    Parameters
    ----------
    model : path or str, optional
        A model file, or the name of a bundled model; the default bundled model when left out.

    Returns
    -------
    Tagger

    Raises
    ------
    ModelError
        If the file is no model, or was altered.
    """
    from earmark.inference.tagger import Tagger

    return Tagger(model)


def classify(source: Source, *, model: str | os.PathLike[str] | None = None) -> Verdict:
    """Name the genre of one file; for several, :func:`load` once.

    Parameters
    ----------
    source : path or binary file object
    model : path or str, optional
        As in :func:`load`.

    Returns
    -------
    Verdict

    Raises
    ------
    AudioError
        If the file cannot be decoded.
    ModelError
        If the model file is refused.
    """
    return load(model).classify(source)


def explain(source: Source, *, model: str | os.PathLike[str] | None = None) -> Explanation:
    """Find out why one file is called what it is; for several, or a part, use :class:`Explainer`.

    Parameters
    ----------
    source : path or binary file object
    model : path or str, optional
        As in :func:`load`.

    Returns
    -------
    Explanation
        ``explain("song.mp3").to_html()`` is a page to play with.

    Raises
    ------
    AudioError
        If the file cannot be decoded.
    ModelError
        If the model file is refused.
    """
    from earmark.explanation.explainer import Explainer

    return Explainer(model).explain(source)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("earmark")
    if name in _LATE:
        from importlib import import_module

        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'earmark' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
