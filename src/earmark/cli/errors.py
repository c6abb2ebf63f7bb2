"""From what goes wrong in a command to one clear line on stderr and an exit status."""

from __future__ import annotations

import functools
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

import typer

from earmark.cli.terminal import say
from earmark.errors import EarmarkError, MissingExtra

Command = TypeVar("Command", bound=Callable[..., Any])


def handle_errors(function: Command) -> Command:
    """Make a command turn our errors into one clear line and an exit status."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with _keep_interrupts():
                function(*args, **kwargs)
        # First: FetchError, LibraryError and TagError are OSErrors too, and would be taken for the system's below.
        except EarmarkError as error:
            say(str(error), "red")
            raise typer.Exit(2) from error
        except KeyboardInterrupt as stop:
            # An error that came of the interrupt has the notes.
            notes = getattr(stop.__cause__ or stop, "__notes__", [])
            say("; ".join(["stopped", *notes]), "yellow")
            # 128 + SIGINT (2), as shells count what a signal has ended.
            raise typer.Exit(130) from None
        # Before OSError, of which it is one.
        except BrokenPipeError:
            # The reader has seen enough, as in `earmark … | head`; what Python still has to flush goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            # 128 + SIGPIPE (13), which Python itself ignores.
            raise typer.Exit(141) from None
        except OSError as error:
            # A full disk, a folder of someone else's. Without a number it is none of the system's, but a fault of ours.
            if error.errno is None:
                raise
            say(f"{os.fsdecode(error.filename)}: {error.strerror}" if error.filename else str(error), "red")
            raise typer.Exit(2) from error

    # Typer finds the options through functools.wraps, and the help text here.
    run.__doc__ = unwrap(function.__doc__ or "")
    return run  # type: ignore[return-value]


def unwrap(text: str) -> str:
    """Join the lines of each paragraph, which ``--help`` would break where the source does; indented ones stay."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(p if p.startswith(" ") else p.replace("\n", " ") for p in paragraphs)


@contextmanager
def on_stop(note: str = "the same command goes on from here") -> Iterator[None]:
    """Have :func:`handle_errors` say this where Ctrl-C ends what is done in this context."""
    try:
        yield
    except BaseException as error:
        error.add_note(note)
        raise


@contextmanager
def end_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end what is done in this context as Ctrl-C does, with what is open written; exit status 143."""
    came = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        if not _put_off(number, frame):
            # 128 + SIGTERM (15); an exception, so that every `finally` on the way out runs.
            raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        # Watchfiles makes one of whatever a signal raises.
        if came:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _keep_interrupts() -> Iterator[None]:
    """Let Ctrl-C be a KeyboardInterrupt even where a package that was being imported has made another error of it."""
    # Whoever embeds the command keeps a handler of their own, and background jobs, which ignore Ctrl-C, go on doing so.
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    came = False

    def notice(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        if not _put_off(number, frame):
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, notice)
    try:
        yield
    # What the command itself asks for stays, even after a Ctrl-C.
    except typer.Exit:
        raise
    except Exception as error:
        if came:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _put_off(number: int, frame: FrameType | None) -> bool:
    """Have a signal come again in a moment where what is raised now would get lost; tell whether it is so."""
    if _is_below_ffmpeg(frame):
        threading.Timer(0.01, signal.raise_signal, [number]).start()
        return True
    return False


def _is_below_ffmpeg(frame: FrameType | None) -> bool:
    """Tell whether what is raised now would get lost: below FFmpeg, which reads files through Python, or in PyAV.

    PyAV runs a bit of Python, named after its own source file, to put a line into the traceback of an error that is on
    its way, and that error then takes the place of whatever was raised meanwhile.
    """
    if "av" not in sys.modules:
        return False
    # Where PyAV is loaded, this module is too, or is about to be.
    from earmark.audio import source

    while frame is not None:
        if frame.f_globals.get("__name__") == source.__name__ or frame.f_code.co_filename.startswith("av/"):
            return True
        frame = frame.f_back
    return False


@contextmanager
def extra(feature: str, name: str) -> Iterator[None]:
    """Say which extra to install where a package is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        # A module of our own that is missing is a fault, not an extra.
        if (error.name or "").split(".")[0] == "earmark":
            raise
        raise MissingExtra(feature, name) from error


def exit_after(failed: dict[str, str]) -> None:
    """Name what could not be decoded, and why; exit with status 1 where there is something."""
    from earmark.cli.text import clean

    for name, error in failed.items():
        say(f"skipped {clean(name)}: {error}", "red")
    if failed:
        raise typer.Exit(1)
