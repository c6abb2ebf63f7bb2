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
from earmark.library.playlists import write_playlists
from earmark.library.translation import find_genres, list_words, translate_verdict

if TYPE_CHECKING:
    from earmark.inference.verdict import Verdict
    from earmark.library.library import Library, ModelKey
    from earmark.library.vocabulary import Vocabulary


class Page:
    """What of a library is shown, and how often what."""

    def __init__(
        self,
        library: Library,
        hearing: ModelKey,
        genres: list[str | None],
        min_confidence: float,
        everything: bool,
        vocabulary: Vocabulary,
    ) -> None:
        self.library, self.hearing, self.everything = library, hearing, everything
        self.min_confidence, self.vocabulary = min_confidence, vocabulary
        # None among the genres: what is unknown. Without genres, all of them.
        found, words = find_genres(filter(None, genres), hearing.labels, hearing.name, vocabulary)
        self.genres = [*found, *([None] if None in genres else ())]
        self.words = words if genres else list_words(hearing.labels, vocabulary)

    def _verdicts(self, *, timeline: bool = False) -> Iterator[tuple[Verdict, Verdict]]:
        """Yield answers, in the model's names and in words."""
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
                told = translate_verdict(kept.verdict, self.vocabulary)
                self.tally.add(told)
                yield kept.verdict, told

    def write(self, form: Format, output: Path | None, top: int | None, timeline: bool) -> None:
        """Write rows, as ``earmark classify`` does."""
        with terminal.output(output) as file:
            writer = WRITERS[form](file, list_words(self.hearing.labels, self.vocabulary), top, timeline)
            for _, told in self._verdicts(timeline=timeline):
                writer.write(told)

    def write_playlists(self, folder: Path, overwrite: bool) -> int:
        """Write playlists, print of each how long it is, and return how many would have replaced somebody's own."""
        refused = 0
        verdicts = (verdict for verdict, _ in self._verdicts())
        # Those of genres that were not asked for stay as they are.
        for playlist in write_playlists(folder, verdicts, self.words, self.vocabulary, overwrite=overwrite):
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
