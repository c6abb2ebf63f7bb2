"""``earmark train --library``: what a library's corrections teach."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from earmark.cli.commands.rename_view import print_renaming
from earmark.cli.errors import extra
from earmark.cli.terminal import console, say
from earmark.cli.text import bar, clean, join_counts, name_file
from earmark.errors import format_count

if TYPE_CHECKING:
    from earmark.training.adapt import Adaptation

_FEW = 3
"""Tracks of a new genre up to which it is told from a handful of examples."""


def learn_from_library(
    database: Path, output: Path, model: str | None, *, tags: bool, name: str | None, licence: str
) -> None:
    """Learn from a library's corrections, say what came of it, and name the library's tracks again."""
    from earmark.library.library import Library
    from earmark.library.rename import rename

    with extra("training", "train"):
        from earmark.training.adapt import adapt
    with Library(database, create=False) as library:
        done = adapt(library, output, model, tags=tags, name=name or "", licence=licence)
        for path, why in islice(done.left_out.items(), 1):
            n = format_count(len(done.left_out), "correction")
            first = "" if len(done.left_out) == 1 else "the first is "
            say(f"{n} left out: {first}{name_file(path)}: {clean(why)}", "yellow")
        page = console(sys.stdout)
        page.print(render_adaptation(done, clean(str(database))))
        written = Text(f"\n{clean(str(output))}", style="bold").append(
            f"  {decimal(output.stat().st_size)}", "not bold"
        )
        page.print(written, soft_wrap=True)
        print_renaming(database, rename(library, done.model))


def render_adaptation(done: Adaptation, name: str) -> RenderableType:
    """Return what was learned as a page: figures before and after, and examples by genre."""
    n = sum(done.counts.values())
    title = Text(f"{name}: {format_count(n - done.n_tags, 'correction')}", style="dim")
    if done.n_tags:
        title.append(f" and {format_count(done.n_tags, 'tag')}")
    title.append(f" of answers by {clean(done.base.card.name)}")
    counts = Text(f"learned from {join_counts(done.counts)}")
    parts: list[RenderableType] = [title, _render_scores(done, n), Text(), counts]
    if done.new:
        few = [genre for genre, n in done.new.items() if n <= _FEW]
        more = f"; {', '.join(few)}: from so few, it knows only what sounds much like them" if few else ""
        parts.append(Text(f"new: {join_counts(done.new)}{more}"))
    return Group(*parts)


def _render_scores(done: Adaptation, n: int) -> RenderableType:
    if not done.before or not done.after:
        return Text("too few to judge: all are of one artist, album or folder", style="yellow")
    figures = Table.grid(padding=(0, 2))
    note = f"of {n} held out, in {done.n_folds} folds"
    for what, field in (("track accuracy", "accuracy"), ("mean recall", "mean_recall")):
        before, after = (getattr(scores, field) for scores in (done.before, done.after))
        change = Text(f"{before:.1%} → ").append(f"{after:.1%}", style="bold")
        figures.add_row(what, bar(after), change, Text(note, style="dim"))
        note = f"mean of {len(done.counts)} genres"
    if done.after.accuracy < done.before.accuracy:
        return Group(figures, Text("not better yet: correct more tracks, of each genre some", style="yellow"))
    return figures
