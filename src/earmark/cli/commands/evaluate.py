"""``earmark evaluate``: how good a model is, by tracks whose genre is known."""

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


@handle_errors
def evaluate(
    model: options.ModelArgument,
    corpus: options.CorpusArgument,
    labels: options.LabelsOption = options.Labels.folders,
    protocol: Annotated[
        options.Split | None, typer.Option("--protocol", "-p", help="Judge by a part of this split only.")
    ] = None,
    part: options.PartOption = None,
    seed: options.SeedOption = 0,
    form: options.ReportOption = options.Shape.table,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for evaluation.json.")
    ] = None,
    jobs: options.JobsOption = 0,
) -> None:
    """Judge a model by tracks whose genre is known.

    Genres are matched with the model's in any spelling, and a style counts as its family: salsa as latin. Tracks of
    genres that the model does not know are counted apart: how many are named all the same, and how many left
    unknown. The command warns where the model learned from the tracks that judge it.

    [bold]Examples[/bold]

      earmark evaluate paper-lstm-2x250 gtzan -p fault-filtered --part valid
      earmark evaluate mine.onnx ~/Music/by-genre -o judged

    [dim]Exit status: 0 all tracks were judged, 1 some file could not be heard, 2 wrong usage, 130 interrupted.[/dim]
    """
    from earmark.cli.commands.evaluate_view import render_report, warn_of_overlap
    from earmark.evaluation.evaluate import evaluate as judge
    from earmark.evaluation.evaluate import select_part
    from earmark.evaluation.overlap import find_overlap
    from earmark.inference.tagger import Tagger

    # Before the corpus, whose tags are matched to the genres that the model knows.
    tagger = Tagger(model)
    source = open_corpus(corpus, labels, known=tagger.labels, jobs=jobs)
    split, which = protocol.value if protocol else "all", options.default_part(part, protocol)
    chosen = select_part(source, tagger.labels, split, which, seed)
    overlap = find_overlap(tagger.model, source, chosen, protocol=split, part=which, seed=seed)
    say_notes(chosen)
    warning = warn_of_overlap(overlap, tagger.model, chosen)
    with show_progress("judging", len(chosen.tracks)) as advance:
        report = judge(tagger, source, protocol=split, part=which, seed=seed, on_track=lambda _: advance(1), jobs=jobs)
    record = json.dumps({"model": tagger.card.name, "overlap": overlap and asdict(overlap), **report.to_dict()})
    if output:
        output.mkdir(parents=True, exist_ok=True)
        with terminal.output(output / "evaluation.json") as file:
            file.write(record + "\n")
    if form is options.Shape.json:
        print(record)
    else:
        terminal.console(sys.stdout).print(render_report(report, warning))
    exit_after(report.failed)
