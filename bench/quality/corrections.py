"""What corrections teach: ``python bench/quality/corrections.py GTZAN`` prints a table and draws docs/corrections.png.

The base is the linear head of ``bench/make_models.py``, learned from GTZAN's *train* part alone. The shelf is the sound
of the *valid* part, which it has not met. Each round divides the shelf at random, by genre, into a half of which tracks
are corrected and one that judges; corrections are chosen all at once, as a person goes through a list. "Rest" chooses
among the whole shelf, and is judged by what was not chosen: that may be the easier part.

Penalty and shrinkage were chosen by corrections of *train*, answered in three folds by artist, and of all sound, in
five: there few corrections do harm unless the penalty is strong. Weaker ones would do better on this shelf alone.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))
import make_models as base
from threadpoolctl import threadpool_limits

from earmark.data.gtzan import load_index
from earmark.evaluation import metrics
from earmark.evaluation.calibration import Answers, calibrate
from earmark.library.review import measure_similarity, select_representatives
from earmark.plotting import BLUE, QUIET, figure_style, make_figure, percent_ticks, render_figure
from earmark.training.adapt import Residual
from earmark.training.corrections import Corrections
from earmark.training.pipeline import log_probabilities
from earmark.training.residual import ResidualSoftmax, ShrunkWhitening

ROUNDS, BUDGETS, FOLDS = 20, (0, 5, 10, 20, 30, 40, 50), 3
LEAST_TRACKS = 10
"""Genres with fewer tracks on the shelf (four of ten) count in the accuracy, not in the mean recall."""

EXAMPLES = (1, 3, 5)
"""Examples of a genre that the base has never met."""

Select = Callable[[NDArray[np.intp], int, np.random.Generator], NDArray[np.intp]]
Figures = tuple[float, float]


class Shelf:
    """Tracks with what the base says of them.

    Parameters
    ----------
    train, valid : sequence of make_models.Examples
        Whole, short and other sound, and of `train` the arrays too.
    temperature : float
        Of the base.
    without : str
        A genre that the base never meets.
    """

    def __init__(
        self, train: list[base.Examples], valid: list[base.Examples], temperature: float, without: str = ""
    ) -> None:
        known = [base.take(part, part.genres != without) for part in train]
        head = base.fit_head(known[:3], known[3], known[0])
        self.labels = tuple(str(label) for label in head.classes_)
        tracks, owner = join(valid)
        features = np.concatenate([part.features for part in valid])
        log_p = log_probabilities(head, features[:, None].astype(np.float32))
        n, counts = len(tracks), np.bincount(owner)[:, None]
        pooled, means = np.zeros((n, len(self.labels))), np.zeros((n, features.shape[1]))
        np.add.at(pooled, owner, log_p)
        np.add.at(means, owner, features)
        self.answers = metrics.softmax(pooled / counts / temperature)
        # as a library keeps them
        self.features = (means / counts).astype(np.float16).astype(np.float32)
        self.genres = np.array([track.genre for track in tracks])
        self.whitening = ShrunkWhitening().fit(self.features)
        self.doubt = (1 - self.answers.max(axis=1)).astype(np.float32)
        names, sizes = np.unique(self.genres, return_counts=True)
        self.large = names[sizes >= LEAST_TRACKS]

    def corrections(self, tracks: NDArray[np.intp]) -> Corrections:
        """Return these tracks as a library would give them, corrected."""
        genres = tuple(map(str, self.genres[tracks]))
        return Corrections(genres, self.features[tracks], self.answers[tracks], tracks, self.whitening)

    def adapt(self, tracks: NDArray[np.intp]) -> NDArray[np.str_]:
        """Learn from these tracks, and name all."""
        corrections = self.corrections(tracks)
        labels = (*self.labels, *corrections.list_new(self.labels))
        best = Residual(corrections, labels).predict_proba(self.features, self.answers).argmax(axis=1)
        return np.array(labels)[best]

    def forget_base(self, tracks: NDArray[np.intp]) -> NDArray[np.str_]:
        """Learn from these tracks alone, and name all."""
        X = self.whitening.transform(self.features)
        return ResidualSoftmax().fit(X[tracks], self.genres[tracks]).predict(X)

    def score(self, named: NDArray[np.str_], judges: NDArray[np.intp]) -> Figures:
        """Return mean recall over the large genres, and accuracy over all."""
        right = named == self.genres
        recalls = [right[own].mean() for g in self.large if len(own := judges[self.genres[judges] == g])]
        return float(np.mean(recalls)), float(right[judges].mean())

    def halve(self, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Divide the tracks of each genre at random; an odd one goes to either half."""
        chosen = np.zeros(len(self.genres), bool)
        for genre in np.unique(self.genres):
            own = rng.permutation(np.flatnonzero(self.genres == genre))
            chosen[own[: (len(own) + rng.integers(2)) // 2]] = True
        return np.flatnonzero(chosen), np.flatnonzero(~chosen)

    def review(self, tracks: NDArray[np.intp], n: int, _: np.random.Generator) -> NDArray[np.intp]:
        """Select as ``earmark library --review`` does of tracks without tags and albums."""
        return tracks[select_representatives(measure_similarity(list(self.features[tracks])), self.doubt[tracks], n)]

    def least_confident(self, tracks: NDArray[np.intp], n: int, _: np.random.Generator) -> NDArray[np.intp]:
        """Select by doubt alone."""
        return tracks[np.argsort(-self.doubt[tracks])[:n]]


def random(tracks: NDArray[np.intp], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Select at random."""
    return rng.permutation(tracks)[:n]


def join(parts: list[base.Examples]) -> tuple[list[base.Track], NDArray[np.intp]]:
    """Return the tracks of several parts, and whose each clip is."""
    starts = np.cumsum([0, *(len(part.tracks) for part in parts)])
    owner = np.concatenate([part.track + start for part, start in zip(parts, starts, strict=False)])
    return [track for part in parts for track in part.tracks], owner


def fit_temperature(train: list[base.Examples]) -> float:
    """Return the base's temperature, from folds of `train` by artist."""
    log_p, _ = base.cross_validate(*train, seed=0, folds=FOLDS)
    tracks, owner = join(train[:2])
    labels = tuple(np.unique([track.genre for track in tracks]))
    y = np.array([labels.index(tracks[i].genre) for i in owner])
    return calibrate(Answers(log_p, owner, y, labels)).track_temperature


def measure_curves(shelf: Shelf) -> dict[str, dict[int, list[tuple[Figures, Figures]]]]:
    """Return, for each way to choose and each number of corrections, each round's figures of half and rest."""
    found: dict[str, dict[int, list[tuple[Figures, Figures]]]] = {}
    ways: dict[str, Select] = {"review": shelf.review, "least confident": shelf.least_confident, "random": random}
    everything = np.arange(len(shelf.genres))
    for name, select in ways.items():
        found[name] = defaultdict(list)
        for seed in range(ROUNDS):
            pool, judges = shelf.halve(np.random.default_rng(seed))
            for n in BUDGETS:
                chosen, of_all = (select(part, n, np.random.default_rng(seed)) for part in (pool, everything))
                half = shelf.score(name_all(shelf, chosen), judges)
                rest = shelf.score(name_all(shelf, of_all), np.setdiff1d(everything, of_all))
                found[name][n].append((half, rest))
    return found


def name_all(shelf: Shelf, chosen: NDArray[np.intp]) -> NDArray[np.str_]:
    """Name all tracks by what was learned from some; by the base where there are none."""
    return shelf.adapt(chosen) if len(chosen) else np.array(shelf.labels)[shelf.answers.argmax(axis=1)]


def print_curves(found: dict[str, dict[int, list[tuple[Figures, Figures]]]]) -> None:
    """Print means over the rounds."""
    print(f"{'chosen by':16} {'n':>3}   half: recall, accuracy   rest: recall, accuracy   (means of {ROUNDS} rounds)")
    for name, budgets in found.items():
        for n, rounds in budgets.items():
            (a, b), (c, d) = np.mean(rounds, axis=0)
            print(f"{name:16} {n:3}   {a:12.3f} {b:9.3f}   {c:12.3f} {d:9.3f}")


def print_learners(shelf: Shelf) -> None:
    """Print what other learners make of the same corrections, chosen by review."""
    for n in (10, 30, 50):
        for name, learn in (("beyond base", shelf.adapt), ("corrections only", shelf.forget_base)):
            rounds = []
            for seed in range(ROUNDS):
                pool, judges = shelf.halve(np.random.default_rng(seed))
                rounds.append(shelf.score(learn(shelf.review(pool, n, np.random.default_rng(seed))), judges))
            recall, accuracy = np.mean(rounds, axis=0)
            print(f"learner {name:16} {n:3} corrections: recall {recall:.3f}, accuracy {accuracy:.3f}")


def print_new_genres(make_shelf: Callable[..., Shelf], genres: NDArray[np.str_]) -> None:
    """Print how a genre is learned that the base has never met: beside 20 corrections of others, by review."""
    figures = defaultdict(list)
    for genre in genres:
        shelf = make_shelf(without=str(genre))
        for seed in range(ROUNDS // 2):
            rng = np.random.default_rng(seed)
            pool, judges = shelf.halve(rng)
            is_new = shelf.genres == genre
            others = shelf.review(pool[~is_new[pool]], 20, rng)
            for n in (0, *EXAMPLES):
                named = name_all(shelf, np.append(others, rng.permutation(pool[is_new[pool]])[:n]))
                right = (named == shelf.genres)[judges]
                figures[n].append((right[is_new[judges]].mean(), right[~is_new[judges]].mean()))
    for n, rounds in figures.items():
        new, old = np.mean(rounds, axis=0)
        print(f"new genre, {n} examples and 20 of others: {new:.2f} of its tracks found, {old:.2f} of the others right")


def draw(found: dict[str, dict[int, list[tuple[Figures, Figures]]]], path: Path) -> None:
    """Draw both figures of the held-out half against the number of corrections, with the middle half of the rounds."""
    with figure_style():
        figure, panels = make_figure(62, 1, 2, width=130)
        for panel, (which, title) in zip(panels, enumerate(("Mean recall, %", "Accuracy, %")), strict=True):
            for name, colour in (("review", BLUE), ("random", QUIET)):
                rows = np.array([[half[which] for half, _ in found[name][n]] for n in BUDGETS])  # (budgets, rounds)
                low, high = np.quantile(rows, (0.25, 0.75), axis=1)
                panel.fill_between(BUDGETS, low, high, color=colour, alpha=0.15, linewidth=0)
                label = "chosen by --review" if name == "review" else "chosen at random"
                panel.plot(BUDGETS, rows.mean(axis=1), color=colour, label=label)
            panel.set_title(title)
            panel.set_xlabel("corrections")
            percent_ticks(panel.yaxis)
            panel.grid(axis="y")
        panels[0].legend(loc="lower right")
        drawing = render_figure(figure, path.stem, "", "", "")
    path.write_bytes(drawing.png)


@threadpool_limits.wrap(1, "blas")
def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gtzan", type=Path)
    folder = Path(__file__).parents[2] / "docs"
    parser.add_argument("-o", "--output", type=Path, default=folder / "corrections.png", metavar="FILE")
    options = parser.parse_args()
    sound = [base.hear(options.gtzan / part) for part in ("audio", "short", "16khz")]
    arrays = base.read_blurred(options.gtzan / "logmel_639x128x387_u8.npz")
    train = [select_part(part, "train") for part in (*sound, arrays)]
    whole, short, extra = (select_part(part, "valid") for part in sound)
    # of one track there are two excerpts
    valid = [whole, short, base.take(extra, ~np.isin([t.id for t in extra.tracks], [t.id for t in short.tracks]))]
    make_shelf = partial(Shelf, train, valid, fit_temperature(train))
    shelf = make_shelf()
    print(f"{len(shelf.genres)} tracks; mean recall over {', '.join(shelf.large)}")
    found = measure_curves(shelf)
    print_curves(found)
    print_learners(shelf)
    print_new_genres(make_shelf, shelf.large)
    draw(found, options.output)


def select_part(examples: base.Examples, part: str) -> base.Examples:
    """Return the tracks of one part of the fault-filtered split."""
    index = load_index()
    return base.take(examples, np.array([index[track.id].fault_filtered == part for track in examples.tracks]))


if __name__ == "__main__":
    main()
