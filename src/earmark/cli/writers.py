"""How answers look to people: rich renderables, and the writers of each output format."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from earmark.data.audit.findings import Finding
    from earmark.evaluation.report import Report
    from earmark.inference.card import Card
    from earmark.inference.verdict import ClipVerdict, Verdict

_BAR = 12
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(share: float, width: int = _BAR) -> Text:
    """A bar of blocks in eighths, green where sure, yellow where not so, red where hardly."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    blocks = "█" * full + (_EIGHTHS[rest] if rest else "")
    style = "green" if share >= 0.6 else "yellow" if share >= 0.35 else "red"
    return Text(blocks.ljust(width), style=style)


def clean(text: str) -> str:
    """A file name as a terminal may show it: control characters escaped, undecodable bytes replaced."""
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


class TableWriter:
    """One line a track, as soon as it is known, with bars; with a timeline, one line a clip below it.

    Parameters
    ----------
    file : text file
    labels : sequence of str
        Genres of the model; the longest sets the width of the column.
    top : int
        Genres shown.
    timeline : bool
    """

    def __init__(self, file: TextIO, labels: Sequence[str], top: int | None, timeline: bool) -> None:
        self.console = Console(file=file, highlight=False, soft_wrap=True)
        self.top = top or 3
        self.timeline = timeline
        self.genre_width = max(len("unknown"), *map(len, labels))
        fixed = 2 + self.genre_width + 1 + _BAR + 6 + (self.top - 1) * (self.genre_width + 6)
        room = self.console.width - fixed if self.console.is_terminal else 60
        self.name_width = max(16, min(60, room))

    def write(self, verdict: Verdict) -> None:
        """Print one verdict."""
        name = clean(verdict.path or "-")
        line = Text(shortened(name, self.name_width).ljust(self.name_width), no_wrap=True)
        line.append("  ")
        if verdict.error and not verdict.genres:
            self.console.print(line.append(f"✗ {verdict.error}", style="red"))
            return
        if verdict.genre:
            line.append(verdict.genre.ljust(self.genre_width), style="bold")
        else:
            line.append("unknown".ljust(self.genre_width), style="dim")
        line.append(" ").append(bar(verdict.confidence)).append(f" {verdict.confidence:4.0%}")
        if verdict.genre or verdict.reason == "low confidence":
            shown = list(verdict.genres.items())[: self.top]
            for genre, share in shown if not verdict.genre else shown[1:]:
                line.append(f"  {genre} {share:.0%}", style="dim")
        else:
            line.append(f"  {verdict.reason}", style="dim")
        if verdict.error:
            line.append(f"  ! {verdict.error}", style="red")
        self.console.print(line)
        if self.timeline:
            for clip in verdict.clips:
                self.console.print(self._clip_line(clip))

    def _clip_line(self, clip: ClipVerdict) -> Text:
        line = Text("  " + f"{clock(clip.start)}–{clock(clip.end)}".ljust(self.name_width), style="dim", no_wrap=True)
        if not clip.genres:
            return line.append("(nothing heard)")
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
        if self.top:
            record["genres"] = dict(list(record["genres"].items())[: self.top])
        self.file.write(json.dumps(record) + "\n")
        self.file.flush()


class CsvWriter:
    """A spreadsheet: one row a track, one column a genre; with a timeline, one row a clip."""

    def __init__(self, file: TextIO, labels: Sequence[str], top: int | None, timeline: bool) -> None:
        self.timeline = timeline
        self.top = top or len(labels)
        span = ["start", "end"] if timeline else ["duration"]
        fields = ["path", "genre", "reason", "confidence", *span, "error", "model", *labels]
        self.table = csv.DictWriter(file, fields, lineterminator="\n", extrasaction="ignore")
        self.table.writeheader()

    def write(self, verdict: Verdict) -> None:
        """Write one row, or one for each clip."""
        record = verdict.to_dict(timeline=True)
        for part in record["clips"] if self.timeline else [{}]:
            genres = dict(list(part.get("genres", record["genres"]).items())[: self.top])
            self.table.writerow({**record, **part, **genres})


WRITERS: dict[str, Callable[[TextIO, Sequence[str], int | None, bool], TableWriter | JsonWriter | CsvWriter]] = {
    "table": TableWriter,
    "json": JsonWriter,
    "csv": CsvWriter,
}


def report(report: Report) -> RenderableType:
    """A report as a page: figures with bars, confusions with the accuracy of each genre, and what was mistaken."""
    title = Text(f"{report.corpus}: {report.n_tracks} tracks, ", style="dim")
    title.append("all of them" if report.part == "all" else f"{_which(report.part)} of protocol {report.protocol}")
    figures = Table.grid(padding=(0, 2))
    low, high = report.interval
    rows = [
        ("track accuracy", report.track_accuracy, f"95 % interval {low:.1%} to {high:.1%}"),
        ("clip accuracy", report.clip_accuracy, f"of {report.n_clips} clips"),
        ("macro F1", report.macro_f1, "mean over genres"),
        ("among the top 3", report.top3_accuracy, ""),
    ]
    if report.unknown < 1:
        rows.append(("when named", report.named_accuracy, f"{report.unknown:.0%} of the tracks are left unknown"))
    for name, share, note in rows:
        figures.add_row(name, bar(share), Text(f"{share:.1%}", style="bold"), Text(note, style="dim"))
    return Group(title, figures, Text(), confusion(report), *_mistakes(report))


