"""``earmark models`` and ``earmark export``: what models there are, and one of them as plain ONNX."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import terminal
from earmark.cli.errors import extra, handle_errors
from earmark.cli.options import LinesOption, ModelArgument, Shape

if TYPE_CHECKING:
    from rich.console import RenderableType

    from earmark.inference.card import Card


@handle_errors
def models(
    files: Annotated[list[str] | None, typer.Argument(help="Further model files.", metavar="FILE")] = None,
    form: LinesOption = Shape.table,
) -> None:
    """List the bundled models, and any given, with what their cards say.

    [bold]Examples[/bold]

      earmark models
      earmark models mine.onnx --format json

    [dim]Exit status: 0 all are sound, 2 some file is no model.[/dim]
    """
    from earmark.inference.model import DEFAULT, list_models, open_model

    cards = [(open_model(name).card, name == DEFAULT) for name in list_models()]
    cards += [(open_model(file).card, False) for file in files or []]
    if form is Shape.table:
        terminal.console(sys.stdout).print(_render_cards(cards))
        return
    for card, default in cards:
        record = card.model_dump(mode="json")
        print(json.dumps({"name": record.pop("name"), "default": default, **record}))


def _render_cards(cards: Sequence[tuple[Card, bool]]) -> RenderableType:
    """Return models, a paragraph each: what they name, what they learned from, how good they were at what."""
    from rich.table import Table
    from rich.text import Text

    from earmark.cli.writers import describe_part

    page = Table.grid(padding=(0, 2))
    page.add_column(no_wrap=True, style="dim")
    for card, default in cards:
        name = Text(card.name, style="bold")
        page.add_row("model", name.append(" (default)", style="green") if default else name)
        for what, names in (("names", card.labels), ("styles", card.styles), ("moods", card.moods)):
            if names:
                page.add_row(what, Text(", ".join(names)))
        front = card.front_end
        clips = f"{card.clip_seconds:g} s clips" + (f", one every {card.hop_seconds:g} s," if card.hop_seconds else "")
        page.add_row("hears", f"{clips} as {front.kind}, {front.sample_rate} Hz, {front.n_bins} bins")
        training = card.training
        learned = f"{training.corpus}, {training.n_tracks} tracks, protocol {training.protocol}"
        page.add_row("learned from", Text(learned))
        for m in card.metrics:
            if m.name == "track_accuracy":
                page.add_row("judged by", f"{m.n} tracks, {describe_part(m.part)}: {m.value:.1%} right")
        page.add_row("unknown", _describe_unknown(card))
        if not card.multilabel:
            page.add_row("tags", f"are written from a confidence of {card.calibration.tag_threshold:.0%} on")
        page.add_row("licence", card.licence or "not stated")
        if card.credits:
            page.add_row("credits", Text("; ".join(card.credits)))
        page.add_row()
    return page


def _describe_unknown(card: Card) -> str:
    below = "below a probability of its own for each genre" if card.multilabel else ""
    below = below or f"below a confidence of {card.calibration.threshold:.0%}"
    return below if card.calibration.novelty is None else f"{below}, and where the sound is unlike what it learned"


@handle_errors
def export(
    model: ModelArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="ONNX file to write.")],
    waveform: Annotated[
        bool, typer.Option("--waveform", help="Put the front end inside: the input is samples, not a spectrogram.")
    ] = False,
) -> None:
    """Write a model as plain ONNX, for other runtimes and languages.

    [bold]Example[/bold]

      earmark export earmark -o genre.onnx --waveform

    [dim]Exit status: 0 written, 2 wrong usage or no such model.[/dim]
    """
    from earmark.files import replacing
    from earmark.inference.model import open_model

    opened = open_model(model)
    graph = opened.graph
    if waveform:
        with extra("export --waveform", "train"):
            from earmark.networks.onnx.front_end import waveform_graph
        graph = waveform_graph(opened)
    # The file appears when it is whole.
    with replacing(output) as partial:
        partial.write_bytes(graph)
    front = opened.card.front_end
    reads = f"samples at {front.sample_rate} Hz" if waveform else f"{front.kind} frames of {front.n_bins} bins"
    print(f"{output}: reads {reads}, gives probabilities of {', '.join(opened.card.labels)}")
