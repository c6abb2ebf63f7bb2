"""Files of plans: a table for spreadsheets, or one JSON object a line; checked whole before a row of it counts."""

from __future__ import annotations

import csv
import json
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from earmark.errors import SettingError
from earmark.files import open_atomic, refuse_edits
from earmark.library.tags.plan import COLUMNS, Action, PlanRow, parse_state

REQUIRED = ("path", "genre", "action", "state")
"""Columns that a plan must have: people may delete the others."""

# a spreadsheet takes a cell that begins so for a formula; an apostrophe before it makes it text
_MARKS = "'=+-@\t\r"
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def check_new_plan(path: Path) -> None:
    """Raise SettingError where a plan of this name cannot be made, or where there is one, which people may have edited.

    To be asked before the work that a plan takes.
    """
    check_plan_name(path)
    refuse_edits(path)
    if not path.parent.is_dir():
        raise SettingError(f"{path}: there is no folder {path.parent}: make it, or name another")


def check_plan_name(path: Path) -> None:
    """Raise SettingError where a plan's name ends in neither .csv nor .jsonl."""
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise SettingError(f"{path}: a plan is a .csv (a table for spreadsheets) or a .jsonl (one JSON object a line)")


def write_plan(path: Path, rows: Iterable[PlanRow]) -> list[str]:
    """Write a plan; the file appears when it is whole.

    Parameters
    ----------
    path : Path
        ``.csv``: a table that spreadsheets open, in UTF-8 with a mark. ``.jsonl``: JSON lines in pure ASCII.
    rows : iterable of PlanRow
        Written as they come; their paths become absolute.

    Returns
    -------
    list of str
        Paths left out: names that are not UTF-8 do not fit into a .csv, only into a .jsonl.

    Raises
    ------
    SettingError
        If the name has another suffix.
    """
    check_plan_name(path)
    left_out = []
    with open_atomic(path) as file:
        if path.suffix.lower() == ".jsonl":
            file.writelines(json.dumps(_to_dict(row)) + "\n" for row in rows)
            return []
        # by its mark, Excel knows UTF-8
        file.write("\ufeff")
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for row in rows:
            if _is_utf8(row.path):
                table.writerow([_format_cell(value) for value in _to_dict(row).values()])
            else:
                left_out.append(row.path)
    return left_out


def read_plan(path: Path) -> Iterator[PlanRow]:
    """Read a plan that :func:`write_plan` wrote and that a person may have edited, in a spreadsheet or otherwise.

    The whole plan is checked first, then it is read once more row by row: it is not held in memory. A .csv may have
    commas, semicolons or tabs between cells, a decimal comma, columns in another order and empty rows.

    Raises
    ------
    SettingError
        With the line: unknown or missing columns, another encoding than UTF-8, an action that is none, a path named
        twice, a row to write without a genre.
    """
    check_plan_name(path)
    deque(_iterate_rows(path), maxlen=0)
    return _iterate_rows(path)


def _to_dict(row: PlanRow) -> dict[str, Any]:
    cells = {name: getattr(row, name) for name in COLUMNS}
    confidence = None if row.confidence is None else round(row.confidence, 2)
    return cells | {"path": os.path.abspath(row.path), "confidence": confidence}  # noqa: PTH100 (absolute keeps '..')


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _format_cell(value: Any) -> str:
    if not value:
        return "0.00" if value == 0 else ""
    text = value if isinstance(value, str) else "; ".join(value) if isinstance(value, tuple) else f"{value:.2f}"
    if not text.isascii():
        text = text.encode(errors="replace").decode()
    return f"'{text}" if text[0] in _MARKS and _FORMULA.match(text) else text


