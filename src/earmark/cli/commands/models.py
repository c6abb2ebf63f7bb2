"""``earmark models``: what models there are, and what their cards say."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import completion, terminal
from earmark.cli.errors import handle_errors
from earmark.cli.options import LinesOption, Shape
from earmark.errors import format_count

if TYPE_CHECKING:
    from rich.console import RenderableType

    from earmark.inference.card import Card


@handle_errors
def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Model files and bundled models.",
            metavar="MODEL",
            show_default="all that are bundled",
            autocompletion=completion.models,
        ),
    ] = None,
    form: LinesOption = Shape.table,
) -> None:
    """Show models: their genres, training data, accuracy, and when they say unknown.

    [bold]Examples[/bold]

      earmark models
      earmark models gtzan mine.onnx
      earmark models mine.onnx --format json

    [dim]Exit status: 0 all are sound, 2 some file is no model.[/dim]
    """
    from earmark.inference.model import DEFAULT, list_models, open_model

    cards = [(open_model(name).card, name == DEFAULT) for name in names or list_models()]
    if form is Shape.table:
        terminal.console(sys.stdout).print(_render_cards(cards))
        return
    for card, default in cards:
        record = card.model_dump(mode="json")
        print(json.dumps({"name": record.pop("name"), "default": default, **record}))


def _render_cards(cards: Sequence[tuple[Card, bool]]) -> RenderableType:
    """Return models, a paragraph each: their genres, their training data and their accuracy."""
    from rich.table import Table
    from rich.text import Text

    from earmark.cli.text import describe_part, format_percents

    page = Table.grid(padding=(0, 2))
    page.add_column(no_wrap=True, style="dim")
    for card, default in cards:
        name = Text(card.name, style="bold")
        page.add_row("model", name.append(" (default)", style="green") if default else name)
        for what, names in (("genres", card.labels), ("styles", card.styles), ("moods", card.moods)):
            if names:
                page.add_row(what, Text(", ".join(names)))
        front = card.front_end
        clips = f"{card.clip_seconds:g} s clips" + (f", one every {card.hop_seconds:g} s," if card.hop_seconds else "")
        page.add_row("input", f"{clips} as {front.kind}, {front.sample_rate} Hz, {front.n_bins} bins")
        training = card.training
        learned = f"{training.corpus}, {format_count(training.n_tracks, 'track')}, protocol {training.protocol}"
        page.add_row("trained on", Text(learned))
        for m in card.metrics:
            if m.name == "track_accuracy":
                page.add_row("tested on", f"{format_count(m.n, 'track')}, {describe_part(m.part)}: {m.value:.1%} right")
        page.add_row("unknown", _describe_unknown(card))
        if not card.multilabel:
            page.add_row("tags", f"are written from a confidence of {format_percents(card.tag_thresholds.values())} on")
        page.add_row("licence", card.licence or "not stated")
        if card.credits:
            page.add_row("credits", Text("; ".join(card.credits)))
        page.add_row()
    return page


def _describe_unknown(card: Card) -> str:
    below = "below a probability of its own for each genre" if card.multilabel else ""
    below = below or f"below a confidence of {card.calibration.threshold:.0%}"
    return below if card.calibration.novelty is None else f"{below}, and where the sound is unlike what it learned"
