"""The terminal: words, errors and progress on stderr; answers on stdout, or in a file that appears when it is whole."""

from __future__ import annotations

import functools
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import typer

from earmark.errors import EarmarkError, MissingExtra, SettingError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from earmark.data.corpus import Corpus

Command = TypeVar("Command", bound=Callable[..., Any])

_quiet = False


def hush() -> None:
    """From here on say nothing but errors, and show no progress."""
    global _quiet
    _quiet = True


def guarded(function: Command) -> Command:
    """Make a command turn our errors into one clear line and an exit status."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with _interruptible():
                function(*args, **kwargs)
        except EarmarkError as error:
            say(str(error), "red")
            raise typer.Exit(2) from error
        except KeyboardInterrupt:
            say("stopped", "yellow")
            raise typer.Exit(130) from None
        except BrokenPipeError:  # the reader has seen enough, as in `earmark … | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(141) from None
        except OSError as error:  # a full disk, a folder of someone else's
            if error.errno is None:
                raise
            say(f"{os.fsdecode(error.filename)}: {error.strerror}" if error.filename else str(error), "red")
            raise typer.Exit(2) from error

    run.__doc__ = flowing(function.__doc__ or "")
    return run  # type: ignore[return-value]


def flowing(text: str) -> str:
    """Join the lines of each paragraph, which ``--help`` would break where the source does; indented ones stay."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(p if p.startswith(" ") else p.replace("\n", " ") for p in paragraphs)


@contextmanager
def writing(what: Path | str) -> Iterator[None]:
    """Say of a file that it cannot be written, where it cannot."""
    try:
        yield
    except OSError as error:
        raise SettingError(f"{what} cannot be written ({error.strerror or error})") from error


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C is a KeyboardInterrupt even where a package that was being imported has made another error of it."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    came = False

    def notice(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        if _below_ffmpeg(frame):
            threading.Timer(0.01, signal.raise_signal, [number]).start()  # again, in a moment
            return
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, notice)
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        if came:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _below_ffmpeg(frame: FrameType | None) -> bool:
    """Whether what is raised just now would get lost: below FFmpeg, which reads a file through Python, or in PyAV.

    PyAV runs a bit of Python, named after its own source file, to put a line into the traceback of an error that is on
    its way, and that error then takes the place of whatever was raised meanwhile.
    """
    while frame is not None:
        if frame.f_globals.get("__name__") == "earmark.audio.source" or frame.f_code.co_filename.startswith("av/"):
            return True
        frame = frame.f_back
    return False


@contextmanager
def extra(feature: str, name: str) -> Iterator[None]:
    """Say which extra to install where a package is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "earmark":
            raise
        raise MissingExtra(feature, name) from error


def summary(corpus: Corpus) -> str:
    """A corpus in one line."""
    counts = corpus.counts
    return f"{corpus.name}: {len(corpus.tracks)} tracks — " + ", ".join(f"{g} {n}" for g, n in counts.items())


def console(file: TextIO) -> Console:
    """A console that colours nothing by itself."""
    from rich.console import Console

    return Console(file=file, highlight=False)


def say(message: str, style: str = "dim") -> None:
    """A word to the person at the terminal, on stderr; errors are red, and said even to those who asked for quiet."""
    if _quiet and style != "red":
        return
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(message, style=style))


def exit_after(failed: dict[str, str]) -> None:
    """Name what could not be heard, and why; exit status 1 where there is something."""
    from earmark.cli.writers import clean

    for name, error in failed.items():
        say(f"skipped {clean(name)}: {error}", "red")
    if failed:
        raise typer.Exit(1)


@contextmanager
def output(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears when it is whole; names keep their bytes either way."""
    if path is None:
        unicode = sys.stdout.encoding.lower().startswith("utf")  # else bars and foreign names need replacing
        sys.stdout.reconfigure(errors="surrogateescape" if unicode else "replace")  # type: ignore[union-attr]
        yield sys.stdout
        return
    from earmark.files import open_atomic

    with open_atomic(path) as file:
        yield file


@contextmanager
def progress(what: str, total: int | None, *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr, where that is a terminal."""
    if quiet or _quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    with _bar() as progress:
        task = progress.add_task(what, total=total, note="")
        yield lambda n: progress.advance(task, n)


@contextmanager
def late_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, where that is a terminal, of a length that is told with the first step."""
    if _quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with _bar() as progress:
        task = progress.add_task(what, total=None, note="")
        yield lambda done, total: progress.update(task, advance=done, total=total)


@contextmanager
def files_progress(count: Callable[[], int | None], *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """A bar for files on stderr, where that is a terminal: rate, and time left once `count` has found how many."""
    if quiet or _quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from threading import Thread

    with _bar(rate=True) as progress:
        task = progress.add_task("listening", total=None, note="")
        counting = Thread(target=lambda: progress.update(task, total=count()), daemon=True)
        counting.start()
        yield lambda n: progress.advance(task, n)


@contextmanager
def training_progress(
    n_tracks: int, epochs: int
) -> Iterator[tuple[Callable[[Any], None], Callable[[dict[str, Any]], None]]]:
    """Two bars on stderr, where that is a terminal: tracks heard, then epochs with loss and accuracy."""
    if _quiet or not sys.stderr.isatty():
        yield (lambda _: None), (lambda _: None)
        return
    with _bar() as progress:
        hearing = progress.add_task("hearing", total=n_tracks, note="")
        learning = progress.add_task("learning", total=epochs, visible=False, note="")

        def on_epoch(record: dict[str, Any]) -> None:
            note = f"loss {record['train_loss']:.3f}"
            if "valid_loss" in record:
                note += f"  valid {record['valid_loss']:.3f}  accuracy {record['valid_acc']:.1%}"
            progress.update(learning, completed=record["epoch"], total=record["epochs"], visible=True, note=note)

        yield (lambda _: progress.advance(hearing)), on_epoch


@contextmanager
def bytes_progress() -> Iterator[tuple[Callable[[str, int, int | None], None], Callable[[str], None]]]:
    """A bar for each step on stderr, where that is a terminal (bytes, rate, time left); and words in between."""
    if _quiet or not sys.stderr.isatty():
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
