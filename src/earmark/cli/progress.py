"""Progress bars: on stderr, and only where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from earmark.cli.terminal import say, shows_progress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@contextmanager
def show_progress(what: str, total: int | None, *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Show a bar; what is yielded is told how many steps were done since it was last called."""
    if quiet or not shows_progress():
        yield lambda _: None
        return
    with _bar() as progress:
        task = progress.add_task(what, total=total, note="")
        yield lambda n: progress.advance(task, n)


@contextmanager
def show_late_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar of a length that is told with each step."""
    if not shows_progress():
        yield lambda done, total: None
        return
    with _bar() as progress:
        task = progress.add_task(what, total=None, note="")
        yield lambda done, total: progress.update(task, advance=done, total=total)


@contextmanager
def show_files_progress(count: Callable[[], int | None], *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Show a bar for files: rate, and time left once `count`, in a thread of its own, has found how many."""
    if quiet or not shows_progress():
        yield lambda _: None
        return
    from threading import Thread

    with _bar(rate=True) as progress:
        task = progress.add_task("listening", total=None, note="")
        Thread(target=lambda: progress.update(task, total=count()), daemon=True).start()
        yield lambda n: progress.advance(task, n)


@contextmanager
def show_training_progress(
    n_tracks: int, epochs: int
) -> Iterator[tuple[Callable[[Any], None], Callable[[dict[str, Any]], None]]]:
    """Show two bars: tracks decoded, then epochs with loss and accuracy."""
    if not shows_progress():
        yield (lambda _: None), (lambda _: None)
        return
    with _bar() as progress:
        tracks = progress.add_task("hearing", total=n_tracks, note="")
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
            if step not in tasks or done < progress.tasks[tasks[step]].completed:  # begun, or begun again
                for task in tasks.values():
                    progress.update(task, visible=False)
                tasks[step] = progress.add_task(step, completed=done, total=total)
            progress.update(tasks[step], completed=done, total=total, visible=True)

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
        transient=True,
    )


def _bar(*, rate: bool = False) -> Progress:
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
