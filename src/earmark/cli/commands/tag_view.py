"""What ``earmark tag`` prints: a line a file, and what became of all."""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli import terminal
from earmark.cli.options import Shape
from earmark.cli.text import clean, fit, format_percents, join_counts, lay_beside, name_file
from earmark.errors import format_count

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from earmark.library.tagging.run import TagRun
    from earmark.library.tags.result import TagResult

_DONE = ("written", "would write", "restored", "would restore", "genre restored", "would restore genre")
"""Outcomes of files that change, or would."""

_HIDDEN = ("had one", "kept", "not reviewed")
"""Outcomes without a line: in a tagged library nearly all, they would hide the few that change. The last line counts
them."""


def sum_up(counts: Counter[str], dry_run: bool) -> None:
    """Say how many files there are of each outcome."""
    text = join_counts(counts) or "no files"
    terminal.say(f"{text} (a dry run: nothing is written)" if dry_run else text)


def sum_up_run(run: TagRun) -> None:
    """Say what a run did, what to do about the rest, and how to take it back."""
    sum_up(run.counts, run.dry_run)
    if (unsure := run.counts["unsure"]) and run.selector:
        files = f"{format_count(unsure, 'file')} left without a genre: the model is"
        lowest = run.selector.min_confidence
        least = format_percents(run.selector.tag_thresholds.values() if lowest is None else [lowest])
        terminal.say(f"{files} less than {least} sure; a lower --min-confidence writes more, 0 every guess")
    if review := run.counts["not reviewed"]:
        terminal.say(
            f"{format_count(review, 'row')} to review: put the genre right, make the action write, apply again"
        )
    _say_left_out(run)
    if run.journal.entries:
        journal = shlex.quote(name_file(str(run.journal.path.absolute())))
        terminal.say(f"to undo: earmark tag --undo {journal}{_name_library(run)}", wrap=False)


def sum_up_plan(run: TagRun, plan: Path, actions: Counter[str], failed: int) -> None:
    """Say how many rows a plan has of each action, and the command that applies it."""
    counts = {action: actions[action] for action in ("write", "review", "keep") if actions[action]}
    terminal.say(clean(f"{plan}: {join_counts(counts) or 'no files'}"))
    if failed:
        terminal.say(f"{format_count(failed, 'file')} failed: the column reason says why", "red")
    if review := actions["review"]:
        terminal.say(f"{format_count(review, 'row')} to review: put the genre right, and make the action write")
    _say_left_out(run)
    if actions["write"] or actions["review"]:
        terminal.say(f"to apply: earmark tag --apply {shlex.quote(str(plan))}{_name_library(run)}", wrap=False)


def _name_library(run: TagRun) -> str:
    return f" --library {shlex.quote(str(run.library.path))}" if run.library else ""


def _say_left_out(run: TagRun) -> None:
    """Say what a library knew already, and which of its files were passed over."""
    if run.library and (known := run.library.n_known):
        terminal.say(f"{known} known before, {run.library.n_classified} listened to")
    if gone := run.left_out["gone"]:
        terminal.say(f"{format_count(gone, 'file')} no longer there, left out", "yellow")
    if changed := run.left_out["changed"]:
        files = f"{format_count(changed, 'file')} changed since the hearing"
        terminal.say(f"{files}, left out: name the folder too, to hear what is new", "yellow")


def make_writer(form: Shape) -> Callable[[TagResult], None]:
    """Return what prints one result."""
    return partial(_print_row, terminal.row_console()) if form is Shape.table else _print_json


def _print_json(result: TagResult) -> None:
    """Print one JSON object, pure ASCII, so that names of any bytes survive."""
    confidence = result.confidence and round(result.confidence, 4)
    print(json.dumps({**asdict(result), "confidence": confidence}), flush=True)


def _print_row(console: Console, result: TagResult) -> None:
    """Print a file that changes or fails: what was there → what is there, and how sure that is."""
    from rich.text import Text

    if result.outcome in _HIDDEN:
        return
    # 44 columns are for the genres before and after; piped, there is no width to share.
    width, screen = (max(16, min(60, console.width - 44)), console.width) if console.is_terminal else (60, sys.maxsize)
    name = Text(fit(name_file(result.path), width) + "  ", no_wrap=True)
    for line in lay_beside(name, _describe(result), screen, width + 2):
        line.rstrip()
        console.print(line)


def _describe(result: TagResult) -> Text:
    """Return what became of a file."""
    from rich.text import Text

    if result.error:
        return Text(f"✗ {clean(result.error)}", style="red")
    if result.reason:
        return Text(_describe_rejection(result), style="dim")
    text = Text().append(clean("; ".join(result.before)) or "–", style="dim").append(" → ")
    text.append(clean("; ".join(result.genres)) or "–", style="bold green" if result.outcome in _DONE else "bold")
    if result.moods:
        text.append(f"  {clean('; '.join(result.moods))}", style="green")
    if result.confidence is not None:
        text.append(f"  {result.confidence:.0%}", style="dim")
    if result.outcome in ("genre restored", "would restore genre", "as it was"):
        text.append(f"  ({result.outcome})", style="dim")
    return text


def _describe_rejection(result: TagResult) -> str:
    """Return why nothing is written, after the genres that come first, if there are any."""
    guess = f"{clean('; '.join(result.guesses))} {result.confidence:.0%}, " if result.guesses else ""
    return f"{result.outcome}: {guess}{clean(result.reason or '')}"
