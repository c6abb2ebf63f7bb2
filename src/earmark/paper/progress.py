"""How far the rows of a reproduction are, and when they will end: read from what they leave on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from earmark.paper.rows import Row
from earmark.paper.runs import Record, Reproduction


@dataclass
class Place:
    """What is known of one row at a moment: its result, or the state of its last epoch; neither while it waits."""

    row: Row
    result: Record | None = None
    state: Record | None = None
    failed: bool = False

    @property
    def seconds_left(self) -> float | None:
        """Of a running network, if it ran all its epochs; it may stop earlier."""
        if not self.state:
            return None
        # "dur" is skorch's: seconds of the last epoch
        return float(self.state["dur"] * (self.state["epochs"] - self.state["epoch"]))


class Progress:
    """Follows rows, those of other processes and machines too.

    Parameters
    ----------
    reproduction : Reproduction
    rows : sequence of Row
    jobs : int
        Rows at once.
    """

    def __init__(self, reproduction: Reproduction, rows: Sequence[Row], jobs: int) -> None:
        self.reproduction, self.jobs = reproduction, jobs
        self.places = [Place(row) for row in rows]

    def refresh(self) -> None:
        """Read how far every row is."""
        for place in self.places:
            if place.result is None and not place.failed:
                place.result = self.reproduction.result(place.row)
                place.state = None if place.result else self.reproduction.state(place.row)

    def note_failure(self, row: Row) -> None:
        """Note that a row has failed: nothing more is to come of it."""
        for place in self.places:
            if place.row == row:
                place.failed, place.state = True, None

    @property
    def n_done(self) -> int:
        """Rows that have a result."""
        return sum(place.result is not None for place in self.places)

    def seconds_left(self) -> float | None:
        """Estimate from rows of the same recipe that are done, else of the same kind, else of any; None at first."""
        left = [self._seconds_left(place) for place in self.places if place.result is None and not place.failed]
        known = [seconds for seconds in left if seconds is not None]
        # mean seconds of a row · rows left / rows at once
        return mean(known) * len(left) / min(self.jobs, len(left)) if known else None

    def _seconds_left(self, place: Place) -> float | None:
        if (own := place.seconds_left) is not None:
            return own
        done = [(p.row.name, float(p.result["seconds"])) for p in self.places if p.result]
        name = place.row.name
        # such as "lstm-2x250-log", "lstm-2x250", "lstm", and the empty start of every name
        for alike in (name, name.removesuffix("-log"), name.partition("-")[0], ""):
            if seconds := [s for other, s in done if other.startswith(alike)]:
                return mean(seconds)
        return None
