"""Counting answers, for the line that sums them up."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earmark.inference.verdict import Verdict


class Tally:
    """Counts answers for the line that sums them up."""

    def __init__(self) -> None:
        self.genres: Counter[str] = Counter()
        self.total = self.unknown = self.failed = 0
        self._begin = time.monotonic()

    def add(self, verdict: Verdict) -> None:
        """Count one."""
        self.total += 1
        self.failed += verdict.error is not None
        if verdict.genre:
            self.genres[verdict.genre] += 1
        elif not verdict.error or verdict.genres:
            self.unknown += 1

    def line(self, known: int | None = None) -> str:
        """All in one line: by genre, unknown, with errors; where it is told how many were known, those and the time."""
        parts = [f"{genre} {n}" for genre, n in self.genres.most_common()]
        parts += [f"{what} {n}" for what, n in (("unknown", self.unknown), ("errors", self.failed)) if n]
        files = f"{self.total} file{'s' * (self.total != 1)}"
        line = f"{files} — {', '.join(parts)}" if parts else files
        if known is None:
            return line
        return f"{line}; {known} known before; {time.monotonic() - self._begin:.1f} s"
