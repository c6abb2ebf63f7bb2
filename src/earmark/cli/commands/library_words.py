"""``earmark library DB --words``: the genres that files have, and a vocabulary of them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len

from earmark.cli import terminal
from earmark.cli.text import clean, fit
from earmark.errors import SettingError, format_count
from earmark.files import open_atomic, refuse_edits

if TYPE_CHECKING:
    from earmark.library.library import Library
    from earmark.library.records import ModelKey
    from earmark.library.words import OwnWord


def check_words_name(path: Path) -> None:
    """Raise :class:`SettingError` for a name that is none of YAML, or a file that is there."""
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise SettingError(f"{path}: a vocabulary is a .yaml or .yml")
    refuse_edits(path)


def show_words(library: Library, hearing: ModelKey, output: Path | None) -> None:
    """Print what genres files have and what they stand for; write a vocabulary of them to `output`."""
    from earmark.library.words import choose_words, format_vocabulary, propose_words, read_genres

    words = propose_words(read_genres(library, hearing), hearing.labels)
    if not words:
        terminal.say(f"{clean(str(library.path))}: no file has a genre, but what Earmark wrote", "yellow")
        return
    if output is None:
        _print_table(words)
        if any(own.by == "hearing" for own in words):
            terminal.say("? known by what is heard alone")
        terminal.say("-o words.yaml makes a vocabulary of them, for you to edit")
        return
    with open_atomic(output) as file:
        file.write(format_vocabulary(words, hearing.labels, hearing.name))
    terminal.say(f"{clean(str(output))}: {format_count(len(choose_words(words)), 'word')} of yours; edit it, then")
    terminal.say(f"earmark tag PATH --vocabulary {shlex.quote(str(output))}", wrap=False)


def _print_table(words: Sequence[OwnWord]) -> None:
    """Print a row a word: how many files have it, what it stands for, what is heard in them."""
    from rich.text import Text

    console = terminal.row_console()
    width = console.width if console.is_terminal else 200
    stands = [clean(own.label or "–") + "?" * (own.by == "hearing") for own in words]
    widths = [min(width // 3, max(map(cell_len, ["your word", *(clean(own.word) for own in words)])))]
    widths.append(min(width // 3, max(map(cell_len, ["stands for", *stands]))))
    console.print(
        Text(f"{fit('your word', widths[0])}  files  {fit('stands for', widths[1])}  heard, where sure", "dim")
    )
    for own, label in zip(words, stands, strict=True):
        line = Text(f"{fit(clean(own.word), widths[0])}  {own.files:5}  ", no_wrap=True)
        line.append(fit(label, widths[1]), "bold" if own.label else "dim")
        line.append(f"  {_describe_heard(own)}", "dim")
        line.truncate(width, overflow="ellipsis")
        console.print(line)


def _describe_heard(own: OwnWord) -> str:
    """Return what the model hears in a word's files where it is sure, as shares of these."""
    total = sum(own.heard.values())
    return ", ".join(f"{clean(label)} {n / total:.0%}" for label, n in list(own.heard.items())[:3])
