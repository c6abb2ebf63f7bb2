"""``earmark stress``: how steady a model's answers are, and whether it knows when it does not know."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli import options, terminal
from earmark.cli.corpora import open_corpus, say_notes
from earmark.cli.errors import exit_after, handle_errors
from earmark.cli.progress import show_progress
from earmark.errors import format_count


@handle_errors
def stress(
    model: options.ModelArgument,
    corpus: Annotated[str, typer.Argument(help="Folder of genre folders, or CSV manifest.")],
    not_music: Annotated[
        Path | None,
        typer.Option(
            help="Folder of your own sounds that are no music, such as speech; the folders in it are kinds.",
            metavar="FOLDER",
        ),
    ] = None,
    tracks: Annotated[
        int | None, typer.Option(min=1, help="Take N tracks of each genre, evenly spread.", show_default="all")
    ] = None,
    labels: options.LabelsOption = options.Labels.folders,
    protocol: Annotated[
        options.Split | None, typer.Option("--protocol", "-p", help="Take a part of this split only.")
    ] = None,
    part: options.PartOption = None,
    seed: options.SeedOption = 0,
    form: options.ReportOption = options.Shape.table,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for stress.json.")
    ] = None,
    jobs: options.JobsOption = 0,
) -> None:
    """Tell how steady a model's answers are, and whether it knows when it does not know.

    Every track is classified as it is, and again quieter, louder, clipped,
    coded (MP3, AAC, Opus), at other sample rates, in stereo and started late: a
    steady model gives the same answer. Noises, tones, hum, clicks and silence,
    and your own sounds that are no music, should be given no genre at all. Genres
    are matched as in earmark evaluate.

    [bold]Examples[/bold]

      earmark stress mine.onnx ~/Music/by-genre --protocol track --part test
      earmark stress mine.onnx ~/Music/by-genre --tracks 10 --not-music speech

    [dim]Exit status: 0 all were heard, 1 some file could not be, 2 wrong usage.[/dim]
    """
    from earmark.cli.commands.evaluate_view import warn_of_overlap
    from earmark.cli.commands.stress_view import render_outcome
    from earmark.evaluation import nonmusic
    from earmark.evaluation.evaluate import select_part
    from earmark.evaluation.overlap import find_overlap
    from earmark.evaluation.robustness import measure_robustness, require_sound, subsample
    from earmark.inference.tagger import Tagger

    tagger = Tagger(model)
    source = open_corpus(corpus, labels, known=tagger.labels, jobs=jobs)
    # Refused before tracks are chosen: what is no longer sound cannot be distorted.
    require_sound(source)
    split, which = protocol.value if protocol else "all", options.default_part(part, protocol)
    chosen = select_part(source, tagger.labels, split, which, seed)
    overlap = find_overlap(tagger.model, source, chosen, protocol=split, part=which, seed=seed)
    say_notes(chosen)
    warning = warn_of_overlap(overlap, tagger.model, chosen)
    if tracks:
        chosen = subsample(chosen, tracks)
    sounds = nonmusic.list_synthetic(seed) + (nonmusic.find_sounds(not_music) if not_music else [])
    with show_progress("listening", len(chosen.tracks) + len(sounds)) as advance:
        outcome = measure_robustness(tagger, chosen, sounds, jobs=jobs, on_item=lambda _: advance(1))
    origin = {"model": tagger.card.name, "protocol": split, "part": which, "seed": seed}
    record = json.dumps({**origin, "overlap": overlap and asdict(overlap), **outcome.to_dict()})
    if output:
        with terminal.output(output / "stress.json") as file:
            file.write(record + "\n")
    if form is options.Shape.json:
        print(record)
    else:
        what = "" if which == "all" else f", the {which} part of protocol {split}"
        title = f"{tagger.card.name} on {format_count(outcome.n_tracks, 'track')} of {outcome.corpus}{what}"
        terminal.console(sys.stdout).print(render_outcome(title, outcome, warning))
    for name in outcome.left_out:
        terminal.say(f"left out {name}: this build of FFmpeg cannot encode it", "yellow")
    exit_after(outcome.failed)
