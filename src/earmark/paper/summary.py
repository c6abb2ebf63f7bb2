"""Records of rows → tables: one line a run, and means, spreads and intervals over runs. Pure functions."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.data.splits import Fold
from earmark.evaluation.metrics import bootstrap_interval
from earmark.paper import names
from earmark.paper.rows import PAPER, Row
from earmark.paper.runs import Record
from earmark.training.recipe import Recipe
from earmark.training.registry import LOG

# Of ``results.csv``.
COLUMNS = (
    "recipe", "protocol", "seed", "fold", "part", "clip_accuracy", "track_accuracy", "low", "high", "macro_f1",
    "top3_accuracy", "calibration_error", "leak_tracks", "leak_artists", "n_clips", "n_tracks", "epochs",
    "parameters", "seconds", "notes", "command",
)  # fmt: skip


@dataclass(frozen=True)
class MeanStd:
    """Mean and sample standard deviation of a figure over runs; no deviation for one run."""

    mean: float
    deviation: float | None = None


@dataclass(frozen=True)
class Summary:
    """All runs, at least one, of one recipe under one protocol, in the order of seeds and folds."""

    recipe: str
    protocol: str
    records: tuple[Record, ...]

    @property
    def base(self) -> str:
        """The recipe without ``-log``."""
        return self.recipe.removesuffix(LOG)

    @property
    def words(self) -> str:
        """The recipe as tables call it."""
        return names.full_name(self.recipe, self.settings)

    @property
    def short(self) -> str:
        """The recipe's short name, for figures."""
        return names.short_name(self.recipe, self.settings)

    @property
    def heading(self) -> str:
        """The protocol as a heading."""
        return names.PROTOCOLS[self.protocol]

    def mean_std(self, key: str) -> MeanStd | None:
        """Return mean and standard deviation of one figure of the records; None where no run has it."""
        values = [record[key] for record in self.records if record.get(key) is not None]
        return mean_std(values) if values else None

    @property
    def clip_accuracy(self) -> MeanStd:
        """Share of clips that are right, as the paper counts."""
        return mean_std([record["clip_accuracy"] for record in self.records])

    @property
    def track_accuracy(self) -> MeanStd:
        """Share of tracks that are right, their clips taken together."""
        return mean_std([record["track_accuracy"] for record in self.records])

    @property
    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the track accuracy, over tracks, all runs taken together."""
        # resampling tracks, not clips or runs: those of one track are not independent
        right, weights = pool_tracks(self.records)
        return bootstrap_interval(right, np.random.default_rng(0), weights)

    @property
    def n_tracks(self) -> int:
        """Different tracks that were tested."""
        return len({track["id"] for record in self.records for track in record["tracks"]})

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that were tested: "test", or "valid" where the split has none."""
        return tuple(dict.fromkeys(record["part"] for record in self.records))

    @property
    def leak_tracks(self) -> float:
        """Share of test clips with a sibling in training."""
        return float(np.mean([record["leak"]["tracks"] for record in self.records]))

    @property
    def leak_artists(self) -> float | None:
        """Share of test clips whose artist is in training; None where no artists are known."""
        known = [r["leak"]["artists"] for r in self.records if r["leak"]["artists"] is not None]
        return float(np.mean(known)) if known else None

    @property
    def labels(self) -> tuple[str, ...]:
        """Genres, in the order of the confusion matrix."""
        return tuple(self.records[0]["labels"])

    @property
    def confusion(self) -> NDArray[np.intp]:
        """Tested tracks, all runs together: row the truth, column the prediction, shape (genres, genres)."""
        return np.asarray(np.sum([record["confusion"] for record in self.records], axis=0, dtype=np.intp))

    @property
    def majority_baseline(self) -> float:
        """Track accuracy of always predicting the genre with the most tested tracks."""
        # rows are the truth: tested tracks of each genre
        judged = self.confusion.sum(axis=1)
        return float(judged.max() / judged.sum())

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of the runs, each once."""
        return tuple(dict.fromkeys(note for record in self.records for note in record["notes"]))

    @property
    def settings(self) -> Recipe:
        """The recipe itself."""
        return recipe_of(self.records[0])

    def to_dict(self) -> dict[str, Any]:
        """Return the aggregate as plain types."""
        low, high = self.interval
        figures = ("clip_accuracy", "track_accuracy", "macro_f1", "top3_accuracy", "calibration_error")
        # None where no run has such a figure
        spreads = {key: self.mean_std(key) for key in (*figures, "seconds", "epochs", "parameters")}
        return {
            "recipe": self.recipe,
            "protocol": self.protocol,
            "runs": len(self.records),
            "parts": list(self.parts),
            "n_tracks": self.n_tracks,
            **{key: s and {"mean": s.mean, "deviation": s.deviation} for key, s in spreads.items()},
            "interval": [low, high],
            "leak": {"tracks": self.leak_tracks, "artists": self.leak_artists},
            "notes": list(self.notes),
        }


def mean_std(values: Sequence[float]) -> MeanStd:
    """Return mean and sample standard deviation.

    Examples
    --------
    >>> mean_std([1.0, 3.0])
    MeanStd(mean=2.0, deviation=1.4142135623730951)
    >>> mean_std([1.0])
    MeanStd(mean=1.0, deviation=None)
    """
    return MeanStd(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)


def pool_tracks(records: Sequence[Record]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of each track's predictions that are right, and their number; both of shape (tracks,)."""
    judged: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for track in (track for record in records for track in record["tracks"]):
        judged[track["id"]] += 1
        right[track["id"]] += track["heard"] == track["genre"]
    # (tracks,): a track that three runs judged counts three times, but is drawn once
    weights = np.array(list(judged.values()), float)
    return np.array([right[name] for name in judged], float) / weights, weights


