"""The live table of ``earmark reproduce``: what is done, what runs and how far, and when it will end."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from statistics import mean
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from earmark.cli.progress import report_regularly
from earmark.cli.terminal import is_quiet, stderr_console
from earmark.cli.text import bar, format_clock, format_duration
from earmark.paper.progress import Place, Progress
from earmark.paper.rows import PAPER

_AROUND = 7
"""Lines of the screen that the table leaves free."""


class Board:
    """Shows how far rows are.

    Parameters
    ----------
    progress : Progress
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.begin = time.monotonic()

    def live(self) -> AbstractContextManager[Any]:
        """Show the table on stderr while the rows run; where that is no terminal, say now and then how far they are."""
        console = stderr_console()
        if is_quiet():
            return nullcontext()
        if not console.is_terminal:
            return report_regularly(self._describe)
        # transient: at the end the whole table goes to stdout, where it can be kept.
        return Live(self, console=console, refresh_per_second=2, transient=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.progress.refresh()
        yield Group(self._header(), Text(), self.table(console.height - _AROUND))

    def table(self, height: int | None = None) -> Table:
        """Return a table: a line a recipe, a column a protocol; where it is too high, lines where nothing happens go.

        Parameters
        ----------
        height : int, optional
            Lines there are.
        """
        self.progress.refresh()
        places = self.progress.places
        protocols = list(dict.fromkeys(place.row.protocol for place in places))
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("recipe", no_wrap=True)
        table.add_column("paper", justify="right", style="dim", no_wrap=True, min_width=5)
        for protocol in protocols:
            whose = ", the paper's" if protocol == "clip" else ""
            table.add_column(f"{protocol} split{whose}\nclips, tracks", no_wrap=True, min_width=20)
        # One line a recipe; seeds and folds of one protocol share a cell.
        for name in self._choose_names(height):
            paper = PAPER.get(name.removesuffix("-log"))
            cells = [_cell([p for p in places if (p.row.name, p.row.protocol) == (name, own)]) for own in protocols]
            table.add_row(Text(name), f"{paper[1]:.1%}" if paper else "", *cells)
        return table

    def _choose_names(self, height: int | None) -> list[str]:
        """Return the recipes to show: all, or where they are too many, those of which a row is running."""
        names = list(dict.fromkeys(place.row.name for place in self.progress.places))
        if height is None or len(names) <= height:
            return names
        running = {place.row.name for place in self.progress.places if place.state is not None}
        busy = [name for name in names if name in running]
        return (busy or names)[: max(height, 1)]

    def _describe(self) -> str:
        self.progress.refresh()
        left = self.progress.seconds_left()
        rest = "" if left is None else f", about {format_duration(left)} left"
        return f"reproducing: {self.progress.n_done} of {len(self.progress.places)} rows{rest}"

    def _header(self) -> Table:
        done, total = self.progress.n_done, len(self.progress.places)
        rest = ""
        if done < total:
            left = self.progress.seconds_left()
            rest = "…" if left is None else f"about {format_duration(left)} left"
        line = Table.grid(padding=(0, 1))
        line.add_row(
            ProgressBar(total, done, 30),
            Text(f"{done}/{total} rows"),
            Text(f"{format_clock(round(time.monotonic() - self.begin))}  {rest}", style="dim"),
        )
        return line


def _cell(places: list[Place]) -> Text:
    """Return mean figures of what is done, then how far is what runs."""
    cell = Text()
    if done := [place.result for place in places if place.result]:
        share = mean(record["clip_accuracy"] for record in done)
        cell.append(bar(share, 6)).append(f" {share:6.1%}", style="bold")
        cell.append(f" {mean(record['track_accuracy'] for record in done):6.1%}", style="dim")
    running = [place for place in places if place.state is not None]
    # One stands for all that run, so that the column keeps its width.
    for place in running[:1]:
        cell.append("  " * bool(done)).append(_describe_state(place.state or {}), style="cyan")
    # Where nothing is done and nothing runs, a dot says it all.
    if failed := sum(place.failed for place in places):
        cell.append("  " * bool(cell.plain)).append(f"{failed} failed" if len(places) > 1 else "failed", style="red")
    waiting = len(places) - len(done) - len(running) - failed
    if waiting and (done or running):
        cell.append(f"  {waiting} waiting", style="dim")
    return cell if cell.plain else Text("·", style="dim")


def _describe_state(state: dict[str, Any]) -> str:
    if not state:
        return "running"
    valid = f"  valid {state['valid_acc']:.0%}" if "valid_acc" in state else ""
    return f"epoch {state['epoch']}/{state['epochs']}{valid}"
