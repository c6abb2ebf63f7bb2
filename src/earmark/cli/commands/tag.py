"""``earmark tag``: genres into the tags of files, by way of a plan, and back out of them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import terminal
from earmark.cli.commands import tag_view
from earmark.cli.errors import handle_errors, on_stop
from earmark.cli.last_model import choose_last_model
from earmark.cli.options import (
    SAFETY,
    WRITTEN,
    BreakLinksOption,
    DepthOption,
    GenresOption,
    JobsOption,
    JournalOption,
    KeepMtimeOption,
    LibraryModelOption,
    MinConfidenceOption,
    MoodsOption,
    ParentsOption,
    PreviewOption,
    Shape,
    StylesOption,
    VocabularyOption,
)
from earmark.cli.progress import show_progress
from earmark.cli.text import clean, name_file
from earmark.cli.words import load_words
from earmark.errors import SettingError, format_count

if TYPE_CHECKING:
    from earmark.library.library import Library
    from earmark.library.tagging.run import TagRun
    from earmark.library.tags.plan import PlanRow
    from earmark.library.tags.result import TagResult
    from earmark.library.tags.values import Existing

Count = Callable[[], int | None] | None
"""Returns how many files there are."""

_EXISTING, _PLANS = "Genres that are there", "Plans"
"""Headings of ``--help``."""


@handle_errors
def tag(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(help="Files, and folders to search for audio.", metavar="PATH")
    ] = None,
    model: LibraryModelOption = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", "-n", help="Show what would change, and write nothing.", rich_help_panel=_PLANS),
    ] = False,
    plan: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write nothing but a plan: a .csv for spreadsheets, or .jsonl, to look at and to edit.",
            rich_help_panel=_PLANS,
        ),
    ] = None,
    apply: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write what this plan says; with PATH, only into files below it.",
            rich_help_panel=_PLANS,
        ),
    ] = None,
    library: Annotated[
        Path | None,
        typer.Option(
            metavar="DB",
            help="Listen only to files that are new to this library; without PATH, to none: take its answers.",
            envvar="EARMARK_LIBRARY",
            rich_help_panel=_PLANS,
        ),
    ] = None,
    album: Annotated[
        bool,
        typer.Option(
            "--album",
            help="Give the tracks of an album one genre; of a compilation or box set, each its own.",
            rich_help_panel=WRITTEN,
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write over genres that are there too.", rich_help_panel=_EXISTING)
    ] = False,
    keep_existing: Annotated[
        bool,
        typer.Option("--keep-existing", help="Write genres after those that are there.", rich_help_panel=_EXISTING),
    ] = False,
    mine: Annotated[
        bool,
        typer.Option(
            "--mine", help="Renew genres that Earmark wrote and nobody has changed since.", rich_help_panel=_EXISTING
        ),
    ] = False,
    min_confidence: MinConfidenceOption = None,
    top: GenresOption = None,
    styles: StylesOption = 0,
    moods: MoodsOption = 0,
    vocabulary: VocabularyOption = "common",
    parents: ParentsOption = False,
    depth: DepthOption = None,
    journal: JournalOption = None,
    undo: Annotated[
        Path | None,
        typer.Option(
            "--undo",
            metavar="JOURNAL",
            help="Put back what was there before this journal; last: the newest of the state folder.",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    keep_mtime: KeepMtimeOption = False,
    break_links: BreakLinksOption = False,
    preview: PreviewOption = False,
    jobs: JobsOption = 0,
    form: Annotated[
        Shape, typer.Option("--format", "-f", help="Output format; json: one object a line.")
    ] = Shape.table,
) -> None:
    """Write genres into the tags of files that have none, at once or by way of a plan.

    A file whose tags name a genre stays as it is, and is not even listened to, unless --overwrite, --keep-existing or
    --mine; "Unknown", "Other" and the like are no genre. Where the model is not sure enough, nothing is written. All
    other tags stay as they are. Each change is first noted in a journal, from which --undo puts every file back, byte
    for byte.

    [bold]Examples[/bold]

      earmark tag ~/Music --dry-run
      earmark tag ~/Music --top 2 --vocabulary words.yaml
      earmark tag ~/Music --styles 1 --vocabulary musicbrainz --parents
      earmark tag ~/Music --overwrite --min-confidence 0.8 --keep-mtime
      earmark tag --undo journal.jsonl

    [bold]By way of a plan[/bold]

      earmark tag ~/Music --album --plan plan.csv       (hear; write the plan)
      earmark tag --library music.db --plan plan.csv    (the same without hearing)
      earmark tag --apply plan.csv                      (write what it says)

    A row of a plan is a file: what is there, what it gets, how sure that is, and an action: write, keep or review. Edit
    genre, styles, moods and action as you like, with ; between several values; delete rows and sort them. What the
    plan says is then written, exactly, and only into files that have not changed since.

    Exit status: 0 all done, 1 some file failed, 2 wrong usage, 130 interrupted. A file of several names
    (hard links) is refused without --break-links; of a symbolic link, the file is tagged and the link stays.
    """
    if undo is not None:
        if paths or apply or plan:
            raise SettingError("--undo takes back a whole journal: leave out the paths, --apply and --plan")
        with _open_library(library, needed=False) as kept:
            _undo(undo, kept, dry_run, break_links, form)
        return
    from earmark.library.tagging.run import TagRun

    if apply is not None:
        if plan:
            raise SettingError("--plan makes a plan, --apply does what one says: give one of them")
        from earmark.library.tags.journal import plan_journal
        from earmark.library.tags.plan_file import read_plan

        with _open_library(library, needed=False) as kept:
            run = TagRun(
                journal=journal or plan_journal(read_plan(apply)), library=kept,
                dry_run=dry_run, keep_mtime=keep_mtime, break_links=break_links,
            )  # fmt: skip
            _apply(run, apply, paths or [], form)
        return
    if plan:
        from earmark.library.tags.plan_file import check_new_plan

        check_new_plan(plan)
    given = ctx.get_parameter_source("library")
    if not paths and not (library and given and given.name == "COMMANDLINE"):
        raise SettingError("name files or folders to tag, a --library, a plan to --apply, or a journal to --undo")
    from earmark.inference.tagger import Tagger
    from earmark.library.search import Search
    from earmark.library.tags.selection import GenreSelector

    existing = _choose_existing(overwrite, keep_existing, mine)
    with _open_library(library, create=bool(paths)) as kept:
        tagger = Tagger(choose_last_model(kept, model, hears=bool(paths)))
        card = tagger.card
        words = load_words(vocabulary, (*card.labels, *card.styles), kept, parents=parents, depth=depth)
        selector = GenreSelector.for_card(
            card, words, top=top, min_confidence=min_confidence, styles=styles, moods=moods
        )
        run = TagRun(
            tagger, selector, journal, library=kept, existing=existing, by_album=album,
            dry_run=dry_run, keep_mtime=keep_mtime, break_links=break_links,
        )  # fmt: skip
        rows = run.propose_from(kept) if kept and not paths else run.propose(paths or (), jobs=jobs, preview=preview)
        count = Search(paths).count if paths else None
        if plan:
            _write_plan(run, plan, rows, count)
        else:
            _tag(run, rows, count, form)


def _open_library(
    path: Path | None, *, create: bool = False, needed: bool = True
) -> AbstractContextManager[Library | None]:
    """Open a library; where it is only to be told of changes, one that is not there need not be."""
    if path is None or not (needed or path.exists()):
        return nullcontext()
    from earmark.library.library import Library

    return Library(path, create=create)


def _choose_existing(overwrite: bool, keep_existing: bool, mine: bool) -> Existing:
    """Return what becomes of genres that are there, which one option at most may say."""
    if overwrite + keep_existing + mine > 1:
        raise SettingError("give one of --overwrite, --keep-existing and --mine: each says what becomes of old genres")
    return "replace" if overwrite else "append" if keep_existing else "mine" if mine else "keep"


def _tag(run: TagRun, rows: Iterable[PlanRow], count: Count, form: Shape) -> None:
    """Write what is proposed, as it comes."""
    # A second run passes over what the first has tagged.
    with nullcontext() if run.dry_run or run.existing != "keep" else on_stop():
        _show(run, run.apply(rows), count, form)


def _apply(run: TagRun, plan: Path, paths: list[str], form: Shape) -> None:
    """Write what a plan says."""
    from earmark.library.tags.plan_file import read_plan

    rows = read_plan(plan)
    with on_stop():
        _show(run, run.apply(rows, paths), lambda: sum(1 for _ in read_plan(plan)), form)
    if run.counts["had one"] and not run.counts["written"] + run.counts["would write"]:
        terminal.say(f"{clean(str(plan))} was applied already: every file has what it says")


def _show(run: TagRun, results: Iterator[TagResult], count: Count, form: Shape) -> None:
    """Print results as they come, and sum them up, also where it is stopped."""
    write = tag_view.make_writer(form)
    try:
        with run, show_progress("tagging", count=count, quiet=sys.stdout.isatty()) as advance:
            for result in results:
                write(result)
                advance(1)
    finally:
        tag_view.sum_up_run(run)
    if run.counts["failed"]:
        raise typer.Exit(1)


def _write_plan(run: TagRun, plan: Path, rows: Iterable[PlanRow], count: Count) -> None:
    """Write what is proposed into a plan."""
    from earmark.library.tags.plan_file import write_plan

    actions, failed = Counter[str](), 0

    def tally(advance: Callable[..., None]) -> Iterator[PlanRow]:
        nonlocal failed
        for row in rows:
            actions[row.action] += 1
            failed += row.outcome == "failed"
            yield row
            advance(1)

    with on_stop(f"{plan} is not written"), show_progress("planning", count=count) as advance:
        nameless = write_plan(plan, tally(advance))
    for path in nameless:
        terminal.say(f"{clean(path)}: left out: a name that is not UTF-8 fits into a .jsonl only", "red")
    tag_view.sum_up_plan(run, plan, actions, failed)
    if failed or nameless:
        raise typer.Exit(1)


def _undo(journal: Path, library: Library | None, dry_run: bool, break_links: bool, form: Shape) -> None:
    from earmark.library.tags.genre_tags import require_mediafile
    from earmark.library.tags.journal import find_last_journal, read_journal
    from earmark.library.tags.undo import undo

    require_mediafile("earmark tag")
    if journal == Path("last"):
        journal = find_last_journal()
        terminal.say(f"undoing {name_file(str(journal))}")
    entries, damaged = read_journal(journal)
    write, counts = tag_view.make_writer(form), Counter[str]()
    note = library.note_change if library else None
    for result in undo(entries, dry_run=dry_run, break_links=break_links, on_change=note):
        counts[result.outcome] += 1
        write(result)
    if damaged:
        lines = format_count(damaged, "line")
        terminal.say(f"{lines} of the journal cannot be read, as where a run was killed while writing it", "yellow")
    tag_view.sum_up(counts, dry_run)
    if counts["failed"]:
        raise typer.Exit(1)
