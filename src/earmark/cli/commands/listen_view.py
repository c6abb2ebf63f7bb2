"""The live view of ``earmark listen``: what is playing, how sure that is, and what has been."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from earmark.cli.text import bar, clean, format_clock
from earmark.inference.verdict import DOUBTS

if TYPE_CHECKING:
    from earmark.audio.streams.stream import Stream
    from earmark.inference.live import RunningVerdict
    from earmark.inference.segments import Segment

_QUIETEST = -60.0
"""dB at the left end of the level meter."""

_NOTED = 8.0
"""Seconds for which a note is shown."""

_WAITING = {"too short": "listening …"} | {doubt: f"unknown: {doubt}" for doubt in DOUBTS}


class View:
    """A picture in place that follows the verdicts.

    Parameters
    ----------
    console : Console
    top : int
        Genres shown.
    """

    def __init__(self, console: Console, top: int) -> None:
        self._console, self._top = console, top
        self._verdict: RunningVerdict | None = None
        self._open: Segment | None = None
        self._ended: deque[Segment] = deque(maxlen=6)
        self._note: tuple[str, float] | None = None
        self._skipped = 0
        self._stream: Stream | None = None
        self._over = False

    @contextmanager
    def show(self, stream: Stream) -> Iterator[None]:
        """Show it until it is over; its last state stays."""
        self._stream = stream
        # crop: on a low terminal the lower lines go, and the picture does not scroll.
        with Live(get_renderable=self._render, console=self._console, refresh_per_second=8, vertical_overflow="crop"):
            try:
                yield
            finally:
                self._over = True

    def update(self, verdict: RunningVerdict, current: Segment | None, ended: Segment | None) -> None:
        """Take the next verdict, the segment that goes on, and one that has just ended."""
        self._verdict, self._open = verdict, current
        self._skipped += verdict.skipped
        if ended:
            self._ended.append(ended)

    def note(self, text: str) -> None:
        """Show a word for a while, from whichever thread."""
        # One assignment of both, so that the drawing thread never sees a word with another's time.
        self._note = (clean(text), time.monotonic())

    def _render(self) -> RenderableType:
        verdict, width = self._verdict, self._console.width
        name = clean(self._stream.name if self._stream else "")
        clock = format_clock(int(verdict.time)) if verdict else "0:00"
        head = Table.grid(expand=True)
        head.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        head.add_column(justify="right", no_wrap=True)
        mark = Text("■ ", style="dim") if self._over else Text("● ", style="red")
        head.add_row(mark.append(name, style="bold default not dim"), Text(clock, style="dim"))
        lines: list[RenderableType] = [head]
        if self._over and not verdict:
            return head
        if verdict and verdict.title:
            lines.append(Text(f"  {clean(verdict.title)}", style="cyan", no_wrap=True, overflow="ellipsis"))
        lines += [Text(), *self._bars(verdict, width), Text(), _meter(verdict), *self._timeline()]
        return Group(*lines, *([] if self._over else [self._foot(verdict)]))

    def _bars(self, verdict: RunningVerdict | None, width: int) -> list[RenderableType]:
        """Return what it is, and the most probable genres below; as many lines whatever is known."""
        reason = verdict.reason if verdict else "too short"
        said = Text("  ").append(verdict.genre, style="bold green") if verdict and verdict.genre else None
        lines: list[RenderableType] = [said or Text(f"  {_WAITING.get(reason or '', reason)}", style="dim")]
        lines.append(_details(verdict, self._top) if verdict else Text())
        shares = list(verdict.genres.items())[: self._top] if verdict else []
        # Beside the bar: two blanks, 14 of the name, a blank, 5 of the share; two columns to spare.
        room = max(8, min(40, width - 24))
        for genre, share in shares:
            line = Text(f"  {clean(genre)[:14]:<14} ", style="", no_wrap=True)
            lines.append(line.append(bar(share, room)).append(f" {share:4.0%}"))
        # Blank lines keep what is below in its place.
        return lines + [Text()] * (self._top - len(shares))

    def _timeline(self) -> list[RenderableType]:
        """Return a table of the last segments; the one that goes on is last."""
        # When, what, how sure, and which title.
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(no_wrap=True, justify="right", style="dim")
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1, style="dim")
        for segment in [*self._ended, *([self._open] if self._open else [])]:
            end = "now" if segment is self._open and not self._over else format_clock(int(segment.end))
            genre = Text(segment.genre or _WAITING.get(segment.reason or "", segment.reason or ""))
            genre.stylize("" if segment.genre else "dim")
            sure = f"{segment.confidence:.0%}" if segment.genre else ""
            title = clean(segment.title or "")
            table.add_row(f"  {format_clock(int(segment.start))}–{end:<5}", genre, sure, title)
        return [Text(), table] if table.rows else []

    def _foot(self, verdict: RunningVerdict | None) -> Text:
        if self._note and time.monotonic() - self._note[1] < _NOTED:
            return Text(f"\n  {self._note[0]}", style="yellow", no_wrap=True, overflow="ellipsis")
        line = Text("\n  Ctrl-C to stop", style="dim", no_wrap=True, overflow="ellipsis")
        if verdict and verdict.behind >= 1:
            line.append(f" · {verdict.behind:.1f} s behind", style="yellow")
        if self._skipped:
            line.append(f" · {self._skipped} verdicts left out: this machine is too slow", style="yellow")
        return line


def _details(verdict: RunningVerdict, top: int) -> Text:
    """Return styles and moods in one line, which is blank where there are none."""
    shares = [*islice(verdict.styles.items(), top), *islice(verdict.moods.items(), top)]
    told = " · ".join(f"{name} {share:.0%}" for name, share in shares)
    return Text(f"  {told}", style="dim", no_wrap=True, overflow="ellipsis")


def _meter(verdict: RunningVerdict | None) -> Text:
    level = verdict.level if verdict else _QUIETEST
    # 0 dB of full scale is the right end, `_QUIETEST` the left one.
    share = max(0.0, min(1.0, 1 - level / _QUIETEST))
    full = round(24 * share)
    # The last decibel before full scale, where sound clips.
    style = "red" if level > -1 else "green"
    line = Text("  level          ", style="dim", no_wrap=True).append("▮" * full, style=style)
    line.append("▯" * (24 - full), style="dim")
    # Digital silence has no level in dB; it comes as -120.
    return line.append(f" {level:4.0f} dB" if level > -100 else " silence")
