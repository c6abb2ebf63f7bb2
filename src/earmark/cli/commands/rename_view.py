"""What ``earmark library --rename`` and ``earmark train --library`` say of a library that was named again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli import terminal
from earmark.cli.text import clean
from earmark.errors import format_count

if TYPE_CHECKING:
    from earmark.library.rename import Renaming

_SHOWN = 10
"""Kinds of changes that are listed, those of most files first."""


def print_renaming(path: Path, done: Renaming) -> None:
    """Print how many files of a library were named, and from which genre to which they changed."""
    by, of = (f"{key.name} ({key.checksum[:8]})" for key in (done.key, done.source))
    print(clean(f"{path}: {format_count(done.n_named, 'file')} named by {by}, from what was heard by {of}"))
    changes = done.changes.most_common()
    known = sum(n for (before, _), n in changes if before is None)
    unknown = sum(n for (_, after), n in changes if after is None)
    print(f"{done.changes.total()} changed; {known} were unknown and are named now, {unknown} the other way round")
    pairs = [f"{clean(before or 'unknown')} → {clean(after or 'unknown')}" for (before, after), _ in changes[:_SHOWN]]
    for pair, (_, n) in zip(pairs, changes, strict=False):
        print(f"  {pair:{max(map(len, pairs))}}  {n:6}")
    if others := changes[_SHOWN:]:
        print(f"  and {len(others)} other changes, of {format_count(sum(n for _, n in others), 'file')}")
    if done.n_unheard:
        terminal.say(
            f"{format_count(done.n_unheard, 'file')} not named, for the library keeps no embedding of them: "
            "'earmark classify --library' hears them",
            "yellow",
        )
