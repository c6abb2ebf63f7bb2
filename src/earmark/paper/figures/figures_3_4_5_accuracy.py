"""Accuracies as bars: the paper's Figures 3, 4 and 5 with ours, and what each loses when nothing leaks."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from earmark.paper.names import PROTOCOLS
from earmark.paper.rows import OTHERS, PAPER
from earmark.paper.summary import Summary, best_of, protocols_of
from earmark.plotting import (
    FAINT,
    INK,
    PROTOCOL_COLOURS,
    QUIET,
    Drawing,
    label_rows,
    make_figure,
    percent_axis,
    render_figure,
)
from earmark.training.registry import LOG


def draw_rows(name: str, title: str, summaries: Sequence[Summary]) -> Drawing:
    """Draw rows of the paper, at least one: ours by protocol, and what the paper prints."""
    names = {s.recipe: s.short for s in summaries}
    recipes = list(names)
    protocols = protocols_of(summaries)
    # height in mm: for each recipe a bar of each protocol, and a gap
    figure, (axes,) = make_figure(15 + (3.5 + 2.6 * len(protocols)) * len(recipes))
    for s in summaries:
        _draw_bar(axes, s, recipes.index(s.recipe) + _offset(protocols, s.protocol), 0.8 / len(protocols))
    for i, recipe in enumerate(recipes):
        if printed := PAPER.get(recipe.removesuffix(LOG)):
            axes.plot([printed[1]] * 2, [i - 0.45, i + 0.45], color=INK, linewidth=1.6, zorder=4)
    label_rows(axes, range(len(recipes)), [names[recipe] for recipe in recipes])
    percent_axis(axes, max(_reach(s) for s in summaries))
    axes.set_xlabel("accuracy, %")
    _draw_legend(figure, protocols)
    seen = "; ".join(f"{s.short}, {s.protocol}: {100 * s.clip_accuracy.mean:.1f} %" for s in summaries)
    caption = (
        "Bars: share of clips that are right, as the paper counts. Dots: share of whole tracks, with the 95 % interval "
        "over tracks. Black lines: what the paper prints."
    )
    return render_figure(figure, name, title, caption, f"Bar chart of clip accuracy. {seen}.")


def draw_others(summaries: Sequence[Summary]) -> Drawing:
    """Draw the paper's Figure 4: other works' figures, the paper's best, and ours."""
    words, value = max(PAPER.values(), key=lambda row: row[1])
    bars = [(other, accuracy, FAINT) for other, accuracy in OTHERS.items()]
    bars.append((f"The paper's best\n({words.removeprefix('Vanilla ')})", value, QUIET))
    for protocol in protocols_of(summaries):
        best = best_of(summaries, protocol)
        label = f"Our best, {best.heading.lower()}\n({best.short})"
        bars.append((label, best.clip_accuracy.mean, PROTOCOL_COLOURS[protocol]))
    figure, (axes,) = make_figure(14 + 6.5 * len(bars))
    names, values, colours = zip(*bars, strict=True)
    axes.barh(range(len(bars)), values, 0.62, color=colours)
    for i, accuracy in enumerate(values):
        axes.text(accuracy + 0.01, i, f"{100 * accuracy:.1f}", va="center")
    label_rows(axes, range(len(bars)), names)
    percent_axis(axes, 1.06 * max(values))
    axes.set_xlabel("accuracy, %")
    caption = (
        "Grey: what the paper says of other work and its own best, each by its authors' own measure. Coloured: the "
        "best clip accuracy here under each protocol."
    )
    # chr(10), as an f-string may hold no backslash before Python 3.12
    alt = "Bar chart. " + "; ".join(f"{n.replace(chr(10), ' ')}: {100 * v:.1f} %" for n, v, _ in bars) + "."
    return render_figure(figure, "figure-4", "Other work beside ours", caption, alt)


def draw_leak(summaries: Sequence[Summary]) -> Drawing:
    """Draw what each recipe keeps as the protocols grow stricter; at least two of them must have run."""
    protocols = protocols_of(summaries)
    names = {s.recipe: s.short for s in summaries}
    recipes = [r for r in names if sum(s.recipe == r for s in summaries) > 1]
    figure, (axes,) = make_figure(16 + 4.6 * len(recipes))
    for i, recipe in enumerate(recipes):
        own = {s.protocol: s.clip_accuracy.mean for s in summaries if s.recipe == recipe}
        axes.plot([min(own.values()), max(own.values())], [i, i], color=FAINT, linewidth=2.5, zorder=1)
        for protocol, value in own.items():
            axes.plot(value, i, "o", color=PROTOCOL_COLOURS[protocol], markersize=4.5, zorder=3)
    label_rows(axes, range(len(recipes)), [names[recipe] for recipe in recipes])
    percent_axis(axes, max(s.clip_accuracy.mean for s in summaries))
    axes.set_xlabel("clip accuracy, %")
    handles = [
        Line2D([], [], marker="o", linestyle="", markersize=4.5, color=PROTOCOL_COLOURS[p], label=PROTOCOLS[p])
        for p in protocols
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), columnspacing=1.0, handletextpad=0.2)
    caption = "Clip accuracy of each model, split by clips as in the paper, and split so that less or nothing leaks."
    alt = "Dot chart of clip accuracy by protocol; the leak table holds the same numbers."
    return render_figure(figure, "leak", "What the leak is worth", caption, alt)


def _draw_bar(axes: Axes, s: Summary, y: float, height: float) -> None:
    axes.barh(y, s.clip_accuracy.mean, 0.92 * height, color=PROTOCOL_COLOURS[s.protocol])
    low, high = s.interval
    axes.plot([low, high], [y, y], color=QUIET, linewidth=0.8, zorder=3)
    axes.plot(
        s.track_accuracy.mean, y, "o", color="white", markeredgecolor=QUIET, markeredgewidth=0.7, markersize=3, zorder=3
    )


def _reach(s: Summary) -> float:
    # the largest number that a line shows
    printed = PAPER.get(s.base, ("", 0.0))[1]
    return max(s.clip_accuracy.mean, s.interval[1], printed)


def _offset(protocols: Sequence[str], protocol: str) -> float:
    # the bars of a row share 0.8 of its height, their middle is the row's own
    return (protocols.index(protocol) - (len(protocols) - 1) / 2) * 0.8 / len(protocols)


def _draw_legend(figure: Figure, protocols: Sequence[str]) -> None:
    handles = [
        *(Patch(color=PROTOCOL_COLOURS[p], label=PROTOCOLS[p]) for p in protocols),
        Line2D([], [], marker="|", linestyle="", color=INK, markersize=7, markeredgewidth=1.6, label="paper"),
        Line2D(
            [], [], marker="o", color=QUIET, markerfacecolor="white", markersize=3, linewidth=0.8,
            label="whole tracks, 95 %",
        ),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper left", ncols=3, columnspacing=1.0, handletextpad=0.4)
