"""Summaries → the cells of the report's tables, as words and numbers ready to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.files import slug
from earmark.paper.names import PROTOCOLS
from earmark.paper.rows import PAPER
from earmark.paper.summary import MeanStd, Summary, protocols_of
from earmark.paper.text import accuracy_gains, percent


@dataclass(frozen=True)
class Cell:
    """An accuracy in a table, in per cent: of clips with its deviation over runs, of tracks with its 95 % interval.

    The deviation is "" for one run, the interval like "38–50"; `anchor` is the row's place in the appendix.
    """

    clips: str
    deviation: str
    tracks: str
    interval: str
    anchor: str


@dataclass(frozen=True)
class Model:
    """A line of a table: a model in words, its recipe and place in the appendix, and a cell for each column.

    `paper` is what the paper prints, per cent, or ""; a cell is None where nothing was run.
    """

    words: str
    name: str
    anchor: str
    paper: str
    cells: list[Cell | None]


@dataclass(frozen=True)
class Comparison:
    """The paper's figures beside ours; `groups` are protocols' headings, with the variants of each: "linear", "dB"."""

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


def tabulate_accuracy(summaries: Sequence[Summary]) -> Comparison:
    """Lay out recipes by line, protocols and front ends by column; a recipe and its ``-log`` variant share a line."""
    found = {(s.base, s.protocol, s.recipe != s.base): s for s in summaries}  # recipe, protocol, in dB
    # (protocol, in dB): the columns
    ran = {key[1:] for key in found}
    columns = [(p, log) for p in protocols_of(summaries) for log in (False, True) if (p, log) in ran]
    groups = [
        (PROTOCOLS[p], ["dB" if log else "linear" for q, log in columns if q == p])
        for p in dict.fromkeys(p for p, _ in columns)
    ]
    models = []
    for base in dict.fromkeys(key[0] for key in found):
        some = next(s for key, s in found.items() if key[0] == base)
        cells = [_make_cell(found.get((base, p, log))) for p, log in columns]
        paper = percent(PAPER[base][1]) if base in PAPER else ""
        models.append(Model(some.words, base, model_anchor(some.recipe), paper, cells))
    return Comparison(groups, models)


@dataclass(frozen=True)
class Gains:
    """What each model gains, in clip accuracy, as protocols grow looser.

    `strict` is the heading of the protocol that the others, `looser`, are compared with. A line is a model in
    words, its anchor, its accuracy under the strict one, and (accuracy, change) under each other, in per cent and
    points.
    """

    strict: str
    looser: list[str]
    lines: list[tuple[str, str, str, list[tuple[str, str] | None]]]


def tabulate_gains(summaries: Sequence[Summary]) -> Gains | None:
    """Lay out the leak table; None where fewer than two protocols ran with the same recipe."""
    strict, *looser = protocols_of(summaries) or [""]
    gained = {p: accuracy_gains(summaries, strict, p) for p in looser}
    found = {(s.recipe, s.protocol): s for s in summaries}
    # recipes that ran under the strict protocol and at least one other
    recipes = [r for r in dict.fromkeys(s.recipe for s in summaries) if any(r in by for by in gained.values())]
    if not recipes:
        return None
    lines = []
    for recipe in recipes:
        base = found[recipe, strict]
        cells = [
            (percent(found[recipe, p].clip_accuracy.mean), format_change(by[recipe])) if recipe in by else None
            for p, by in gained.items()
        ]
        lines.append((base.short, model_anchor(recipe), percent(base.clip_accuracy.mean), cells))
    return Gains(PROTOCOLS[strict], [PROTOCOLS[p] for p in looser], lines)


def format_change(change: float) -> str:
    """Write a change in percentage points.

    Examples
    --------
    >>> format_change(-0.123), format_change(0.004), format_change(-0.0001)
    ('−12.3', '+0.4', '0.0')
    """
    text = f"{100 * abs(change):.1f}"
    return text if text == "0.0" else ("−" if change < 0 else "+") + text


def format_mean_std(value: MeanStd | None, digits: int = 1, factor: float = 1.0) -> str:
    """Write a mean ± its standard deviation; a dash where there is none.

    Examples
    --------
    >>> format_mean_std(MeanStd(0.5, 0.01), factor=100), format_mean_std(MeanStd(12.0, None), 0), format_mean_std(None)
    ('50.0 ± 1.0', '12', '–')
    """
    if value is None:
        return "–"
    # a narrow no-break space between thousands
    mean = f"{factor * value.mean:,.{digits}f}".replace(",", "\u202f")
    return mean if value.deviation is None else f"{mean} ± {factor * value.deviation:.{digits}f}"


def format_interval(s: Summary) -> str:
    """Write the 95 % interval of the track accuracy in whole per cent, "38–50"."""
    low, high = s.interval
    return f"{100 * low:.0f}–{100 * high:.0f}"


def model_anchor(recipe: str) -> str:
    """Return the place of a model in the appendix."""
    return f"model-{slug(recipe)}"


def anchor(s: Summary) -> str:
    """Return the place of a summary in the appendix."""
    return f"row-{slug(s.recipe)}-{s.protocol}"


def _make_cell(s: Summary | None) -> Cell | None:
    if s is None:
        return None
    clips, tracks = s.clip_accuracy, s.track_accuracy
    deviation = "" if clips.deviation is None else f"{100 * clips.deviation:.1f}"
    return Cell(percent(clips.mean), deviation, percent(tracks.mean), format_interval(s), anchor(s))
