"""``earmark library``: what a result database holds, as a table, CSV, JSON lines or playlists."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli import completion, terminal
from earmark.cli.errors import handle_errors
from earmark.cli.options import (
    AlbumOption,
    AnswersOption,
    DepthOption,
    Format,
    ParentsOption,
    TopOption,
    VocabularyOption,
    choose_format,
)
from earmark.errors import format_count


@handle_errors
def library(
    ctx: typer.Context,
    database: Annotated[Path, typer.Argument(help="Library that 'earmark classify --library' made.", metavar="DB")],
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            help="Output format; json: one object per line.",
            show_default="by the suffix of --output, else table",
        ),
    ] = None,
    playlists: Annotated[
        Path | None, typer.Option(help="Write GENRE.m3u8 for each genre into this folder.", metavar="DIR")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --playlists: also replace files that Earmark did not write.")
    ] = False,
    genre: Annotated[
        list[str] | None,
        typer.Option(help="Only this genre, or unknown. May be repeated.", autocompletion=completion.genres),
    ] = None,
    min_confidence: Annotated[
        float,
        typer.Option(min=0, max=1, help="Only answers of at least this confidence.", metavar="P"),
    ] = 0.0,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Answers of this model: a file, a name, or the first digits of its checksum.",
            show_default="the one last used",
            envvar="EARMARK_MODEL",
            autocompletion=completion.models,
        ),
    ] = None,
    top: TopOption = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="Show each clip, where clips were kept.")] = False,
    album: AlbumOption = False,
    everything: Annotated[bool, typer.Option("--all", help="Show files too that are no longer there.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="First forget files that are no longer there.")] = False,
    vocabulary: VocabularyOption = "model",
    parents: ParentsOption = False,
    depth: DepthOption = None,
    words: Annotated[
        bool,
        typer.Option(
            "--words",
            help="Show the genres that files have now and what they stand for; with -o, as a vocabulary file.",
            rich_help_panel="Words",
        ),
    ] = False,
    output: AnswersOption = None,
) -> None:
    """Show the answers in a library, and write them as tables and playlists.

    No sound is decoded. Files that are no longer there are left out (their
    disk may only be unplugged): --all shows them, --prune forgets them. Files
    that have changed since they were classified are counted.

    Playlists are extended M3U in UTF-8, with paths relative to DIR; names
    that do not fit on a line of text are written as file:// addresses. A
    playlist that Earmark wrote is replaced; any other file of that name is
    left alone and named, unless --force is given.

    [bold]Examples[/bold]

      earmark library music.db
      earmark library music.db -o genres.csv
      earmark library music.db --genre jazz --format json | jq -r .path
      earmark library music.db --album               (a row an album)
      earmark library music.db --playlists ~/Music/Playlists --min-confidence 0.5
      earmark library music.db --prune
      earmark library music.db --words -o words.yaml
      earmark library music.db --playlists ~/Music/Playlists --vocabulary words.yaml

    [dim]Exit status: 0 done, 1 some playlist would replace a file of yours, 2 wrong usage or no such library, 130
    interrupted.[/dim]
    """  # fmt: skip
    from earmark.cli.commands.library_view import Page
    from earmark.cli.commands.library_words import show_words
    from earmark.inference.vocabulary import read_classes
    from earmark.library.answers import choose_model, find_card
    from earmark.library.library import Library
    from earmark.library.vocabulary import load_vocabulary

    if album and timeline:
        raise typer.BadParameter("an album has no clips: leave out --timeline", param_hint="--album")
    with Library(database, create=False) as kept:
        # First, so that whatever is written below no longer holds them.
        if prune:
            terminal.say(f"{format_count(kept.prune(), 'file')} forgotten")
        chosen, names = choose_model(kept, model)
        if not model and len(names) > 1:
            terminal.say(f"answers of {names[0]}; --model chooses another: {'; '.join(names[1:])}")
        if words:
            show_words(kept, chosen, output)
            return
        wanted = [None if name == "unknown" else name for name in genre or []]
        known = (*chosen.labels, *(style.name for style in read_classes("genre")))
        own = load_vocabulary(vocabulary, known, with_parents=parents, depth=depth)
        page = Page(kept, chosen, wanted, min_confidence, everything, own)
        refused = page.write_playlists(playlists, force) if playlists else 0
        # Rows are the default, but who asks for playlists alone wants no table too.
        if form or output or not playlists:
            shape = choose_format(ctx, form or Format.table, output)
            if album:
                page.write_albums(shape, output, top, find_card(chosen, model))
            else:
                page.write(shape, output, top, timeline)
        page.say_counts()
    if refused:
        raise typer.Exit(1)
