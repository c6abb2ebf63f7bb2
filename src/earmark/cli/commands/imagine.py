"""``earmark imagine``: what a genre sounds like to a network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import completion, corpora, terminal
from earmark.cli.options import JobsOption, Labels, ModelOption, SeedOption, cores
from earmark.cli.terminal import extra, guarded
from earmark.errors import SettingError

if TYPE_CHECKING:
    from earmark.auralization.imagine import Start, Step
    from earmark.auralization.prior import Prior
    from earmark.inference.model import Model
    from earmark.inference.verdict import Verdict

_PAGE = "index.html"


@guarded
def imagine(
    genre: Annotated[
        str | None, typer.Argument(help="A genre that the model knows.", autocompletion=completion.labels)
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="WAV file to write; with --all a folder.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every genre, and a page to listen through them.")] = False,
    model: ModelOption = None,
    start: Annotated[
        str,
        typer.Option("--from", metavar="noise|silence|SONG", help="Where to begin. Of a song, tune and rhythm stay."),
    ] = "noise",
    seconds: Annotated[float, typer.Option(help="Length; of a song, how much of it at most.")] = 30.0,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="More make it plainer, fewer leave more of a song.", show_default="120; of a song 60"),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            metavar="CORPUS",
            help="Measure what music is like, whatever the genre, in this folder of genre folders, CSV manifest or "
            ".npz of arrays.",
            show_default="music in general",
        ),
    ] = None,
    seed: SeedOption = 0,
    jobs: JobsOption = 0,
) -> None:
    """Let a genre sound as a network imagines it.

    A sound is changed until the model is sure of the genre; it is written, and
    heard again as any file would be. From noise or silence it shows what the
    network listens for; from a song, which colours would have to be others.

    [bold]Examples[/bold]

      earmark imagine jazz -o jazz.wav
      earmark imagine --all -o imagined
      earmark imagine metal --from lullaby.mp3 -o lullaby-metal.wav --steps 20

    [dim]Exit status: 0 every sound is heard again as its genre, 1 some is not (it is written all the same),
    2 wrong usage, 130 interrupted.[/dim]
    """
    from earmark.inference.classifier import Tagger

    files = _files(genre, output, everything)
    tagger = Tagger(model)
    with extra("imagining", "learn"):
        from earmark.audio.encode import write_wav
        from earmark.auralization.imagine import imagine as let_sound
        from earmark.files import slug
    if genre:
        tagger.card.index_of(genre)
    beginning = _beginning(start, tagger.model, seconds)
    prior = None if corpus is None else _measured(corpus, tagger.model, cores(jobs))
    heard: dict[Path, tuple[str, Verdict]] = {}
    wanted = {genre: files} if genre else {name: files / f"{slug(name)}.wav" for name in tagger.labels}
    with _progress(isinstance(beginning, tuple), steps, len(wanted)) as on_step:
        for name, file in wanted.items():
            made = let_sound(
                tagger.model, name, start=beginning, seconds=seconds, seed=seed, steps=steps, prior=prior,
                on_step=on_step,
            )  # fmt: skip
            with terminal.writing(file):
                write_wav(file, made.samples, made.sample_rate, seed=seed)
            heard[file] = name, tagger.classify(file)
    _report(heard)
    if everything:
        _page(files / _PAGE, heard, tagger.model, {"from": start, "seed": seed})
    if any(verdict.genre != name for name, verdict in heard.values()):
        raise typer.Exit(1)


def _files(genre: str | None, output: Path | None, everything: bool) -> Path:
    """Where to write: one file, or a folder."""
    if everything == (genre is not None):
        raise SettingError("which genre? Give one, or --all")
    if output is None:
        raise SettingError("where to? Give " + ("-o FOLDER" if everything else f"-o {genre}.wav"))
    if everything and output.exists() and not output.is_dir():
        raise SettingError(f"{output} is a file: --all writes into a folder")
    if not everything and (output.suffix.lower() != ".wav" or output.is_dir()):
        raise SettingError(f"{output}: what is written is a WAV file, so name it {output.with_suffix('.wav').name}")
    return output


def _beginning(start: str, model: Model, seconds: float) -> Start:
    """Noise, silence, or a song at the front end's rate."""
    if start == "noise":
        return "noise"
    if start == "silence":
        return "silence"
    import numpy as np

    from earmark.audio.decode import Recording

    rate = model.card.front_end.sample_rate
    with Recording(start) as recording:
        blocks = list(recording.blocks(rate, duration=seconds))
    return np.concatenate([np.zeros(0, np.float32), *blocks]), rate


def _measured(source: str, model: Model, jobs: int) -> Prior:
    from earmark.auralization.prior import Prior
    from earmark.data.features.extract import default_cache, extract

    corpus = corpora.opened(source, Labels.folders, jobs=jobs)
    card = model.card
    with terminal.progress("measuring", len(corpus.tracks)) as advance:
        found = extract(
            corpus, card.front_end, card.clip_seconds, cache=default_cache(), jobs=jobs, on_track=lambda _: advance(1)
        )
    return Prior.from_clips(found.X, card.front_end)


@contextmanager
def _progress(song: bool, steps: int | None, sounds: int) -> Iterator[Callable[[Step], None]]:
    """A bar over the steps that are sure to be taken."""
    from earmark.auralization.imagine import SHAPING_STEPS, STEPS

    counted = "shaping" if song else "ascent"
    with terminal.progress("imagining", (steps or (SHAPING_STEPS if song else STEPS)) * sounds) as advance:
        yield lambda step: advance(int(step.stage == counted))


def _report(heard: Mapping[Path, tuple[str, Verdict]]) -> None:
    """One line a sound: what the model says on hearing the file."""
    from rich.text import Text

    from earmark.cli.writers import bar, clean

    console = terminal.console(sys.stdout)
    width = max(len(str(file)) for file in heard)
    for file, (genre, verdict) in heard.items():
        said = f"{verdict.best} {verdict.confidence:.2f}" if verdict.best else f"unknown ({verdict.reason})"
        if verdict.best and verdict.genre is None:
            said = f"unknown ({said})"
        text = Text(f"{clean(str(file)):<{width}}  heard again:")
        right = verdict.genre == genre
        console.print(text, Text(said, style="bold" if right else "bold red"), bar(verdict.confidence), soft_wrap=True)


def _page(path: Path, heard: Mapping[Path, tuple[str, Verdict]], model: Model, facts: Mapping[str, object]) -> None:
    from rich.text import Text

    from earmark.auralization.listening_page import Entry, write_listening_page
    from earmark.cli.writers import clean

    highest = model.card.front_end.sample_rate / 2
    entries = [
        Entry(genre, file, verdict.genres, genre, facts, highest=highest) for file, (genre, verdict) in heard.items()
    ]
    notes = [
        f"Sounds that {model.card.name} takes for these genres. Nobody played them: they were changed, step by step, "
        "until the network was sure, and then heard again as files. They are not what the genres sound like, but what "
        "this network listens for."
    ]
    write_listening_page(entries, path, title="Genres as a network imagines them", notes=notes)
    terminal.console(sys.stdout).print(Text(f"open {clean(str(path))}"), soft_wrap=True)
