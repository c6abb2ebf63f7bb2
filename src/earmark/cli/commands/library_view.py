"""What ``earmark library`` writes: rows, playlists, and how much of what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli import terminal
from earmark.cli.options import Format
from earmark.cli.text import clean, format_duration
from earmark.cli.writers import WRITERS, Tally
from earmark.errors import format_count
from earmark.inference.genre_names import find_label
from earmark.library.playlists import write_playlists

if TYPE_CHECKING:
    from earmark.inference.verdict import Verdict
    from earmark.library.library import Library, ModelKey


class Page:
    """What of a library is shown, and how often what."""

    def __init__(
        self, library: Library, hearing: ModelKey, genres: list[str | None], min_confidence: float, everything: bool
    ) -> None:
        self.library, self.hearing, self.everything = library, hearing, everything
        self.genres, self.min_confidence = genres, min_confidence

    def _verdicts(self, *, timeline: bool = False) -> Iterator[Verdict]:
        # Counted anew each time: playlists and rows may both be written.
        self.tally, self.gone, self.changed = Tally(), 0, 0
        for kept in self.library.query(
            self.hearing, genres=self.genres, min_confidence=self.min_confidence, timeline=timeline
        ):
            file = kept.file
            self.gone += file == "gone"
            self.changed += file == "changed"
            # Gone files are counted even where they are left out, to say so at the end.
            if self.everything or file != "gone":
                self.tally.add(kept.verdict)
                yield kept.verdict

    def write(self, form: Format, output: Path | None, top: int | None, timeline: bool) -> None:
        """Write rows, as ``earmark classify`` does."""
        with terminal.output(output) as file:
            writer = WRITERS[form](file, self.hearing.labels, top, timeline)
            for verdict in self._verdicts(timeline=timeline):
                writer.write(verdict)

    def write_playlists(self, folder: Path, overwrite: bool) -> int:
        """Write playlists, print of each how long it is, and return how many would have replaced somebody's own."""
        refused = 0
        # Those of genres that were not asked for stay as they are.
        known = self.hearing.labels
        labels = [find_label(name, known, self.hearing.name) for name in self.genres if name] if self.genres else known
        for playlist in write_playlists(folder, self._verdicts(), labels, overwrite=overwrite):
            path = clean(str(playlist.path))
            if playlist.written:
                print(f"{path}  {format_count(playlist.tracks, 'track')}, {format_duration(playlist.seconds)}")
            else:
                refused += 1
                terminal.say(f"{path}: left as it is, for Earmark did not write it; --force replaces it", "red")
        return refused

    def say_counts(self) -> None:
        """Sum up what was written last."""
        terminal.say(clean(f"{self.library.path}: {self.tally.describe()}"))
        gone = "no longer there" if self.everything else "no longer there, left out"
        notes = [
            self.tally.describe_failures(),
            f"{format_count(self.changed, 'file')} changed since: classify again" if self.changed else "",
            f"{format_count(self.gone, 'file')} {gone}" if self.gone else "",
        ]
        for note in filter(None, notes):
            terminal.say(note, "yellow")
