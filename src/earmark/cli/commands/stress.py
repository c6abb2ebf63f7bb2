"""``earmark stress``: how steady a model's answers are, and whether it knows when it does not know."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import corpora, terminal
from earmark.cli.options import (
    JobsOption,
    Labels,
    LabelsOption,
    ModelArgument,
    Part,
    SeedOption,
    Shape,
    Split,
    asked_part,
    cores,
)
from earmark.cli.terminal import guarded

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from earmark.evaluation.robustness_report import Rejection, RobustnessReport


@guarded
def stress(
    model: ModelArgument,
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
    labels: LabelsOption = Labels.folders,
    protocol: Annotated[Split | None, typer.Option("--protocol", "-p", help="Take a part of this split only.")] = None,
    part: Annotated[Part | None, typer.Option(help="Which part.", show_default="test")] = None,
    seed: SeedOption = 0,
    form: Annotated[Shape, typer.Option("--format", "-f", help="Output format.")] = Shape.table,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for stress.json.")] = None,
    jobs: JobsOption = 0,
) -> None:
    """Tell how steady a model's answers are, and whether it knows when it does not know.

    Every track is classified as it is, and again quieter, louder, clipped,
    coded (MP3, AAC, Opus), at other sample rates, in stereo and begun late: a
    steady model says the same. Noises, tones, hum, clicks and silence, and your
    own sounds that are no music, should be called no genre at all.

    [bold]Examples[/bold]

      earmark stress mine.onnx ~/Music/by-genre --protocol track --part test
      earmark stress mine.onnx ~/Music/by-genre --tracks 10 --not-music speech

    [dim]Exit status: 0 all were heard, 1 some file could not be, 2 wrong usage.[/dim]
    """
    from earmark.cli import writers
    from earmark.evaluation import nonmusic
    from earmark.evaluation.evaluate import select_part
    from earmark.evaluation.robustness import measure_robustness, require_sound, subsample
    from earmark.inference.tagger import Tagger

    tagger = Tagger(model)
    source = corpora.opened(corpus, labels, known=tagger.labels, jobs=cores(jobs))
    require_sound(source)
    split, which = protocol.value if protocol else "all", asked_part(part, protocol)
    chosen = select_part(source, split, which, seed)
    if tracks:
        chosen = subsample(chosen, tracks)
    sounds = nonmusic.list_synthetic(seed) + (nonmusic.find_sounds(not_music) if not_music else [])
    with terminal.progress("listening", len(chosen.tracks) + len(sounds)) as advance:
        outcome = measure_robustness(tagger, chosen, sounds, jobs=cores(jobs), on_item=lambda _: advance(1))
    record = {"model": tagger.card.name, "protocol": split, "part": which, "seed": seed, **outcome.to_dict()}
    if output:
        with terminal.output(output / "stress.json") as file:
            file.write(writers.as_json(record) + "\n")
    if form is Shape.json:
        print(writers.as_json(record))
    else:
        origin = "" if which == "all" else f", the {which} part of protocol {split}"
        title = f"{tagger.card.name} on {outcome.n_tracks} tracks of {outcome.corpus}{origin}"
        terminal.console(sys.stdout).print(_page(title, outcome))
    for name in outcome.left_out:
        terminal.say(f"left out {name}: this build of FFmpeg cannot encode it", "yellow")
    terminal.exit_after(outcome.failed)


def _page(title: str, outcome: RobustnessReport) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    named = f", {outcome.named_accuracy:.1%} of those rightly" if outcome.coverage else ""
    curve = (
        f"{outcome.coverage:.1%} of the tracks are named{named}. Of the most confident, right are (area under the "
        f"risk–coverage curve {outcome.aurc:.3f}; {1 - outcome.accuracy:.3f} if confidence were chance):"
    )
    return Group(
        Text(title, style="dim"),
        Text(),
        _steadiness(outcome),
        Text(),
        Text(curve, style="dim"),
        _curve(outcome),
        Text(),
        Text("Sounds that are no music, and how many were called a genre all the same:", style="dim"),
        _rejection(outcome.rejection),
    )


def _steadiness(outcome: RobustnessReport) -> Table:
    """One row a distortion: in how many tracks the answer stays, and how many are right then."""
    from rich.table import Table
    from rich.text import Text

    from earmark.cli.writers import bar

    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column("distortion", no_wrap=True)
    table.add_column("same genre", justify="right", no_wrap=True)
    table.add_column(no_wrap=True)  # the bar
    for name in ("same verdict", "right"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row(Text("none", style="bold"), "", "", "", f"{outcome.accuracy:.1%}")
    for row in outcome.steadiness:
        figures = (f"{share:.1%}" for share in (row.verdict_agreement, row.accuracy))
        table.add_row(Text(row.what), Text(f"{row.agreement:.1%}", style="bold"), bar(row.agreement), *figures)
    return table


def _curve(outcome: RobustnessReport) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    for point in outcome.curve:
        table.add_column(f"{point['coverage']:.0%}", justify="right", no_wrap=True, min_width=6)
    table.add_row(*(f"{point['accuracy']:.1%}" for point in outcome.curve))
    return table


def _rejection(rows: list[Rejection]) -> Table:
    """One row a kind; those with a name red."""
    from rich.table import Table
    from rich.text import Text

    from earmark.cli.writers import clean

    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column("kind", overflow="fold")
    for name in ("sounds", "named"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("as", "unknown for"):
        table.add_column(name, overflow="fold", style="dim")
    for row in rows:
        named = Text(str(row.named), style="bold red" if row.named else "green")
        texts = (Text(", ".join(f"{what} {n}" for what, n in counts.items())) for counts in (row.genres, row.reasons))
        table.add_row(Text(clean(row.kind)), str(row.n_sounds), named, *texts)
    return table
