"""``earmark classify``: the genre of files, as a table, JSON lines or CSV; with a library, only of what is new."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options, terminal
from earmark.cli.errors import handle_errors, on_stop
from earmark.cli.last_model import choose_last_model
from earmark.cli.progress import show_progress
from earmark.cli.text import clean

if TYPE_CHECKING:
    from earmark.cli.progress import Advance
    from earmark.cli.writers import Tally
    from earmark.inference.verdict import Verdict
    from earmark.library.albums import AlbumAnswer


@handle_errors
def classify(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help=options.PATHS_HELP,
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    form: options.AnswersFormatOption = options.Format.table,
    model: options.LibraryModelOption = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="P",
            help="Name the genre where its probability is at least P, and answer unknown elsewhere; 0 names the most "
            "probable genre of all music.",
            show_default="the model's own threshold",
        ),
    ] = None,
    top: options.TopOption = None,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="Show each clip, and where in it the network looked.")
    ] = False,
    album: options.AlbumOption = False,
    preview: options.PreviewOption = False,
    library: Annotated[
        Path | None,
        typer.Option(
            help="Keep answers in this database, and classify only files that are new or have changed.",
            metavar="DB",
            envvar="EARMARK_LIBRARY",
        ),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="With --library: try files again that failed before.")] = False,
    exclude: options.ExcludeOption = None,
    null: options.NullOption = False,
    jobs: options.JobsOption = 0,
    output: options.AnswersOption = None,
) -> None:
    r"""Name the genre of audio files.

    [bold]Examples[/bold]

      earmark classify ~/Music
      earmark classify song.mp3 --timeline
      earmark classify ~/Music -o genres.csv
      earmark classify ~/Music --format json | jq -r '"\(.genre) \(.path)"'
      earmark classify ~/Music --exclude 'Podcasts/' --exclude '*.m4b'
      find ~/Music -mtime -7 -print0 | earmark classify -0
      earmark classify ~/Music --album               (a row an album)
      earmark classify ~/Music --library music.db    (only new files next time)

    A [bold]library[/bold] keeps the answer of each model to each file, known by
    its path, size and time of change. After a run is stopped or killed, the
    same command goes on from there; several runs may share a library. Clips
    are kept only with --timeline: a file that was classified without it is
    classified again. A file that failed is tried again when it has changed,
    or with --retry. See also: earmark library --help.

    With [bold]--album[/bold], files of a folder with the same album and album artist in
    their tags are one row: its folder, and the mean of their probabilities.
    A folder without such tags is an album too. Compilations and box sets are
    left to their tracks. Tracks that are sure of another genre are named.

    CSV has a column for each genre, p_jazz and so on, in the order of the
    model's genres; with --timeline it has a row for each clip.

    [dim]Exit status: 0 every file has an answer ('unknown' is one), 1 some file failed, 2 wrong usage,
    130 interrupted.[/dim]
    """
    # Late, as in every command: --help and wrong usage need neither NumPy nor the network's runtime.
    from earmark.cli.writers import WRITERS, Tally
    from earmark.library.answers import classify_new, classify_search
    from earmark.library.library import Library
    from earmark.library.search import Search
    from earmark.library.tags.genre_tags import require_mediafile

    # --null alone means standard input; nothing at all would silently wait for it.
    if not paths and not null:
        raise typer.BadParameter("give files or folders, or - and their names on standard input", param_hint="PATH")
    if retry and not library:
        raise typer.BadParameter("only with --library: nothing else remembers failures", param_hint="--retry")
    if album and timeline:
        raise typer.BadParameter("an album has no clips: leave out --timeline", param_hint="--album")
    if album:
        require_mediafile("--album")
    search = Search(paths or [], exclude=exclude or (), null=null)
    tally = Tally()
    # Rows on the screen are progress enough.
    rows_on_screen = output is None and sys.stdout.isatty()
    with Library(library) if library else nullcontext() as kept, on_stop() if library else nullcontext():
        model = choose_last_model(kept, model)
        if kept:
            labels, verdicts = classify_new(
                kept, search, model, timeline=timeline, retry=retry, preview=preview, jobs=jobs
            )
        else:
            labels, verdicts = classify_search(search, model, preview=preview, jobs=jobs)
        with (
            terminal.output(output) as file,
            show_progress("listening", count=search.count, quiet=rows_on_screen) as advance,
        ):
            writer = WRITERS[options.choose_format(ctx, form, output)](file, labels, top, timeline, album)
            heard = _advance(verdicts, advance)
            for verdict, answer in _by_album(heard, model) if album else zip(heard, repeat(None)):
                decided = verdict if min_confidence is None else verdict.decide(min_confidence)
                tally.add(decided, answer)
                writer.write(decided, answer)
        _sum_up(tally, library or output, kept.n_known if kept else None)


def _by_album(verdicts: Iterator[Verdict], model: str | None) -> Iterator[tuple[Verdict, AlbumAnswer]]:
    """Yield rows of albums, and of tracks that are left to themselves."""
    from earmark.inference.model import open_model
    from earmark.library.albums import answer_albums
    from earmark.library.tags.file_tags import read_file_tags

    tracks = ((verdict, read_file_tags(Path(verdict.path or ""))) for verdict in verdicts)
    return ((answer.verdict, answer) for answer in answer_albums(tracks, open_model(model).card))


def _advance(verdicts: Iterator[Verdict], advance: Advance) -> Iterator[Verdict]:
    """Yield verdicts, and count each as it comes: an album's row comes only with its last track."""
    for verdict in verdicts:
        advance(1)
        yield verdict


def _sum_up(tally: Tally, written: Path | None, known: int | None) -> None:
    """Say how many files there were of what; exit status 1 where some failed."""
    # One row on the screen says it all.
    if written or tally.total > 1:
        terminal.say(clean(f"{written}: " if written else "") + tally.describe(known))
    if failures := tally.describe_failures():
        terminal.say(failures, "red")
        raise typer.Exit(1)
