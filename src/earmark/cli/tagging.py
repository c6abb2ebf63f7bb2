"""What ``earmark tag`` does with each verdict, and how that looks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from earmark.errors import TagError

if TYPE_CHECKING:
    from earmark.inference.verdict import Verdict
    from earmark.library.tags.safe_replace import Stamp
    from earmark.library.tags.vocabulary import GenreWords
    from earmark.library.tags.writer import GenreWriter

HAD = "had one"
"""The outcome of files that keep their genre: counted, but not shown in a table."""

_STYLES = {"written": "green", "restored": "green", "genre restored": "green", "failed": "red"}


@dataclass(frozen=True)
class Row:
    """What became of one file.

    Attributes
    ----------
    path : str
    outcome : str
        "written", "had one", "unknown" or "failed"; see also :class:`earmark.library.tags.writer.Undone`.
    before, genres : tuple of str
        Genres that were there, and that were (or would be) written.
    confidence : float or None
    reason : str or None
        Why it is unknown.
    error : str or None
    """

    path: str
    outcome: str
    before: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()
    confidence: float | None = None
    reason: str | None = None
    error: str | None = None


class Tagging:
    """One run over many files.

    Parameters
    ----------
    words : GenreWords
    writer : GenreWriter
    rows : TableRows or JsonRows
    dry_run : bool
    """

    def __init__(self, words: GenreWords, writer: GenreWriter, rows: TableRows | JsonRows, *, dry_run: bool) -> None:
        self.words, self.writer, self.rows, self.dry_run = words, writer, rows, dry_run
        self.counts: Counter[str] = Counter()
        self._seen: dict[str, tuple[Stamp, tuple[str, ...]]] = {}
        self._met: set[str] = set()
        self._cleaned: set[Path] = set()

    def wants(self, path: str) -> bool:
        """Whether a file is to be listened to: it can be written, and its genre is missing or may be replaced."""
        from earmark.library.tags.genre_tags import GenreTags
        from earmark.library.tags.safe_replace import Stamp, remove_drafts, resolved

        try:
            real = resolved(Path(path))
            if str(real) in self._met:  # named twice, or by a link too
                return False
            self._met.add(str(real))
            if real.parent not in self._cleaned and not self.dry_run:
                self._cleaned.add(real.parent)
                remove_drafts(real.parent)
            stamp, there = Stamp.of(real), GenreTags(real)
            if not self.writer.wants(there):
                self._put(Row(path, HAD, there.genres))
                return False
            self._seen[path] = stamp, there.genres
        except TagError as error:
            self._put(Row(path, "failed", error=str(error)))
            return False
        return True

    def answer(self, verdict: Verdict) -> None:
        """Write what a verdict says, or say why not."""
        path = verdict.path or ""
        stamp, before = self._seen.pop(path, (None, ()))
        if verdict.error:
            self._put(Row(path, "failed", before, error=verdict.error))
            return
        genres = self.words.of(verdict)
        if not genres:
            self._put(Row(path, "unknown", before, (), verdict.confidence, verdict.reason or "not to be written"))
            return
        try:
            written = before != genres if self.dry_run else self.writer.write(Path(path), genres, stamp)
            self._put(Row(path, "written" if written else HAD, before, genres, verdict.confidence))
        except TagError as error:
            self._put(Row(path, "failed", before, genres, verdict.confidence, error=str(error)))

    def _put(self, row: Row) -> None:
        self.counts[row.outcome] += 1
        self.rows.write(row)


class TableRows:
    """One line a file that changes or fails: what was there → what is there, and how sure that is."""

    def __init__(self, file: TextIO) -> None:
        from rich.console import Console

        self.console = Console(file=file, highlight=False, soft_wrap=True)

    def write(self, row: Row) -> None:
        """Print one line."""
        from rich.text import Text

        from earmark.cli.writers import clean, shorten

        if row.outcome == HAD:
            return
        width = max(16, min(60, self.console.width - 60)) if self.console.is_terminal else 60
        line = Text(shorten(clean(row.path), width).ljust(width) + "  ", no_wrap=True)
        if row.error:
            self.console.print(line.append(f"✗ {row.error}", style="red"))
            return
        if row.reason:
            self.console.print(line.append(f"unknown ({row.reason})", style="dim"))
            return
        line.append(clean("; ".join(row.before)) or "–", style="dim").append(" → ")
        line.append(clean("; ".join(row.genres)) or "–", style=f"bold {_STYLES.get(row.outcome, '')}")
        if row.confidence is not None:
            line.append(f"  {row.confidence:.0%}", style="dim")
        elif row.outcome != "restored":
            line.append(f"  ({row.outcome})", style="dim")
        self.console.print(line)


class JsonRows:
    """JSON lines: one object a file, pure ASCII, so that names of any bytes survive."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, row: Row) -> None:
        """Write one line."""
        record = asdict(row)
        if row.confidence is not None:
            record["confidence"] = round(row.confidence, 4)
        self.file.write(json.dumps(record) + "\n")
        self.file.flush()


ROWS: dict[str, Callable[[TextIO], TableRows | JsonRows]] = {"table": TableRows, "json": JsonRows}
