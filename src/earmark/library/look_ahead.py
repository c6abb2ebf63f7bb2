"""Answers to many files in order, of which some are known: only the others are classified."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from earmark.inference.verdict import Verdict

FileStatus = tuple[str, "os.stat_result | None"]
"""A file as it is to be named in verdicts, and its size and times; None where there is no such file."""

# known files in a row after which classifying is ended and begun anew: their verdicts need not wait in memory
_LOOK_AHEAD = 4096


def answer_in_order(
    files: Iterable[FileStatus],
    look_up: Callable[[FileStatus], Verdict | None],
    classify: Callable[[Iterator[str]], Iterator[Verdict]],
) -> Iterator[tuple[FileStatus | None, Verdict]]:
    """Yield a verdict for each file in order; with those that are fresh, their files, and None with those known.

    Parameters
    ----------
    files : iterable of FileStatus
        Read as the work goes on.
    look_up : callable
        Returns the verdict on a file that is known.
    classify : callable
        Yields a verdict for each of the paths it is given, in order; called only where some file is new.
    """
    # one iterator for all: classifying reads ahead in it, and the loop below goes on where that ended
    remaining = iter(files)
    for file in remaining:
        if verdict := look_up(file):
            yield None, verdict
        else:
            yield from _classify_from(file, remaining, look_up, classify)


def _classify_from(
    first: FileStatus,
    remaining: Iterator[FileStatus],
    look_up: Callable[[FileStatus], Verdict | None],
    classify: Callable[[Iterator[str]], Iterator[Verdict]],
) -> Iterator[tuple[FileStatus | None, Verdict]]:
    """Yield verdicts in order, beginning with a file that is new, until many in a row are known."""
    # as far as files were read ahead: each file, and its verdict if known
    queue: deque[tuple[FileStatus, Verdict | None]] = deque([(first, None)])

    def select_new() -> Iterator[str]:
        yield first[0]
        known_in_a_row = 0
        for file in remaining:
            verdict = look_up(file)
            queue.append((file, verdict))
            known_in_a_row = known_in_a_row + 1 if verdict else 0
            if not verdict:
                yield file[0]
            elif known_in_a_row == _LOOK_AHEAD:
                return

    # the None at the end: what is left in the queue then is known
    for fresh in chain(classify(select_new()), [None]):
        while queue and (verdict := queue[0][1]):
            queue.popleft()
            yield None, verdict
        if fresh:
            yield queue.popleft()[0], fresh
