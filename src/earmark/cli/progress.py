"""Progress bars: on stderr, and only where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any

from earmark.cli.terminal import say, shows_progress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


Advance = Callable[..., None]
"""Told how many steps were done since it was last called and, where that was not known, how many there are in all."""


@contextmanager
def show_progress(
    what: str, total: int | None = None, *, count: Callable[[], int | None] | None = None, quiet: bool = False
) -> Iterator[Advance]:
    """Show a bar; with `count`, which finds the total in a thread of its own, also how many are done in a second."""
    if quiet or not shows_progress():
        # The same call either way, so that no command asks whether there is a bar.
        yield lambda n, total=None: None
        return
    # Where the total comes late or never (names on standard input), a rate says most.
    with _make_bar(rate=count is not None) as progress:
        task = progress.add_task(what, total=total, note="")
        if count:
            # A daemon, which does not hold the command up where counting a large library takes longer than it.
            Thread(target=lambda: progress.update(task, total=count()), daemon=True).start()
        yield lambda n, total=None: progress.update(task, advance=n, total=total)


@contextmanager
def show_training_progress(
    n_tracks: int, epochs: int
) -> Iterator[tuple[Callable[[Any], None], Callable[[dict[str, Any]], None]]]:
    """Show two bars: tracks decoded, then epochs with loss and accuracy."""
    if not shows_progress():
        yield (lambda _: None), (lambda _: None)
        return
    with _make_bar() as progress:
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
    """Show a bar for each step (bytes, rate, time left), and words in between."""
    if not shows_progress():
        yield (lambda *_: None), say
        return
    with _byte_bar() as progress:
        from rich.text import Text

        tasks: dict[str, TaskID] = {}

        def on_bytes(step: str, done: int, total: int | None) -> None:
            # New, or begun again: fewer bytes than before, as after a download that broke off.
            if step not in tasks or done < progress.tasks[tasks[step]].completed:
                for task in tasks.values():
                    progress.update(task, visible=False)
                tasks[step] = progress.add_task(step, completed=done, total=total)
            progress.update(tasks[step], completed=done, total=total, visible=True)

        # Through the bar's own console, which puts words above it; another one would write into it.
        yield on_bytes, lambda word: progress.console.print(Text(word, style="dim"), soft_wrap=True)


def _byte_bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    return Progress(
        TextColumn("{task.description:>9}"),
        BarColumn(30),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, highlight=False),
        # Erased when done: what stays on the screen are answers.
        transient=True,
    )


def _make_bar(*, rate: bool = False) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(TextColumn):
        """Files a second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "", style="dim")

    return Progress(
        TextColumn("{task.description:>9}"),
        BarColumn(30),
        MofNCompleteColumn(),
        *([Rate("")] if rate else []),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
        console=Console(stderr=True),
        transient=True,
    )
