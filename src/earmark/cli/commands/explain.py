"""``earmark explain``: why a track was called what it was, as a page to play with, a figure, or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import completion
from earmark.cli.errors import extra, handle_errors
from earmark.cli.options import ModelOption
from earmark.cli.progress import show_progress
from earmark.cli.terminal import check_writable, say
from earmark.errors import AudioError, SettingError

if TYPE_CHECKING:
    from earmark.explanation.explainer import Method
    from earmark.explanation.explanation import Explanation
    from earmark.explanation.formats import Format
    from earmark.inference.tagger import Tagger


class How(StrEnum):
    """What finds the regions that mattered."""

    occlusion = "occlusion"
    integrated_gradients = "integrated-gradients"
    attention = "attention"


@handle_errors
def explain(
    file: Annotated[str, typer.Argument(help="A sound file.", metavar="FILE", show_default=False)],
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="What to write, by its suffix: .html, .png, .svg or .json. May be repeated.",
            metavar="PAGE",
            show_default="FILE-explained.html, here",
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
    genre: Annotated[
        list[str] | None,
        typer.Option(
            "--genre",
            "-g",
            help="A genre, style or mood to explain: what speaks for it, and what against it. May be repeated.",
            metavar="GENRE",
            show_default="why the winner, and not the runner-up",
            autocompletion=completion.names,
        ),
    ] = None,
    method: Annotated[
        How,
        typer.Option(
            help="How to find the regions that mattered; attention: only the moments that the network weighs."
        ),
    ] = How.occlusion,
    start: Annotated[float, typer.Option(min=0, help="Seconds into the file.", metavar="SECONDS")] = 0.0,
    duration: Annotated[
        float | None,
        typer.Option(min=0.01, help="Seconds to explain.", metavar="SECONDS", show_default="all, but 600 at most"),
    ] = None,
    model: ModelOption = None,
) -> None:
    r"""Show why a track is called what it is: which moments and frequencies speak for the answer.

    The page works offline and needs no other file. It holds the sound (mono), a
    player, and below it waveform, spectrogram, the regions that speak for the most
    probable genre or for the second, the probability of each genre over time, and the
    network's attention. A click plays from there. Half a minute of sound takes about ten seconds.

    [bold]Examples[/bold]

      earmark explain song.mp3 --open
      earmark explain song.mp3 -o page.html -g jazz -g happy
      earmark explain song.mp3 -o a.png -o a.json --start 60 --duration 30
      earmark explain song.mp3 --method integrated-gradients

    Occlusion hides each region in turn and asks again. Integrated gradients
    follow the network's slope; they need PyTorch (pip install '.\[learn]'),
    as figures need Matplotlib (pip install '.\[figures]'). How far to trust each: docs/explain.md.

    [dim]Exit status: 0 written, 1 the file cannot be heard (a damaged one is explained as far as it goes),
    2 wrong usage, 130 interrupted.[/dim]
    """
    from earmark.cli.text import clean
    from earmark.explanation.formats import PAGES, find_format
    from earmark.files import find_free_name

    output = output or [find_free_name(Path(f"{Path(file).stem}-explained.html"))]
    pages = [path for path in output if path.suffix.lower() in PAGES]
    if show and not pages:
        raise SettingError("--open shows a page: name one that ends in .html with -o, or leave -o out")
    # What a format needs is missed now, not when all the work is done.
    formats = [(path, find_format(path)) for path in output]
    from earmark.explanation.explainer import Explainer
    from earmark.inference.genre_names import find_label
    from earmark.inference.tagger import Tagger

    tagger = Tagger(model)
    # Before the sound is decoded: a name that the model does not know is refused at once.
    genres = [find_label(one, tagger.card.names, tagger.card.name) for one in genre or ()]
    chosen = _method(method, tagger, genres)
    try:
        with show_progress("explaining") as advance:
            explanation = Explainer(tagger).explain(
                file,
                start=start,
                duration=duration,
                method=chosen,
                relevance=method is not How.attention,
                sound=bool(pages),
                advance=advance,
            )
    except AudioError as error:
        say(clean(f"{file}: {error}"), "red")
        # Not 2: the file is at fault, not the usage.
        raise typer.Exit(1) from error
    _write(formats, explanation, genres)
    if show:
        _open_page(pages[0])
    # The file may tell its length not quite rightly: a second less is not worth a word.
    if duration is None and explanation.end < (explanation.whole or 0) - 1:
        say(f"explained {explanation.duration:g} s; the file is longer: --start and --duration choose a part")
    if explanation.verdict.error:
        say(clean(f"{file}: {explanation.verdict.error}"), "red")
        raise typer.Exit(1)


def _open_page(page: Path) -> None:
    """Show a page in the browser; say so where there is none."""
    import webbrowser

    if not webbrowser.open(page.absolute().as_uri()):
        say(f"no browser found here: open {page} in one", "yellow")


def _method(method: How, tagger: Tagger, names: Sequence[str]) -> Method | None:
    """Return what finds the regions that mattered; None for occlusion, and for attention, which finds none."""
    if method is How.attention and not tagger.card.attention:
        raise SettingError(f"{tagger.card.name} has no attention; --method occlusion explains any model")
    if method is not How.integrated_gradients:
        return None
    with extra("--method integrated-gradients", "learn"):
        from earmark.explanation.integrated_gradients import IntegratedGradients
    return IntegratedGradients(tagger.model, others=names)


def _write(formats: list[tuple[Path, Format]], explanation: Explanation, genres: list[str]) -> None:
    from earmark.cli.text import clean
    from earmark.files import replacing

    for path, make in formats:
        # Made before the file is opened: an error of drawing is none of writing.
        content = make(explanation, genres)
        with check_writable(path), replacing(path) as partial:
            partial.write_bytes(content)
        print(f"{clean(str(path))}: {explanation.answer}; {path.stat().st_size / 1e6:.1f} MB")
