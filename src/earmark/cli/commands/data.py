"""``earmark data``: make, fetch and check corpora."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options, terminal
from earmark.cli.corpora import open_corpus, say_summary
from earmark.cli.errors import extra, handle_errors
from earmark.cli.help import Command, Group
from earmark.cli.progress import bytes_progress, show_progress
from earmark.cli.text import clean, join_counts
from earmark.errors import FetchError, format_count

if TYPE_CHECKING:
    from rich.table import Table

    from earmark.data.audit.findings import Finding
    from earmark.data.fetch import FetchResult

data = typer.Typer(name="data", cls=Group, help="Make, fetch and check corpora.", no_args_is_help=True)


class Known(StrEnum):
    """Corpora that can be fetched."""

    gtzan = "gtzan"


@data.command(cls=Command)
@handle_errors
def synth(
    folder: Annotated[Path, typer.Argument(help="Folder to write to.")],
    tracks: Annotated[int, typer.Option(min=1, help="Tracks of each style.")] = 10,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of a track.")] = 30.0,
    sample_rate: Annotated[int, typer.Option(min=4000, max=48000, help="Hz.")] = 22050,
    seed: options.SeedOption = 0,
    jobs: options.JobsOption = 0,
) -> None:
    """Compose a small corpus of ten made-up styles, as WAV files in genre folders.

    [bold]Example[/bold]

      earmark data synth corpus --tracks 5 --seconds 10

    [dim]Exit status: 0 written, 2 wrong usage, 130 interrupted.[/dim]
    """
    from earmark.data.synth import STYLES, write_corpus

    with show_progress("composing", tracks * len(STYLES)) as advance:
        written = write_corpus(
            folder, tracks=tracks, seconds=seconds, sample_rate=sample_rate, seed=seed, jobs=jobs,
            on_track=lambda _: advance(1),
        )  # fmt: skip
    print(f"{folder}: {format_count(len(written), 'track')} of {', '.join(STYLES)}")


@data.command(cls=Command)
@handle_errors
def check(
    corpus: Annotated[
        str,
        typer.Argument(help="Folder of genre folders, CSV manifest, .npz of arrays, or with --labels tags any folder."),
    ],
    labels: options.LabelsOption = options.Labels.folders,
    min_tracks: options.MinTracksOption = None,
    rare: options.RareOption = None,
    suspects: Annotated[
        bool, typer.Option(help="Look for tracks that sound like another genre (needs the 'learn' extra).")
    ] = True,
    form: options.LinesOption = options.Shape.table,
    jobs: options.JobsOption = 0,
) -> None:
    """Find what is wrong with a corpus, before anyone learns from it.

    [bold]Faults[/bold] must be put right: unreadable, damaged, silent, short and clipped tracks; copies (the same
    bytes), twins (the same sound) and conflicts (copies or twins under another genre); in GTZAN, altered and
    misfiled files.

    [bold]Notes[/bold] are worth knowing: suspects (they sound like another genre); in GTZAN, missing and extra
    tracks and known faults.

    [bold]Examples[/bold]

      earmark data check gtzan
      earmark data check ~/Music --labels tags --format json

    [dim]Exit status: 0 no faults, whatever the notes; 1 faults; 2 wrong usage.[/dim]
    """
    from earmark.data.audit.audit import check_corpus

    source = open_corpus(corpus, labels, min_tracks, rare, jobs=jobs)
    say_summary(source)
    with show_progress("checking", len(source.tracks)) as advance:
        outcome = check_corpus(source, jobs=jobs, label_errors=suspects, on_track=lambda _: advance(1))
    # Grouped for the eye on a terminal; into a pipe one finding a line, whole, for grep.
    if form is options.Shape.table and sys.stdout.isatty():
        terminal.console(sys.stdout).print(render_findings(outcome.findings))
    else:
        for finding in outcome.findings:
            print(json.dumps(finding.to_dict()) if form is options.Shape.json else format_finding(finding))
    for reason in outcome.skipped:
        terminal.say(clean(reason), "yellow")
    faults = any(finding.grade == "fault" for finding in outcome.findings)
    terminal.say(format_counts(outcome.findings), "red" if faults else "green")
    if faults:
        raise typer.Exit(1)


def _checksum(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        # As a callback of --sha256: a mistyped one is refused before 1.2 GB are fetched.
        raise typer.BadParameter("a SHA-256 checksum has 64 hexadecimal digits")
    return text and text.lower()


@data.command(cls=Command)
@handle_errors
def fetch(
    corpus: Annotated[Known, typer.Argument(help="Which corpus.", show_default=False)],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")],
    mirror: Annotated[
        list[str] | None,
        typer.Option(
            help="An address of the archive, or a copy that you have; tried first. May be repeated (in the variable, "
            "with spaces between).",
            envvar="EARMARK_MIRROR",
            metavar="URL|FILE",
        ),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option(
            help="Checksum that the archive must have, if your mirror has packed the same tracks differently.",
            metavar="HEX",
            show_default="that of the release",
            callback=_checksum,
        ),
    ] = None,
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep-archive/--no-keep-archive",
            help="Whether the archive stays beside DIR after it is unpacked.",
            show_default="only if it was there before",
        ),
    ] = None,
) -> None:
    """Fetch GTZAN, the corpus of the paper: a thousand excerpts of 30 seconds, a hundred in each of ten genres.

    For research only: the music belongs to others.

    It takes 1.2 GB to download and 1.3 GB unpacked. DIR, with DIR/blues/blues.00000.wav
    and so on, appears when it is complete; until then, the files lie beside it. A download that
    breaks off starts again, up to five times at each mirror; a mirror that does not answer is
    left at once. The checksum of the archive is compared, then those of the files.

    [bold]Examples[/bold]

      earmark data fetch gtzan gtzan
      earmark data fetch gtzan gtzan --mirror ~/Downloads/genres.tar.gz
      earmark data fetch gtzan gtzan --mirror https://example.org/genres.tar.gz

    [bold]And then[/bold]

      earmark reproduce gtzan -o out        the tables of the paper
      earmark data check gtzan              what is wrong with it
      earmark train gtzan -o mine.onnx --protocol fault-filtered

    [dim]Exit status: 0 it is there, 1 it could not be fetched, 2 wrong usage.[/dim]
    """
    from earmark.data import fetch as library
    from earmark.data.download import Reporter

    archive = {Known.gtzan: library.GTZAN}[corpus]
    if sha256:
        # Packed anew, the same tracks make an archive of another size.
        archive = replace(archive, sha256=sha256, exact=False)
    try:
        with extra("fetching", "learn"), bytes_progress() as (on_bytes, on_note):
            reporter = Reporter(on_bytes, on_note)
            fetched = library.fetch(folder, archive, mirrors=mirror or (), keep=keep, reporter=reporter)
    except FetchError as error:
        terminal.say(str(error), "red")
        # Not 2, which `handle_errors` would make of it: the usage was right.
        raise typer.Exit(1) from error
    _tell(fetched)


def _tell(fetched: FetchResult) -> None:
    there = len(fetched.matching) + len(fetched.differing)
    tracks = format_count(there, "track") + ("" if fetched.new else " there already")
    print(f"{clean(str(fetched.folder))}: {tracks}, {len(fetched.matching)} of them as released")
    for ids, what in ((fetched.differing, "other than released"), (fetched.missing, "missing")):
        if ids:
            some = ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
            terminal.say(f"{what}: {some}", "yellow")
    if "jazz.00054" in fetched.differing:
        terminal.say("jazz.00054 is known to be damaged in a widely used copy")
    if fetched.archive:
        terminal.say(f"the archive stays: {clean(str(fetched.archive))}")


def format_finding(found: Finding) -> str:
    """Return one finding of a check as a line."""
    return f"{found.kind:<11} {clean(found.track)}: {clean(found.detail)}"


def render_findings(found: Sequence[Finding]) -> Table:
    """Return findings of a check, which come sorted by kind: a paragraph a kind, faults red, notes yellow."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1), show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", style="bold")
    table.add_column(overflow="fold")
    for kind, group in groupby(found, key=lambda one: one.kind):
        for i, one in enumerate(group):
            name = Text("" if i else kind, style="red" if one.grade == "fault" else "yellow")
            table.add_row(name, Text(clean(one.track)), Text(clean(one.detail)))
        table.add_row()
    return table


def format_counts(found: Sequence[Finding]) -> str:
    """Return how many findings there are of each kind, in one line."""
    parts = []
    for grade in ("fault", "note"):
        kinds = Counter(one.kind for one in found if one.grade == grade)
        if n := kinds.total():
            parts.append(f"{format_count(n, grade)}: {join_counts(kinds)}")
    return "; ".join(parts) or "nothing wrong"
