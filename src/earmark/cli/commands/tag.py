"""``earmark tag``: genres into the tags of files, and back out of them."""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import terminal
from earmark.cli.errors import handle_errors, on_stop
from earmark.cli.options import JobsOption, ModelOption, PreviewOption, Shape
from earmark.cli.progress import show_progress
from earmark.cli.text import clean, fit
from earmark.errors import SettingError, format_count

if TYPE_CHECKING:
    from rich.console import Console

    from earmark.library.tags.run import TagResult
    from earmark.library.tags.selection import GenreSelector
    from earmark.library.tags.values import Existing

_DONE = ("written", "would write", "restored", "would restore", "genre restored", "would restore genre")
"""Outcomes of files that change, or would."""


@handle_errors
def tag(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Files, and folders to search for audio.", metavar="PATH")
    ] = None,
    model: ModelOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Show what would change, and write nothing.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write over genres that are there too.")] = False,
    keep_existing: Annotated[
        bool, typer.Option("--keep-existing", help="Write genres after those that are there.")
    ] = False,
    mine: Annotated[
        bool, typer.Option("--mine", help="Renew genres that Earmark wrote and nobody has changed since.")
    ] = False,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="P",
            help="Write genres of at least this confidence, even where the model says unknown; 0 writes every guess.",
            show_default="the model's own, from which 3 in 4 are right",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Write up to N genres: the first, and others of 20 % and more.",
            show_default="1; all that a model of several genres names",
        ),
    ] = None,
    styles: Annotated[
        int, typer.Option(min=0, metavar="N", help="Write up to N styles after the genres, of 20 % and more.")
    ] = 0,
    moods: Annotated[
        int, typer.Option(min=0, metavar="N", help="Write up to N moods into the field MOOD, of 20 % and more.")
    ] = 0,
    vocabulary: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="Words to write: common (as most tags have them), model (its own names), musicbrainz, beets (what its "
            "lastgenre accepts), id3v1, or a YAML file of yours, see docs/tags.md.",
        ),
    ] = "common",
    parents: Annotated[
        bool, typer.Option("--parents", help="Write 'Electronic; Techno' for Techno: two genres, the parent first.")
    ] = False,
    depth: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Write genres of the first N levels of the tree only.")
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            "--journal",
            metavar="FILE",
            help="Where changes are noted.",
            show_default="earmark/journals in the state folder, ~/.local/state on Linux",
        ),
    ] = None,
    undo: Annotated[
        Path | None, typer.Option("--undo", metavar="JOURNAL", help="Put back what was there before this journal.")
    ] = None,
    keep_mtime: Annotated[bool, typer.Option("--keep-mtime", help="Keep the files' modification times.")] = False,
    break_links: Annotated[
        bool, typer.Option("--break-links", help="Tag a hard link; the file's other names stay as they are.")
    ] = False,
    preview: PreviewOption = False,
    jobs: JobsOption = 0,
    form: Annotated[
        Shape, typer.Option("--format", "-f", help="Output format; json: one object a line.")
    ] = Shape.table,
) -> None:
    """Write genres into the tags of files that have none.

    A file whose tags name a genre stays as it is, and is not even listened to, unless --overwrite; "Unknown", "Other"
    and the like are no genre. Where the model is not sure enough, nothing is written. All other tags stay as they
    are. Each change is first noted in a journal, from which --undo puts every file back, byte for byte.

    [bold]Examples[/bold]

      earmark tag ~/Music --dry-run
      earmark tag ~/Music --top 2 --vocabulary words.yaml
      earmark tag ~/Music --styles 1 --vocabulary musicbrainz --parents
      earmark tag ~/Music --overwrite --min-confidence 0.8 --keep-mtime
      earmark tag --undo journal.jsonl

    Exit status: 0 all done, 1 some file failed, 2 wrong usage, 130 interrupted. A file of several names
    (hard links) is refused without --break-links; of a symbolic link, the file is tagged and the link stays.
    """
    if undo is not None:
        if paths:
            raise SettingError("--undo takes back a whole journal: leave out the paths")
        _undo(undo, dry_run, break_links, form)
        return
    if not paths:
        raise SettingError("name files or folders to tag, or a journal to --undo")
    from earmark.inference.tagger import Tagger
    from earmark.library.search import Search
    from earmark.library.tags.run import TagRun
    from earmark.library.tags.selection import GenreSelector
    from earmark.library.vocabulary import load_vocabulary

    tagger = Tagger(model)
    labels = (*tagger.labels, *tagger.card.styles)
    card = tagger.card
    several = card.thresholds if card.multilabel else {}
    words = load_vocabulary(vocabulary, labels, with_parents=parents, depth=depth)
    selector = GenreSelector(
        words, top or len(several) or 1, card.calibration.tag_threshold, min_confidence, styles, moods, several
    )
    existing = _choose_existing(overwrite, keep_existing, mine)
    tagging = TagRun(
        tagger, selector, journal, dry_run=dry_run, existing=existing, keep_mtime=keep_mtime, break_links=break_links
    )
    # A second run passes over what the first has tagged.
    with nullcontext() if dry_run or existing != "keep" else on_stop(), tagging as run:
        write = _writer(form)
        try:
            with show_progress("tagging", count=Search(paths).count, quiet=sys.stdout.isatty()) as advance:
                for result in run.tag(paths, jobs=jobs, preview=preview):
                    write(result)
                    advance(1)
        finally:
            # also where it is stopped
            _sum_up(run.counts, dry_run)
            if run.counts["unsure"]:
                _explain_unsure(run.counts["unsure"], selector)
            if run.journal.entries:
                undoing = f"earmark tag --undo {shlex.quote(str(run.journal.path.absolute()))}"
                terminal.say(f"to undo: {undoing}", wrap=False)
    if run.counts["failed"]:
        raise typer.Exit(1)


