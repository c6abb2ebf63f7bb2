"""What the rooms of the house log, for those who ask: on stderr with ``-v``, in a file with ``--log-file``."""

from __future__ import annotations

import logging
from pathlib import Path

from earmark.cli import terminal


class _Terminal(logging.Handler):
    """Says records on stderr, above a progress bar where there is one, in one colour and on one line each."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say one record."""
        from earmark.cli.writers import clean

        try:
            terminal.say(clean(self.format(record)), "yellow" if record.levelno >= logging.WARNING else "dim")
        except Exception:  # as logging's own handlers do: what is logged never ends what is done
            self.handleError(record)


class _OneLine(logging.Formatter):
    """One line a record, whatever names it holds; a traceback may follow."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """Put a record in words."""
        from earmark.cli.writers import clean

        return clean(super().formatMessage(record))


def set_up(verbose: int, file: Path | None) -> None:
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
    log = logging.getLogger("earmark")
    levels = []
    if verbose:
        seen = _Terminal(logging.INFO if verbose == 1 else logging.DEBUG)
        seen.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        log.addHandler(seen)
        levels.append(seen.level)
    if file:
        with terminal.writing(f"log file {file}"):
            file.parent.mkdir(parents=True, exist_ok=True)
            kept = logging.FileHandler(file, encoding="utf-8")
        kept.setLevel(logging.DEBUG)
        kept.setFormatter(_OneLine("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
        log.addHandler(kept)
        levels.append(kept.level)
    if levels:
        log.setLevel(min(levels))
        log.propagate = False