def _which(part: str) -> str:
    """A part of a split, or held-out folds, in words."""
    return f"the {part} part" if part.isalpha() else part


def _mistakes(report: Report, most: int = 5) -> list[RenderableType]:
    """The genres most often taken for others, and the tracks whose label may be what is wrong."""
    if not report.disagreements:
        return []
    pairs = ", ".join(f"{truth} as {heard} ({n})" for truth, heard, n in report.confusions[:3])
    table = Table.grid(padding=(0, 2))
    for track in report.disagreements[:most]:
        said = f"{track.genre} by its label ({track.own:.0%}), heard as {track.heard} ({track.best:.0%})"
        table.add_row(Text(clean(track.id), style="bold"), Text(said))
    lines: list[RenderableType] = [Text(), Text(f"most often mistaken: {pairs}", style="dim"), Text()]
    return [*lines, Text("most at odds with their label (mislabelled, perhaps):", style="dim"), table]


def confusion(report: Report) -> Table:
    """Confusion matrix of the genres that occur: rows the truth, columns the best guess, right ones in green."""
    shown = [i for i, row in enumerate(report.confusion) if sum(row)]
    used = [j for j in range(len(report.labels)) if j in shown or any(row[j] for row in report.confusion)]
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)  # columns: the guess
    table.add_column("truth", style="bold", no_wrap=True)
    for j in used:
        table.add_column(Text(report.labels[j][:4]), justify="right", no_wrap=True, min_width=4)
    table.add_column("right", justify="right", no_wrap=True)
    for i in shown:
        row = report.confusion[i]
        cells = [Text("·" if not row[j] else str(row[j]), style=_cell_style(i == j, row[j])) for j in used]
        table.add_row(Text(report.labels[i]), *cells, f"{row[i] / sum(row):.0%}")
    return table


def models(cards: Sequence[tuple[Card, bool]]) -> RenderableType:
    """Models, a paragraph each: what they name, what they learned from, how good they were at what."""
    page = Table.grid(padding=(0, 2))
    page.add_column(no_wrap=True, style="dim")
    for card, default in cards:
        name = Text(card.name, style="bold")
        page.add_row("model", name.append(" (default)", style="green") if default else name)
        page.add_row("names", Text(", ".join(card.labels)))
        front = card.front_end
        clips = f"{card.clip_seconds:g} s clips" + (f", one every {card.hop_seconds:g} s," if card.hop_seconds else "")
        page.add_row("hears", f"{clips} as {front.kind}, {front.sample_rate} Hz, {front.n_bins} bins")
        training = card.training
        learned = f"{training.corpus}, {training.n_tracks} tracks, protocol {training.protocol}"
        page.add_row("learned from", Text(learned))
        for m in card.metrics:
            if m.name == "track_accuracy":
                page.add_row("judged by", f"{m.n} tracks, {_which(m.part)}: {m.value:.1%} right")
        page.add_row("licence", card.licence or "not stated")
        page.add_row()
    return page


def finding(found: Finding) -> str:
    """One finding of a check as a line."""
    return f"{found.kind:<11} {clean(found.track)}: {clean(found.detail)}"


def findings(found: Sequence[Finding]) -> Table:
    """Findings of a check, which come sorted by kind: a paragraph a kind, faults red, notes yellow."""
    table = Table(box=None, padding=(0, 1), show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", style="bold")
    table.add_column(overflow="fold")
    for kind, group in groupby(found, key=lambda one: one.kind):
        for i, one in enumerate(group):
            name = Text("" if i else kind, style="red" if one.grade == "fault" else "yellow")
            table.add_row(name, Text(clean(one.track)), Text(clean(one.detail)))
        table.add_row()
    return table


def tally(found: Sequence[Finding]) -> str:
    """How many findings of each kind, in one line."""
    parts = []
    for grade in ("fault", "note"):
        kinds = Counter(one.kind for one in found if one.grade == grade)
        if n := kinds.total():
            counts = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
            parts.append(f"{n} {grade}{'s' * (n > 1)}: {counts}")
    return "; ".join(parts) or "nothing wrong"


def sparkline(values: Sequence[float], width: int) -> str:
    """Values over time as a line of little bars, `width` characters long at most."""
    width = min(width, len(values))
    bounds = [round(i * len(values) / width) for i in range(width + 1)]
    peaks = [max(values[a:b]) for a, b in pairwise(bounds)]
    highest = max(peaks) or 1.0
    return "".join("▁▂▃▄▅▆▇█"[min(7, int(8 * p / highest))] for p in peaks)


def clock(seconds: float) -> str:
    """Minutes and seconds, as players show them."""
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def as_json(record: dict[str, Any]) -> str:
    """One record as a JSON line."""
    return json.dumps(record)


def _cell_style(right: bool, count: int) -> str:
    return "dim" if not count else "bold green" if right else "red"


def shortened(text: str, width: int) -> str:
    """The end of a name that is too long for its column."""
    return text if len(text) <= width else "…" + text[-(width - 1) :]
