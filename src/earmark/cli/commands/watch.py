"""``earmark watch``: music that comes into folders, heard as soon as it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli import options, terminal
from earmark.cli.errors import end_on_sigterm, handle_errors, on_stop
from earmark.cli.text import clean
from earmark.errors import SettingError


@handle_errors
def watch(
    folders: Annotated[list[str], typer.Argument(help="Folders to watch, with all that is below them.", metavar="DIR")],
    library: Annotated[
        Path | None,
        typer.Option(
            help="Keep the answers in this library, which makes no file heard twice.",
            metavar="DB",
            envvar="EARMARK_LIBRARY",
        ),
    ] = None,
    settle: Annotated[
        float,
        typer.Option(min=0, help="Hear a file when it has not changed for so many seconds.", metavar="SECONDS"),
    ] = 5.0,
    poll: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Look through the folders every so many seconds: for network shares, whose changes no system reports.",
            metavar="SECONDS",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Catch up with what is there, and end.")] = False,
    exclude: options.ExcludeOption = None,
    model: options.ModelOption = None,
    preview: options.PreviewOption = False,
    jobs: options.JobsOption = 0,
    form: options.LinesOption = options.Shape.table,
) -> None:
    """Hear music that comes into folders, as soon as it is whole."""
    if library is None:
        raise SettingError("say where the answers go: --library DB")
    import sys

    from earmark.cli.writers import WRITERS
    from earmark.library.answers import load_lazily
    from earmark.library.library import Library
    from earmark.library.watch import FolderWatch, classify_unknown

    def note(line: str) -> None:
        terminal.say(clean(line), "yellow")

    found = FolderWatch(folders, settle=settle, poll=poll, exclude=exclude or (), on_note=note)
    if once and (absent := found.list_absent()):
        raise SettingError(f"{absent[0]} is not there")
    with Library(library) as kept, on_stop(), end_on_sigterm():
        key, classify = load_lazily(model, preview=preview, jobs=jobs)
        writer = WRITERS[form](sys.stdout, key.labels, None, False)
        for files in found.follow(once=once):
            for verdict in classify_unknown(kept, files, key, classify):
                writer.write(verdict)
