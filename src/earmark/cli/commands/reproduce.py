"""``earmark reproduce``: the paper's rows, one command."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import completion, options, terminal
from earmark.cli.corpora import open_corpus, say_summary
from earmark.cli.errors import extra, handle_errors, on_stop
from earmark.cli.progress import show_progress
from earmark.errors import SettingError

if TYPE_CHECKING:
    from earmark.data.corpus import Corpus
    from earmark.data.splits import Protocol
    from earmark.paper.runs import RowResult

_ROWS_HELP = (
    "Which rows: a recipe or TOML file, a pattern such as 'lstm-*', figure-3, figure-5, or a sweep: recurrent, mlp, "
    "scorers, bidirectional. -log at the end takes their logarithmic variants. May be repeated."
)


class Protocols(StrEnum):
    """Those of the paper's report."""

    clip = "clip"
    track = "track"
    artist = "artist"
    fault_filtered = "fault-filtered"


@handle_errors
def reproduce(
    corpus: options.CorpusArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for results and the report.")
    ],
    rows: Annotated[
        list[str] | None,
        typer.Option(
            "--rows",
            "-r",
            help=_ROWS_HELP,
            metavar="ROWS",
            show_default="figure-3 and figure-5",
            autocompletion=completion.recipes,
        ),
    ] = None,
    protocols: Annotated[
        list[Protocols] | None,
        typer.Option(
            "--protocol",
            "-p",
            help="How tracks are split into training, validation and test: artist, fault-filtered (GTZAN's), track, or "
            "clip (the paper's, leaky). May be repeated.",
            show_default="artist and clip; track for artist where no artists are known",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Run each row with N seeds.", metavar="N")] = 1,
    first_seed: Annotated[int, typer.Option(help="The first of them; each splits, starts and shuffles anew.")] = 0,
    folds: Annotated[
        # Three at least: to learn from, to choose by, and to judge by.
        int | None, typer.Option(min=3, help="Cross-validate with K folds, each the test once.", metavar="K")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Of networks: go through the training clips N times at most.",
            show_default="the recipes'",
        ),
    ] = None,
    labels: options.LabelsOption = options.Labels.folders,
    min_tracks: options.MinTracksOption = None,
    rare: options.RareOption = None,
    address: Annotated[
        str | None, typer.Option(help="Run rows on this Ray cluster (auto, ray://host:10001), over a shared disk.")
    ] = None,
    device: options.DeviceOption = "auto",
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            "-j",
            min=0,
            help="Rows, and before them files, worked on at once; 0: one a core.",
            callback=options.count_jobs,
        ),
    ] = 0,
) -> None:
    """Rebuild the tables and figures of the paper, under splits that do not leak and under its own.

    The paper shuffles clips, so that clips of one track are in training and test. The report, DIR/report.html,
    leads with the artist split, where no artist is in both, and shows the paper's clip split beside it. Each row is
    fitted in a process of its own, one for each core. A run that is interrupted goes on where it stopped when the
    same command is given again, and gives the same numbers.

    [bold]Examples[/bold]

      earmark reproduce gtzan -o out
      earmark reproduce gtzan -o out --protocol artist --seeds 3
      earmark reproduce gtzan -o out --rows 'lstm-*' --rows 'lstm-*-log'
      earmark reproduce gtzan -o cv --rows svm-rbf --protocol artist --folds 5
      earmark reproduce gtzan -o width --rows recurrent --jobs 8

    [dim]Exit status: 0 all rows are done, 1 some failed or some file could not be read, 2 wrong usage, 130
    interrupted.[/dim]
    """
    with extra("reproducing", "learn"):
        # What the report needs is missed before hours of fitting, not after.
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401

        from earmark.paper.runs import Reproduction
    from earmark.cli.commands.reproduce_view import Board
    from earmark.data.features.extract import default_cache
    from earmark.paper.progress import Progress
    from earmark.paper.rows import choose_recipes, choose_rows

    if output.exists() and not output.is_dir():
        raise SettingError(f"{output} is a file: results and report need a folder")
    # Before the corpus is opened: a misspelt row is refused at once.
    recipes = choose_recipes(rows or ["figure-3", "figure-5"])
    source = open_corpus(corpus, labels, min_tracks, rare, jobs=jobs)
    say_summary(source)
    splits: list[Protocol] = [one.value for one in protocols] if protocols else _default_protocols(source)
    chosen = choose_rows(recipes, splits, seeds=range(first_seed, first_seed + seeds), folds=folds)
    reproduction = Reproduction(source, output, default_cache(), device, epochs)
    with on_stop():
        with show_progress("hearing", reproduction.n_preparations(chosen)) as advance:
            reproduction.prepare(chosen, jobs, lambda _: advance(1))
        board = Board(progress := Progress(reproduction, chosen, jobs))
        with board.live():
            results = reproduction.run_on_ray(chosen, address) if address else reproduction.run(chosen, jobs)
            # Iterating runs the rows, and gives each as it finishes.
            done = []
            for one in results:
                done.append(_print_line(one))
                if one.error:
                    progress.note_failure(one.row)
    page = _write_page(output, done, source, corpus)
    terminal.console(sys.stdout).print(board.table())
    print(f"\n{page}")
    _exit_after(done)


def _default_protocols(corpus: Corpus) -> list[Protocol]:
    """Return the strictest split that the corpus allows, and the paper's."""
    if any(track.artist for track in corpus.tracks):
        return ["artist", "clip"]
    terminal.say("no artists are known: tracks are split, not artists (--protocol track)")
    return ["track", "clip"]


def _print_line(done: RowResult) -> RowResult:
    """Print a row that is done, where no live table shows it."""
    # The live table is on stderr, so that is what must be a terminal.
    if not sys.stderr.isatty():
        record = done.record
        figures = f"clips {record['clip_accuracy']:.1%}, tracks {record['track_accuracy']:.1%}" if record else ""
        print(f"{done.row.place}: {done.error or figures}", flush=True)
    return done


def _write_page(folder: Path, done: list[RowResult], corpus: Corpus, source: str) -> Path:
    """Write the report; a row that failed stands in it with its error."""
    from earmark.paper.report import write_report

    command = shlex.join(["earmark", *sys.argv[1:]])
    records = [one.record for one in done if not one.error]
    failures = {str(one.row.place): one.error for one in done if one.error}
    return write_report(folder, records, corpus, source=source, command=command, failures=failures)


def _exit_after(done: list[RowResult]) -> None:
    """Name each row that failed and, once, each file that could not be read; exit status 1 where there are any."""
    from earmark.cli.text import clean

    # Every row reads the same files: each is named once.
    unread = {track: error for one in done for track, error in one.record.get("failed", {}).items()}
    for one in done:
        if one.error:
            terminal.say(f"{one.row.place}: {one.error}", "red")
    for track, error in unread.items():
        terminal.say(f"skipped {clean(track)}: {error}", "red")
    if unread or any(one.error for one in done):
        raise typer.Exit(1)
