"""``earmark train``: a model of your own music."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import completion, options
from earmark.cli.corpora import open_corpus, say_summary
from earmark.cli.errors import exit_after, extra, handle_errors
from earmark.cli.progress import show_training_progress
from earmark.cli.terminal import console, say

if TYPE_CHECKING:
    from earmark.data.corpus import Corpus
    from earmark.training.recipe import Recipe

_UNEVEN = 5
"""Times as many tracks of one genre as of another, from which on class weights are worth a word."""


@handle_errors
def train(
    corpus: options.CorpusArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write.")],
    labels: options.LabelsOption = options.Labels.folders,
    min_tracks: options.MinTracksOption = None,
    rare: options.RareOption = None,
    recipe: Annotated[
        str, typer.Option("--recipe", "-r", help="Name of a recipe, or a TOML file.", autocompletion=completion.recipes)
    ] = "paper-attention-2x60",
    protocol: Annotated[
        options.Split,
        typer.Option(
            "--protocol",
            "-p",
            help="Who learns, chooses and judges: clip (the paper's, leaky), track, artist, GTZAN's fault-filtered.",
        ),
    ] = options.Split.track,
    folds: Annotated[
        # Three at least: to learn from, to choose by, and to judge by.
        int | None,
        typer.Option(
            min=3, metavar="K", help="Judge by K held-out folds, then learn from every track: best for a small corpus."
        ),
    ] = None,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Let rare genres weigh as much as common ones, by class weights.")
    ] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs at most, instead of the recipe's.")] = None,
    seed: options.SeedOption = 0,
    name: Annotated[str | None, typer.Option(help="Name in the model's card.", show_default="file's name")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the model, for its card.")] = "",
    device: options.DeviceOption = "auto",
    cache: Annotated[bool, typer.Option(help="Keep features on disk for the next run.")] = True,
    jobs: options.JobsOption = 0,
) -> None:
    """Train a model on your own music.

    A run that is interrupted goes on where it stopped when the same command is given again.

    [bold]Examples[/bold]

      earmark train ~/Music/by-genre -o mine.onnx
      earmark train ~/Music -o mine.onnx --labels tags --folds 5
      earmark train gtzan -o lstm.onnx --recipe lstm-2x250 --protocol clip

    [dim]Exit status: 0 trained on all tracks, 1 some file could not be heard, 2 wrong usage, 130 interrupted.[/dim]
    """
    from earmark.cli.commands.evaluate_view import render_report
    from earmark.cli.writers import clean
    from earmark.data.features.extract import default_cache
    from earmark.training.registry import open_recipe

    # Cheapest first: a misspelt recipe is refused before any tag is read.
    chosen = open_recipe(recipe)
    if epochs:
        chosen = chosen.with_epochs(epochs)
    if balanced:
        chosen = chosen.model_copy(update={"class_weight": "balanced"})
    source = open_corpus(corpus, labels, min_tracks, rare, jobs=jobs)
    say_summary(source)
    _advise_balance(source, chosen)
    # PyTorch takes seconds to import: a corpus that cannot be opened is refused before.
    with extra("training", "learn"):
        from earmark.training.train import Experiment, Resources
        from earmark.training.train import train as run
    with show_training_progress(len(source.tracks), chosen.training.max_epochs) as callbacks:
        outcome = run(
            Experiment(source, chosen, protocol.value, seed),
            output,
            folds=folds,
            name=name,
            licence=licence,
            resources=Resources(default_cache() if cache else None, jobs, device, *callbacks),
        )
    size = f"{output.stat().st_size / 1e6:.1f} MB"
    page = console(sys.stdout)
    page.print(render_report(outcome.report))
    page.print(f"\n[bold]{clean(str(output))}[/bold]  {size}, {outcome.epochs} epochs")
    exit_after(outcome.failed)


def _advise_balance(corpus: Corpus, recipe: Recipe) -> None:
    """Say where genres are so uneven that class weights may help."""
    (rarest, fewest), (commonest, most) = (pick(corpus.counts.items(), key=lambda item: item[1]) for pick in (min, max))
    if most >= _UNEVEN * fewest and not recipe.class_weight:
        say(f"uneven: {commonest} {most}, {rarest} {fewest}; --balanced lets genres weigh alike")
