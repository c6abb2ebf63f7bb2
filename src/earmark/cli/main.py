"""The ``earmark`` command: parse, call, print, exit. No other room of the house prints or exits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.cli import corpora, terminal
from earmark.cli.commands.classify import classify
from earmark.cli.commands.config import config
from earmark.cli.commands.data import data
from earmark.cli.commands.explain import explain
from earmark.cli.commands.imagine import imagine
from earmark.cli.commands.library import library
from earmark.cli.commands.listen import listen
from earmark.cli.commands.medley import medley
from earmark.cli.commands.reproduce import reproduce
from earmark.cli.commands.stress import stress
from earmark.cli.commands.tag import tag
from earmark.cli.completion import recipes
from earmark.cli.options import (
    JobsOption,
    Labels,
    LabelsOption,
    MinTracksOption,
    ModelArgument,
    Part,
    RareOption,
    SeedOption,
    Shape,
    Split,
    asked_part,
    cores,
)
from earmark.cli.terminal import extra, guarded, summary
from earmark.errors import SettingError

if TYPE_CHECKING:
    from earmark.data.corpus import Corpus
    from earmark.inference.card import Card

_UNEVEN = 5
"""Times as many tracks of one genre as of another, from which on class weights are worth a word."""

app = typer.Typer(
    name="earmark",
    help="Tells the genre of music by ear.",
    epilog="Exit status: 0 all answered ('unknown' is an answer), 1 some file failed, 2 wrong usage, 130 interrupted. "
    "EARMARK_CONFIG names a file of settings (earmark config --help); NO_COLOR and FORCE_COLOR are respected.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

NAMING, LEARNING, HEARING = "Name genres", "Train and judge models", "See and hear what models have learned"
SETTINGS = "Settings"
"""Panels of ``earmark --help``, by purpose, in this order."""


def main() -> None:
    """Run the command line."""
    app()


@app.callback(invoke_without_command=True)
@guarded
def _root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but answers and errors.")] = False,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, metavar="", help="Say what is done; -vv: every detail.", show_default=False
        ),
    ] = 0,
    log_file: Annotated[
        Path | None, typer.Option(help="Add every detail to this file, with times.", metavar="FILE")
    ] = None,
) -> None:
    """Tells the genre of music by ear."""
    if version:
        import earmark

        print(f"earmark {earmark.__version__}")
        raise typer.Exit
    ctx.default_map = own = _settings(ctx)
    if quiet or own.get("quiet"):
        terminal.hush()
    verbose, log_file = verbose or int(own.get("verbose", 0)), log_file or own.get("log_file")
    if verbose or log_file:
        from earmark.cli.logs import set_up

        set_up(verbose, log_file and Path(log_file))


def _settings(ctx: typer.Context) -> dict[str, Any]:
    """What the configuration file sets; a wrong one stops neither --help nor the command that mends it."""
    from earmark.cli.config_file import defaults, read_config

    try:
        found = read_config()
        return defaults(ctx.command, found) if found else {}
    except SettingError:
        if ctx.invoked_subcommand == "config" or {"--help", "-h"} & set(sys.argv[1:]):
            return {}
        raise


app.command(rich_help_panel=NAMING)(classify)
app.command(rich_help_panel=NAMING)(tag)
app.command(rich_help_panel=NAMING)(listen)
app.command(rich_help_panel=NAMING)(library)


@app.command(rich_help_panel=LEARNING)
@guarded
def train(
    corpus: Annotated[str, typer.Argument(help="Folder of genre folders, CSV manifest, or .npz of arrays.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write.")],
    labels: LabelsOption = Labels.folders,
    min_tracks: MinTracksOption = None,
    rare: RareOption = None,
    recipe: Annotated[
        str, typer.Option("--recipe", "-r", help="Name of a recipe, or a TOML file.", autocompletion=recipes)
    ] = "house",
    protocol: Annotated[
        Split,
        typer.Option(
            "--protocol",
            "-p",
            help="Who learns, chooses and judges: clip (the paper's, leaky), track, artist, GTZAN's fault-filtered.",
        ),
    ] = Split.track,
    folds: Annotated[
        int | None,
        typer.Option(
            min=3, metavar="K", help="Judge by K held-out folds, then learn from every track: best for a small corpus."
        ),
    ] = None,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Let rare genres weigh as much as common ones, by class weights.")
    ] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs at most, instead of the recipe's.")] = None,
    seed: SeedOption = 0,
    name: Annotated[str | None, typer.Option(help="Name in the model's card.", show_default="file's name")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the model, for its card.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda…")] = "auto",
    cache: Annotated[bool, typer.Option(help="Keep features on disk for the next run.")] = True,
    jobs: JobsOption = 0,
) -> None:
    """Train a model on your own music.

    A run that is interrupted goes on where it stopped when the same command is given again.

    [bold]Examples[/bold]

      earmark train ~/Music/by-genre -o mine.onnx
      earmark train ~/Music -o mine.onnx --labels tags --folds 5
      earmark train gtzan -o lstm.onnx --recipe lstm-2x250 --protocol clip

    [dim]Exit status: 0 trained on all tracks, 1 some file could not be heard, 2 wrong usage, 130 interrupted.[/dim]
    """
    from earmark.cli import writers
    from earmark.data.features.extract import default_cache
    from earmark.training.registry import open_recipe

    chosen = open_recipe(recipe)
    if epochs:
        chosen = chosen.with_epochs(epochs)
    if balanced:
        chosen = chosen.model_copy(update={"class_weight": "balanced"})
    source = corpora.opened(corpus, labels, min_tracks, rare, jobs=cores(jobs))
    terminal.say(summary(source))
    fewest, most = (pick(source.counts.items(), key=lambda item: item[1]) for pick in (min, max))
    if most[1] >= _UNEVEN * fewest[1] and not chosen.class_weight:
        terminal.say(f"uneven: {most[0]} {most[1]}, {fewest[0]} {fewest[1]}; --balanced lets genres weigh alike")
    with extra("training", "learn"):
        from earmark.training.train import Experiment, Resources
        from earmark.training.train import train as run
    with terminal.training_progress(len(source.tracks), chosen.training.max_epochs) as (on_track, on_epoch):
        outcome = run(
            Experiment(source, chosen, protocol.value, seed),
            output,
            folds=folds,
            name=name,
            licence=licence,
            resources=Resources(default_cache() if cache else None, cores(jobs), device, on_track, on_epoch),
        )
    console = terminal.console(sys.stdout)
    console.print(writers.report(outcome.report))
    console.print(
        f"\n[bold]{writers.clean(str(output))}[/bold]  {output.stat().st_size / 1e6:.1f} MB, {outcome.epochs} epochs"
    )
    terminal.exit_after(outcome.failed)


app.command(rich_help_panel=LEARNING)(reproduce)


@app.command(rich_help_panel=LEARNING)
@guarded
def evaluate(
    model: ModelArgument,
    corpus: Annotated[str, typer.Argument(help="Folder of genre folders, CSV manifest, or .npz of arrays.")],
    labels: LabelsOption = Labels.folders,
    protocol: Annotated[
        Split | None, typer.Option("--protocol", "-p", help="Judge by a part of this split only.")
    ] = None,
    part: Annotated[Part | None, typer.Option(help="Which part.", show_default="test")] = None,
    seed: SeedOption = 0,
    form: Annotated[Shape, typer.Option("--format", "-f", help="Output format.")] = Shape.table,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for evaluation.json.")] = None,
    jobs: JobsOption = 0,
) -> None:
    """Judge a model by tracks whose genre is known.

    [bold]Example[/bold]

      earmark evaluate paper-lstm-2x250 gtzan.npz --protocol fault-filtered --part valid
      earmark evaluate mine.onnx ~/Music/by-genre -o judged

    [dim]Exit status: 0 all tracks were judged, 1 some file could not be heard, 2 wrong usage, 130 interrupted.[/dim]
    """
    from earmark.cli import writers
    from earmark.evaluation.evaluate import evaluate as judge
    from earmark.inference.classifier import Tagger

    tagger = Tagger(model)
    source = corpora.opened(corpus, labels, known=tagger.labels, jobs=cores(jobs))
    which = asked_part(part, protocol)
    if _met(tagger.card, source, protocol, which, seed):
        terminal.say(
            "the model has learned from these tracks: this tells how well it remembers, not how good it is", "red"
        )
    with terminal.progress("judging", None) as advance:
        report = judge(
            tagger,
            source,
            protocol=protocol.value if protocol else "all",
            part=which,
            seed=seed,
            on_track=lambda _: advance(1),
            jobs=cores(jobs),
        )
    record = {"model": tagger.card.name, **report.to_dict()}
    if output:
        output.mkdir(parents=True, exist_ok=True)
        with terminal.output(output / "evaluation.json") as file:
            file.write(writers.as_json(record) + "\n")
    if form is Shape.json:
        print(writers.as_json(record))
    else:
        terminal.console(sys.stdout).print(writers.report(report))
    terminal.exit_after(report.failed)


app.command(rich_help_panel=LEARNING)(stress)


@app.command(rich_help_panel=LEARNING)
@guarded
def models(
    files: Annotated[list[str] | None, typer.Argument(help="Further model files.", metavar="FILE")] = None,
    form: Annotated[
        Shape, typer.Option("--format", "-f", help="Output format; json: one object a line.")
    ] = Shape.table,
) -> None:
    """List the bundled models, and any given, with what their cards say.

    [bold]Examples[/bold]

      earmark models
      earmark models mine.onnx --format json

    [dim]Exit status: 0 all are sound, 2 some file is no model.[/dim]
    """
    from earmark.cli import writers
    from earmark.inference.model import DEFAULT, bundled, open_model

    cards = [(open_model(name).card, name == DEFAULT) for name in bundled()]
    cards += [(open_model(file).card, False) for file in files or []]
    if form is Shape.json:
        for card, default in cards:
            record = card.model_dump(mode="json")
            print(writers.as_json({"name": record.pop("name"), "default": default, **record}))
    else:
        terminal.console(sys.stdout).print(writers.models(cards))


@app.command(rich_help_panel=LEARNING)
@guarded
def export(
    model: ModelArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="ONNX file to write.")],
    waveform: Annotated[
        bool,
        typer.Option("--waveform", help="Put the front end inside: the input is samples, not a spectrogram."),
    ] = False,
) -> None:
    """Write a model as plain ONNX, for other runtimes and languages.

    [bold]Example[/bold]

      earmark export gtzan-attention -o genre.onnx --waveform

    [dim]Exit status: 0 written, 2 wrong usage or no such model.[/dim]
    """
    from earmark.inference.model import open_model

    opened = open_model(model)
    graph = opened.graph
    if waveform:
        with extra("export --waveform", "learn"):
            from earmark.networks.onnx.front_end import waveform_graph
        graph = waveform_graph(opened)
    from earmark.files import replacing

    with replacing(output) as partial:
        partial.write_bytes(graph)
    front = opened.card.front_end
    reads = f"samples at {front.sample_rate} Hz" if waveform else f"{front.kind} frames of {front.n_bins} bins"
    print(f"{output}: reads {reads}, gives probabilities of {', '.join(opened.card.labels)}")


app.add_typer(data, rich_help_panel=LEARNING)
app.command(rich_help_panel=HEARING)(explain)
app.command(rich_help_panel=HEARING)(imagine)
app.command(rich_help_panel=HEARING)(medley)
app.command(rich_help_panel=SETTINGS)(config)


def _met(card: Card, corpus: Corpus, protocol: Split | None, part: str, seed: int) -> bool:
    """Whether a model is to be judged by what it learned from."""
    learned = card.training
    if learned.fingerprint != corpus.fingerprint:
        return False
    apart = {metric.part for metric in card.metrics}  # none of a split's parts, where held-out folds judged
    split = (learned.protocol, learned.seed if learned.protocol != "fault-filtered" else seed)
    return part not in apart or protocol is None or split != (protocol.value, seed)
