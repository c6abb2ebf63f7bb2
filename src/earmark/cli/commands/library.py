"""``earmark library``: the way out of a result database, to tables, CSV, JSON lines and playlists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import completion, terminal
from earmark.cli.options import Format
from earmark.cli.terminal import guarded

if TYPE_CHECKING:
    from earmark.inference.verdict import Verdict
    from earmark.library.library import Hearing, Library


@guarded
def library(
    database: Annotated[Path, typer.Argument(help="Library that 'earmark classify --library' made.", metavar="DB")],
    form: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="Output format; json: one object a line.", show_default="table"),
    ] = None,
    playlists: Annotated[
        Path | None, typer.Option(help="Write GENRE.m3u8 for each genre into this folder.", metavar="DIR")
    ] = None,
    genre: Annotated[
        list[str] | None,
        typer.Option(help="Only this genre, or unknown. May be repeated.", autocompletion=completion.genres),
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Only answers at least so sure.", metavar="P")
    ] = 0.0,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Answers of this model: a file, a name, or how its checksum begins.",
            show_default="the one last used",
            envvar="EARMARK_MODEL",
            autocompletion=completion.models,
        ),
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Show only the N most probable genres.", metavar="N")] = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="Show each clip, where clips were kept.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also files that are no longer there.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="First forget files that are no longer there.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead of printing.")] = None,
) -> None:
    """Show what a library knows, and write it as tables and playlists.

    Nothing is heard. Files that are gone are left out (their disk may only
    be away; --all has them, --prune forgets them); files that changed since
    they were heard are counted. Playlists are extended M3U in UTF-8, with
    paths relative to DIR; names that a line of text cannot hold are written
    as file:// addresses.

    [bold]Examples[/bold]

      earmark library music.db
      earmark library music.db --format csv -o genres.csv
      earmark library music.db --genre jazz --format json | jq -r .path
      earmark library music.db --playlists ~/Music/Playlists --min-confidence 0.5
      earmark library music.db --prune

    [dim]Exit status: 0 done, 2 wrong usage or no such library, 130 interrupted.[/dim]
    """  # fmt: skip
    from earmark.library.library import Library

    with Library(database, create=False) as kept:
        if prune:
            terminal.say(f"{kept.prune()} files forgotten")
        hearing = _chosen(kept, model)
        wanted = [None if name == "unknown" else name for name in genre or []]
        page = _Page(kept, hearing, wanted, min_confidence, everything)
        if playlists:
            page.write_playlists(playlists)
        if form or output or not playlists:
            page.write(form or Format.table, output, top, timeline)
        page.tell()


def _chosen(library: Library, model: str | None) -> Hearing:
    """The way of hearing that is asked for, or the last; and a word on the others."""
    from earmark.errors import LibraryError, SettingError

    hearings = library.hearings()
    if not hearings:
        raise LibraryError(f"{library.path}: nothing has been heard yet; 'earmark classify --library' fills it")
    names = [f"{h.name}{', preview' * h.preview} ({h.checksum[:8]}, {n} files)" for h, n in hearings]
    fitting = [h for h, _ in hearings if not model or model in (h.name, h.checksum[: len(model)]) or _is(model, h)]
    if not fitting:
        raise SettingError(f"no answers of model {model!r} in {library.path}; there are {'; '.join(names)}")
    if not model and len(names) > 1:
        terminal.say(f"answers of {names[0]}; --model chooses another: {'; '.join(names[1:])}")
    return fitting[0]


def _is(model: str, hearing: Hearing) -> bool:
    """Whether a model file, or bundled model, is the one that was heard by."""
    from earmark.errors import ModelError
    from earmark.inference.model_file import read_model, split_card

    try:
        data, name, _ = read_model(model)
        return bool(split_card(data, name)[0].get("checksum") == hearing.checksum)
    except ModelError:
        return False


class _Page:
    """What of a library is shown, and how often what."""

    def __init__(
        self, library: Library, hearing: Hearing, genres: list[str | None], min_confidence: float, everything: bool
    ) -> None:
        from earmark.cli.tally import Tally

        self.library, self.hearing, self.everything = library, hearing, everything
        self.genres, self.min_confidence = genres, min_confidence
        self.tally, self.gone, self.changed = Tally(), 0, 0

    def _verdicts(self, *, timeline: bool = False) -> Iterator[Verdict]:
        from earmark.cli.tally import Tally

        self.tally, self.gone, self.changed = Tally(), 0, 0
        for verdict, file in self.library.kept(
            self.hearing, genres=self.genres, min_confidence=self.min_confidence, timeline=timeline
        ):
            self.gone += file == "gone"
            self.changed += file == "changed"
            if self.everything or file != "gone":
                self.tally.add(verdict)
                yield verdict

    def write(self, form: Format, output: Path | None, top: int | None, timeline: bool) -> None:
        """Write rows, as ``earmark classify`` does."""
        from earmark.cli import writers

        with terminal.output(output) as file:
            writer = writers.WRITERS[form](file, self.hearing.labels, top, timeline)
            for verdict in self._verdicts(timeline=timeline):
                writer.write(verdict)

    def write_playlists(self, folder: Path) -> None:
        """Write playlists, and say of each how long it is."""
        from earmark.cli import writers
        from earmark.library.playlists import write_playlists

        for written in write_playlists(folder, self._verdicts(), self.hearing.labels):
            hours, minutes = divmod(round(written.seconds / 60), 60)
            print(f"{writers.clean(str(written.path))}  {written.tracks} tracks, {hours}:{minutes:02} h")

    def tell(self) -> None:
        """Sum up."""
        from earmark.cli.writers import clean

        terminal.say(clean(f"{self.library.path}: {self.tally.line()}"))
        if self.changed:
            terminal.say(f"{self.changed} changed since they were heard: classify them again", "yellow")
        if self.gone:
            terminal.say(f"{self.gone} no longer there{'' if self.everything else ', left out'}", "yellow")
