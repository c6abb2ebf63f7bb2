"""The live table of ``earmark reproduce``: what is done, what runs and how far, and when it will end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from earmark.cli.writers import bar

if TYPE_CHECKING:
    from earmark.paper.rows import Row
    from earmark.paper.runs import Record, Reproduction

_AROUND = 7
"""Lines of the screen that the table leaves free."""


@dataclass
class Place:
    """What is known of one row at a moment."""

    row: Row
    result: Record | None = None
    state: Record | None = None

    @property
    def seconds_left(self) -> float | None:
        """Of a running network: if it ran all its epochs; it may stop earlier."""
        if not self.state:
            return None
        return float(self.state["dur"] * (self.state["epochs"] - self.state["epoch"]))


class Board:
    """Reads what rows leave on disk, so that it sees those of other processes and machines alike.

    Parameters
    ----------
    reproduction : Reproduction
    rows : list of Row
    jobs : int
        Rows at once.
    """

    def __init__(self, reproduction: Reproduction, rows: list[Row], jobs: int) -> None:
        self.reproduction, self.jobs = reproduction, jobs
        self.places = {row: Place(row) for row in rows}
        self.begin = time.monotonic()

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show the table on stderr while the rows run, where that is a terminal."""
        console = Console(stderr=True)
        if not console.is_terminal:
            yield
            return
        with Live(self, console=console, refresh_per_second=2, transient=True):
            yield

    def look(self) -> None:
        """Read how far everything is."""
        for place in self.places.values():
            if place.result is None:
                place.result = self.reproduction.result(place.row)
                place.state = None if place.result else self.reproduction.state(place.row)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.look()
        yield Group(self._progress(), Text(), self.table(console.height - _AROUND))

    def table(self, height: int | None = None) -> Table:
        """One line a recipe, one column a protocol; where that is too high, the lines where nothing happens go.

        Parameters
        ----------
        height : int, optional
            Lines there are.
        """
        from earmark.paper.rows import PAPER

        self.look()
        protocols = list(dict.fromkeys(row.protocol for row in self.places))
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("recipe", no_wrap=True)
        table.add_column("paper", justify="right", style="dim", no_wrap=True, min_width=5)
        for protocol in protocols:
            table.add_column(f"{protocol}\nclips, tracks", no_wrap=True, min_width=20)
        for name in self._shown(height):
            paper = PAPER.get(name.removesuffix("-log"))
            cells = [self._cell([p for p in self._of(name) if p.row.protocol == protocol]) for protocol in protocols]
            table.add_row(Text(name), f"{paper[1]:.1%}" if paper else "", *cells)
        return table

    def seconds_left(self) -> float | None:
        """Estimate from rows of the same recipe that are done, else of the same kind, else of any; None at first."""
        left = [self._left(place) for place in self.places.values() if place.result is None]
        known = [seconds for seconds in left if seconds is not None]
        return mean(known) * len(left) / min(self.jobs, len(left)) if known else None

    def _left(self, place: Place) -> float | None:
        if (own := place.seconds_left) is not None:
            return own
        done = [(p.row.name, p.result["seconds"]) for p in self.places.values() if p.result]
        name = place.row.name
        for alike in (name, name.removesuffix("-log"), name.partition("-")[0], ""):
            if seconds := [float(s) for other, s in done if other.startswith(alike)]:
                return mean(seconds)
        return None

    def _of(self, name: str) -> list[Place]:
        return [place for row, place in self.places.items() if row.name == name]

    def _shown(self, height: int | None) -> list[str]:
        names = list(dict.fromkeys(row.name for row in self.places))
        if height is None or len(names) <= height:
            return names
        busy = [name for name in names if any(place.state is not None for place in self._of(name))]
        return (busy or names)[: max(height, 1)]

    def _progress(self) -> Table:
        done = sum(place.result is not None for place in self.places.values())
        line = Table.grid(padding=(0, 1))
        left = self.seconds_left()
        rest = "" if done == len(self.places) else f"about {clock(left)} to go" if left is not None else "…"
        line.add_row(
            ProgressBar(len(self.places), done, 30),
            Text(f"{done}/{len(self.places)} rows"),
            Text(f"{clock(time.monotonic() - self.begin)}  {rest}", style="dim"),
        )
        return line

    def _cell(self, places: list[Place]) -> Text:
        """Mean figures of what is done, then how far is what runs."""
        cell = Text()
        if done := [place.result for place in places if place.result]:
            share = mean(record["clip_accuracy"] for record in done)
            cell.append(bar(share, 6)).append(f" {share:6.1%}", style="bold")
            cell.append(f" {mean(record['track_accuracy'] for record in done):6.1%}", style="dim")
        running = [place for place in places if place.state is not None]
        for place in running[:1]:
            cell.append("  " * bool(done)).append(_running(place.state or {}), style="cyan")
        waiting = len(places) - len(done) - len(running)
        if waiting and (done or running):
            cell.append(f"  {waiting} waiting", style="dim")
        return cell if cell.plain else Text("·", style="dim")


def _running(state: dict[str, Any]) -> str:
    if not state:
        return "running"
    valid = f"  valid {state['valid_acc']:.0%}" if "valid_acc" in state else ""
    return f"epoch {state['epoch']}/{state['epochs']}{valid}"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, as long as need be.

    Examples
    --------
    >>> clock(75), clock(3700)
    ('1:15', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
