"""``earmark classify``: the genre of files, as a table, JSON lines or CSV; with a library, only of what is new."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options, terminal
from earmark.cli.errors import handle_errors, on_stop
from earmark.cli.progress import show_progress
from earmark.cli.text import clean

if TYPE_CHECKING:
    from earmark.cli.writers import Tally


@handle_errors
def classify(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders to search for audio, patterns in quotes; - for names from standard input, one a line.",
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    form: options.AnswersFormatOption = options.Format.table,
    model: options.ModelOption = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="P",
            help="Name the genre where its probability is at least P, and answer unknown elsewhere; 0 names the most "
            "probable genre of all music.",
            show_default="the model's own threshold",
        ),
    ] = None,
    top: options.TopOption = None,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="Show each clip, and where in it the network looked.")
    ] = False,
    preview: options.PreviewOption = False,
    library: Annotated[
        Path | None,
        typer.Option(
            help="Keep answers in this database, and hear only what is new in it or has changed.",
            metavar="DB",
            envvar="EARMARK_LIBRARY",
        ),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="With --library: hear files again that failed.")] = False,
    exclude: options.ExcludeOption = None,
    null: options.NullOption = False,
    jobs: options.JobsOption = 0,
    output: options.AnswersOption = None,
) -> None:
    r"""Name the genre of audio files.

    [bold]Examples[/bold]

      earmark classify ~/Music
      earmark classify song.mp3 --timeline
      earmark classify ~/Music -o genres.csv
      earmark classify ~/Music --format json | jq -r '"\(.genre) \(.path)"'
      earmark classify ~/Music --exclude 'Podcasts/' --exclude '*.m4b'
      find ~/Music -newer last -print0 | earmark classify -0
      earmark classify ~/Music --library music.db    (again and again)

    A [bold]library[/bold] remembers the answer to each file (by path, size and
    time of change) by each model. A run that is stopped or killed goes on
    where it was; several may share a library. A --timeline is kept where it
    was asked for; a file known without is heard again. A file that failed is
    heard again when it has changed, or with --retry. See also: earmark
    library --help.

    [dim]Exit status: 0 all answered ('unknown' is an answer), 1 some file failed, 2 wrong usage, 130 interrupted.[/dim]
    """
    # Late, as in every command: --help and wrong usage need neither NumPy nor the network's runtime.
    from earmark.cli.writers import WRITERS, Tally
    from earmark.library.answers import classify_new, classify_search
    from earmark.library.library import Library
    from earmark.library.search import Search

    # --null alone means standard input; nothing at all would silently wait for it.
    if not paths and not null:
        raise typer.BadParameter("give files or folders, or - and their names on standard input", param_hint="PATH")
    if retry and not library:
        raise typer.BadParameter("only with --library: nothing else remembers failures", param_hint="--retry")
    search = Search(paths or [], exclude=exclude or (), null=null)
    tally = Tally()
    # Rows on the screen are progress enough.
    rows_on_screen = output is None and sys.stdout.isatty()
    with Library(library) if library else nullcontext() as kept, on_stop() if library else nullcontext():
        if kept:
            labels, verdicts = classify_new(
                kept, search, model, timeline=timeline, retry=retry, preview=preview, jobs=jobs
            )
        else:
            labels, verdicts = classify_search(search, model, preview=preview, jobs=jobs)
        with (
            terminal.output(output) as file,
            show_progress("listening", count=search.count, quiet=rows_on_screen) as advance,
        ):
            writer = WRITERS[options.choose_format(ctx, form, output)](file, labels, top, timeline)
            for verdict in verdicts:
                answer = verdict if min_confidence is None else verdict.decide(min_confidence)
                tally.add(answer)
                writer.write(answer)
                advance(1)
        _sum_up(tally, library or output, kept.n_known if kept else None)


def _sum_up(tally: Tally, written: Path | None, known: int | None) -> None:
    """Say how many files there were of what; exit status 1 where some failed."""
    # One row on the screen says it all.
    if written or tally.total > 1:
        terminal.say(clean(f"{written}: " if written else "") + tally.describe(known))
    if failures := tally.describe_failures():
        terminal.say(failures, "red")
        raise typer.Exit(1)
