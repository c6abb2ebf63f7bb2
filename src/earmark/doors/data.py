"""``earmark data``: make and check corpora."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from earmark.doors import terminal
from earmark.doors.options import JobsOption, SeedOption, Shape, cores
from earmark.doors.terminal import guarded, summary

data = typer.Typer(name="data", help="Make and check corpora.", no_args_is_help=True)


@data.command()
@guarded
def synth(
    folder: Annotated[Path, typer.Argument(help="Folder to write to.")],
    tracks: Annotated[int, typer.Option(min=1, help="Tracks of each style.")] = 10,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of a track.")] = 30.0,
    sample_rate: Annotated[int, typer.Option(min=4000, max=48000, help="Hz.")] = 22050,
    seed: SeedOption = 0,
    jobs: JobsOption = 0,
) -> None:
    """Compose a small corpus of ten made-up styles, as WAV files in genre folders."""
    from earmark.learn.synth import STYLES, write_corpus

    with terminal.progress("composing", tracks * len(STYLES)) as advance:
        written = write_corpus(
            folder, tracks=tracks, seconds=seconds, sample_rate=sample_rate, seed=seed, jobs=cores(jobs),
            on_track=lambda _: advance(1),
        )  # fmt: skip
    print(f"{folder}: {len(written)} tracks of {', '.join(STYLES)}")


@data.command()
@guarded
def check(
    corpus: Annotated[str, typer.Argument(help="Folder of genre folders, CSV manifest, or .npz of arrays.")],
    suspects: Annotated[
        bool, typer.Option(help="Look for tracks that sound like another genre (needs the 'learn' extra).")
    ] = True,
    form: Annotated[
        Shape, typer.Option("--format", "-f", help="Output format; json: one object a line.")
    ] = Shape.table,
    jobs: JobsOption = 0,
) -> None:
    """Find what is wrong with a corpus, before anyone learns from it.

    [bold]Faults[/bold] must be put right: unreadable, damaged, silent, short and clipped tracks; copies, byte for
    byte, and twins, by ear; conflicts, which are copies or twins under another genre; of GTZAN, altered and
    misfiled files.

    [bold]Notes[/bold] are worth knowing: suspects, which sound like another genre; of GTZAN, missing and extra
    tracks and known faults.

    Exit status: 0 no faults, whatever the notes; 1 faults; 2 wrong usage.
    """
    from earmark.doors import show
    from earmark.learn.check import check_corpus
    from earmark.learn.corpus import open_corpus

    source = open_corpus(corpus)
    terminal.say(summary(source))
    with terminal.progress("checking", len(source.tracks)) as advance:
        outcome = check_corpus(source, jobs=cores(jobs), suspects=suspects, on_track=lambda _: advance(1))
    if form is Shape.table and sys.stdout.isatty():
        terminal.console(sys.stdout).print(show.findings(outcome.findings))
    else:
        for finding in outcome.findings:
            print(show.as_json(finding.to_dict()) if form is Shape.json else show.finding(finding))
    for reason in outcome.skipped:
        terminal.say(show.clean(reason), "yellow")
    faults = any(finding.grade == "fault" for finding in outcome.findings)
    terminal.say(show.tally(outcome.findings), "red" if faults else "green")
    if faults:
        raise typer.Exit(1)
