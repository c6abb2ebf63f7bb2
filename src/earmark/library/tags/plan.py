"""Plans: what is to be written into which file, as rows that people may change before anything is written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Literal

Action = Literal["write", "keep", "review"]
"""What becomes of a file: it gets the genre; it stays as it is; it stays until a person has decided."""

_STATE = re.compile(r"(\d+) bytes at (-?\d+) ns")


@dataclass(frozen=True)
class PlanRow:
    """What is planned for one file, and why; a row of a plan.

    Attributes
    ----------
    path : str
    album : str
        Title of the album that the file is of; empty where it is of none.
    current : tuple of str
        Genres that are in its tags.
    genre, styles : tuple of str
        What its genre tag gets, the genres before the styles.
    moods : tuple of str
        What its mood tag gets; empty: it stays as it is.
    confidence : float or None
        Probability of the genre; None where there is none.
    reason : str
        Why it is not written, or what else is to be known.
    action : Action
        Only "write" writes.
    state : str
        Size and modification time of the file (:func:`format_state`), by which a change is noticed.
    source : str
        What proposed these values, as a note for the tags (:mod:`earmark.library.tags.values`); empty: a person did.
    outcome : str
        Why nothing is to be written, in one word, as of :class:`earmark.library.tagging.run.TagResult`. Not in files.
    """

    path: str
    album: str = ""
    current: tuple[str, ...] = ()
    genre: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    confidence: float | None = None
    reason: str = ""
    action: Action = "keep"
    state: str = ""
    source: str = ""
    outcome: str = field(default="", compare=False)

    @property
    def genres(self) -> tuple[str, ...]:
        """All values of the genre tag, each once: the genres, then the styles."""
        return tuple(dict.fromkeys(self.genre + self.styles))


COLUMNS = tuple(column.name for column in fields(PlanRow) if column.compare)
"""Columns of a plan, in the order in which they are written; people may reorder them."""


def format_state(size: int, mtime_ns: int) -> str:
    """Return size and modification time as text, which no spreadsheet takes for a number and rounds.

    Examples
    --------
    >>> format_state(1234, 1500000000123456789), parse_state("1234 bytes at 1500000000123456789 ns")
    ('1234 bytes at 1500000000123456789 ns', (1234, 1500000000123456789))
    """
    return f"{size} bytes at {mtime_ns} ns"


def parse_state(state: str) -> tuple[int, int]:
    """Parse what :func:`format_state` gives into size (bytes) and modification time (ns); else a ValueError."""
    if not (match := _STATE.fullmatch(state.strip())):
        raise ValueError(f"the state {state!r} is not of the form {format_state(1, 1)!r}: restore it, or plan anew")
    return int(match[1]), int(match[2])
