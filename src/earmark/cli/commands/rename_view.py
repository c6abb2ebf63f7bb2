"""What ``earmark library --rename`` and ``earmark train --library`` say of a library that was named again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli import terminal
from earmark.cli.text import clean
from earmark.errors import format_count

if TYPE_CHECKING:
    from earmark.library.library import Library
    from earmark.library.rename import Renaming

_SHOWN = 10
"""Kinds of changes that are listed, those of most files first."""


def rename_library(library: Library, model: str) -> str:
    """Name the files of a library by a model, print on stderr what changed, and return the model's checksum."""
    from earmark.inference.model import open_model
    from earmark.library.answers import locate_model
    from earmark.library.rename import rename

    done = rename(library, open_model(locate_model(library, model)))
    print_renaming(library.path, done)
    return done.key.checksum


def print_renaming(path: Path, done: Renaming) -> None:
    """Print on stderr how many files of a library were named, and from which genre to which they changed."""
    by, of = (f"{key.name} ({key.checksum[:8]})" for key in (done.key, done.source))
    said = [f"{path}: {format_count(done.n_named, 'file')} named by {by}, from what was heard by {of}"]
    changes = done.changes.most_common()
    known = sum(n for (before, _), n in changes if before is None)
    unknown = sum(n for (_, after), n in changes if after is None)
    were, are = ("was", "is") if known == 1 else ("were", "are")
    said.append(
        f"{done.changes.total()} changed; {known} {were} unknown and {are} named now, {unknown} the other way round"
    )
    pairs = [f"{before or 'unknown'} → {after or 'unknown'}" for (before, after), _ in changes[:_SHOWN]]
    said += [f"  {pair:{max(map(len, pairs))}}  {n:6}" for pair, (_, n) in zip(pairs, changes, strict=False)]
    if others := changes[_SHOWN:]:
        kinds, n_others = format_count(len(others), "other change"), sum(n for _, n in others)
        said.append(f"  and {kinds}, of {format_count(n_others, 'file')}")
    for line in said:
        terminal.say(clean(line), "")
    if done.n_unheard:
        terminal.say(
            f"{format_count(done.n_unheard, 'file')} not named, for the library keeps no embedding of them: "
            "'earmark classify --library' hears them",
            "yellow",
        )
