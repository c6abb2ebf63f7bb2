"""``earmark imagine``: what a genre sounds like to a network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.doors import completion, terminal
from earmark.doors.options import JobsOption, ModelOption, SeedOption
from earmark.doors.terminal import extra, guarded
from earmark.errors import SettingError

if TYPE_CHECKING:
    from earmark.learn.imagine import Imagined, Start, Step
    from earmark.learn.prior import Prior
    from earmark.tell.model import Model
    from earmark.tell.tagger import Tagger
    from earmark.tell.verdict import Verdict

_SECONDS = 30.0
_PAGE = "index.html"


@guarded
def imagine(
    genre: Annotated[
        str | None, typer.Argument(help="A genre that the model knows.", autocompletion=completion.labels)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="WAV file to write; a folder where there are several sounds."),
    ] = None,
    model: ModelOption = None,
    start: Annotated[
        str,
        typer.Option(
            "--from", metavar="noise|silence|SONG", help="Where to begin; of a song, tune and rhythm stay."
        ),
    ] = "noise",
    seconds: Annotated[float, typer.Option(help="Length; of a song, how much of it at most.")] = _SECONDS,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="More make it plainer, fewer leave more of the song.", show_default="120; song: 60"),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every genre, and a page to listen through them.")
    ] = False,
    corpus: Annotated[
        str | None,
        typer.Option(
            metavar="CORPUS",
            help="Measure what music is like from this corpus: a folder, CSV manifest or .npz.",
            show_default="music in general",
        ),
    ] = None,
    prototypes: Annotated[
        str | None,
        typer.Option(metavar="CORPUS", help="Instead: the clips of this corpus that the model finds most typical."),
    ] = None,
    units: Annotated[
        str | None,
        typer.Option(metavar="CORPUS", help="Instead: what excites hidden units most in this corpus, one medley each."),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="How many clips a genre, or how many units.", show_default="6 clips, 12 units"),
    ] = None,
    seed: SeedOption = 0,
    jobs: JobsOption = 0,
) -> None:
    """Let a genre sound as the network imagines it.

    A sound is changed until the model is sure of the genre, then written and
    classified again as any file would be. From noise or silence it shows
    what the network listens for; from a song, which of its colours would
    have to be others.

    [bold]Examples[/bold]

      earmark imagine jazz -o jazz.wav
      earmark imagine metal --from lullaby.mp3 -o lullaby-metal.wav
      earmark imagine --all -o imagined
      earmark imagine jazz --prototypes ~/Music/by-genre -o typical
      earmark imagine --units ~/Music/by-genre -o units

    [dim]Exit status: 0 every sound is heard again as its genre, 1 some is not, or some file could not be heard,
    2 wrong usage, 130 interrupted.[/dim]
    """
    from earmark.tell.tagger import Tagger

    if output is None:
        raise SettingError("where to? Give -o: a WAV file, or a folder for --all, --prototypes and --units")
    if prototypes or units:
        from earmark.doors import realclips

        if everything or start != "noise" or corpus or steps or (prototypes and units) or (units and genre):
            raise SettingError("--prototypes and --units are made of real clips: give one of them, with --count only")
        tagger = Tagger(model)
        if prototypes:
            realclips.prototypes(tagger, prototypes, genre, output, count or 6, jobs)
        else:
            realclips.units(tagger, str(units), output, count or 12)
        return
    if everything == bool(genre):
        raise SettingError("which genre? Give one, or --all")
    if count:
        raise SettingError("--count is for --prototypes and --units")
    tagger = Tagger(model)
    wanted = tagger.labels if everything else (str(genre),)
    files = _files(output, wanted, everything)
    with extra("imagine", "learn"):
        from earmark.learn import imagine as imagining
    for name in wanted:
        imagining.index_of(name, tagger.labels)
    beginning = _start(start, tagger.model, seconds)
    prior = _prior(corpus, tagger.model, jobs)
    done: list[tuple[Imagined, Verdict, Path]] = []
    planned = steps or (imagining.SHAPING_STEPS if isinstance(beginning, tuple) else imagining.STEPS)
    main = "shaping" if isinstance(beginning, tuple) else "ascent"
    with terminal.progress("imagining", planned * len(wanted)) as advance:

        def on_step(step: Step) -> None:
            advance(int(step.stage == main))

        for name, file in zip(wanted, files, strict=True):
            made = imagining.imagine(
                tagger.model, name, start=beginning, seconds=seconds, seed=seed, steps=steps, prior=prior,
                on_step=on_step,
            )  # fmt: skip
            done.append((made, _written(made, file, seed, tagger), file))
    if everything:
        _page(output / _PAGE, done, tagger.model, {"from": start, "seed": seed})
    _report(done, output / _PAGE if everything else None)
