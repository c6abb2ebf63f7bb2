"""``earmark imagine``: what a genre sounds like to a network."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import completion
from earmark.cli.corpora import open_corpus
from earmark.cli.errors import extra, handle_errors
from earmark.cli.options import JobsOption, ModelOption, SeedOption
from earmark.cli.progress import show_progress
from earmark.cli.terminal import check_writable, console
from earmark.errors import SettingError

if TYPE_CHECKING:
    from earmark.auralization.prior import Prior
    from earmark.inference.model import Model
    from earmark.inference.verdict import Verdict


@handle_errors
def imagine(
    genre: Annotated[
        str | None, typer.Argument(help="A genre that the model knows.", autocompletion=completion.labels)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="WAV file to write; with --all a folder.",
            metavar="WAV",
            show_default="GENRE-imagined.wav, of a song SONG-as-GENRE.wav, with --all imagined; here",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every genre, and a page that plays them.")] = False,
    model: ModelOption = None,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="noise|silence|SONG",
            help="What to change step by step. A song keeps its tune and rhythm.",
        ),
    ] = "noise",
    seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="Length; of a song, how much of it at most.")
    ] = 30.0,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="More make the genre plainer, fewer keep more of a song.",
            show_default="120; of a song 60, at most 180",
        ),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            metavar="CORPUS",
            help="Learn the spectrum and the movement of music, whatever its genre, from this folder of genre "
            "folders, CSV manifest or .npz of arrays. What is made stays near them.",
            show_default="those of music in general",
        ),
    ] = None,
    seed: SeedOption = 0,
    jobs: JobsOption = 0,
) -> None:
    """Make a sound that a network takes for a genre.

    Noise, silence or a song is changed step by step until the network is sure of the
    genre. The sound is written, and the file classified like any other. From noise or
    silence it shows what the network listens for; from a song, which frequencies would
    have to be louder or softer. Without -o, no file that is there is replaced.

    [bold]Examples[/bold]

      earmark imagine jazz
      earmark imagine --all -o imagined
      earmark imagine metal --from lullaby.mp3 --steps 20

    [dim]Exit status: 0 every file is classified as its genre, 1 some is not (it is written all the same),
    2 wrong usage, 130 interrupted.[/dim]
    """
    from earmark.cli.text import clean
    from earmark.inference.tagger import Tagger

    target = _choose_output(genre, output, everything, start)
    tagger = Tagger(model)
    with extra("imagining", "learn"):
        from earmark.audio.encode import write_wav
        from earmark.auralization.gallery import PAGE, write_imagined_page
        from earmark.auralization.imagine import count_steps, read_start
        from earmark.auralization.imagine import imagine as make_sound
        from earmark.files import slug
    # A genre that the model does not know is refused before anything is decoded or measured.
    if genre:
        genre = tagger.labels[tagger.card.index_of(genre)]
    beginning = read_start(start, tagger.model, seconds)
    prior = None if corpus is None else _measure_prior(corpus, tagger.model, jobs)
    verdicts: dict[Path, tuple[str, Verdict]] = {}
    files = {genre: target} if genre else {name: target / f"{slug(name)}.wav" for name in tagger.labels}
    stage, n_steps = count_steps(beginning, steps)
    with show_progress("imagining", n_steps * len(files)) as advance:
        for name, file in files.items():
            # Only the stage whose steps are sure to be taken moves the bar.
            made = make_sound(
                tagger.model, name, start=beginning, seconds=seconds, seed=seed, steps=steps, prior=prior,
                on_step=lambda step: advance(int(step.stage == stage)),
            )  # fmt: skip
            with check_writable(file):
                write_wav(file, made.samples, made.sample_rate, seed=seed)
            # The file, not the samples: what is heard again is what was written.
            verdicts[file] = name, tagger.classify(file)
    _print_verdicts(verdicts)
    if everything:
        facts = {"from": start, "seed": seed}
        print(f"open {clean(str(write_imagined_page(target / PAGE, verdicts, tagger.model, facts)))}")
    if any(verdict.best != name for name, verdict in verdicts.values()):
        raise typer.Exit(1)


def _choose_output(genre: str | None, output: Path | None, everything: bool, start: str) -> Path:
    """Return where to write: one file, or a folder; where none is named, one that is not there yet."""
    from earmark.files import find_free_name, slug

    # Both a genre and --all, or neither.
    if everything == (genre is not None):
        raise SettingError("which genre? Give one, or --all")
    if output is None:
        if genre is None:
            return find_free_name(Path("imagined"))
        made = f"{slug(genre)}-imagined" if start in ("noise", "silence") else f"{Path(start).stem}-as-{slug(genre)}"
        return find_free_name(Path(f"{made}.wav"))
    if everything and output.exists() and not output.is_dir():
        raise SettingError(f"{output} is a file: --all writes into a folder")
    if not everything and (output.suffix.lower() != ".wav" or output.is_dir()):
        raise SettingError(f"{output}: what is written is a WAV file, so name it {output.with_suffix('.wav').name}")
    return output


def _measure_prior(source: str, model: Model, jobs: int) -> Prior:
    from earmark.auralization.prior import measure_prior
    from earmark.data.features.extract import default_cache

    corpus = open_corpus(source, jobs=jobs)
    with show_progress("measuring", len(corpus.tracks)) as advance:
        return measure_prior(corpus, model, cache=default_cache(), jobs=jobs, on_track=lambda _: advance(1))


def _print_verdicts(verdicts: Mapping[Path, tuple[str, Verdict]]) -> None:
    """Print one line a sound: what the model says of the file."""
    from rich.text import Text

    from earmark.cli.text import bar, clean

    page = console(sys.stdout)
    width = max(len(str(file)) for file in verdicts)
    for file, (genre, verdict) in verdicts.items():
        # no music, and so often unlike what the model learned
        doubt = f", {verdict.reason}" if verdict.reason else ""
        said = f"{verdict.best} {verdict.confidence:.2f}{doubt}" if verdict.best else f"unknown ({verdict.reason})"
        text = Text(f"{clean(str(file)):<{width}}  classified as")
        right = verdict.best == genre
        page.print(text, Text(said, style="bold" if right else "bold red"), bar(verdict.confidence), soft_wrap=True)
