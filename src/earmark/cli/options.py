"""Arguments and options that several commands share."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from earmark.cli import completion
from earmark.errors import SettingError


class Format(StrEnum):
    """Output formats of ``classify``."""

    table = "table"
    json = "json"
    csv = "csv"


class Shape(StrEnum):
    """Output formats of commands that give one report."""

    table = "table"
    json = "json"


class Split(StrEnum):
    """Protocols, see ``earmark train --help``."""

    clip = "clip"
    track = "track"
    artist = "artist"
    album = "album"
    fault_filtered = "fault-filtered"


class Part(StrEnum):
    """Parts of a split."""

    train = "train"
    valid = "valid"
    test = "test"
    all = "all"


class Labels(StrEnum):
    """Where the genres of a corpus come from."""

    folders = "folders"
    tags = "tags"


class Rare(StrEnum):
    """What becomes of genres with few tracks."""

    drop = "drop"
    merge = "merge"


def count_jobs(jobs: int) -> int:
    """Return how many files to work on at once: as said, or one a core."""
    # As a callback of --jobs: commands never see the 0, wherever it was set. cpu_count() is None where unknown.
    return jobs or os.cpu_count() or 1


def choose_format(ctx: typer.Context, form: Format, output: Path | None) -> Format:
    """Return the output format: of --format if it is given, else of the output's suffix, else `form`, as is set."""
    source = ctx.get_parameter_source("form")
    if output is None or (source and source.name == "COMMANDLINE"):
        return form
    suffixes = {".csv": Format.csv, ".json": Format.json, ".jsonl": Format.json, ".txt": form, "": form}
    if output.suffix.lower() not in suffixes:
        known = ", ".join(filter(None, suffixes))
        raise SettingError(f"{output}: no format of answers is known by {output.suffix}, but {known}; or give --format")
    return suffixes[output.suffix.lower()]


PATHS_HELP = (
    "Files, folders to search for audio, or patterns in quotes; - reads names from standard input, one per line."
)


def _declare_model(default: str) -> Any:
    return typer.Option(
        "--model",
        "-m",
        help="Model file, or name of a bundled model; 'earmark models' lists them.",
        show_default=default,
        envvar="EARMARK_MODEL",
        autocompletion=completion.models,
    )


# A name that ends in Option or Argument is a declaration: `jobs: JobsOption = 0`.
ModelOption = Annotated[str | None, _declare_model("earmark")]
LibraryModelOption = Annotated[str | None, _declare_model("earmark; the one last used in --library")]
ModelArgument = Annotated[
    str,
    typer.Argument(
        help="Model file, or name of a bundled model; 'earmark models' lists them.", autocompletion=completion.models
    ),
]
CorpusArgument = Annotated[str, typer.Argument(help="Folder of genre folders, CSV manifest, or .npz of arrays.")]
TopOption = Annotated[
    int | None,
    typer.Option(min=1, help="Show the N most probable genres, and as many styles and moods.", metavar="N"),
]
PreviewOption = Annotated[bool, typer.Option("--preview", help="Listen to 30 s of each file only, spread over it.")]
AlbumOption = Annotated[
    bool, typer.Option("--album", help="One row an album, by the tags of its files; compilations by track.")
]
ReportOption = Annotated[Shape, typer.Option("--format", "-f", help="Output format.")]
LinesOption = Annotated[Shape, typer.Option("--format", "-f", help="Output format; json: one object per line.")]
AnswersOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write to this file instead of the screen: .csv, .json or a table."
    ),
]
AnswersFormatOption = Annotated[
    Format,
    typer.Option(
        "--format",
        "-f",
        help="Output format; json: one object per line.",
        show_default="by the suffix of --output, else table",
    ),
]
PartOption = Annotated[Part | None, typer.Option(help="Part of the split to take.", show_default="test")]
DeviceOption = Annotated[str, typer.Option(help="Where PyTorch runs: auto, cpu, cuda…")]
JobsOption = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        min=0,
        help="Number of files to work on at once; 0: one per core.",
        envvar="EARMARK_JOBS",
        callback=count_jobs,
    ),
]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Leave out what matches, by the rules of .gitignore: '*.m4b', 'Podcasts/'. May be repeated.",
        metavar="PATTERN",
    ),
]
NullOption = Annotated[
    bool,
    typer.Option("--null", "-0", help="Names on standard input end with NUL, as 'find -print0' writes them."),
]
LabelsOption = Annotated[
    Labels,
    typer.Option(
        "--labels", help="Where genres come from: folders (or the list itself), or the genre tags of a folder's files."
    ),
]
MinTracksOption = Annotated[
    int | None,
    typer.Option(
        min=3,
        help="Genres with fewer tracks are rare. Without this and --rare, all genres of folders and lists are kept.",
        show_default="10",
    ),
]
RareOption = Annotated[
    Rare | None,
    typer.Option(help="Leave rare genres out (drop), or put them into the genre 'other' (merge).", show_default="drop"),
]
_WORDS = "Words"
"""A heading of ``--help``."""

VocabularyOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Words for genres: common (as most tags have them), model (its own names), musicbrainz, beets (what its "
        "lastgenre accepts), id3v1, or a YAML file of yours, see docs/tags.md.",
        rich_help_panel=_WORDS,
        autocompletion=completion.vocabularies,
    ),
]
ParentsOption = Annotated[
    bool,
    typer.Option(
        "--parents",
        help="'Electronic; Techno' for Techno: two genres, the parent first.",
        rich_help_panel=_WORDS,
    ),
]
DepthOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Genres of the first N levels of the tree only.", rich_help_panel=_WORDS),
]
WRITTEN = "What is written"
"""A heading of ``--help``, of commands that write tags."""

MinConfidenceOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        metavar="P",
        help="Write genres of at least this confidence, even where the model says unknown; 0 writes every guess.",
        show_default="the model's own, from which 3 in 4 are right",
        rich_help_panel=WRITTEN,
    ),
]
GenresOption = Annotated[
    int | None,
    typer.Option(
        "--top",
        min=1,
        metavar="N",
        help="Write up to N genres: the first, and others of 20 % and more.",
        show_default="1; all that a model of several genres names",
        rich_help_panel=WRITTEN,
    ),
]
StylesOption = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="Write up to N styles of the genres after them, of 20 % and more.",
        rich_help_panel=WRITTEN,
    ),
]
MoodsOption = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="Write up to N moods into the field MOOD, of 20 % and more.",
        rich_help_panel=WRITTEN,
    ),
]
SAFETY = "Files and undo"
"""A heading of ``--help``, of commands that write tags."""

JournalOption = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        metavar="FILE",
        help="Where changes are noted; those of one plan together.",
        show_default="earmark/journals in the state folder, ~/.local/state on Linux",
        rich_help_panel=SAFETY,
    ),
]
KeepMtimeOption = Annotated[
    bool, typer.Option("--keep-mtime", help="Keep the files' modification times.", rich_help_panel=SAFETY)
]
BreakLinksOption = Annotated[
    bool,
    typer.Option(
        "--break-links", help="Tag a hard link; the file's other names stay as they are.", rich_help_panel=SAFETY
    ),
]
SeedOption = Annotated[int, typer.Option(help="Random seed.")]


def default_part(part: Part | None, protocol: Split | None) -> str:
    """Return the part of a split that is judged: as said; else "test", or "all" where there is no split."""
    return (part or (Part.test if protocol else Part.all)).value
