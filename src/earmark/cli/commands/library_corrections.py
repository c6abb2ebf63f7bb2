"""What ``earmark library`` does with corrections: takes, lists and forgets them, and asks for the most useful ones."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli import terminal
from earmark.cli.text import clean, name_file, shorten
from earmark.errors import MissingExtra, SettingError, format_count
from earmark.files import open_atomic

if TYPE_CHECKING:
    from rich.console import Console

    from earmark.library.library import Library, ModelKey
    from earmark.library.review import Suggestion
    from earmark.library.tags.plan import PlanRow
    from earmark.library.vocabulary import Vocabulary

_BLOCK = 1000


class Corrector:
    """Takes corrections into a library, and counts them.

    Attributes
    ----------
    n_taken, n_refused : int
        Files that were corrected, and those that the library does not know.
    was_asked : bool
        Whether there was anything to take or to forget.
    """

    def __init__(self, library: Library, hearing: ModelKey) -> None:
        self.library, self.hearing = library, hearing
        self.n_taken = self.n_refused = 0
        self.was_asked = False

    def forget(self, paths: Sequence[str]) -> None:
        """Forget the corrections of files, and say how many there were."""
        if paths:
            self.was_asked = True
            terminal.say(f"{format_count(self.library.forget_corrections(paths), 'correction')} forgotten")

    def take(self, typed: Sequence[str], files: Sequence[Path], *, tags: bool) -> None:
        """Take corrections from tags, from files and as they were typed, which count most, and say how many."""
        from earmark.library.corrections import list_tag_genres, read_corrections

        pairs = [_split_pair(text) for text in typed]
        if not (pairs or files or tags):
            return
        self.was_asked = True
        if tags:
            self._keep(list_tag_genres(self.library, self.hearing), "tags")
        for file in files:
            self._keep(read_corrections(file), "file")
        self._keep(pairs, "person")
        self._say_counts()

    def _keep(self, pairs: Iterable[tuple[str, str]], source: str) -> None:
        remaining = iter(pairs)
        while block := list(islice(remaining, _BLOCK)):
            self.n_taken += self.library.correct([pair for pair in block if self._check(pair[0])], source)

    def _check(self, path: str) -> bool:
        known = self.library.knows(path)
        if not known:
            self.n_refused += 1
            terminal.say(f"{clean(path)}: not in {clean(str(self.library.path))}: not corrected", "red")
        return known

    def _say_counts(self) -> None:
        """Say how many files were corrected, and which genres are new to the model."""
        from earmark.library.corrections import count_new_genres

        total = format_count(len(self.library.corrections()), "correction")
        terminal.say(f"{format_count(self.n_taken, 'file')} corrected; {total} in {clean(str(self.library.path))}")
        for genre, n in count_new_genres(self.library, self.hearing.labels).items():
            terminal.say(f"{clean(genre)}: new to {self.hearing.name}: it learns it from {format_count(n, 'example')}")
        database = shlex.quote(str(self.library.path))
        terminal.say(f"to learn from them: earmark train --library {database} -o mine.onnx", wrap=False)


def show_corrections(library: Library, hearing: ModelKey, output: Path | None) -> None:
    """Print the corrections beside the model's answers; write them to `output` as a CSV that --correct-from reads."""
    if output:
        with open_atomic(output) as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerows([("path", "genre"), *library.corrections().items()])
        terminal.say(f"{clean(str(output))}: {format_count(len(library.corrections()), 'correction')}")
        return
    from rich.text import Text

    console = _make_console()
    n = 0
    for track in library.query(hearing):
        if track.correction:
            n += 1
            heard = track.verdict.genre or f"unknown: {track.verdict.reason or 'an error'}"
            console.print(Text(_shorten(track.verdict.path or "", console), no_wrap=True))
            line = Text(f"    {clean(heard)} → ", "dim", no_wrap=True)
            console.print(line.append(clean(track.correction), "bold not dim"))
    terminal.say(f"{format_count(n, 'correction')} of {hearing.name}'s answers in {clean(str(library.path))}")


def show_review(library: Library, hearing: ModelKey, vocabulary: Vocabulary, top: int, output: Path | None) -> None:
    """Print the tracks most worth a look, or write them to `output` as a plan to edit."""
    from earmark.library.review import rank_for_review
    from earmark.library.tags.plan import check_plan_name, write_plan

    if output:
        check_plan_name(output)
    with suppress(MissingExtra):
        library.fill_tags()
    suggestions = rank_for_review(library.query(hearing, embeddings=True), top)
    rows = [_plan(suggestion, vocabulary) for suggestion in suggestions]
    database = shlex.quote(str(library.path))
    if not rows:
        terminal.say(f"{clean(str(library.path))}: nothing to look at", "yellow")
    elif output:
        for path in write_plan(output, rows):
            terminal.say(f"{clean(path)}: left out, for its name is not UTF-8: -o review.jsonl takes it", "yellow")
        terminal.say(f"{clean(str(output))}: {format_count(len(rows), 'track')}, the most useful first")
        terminal.say("put the genres right, make the action of each row that you have decided 'write', and then")
        terminal.say(f"earmark library {database} --correct-from {shlex.quote(str(output))}", wrap=False)
    else:
        console = _make_console()
        for row in rows:
            _print_suggestion(console, row)
        terminal.say(f"to correct: earmark library {database} --correct PATH=GENRE; -o review.csv makes a plan to edit")


def _split_pair(text: str) -> tuple[str, str]:
    """Return path and genre of PATH=GENRE; the path may have an equals sign in it."""
    path, equals, genre = text.rpartition("=")
    if not (equals and path and genre.strip()):
        raise SettingError(f"--correct takes PATH=GENRE, not {text!r}")
    return path, genre


def _plan(suggestion: Suggestion, vocabulary: Vocabulary) -> PlanRow:
    from earmark.library.tags.plan import PlanRow, format_state

    verdict, size, mtime_ns, tags, _ = suggestion.track
    genre = vocabulary.translate(verdict.best) if verdict.best else ()
    return PlanRow(
        verdict.path or "",
        tags.album if tags else "",
        tags.genres if tags else (),
        genre,
        confidence=verdict.confidence,
        reason=suggestion.reason,
        action="review",
        state=format_state(size, mtime_ns),
    )


def _print_suggestion(console: Console, row: PlanRow) -> None:
    """Print a track in two lines: its path; what is there → what is guessed, and why it is worth a look."""
    from rich.text import Text

    console.print(Text(_shorten(row.path, console), no_wrap=True))
    line = Text(f"    {clean('; '.join(row.current)) or '–'} → ", "dim", no_wrap=True)
    line.append(clean("; ".join(row.genre)), "bold not dim")
    line.append(f" {row.confidence:.0%}  {clean(row.reason)}")
    if console.is_terminal:
        line.truncate(console.width, overflow="ellipsis")
    console.print(line)


def _make_console() -> Console:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def _shorten(path: str, console: Console) -> str:
    """Return a path on one line of the terminal; whole where it goes into a file or a pipe."""
    return shorten(name_file(path), console.width) if console.is_terminal else name_file(path)
