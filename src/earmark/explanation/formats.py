"""The files that an explanation can be written to: a page, a figure, numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from earmark.errors import MissingExtra, SettingError
from earmark.explanation.explanation import Explanation

PAGES = (".html", ".htm")

Format = Callable[[Explanation, Sequence[str]], bytes]
"""Makes the content of a file from an explanation and the genres to show; of no genres, the most probable."""


def find_format(path: Path) -> Format:
    """Return what makes a file of this suffix: .html, .png, .svg or .json.

    Raises
    ------
    SettingError
        If the suffix is none of these, or the path a folder.
    MissingExtra
        If Matplotlib, which draws figures, is not installed.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        raise SettingError(f"{path} is a folder: need the name of a file")
    if suffix in PAGES:
        return lambda explanation, genres: explanation.to_html(genres).encode()
    if suffix == ".json":
        return lambda explanation, genres: (explanation.to_json() + "\n").encode()
    if suffix in (".png", ".svg"):
        return _figure_format(suffix)
    raise SettingError(f"{path}: need a name that ends in .html, .png, .svg or .json")


def _figure_format(suffix: str) -> Format:
    try:
        from earmark.explanation.figure import draw_explanation
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "earmark":
            raise
        raise MissingExtra("a figure", "figures") from error

    def draw(explanation: Explanation, genres: Sequence[str]) -> bytes:
        content: Any = getattr(draw_explanation(explanation, list(genres)), suffix[1:])
        return content.encode() if isinstance(content, str) else bytes(content)

    return draw
