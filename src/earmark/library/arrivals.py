"""What becomes of files that come into a folder: they are kept in a library, tagged, or added to a plan."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.inference.verdict import Verdict
from earmark.library.library import FileStatus, Library, ModelKey
from earmark.library.tags.plan import PlanRow, check_plan_name, format_state, read_plan, write_plan

if TYPE_CHECKING:
    from earmark.library.tags.run import TagResult, TagRun

# files that are tagged together: a plan is written anew after so many
_CHUNK = 256

_log = logging.getLogger(__name__)


def classify_unknown(
    library: Library, files: Iterable[FileStatus], key: ModelKey, classify: Callable[[Iterator[str]], Iterator[Verdict]]
) -> Iterator[Verdict]:
    """Yield verdicts on files that a library did not know, as they are kept in it; on one that went away, none.

    Parameters are those of :meth:`earmark.library.library.Library.classify`.
    """
    heard: set[str | None] = set()

    def note(paths: Iterator[str]) -> Iterator[Verdict]:
        for verdict in classify(paths):
            heard.add(verdict.path)
            yield verdict

    for verdict in library.classify(files, key, note):
        if verdict.path in heard and not _is_gone(verdict):
            yield verdict
        heard.discard(verdict.path)


def tag_files(
    run: TagRun, files: Iterable[FileStatus], *, plan: GrowingPlan | None = None, jobs: int = 1, preview: bool = False
) -> Iterator[TagResult]:
    """Tag files; with a plan, add to it what would be written. Yield what became of each that did not go away.

    Parameters
    ----------
    run : TagRun
        With a plan, a dry run.
    files : iterable of FileStatus
    plan : GrowingPlan, optional
    jobs, preview
        As of :meth:`earmark.library.tags.run.TagRun.propose`.
    """
    names = (path for path, status in files if plan is None or not plan.has(path, status))
    while chunk := list(islice(names, _CHUNK)):
        rows: Iterable[PlanRow] = run.propose(chunk, jobs=jobs, preview=preview)
        if plan is not None:
            rows = [row for row in rows if os.path.lexists(row.path)]
            for path in plan.add(rows):
                _log.warning("%s: a name that is not UTF-8 fits into a plan that ends in .jsonl only", path)
        yield from (result for result in run.apply(rows) if not _is_gone(result))


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


def _is_gone(answer: Verdict | TagResult) -> bool:
    """Tell whether a file failed because it went away, alone or with its disk: when it is back, it is found anew."""
    return bool(answer.error) and not os.path.lexists(answer.path or "")
