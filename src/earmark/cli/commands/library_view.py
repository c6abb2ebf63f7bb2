"""What ``earmark library`` writes: rows, playlists, and how much of what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli import terminal
from earmark.cli.options import Format
from earmark.cli.writers import WRITERS, Tally, clean
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
        for verdict, file in self.library.query(
            self.hearing, genres=self.genres, min_confidence=self.min_confidence, timeline=timeline
        ):
            self.gone += file == "gone"
            self.changed += file == "changed"
            # Gone files are counted even where they are left out, to say so at the end.
            if self.everything or file != "gone":
                self.tally.add(verdict)
                yield verdict

    def write(self, form: Format, output: Path | None, top: int | None, timeline: bool) -> None:
        """Write rows, as ``earmark classify`` does."""
        with terminal.output(output) as file:
            writer = WRITERS[form](file, self.hearing.labels, top, timeline)
            for verdict in self._verdicts(timeline=timeline):
                writer.write(verdict)

    def write_playlists(self, folder: Path) -> None:
        """Write playlists, and print of each how long it is."""
        for written in write_playlists(folder, self._verdicts(), self.hearing.labels):
            hours, minutes = divmod(round(written.seconds / 60), 60)
            print(f"{clean(str(written.path))}  {written.tracks} tracks, {hours}:{minutes:02} h")

    def say_counts(self) -> None:
        """Sum up what was written last."""
        terminal.say(clean(f"{self.library.path}: {self.tally.line()}"))
        if self.changed:
            terminal.say(f"{self.changed} changed since they were heard: classify them again", "yellow")
        if self.gone:
            terminal.say(f"{self.gone} no longer there{'' if self.everything else ', left out'}", "yellow")
