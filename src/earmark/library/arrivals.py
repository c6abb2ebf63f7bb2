"""What becomes of files that come into a folder: they are kept in a library, tagged, or added to a plan."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from earmark.inference.verdict import Verdict
from earmark.library.library import Library
from earmark.library.look_ahead import FileStatus
from earmark.library.records import ModelKey
from earmark.library.tags.plan import PlanRow, format_state
from earmark.library.tags.plan_file import check_plan_name, read_plan, write_plan

if TYPE_CHECKING:
    from earmark.library.tagging.run import TagRun
    from earmark.library.tags.result import TagResult

Answer = TypeVar("Answer", "Verdict", "TagResult")

# files that are tagged together: a plan is written anew after so many
_CHUNK = 256

_log = logging.getLogger(__name__)


def classify_unknown(
    library: Library,
    files: Iterable[FileStatus],
    key: ModelKey,
    classify: Callable[[Iterator[str]], Iterator[Verdict]],
    on_gone: Callable[[str], None],
) -> Iterator[Verdict]:
    """Yield verdicts on files that a library did not know, as they are kept in it.

    Parameters
    ----------
    library, files, key, classify
        As of :meth:`earmark.library.library.Library.classify`.
    on_gone : callable
        Called with the name of a file that failed because it went away, in place of a verdict.
    """
    heard: set[str | None] = set()

    def note(paths: Iterator[str]) -> Iterator[Verdict]:
        for verdict in classify(paths):
            heard.add(verdict.path)
            yield verdict

    def is_fresh(verdict: Verdict) -> bool:
        fresh = verdict.path in heard
        heard.discard(verdict.path)
        return fresh

    yield from _drop_gone(filter(is_fresh, library.classify(files, key, note)), on_gone)


def tag_files(
    run: TagRun,
    files: Iterable[FileStatus],
    on_gone: Callable[[str], None],
    on_written: Callable[[str], None],
    *,
    plan: GrowingPlan | None = None,
    jobs: int = 1,
    preview: bool = False,
) -> Iterator[TagResult]:
    """Tag files; with a plan, add to it what would be written. Yield what became of each that is new to the plan.

    Parameters
    ----------
    run : TagRun
        With a plan, a dry run.
    files : iterable of FileStatus
    on_gone : callable
        Called with the name of a file that failed because it went away, in place of a result.
    on_written : callable
        Called with the name of a file that was written.
    plan : GrowingPlan, optional
    jobs, preview
        As of :meth:`earmark.library.tagging.run.TagRun.propose`.
    """
    names = (path for path, status in files if plan is None or not plan.has(path, status))
    while chunk := list(islice(names, _CHUNK)):
        rows: Iterable[PlanRow] = run.propose(chunk, jobs=jobs, preview=preview)
        if plan is not None:
            rows = list(rows)
            there = [row for row in rows if os.path.lexists(row.path)]
            rows = [row for row in rows if row not in there] + plan.add(there)
        for result in _drop_gone(run.apply(rows), on_gone):
            if result.outcome == "written":
                on_written(result.path)
            yield result


class GrowingPlan:
    """A plan that rows are added to while people may edit it; it is made with the first row.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    n_known : int
        Files that it was asked for and had.

    Raises
    ------
    SettingError
        If the plan cannot be read, see :func:`earmark.library.tags.plan_file.read_plan`.
    """

    def __init__(self, path: Path) -> None:
        check_plan_name(path)
        self.path = path
        self.n_known = 0
        # hash of the path → of the state; texts would fill the memory
        self._states = {hash(row.path): hash(row.state) for row in self._read()}

    def has(self, path: str, status: os.stat_result | None) -> bool:
        """Return whether the plan has a row for a file as it is now, and count those."""
        if status is None:
            return False
        state = format_state(status.st_size, status.st_mtime_ns)
        known = self._states.get(hash(_make_absolute(path))) == hash(state)
        self.n_known += known
        return known

    def add(self, rows: Iterable[PlanRow]) -> list[PlanRow]:
        """Add rows, and return those that are new or that say something new.

        Where a file was only touched or moved, its row stays as people have made it, and follows the file.
        """
        new = {_make_absolute(row.path): row for row in rows}
        self._states |= {hash(path): hash(row.state) for path, row in new.items()}
        for path in write_plan(self.path, self._merge(new)):
            _log.warning("%s: a name that is not UTF-8 fits into a plan that ends in .jsonl only", path)
        return list(new.values())

    def _merge(self, new: dict[str, PlanRow]) -> Iterator[PlanRow]:
        """Yield the rows there are, then the new ones; take from `new` those for which the row that is there holds."""
        paths = {row.state: path for path, row in new.items() if row.state}
        replaced = set(new)
        # read again: people may have edited it
        for old in self._read():
            moved = old.path not in replaced and old.state in paths and not os.path.lexists(old.path)
            path = paths[old.state] if moved else old.path
            if path not in replaced:
                yield old
            elif path in new and _holds_for(old, new[path]):
                yield replace(old, path=path, state=new.pop(path).state)
        yield from new.values()

    def count_actions(self) -> Counter[str]:
        """Count the rows by their action."""
        return Counter(row.action for row in self._read())

    def _read(self) -> Iterator[PlanRow]:
        return read_plan(self.path) if self.path.exists() else iter(())


def _holds_for(old: PlanRow, new: PlanRow) -> bool:
    """Tell whether tags and answer of a file are as they were, so that its row may stay as people have made it."""
    confidence = None if new.confidence is None else round(new.confidence, 2)
    return (old.current, old.confidence, old.reason) == (new.current, confidence, new.reason)


def _make_absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 (Path.absolute keeps '..')


def _drop_gone(answers: Iterable[Answer], on_gone: Callable[[str], None]) -> Iterator[Answer]:
    """Yield answers but those on files that failed because they went away, alone or with their disk."""
    for answer in answers:
        if answer.error and not os.path.lexists(answer.path or ""):
            on_gone(answer.path or "")
        else:
            yield answer
