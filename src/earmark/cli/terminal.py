"""The terminal: words and the log on stderr; answers on stdout, or in a file that appears when it is whole."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from earmark.errors import SettingError

if TYPE_CHECKING:
    from rich.console import Console

_quiet = False


def set_quiet() -> None:
    """Say nothing but errors from now on, and show no progress."""
    global _quiet
    _quiet = True


def is_quiet() -> bool:
    """Tell whether nothing but errors is to be said."""
    return _quiet


def console(file: TextIO) -> Console:
    """Return a console that colours nothing by itself."""
    from rich.console import Console

    return Console(file=file, highlight=False)


def row_console(file: TextIO | None = None) -> Console:
    """Return a console for rows, each of them one line as it is; of standard output, unless told otherwise."""
    from rich.console import Console

    return Console(file=file, highlight=False, soft_wrap=True)


@cache
def stderr_console() -> Console:
    """Return the one console of stderr: what is printed through it stands above a bar that it shows."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def say(message: str, style: str = "dim", *, wrap: bool = True) -> None:
    """Print a line on stderr; errors are red, and said even to those who asked for quiet.

    Parameters
    ----------
    message : str
    style : str
    wrap : bool
        Whether a terminal too narrow for it gets it in several lines; not so for a command that people copy.
    """
    if _quiet and style != "red":
        return
    from rich.text import Text

    target = stderr_console()
    # Where stderr is a file, a line stays whole: grep would miss what it looks for.
    # As Text, since brackets in a file's name are no markup.
    target.print(Text(message, style=style), soft_wrap=not (wrap and target.is_terminal))


@contextmanager
def output(path: Path | None) -> Iterator[TextIO]:
    """Open standard output, or a file that appears when it is whole; names keep their bytes either way."""
    if path is None:
        # Where it is not UTF-8, bars and foreign names need replacing.
        # In UTF-8, undecodable bytes of names, which Python holds as surrogates, come out as they were.
        unicode = sys.stdout.encoding.lower().startswith("utf")
        sys.stdout.reconfigure(errors="surrogateescape" if unicode else "replace")  # type: ignore[union-attr]
        yield sys.stdout
        return
    from earmark.files import open_atomic

    refuse_sound(path)
    try:
        with open_atomic(path) as file:
            yield file
    except KeyboardInterrupt as stop:
        stop.add_note(f"{path} is not written")
        raise


def refuse_sound(path: Path) -> None:
    """Raise :class:`SettingError` for the name of a sound file: what is no sound must not take the place of one."""
    from earmark.files import SUFFIXES

    if path.suffix.lower() in SUFFIXES:
        raise SettingError(f"{path} is named like a sound file, and would replace it: give the output another name")


@contextmanager
def check_writable(what: Path | str) -> Iterator[None]:
    """Raise :class:`SettingError` for a file that cannot be written in this context."""
    try:
        yield
    except OSError as error:
        raise SettingError(f"{what} cannot be written ({error.strerror or error})") from error


class _TerminalHandler(logging.Handler):
    """Says records on stderr, above a progress bar where there is one, in one colour and on one line each."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say one record."""
        from earmark.cli.text import clean

        try:
            say(clean(self.format(record)), "yellow" if record.levelno >= logging.WARNING else "dim")
        except Exception:  # as logging's own handlers do: what is logged never ends what is done
            self.handleError(record)


class _OneLine(logging.Formatter):
    """One line a record, whatever names it holds; a traceback may follow."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """Put a record in words."""
        from earmark.cli.text import clean

        return clean(super().formatMessage(record))


def set_up_log(verbose: int, file: Path | None) -> None:
    """Let the library's log be seen.

    Parameters
    ----------
    verbose : int
        0 nothing on stderr, 1 what is done, 2 every detail.
    file : Path or None
        Where every detail is added, with times.

    Raises
    ------
    SettingError
        If the file cannot be written.
    """
    handlers: list[logging.Handler] = []
    if verbose:
        handlers.append(_TerminalHandler(logging.INFO if verbose == 1 else logging.DEBUG))
        handlers[-1].setFormatter(logging.Formatter("%(name)s: %(message)s"))
    if file:
        with check_writable(f"log file {file}"):
            file.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(logging.FileHandler(file, encoding="utf-8"))
        handlers[-1].setLevel(logging.DEBUG)
        # With the process, since several runs may add to one file.
        handlers[-1].setFormatter(_OneLine("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    log = logging.getLogger("earmark")
    for handler in handlers:
        log.addHandler(handler)
    if handlers:
        # The lowest level that any handler wants; each filters for itself.
        log.setLevel(min(handler.level for handler in handlers))
        # Else records would be said once more by a handler of the root logger.
        log.propagate = False
