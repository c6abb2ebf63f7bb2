"""How far long work is, on stderr: a bar on a terminal, elsewhere a plain line now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from earmark.cli.terminal import is_quiet, say, stderr_console
from earmark.cli.text import format_duration

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, Task, TaskID

Advance = Callable[..., None]
"""Told how many steps were done since it was last called and, where that was not known, how many there are in all."""

INTERVAL = 30.0
"""Seconds from one plain line to the next."""


@contextmanager
def show_progress(
    what: str, total: int | None = None, *, count: Callable[[], int | None] | None = None, quiet: bool = False
) -> Iterator[Advance]:
    """Show how many steps are done; with `count`, which finds the total in a thread of its own, also how many a second.

    Parameters
    ----------
    what : str
        A verb, such as "judging".
    total : int, optional
        Steps there are.
    count : callable, optional
        Returns the total, or None where it cannot be known.
    quiet : bool
        Show nothing, because the command itself prints a line for each step.
    """
    if quiet or is_quiet():
        # The same call either way, so that no command asks whether there is a bar.
        yield lambda n, total=None: None
        return
    # Where the total comes late or never (names on standard input), a rate says most.
    with _show(_make_bar(rate=count is not None)) as progress:
        task = progress.add_task(what, total=total, note="")
        if count:
            # A daemon, which does not hold the command up where counting a large library takes longer than it.
            Thread(target=lambda: progress.update(task, total=count()), daemon=True).start()
        yield lambda n, total=None: progress.update(task, advance=n, total=total)


@contextmanager
def show_training_progress(
    n_tracks: int, epochs: int
) -> Iterator[tuple[Callable[[Any], None], Callable[[dict[str, Any]], None]]]:
    """Show how many tracks are decoded, then epochs with loss and accuracy."""
    if is_quiet():
        yield (lambda _: None), (lambda _: None)
        return
    with _show(_make_bar()) as progress:
        tracks = progress.add_task("hearing", total=n_tracks, note="")
        # The second bar appears with its first epoch.
        learning = progress.add_task("learning", total=epochs, visible=False, note="")

        def on_epoch(record: dict[str, Any]) -> None:
            note = f"loss {record['train_loss']:.3f}"
            if "valid_loss" in record:
                note += f"  valid {record['valid_loss']:.3f}  accuracy {record['valid_acc']:.1%}"
            progress.update(learning, completed=record["epoch"], total=record["epochs"], visible=True, note=note)

        yield (lambda _: progress.advance(tracks)), on_epoch


@contextmanager
def bytes_progress() -> Iterator[tuple[Callable[[str, int, int | None], None], Callable[[str], None]]]:
    """Show bytes, rate and time left of each step; yield what takes those, and what says a word in between."""
    if is_quiet():
        yield (lambda *_: None), say
        return
    from rich.progress import DownloadColumn, TransferSpeedColumn

    with _show(_make_progress(DownloadColumn(), TransferSpeedColumn())) as progress:
        tasks: dict[str, TaskID] = {}

        def on_bytes(step: str, done: int, total: int | None) -> None:
            # New, or begun again: fewer bytes than before, as after a download that broke off.
            if step not in tasks or done < progress.tasks[tasks[step]].completed:
                for task in tasks.values():
                    progress.update(task, visible=False)
                tasks[step] = progress.add_task(step, completed=done, total=total, unit=1e6, note="")
            progress.update(tasks[step], completed=done, total=total, visible=True)

        yield on_bytes, say


@contextmanager
def report_regularly(describe: Callable[[], str]) -> Iterator[None]:
    """Say how far work is, every :data:`INTERVAL` seconds, unless there is nothing to say."""
    ended = Event()

    def report() -> None:
        while not ended.wait(INTERVAL):
            if text := describe():
                say(text)

    # In a thread of its own, since one step may take minutes.
    Thread(target=report, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


@contextmanager
def _show(progress: Progress) -> Iterator[Progress]:
    """Show bars on a terminal, elsewhere their figures in plain lines."""
    with progress if progress.console.is_terminal else report_regularly(lambda: _describe_tasks(progress)):
        yield progress


def _describe_tasks(progress: Progress) -> str:
    return "; ".join(_describe_task(task) for task in progress.tasks if task.visible and not task.finished)


def _describe_task(task: Task) -> str:
    """Return how far a task is, as "hearing: 120 of 4000, 3.1/s, about 20 min left"."""
    unit, name = task.fields.get("unit", 1), " MB" if "unit" in task.fields else ""
    done = f"{task.completed / unit:.0f}" + (f" of {task.total / unit:.0f}" if task.total else "") + name
    parts = [f"{task.description}: {done}"]
    # Over the last two minutes; None where nothing was done in them.
    if task.speed:
        parts.append(f"{task.speed / unit:.2g}{name}/s")
    if task.time_remaining is not None and task.speed:
        parts.append(f"about {format_duration(max(1, task.time_remaining))} left")
    return ", ".join([*parts, *filter(None, [task.fields["note"]])])


def _make_bar(*, rate: bool = False) -> Progress:
    from rich.progress import MofNCompleteColumn, TextColumn
    from rich.text import Text

    class Rate(TextColumn):
        """Files a second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "", style="dim")

    return _make_progress(MofNCompleteColumn(), *([Rate("")] if rate else []))


def _make_progress(*figures: ProgressColumn) -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description:>9}"),
        BarColumn(30),
        *figures,
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
        console=stderr_console(),
        # Erased when done: what stays on the screen are answers.
        transient=True,
        # Seconds over which speed is measured: one step may take a minute.
        speed_estimate_period=120,
        # Rich would print on stderr what a command prints on stdout meanwhile.
        redirect_stdout=False,
    )
