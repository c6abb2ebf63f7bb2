"""An explanation as the library gives it: its numbers, and the page made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.explanation.data import ExplanationData
from earmark.explanation.page import make_page


@dataclass(frozen=True, eq=False)
class Explanation(ExplanationData):
    """Why a track was called what it was. The attributes are those of :class:`ExplanationData`."""

    def to_html(self, genres: Sequence[str] = (), title: str | None = None) -> str:
        """Return a page that needs nothing else: see :func:`earmark.explanation.page.make_page`."""
        return make_page(self, genres, title)
