"""``earmark export``: a model as plain ONNX, for programs without Earmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.errors import extra, handle_errors
from earmark.cli.options import ModelArgument
from earmark.cli.terminal import refuse_sound
from earmark.errors import SettingError


@handle_errors
def export(
    model: ModelArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="ONNX file to write.", show_default="MODEL-export.onnx", metavar="FILE"),
    ] = None,
    waveform: Annotated[
        bool, typer.Option("--waveform", help="Put the front end inside: the network then reads samples of sound.")
    ] = False,
) -> None:
    """Write a model as plain ONNX, for other runtimes and languages.

    The file holds all that another program needs: beside the network, as JSON under the
    key 'earmark-export' of its metadata, the names of all outputs, sample rate, length of clips,
    temperature and thresholds, and the steps from sound to answer. Programs in JavaScript and
    Python that follow them: examples/export and docs/export.md.

    [bold]Examples[/bold]

      earmark export earmark --waveform -o genre.onnx
      earmark export mine.onnx -o head.onnx

    [dim]Exit status: 0 written, 2 wrong usage or no such model.[/dim]
    """
    from earmark.cli.text import clean
    from earmark.files import find_free_name, replacing
    from earmark.inference.export import add_metadata
    from earmark.inference.model import open_model

    opened = open_model(model)
    card, graph = opened.card, opened.graph
    target = output or find_free_name(Path(f"{Path(model).stem}-export.onnx"))
    refuse_sound(target)
    if opened.path and target.exists() and target.samefile(opened.path):
        raise SettingError(f"{target} is the model itself: name another file with -o")
    if waveform:
        with extra("export --waveform", "train"):
            from earmark.networks.onnx.front_end import waveform_graph
        graph = waveform_graph(opened)
    # The file appears when it is whole.
    with replacing(target) as partial:
        partial.write_bytes(add_metadata(graph, card, waveform=waveform))
    reads = f"samples at {card.front_end.sample_rate} Hz" if waveform else f"{card.front_end.kind} frames"
    names = {"genres": card.labels, "styles": card.styles, "moods": card.moods}
    told = [f"{len(given)} {what}" for what, given in names.items() if given]
    print(f"{clean(str(target))}: reads {reads}, gives {', '.join(told)}; {target.stat().st_size / 1e6:.1f} MB")
