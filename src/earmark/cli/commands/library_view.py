"""What ``earmark library`` writes: rows, playlists, and how much of what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli import terminal
from earmark.cli.options import Format
from earmark.cli.text import clean, format_duration
from earmark.cli.words import load_words
from earmark.cli.writers import WRITERS, Tally
from earmark.errors import format_count
from earmark.library.albums import AlbumAnswer, answer_albums
from earmark.library.playlists import write_playlists
from earmark.library.tags.file_tags import FileTags
from earmark.library.translation import find_genres, list_words, translate_verdict

if TYPE_CHECKING:
    from earmark.inference.card import Card
    from earmark.inference.verdict import Verdict
    from earmark.library.library import Library
    from earmark.library.records import ModelKey, StoredVerdict
    from earmark.library.vocabulary import Vocabulary


def choose_answers(library: Library, model: str | None) -> ModelKey:
    """Choose whose answers are shown; where nobody has, say which others there are."""
    from earmark.library.answers import choose_model

    chosen, names = choose_model(library, model)
    if not model and len(names) > 1:
        terminal.say(f"answers of {names[0]}; --model chooses another: {'; '.join(names[1:])}")
    return chosen


def choose_vocabulary(
    library: Library, hearing: ModelKey, name: str | None, *, parents: bool, depth: int | None
) -> Vocabulary:
    """Load the words for what a model tells, and for what it was corrected to."""
    from earmark.inference.vocabulary import read_classes

    told = (*hearing.labels, *(style.name for style in read_classes("genre")))
    return load_words(name, told, library, parents=parents, depth=depth)


class Page:
    """What of a library is shown, and how often what."""

    def __init__(
        self,
        library: Library,
        hearing: ModelKey,
        genres: Sequence[str],
        min_confidence: float,
        everything: bool,
        vocabulary: Vocabulary,
    ) -> None:
        self.library, self.hearing, self.everything = library, hearing, everything
        self.min_confidence, self.vocabulary = min_confidence, vocabulary
        named = [name for name in genres if name != "unknown"]
        found, words = find_genres(named, hearing.labels, hearing.name, vocabulary)
        # None among the genres: what is unknown. Without genres, all of them.
        self.genres = [*found, *([None] if len(named) < len(genres) else ())]
        self.words = words if genres else list_words(hearing.labels, vocabulary)

    def show(
        self,
        playlists: Path | None,
        force: bool,
        form: Format | None,
        output: Path | None,
        top: int | None,
        timeline: bool,
        card: Card | None,
    ) -> int:
        """Write playlists into a folder and rows in a format, of albums where there is a card, each where it is asked.

        Returns how many playlists would have replaced somebody's own.
        """
        refused = self.write_playlists(playlists, force) if playlists else 0
        if form and card:
            self.write_albums(form, output, top, card)
        elif form:
            self.write(form, output, top, timeline)
        self.say_counts()
        return refused

    def _query(self, *, timeline: bool = False, by_album: bool = False) -> Iterator[StoredVerdict]:
        """Yield answers; by album those of all genres, for an album's may be another than its tracks'."""
        # Counted anew each time: playlists and rows may both be written.
        self.tally, self.gone, self.changed = Tally(), 0, 0
        genres, least = ((), 0.0) if by_album else (self.genres, self.min_confidence)
        for kept in self.library.query(self.hearing, genres=genres, min_confidence=least, timeline=timeline):
            file = kept.file
            self.gone += file == "gone"
            self.changed += file == "changed"
            # Gone files are counted even where they are left out, to say so at the end.
            if self.everything or file != "gone":
                yield kept

    def _verdicts(self, *, timeline: bool = False) -> Iterator[tuple[Verdict, Verdict]]:
        """Yield answers, in the model's names and in words."""
        for kept in self._query(timeline=timeline):
            told = translate_verdict(kept.verdict, self.vocabulary)
            self.tally.add(told)
            yield kept.verdict, told

    def _albums(self, card: Card) -> Iterator[AlbumAnswer]:
        """Yield answers by album, in words."""
        self.library.fill_tags()
        tracks = ((kept.verdict, kept.tags or FileTags(kept.verdict.path or "")) for kept in self._query(by_album=True))
        for answer in answer_albums(tracks, card):
            verdict = answer.verdict
            if verdict.confidence < self.min_confidence or (self.genres and verdict.genre not in self.genres):
                continue
            told, *outliers = (translate_verdict(one, self.vocabulary) for one in (verdict, *answer.outliers))
            self.tally.add(told, answer)
            yield replace(answer, verdict=told, outliers=tuple(outliers))

    def write(self, form: Format, output: Path | None, top: int | None, timeline: bool) -> None:
        """Write rows, as ``earmark classify`` does."""
        with terminal.output(output) as file:
            writer = WRITERS[form](file, list_words(self.hearing.labels, self.vocabulary), top, timeline)
            for _, told in self._verdicts(timeline=timeline):
                writer.write(told)

    def write_albums(self, form: Format, output: Path | None, top: int | None, card: Card) -> None:
        """Write a row an album, as ``earmark classify --album`` does; `card` is that of the model."""
        with terminal.output(output) as file:
            writer = WRITERS[form](file, list_words(self.hearing.labels, self.vocabulary), top, albums=True)
            for answer in self._albums(card):
                writer.write(answer.verdict, answer)

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
