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
from earmark.errors import SettingError, format_count

# headings in --help
_PLAYLISTS, _CORRECT = "Playlists", "Corrections"


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
        Path | None,
        typer.Option(
            help="Write GENRE.m3u8 for each genre into this folder.", metavar="DIR", rich_help_panel=_PLAYLISTS
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="With --playlists: also replace files that Earmark did not write.",
            rich_help_panel=_PLAYLISTS,
        ),
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
    prune: Annotated[
        bool, typer.Option("--prune", help="First forget files that are no longer there, and their corrections.")
    ] = False,
    vocabulary: VocabularyOption = "model",
    parents: ParentsOption = False,
    depth: DepthOption = None,
    rename: Annotated[
        str | None,
        typer.Option(
            "--rename",
            help="First name all files by this model (a file, or named as by --model), from what was heard of them; no "
            "sound file is opened.",
            metavar="MODEL",
            autocompletion=completion.models,
        ),
    ] = None,
    words: Annotated[
        bool,
        typer.Option(
            "--words",
            help="Show the genres that files have now and what they stand for; with -o, as a vocabulary file.",
            rich_help_panel="Words",
        ),
    ] = False,
    review: Annotated[
        bool,
        typer.Option(
            "--review",
            help="Show the N tracks (--top, 20) most worth a correction; with -o, as a plan to edit.",
            rich_help_panel=_CORRECT,
        ),
    ] = False,
    correct: Annotated[
        list[str] | None,
        typer.Option(
            help="Say which genre a file, or each below a folder, has in truth, in your words. May be repeated.",
            metavar="PATH=GENRE",
            rich_help_panel=_CORRECT,
        ),
    ] = None,
    correct_from: Annotated[
        list[Path] | None,
        typer.Option(
            help="Take the genres that you put into a plan in rows to write, or a CSV path,genre. May be repeated.",
            metavar="FILE",
            rich_help_panel=_CORRECT,
        ),
    ] = None,
    correct_from_tags: Annotated[
        bool,
        typer.Option(
            "--correct-from-tags",
            help="Take the genres that the files' tags have now, but for those that Earmark wrote.",
            rich_help_panel=_CORRECT,
        ),
    ] = False,
    corrections: Annotated[
        bool,
        typer.Option(
            "--corrections", help="Show all corrections; with -o, as a CSV path,genre.", rich_help_panel=_CORRECT
        ),
    ] = False,
    forget: Annotated[
        list[str] | None,
        typer.Option(
            help="First forget the correction of a file, or all below a folder. May be repeated.",
            metavar="PATH",
            rich_help_panel=_CORRECT,
        ),
    ] = None,
    output: AnswersOption = None,
) -> None:
    """Show the answers in a library, write them as tables and playlists, and correct them.

    No sound is decoded. Files that are no longer there are left out (their
    disk may only be unplugged): --all shows them, --prune forgets them. Files
    that have changed since they were classified are counted.

    Playlists are extended M3U in UTF-8, with paths relative to DIR; names
    that do not fit on a line of text are written as file:// addresses. A
    playlist that Earmark wrote is replaced; any other file of that name is
    left alone and named, unless --force is given.

    Genres have the model's names, or with --vocabulary words of yours: a genre
    of several words is in the playlist of each, and --genre takes either.

    Corrections are the genres that files have in truth, in any words; one
    that is the model's in any spelling, or a word of --vocabulary for one, is
    taken as the model's, and of several the first counts. They stay in the
    library whatever happens to the files, 'earmark train --library' learns
    from them, and 'earmark tag --library' writes them.

    --rename answers for another model: one that 'earmark train' made on the
    encoder, or gtzan. Its answers are kept beside those that are there.

    [bold]Examples[/bold]

      earmark library music.db
      earmark library music.db -o genres.csv
      earmark library music.db --genre jazz --format json | jq -r .path
      earmark library music.db --album               (a row an album)
      earmark library music.db --playlists ~/Music/Playlists --min-confidence 0.5
      earmark library music.db --prune
      earmark library music.db --review --top 50 -o review.csv
      earmark library music.db --correct-from review.csv
      earmark library music.db --correct 'Dub/01 Song.mp3=Dub'
      earmark library music.db --rename mine.onnx
      earmark library music.db --words -o words.yaml
      earmark library music.db --playlists Lists --vocabulary words.yaml

    [dim]Exit status: 0 done, 1 some playlist would replace a file of yours, or a correction was not taken or not found,
    2 wrong usage or no such library, 130 interrupted.[/dim]
    """  # fmt: skip
    from earmark.cli.commands.library_corrections import Corrector, show_corrections, show_review
    from earmark.cli.commands.library_view import Page, choose_answers, choose_vocabulary
    from earmark.cli.commands.library_words import show_words
    from earmark.cli.commands.rename_view import rename_library
    from earmark.library.answers import find_card
    from earmark.library.library import Library

    _check_one_view(words=words, review=review, corrections=corrections, album=album, timeline=timeline)
    _check_output(output, database, words=words, review=review, corrections=corrections)
    with Library(database, create=False) as kept:
        # First, so that whatever is written below no longer holds them.
        if prune:
            n_files, n_corrections = kept.prune()
            with_them = f", and {format_count(n_corrections, 'correction')} with them" if n_corrections else ""
            terminal.say(f"{format_count(n_files, 'file')} forgotten{with_them}")
        if rename:
            model = rename_library(kept, rename)
        chosen = choose_answers(kept, model)
        own = choose_vocabulary(kept, chosen, vocabulary, parents=parents, depth=depth)
        corrector = Corrector(kept, chosen, own)
        corrector.forget(forget or [])
        corrector.take(correct or [], correct_from or [], tags=correct_from_tags)
        refused = corrector.n_refused
        if words:
            show_words(kept, chosen, output)
        elif review:
            show_review(kept, chosen, own, top or 20, output)
        elif corrections:
            show_corrections(kept, chosen, output)
        # Rows are the default, but who changes answers or asks for playlists alone wants no table too.
        elif (rows := form or output or album) or playlists or not (rename or corrector.was_asked):
            page = Page(kept, chosen, genre or [], min_confidence, everything, own)
            if playlists and album:
                terminal.say("playlists have tracks, each by its own genre; --album is about rows")
            shape = choose_format(ctx, form or Format.table, output) if rows or not playlists else None
            card = find_card(chosen, model) if album else None
            refused += page.show(playlists, force, shape, output, top, timeline, card)
    if refused:
        raise typer.Exit(1)


def _check_one_view(*, words: bool, review: bool, corrections: bool, album: bool, timeline: bool) -> None:
    if words + review + corrections + album > 1:
        raise SettingError("--words, --review, --corrections and --album each show something else: give one of them")
    if album and timeline:
        raise SettingError("an album has no clips: give --album or --timeline")


def _check_output(output: Path | None, database: Path, *, words: bool, review: bool, corrections: bool) -> None:
    """Refuse, before anything is done, a file that what is asked for must not replace."""
    from earmark.cli.commands.library_corrections import check_corrections_name
    from earmark.cli.commands.library_words import check_words_name
    from earmark.library.tags.plan_file import check_new_plan

    if output is None:
        return
    if output.resolve() == database.resolve():
        raise SettingError(f"{output} is the library itself: give the output another name")
    if words:
        check_words_name(output)
    elif review:
        check_new_plan(output)
    elif corrections:
        check_corrections_name(output)