def _iterate_rows(path: Path) -> Iterator[PlanRow]:
    """Yield rows, each checked, and that no path comes twice."""
    lines = _Lines()
    # path, as a hash, which takes less memory → line
    seen: dict[int, int] = {}
    with path.open("rb") as file:
        read = _read_objects if path.suffix.lower() == ".jsonl" else _read_table
        try:
            for cells in read(lines.count(file)):
                row = _parse_row(cells)
                first = seen.setdefault(hash(row.path), lines.number)
                if first != lines.number:
                    raise ValueError(f"{row.path!r} is in line {first} too: delete one of the two")
                yield row
        except UnicodeDecodeError as error:
            raise SettingError(f"{path}, line {lines.number}: not UTF-8: save the plan as 'CSV UTF-8'") from error
        except (ValueError, csv.Error) as error:
            raise SettingError(f"{path}, line {lines.number}: {error}") from error


class _Lines:
    """Decodes lines, and knows which one came last."""

    number = 1

    def count(self, file: Iterable[bytes]) -> Iterator[str]:
        for self.number, line in enumerate(file, 1):
            yield line.decode("utf-8-sig" if self.number == 1 else "utf-8")


def _read_objects(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in filter(str.strip, lines):
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError(f"not a JSON object: {line.strip()[:40]}")
        _check_columns(row)
        yield row


def _read_table(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    header = next(lines, "")
    # a line of Excel's own, which says what is between cells
    if header.casefold().startswith("sep="):
        header = next(lines, "")
    if "\r" in header.rstrip("\r\n"):
        raise ValueError("its lines end as on old Macs (CR alone): save it as 'CSV UTF-8'")
    separator = find_separator(header)
    columns = [name.strip().casefold() for name in next(csv.reader([header], delimiter=separator), [])]
    while columns and not columns[-1]:
        columns.pop()
    _check_columns(columns)
    for cells in csv.reader(lines, delimiter=separator):
        if any(cells[len(columns) :]):
            raise ValueError(f"{len(cells)} cells, but only {len(columns)} columns")
        if any(map(str.strip, cells)):
            yield {name: _unquote(cell) for name, cell in zip(columns, cells, strict=False)}


def find_separator(header: str) -> str:
    """Return what is between the cells of a table: spreadsheets of countries with a decimal comma put semicolons."""
    return max(",;\t", key=header.count)


def _check_columns(names: Iterable[str]) -> None:
    names = list(names)
    if unknown := [name for name in names if name not in COLUMNS]:
        raise ValueError(f"unknown column {unknown[0]!r}; a plan has {', '.join(COLUMNS)}")
    if missing := [name for name in REQUIRED if name not in names]:
        raise ValueError(f"the column {missing[0]!r} is missing; a plan has at least {', '.join(REQUIRED)}")
    if len(set(names)) < len(names):
        raise ValueError("a column is there twice")


def _unquote(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _parse_row(cells: Mapping[str, Any]) -> PlanRow:
    """Parse the cells of a row; a ValueError says what is wrong with them."""
    text = {name: str(cells.get(name) or "") for name in COLUMNS}
    values = {name: _parse_list(cells.get(name)) for name in ("current", "genre", "styles", "moods")}
    row = PlanRow(
        text["path"],
        text["album"],
        values["current"],
        values["genre"],
        values["styles"],
        values["moods"],
        _parse_confidence(cells.get("confidence")),
        text["reason"],
        _parse_action(text["action"]),
        text["state"],
        text["source"],
    )
    if not row.path:
        raise ValueError("no path")
    if row.action == "write":
        if not row.genres:
            raise ValueError("nothing to write: name a genre, or make the action keep")
        parse_state(row.state)
    return row


def _parse_action(cell: str) -> Action:
    for action in get_args(Action):
        if action == cell.strip().casefold():
            return action  # type: ignore[no-any-return]
    raise ValueError(f"the action {cell!r} is not one of {', '.join(get_args(Action))}")


def _parse_list(cell: Any) -> tuple[str, ...]:
    values = cell if isinstance(cell, list) else str(cell or "").split(";")
    # line breaks and the like are no part of a genre
    names = (" ".join(str(value).split()) for value in values)
    return tuple(dict.fromkeys(filter(None, names)))


def _parse_confidence(cell: Any) -> float | None:
    """Parse 0.83, "0,83" or "83 %"."""
    text = str("" if cell is None else cell).strip().replace(",", ".")
    if not text:
        return None
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise ValueError(f"the confidence {cell!r} is not a number such as 0.83") from None
