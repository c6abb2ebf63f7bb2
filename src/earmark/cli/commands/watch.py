"""``earmark watch``: music that comes into folders, heard as soon as it is whole."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options, terminal
from earmark.cli.errors import end_on_sigterm, handle_errors, on_stop
from earmark.cli.last_model import choose_last_model
from earmark.cli.text import clean, join_counts
from earmark.cli.words import load_words
from earmark.errors import SettingError, format_count

if TYPE_CHECKING:
    from earmark.library.library import Library
    from earmark.library.look_ahead import FileStatus
    from earmark.library.tagging.run import TagRun
    from earmark.library.watch import FolderWatch

    Handle = Callable[[Iterator[FileStatus], FolderWatch], int]

_WRITING = ("min_confidence", "top", "styles", "moods", "vocabulary", "parents", "depth", "break_links")
_WRITING_NOW = ("journal", "keep_mtime")
"""Options that only --tag or --plan needs, and that only --tag does."""


@handle_errors
def watch(
    ctx: typer.Context,
    folders: Annotated[list[str], typer.Argument(help="Folders to watch, with all that is below them.", metavar="DIR")],
    library: Annotated[
        Path | None,
        typer.Option(help="Keep the answers in this library.", metavar="DB", envvar="EARMARK_LIBRARY"),
    ] = None,
    tag: Annotated[
        bool, typer.Option("--tag", help="Write genres into files that have none, as 'earmark tag' does.")
    ] = False,
    plan: Annotated[
        Path | None,
        typer.Option(help="Add what 'earmark tag' would write to this plan, .csv or .jsonl.", metavar="FILE"),
    ] = None,
    settle: Annotated[
        float, typer.Option(min=0, help="Hear a file once it has not changed for so many seconds.", metavar="SECONDS")
    ] = 5.0,
    poll: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Look through the folders every so many seconds: for network shares, of whose changes the system "
            "does not tell.",
            metavar="SECONDS",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Catch up with what is there, and end.")] = False,
    exclude: options.ExcludeOption = None,
    min_confidence: options.MinConfidenceOption = None,
    top: options.GenresOption = None,
    styles: options.StylesOption = 0,
    moods: options.MoodsOption = 0,
    vocabulary: options.VocabularyOption = "common",
    parents: options.ParentsOption = False,
    depth: options.DepthOption = None,
    journal: options.JournalOption = None,
    keep_mtime: options.KeepMtimeOption = False,
    break_links: options.BreakLinksOption = False,
    model: options.LibraryModelOption = None,
    preview: options.PreviewOption = False,
    jobs: options.JobsOption = 0,
    form: options.LinesOption = options.Shape.table,
) -> None:
    """Hear music that comes into folders, as soon as it is whole, and keep, tag or plan its genres.

    First it catches up with what came while it was not there. Then it waits for files: one counts when it has not
    changed for --settle seconds and, on Linux, no program has it open for writing. Hidden and half-written names
    (.part, .tmp, .crdownload) are passed over. A folder that is away, as where a network drops, is waited for. A file
    that fails is named once, and again only when it has changed.

    [bold]Examples[/bold]

      earmark watch ~/Music --library music.db
      earmark watch ~/Incoming --tag --library music.db    (none is heard twice)
      earmark watch ~/Incoming --plan plan.csv
      earmark watch /mnt/nas/Music --tag --poll 60

    docs/watch.md has it as a service of systemd.

    [dim]Exit status: 0 all heard (with --once), 1 some file failed (with --once), 2 wrong usage, 130 or 143 where
    Ctrl-C or SIGTERM ends it.[/dim]
    """
    from earmark.inference.tagger import Tagger
    from earmark.library.library import Library
    from earmark.library.tagging.run import TagRun
    from earmark.library.tags.selection import GenreSelector
    from earmark.library.watch import FolderWatch

    _check_usage(ctx, library, tag, plan)

    def note(line: str) -> None:
        terminal.say(clean(line), "yellow")

    found = FolderWatch(folders, settle=settle, poll=poll, exclude=exclude or (), on_note=note)
    if once and (absent := found.list_absent()):
        raise SettingError(f"{absent[0]} is not there")
    failed = 0
    with ExitStack() as stack:
        kept = stack.enter_context(Library(library)) if library else None
        model = choose_last_model(kept, model)
        stack.enter_context(on_stop())
        stack.enter_context(end_on_sigterm())
        if kept is None or tag or plan:
            tagger = Tagger(model)
            card = tagger.card
            words = load_words(vocabulary, (*card.labels, *card.styles), kept, parents=parents, depth=depth)
            selector = GenreSelector.for_card(
                card, words, top=top, min_confidence=min_confidence, styles=styles, moods=moods
            )
            run = TagRun(
                tagger, selector, journal, library=kept,
                dry_run=plan is not None, keep_mtime=keep_mtime, break_links=break_links,
            )  # fmt: skip
            handle = stack.enter_context(_tagging(run, plan, preview, jobs, form))
        else:
            handle = stack.enter_context(_keeping(kept, model, preview, jobs, form))
        if not once:
            terminal.say(clean(f"watching {', '.join(folders)}: Ctrl-C ends it"))
        for files in found.follow(once=once):
            failed += handle(files, found)
    if failed:
        raise typer.Exit(1)


def _check_usage(ctx: typer.Context, library: Path | None, tag: bool, plan: Path | None) -> None:
    """Raise an error where options do not go together."""
    if tag and plan:
        raise SettingError("--tag writes at once, --plan writes a plan: give one of them")
    if not (tag or plan or library):
        raise SettingError("say what becomes of the answers: --library DB, --tag or --plan FILE")
    if not tag:
        _refuse(ctx, _WRITING_NOW, "--tag")
    if not (tag or plan):
        _refuse(ctx, _WRITING, "--tag or --plan FILE")


def _refuse(ctx: typer.Context, names: tuple[str, ...], needed: str) -> None:
    """Raise an error where an option was given that another one needs; what a file sets is for other calls too."""
    for option in ctx.command.params:
        source = ctx.get_parameter_source(option.name or "")
        if option.name in names and source and source.name == "COMMANDLINE":
            raise SettingError(f"{option.opts[0]} is about what is written into files: give {needed} too")


@contextmanager
def _keeping(library: Library, model: str | None, preview: bool, jobs: int, form: options.Shape) -> Iterator[Handle]:
    """Open what keeps answers in a library, prints them, and returns how many files failed; sum up at the end."""
    from earmark.cli.writers import WRITERS
    from earmark.library.answers import load_lazily
    from earmark.library.arrivals import classify_unknown

    key, classify = load_lazily(model, preview=preview, jobs=jobs)
    writer = WRITERS[form](sys.stdout, key.labels, None, False)
    counts = Counter[str]()

    def handle(files: Iterator[FileStatus], found: FolderWatch) -> int:
        failed = 0
        for verdict in classify_unknown(library, files, key, classify, found.forget):
            writer.write(verdict)
            counts["failed" if verdict.error else "heard"] += 1
            failed += verdict.error is not None
        return failed

    try:
        yield handle
    finally:
        _sum_up(counts, library.n_known)


def _sum_up(counts: Counter[str], n_known: int) -> None:
    """Say what became of the files that are new, and how many were known."""
    if counts:
        terminal.say(join_counts(counts | Counter({"known before": n_known})))
    else:
        terminal.say(f"{format_count(n_known, 'file')} known, none new")


@contextmanager
def _tagging(run: TagRun, plan: Path | None, preview: bool, jobs: int, form: options.Shape) -> Iterator[Handle]:
    """Open what tags files or adds them to a plan, prints that, and returns how many failed; sum up at the end."""
    from earmark.cli.commands import tag_view
    from earmark.library.arrivals import GrowingPlan, tag_files

    growing = GrowingPlan(plan) if plan else None
    write = tag_view.make_writer(form)
    with run:

        def handle(files: Iterator[FileStatus], found: FolderWatch) -> int:
            failed = 0
            for result in tag_files(
                run, files, found.forget, found.note_written, plan=growing, jobs=jobs, preview=preview
            ):
                write(result)
                failed += result.outcome == "failed"
            return failed

        try:
            yield handle
        # also where it is stopped
        finally:
            if growing is None:
                tag_view.sum_up_run(run)
            else:
                if not run.counts:
                    _sum_up(run.counts, growing.n_known)
                tag_view.sum_up_plan(run, growing.path, growing.count_actions(), run.counts["failed"])
