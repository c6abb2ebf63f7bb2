"""``earmark data``: make and check corpora."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.doors import corpora, terminal
from earmark.doors.options import (
    JobsOption,
    Labels,
    LabelsOption,
    MinTracksOption,
    RareOption,
    SeedOption,
    Shape,
    cores,
)
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
    corpus: Annotated[
        str, typer.Argument(help="Folder of genre folders, CSV manifest, or with --labels tags any folder.")
    ],
    labels: LabelsOption = Labels.folders,
    min_tracks: MinTracksOption = None,
    rare: RareOption = None,
    form: Annotated[
        Shape, typer.Option("--format", "-f", help="Output format; json: one object a line.")
    ] = Shape.table,
    jobs: JobsOption = 0,
) -> None:
    """Find what is wrong with a corpus: unreadable, silent, short and doubled tracks. Exit status 1 if anything is."""
    from earmark.doors import show
    from earmark.learn.check import check_corpus

    source = corpora.opened(corpus, labels, min_tracks, rare, jobs=cores(jobs))
    terminal.say(summary(source))
    with terminal.progress("checking", len(source.tracks)) as advance:
        findings = check_corpus(source, jobs=cores(jobs), on_track=lambda _: advance(1))
    for finding in findings:
        if form is Shape.json:
            print(show.as_json(finding.to_dict()))
        else:
            print(f"{finding.kind:<10} {show.clean(finding.track)}: {show.clean(finding.detail)}")
    if findings:
        raise typer.Exit(1)
    terminal.say("nothing wrong", "green")
