"""``earmark classify``: the genre of files, as a table, JSON lines or CSV."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from earmark.doors import terminal
from earmark.doors.options import Format, JobsOption, ModelOption, cores
from earmark.doors.paths import verdicts
from earmark.doors.terminal import guarded


@guarded
def classify(
    paths: Annotated[list[str], typer.Argument(help="Files, and folders to search for audio.", metavar="PATH...")],
    form: Annotated[
        Format, typer.Option("--format", "-f", help="Output format; json: one object a line.")
    ] = Format.table,
    model: ModelOption = None,
    top: Annotated[int | None, typer.Option(min=1, help="Show only the N most probable genres.", metavar="N")] = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="Show each clip, and what was attended to.")] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Hear six clips spread over each file, not all.")] = False,
    jobs: JobsOption = 0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead of printing.")] = None,
) -> None:
    r"""Name the genre of audio files.

    [bold]Examples[/bold]

      earmark classify ~/Music
      earmark classify song.mp3 --timeline
      earmark classify ~/Music --format csv -o genres.csv
      earmark classify ~/Music --format json | jq -r '"\(.genre) \(.path)"'
    """
    from earmark.doors import show
    from earmark.tell.tagger import Tagger

    jobs = cores(jobs)
    tagger = Tagger(model)
    failed = 0
    rows_on_screen = output is None and sys.stdout.isatty()  # they are progress enough
    with terminal.output(output) as file, terminal.progress("listening", None, quiet=rows_on_screen) as advance:
        writer = show.WRITERS[form](file, tagger.labels, top, timeline)
        for verdict in verdicts(tagger, paths, jobs=jobs, preview=preview):
            failed += verdict.error is not None
            writer.write(verdict)
            advance(1)
    if failed:
        terminal.say(f"{failed} file{'s' * (failed > 1)} with errors", "red")
        raise typer.Exit(1)