def sort_records(records: Sequence[Record]) -> list[Record]:
    """Sort records: the paper's rows in its order, each variant ``-log`` after its row, then the others by name."""
    order = list(names.PROTOCOLS)
    return sorted(records, key=lambda r: (sort_key(r["recipe"]), order.index(r["protocol"]), r["seed"], r["fold"] or 0))


def summarize(records: Sequence[Record]) -> list[Summary]:
    """Gather records by recipe and protocol, in the order of :func:`sort_records`."""
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in sort_records(records):
        groups[record["recipe"], record["protocol"]].append(record)
    return [Summary(recipe, protocol, tuple(group)) for (recipe, protocol), group in groups.items()]


def sort_key(name: str) -> tuple[int, list[tuple[int, str]], bool, str]:
    """Return where a recipe stands among others; numbers in names count as numbers.

    Examples
    --------
    >>> sorted(["mine", "lstm-1x250-log", "lstm-1x250", "rnn-2x125", "mlp-1000-elu", "mlp-60-elu"], key=sort_key)
    ['rnn-2x125', 'lstm-1x250', 'lstm-1x250-log', 'mine', 'mlp-60-elu', 'mlp-1000-elu']
    """
    base = name.removesuffix(LOG)
    known = list(PAPER).index(base) if base in PAPER else len(PAPER)
    # "mlp-1000-elu" → text "mlp-", number 1000, text "-elu"; a number stands as (number, ""), text as (-1, text)
    pieces = [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", base)]
    return known, pieces, name != base, name


def protocols_of(summaries: Sequence[Summary]) -> list[str]:
    """Return the protocols that ran: what leaks least first, the paper's own last."""
    return [p for p in names.PROTOCOLS if any(s.protocol == p for s in summaries)]


def best_of(summaries: Sequence[Summary], protocol: str) -> Summary:
    """Return the summary with the best clip accuracy under a protocol."""
    return max((s for s in summaries if s.protocol == protocol), key=lambda s: s.clip_accuracy.mean)


def row_of(record: Record, recipe: str | None = None) -> Row:
    """Return the row that a record is the result of, by its recipe's name unless another is given."""
    fold = None if record["fold"] is None else Fold(record["fold"], record["folds"])
    return Row(recipe or record["recipe"], record["protocol"], record["seed"], fold)


def recipe_of(record: Record) -> Recipe:
    """Return the recipe that a record was made with."""
    # JSON, as strict checks take a list for a tuple there only
    return Recipe.model_validate_json(json.dumps(record["identity"]["recipe"]))


def tabulate_runs(records: Sequence[Record], command: Callable[[Record], str]) -> list[dict[str, Any]]:
    """Lay out one line for each run, with the keys :data:`COLUMNS`; None where a run has no such figure.

    `command` gives the command that repeats a record.
    """
    lines = []
    for record in sort_records(records):
        low, high = record["interval"]
        leak = {"leak_tracks": record["leak"]["tracks"], "leak_artists": record["leak"]["artists"]}
        own = {"low": low, "high": high, **leak, "notes": "; ".join(record["notes"]), "command": command(record)}
        lines.append({column: own[column] if column in own else record[column] for column in COLUMNS})
    return lines


def to_csv(lines: Sequence[dict[str, Any]]) -> str:
    """Write the lines of :func:`tabulate_runs` as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()
