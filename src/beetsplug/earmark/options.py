"""The options of the beets plugin, and what they ask for; what is wrong with one is the user's error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import confuse
from beets import ui
from beets.ui import UserError  # type: ignore[attr-defined]  # where beets 2.0 and 2.14 both have it

from earmark.errors import EarmarkError
from earmark.library.tags.selection import GenreSelector
from earmark.library.vocabulary import BUILT_IN, load_vocabulary

if TYPE_CHECKING:
    from earmark.inference.card import Card
    from earmark.inference.tagger import Tagger

DEFAULTS: dict[str, Any] = {
    "auto": True,
    "count": 1,
    "depth": None,
    "force": False,
    "jobs": 0,
    "keep_existing": False,
    "min_confidence": None,
    "model": None,
    "moods": 0,
    "parents": False,
    "pretend": False,
    "preview": False,
    "quiet": False,
    "review": False,
    "separator": ", ",
    "source": "track",
    "styles": 0,
    "vocabulary": "beets",
    "write": None,
}
"""Options; None: the model's own threshold for tags, the bundled model, beets' own ``import.write``."""

_TYPES = {
    **{name: bool for name, value in DEFAULTS.items() if isinstance(value, bool)},
    **dict.fromkeys(("count", "jobs", "moods", "styles"), confuse.Integer()),
    "depth": confuse.Optional(confuse.Integer()),
    "min_confidence": confuse.Optional(confuse.Number()),
    "model": confuse.Optional(confuse.String()),
    "separator": confuse.String(),
    "source": confuse.Choice(["track", "album"]),
    "write": confuse.Optional(bool),
}

_LOWEST = {"count": 1, "depth": 1, "jobs": 0, "min_confidence": 0, "moods": 0, "styles": 0}


def check_options(given: confuse.ConfigView) -> confuse.AttrDict[str, Any]:
    """Return the options, each of its type and within its bounds."""
    try:
        unknown = set(given.keys()) - set(DEFAULTS)
        options: confuse.AttrDict[str, Any] = given.get(_TYPES)
    except confuse.ConfigError as error:
        raise UserError(str(error)) from error
    if unknown:
        raise UserError(f"earmark: no option {', '.join(sorted(unknown))}; there are {', '.join(DEFAULTS)}")
    for name, lowest in _LOWEST.items():
        value = options[name]
        if value is not None and (value < lowest or (name == "min_confidence" and value > 1)):
            allowed = "between 0 and 1" if name == "min_confidence" else f"at least {lowest}"
            raise UserError(f"earmark.{name}: {value}, must be {allowed}")
    if options.write is None:
        options.write = ui.should_write()
    return options


def open_tagger(options: confuse.AttrDict[str, Any]) -> Tagger:
    """Return the model that is asked for."""
    from earmark.inference.tagger import Tagger

    try:
        return Tagger(options.model)
    except EarmarkError as error:
        raise UserError(f"earmark: {error}") from error


def make_selector(vocabulary: confuse.ConfigView, options: confuse.AttrDict[str, Any], card: Card) -> GenreSelector:
    """Return what selects the words to write for a model's answers."""
    words = vocabulary.get()
    try:
        if isinstance(words, str) and words not in BUILT_IN:
            words = vocabulary.as_filename()
        elif not isinstance(words, str | Mapping):
            raise UserError(
                f"earmark.vocabulary: {words!r}, must be one of {', '.join(BUILT_IN)}, the path of a YAML file, or "
                "what such a file holds"
            )
        loaded = load_vocabulary(words, (*card.labels, *card.styles), with_parents=options.parents, depth=options.depth)
    except (EarmarkError, confuse.ConfigError) as error:
        raise UserError(f"earmark: {error}") from error
    return GenreSelector(
        loaded, options.count, card.tag_thresholds, options.min_confidence,
        styles=options.styles, moods=options.moods,
    )  # fmt: skip
