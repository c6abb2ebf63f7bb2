"""The plan of ``beet earmark --review``: written, edited by the user, and read again."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from beets import ui, util
from beets.library import Item
from beets.ui import UserError  # type: ignore[attr-defined]  # where beets 2.0 and 2.14 both have it

from earmark.errors import EarmarkError, format_count
from earmark.library.tags.plan import PlanRow, format_state
from earmark.library.tags.plan_file import read_plan


def choose_rows(plan: Path) -> list[PlanRow]:
    """Open a plan in the editor, and return the rows to write; none, and a line says why, where the user wants none."""
    chosen = [row for row in _edit(plan) if row.action == "write"]
    if chosen and ui.input_yn(f"Write the genres of {format_count(len(chosen), 'track')} (Y/n)?"):
        return chosen
    if plan.exists():
        ui.print_(f"Nothing is written. The plan stays until the next --review: {plan}")
    return []


def _edit(plan: Path) -> Sequence[PlanRow]:
    """Open a plan in the editor, again where the user has spoiled it, and return its rows."""
    while True:
        command = util.editor_command()
        try:
            done = subprocess.run([*shlex.split(command), str(plan)], check=False)
        except OSError as error:
            raise UserError(f"earmark: the editor {command!r} cannot be run ({error}); the plan is {plan}") from error
        if done.returncode:
            raise UserError(
                f"earmark: the editor {command!r} ended with status {done.returncode}: nothing is written; "
                f"the plan is {plan}"
            )
        if not plan.exists():
            ui.print_(f"The plan {plan} is deleted: nothing is written.")
            return ()
        try:
            return tuple(read_plan(plan))
        except EarmarkError as error:
            ui.print_(str(error))
            if not ui.input_yn("Edit it again (Y/n)?"):
                return ()


def name_path(item: Item) -> str:
    """Return the path of a track's file, as a plan and a verdict name it."""
    return os.fsdecode(util.syspath(item.path))


def read_state(item: Item) -> str:
    """Return the state of a track's file, by which a change is noticed; "gone" where there is none."""
    path = Path(name_path(item))
    return format_state((status := path.stat()).st_size, status.st_mtime_ns) if path.exists() else "gone"
