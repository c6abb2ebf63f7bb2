"""``earmark classify``: the genre of files, as a table, JSON lines or CSV; with a library, only of what is new."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli import options, terminal
from earmark.cli.errors import handle_errors
from earmark.cli.progress import show_progress


@handle_errors
def classify(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders to search for audio, patterns in quotes; - for names from standard input, one a line.",
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        options.Format, typer.Option("--format", "-f", help="Output format; json: one object a line.")
    ] = options.Format.table,
    model: options.ModelOption = None,
    top: options.TopOption = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="Show each clip, and what was attended to.")] = False,
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
      earmark classify ~/Music --format csv -o genres.csv
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
    from earmark.cli.writers import WRITERS, Tally, clean
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
    with Library(library) if library else nullcontext() as kept:
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
            writer = WRITERS[form](file, labels, top, timeline)
            try:
                for verdict in verdicts:
                    tally.add(verdict)
                    writer.write(verdict)
                    advance(1)
            except KeyboardInterrupt:
                # Only where a library has kept the answers so far; then on to status 130.
                if kept:
                    terminal.say("the same command goes on from here")
                raise
        if kept:
            terminal.say(clean(f"{library}: {tally.line(kept.n_known)}"))
    if tally.failed:
        terminal.say(f"{tally.failed} file{'s' * (tally.failed > 1)} with errors", "red")
        raise typer.Exit(1)
