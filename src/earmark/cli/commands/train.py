"""``earmark train``: a model of your own music."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal
from rich.text import Text

from earmark.cli import completion, options
from earmark.cli.corpora import open_corpus, say_notes, say_summary
from earmark.cli.errors import exit_after, extra, handle_errors, on_stop
from earmark.cli.progress import show_training_progress
from earmark.cli.terminal import console, refuse_sound, say
from earmark.cli.text import clean
from earmark.errors import SettingError, format_count

if TYPE_CHECKING:
    from earmark.data.corpus import Corpus
    from earmark.data.splits import Protocol
    from earmark.inference.model import Model
    from earmark.training.recipe import Recipe
    from earmark.training.train import Outcome

_SEVERAL = 0.1
"""Share of tracks with several genres, from which on a model learns to give several."""

_CORRECTIONS = "Corrections of a library"
"""Heading of the options that go with --library."""

_WITH_LIBRARY = {"output", "name", "licence", "library", "tags", "model"}
"""Parameters that --library reads; without it, the last two mean nothing."""

_UNEVEN = 5
"""Times as many tracks of one genre as of another, from which on class weights are worth a word."""


def _print_recipes(wanted: bool) -> None:
    """Print the recipes and stop, as a callback of --list-recipes, which needs no corpus."""
    if not wanted:
        return
    from earmark.cli.commands.recipes_view import render_recipes

    console(sys.stdout).print(render_recipes())
    raise typer.Exit


@handle_errors
def train(
    ctx: typer.Context,
    corpus: Annotated[
        str | None, typer.Argument(help="Folder of genre folders, CSV manifest, or .npz of arrays.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Model file to write.", show_default="that of --add"),
    ] = None,
    add: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL",
            help="Go on from this model, made by encoder-linear: from its examples, which it keeps, and the corpus.",
            autocompletion=completion.models,
        ),
    ] = None,
    labels: options.LabelsOption = options.Labels.folders,
    min_tracks: options.MinTracksOption = None,
    rare: options.RareOption = None,
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe",
            "-r",
            help="Name of a recipe, see --list-recipes, or a TOML file.",
            autocompletion=completion.recipes,
        ),
    ] = "encoder-linear",
    protocol: Annotated[
        options.Split | None,
        typer.Option(
            "--protocol",
            "-p",
            help="How tracks are split into training and test: clip (the paper's, leaky), track, artist, album, or "
            "fault-filtered (GTZAN's).",
            show_default="album in folds; track where the recipe chooses its epoch",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="K",
            help="Judge by K held-out folds, three or more, then learn from every track; 0: up to five.",
            show_default="0 without --protocol",
        ),
    ] = None,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Let rare genres weigh as much as common ones, by class weights.")
    ] = False,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Of a network: go through the training clips N times at most, fewer where it stops improving.",
            show_default="the recipe's",
        ),
    ] = None,
    seed: options.SeedOption = 0,
    list_recipes: Annotated[
        bool,
        typer.Option("--list-recipes", help="List the recipes and stop.", is_eager=True, callback=_print_recipes),
    ] = False,
    name: Annotated[str | None, typer.Option(help="Name in the model's card.", show_default="file's name")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the model, for its card.")] = "",
    library: Annotated[
        Path | None,
        typer.Option(
            metavar="DB",
            help="Learn from the corrections in this library instead, without its sound, and name its tracks again.",
            rich_help_panel=_CORRECTIONS,
        ),
    ] = None,
    tags: Annotated[
        bool,
        typer.Option(
            "--tags",
            help="Learn from the genres in tags too, where the model or a correction knows them.",
            rich_help_panel=_CORRECTIONS,
        ),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Whose answers were corrected, and are gone beyond: a file or a bundled model.",
            show_default="the bundled model last used in DB",
            rich_help_panel=_CORRECTIONS,
            autocompletion=completion.models,
        ),
    ] = None,
    device: options.DeviceOption = "auto",
    cache: Annotated[bool, typer.Option(help="Keep features on disk for the next run.")] = True,
    jobs: options.JobsOption = 0,
) -> None:
    """Train a model on your own music, or on your corrections of a library.

    It is judged by tracks that were kept aside, no artist or album on both sides, and then learns from all. A run
    that is interrupted goes on where it stopped when the same command is given again.

    With --library it learns in seconds from the genres that 'earmark library DB --correct' took: a model that goes
    beyond the one whose answers were corrected. It names the tracks of the library again, and no sound is opened.

    [bold]Examples[/bold]

      earmark train ~/Music/by-genre -o mine.onnx
      earmark train ~/Music -o mine.onnx --labels tags
      earmark train ~/Music/new-by-genre --add mine.onnx
      earmark train gtzan -o lstm.onnx --recipe lstm-2x250 --protocol clip
      earmark train --library music.db -o mine.onnx

    [dim]Exit status: 0 trained on all tracks, 1 some file could not be heard, 2 wrong usage, 130 interrupted.[/dim]
    """
    _check_source(ctx, corpus, library)
    if library:
        from earmark.cli.commands.train_library import learn_from_library

        learn_from_library(library, _require_output(output), model, tags=tags, name=name, licence=licence)
        return
    from earmark.cli.commands.evaluate_view import describe_genres, render_report
    from earmark.data.features.extract import default_cache
    from earmark.training.registry import open_recipe

    # Cheapest first: a misspelt recipe is refused before any tag is read.
    learned, chosen = _choose_recipe(recipe, add, epochs, balanced)
    output = _require_output(output or add)
    if protocol is None and folds is None and chosen.encoder and not chosen.chooses_epoch:
        folds = 0
    split: Protocol = protocol.value if protocol else "album" if chosen.encoder and folds is not None else "track"
    assert corpus is not None  # checked
    source = open_corpus(corpus, labels, min_tracks, rare, jobs=jobs)
    # PyTorch takes seconds to import: a corpus that cannot be opened is refused before.
    with extra("training", "learn" if chosen.is_network else "train"):
        from earmark.training.train import Experiment, Resources
        from earmark.training.train import train as run

        if chosen.is_network:
            import_module("earmark.training.network_classifier")
        source = _prepare(source, learned, split, jobs)
        if recipe == "encoder-linear" and not learned and _has_several(source):
            chosen = open_recipe("encoder-multilabel")
    say_summary(source)
    _advise_balance(source, chosen)
    with on_stop(), show_training_progress(len(source.tracks), chosen.training.max_epochs) as callbacks:
        outcome = run(
            Experiment(source, chosen, split, seed),
            output,
            folds=folds,
            name=name,
            licence=licence,
            resources=Resources(default_cache() if cache else None, jobs, device, *callbacks),
        )
    for note in outcome.notes:
        say(note)
    page = console(sys.stdout)
    page.print(render_report(outcome.report))
    page.print()
    for sentence in describe_genres(outcome.report, source.counts):
        page.print(Text(sentence))
    written = Text(f"\n{clean(str(output))}", style="bold").append(f"  {_describe_size(output, outcome)}", "not bold")
    page.print(written, soft_wrap=True)
    exit_after(outcome.failed)


def _check_source(ctx: typer.Context, corpus: str | None, library: Path | None) -> None:
    """Raise an error unless there is either a corpus or a library, and only options that go with it."""
    if not corpus and not library:
        raise SettingError("Missing argument 'CORPUS': what to learn from; or --library, to learn from its corrections")
    if corpus and library:
        raise SettingError("give a corpus or --library: corrections are learned by themselves")
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    for name in (name for name, source in sources.items() if source and source.name == "COMMANDLINE"):
        option = f"--{name.replace('_', '-')}"
        if library and name not in _WITH_LIBRARY:
            raise SettingError(f"{option} is for a corpus: --library learns from corrections")
        if corpus and name in ("tags", "model"):
            raise SettingError(f"{option} goes with --library{'; --labels tags reads tags' * (name == 'tags')}")


def _require_output(output: Path | None) -> Path:
    if output is None:
        raise SettingError("Missing option '--output': where to write the model")
    refuse_sound(output)
    return output


def _choose_recipe(recipe: str, add: Path | None, epochs: int | None, balanced: bool) -> tuple[Model | None, Recipe]:
    """Return the model to go on from, if any, and its recipe or the one that is asked for."""
    from earmark.data.examples import require_examples
    from earmark.inference.model import open_model
    from earmark.training.registry import open_recipe, parse_recipe

    model, chosen = None, open_recipe(recipe)
    if add:
        model = open_model(add)
        require_examples(model)
        chosen = parse_recipe(model.card.training.recipe, str(add))
    if epochs:
        if not chosen.is_network:
            raise SettingError(f"--epochs is for networks: recipe {recipe} learns in one go, without epochs")
        chosen = chosen.with_epochs(epochs)
    if balanced:
        chosen = chosen.model_copy(update={"class_weight": "balanced"})
    return model, chosen


def _prepare(corpus: Corpus, model: Model | None, protocol: str, jobs: int) -> Corpus:
    """Join a corpus and what a model has learned from, and say which genres have too few tracks."""
    from earmark.data.examples import join_examples
    from earmark.data.groups import find_narrow_genres
    from earmark.data.open import prepare_for_folds

    corpus = join_examples(corpus, model) if model else corpus
    if protocol == "album":
        corpus = prepare_for_folds(corpus, jobs)
        say_notes(corpus)
        if model and all(track.embedding is not None for track in corpus.tracks):
            raise SettingError(
                "nothing is left to add, and the model stays as it is: give all tracks of a genre at once"
            )
        if narrow := find_narrow_genres(corpus):
            say(f"fewer than three artists in {', '.join(narrow)}: the figures of these genres will be too good")
    return corpus


def _has_several(corpus: Corpus) -> bool:
    """Tell whether many tracks have several genres, and say so."""
    n = sum(bool(track.others) for track in corpus.tracks)
    if n < _SEVERAL * len(corpus.tracks):
        return False
    say(f"{n} of {len(corpus.tracks)} tracks have several genres: the model will give several, by encoder-multilabel")
    return True


def _describe_size(output: Path, outcome: Outcome) -> str:
    size = decimal(output.stat().st_size)
    return f"{size}, {format_count(outcome.epochs, 'epoch')}" if outcome.epochs else size


def _advise_balance(corpus: Corpus, recipe: Recipe) -> None:
    """Say where genres are so uneven that class weights may help."""
    (rarest, fewest), (commonest, most) = (pick(corpus.counts.items(), key=lambda item: item[1]) for pick in (min, max))
    if most >= _UNEVEN * fewest and not recipe.class_weight:
        say(f"uneven genres, {commonest} {most} and {rarest} {fewest}: --balanced lets all genres weigh alike")
