"""``earmark medley``: the clips of a corpus that a network finds most typical, or that excite its hidden units most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import completion
from earmark.cli.corpora import open_corpus
from earmark.cli.errors import exit_after, extra, handle_errors
from earmark.cli.options import JobsOption, Labels, LabelsOption, ModelOption, SeedOption
from earmark.cli.progress import show_progress
from earmark.cli.terminal import say
from earmark.errors import SettingError, format_count

if TYPE_CHECKING:
    from earmark.auralization.gallery import Gallery
    from earmark.data.corpus import Corpus
    from earmark.inference.tagger import Tagger


@handle_errors
def medley(
    corpus: Annotated[str, typer.Argument(help="Folder of genre folders, or CSV manifest.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder to write to.", metavar="FOLDER", show_default="CORPUS-medley, here"
        ),
    ] = None,
    model: ModelOption = None,
    labels: LabelsOption = Labels.folders,
    genre: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this genre. May be repeated.",
            metavar="GENRE",
            autocompletion=completion.labels,
            show_default="all",
        ),
    ] = None,
    units: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="A medley for each of N hidden units instead: those that differ most "
            "between genres. Of recurrent networks, such as paper-lstm-2x250.",
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=50, metavar="N", help="Clips in each medley.")] = 6,
    seed: SeedOption = 0,
    jobs: JobsOption = 0,
) -> None:
    """Join the clips of a corpus that a network is surest of, one sound a genre.

    With --units, the clips that make its hidden units most active; and where a unit's
    input weights are a spectrum, as in the paper's networks, these as sound.
    The folder also holds a page that plays the sounds, index.html, and a table of
    where the clips come from, moments.csv. Without -o, no folder that is there is used.

    [bold]Examples[/bold]

      earmark medley ~/Music/by-genre
      earmark medley ~/Music/by-genre -o units --units 10 --model paper-lstm-2x250

    [dim]Exit status: 0 written, 1 some track could not be heard, 2 wrong usage, 130 interrupted.[/dim]
    """
    from earmark.cli import text
    from earmark.files import find_free_name
    from earmark.inference.tagger import Tagger

    if units and genre:
        raise SettingError("--genre is for the clips of genres, not for --units")
    output = output or find_free_name(Path(f"{Path(corpus).resolve().stem}-medley"))
    if output.exists() and not output.is_dir():
        raise SettingError(f"{output} is a file: a medley is a folder of sounds")
    tagger = Tagger(model)
    with extra("a medley", "learn"):
        # Imported for its error alone: what is missing is said before the corpus is opened.
        import earmark.auralization.gallery  # noqa: F401
    source = open_corpus(corpus, labels, known=tagger.labels, jobs=jobs)
    if units:
        gallery = _join_moments(tagger, source, output, units, count, seed)
    else:
        gallery = _join_prototypes(tagger, source, output, genre, count, jobs)
    print(f"{format_count(len(gallery.sounds), 'medley')}: open {text.clean(str(gallery.page))}")
    exit_after(gallery.failed)


def _join_prototypes(
    tagger: Tagger, corpus: Corpus, folder: Path, genres: Sequence[str] | None, count: int, jobs: int
) -> Gallery:
    """Write the medleys of genres."""
    from earmark.auralization.gallery import write_prototype_gallery
    from earmark.auralization.prototypes import find_prototypes

    with show_progress("listening", len(corpus.tracks)) as advance:
        found = find_prototypes(tagger, corpus, genres, count=count, jobs=jobs, on_track=lambda _: advance(1))
    for note in found.notes:
        say(note)
    with show_progress("joining", len(found.by_genre)) as advance:
        gallery = write_prototype_gallery(tagger, found, folder, corpus=corpus.name, on_sound=lambda _: advance(1))
    gallery.failed.update(found.failed)
    return gallery


def _join_moments(tagger: Tagger, corpus: Corpus, folder: Path, units: int, count: int, seed: int) -> Gallery:
    """Write the medleys of hidden units."""
    from earmark.auralization.gallery import write_unit_gallery
    from earmark.auralization.peak_activations import find_peak_activations
    from earmark.auralization.units import UnitProbe

    # Refused before the corpus is decoded, which takes longest.
    probe = UnitProbe(tagger.model)
    if units > probe.n_units:
        raise SettingError(f"--units {units}: the first recurrent layer of {tagger.card.name} has {probe.n_units}")
    with show_progress("listening", len(corpus.tracks)) as advance:
        peaks = find_peak_activations(probe, corpus, on_track=lambda _: advance(1))
    with show_progress("joining") as advance:
        gallery = write_unit_gallery(
            tagger, peaks, peaks.most_selective(units), folder, count=count, seed=seed,
            on_sound=lambda _: advance(1),
        )  # fmt: skip
    gallery.failed.update(peaks.failed)
    return gallery
