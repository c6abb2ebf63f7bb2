"""``earmark classify``: the genre of files, as a table, JSON lines or CSV; with a library, only of what is new."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import terminal
from earmark.cli.options import ExcludeOption, Format, JobsOption, ModelOption, NullOption, cores
from earmark.cli.tally import Tally
from earmark.cli.terminal import guarded
from earmark.library.search import Search

if TYPE_CHECKING:
    from earmark.inference.tagger import Tagger
    from earmark.inference.verdict import Verdict
    from earmark.library.library import Library


@guarded
def classify(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders to search for audio, patterns in quotes; - for names from standard input, one a line.",
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="Output format; json: one object a line.")
    ] = Format.table,
    model: ModelOption = None,
    top: Annotated[int | None, typer.Option(min=1, help="Show only the N most probable genres.", metavar="N")] = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="Show each clip, and what was attended to.")] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Hear six clips spread over each file, not all.")] = False,
    library: Annotated[
        Path | None,
        typer.Option(
            help="Keep answers in this database, and hear only what is new in it or has changed.",
            metavar="DB",
            envvar="EARMARK_LIBRARY",
        ),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="With --library: hear files again that failed.")] = False,
    exclude: ExcludeOption = None,
    null: NullOption = False,
    jobs: JobsOption = 0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead of printing.")] = None,
) -> None:
    r"""Name the genre of audio files.

    [bold]Examples[/bold]

      earmark classify ~/Music
      earmark classify song.mp3 --timeline
      earmark classify ~/Music --format csv -o genres.csv
      earmark classify ~/Music --format json | jq -r '"\(.genre) \(.path)"'
      earmark classify ~/Music --exclude 'Podcasts/' --exclude '*.m4b'
      find ~/Music -newer last -print0 | earmark classify -0
      earmark classify ~/Music --library music.db    (again and again)

    A [bold]library[/bold] remembers the answer to each file (by path, size and
    time of change) by each model. A run that is stopped or killed goes on
    where it was; several may share a library. A --timeline is kept where it
    was asked for; a file known without is heard again. A file that failed is
    heard again when it has changed, or with --retry. See also: earmark
    library --help.

    [dim]Exit status: 0 all answered ('unknown' is an answer), 1 some file failed, 2 wrong usage, 130 interrupted.[/dim]
    """
    from earmark.cli import writers

    if not paths and not null:
        raise typer.BadParameter("give files or folders, or - and their names on standard input", param_hint="PATH")
    if retry and not library:
        raise typer.BadParameter("only with --library: nothing else remembers failures", param_hint="--retry")
    search = Search(paths or [], exclude=exclude or (), null=null)
    tally = Tally()
    rows_on_screen = output is None and sys.stdout.isatty()  # they are progress enough
    with _opened(library) as kept:
        if kept:
            labels, verdicts = _kept_answers(kept, search, model, timeline, preview, retry, cores(jobs))
        else:
            labels, verdicts = _answers(search, model, preview, cores(jobs))
        with terminal.output(output) as file, terminal.files_progress(search.count, quiet=rows_on_screen) as advance:
            writer = writers.WRITERS[form](file, labels, top, timeline)
            try:
                for verdict in verdicts:
                    tally.add(verdict)
                    writer.write(verdict)
                    advance(1)
            except KeyboardInterrupt:
                if kept:
                    terminal.say("the same command goes on from here")
                raise
        if kept:
            terminal.say(writers.clean(f"{library}: {tally.line(kept.known)}"))
    if tally.failed:
        terminal.say(f"{tally.failed} file{'s' * (tally.failed > 1)} with errors", "red")
        raise typer.Exit(1)


def _opened(path: Path | None) -> AbstractContextManager[Library | None]:
    from earmark.library.library import Library

    return Library(path) if path else nullcontext()


def _answers(search: Search, model: str | None, preview: bool, jobs: int) -> tuple[Sequence[str], Iterator[Verdict]]:
    """Genres of the model, and verdicts of all files."""
    from earmark.inference.tagger import Tagger

    tagger = Tagger(model)
    heard = tagger.classify_many((path for path, _ in search), jobs=jobs, preview=preview)
    return tagger.labels, chain(heard, search.failures(tagger.card.name))


def _kept_answers(
    library: Library, search: Search, model: str | None, timeline: bool, preview: bool, retry: bool, jobs: int
) -> tuple[Sequence[str], Iterator[Verdict]]:
    """As :func:`_answers`, but only what is new is heard, and the network is not even loaded where nothing is."""
    from earmark.inference.model_file import read_model, split_card
    from earmark.library.library import Hearing

    data, name, _ = read_model(model)
    card, _ = split_card(data, name)
    hearing = Hearing(card.get("checksum", ""), card.get("name", name), tuple(card.get("labels", ())), preview)

    @cache
    def tagger() -> Tagger:
        from earmark.inference.model import parse
        from earmark.inference.tagger import Tagger

        return Tagger(parse(data, name))

    def hear(paths: Iterator[str]) -> Iterator[Verdict]:
        return tagger().classify_many(paths, jobs=jobs, preview=preview)

    answers = library.answers(search, hearing, hear, timeline=timeline, retry=retry)
    return hearing.labels, chain(answers, search.failures(hearing.name))
