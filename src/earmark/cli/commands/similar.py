"""``earmark similar``: what in a library sounds like some files, as a list or a playlist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options, terminal
from earmark.cli.errors import handle_errors
from earmark.cli.text import clean, fit, format_duration, name_file
from earmark.errors import SettingError, format_count

if TYPE_CHECKING:
    from earmark.inference.verdict import Verdict
    from earmark.library.similar import Neighbour

    Rows = list[tuple[Neighbour, Verdict | None]]


@handle_errors
def similar(
    files: Annotated[
        list[str], typer.Argument(help="Sound files; of several, what is like all of them.", metavar="FILE")
    ],
    library: Annotated[
        Path,
        typer.Option(
            help="Library to look in, which 'earmark classify --library' fills.", metavar="DB", envvar="EARMARK_LIBRARY"
        ),
    ],
    top: Annotated[int, typer.Option(min=1, help="Show the N most similar tracks.", metavar="N")] = 20,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write them as a playlist, .m3u8.", metavar="FILE")
    ] = None,
    form: options.LinesOption = options.Shape.table,
) -> None:
    """Find the tracks of a library that sound most like a file.

    It compares what the encoder hears in them, which the library keeps: a file that is in it is not even opened, any
    other is heard first. The figure is a cosine similarity: 1 is the same, 0 no more alike than any two tracks of this
    library. Copies of FILE, and files that are gone, are left out.

    [bold]Examples[/bold]

      earmark similar song.mp3 --library music.db
      earmark similar a.mp3 b.flac --library music.db --top 50 -o alike.m3u8

    [dim]Exit status: 0 done, 2 wrong usage or a file that cannot be heard.[/dim]
    """
    from earmark.library.answers import choose_model, load_lazily
    from earmark.library.library import Library
    from earmark.library.similar import find_similar_files

    if output and output.suffix.lower() not in (".m3u8", ".m3u"):
        raise SettingError(f"{output}: a playlist ends in .m3u8")
    with Library(library, create=False) as kept:
        key, _ = choose_model(kept)
        _, classify = load_lazily()
        rows = [(one, kept.find(key, one.path)) for one in find_similar_files(kept, files, classify, top)]
    if output:
        _write_playlist(output, files, rows)
    elif form is options.Shape.json:
        _print_json(rows)
    else:
        _print_table(rows)


def _print_json(rows: Rows) -> None:
    for (path, similarity), verdict in rows:
        print(json.dumps({"path": path, "similarity": round(similarity, 4), "genre": verdict and verdict.genre}))


def _print_table(rows: Rows) -> None:
    """Print a line a track: its name, how similar it is, its genre."""
    from rich.text import Text

    console = terminal.row_console()
    width = max(24, min(100, console.width - 30)) if console.is_terminal else 100
    if rows:
        console.print(Text(f"{fit('file', width)}  similarity  genre", style="dim"))
    for (path, similarity), verdict in rows:
        line = Text(fit(name_file(path), width), no_wrap=True).append(f"  {similarity:10.2f}", style="bold")
        console.print(line.append(f"  {clean((verdict and verdict.genre) or 'unknown')}"))


def _write_playlist(output: Path, files: list[str], rows: Rows) -> None:
    from earmark.library.playlists import write_playlist

    title = f"Like {', '.join(Path(file).stem for file in files)}"
    tracks = [(path, verdict.duration if verdict else None) for (path, _), verdict in rows]
    playlist = write_playlist(output, title, tracks)
    if not playlist.written:
        raise SettingError(f"{output}: Earmark did not write this file: it is left as it is, give another name")
    terminal.say(clean(f"{output}: {format_count(playlist.tracks, 'track')}, {format_duration(playlist.seconds)}"))