def _choose_existing(overwrite: bool, keep_existing: bool, mine: bool) -> Existing:
    """Return what becomes of genres that are there, which one option at most may say."""
    if overwrite + keep_existing + mine > 1:
        raise SettingError("give one of --overwrite, --keep-existing and --mine: each says what becomes of old genres")
    return "replace" if overwrite else "append" if keep_existing else "mine" if mine else "keep"


def _undo(journal: Path, dry_run: bool, break_links: bool, form: Shape) -> None:
    from earmark.library.tags.genre_tags import require_mediafile
    from earmark.library.tags.journal import read_journal
    from earmark.library.tags.undo import undo

    require_mediafile("earmark tag")
    entries, damaged = read_journal(journal)
    write, counts = _writer(form), Counter[str]()
    for result in undo(entries, dry_run=dry_run, break_links=break_links):
        counts[result.outcome] += 1
        write(result)
    if damaged:
        lines = format_count(damaged, "line")
        terminal.say(f"{lines} of the journal cannot be read, as where a run was killed while writing it", "yellow")
    _sum_up(counts, dry_run)
    if counts["failed"]:
        raise typer.Exit(1)


def _sum_up(counts: Counter[str], dry_run: bool) -> None:
    text = ", ".join(f"{outcome} {n}" for outcome, n in counts.items()) or "no files"
    terminal.say(f"{text} (a dry run: nothing is written)" if dry_run else text)


def _explain_unsure(n: int, selector: GenreSelector) -> None:
    files = f"{format_count(n, 'file')} left without a genre: the model is"
    terminal.say(
        f"{files} less than {selector.threshold:.0%} sure; a lower --min-confidence writes more, 0 every guess"
    )


def _writer(form: Shape) -> Callable[[TagResult], None]:
    from rich.console import Console

    return partial(_print_row, Console(highlight=False, soft_wrap=True)) if form is Shape.table else _print_json


def _print_json(result: TagResult) -> None:
    """Print one JSON object, pure ASCII, so that names of any bytes survive."""
    confidence = result.confidence and round(result.confidence, 4)
    print(json.dumps({**asdict(result), "confidence": confidence}), flush=True)


def _print_row(console: Console, result: TagResult) -> None:
    """Print one line for a file that changes or fails: what was there → what is there, and how sure that is."""
    from rich.text import Text

    from earmark.library.tags.run import HAD_GENRE

    # In a tagged library these are nearly all: rows would hide the few that change. The last line counts them.
    if result.outcome == HAD_GENRE:
        return
    # 60 columns for the genres before and after; piped, there is no width to share.
    width = max(16, min(60, console.width - 60)) if console.is_terminal else 60
    line = Text(fit(clean(result.path), width) + "  ", no_wrap=True)
    if result.error:
        line.append(f"✗ {result.error}", style="red")
    elif result.reason:
        line.append(_describe_rejection(result), style="dim")
    else:
        line.append(clean("; ".join(result.before)) or "–", style="dim").append(" → ")
        line.append(clean("; ".join(result.genres)) or "–", style="bold green" if result.outcome in _DONE else "bold")
        if result.confidence is not None:
            line.append(f"  {result.confidence:.0%}", style="dim")
        elif result.outcome not in ("restored", "would restore"):
            line.append(f"  ({result.outcome})", style="dim")
    console.print(line)


def _describe_rejection(result: TagResult) -> str:
    """Return why nothing is written, after the genres that come first, if there are any."""
    if not result.guesses:
        return f"{result.outcome}: {result.reason}"
    guess = " or ".join(result.guesses if result.reason == "two genres alike" else result.guesses[:1])
    return f"{result.outcome}: {clean(guess)} {result.confidence:.0%}, {result.reason}"
