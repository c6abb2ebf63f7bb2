"""``earmark tag``: genres into the tags of files, and back out of them."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli import terminal
from earmark.cli.errors import handle_errors
from earmark.cli.options import JobsOption, ModelOption, Shape
from earmark.cli.progress import show_progress
from earmark.cli.tagging import ROWS, Row, Tagging
from earmark.errors import SettingError
from earmark.library.search import verdicts


@handle_errors
def tag(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Files, and folders to search for audio.", metavar="PATH")
    ] = None,
    model: ModelOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Show what would change, and write nothing.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write over genres that are there too.")] = False,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="P",
            help="Write where the most probable genre has this confidence, whatever the model itself calls unknown; "
            "0 writes every guess.",
            show_default="the model's own threshold",
        ),
    ] = None,
    top: Annotated[
        int, typer.Option(min=1, metavar="N", help="Write up to N genres: the first, and others of 20 % and more.")
    ] = 1,
    words: Annotated[
        Path | None, typer.Option("--map", metavar="FILE", help='TOML file of your words: hiphop = ["Hip-Hop", "Rap"].')
    ] = None,
    raw: Annotated[bool, typer.Option("--raw-labels", help="Write hiphop as the model says it, not Hip-Hop.")] = False,
    journal: Annotated[
        Path | None,
        typer.Option(
            "--journal", metavar="FILE", help="Where changes are noted.", show_default="~/.local/state/earmark/journals"
        ),
    ] = None,
    undo: Annotated[
        Path | None, typer.Option("--undo", metavar="JOURNAL", help="Put back what was there before this journal.")
    ] = None,
    keep_mtime: Annotated[bool, typer.Option("--keep-mtime", help="Keep the files' modification times.")] = False,
    break_links: Annotated[
        bool, typer.Option("--break-links", help="Tag a hard link; the file's other names stay as they are.")
    ] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Hear six clips spread over each file, not all.")] = False,
    jobs: JobsOption = 0,
    form: Annotated[
        Shape, typer.Option("--format", "-f", help="Output format; json: one object a line.")
    ] = Shape.table,
) -> None:
    """Write genres into the tags of files that have none.

    Files whose tags name a genre are left alone (and not even listened to), unless --overwrite. So are files that
    the model cannot tell, and whatever else is in a tag. Each change is made at one stroke, and noted in a journal
    first: --undo puts every file back, byte for byte. "Unknown", "Other" and the like are no genre.

    [bold]Examples[/bold]

      earmark tag ~/Music --dry-run
      earmark tag ~/Music --top 2 --map words.toml
      earmark tag ~/Music --overwrite --min-confidence 0.8 --keep-mtime
      earmark tag --undo journal.jsonl

    Exit status: 0 all done, 1 some file failed, 2 wrong usage, 130 interrupted. A file of several names
    (hard links) is refused without --break-links; of a symbolic link, the file is tagged and the link stays.
    """
    if undo is not None:
        if paths:
            raise SettingError("--undo takes back a whole journal: leave out the paths")
        _undo(undo, dry_run, break_links, form)
        return
    if not paths:
        raise SettingError("name files or folders to tag, or a journal to --undo")
    from earmark.inference.classifier import Tagger
    from earmark.library.tags.genre_tags import require_mediafile
    from earmark.library.tags.journal import Journal, default_journal
    from earmark.library.tags.vocabulary import GenreWords, read_map
    from earmark.library.tags.writer import GenreWriter

    require_mediafile("earmark tag")
    tagger = Tagger(model)
    mapped = GenreWords(read_map(words, tagger.labels) if words else {}, top, min_confidence, raw)
    with Journal(journal or default_journal()) as noted:
        writer = GenreWriter(noted, overwrite=overwrite, keep_mtime=keep_mtime, break_links=break_links)
        work = Tagging(mapped, writer, ROWS[form](sys.stdout), dry_run=dry_run)
        try:
            with show_progress("tagging", None, quiet=sys.stdout.isatty()) as advance:
                for verdict in verdicts(tagger, paths, jobs=jobs, preview=preview, wanted=work.wants):
                    work.answer(verdict)
                    advance(1)
        finally:  # also where it is stopped
            _sum_up(work.counts, dry_run)
            if noted.entries:
                terminal.say(f"to undo: earmark tag --undo {shlex.quote(str(noted.path.absolute()))}")
    if work.counts["failed"]:
        raise typer.Exit(1)


def _undo(journal: Path, dry_run: bool, break_links: bool, form: Shape) -> None:
    from earmark.library.tags.genre_tags import require_mediafile
    from earmark.library.tags.journal import read_journal
    from earmark.library.tags.writer import undo

    require_mediafile("earmark tag")
    entries, damaged = read_journal(journal)
    rows, counts = ROWS[form](sys.stdout), Counter[str]()
    for undone in undo(entries, dry_run=dry_run, break_links=break_links):
        counts[undone.outcome] += 1
        before, after = undone.entry.before.genres, undone.entry.after.genres
        rows.write(Row(undone.entry.path, undone.outcome, _named(after), _named(before), error=undone.error))
    if damaged:
        terminal.say(
            f"{damaged} line{'s' * (damaged > 1)} of the journal not readable, such as a kill leaves", "yellow"
        )
    _sum_up(counts, dry_run)
    if counts["failed"]:
        raise typer.Exit(1)


def _named(raw: dict[str, list[str]]) -> tuple[str, ...]:
    return tuple(raw.get("main") or next(iter(raw.values()), ()))


def _sum_up(counts: Counter[str], dry_run: bool) -> None:
    said = ", ".join(f"{outcome} {n}" for outcome, n in counts.items()) or "no files"
    terminal.say(f"nothing written, would be: {said}" if dry_run else said)
