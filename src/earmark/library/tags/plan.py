"""A plan: what a tagging run would write, as a table that people look through and change before it is applied.

CSV for spreadsheets (UTF-8 with a mark, by which Excel knows it; read back with any of their separators), or JSON
lines. A row names its file, and the state in which that was heard: a file that has changed since is left alone.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TextIO, get_args

from earmark.errors import SettingError
from earmark.library.tags.safe_replace import Stamp

Action = Literal["write", "keep", "review"]
"""What a row asks for: write its genres; keep the file as it is; nothing yet, for a person is to decide."""

_SEPARATOR = "; "
_LISTS = ("current", "genre", "styles", "moods")
# columns without which a row says nothing
_NEEDED = ("path", "genre", "action", "state")


@dataclass(frozen=True)
class PlanRow:
    """What is to become of one file.

    Attributes
    ----------
    path : str
    album : str
        Its folder or album, for people to sort by.
    current : tuple of str
        Genres that are in its tags.
    genre, styles, moods : tuple of str
        What is written: genres with styles behind them, and moods.
    confidence : float or None
    reason : str
        Why it is kept, or to be reviewed; empty otherwise.
    action : {"write", "keep", "review"}
    state : str
        Size and modification time of the file that was heard, see :func:`describe_state`.
    """

    path: str
    album: str = ""
    current: tuple[str, ...] = ()
    genre: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    confidence: float | None = None
    reason: str = ""
    action: Action = "write"
    state: str = ""


COLUMNS = tuple(field.name for field in fields(PlanRow))


def describe_state(stamp: Stamp) -> str:
    """Return a file's size and modification time as a text that no spreadsheet takes for a number or a date."""
    return f"{stamp.size} bytes at {stamp.mtime_ns} ns"


def write_plan(rows: Iterable[PlanRow], file: TextIO, form: Literal["csv", "json"]) -> Iterator[PlanRow]:
    """Write a plan, and yield each row once it is written."""
    if form == "csv":
        file.write("\ufeff")
    table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    if form == "csv":
        table.writeheader()
    for row in rows:
        values: dict[str, Any] = dict(vars(row))
        if row.confidence is not None:
            values["confidence"] = round(row.confidence, 4)
        if form == "json":
            file.write(json.dumps(values) + "\n")
        else:
            table.writerow(values | {name: _SEPARATOR.join(values[name]) for name in _LISTS})
        yield row


def read_plan(path: Path) -> Iterator[PlanRow]:
    """Read a plan, row by row.

    Raises
    ------
    SettingError
        If the file cannot be read, or a row is none: names the line. What comes before it has been yielded, so a
        plan is read once to check it before it is applied.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            records = _read_json(file, path) if path.suffix.lower() in (".json", ".jsonl") else _read_csv(file, path)
            for line, record in records:
                yield _parse_row(record, f"{path}, line {line}")
    except OSError as error:
        raise SettingError(f"{path}: the plan cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"{path}: not UTF-8: save it as 'CSV UTF-8' from your spreadsheet") from error


def _read_json(file: TextIO, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(file, 1):
        if text.strip():
            try:
                record = json.loads(text)
            except ValueError as error:
                raise SettingError(f"{path}, line {line}: not JSON ({error})") from error
            if not isinstance(record, dict):
                raise SettingError(f"{path}, line {line}: an object is wanted, with {', '.join(COLUMNS)}")
            _check_columns(record, f"{path}, line {line}")
            yield line, record


def _read_csv(file: TextIO, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    head = file.readline()
    # spreadsheets write the separator of their country
    delimiter = max(",;\t", key=head.count)
    file.seek(0)
    table = csv.DictReader(file, delimiter=delimiter, strict=True)
    try:
        _check_columns(table.fieldnames or (), str(path))
        for record in table:
            if None in record or None in record.values():
                raise SettingError(f"{path}, line {table.line_num}: {len(table.fieldnames or ())} cells are wanted")
            yield table.line_num, record
    except csv.Error as error:
        raise SettingError(f"{path}, line {table.line_num}: not CSV ({error})") from error


def _check_columns(given: Iterable[str], where: str) -> None:
    given = list(given)
    if unknown := [name for name in given if name not in COLUMNS]:
        raise SettingError(f"{where}: no column {unknown[0]!r} in a plan, but {', '.join(COLUMNS)}")
    if missing := [name for name in _NEEDED if name not in given]:
        raise SettingError(f"{where}: no column {missing[0]!r}, without which a plan says nothing")


def _parse_row(record: dict[str, Any], where: str) -> PlanRow:
    values = dict(record)
    for name in _LISTS:
        given = values.get(name) or ()
        words = given.split(";") if isinstance(given, str) else given
        if not (
            isinstance(words, list | tuple) and all(isinstance(word, str) and word.isprintable() for word in words)
        ):
            raise SettingError(f"{where}: {name} is {given!r}: words with '; ' between are wanted")
        values[name] = tuple(word.strip() for word in words if word.strip())
    values["action"] = str(values["action"]).strip().lower()
    if values["action"] not in get_args(Action):
        raise SettingError(f"{where}: action is {record['action']!r}: must be one of {', '.join(get_args(Action))}")
    if values["action"] == "write" and not (values["genre"] or values["styles"]):
        raise SettingError(f"{where}: no genre to write: give one, or make the action 'keep'")
    try:
        values["confidence"] = float(values["confidence"]) if values.get("confidence") not in (None, "") else None
    except (TypeError, ValueError) as error:
        raise SettingError(f"{where}: confidence is {record['confidence']!r}: a number is wanted") from error
    return PlanRow(**values)
