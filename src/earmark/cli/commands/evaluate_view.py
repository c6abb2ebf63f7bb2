"""How a report of ``earmark evaluate`` and ``train`` looks: figures, confusions, mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from earmark.cli.terminal import say
from earmark.cli.text import bar, clean, describe_part
from earmark.data.rare_genres import MIN_TRACKS
from earmark.errors import format_count
from earmark.evaluation.overlap import list_held_out_parts

# Share of a genre's tracks that are right, from which on it counts as recognized.
_RECOGNIZED = 0.75

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from earmark.data.corpus import Corpus
    from earmark.evaluation.overlap import Overlap
    from earmark.evaluation.rejection import Rejection
    from earmark.evaluation.report import Report
    from earmark.inference.model import Model


def render_report(report: Report, warning: str = "") -> RenderableType:
    """Return a report as a page: figures with bars, confusions with each genre's accuracy, and what was mistaken.

    The warning, if any, stands below the title.
    """
    title = Text(f"{report.corpus}: {format_count(report.n_tracks, 'track')}, ", style="dim")
    title.append(
        "all of them" if report.part == "all" else f"{describe_part(report.part)} of protocol {report.protocol}"
    )
    figures = Table.grid(padding=(0, 2))
    low, high = report.interval
    n_genres = len(report.per_genre)
    rows = [
        ("track accuracy", report.track_accuracy, f"95 % interval {low:.1%} to {high:.1%}"),
        ("clip accuracy", report.clip_accuracy, f"of {report.n_clips} clip{'s' * (report.n_clips != 1)}"),
        ("mean recall", report.mean_recall, f"mean over the {n_genres} genres with tracks"),
        ("macro F1", report.macro_f1, "mean over the same genres"),
        ("among the top 3", report.top3_accuracy, ""),
    ]
    if report.unknown < 1:
        left = f"{report.unknown:.1%} of the tracks are" if report.unknown else "no track is"
        rows.append(("when named", report.named_accuracy, f"{left} left unknown"))
    for name, share, note in rows:
        figures.add_row(name, bar(share), Text(f"{share:.1%}", style="bold"), Text(note, style="dim"))
    error, meaning = f"{report.calibration_error:.1%}", "mean gap of confidence and accuracy"
    figures.add_row("calibration error", "", Text(error, style="bold"), Text(meaning, style="dim"))
    warned = [Text(warning, style="red")] if warning else []
    parts = (render_confusion(report), *_render_mistakes(report), *render_foreign(report.foreign))
    return Group(title, *warned, figures, Text(), *parts)


def warn_of_overlap(overlap: Overlap | None, model: Model, judging: Corpus) -> str:
    """Say that a model is judged by what it learned from, and what judges it fairly; return the fact, "" for none."""
    if overlap is None:
        return ""
    fact = _describe_overlap(overlap, judging)
    say(
        f"{fact}: the figures tell how well it remembers, not how well it names new music. {_advise(overlap, model)}",
        "red",
    )
    return fact


def _describe_overlap(overlap: Overlap, judging: Corpus) -> str:
    if overlap.why == "name":
        return (
            f"the model learned from a corpus called {judging.name.partition(' (')[0]} too, perhaps from these tracks"
        )
    if overlap.why == "tracks":
        judged = format_count(len(judging.tracks), "track")
        return f"the model learned from {overlap.n_tracks} of these {judged}, by their names"
    return "the model learned from this corpus"


def _advise(overlap: Overlap, model: Model) -> str:
    """Say what judges a model fairly: the part that was held out of its training, or else other music."""
    training, parts = model.card.training, list_held_out_parts(model.card)
    if parts and (overlap.why == "corpus" or training.protocol == "fault-filtered"):
        seed = "" if training.protocol == "fault-filtered" else f" --seed {training.seed}"
        return f"Judge it by the part that was held out: --protocol {training.protocol} --part {parts[0]}{seed}"
    return f"Judge it by other music; its card holds the figures of its training: earmark models {model.name}"


def render_foreign(foreign: Sequence[Rejection]) -> list[RenderableType]:
    """Return what was said of tracks whose genre the model does not know; nothing where there are none."""
    if not foreign:
        return []
    n, named = sum(one.n_sounds for one in foreign), sum(one.named for one in foreign)
    title = f"Genres that the model does not know, not counted above: {named} named, {n - named} unknown"
    return [Text(), Text(title, style="dim"), render_rejection(foreign, "genre", "tracks")]


def render_rejection(rows: Sequence[Rejection], kind: str, sounds: str) -> Table:
    """Return one row a kind of sound for which a model has no label, with these headings; those named are red."""
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column(kind, overflow="fold")
    for name in (sounds, "named"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("as", "unknown for"):
        table.add_column(name, overflow="fold", style="dim")
    for row in rows:
        named = Text(str(row.named), style="bold red" if row.named else "green")
        texts = (Text(", ".join(f"{what} {n}" for what, n in counts.items())) for counts in (row.genres, row.reasons))
        table.add_row(Text(clean(row.kind)), str(row.n_sounds), named, *texts)
    return table


def describe_genres(report: Report, learned: Mapping[str, int]) -> list[str]:
    """Return sentences on which genres a model recognizes, which not, and which have too few tracks."""
    recalls = {genre: cell["accuracy"] for genre, cell in report.per_genre.items()}
    counts = {genre: int(cell["n_tracks"]) for genre, cell in report.per_genre.items()}
    sentences = []
    if sure := [genre for genre, recall in recalls.items() if recall >= _RECOGNIZED]:
        sentences.append(f"It recognizes {', '.join(sure)}.")
    for genre in sorted((genre for genre, recall in recalls.items() if recall < _RECOGNIZED), key=recalls.__getitem__):
        others = [f"{heard} ({n})" for truth, heard, n in report.confusions if truth == genre]
        right = round(recalls[genre] * counts[genre])
        sentences.append(
            f"Of {genre} it recognizes {right} of {counts[genre]}; others it takes for {', '.join(others[:2])}."
        )
    if few := [f"{genre} ({n})" for genre, n in learned.items() if n < MIN_TRACKS]:
        sentences.append(f"It needs more tracks, at least {MIN_TRACKS} and better 20, of {', '.join(few)}.")
    return sentences


def _render_mistakes(report: Report, most: int = 5) -> list[RenderableType]:
    """Return the genres most often taken for others, and the tracks whose label may be what is wrong."""
    if not report.disagreements:
        return []
    pairs = ", ".join(f"{truth} as {heard} ({n})" for truth, heard, n in report.confusions[:3])
    table = Table.grid(padding=(0, 2))
    for track in report.disagreements[:most]:
        said = f"labelled {track.genre} ({track.own:.0%}), heard as {track.heard} ({track.best:.0%})"
        table.add_row(Text(clean(track.id), style="bold"), Text(said))
    lines: list[RenderableType] = [Text(), Text(f"most often mistaken: {pairs}", style="dim"), Text()]
    return [*lines, Text("tracks that sound least like their label, which may be wrong:", style="dim"), table]


def render_confusion(report: Report) -> Table:
    """Return the confusion matrix of the genres that occur: rows are truth, columns best guesses, right ones green."""
    # Rows: genres that have tracks. Columns: those, and whatever else was guessed.
    shown = [i for i, row in enumerate(report.confusion) if sum(row)]
    used = [j for j in range(len(report.labels)) if j in shown or any(row[j] for row in report.confusion)]
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column("truth", style="bold", no_wrap=True)
    # Four letters, so that the ten genres of GTZAN fit into 80 columns; whole names where there are few.
    letters = max(4, (80 - 24) // len(used) - 2)
    for j in used:
        table.add_column(Text(report.labels[j][:letters]), justify="right", no_wrap=True, min_width=4)
    table.add_column("right", justify="right", no_wrap=True)
    for i in shown:
        row = report.confusion[i]
        cells = [Text("·" if not row[j] else str(row[j]), style=_cell_style(i == j, row[j])) for j in used]
        table.add_row(Text(report.labels[i]), *cells, f"{row[i] / sum(row):.0%}")
    return table


def _cell_style(right: bool, count: int) -> str:
    return "dim" if not count else "bold green" if right else "red"
