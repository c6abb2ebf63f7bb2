"""Pieces of text that several commands print: names, counts, figures, times, bars."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich.cells import cell_len
from rich.text import Text

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def clean(text: str) -> str:
    """Return a file name as a terminal may show it: control characters escaped, undecodable bytes replaced."""
    # Bytes that are no UTF-8 are held as surrogates: back to bytes, then to replacement characters.
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    # A newline would break the row, an escape sequence would command the terminal.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def name_file(path: str) -> str:
    """Return a file's name as :func:`clean` does, from the current folder where it lies below that."""
    here = os.path.join(os.getcwd(), "")  # noqa: PTH118, PTH109 (a name may hold any bytes)
    return clean(path.removeprefix(here) or path)


def shorten(text: str, width: int) -> str:
    """Return a name of at most so many columns: its end, since names of files differ there and their folders do not.

    Examples
    --------
    >>> shorten("Music/久石譲.mp3", 10), shorten("a.mp3", 10)
    ('…石譲.mp3', 'a.mp3')
    """
    if cell_len(text) <= width:
        return text
    # One column is for the ellipsis.
    start = bisect_left(range(len(text)), True, key=lambda i: cell_len(text[i:]) < width)
    return "…" + text[start:]


def fit(text: str, width: int) -> str:
    """Return a name that fills so many columns of a terminal, shortened or with blanks behind it."""
    shown = shorten(text, width)
    return shown + " " * (width - cell_len(shown))


def lay_beside(line: Text, note: Text, width: int, indent: int) -> Iterator[Text]:
    """Yield a line and a note at its end; where that is too long, below it, in lines of its own that are indented."""
    from rich.console import Console

    if line.cell_len + note.cell_len <= width:
        yield line.append_text(note)
        return
    # Behind a name alone there is room for the note's first line.
    if line.cell_len > indent:
        yield line
        line = Text(" " * indent)
    for part in note.wrap(Console(), width - indent):
        yield line.append_text(part)
        line = Text(" " * indent)


def join_counts(counts: Mapping[Any, int]) -> str:
    """Return how many there are of each kind, as "jazz 3, pop 1"."""
    return ", ".join(f"{what} {n}" for what, n in counts.items())


def format_percents(shares: Collection[float]) -> str:
    """Return what shares are, or from what to what.

    Examples
    --------
    >>> format_percents([0.5, 0.5]), format_percents([0.7, 0.5])
    ('50%', '50% to 70%')
    """
    least, most = (f"{of(shares):.0%}" for of in (min, max))
    return least if least == most else f"{least} to {most}"


def format_duration(seconds: float) -> str:
    """Return a length of time to about two digits.

    Examples
    --------
    >>> [format_duration(s) for s in (0.4, 42, 100, 4000, 400_000)]
    ['0.4 s', '42 s', '2 min', '1 h 7 min', '111 h']
    """
    # From there on, rounding to minutes would give "60 min" and "1 h 60 min".
    if seconds < 59.5:
        return f"{round(seconds, 1):.2g} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours >= 10:
        return f"{round(seconds / 3600)} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def format_offset(seconds: float) -> str:
    """Return minutes and seconds to a tenth, as 1:05.0."""
    # rounded first: 119.98 s are 2:00.0
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{minutes:.0f}:{rest:04.1f}"


def format_clock(seconds: int) -> str:
    """Return hours, minutes and seconds, as long as need be.

    Examples
    --------
    >>> format_clock(75), format_clock(3700)
    ('1:15', '1:01:40')
    """
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def describe_part(part: str) -> str:
    """Return a part of a split, or held-out folds, in words."""
    return f"the {part} part" if part.isalpha() else part


def bar(share: float, width: int = 12) -> Text:
    """Return a bar of blocks in eighths, green where sure, yellow where not so, red where hardly."""
    # A block character holds eight steps: full blocks first, then one of what is left over.
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    blocks = "█" * full + (_EIGHTHS[rest] if rest else "")
    style = "green" if share >= 0.6 else "yellow" if share >= 0.35 else "red"
    return Text(blocks.ljust(width), style=style)


def sparkline(values: Sequence[float], width: int) -> str:
    """Return values over time as a line of little bars, `width` characters long at most."""
    width = min(width, len(values))
    # The highest value of each stretch, as a share of the highest of all.
    bounds = [round(i * len(values) / width) for i in range(width + 1)]
    peaks = [max(values[a:b]) for a, b in pairwise(bounds)]
    highest = max(peaks) or 1.0
    # The highest gives 8, one past the last bar.
    return "".join("▁▂▃▄▅▆▇█"[min(7, int(8 * p / highest))] for p in peaks)
