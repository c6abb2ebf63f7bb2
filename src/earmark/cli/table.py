"""Answers as a table on a terminal, a line a track as soon as it is known."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.cells import cell_len
from rich.text import Text

from earmark.cli.terminal import row_console
from earmark.cli.text import bar, clean, fit, format_offset, lay_beside, name_file, shorten, sparkline

if TYPE_CHECKING:
    from earmark.inference.verdict import ClipVerdict, Verdict
    from earmark.library.albums import Album, AlbumAnswer

_FIGURE = 5
"""Columns of a blank and a figure up to 100%."""

_OTHER = 18
"""Columns that one further genre and its figure take, more or less."""


class TableWriter:
    """Writes a header, a line for each track and, with a timeline, a line for each of its clips below it.

    On a terminal of 40 columns or more, no line is wider than it; elsewhere names have 60 columns, and the rest what
    it needs.

    Parameters
    ----------
    file : text file
    labels : sequence of str
        Genres of the model; the longest sets the width of the column.
    top : int or None
        Genres shown, 3 where None; where given, so many styles and moods too, in lines of their own.
    timeline : bool
    albums : bool
        Whether it is a list by albums: each has a line, and below it its tracks that are of another genre.
    """

    def __init__(
        self, file: TextIO, labels: Sequence[str], top: int | None, timeline: bool = False, albums: bool = False
    ) -> None:
        self.console = row_console(file)
        self.top = top or 3
        self.timeline = timeline
        self.details = ("styles", "moods") if top else ()
        self.width = self.console.width if self.console.is_terminal else sys.maxsize
        screen = min(self.width, 200)
        self.genre_width = min(max(cell_len(clean(label)) for label in ("unknown", *labels)), screen // 4)
        self.bar_width = 12 if screen >= 100 else 8 if screen >= 60 else 5
        # Left of the other genres: name, two blanks, genre, a blank, bar and figure.
        room = screen - (2 + self.genre_width + 1 + self.bar_width + _FIGURE)
        others = min(room // 2, _OTHER * (self.top - 1))
        # Albums of one name are told apart by their folders, which a wider column shows.
        self.name_width = min(60, max(room - others, min(room, 32 if albums else 24)))
        self.header: Text | None = self._make_header("album (tracks)" if albums else "file")
        self.album: Album[Any] | None = None

    def _make_header(self, what: str) -> Text:
        line = Text(fit(what, self.name_width) + "  ", style="dim", no_wrap=True)
        line.append("genre".ljust(self.genre_width + 1)).append("confidence".ljust(self.bar_width + _FIGURE))
        others = "  other genres"
        return line.append(others if line.cell_len + len(others) <= self.width else "")

    def write(self, verdict: Verdict, answer: AlbumAnswer | None = None) -> None:
        """Print one verdict; of a list by albums, with what is to be said of its album."""
        if self.header:
            self.console.print(self.header)
            # Once, and not where no track follows.
            self.header = None
        for line in self._make_album_lines(answer) if answer else self._make_lines(verdict):
            line.rstrip()
            self.console.print(line)

    def _make_album_lines(self, answer: AlbumAnswer) -> Iterator[Text]:
        """Yield the lines of an album, or of a track of what is left to its tracks, which are told before the first."""
        album, verdict = answer.album, answer.verdict
        if album.kind == "album":
            name, n = _name_album(album), f" ({len(album.tracks)})"
            fits = cell_len(name + n) <= self.name_width
            lines = self._make_lines(replace(verdict, path=(name if fits else str(album.folder)) + n))
            yield next(lines)
            if not fits and album.title != album.folder.name:
                yield Text(f"  {shorten(clean(album.title), self.width - 2)}", "dim", no_wrap=True)
            yield from lines
            for track in answer.outliers:
                note = f"except {Path(track.path or '-').name}: {track.genre} {track.confidence:.0%}"
                yield from self._add_note(Text(" " * (self.name_width + 2)), note, "yellow")
            return
        if album is not self.album and album.kind != "track":
            yield Text(shorten(f"{_name_album(album)}: a {album.kind}, by track", self.width), "dim", no_wrap=True)
        self.album = album
        yield from self._make_lines(verdict)

    def _make_lines(self, verdict: Verdict) -> Iterator[Text]:
        line = Text(fit(name_file(verdict.path or "-"), self.name_width) + "  ", no_wrap=True)
        if verdict.error and not verdict.genres:
            yield from self._add_note(line, f"✗ {verdict.error}")
            return
        shares = _format_shares(verdict.genres, self.top)
        if verdict.genre:
            self._append_answer(line, verdict.genre, verdict.confidence, "bold")
            # The first genre has a column of its own.
            self._append_shares(line, shares[1:])
        else:
            reason = f"unknown: {verdict.reason}" if verdict.reason else "unknown"
            room = self.genre_width + 1 + self.bar_width + _FIGURE
            line.append_text(_cut(reason, max(room, min(len(reason), self.width - line.cell_len)), "dim"))
            # One alone does not tell what the model hesitates between: then all go below.
            if self._append_shares(line.copy(), shares) >= min(2, len(shares)):
                self._append_shares(line, shares)
            else:
                yield line
                line = self._make_detail("genres", shares)
        if verdict.error:
            yield from self._add_note(line.append("  "), f"! {verdict.error}")
        else:
            yield line
        yield from self._make_details(verdict)
        if self.timeline:
            yield from map(self._make_clip_line, verdict.clips)

    def _make_details(self, verdict: Verdict) -> Iterator[Text]:
        """Yield a line of styles and one of moods, where there are some to show."""
        for what in self.details:
            if shares := _format_shares(getattr(verdict, what), self.top):
                yield self._make_detail(what, shares)

    def _make_detail(self, what: str, shares: Sequence[str]) -> Text:
        line = Text(" " * (self.name_width + 2) + what.ljust(6), style="dim", no_wrap=True)
        self._append_shares(line, shares)
        return line

    def _append_answer(self, line: Text, genre: str, share: float, style: str) -> None:
        """Append a genre, its bar and its figure, in their columns."""
        line.append_text(_cut(clean(genre), self.genre_width, style)).append(" ")
        line.append_text(bar(share, self.bar_width)).append(f" {share:{_FIGURE - 1}.0%}")

    def _append_shares(self, line: Text, shares: Sequence[str]) -> int:
        """Append as many as the line has room for, and return how many."""
        for i, share in enumerate(shares):
            if line.cell_len + 2 + cell_len(share) > self.width:
                return i
            line.append(f"  {share}", style="dim")
        return len(shares)

    def _add_note(self, line: Text, note: str, style: str = "red") -> Iterator[Text]:
        """Return a line and a note at its end; where that is too long, below it, beside the column of names."""
        return lay_beside(line, Text(clean(note), style=style), self.width, self.name_width + 2)

    def _make_clip_line(self, clip: ClipVerdict) -> Text:
        span = f"  {format_offset(clip.start)}–{format_offset(clip.end)}"
        line = Text(fit(span, self.name_width) + "  ", style="dim", no_wrap=True)
        if not clip.genres:
            reason = f"({clip.reason or 'nothing heard'})"
            return line.append_text(_cut(reason, min(len(reason), self.width - line.cell_len)))
        genre, share = next(iter(clip.genres.items()))
        self._append_answer(line, genre, share, "not dim")
        word = "  attention "
        room = min(24, self.width - line.cell_len - len(word))
        # Of fewer columns one would see nothing.
        if clip.attention and room >= 4:
            line.append(word).append(sparkline(clip.attention, room), style="cyan not dim")
        return line


def _name_album(album: Album[Any]) -> str:
    """Return an album's folder, with its title where that is another."""
    folder = name_file(str(album.folder))
    return folder if album.title == album.folder.name else f"{folder}: {clean(album.title)}"


def _format_shares(probabilities: Mapping[str, float], top: int) -> list[str]:
    """Return names and their probabilities, as "jazz 36%", without those that round to nothing."""
    figures = [(clean(name), f"{share:.0%}") for name, share in islice(probabilities.items(), top)]
    return [f"{name} {figure}" for name, figure in figures if figure != "0%"]


def _cut(text: str, width: int, style: str = "") -> Text:
    """Return the beginning of a text that fills so many columns."""
    cell = Text(text, style=style)
    cell.truncate(width, overflow="ellipsis", pad=True)
    return cell
