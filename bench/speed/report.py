"""Rows of the report, and how they are timed and shown."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One line of the report.

    Attributes
    ----------
    benchmark : str
        What was done.
    measured : float
        Ours, in `unit`.
    unit : str
        "s", "ms", "MB", "kB" or "x real time".
    peer : str
        What it is held against; empty where there is nothing.
    peer_measured : float or None
        The peer's, in the same unit.
    ratio : float or None
        Ours over the peer's, or the peer's over ours where faster is asked for.
    target : str
        Empty for rows that are for information.
    met : bool or None
        None for rows that are for information.
    """

    benchmark: str
    measured: float
    unit: str
    peer: str = ""
    peer_measured: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def at_most(benchmark: str, seconds: float, peer: str, peer_seconds: float, times: float | None = None) -> Row:
    """Return a row that asks for at most `times` the peer's time; without `times` it only informs."""
    ratio = seconds / peer_seconds
    target = f"≤ {times:g} x peer" if times else ""
    return Row(benchmark, seconds, "s", peer, peer_seconds, ratio, target, None if times is None else ratio <= times)


def faster(benchmark: str, seconds: float, peer: str, peer_seconds: float, times: float | None = None) -> Row:
    """Return a row that asks to be at least `times` faster than the peer; without `times` it only informs."""
    ratio = peer_seconds / seconds
    target = f"≥ {times:g} x faster" if times else ""
    return Row(benchmark, seconds, "s", peer, peer_seconds, ratio, target, None if times is None else ratio >= times)


def limit(benchmark: str, value: float, unit: str, most: float, peer: str = "", base: float = 0.0) -> Row:
    """Return a row that asks for at most so many seconds or megabytes, whatever the peer does."""
    ratio = value / base if base else None
    return Row(benchmark, value, unit, peer, base or None, ratio, f"≤ {most:g} {unit}", value <= most)


def interleaved(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Time contenders in turns, so that a busy machine slows all alike.

    Parameters
    ----------
    contenders : mapping of str to callable
    rounds : int
        Each round calls every contender once, in order.

    Returns
    -------
    dict of str to float
        Seconds of each contender's best round: what else ran on the machine can only add to it.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            gc.collect()
            begin = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - begin)
    return {name: min(times) for name, times in seconds.items()}


def table(rows: Iterable[Row], caption: str) -> Table:
    """Show rows as one table."""
    shown = Table("benchmark", "measured", "peer", "ratio", "target", "met", caption=caption, caption_justify="left")
    for column, style in ((1, "right"), (3, "right")):
        shown.columns[column].justify = style  # type: ignore[assignment]
        shown.columns[column].no_wrap = True
    verdicts = {True: "[green]yes[/green]", False: "[red]no[/red]", None: ""}
    for row in rows:
        peer = f"{row.peer} {_number(row.peer_measured, row.unit)}" if row.peer_measured else row.peer
        ratio = f"{row.ratio:.2f}" if row.ratio else ""
        shown.add_row(row.benchmark, _number(row.measured, row.unit), peer, ratio, row.target, verdicts[row.met])
    return shown


def _number(value: float, unit: str) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 or unit == "ms" else 2
    return f"{value:.{digits}f} {unit}"
