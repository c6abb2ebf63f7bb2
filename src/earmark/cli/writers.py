"""How answers look: the writers of each output format of verdicts, and pieces that several commands print."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.text import Text

from earmark.inference.verdict import DISTRIBUTIONS

if TYPE_CHECKING:
    from earmark.inference.verdict import ClipVerdict, Verdict

_BAR = 12
_LEAST = 0.005  # what is less would be 0 %
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(share: float, width: int = _BAR) -> Text:
    """Return a bar of blocks in eighths, green where sure, yellow where not so, red where hardly."""
    # A block character holds eight steps: full blocks first, then one of what is left over.
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    blocks = "█" * full + (_EIGHTHS[rest] if rest else "")
    style = "green" if share >= 0.6 else "yellow" if share >= 0.35 else "red"
    return Text(blocks.ljust(width), style=style)


def clean(text: str) -> str:
    """Return a file name as a terminal may show it: control characters escaped, undecodable bytes replaced."""
    # Bytes that are no UTF-8 are held as surrogates: back to bytes, then to replacement characters.
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    # A newline would break the row, an escape sequence would command the terminal.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


class TableWriter:
    """One line a track, as soon as it is known, with bars; with a timeline, one line a clip below it.

    Parameters
    ----------
    file : text file
    labels : sequence of str
        Genres of the model; the longest sets the width of the column.
    top : int
        Genres shown, 3 where None; where given, so many styles and moods too, in lines of their own.
    timeline : bool
    """

    def __init__(self, file: TextIO, labels: Sequence[str], top: int | None, timeline: bool) -> None:
        self.console = Console(file=file, highlight=False, soft_wrap=True)
        self.top = top or 3
        self.timeline = timeline
        self.genre_width = max(len("unknown"), *map(len, labels))
        # Blanks, genre, bar and its figure; then name and figure of each other genre. The path takes what is left.
        fixed = 2 + self.genre_width + 1 + _BAR + 6 + (self.top - 1) * (self.genre_width + 6)
        # A pipe or a file has no width of its own: names get 60 columns there.
        self.width = self.console.width if self.console.is_terminal else sys.maxsize
        self.name_width = max(16, min(60, self.width - fixed))
        self.details = ("styles", "moods") if top else ()

    def write(self, verdict: Verdict) -> None:
        """Print one verdict."""
        name = clean(verdict.path or "-")
        line = Text(shorten(name, self.name_width).ljust(self.name_width), no_wrap=True)
        line.append("  ")
        if verdict.error and not verdict.genres:
            self.console.print(line.append(f"✗ {verdict.error}", style="red"))
            return
        if verdict.genre:
            line.append(verdict.genre.ljust(self.genre_width), style="bold")
        else:
            line.append("unknown".ljust(self.genre_width), style="dim")
        line.append(" ").append(bar(verdict.confidence)).append(f" {verdict.confidence:4.0%}" if verdict.genres else "")
        if verdict.genres:
            # The first genre has its own column already, unless the answer is unknown.
            self._append(line, list(verdict.genres.items())[bool(verdict.genre) : self.top])
        else:
            line.append(f"  {verdict.reason}", style="dim")
        if verdict.error:
            line.append(f"  ! {verdict.error}", style="red")
        self.console.print(line)
        for what in self.details:
            if (probabilities := getattr(verdict, what)) and next(iter(probabilities.values())) >= _LEAST:
                below = Text(" " * (self.name_width + 2) + what.ljust(6), style="dim", no_wrap=True)
                self.console.print(self._append(below, list(probabilities.items())[: self.top]))
        if self.timeline:
            for clip in verdict.clips:
                self.console.print(self._clip_line(clip))

    def _append(self, line: Text, shares: Iterable[tuple[str, float]]) -> Text:
        """Append names and their probabilities, the most probable first, as many as the line has room for."""
        for name, share in shares:
            text = f"  {name} {share:.0%}"
            if share < _LEAST or line.cell_len + len(text) > self.width:
                break
            line.append(text, style="dim")
        return line

    def _clip_line(self, clip: ClipVerdict) -> Text:
        span = f"{format_offset(clip.start)}–{format_offset(clip.end)}"
        line = Text("  " + span.ljust(self.name_width), style="dim", no_wrap=True)
        if not clip.genres:
            return line.append(f"({clip.reason or 'nothing heard'})")
        genre, share = next(iter(clip.genres.items()))
        line.append(genre.ljust(self.genre_width), style="not dim")
        line.append(" ").append(bar(share)).append(f" {share:4.0%}")
        if clip.attention:
            line.append("  attention ").append(sparkline(clip.attention, 24), style="cyan not dim")
        return line


class JsonWriter:
    """JSON lines: one object a track, pure ASCII, so that names of any bytes survive."""

    def __init__(self, file: TextIO, labels: Sequence[str], top: int | None, timeline: bool) -> None:
        self.file, self.top, self.timeline = file, top, timeline

    def write(self, verdict: Verdict) -> None:
        """Write one line."""
        record = verdict.to_dict(timeline=self.timeline)
        record |= {name: dict(islice(record[name].items(), self.top)) for name in DISTRIBUTIONS}
        self.file.write(json.dumps(record) + "\n")
        # At once, so that a reader behind a pipe need not wait for a full buffer.
        self.file.flush()


class CsvWriter:
    """A spreadsheet: one row a track, one column a genre; with a timeline, one row a clip."""

    def __init__(self, file: TextIO, labels: Sequence[str], top: int | None, timeline: bool) -> None:
        self.timeline = timeline
        self.top = top or len(labels)
        span = ["start", "end"] if timeline else ["duration"]
        fields = ["path", "genre", "reason", "confidence", "style", "mood", *span, "error", "model", *labels]
        # The csv module ends lines with CRLF unless told. Ignored: what a verdict holds besides, such as its clips.
        self.table = csv.DictWriter(file, fields, lineterminator="\n", extrasaction="ignore")
        self.table.writeheader()

    def write(self, verdict: Verdict) -> None:
        """Write one row, or one for each clip."""
        record = verdict.to_record() | verdict.to_dict(timeline=True)
        # A clip's own columns go over those of its track; without a timeline, one row stands for the track.
        for part in record["clips"] if self.timeline else [{}]:
            genres = dict(list(part.get("genres", record["genres"]).items())[: self.top])
            self.table.writerow({**record, **part, **genres})


WRITERS: dict[str, Callable[[TextIO, Sequence[str], int | None, bool], TableWriter | JsonWriter | CsvWriter]] = {
    "table": TableWriter,
    "json": JsonWriter,
    "csv": CsvWriter,
}


class Tally:
    """Counts answers for the line that sums them up."""

    def __init__(self) -> None:
        self.genres: Counter[str] = Counter()
        self.total = self.unknown = self.failed = 0
        self._begin = time.monotonic()

    def add(self, verdict: Verdict) -> None:
        """Count one."""
        self.total += 1
        self.failed += verdict.error is not None
        if verdict.genre:
            self.genres[verdict.genre] += 1
        # A damaged file that was decoded in part has both an answer and an error.
        elif not verdict.error or verdict.genres:
            self.unknown += 1

    def line(self, known: int | None = None) -> str:
        """Return all in one line: by genre, unknown, with errors; with `known`, how many were known, and the time."""
        parts = [f"{genre} {n}" for genre, n in self.genres.most_common()]
        parts += [f"{what} {n}" for what, n in (("unknown", self.unknown), ("errors", self.failed)) if n]
        files = f"{self.total} file{'s' * (self.total != 1)}"
        line = f"{files} — {', '.join(parts)}" if parts else files
        if known is None:
            return line
        return f"{line}; {known} known before; {time.monotonic() - self._begin:.1f} s"


def sparkline(values: Sequence[float], width: int) -> str:
    """Return values over time as a line of little bars, `width` characters long at most."""
    width = min(width, len(values))
    # The highest value of each stretch, as a share of the highest of all.
    bounds = [round(i * len(values) / width) for i in range(width + 1)]
    peaks = [max(values[a:b]) for a, b in pairwise(bounds)]
    highest = max(peaks) or 1.0
    # The highest gives 8, one past the last bar.
    return "".join("▁▂▃▄▅▆▇█"[min(7, int(8 * p / highest))] for p in peaks)


def format_offset(seconds: float) -> str:
    """Return minutes and seconds to a tenth, as 1:05.0."""
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


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


def as_json(record: dict[str, Any]) -> str:
    """Return a record as a JSON line."""
    return json.dumps(record)


def shorten(text: str, width: int) -> str:
    """Return the end of a name that is too long for its column."""
    # The end, since names of files differ there and their folders do not.
    return text if len(text) <= width else "…" + text[-(width - 1) :]
