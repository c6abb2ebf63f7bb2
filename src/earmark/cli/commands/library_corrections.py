"""What ``earmark library`` does with corrections: takes, lists and forgets them, and asks for the most useful ones."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import chain, islice, starmap
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli import terminal
from earmark.cli.text import clean, name_file, shorten
from earmark.errors import MissingExtra, SettingError, format_count
from earmark.files import open_atomic
from earmark.inference.genre_names import spelling_key

if TYPE_CHECKING:
    from rich.console import Console

    from earmark.library.library import Library
    from earmark.library.records import ModelKey
    from earmark.library.review import Suggestion
    from earmark.library.tags.plan import PlanRow
    from earmark.library.vocabulary import Vocabulary

_BLOCK = 1000

_SHOWN = 10
"""Lines of one kind that are said."""

_NEAR = 0.8
"""Likeness of a new genre and one of the model's from which it may be a slip: that of "jaz" and "jazz" is 0.86."""


class Corrector:
    """Takes corrections into a library, and counts them.

    Attributes
    ----------
    n_refused : int
        Corrections that name no file of the library or no genre, and those to forget that there are not.
    was_asked : bool
        Whether there was anything to take or to forget.
    """

    def __init__(self, library: Library, hearing: ModelKey, vocabulary: Vocabulary) -> None:
        from earmark.library.corrections import GenreNamer

        self.library, self.hearing = library, hearing
        self.n_refused = 0
        self.was_asked = False
        self._namer = GenreNamer(hearing.labels, vocabulary)
        self._taken: set[str] = set()
        # what was given → what it is taken as, where these are not two spellings of one name
        self._taken_as: dict[str, str] = {}

    def forget(self, paths: Sequence[str]) -> None:
        """Forget the corrections of files and folders, and say how many there were."""
        if not paths:
            return
        self.was_asked = True
        n = 0
        for path in paths:
            found = self.library.forget_corrections(path)
            if not found:
                self._refuse(path, f"{self.library.path} has no correction of it")
            n += found
        terminal.say(f"{format_count(n, 'correction')} forgotten")

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
        named = chain.from_iterable(starmap(self._name, pairs))
        while block := list(islice(named, _BLOCK)):
            self.library.correct(block, source)
            self._taken.update(path for path, _ in block)

    def _name(self, path: str, given: str) -> Iterator[tuple[str, str]]:
        """Yield the files that are meant, each with the genre that is meant."""
        genre, files = self._namer.name(given), self.library.find_files(path)
        if genre is None:
            self._refuse(path, f"{given!r} names no genre: not corrected")
        elif not files:
            self._refuse(path, f"not in {self.library.path}: not corrected")
        else:
            if spelling_key(genre) != spelling_key(given):
                self._taken_as[given] = genre
            yield from ((file, genre) for file in files)

    def _refuse(self, path: str, why: str) -> None:
        self.n_refused += 1
        terminal.say(clean(f"{path}: {why}"), "red")

    def _say_counts(self) -> None:
        """Say how many files were corrected, to what, and what cannot be learned from."""
        from earmark.library.corrections import list_unteachable

        total = format_count(len(self.library.corrections()), "correction")
        terminal.say(f"{format_count(len(self._taken), 'file')} corrected; {total} in {clean(str(self.library.path))}")
        if not self._taken:
            return
        _say_first(
            [f"{given!r} is taken as {genre!r}: a correction is one genre" for given, genre in self._taken_as.items()]
        )
        _say_first(list(self._describe_new()))
        unteachable = list_unteachable(self.library, self.hearing)
        lines = [f"cannot teach: {name_file(path)}: {why}" for path, why in unteachable if path in self._taken]
        _say_first(lines, "yellow")
        database = shlex.quote(str(self.library.path))
        terminal.say(f"to learn from them: earmark train --library {database} -o mine.onnx", wrap=False)

    def _describe_new(self) -> Iterator[str]:
        """Yield a line for each genre that is new to the model; one that is nearly one of the model's may be a slip."""
        from earmark.library.corrections import count_new_genres

        labels = {spelling_key(label): label for label in self.hearing.labels}
        for genre, n in count_new_genres(self.library, self.hearing.labels).items():
            near = get_close_matches(spelling_key(genre), labels, 1, _NEAR)
            hint = f"; did you mean {labels[near[0]]}?" if near else ""
            yield f"{genre}: new to {self.hearing.name}: it learns it from {format_count(n, 'example')}{hint}"


def check_corrections_name(path: Path) -> None:
    """Raise :class:`SettingError` for a file that corrections must not replace: any other than a list of some."""
    from earmark.library.corrections import is_list

    terminal.refuse_sound(path)
    if path.exists() and not (path.is_file() and is_list(path)):
        raise SettingError(f"{path} is there already, and is no list of corrections: give another name, or delete it")


def show_corrections(library: Library, hearing: ModelKey, output: Path | None) -> None:
    """Print the corrections beside the model's answers; write them to `output` as a CSV that --correct-from reads."""
    from earmark.library.corrections import COLUMNS

    if output:
        with open_atomic(output) as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerows([COLUMNS, *library.corrections().items()])
        terminal.say(f"{clean(str(output))}: {format_count(len(library.corrections()), 'correction')}")
        return
    from rich.text import Text

    console = terminal.row_console()
    n = 0
    for track in library.query(hearing, corrected=True):
        n += 1
        heard = track.verdict.genre or f"unknown: {track.verdict.reason or 'an error'}"
        console.print(Text(_shorten(track.verdict.path or "", console), no_wrap=True))
        line = Text(f"    {clean(heard)} → ", "dim", no_wrap=True)
        console.print(line.append(clean(track.correction or ""), "bold not dim"))
    terminal.say(f"{format_count(n, 'correction')} of answers by {hearing.name} in {clean(str(library.path))}")


def show_review(library: Library, hearing: ModelKey, vocabulary: Vocabulary, top: int, output: Path | None) -> None:
    """Print the tracks most worth a look, or write them to `output` as a plan to edit."""
    from earmark.library.review import rank_for_review
    from earmark.library.tags.plan_file import write_plan

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
        console = terminal.row_console()
        for row in rows:
            _print_suggestion(console, row)
        terminal.say(f"to correct: earmark library {database} --correct PATH=GENRE; -o review.csv makes a plan to edit")


def _say_first(lines: Sequence[str], style: str = "dim") -> None:
    """Say the first of many lines, and how many there are more."""
    for line in lines[:_SHOWN]:
        terminal.say(clean(line), style)
    if len(lines) > _SHOWN:
        terminal.say(f"and {len(lines) - _SHOWN} more", style)


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


def _shorten(path: str, console: Console) -> str:
    """Return a path on one line of the terminal; whole where it goes into a file or a pipe."""
    return shorten(name_file(path), console.width) if console.is_terminal else name_file(path)
