"""How networks learned, epoch by epoch, and how their width matters."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from earmark.errors import format_count
from earmark.paper.names import PROTOCOLS, family
from earmark.paper.runs import Record
from earmark.paper.summary import Summary, protocols_of
from earmark.plotting import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PROTOCOL_COLOURS,
    PURPLE,
    SKY,
    VERMILION,
    Drawing,
    make_figure,
    percent_ticks,
    render_figure,
)
from earmark.training.recipe import Recipe

# Networks in one figure of learning curves.
_MOST = 12
_LINES = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY)


def draw_learning(summaries: Sequence[Summary]) -> Drawing:
    """Draw losses and validation accuracy of networks, at least one, each in a line of panels; the first twelve."""
    recipes = list(dict.fromkeys(s.recipe for s in summaries))[:_MOST]
    figure, panels = make_figure(14 + 25 * len(recipes), len(recipes), 2, sharex="row", sharey="col")
    for recipe, loss, accuracy in zip(recipes, panels[::2], panels[1::2], strict=True):
        own = [s for s in summaries if s.recipe == recipe]
        for s in own:
            _plot_learning(loss, accuracy, s)
        loss.set_title(own[0].short)
    # panels: loss and accuracy of the first network, then of the second, …
    for axes in panels[:2]:
        axes.text(1, 1.04, "loss" if axes is panels[0] else "valid accuracy, %", transform=axes.transAxes, ha="right")
    _loss_axis(panels[0])
    panels[1].set_ylim(0, 1)
    for axes in panels[1::2]:
        percent_ticks(axes.yaxis)
    for axes in panels[-2:]:
        axes.set_xlabel("epoch")
    handles = [Line2D([], [], color=PROTOCOL_COLOURS[p], label=PROTOCOLS[p]) for p in protocols_of(summaries)]
    handles += [Line2D([], [], color=INK, label="valid"), Line2D([], [], color=INK, linestyle=":", label="train")]
    figure.legend(handles=handles, loc="outside upper left", ncols=4, columnspacing=1.0)
    left_out = len({s.recipe for s in summaries}) - len(recipes)
    caption = (
        "Left: mean loss (logarithmic) of the validation clips (solid) and of the training clips (dotted). Right: "
        "share of validation clips that are right. One line a run; the ring marks the epoch that was kept."
        + (f" {left_out} further networks are left out here." if left_out else "")
    )
    alt = f"Learning curves of {len(recipes)} networks; epochs and accuracies are in the table of all results."
    return render_figure(figure, "learning-curves", "How the networks learned", caption, alt)


def draw_width(summaries: Sequence[Summary]) -> Drawing | None:
    """Draw clip accuracy against the number of units, for families of at least three widths; None without any."""
    families = _families(summaries)
    if not families:
        return None
    keys = list(dict.fromkeys((protocol, kind) for protocol, kind, _ in families))
    figure, panels = make_figure(50 * len(keys), len(keys), sharex=True, sharey=True)
    for axes, (protocol, kind) in zip(panels, keys, strict=True):
        lines = [(name, points) for (p, k, name), points in families.items() if (p, k) == (protocol, kind)]
        for i, (name, points) in enumerate(lines):
            _plot_widths(axes, name, points, i)
        axes.set_title(f"{PROTOCOLS[protocol]}: {kind}")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        axes.set_ylabel("clip accuracy, %")
        percent_ticks(axes.yaxis)
        axes.grid(axis="y")
    _width_axis(panels[-1], sorted({_units(p) for points in families.values() for p in points}))
    caption = (
        "Clip accuracy against the units of a layer, for models that are alike in all else; bars are ± one standard "
        "deviation over runs."
    )
    alt = "Line chart of clip accuracy against width; the numbers are in the table of all results."
    return render_figure(figure, "width", "How much width helps", caption, alt)


def _plot_learning(loss: Axes, accuracy: Axes, s: Summary) -> None:
    colour = PROTOCOL_COLOURS[s.protocol]
    for record in s.records:
        history = [row for row in record["history"] if "valid_loss" in row]
        epochs = [row["epoch"] for row in history]
        loss.plot(epochs, [row["train_loss"] for row in history], ":", color=colour)
        loss.plot(epochs, [row["valid_loss"] for row in history], color=colour)
        accuracy.plot(epochs, [row["valid_acc"] for row in history], color=colour)
        if history and s.settings.training.keep == "best":
            kept = _best_epoch(history, s.settings.training.choose_by)
            accuracy.plot(kept["epoch"], kept["valid_acc"], "o", color=colour, markerfacecolor="white", markersize=3.5)


def _best_epoch(history: Sequence[Record], choose_by: str) -> Record:
    """Return the epoch whose weights were kept: the first of the best."""
    by_loss = choose_by == "loss"
    return min(history, key=lambda row: row["valid_loss"] if by_loss else -row["valid_acc"])


def _loss_axis(axes: Axes) -> None:
    """Make an axis logarithmic: recurrent networks begin with losses that are a hundred times those of their end."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 5 * low:
        # within less than a decade no power of ten need be there
        axes.yaxis.set_major_locator(MaxNLocator(4))
    else:
        # within 1.5 decades powers of ten are too few ticks, so 3, 30, … get one too
        few = np.log10(high / low) < 1.5
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)) if few else LogLocator(numticks=4))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def _families(summaries: Sequence[Summary]) -> dict[tuple[str, str, str], list[Summary]]:
    """Group summaries that differ in nothing but units: (protocol, kind, name) → by width."""
    # protocol and all settings but the units, as JSON → units → summary
    groups: dict[str, dict[int, Summary]] = defaultdict(dict)
    for s in summaries:
        settings = s.settings.model_dump(mode="json")
        own = settings["mlp"] if s.settings.mlp else settings["network"]
        # what is left of the settings is what the family has in common
        units = own.pop("units")
        # the same settings under two names count once
        groups[json.dumps([s.protocol, settings], sort_keys=True)].setdefault(units, s)
    wide = [[by_width[u] for u in sorted(by_width)] for by_width in groups.values() if len(by_width) >= 3]
    return {(group[0].protocol, *_name_family(group[0].settings)): group for group in wide}


def _name_family(recipe: Recipe) -> tuple[str, str]:
    log = ", dB" if getattr(recipe.front_end, "log", False) else ""
    if recipe.mlp:
        return "MLP" + log, recipe.mlp.activation
    kind = family(recipe.network).replace("LSTM with attention", "attention")
    return "recurrent" + log, f"{kind}, {format_count(recipe.network.layers, 'layer')}"


def _plot_widths(axes: Axes, name: str, points: Sequence[Summary], i: int) -> None:
    units = [_units(p) for p in points]
    values = [p.clip_accuracy for p in points]
    axes.errorbar(
        units, [v.mean for v in values], [v.deviation or 0 for v in values], label=name, color=_LINES[i % len(_LINES)],
        marker="osD^v<>"[i % 7], markersize=3, elinewidth=0.7,
    )  # fmt: skip


def _units(s: Summary) -> int:
    return s.settings.mlp.units if s.settings.mlp else s.settings.network.units


def _width_axis(axes: Axes, units: Sequence[int]) -> None:
    axes.set_xlabel("units a layer")
    axes.set_xscale("log")
    axes.set_xticks(units, [str(u) for u in units])
    axes.minorticks_off()
