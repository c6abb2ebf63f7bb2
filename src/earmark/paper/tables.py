"""Summaries → the cells of the report's tables, as words and numbers ready to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.files import slug
from earmark.paper.names import PROTOCOLS, in_words
from earmark.paper.rows import PAPER
from earmark.paper.summary import Spread, Summary, protocols_of
from earmark.paper.text import drops, percent
from earmark.training.registry import LOG


@dataclass(frozen=True)
class Figure:
    """An accuracy in a table, in per cent.

    Attributes
    ----------
    clips, deviation : str
        Clip accuracy, and its spread over runs ("" for one run).
    tracks, interval : str
        Track accuracy, and its 95 % interval, "38–50".
    anchor : str
        Of the row's place in the appendix.
    """

    clips: str
    deviation: str
    tracks: str
    interval: str
    anchor: str


@dataclass(frozen=True)
class Model:
    """A line of a table.

    Attributes
    ----------
    words, name, anchor : str
        In words, the recipe's name, and its place in the appendix.
    paper : str
        What the paper prints, per cent; empty for what it does not have.
    cells : list of Figure or None
        By column; None where nothing was run.
    """

    words: str
    name: str
    anchor: str
    paper: str
    cells: list[Figure | None]


@dataclass(frozen=True)
class Comparison:
    """The paper's figures beside ours.

    Attributes
    ----------
    groups : list of (str, list of str)
        Protocols' headings, and the variants of each: "linear", "dB".
    models : list of Model
    """

    groups: list[tuple[str, list[str]]]
    models: list[Model]

    @property
    def paper(self) -> bool:
        """Whether the paper prints anything of these models."""
        return any(model.paper for model in self.models)

    @property
    def variants(self) -> bool:
        """Whether any protocol has both variants."""
        return any(names != ["linear"] for _, names in self.groups)

    @property
    def columns(self) -> list[str]:
        """Heading of each column in one line."""
        return [f"{head}, {name}" if self.variants else head for head, names in self.groups for name in names]


def compare(summaries: Sequence[Summary]) -> Comparison:
    """Lay out recipes by line, protocols and front ends by column.

    Parameters
    ----------
    summaries : sequence of Summary
        Recipes that differ only in ``-log`` share a line.

    Returns
    -------
    Comparison
    """
    found = {(s.recipe.removesuffix(LOG), s.protocol, s.recipe.endswith(LOG)): s for s in summaries}
    columns = [(p, log) for p in protocols_of(summaries) for log in (False, True)]
    columns = [(p, log) for p, log in columns if any(key[1:] == (p, log) for key in found)]
    groups = [
        (PROTOCOLS[p], ["dB" if log else "linear" for q, log in columns if q == p])
        for p in dict.fromkeys(p for p, _ in columns)
    ]
    models = []
    for base in dict.fromkeys(key[0] for key in found):
        some = next(s for key, s in found.items() if key[0] == base)
        cells = [_figure(found.get((base, p, log))) for p, log in columns]
        paper = percent(PAPER[base][1]) if base in PAPER else ""
        models.append(Model(in_words(base, some.settings), base, f"model-{slug(some.recipe)}", paper, cells))
    return Comparison(groups, models)


@dataclass(frozen=True)
class Losses:
    """What each model loses as protocols grow stricter, in clip accuracy.

    Attributes
    ----------
    loosest : str
        Heading of the protocol that the others are compared with.
    stricter : list of str
        Headings of the others.
    lines : list of (words, anchor, accuracy, list of (accuracy, change) or None)
        In per cent and percentage points, "−12.3".
    """

    loosest: str
    stricter: list[str]
    lines: list[tuple[str, str, str, list[tuple[str, str] | None]]]


def losses(summaries: Sequence[Summary]) -> Losses | None:
    """Lay out the leak table; None where fewer than two protocols ran with the same recipe."""
    loosest, *stricter = protocols_of(summaries) or [""]
    lost = {p: drops(summaries, p, loosest) for p in stricter}
    found = {(s.recipe, s.protocol): s for s in summaries}
    recipes = [r for r in dict.fromkeys(s.recipe for s in summaries) if any(r in by for by in lost.values())]
    if not recipes:
        return None
    lines = []
    for recipe in recipes:
        base = found[recipe, loosest]
        cells = [
            (percent(found[recipe, p].clip_accuracy.mean), format_change(-lost[p][recipe]))
            if recipe in lost[p]
            else None
            for p in stricter
        ]
        lines.append((base.short, f"model-{slug(recipe)}", percent(base.clip_accuracy.mean), cells))
    return Losses(PROTOCOLS[loosest], [PROTOCOLS[p] for p in stricter], lines)


def format_change(change: float) -> str:
    """Write a change in percentage points.

    Examples
    --------
    >>> format_change(-0.123), format_change(0.004), format_change(-0.0001)
    ('−12.3', '+0.4', '0.0')
    """
    text = f"{100 * abs(change):.1f}"
    return text if text == "0.0" else ("−" if change < 0 else "+") + text


def format_spread(value: Spread | None, digits: int = 1, factor: float = 1.0) -> str:
    """Write a mean ± its spread; a dash where there is none.

    Examples
    --------
    >>> format_spread(Spread(0.5, 0.01), factor=100), format_spread(Spread(12.0, None), 0), format_spread(None)
    ('50.0 ± 1.0', '12', '–')
    """
    if value is None:
        return "–"
    mean = f"{factor * value.mean:,.{digits}f}".replace(",", "\u202f")
    return mean if value.deviation is None else f"{mean} ± {factor * value.deviation:.{digits}f}"


def format_interval(s: Summary) -> str:
    """Write the 95 % interval of the track accuracy in whole per cent, "38–50"."""
    low, high = s.interval
    return f"{100 * low:.0f}–{100 * high:.0f}"


def anchor(s: Summary) -> str:
    """Return the place of a summary in the appendix."""
    return f"row-{slug(s.recipe)}-{s.protocol}"


def _figure(s: Summary | None) -> Figure | None:
    if s is None:
        return None
    clips, tracks = s.clip_accuracy, s.track_accuracy
    deviation = "" if clips.deviation is None else f"{100 * clips.deviation:.1f}"
    return Figure(percent(clips.mean), deviation, percent(tracks.mean), format_interval(s), anchor(s))
