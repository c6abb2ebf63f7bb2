"""How the outcome of ``earmark stress`` looks: steadiness, confidence, sounds that are no music."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from earmark.cli.commands.evaluate_view import render_foreign, render_rejection
from earmark.cli.text import bar

if TYPE_CHECKING:
    from earmark.evaluation.robustness_report import RobustnessReport


def render_outcome(title: str, outcome: RobustnessReport, warning: str = "") -> RenderableType:
    """Return all that was found out as a page; the warning, if any, stands below the title."""
    named = f", {outcome.named_accuracy:.1%} of them rightly" if outcome.coverage else ""
    chance = f"{1 - outcome.accuracy:.3f} if confidence told nothing"
    area = f"Area under the risk–coverage curve: {outcome.aurc:.3f}; {chance}."
    return Group(
        Text(title, style="dim"),
        *([Text(warning, style="red")] if warning else []),
        Text(),
        _steadiness(outcome),
        Text("same genre: the most probable stays; same answer: also whether it is unknown", style="dim"),
        Text(),
        Text(f"{outcome.coverage:.1%} of the tracks are named{named}.", style="dim"),
        _curve(outcome),
        Text(area, style="dim"),
        Text(),
        Text("Sounds that are no music, and how many are given a genre all the same:", style="dim"),
        render_rejection(outcome.rejection, "kind", "sounds"),
        *render_foreign(outcome.foreign),
    )


def _steadiness(outcome: RobustnessReport) -> Table:
    """Return one row a distortion: in how many tracks the answer stays, and how many are right then."""
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column("distortion", no_wrap=True)
    table.add_column("same genre", justify="right", no_wrap=True)
    table.add_column(no_wrap=True)  # the bar
    for name in ("same answer", "right"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row(Text("none", style="bold"), "", "", "", f"{outcome.accuracy:.1%}")
    for row in outcome.steadiness:
        figures = (f"{share:.1%}" for share in (row.verdict_agreement, row.accuracy))
        table.add_row(Text(row.what), Text(f"{row.agreement:.1%}", style="bold"), bar(row.agreement), *figures)
    return table


def _curve(outcome: RobustnessReport) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column("most confident", style="dim", no_wrap=True)
    for point in outcome.curve:
        table.add_column(f"{point['coverage']:.0%}", justify="right", no_wrap=True, min_width=6)
    table.add_row("right", *(f"{point['accuracy']:.1%}" for point in outcome.curve))
    return table
