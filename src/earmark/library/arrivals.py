"""What becomes of files that come into a folder: they are kept in a library, tagged, or added to a plan."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from earmark.inference.verdict import Verdict
from earmark.library.library import Library, ModelKey
from earmark.library.look_ahead import FileStatus
from earmark.library.tags.plan import PlanRow, check_plan_name, format_state, read_plan, write_plan

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
    *,
    plan: GrowingPlan | None = None,
    jobs: int = 1,
    preview: bool = False,
) -> Iterator[TagResult]:
    """Tag files; with a plan, add to it what would be written. Yield what became of each.

    Parameters
    ----------
    run : TagRun
        With a plan, a dry run.
    files : iterable of FileStatus
    on_gone : callable
        Called with the name of a file that failed because it went away, in place of a result.
    plan : GrowingPlan, optional
    jobs, preview
        As of :meth:`earmark.library.tagging.run.TagRun.propose`.
    """
    names = (path for path, status in files if plan is None or not plan.has(path, status))
    while chunk := list(islice(names, _CHUNK)):
        rows: Iterable[PlanRow] = run.propose(chunk, jobs=jobs, preview=preview)
        if plan is not None:
            rows = list(rows)
            for path in plan.add(row for row in rows if os.path.lexists(row.path)):
                _log.warning("%s: a name that is not UTF-8 fits into a plan that ends in .jsonl only", path)
        yield from _drop_gone(run.apply(rows), on_gone)


class GrowingPlan:
    """A plan that rows are added to while people may edit it; it is made with the first row.

    Parameters
    ----------
    path : Path

    Raises
    ------
    SettingError
        If the plan cannot be read, see :func:`earmark.library.tags.plan.read_plan`.
    """

    def __init__(self, path: Path) -> None:
        check_plan_name(path)
        self.path = path
        # hash of the path → of the state; texts would fill the memory
        self._states = {hash(row.path): hash(row.state) for row in self._read()}

    def has(self, path: str, status: os.stat_result | None) -> bool:
        """Return whether the plan has a row for a file as it is now."""
        if status is None:
            return False
        state = format_state(status.st_size, status.st_mtime_ns)
        return self._states.get(hash(_make_absolute(path))) == hash(state)

    def add(self, rows: Iterable[PlanRow]) -> list[str]:
        """Add rows, each in place of one for the same file; return paths that do not fit into a .csv."""
        new = {_make_absolute(row.path): row for row in rows}
        self._states |= {hash(path): hash(row.state) for path, row in new.items()}
        # read again: people may have edited it
        return write_plan(self.path, chain((row for row in self._read() if row.path not in new), new.values()))

    def _read(self) -> Iterator[PlanRow]:
        return read_plan(self.path) if self.path.exists() else iter(())


def _make_absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 (Path.absolute keeps '..')


def _drop_gone(answers: Iterable[Answer], on_gone: Callable[[str], None]) -> Iterator[Answer]:
    """Yield answers but those on files that failed because they went away, alone or with their disk."""
    for answer in answers:
        if answer.error and not os.path.lexists(answer.path or ""):
            on_gone(answer.path or "")
        else:
            yield answer
