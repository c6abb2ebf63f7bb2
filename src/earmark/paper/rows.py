"""The rows of a reproduction: which recipes, under which protocols, seeds and folds."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from pathlib import PurePosixPath

from earmark.data.splits import Fold, Protocol
from earmark.errors import SettingError
from earmark.training import sweeps
from earmark.training.registry import LOG, open_recipe

# The paper's fifteen rows: in words, and the clip accuracy that it prints (Figures 3 and 5).
PAPER: dict[str, tuple[str, float]] = {
    "svm-linear-l2": ("Linear SVM, L2 penalty, squared hinge", 0.343),
    "svm-linear-l1": ("Linear SVM, L1 penalty, squared hinge", 0.353),
    "svm-rbf": ("SVM, RBF kernel", 0.405),
    "svm-poly": ("SVM, polynomial kernel", 0.169),
    "svm-sigmoid": ("SVM, sigmoid kernel", 0.0958),
    "logistic-ovr": ("Logistic regression, one-versus-rest", 0.3825),
    "logistic-multinomial": ("Logistic regression, multinomial", 0.3892),
    "mlp-125-relu": ("MLP, 125 hidden units, ReLU", 0.68),
    "mlp-125-sigmoid": ("MLP, 125 hidden units, sigmoid", 0.7),
    "rnn-1x125": ("Vanilla RNN, 1 layer of 125", 0.54),
    "rnn-2x125": ("Vanilla RNN, 2 layers of 125", 0.655),
    "lstm-1x250": ("Vanilla LSTM, 1 layer of 250", 0.745),
    "lstm-2x250": ("Vanilla LSTM, 2 layers of 250", 0.79),
    "attention-1x500": ("LSTM with attention, 1 layer of 500", 0.7316),
    "attention-2x60": ("LSTM with attention, 2 layers of 60", 0.758),
}
FIGURE_3, FIGURE_5 = tuple(PAPER)[:9], tuple(PAPER)[9:]

# What the paper says of other work (Figure 4).
OTHERS = {
    "Bergstra et al. 2006": 0.825,
    "Li et al. 2003": 0.785,
    "Lidy et al. 2007": 0.768,
    "Benetos et al. 2008": 0.75,
    "Holzapfel et al. 2008": 0.74,
    "Tzanetakis et al. 2002": 0.61,
}
_GROUPS = {"figure-3": FIGURE_3, "figure-5": FIGURE_5}


@dataclass(frozen=True)
class Row:
    """One model to be fitted and evaluated; `recipe` is a name or the path of a TOML file."""

    recipe: str
    protocol: Protocol
    seed: int = 0
    fold: Fold | None = None

    @property
    def name(self) -> str:
        """The recipe without folder and suffix."""
        return PurePosixPath(self.recipe).stem if self.recipe.endswith(".toml") else self.recipe

    @property
    def place(self) -> PurePosixPath:
        """Where its results lie, below the folder of all rows."""
        fold = f"-fold-{self.fold.index}-of-{self.fold.count}" if self.fold else ""
        return PurePosixPath(self.protocol, self.name, f"seed-{self.seed}{fold}")

    def command(self, corpus: str, epochs: int | None = None) -> str:
        """Return the command that runs just this row again; of a cross-validation, with its other turns.

        `epochs` is the limit on epochs, where it is not the recipe's own.
        """
        options = ["--rows", self.recipe, "--protocol", self.protocol, "--first-seed", str(self.seed)]
        options += ["--epochs", str(epochs)] if epochs else []
        options += ["--folds", str(self.fold.count)] if self.fold else []
        return shlex.join(["earmark", "reproduce", corpus, "-o", "again", *options])


def choose_rows(
    patterns: Sequence[str],
    protocols: Sequence[Protocol],
    *,
    seeds: Sequence[int] = (0,),
    folds: int | None = None,
) -> list[Row]:
    """List rows, protocol by protocol, those of the paper in its order.

    The patterns are those of :func:`choose_recipes`. With `folds`, each row becomes so many, one a turn of the
    cross-validation.
    """
    recipes = choose_recipes(patterns)
    turns = [Fold(i, folds) for i in range(folds)] if folds else [None]
    return [
        Row(recipe, protocol, seed, fold)
        # the last varies fastest: all recipes, then the next fold, seed, protocol
        for protocol, seed, fold, recipe in product(dict.fromkeys(protocols), dict.fromkeys(seeds), turns, recipes)
    ]


def choose_recipes(patterns: Sequence[str]) -> list[str]:
    """Resolve what a user asks for into names of recipes.

    Parameters
    ----------
    patterns : sequence of str
        Each is a name of a recipe, a TOML file, "figure-3", "figure-5", the name of a sweep
        (:mod:`earmark.training.sweeps`), or a pattern such as ``lstm-*``, which chooses among the paper's fifteen, or
        else among all sweeps. ``-log`` at its end chooses their logarithmic variants.

    Raises
    ------
    SettingError
        If a pattern fits nothing.

    Examples
    --------
    >>> choose_recipes(["lstm-*", "rnn-*-log"])
    ['lstm-1x250', 'lstm-2x250', 'rnn-1x125-log', 'rnn-2x125-log']
    """
    return list(dict.fromkeys(name for pattern in patterns for name in _resolve(pattern)))


def _resolve(pattern: str) -> list[str]:
    plain, log = pattern.removesuffix(LOG), LOG if pattern.endswith(LOG) else ""
    if plain in _GROUPS:
        return [name + log for name in _GROUPS[plain]]
    if plain in sweeps.list_sweeps():
        return [name + log for name in sweeps.list_recipes(plain)]
    # no pattern, but the name of a recipe, or a file
    if not any(sign in pattern for sign in "*?["):
        try:
            open_recipe(pattern)
        except SettingError as error:
            groups = [*_GROUPS, *sweeps.list_sweeps()]
            near = difflib.get_close_matches(pattern, groups, 1)
            raise SettingError(f"{error}" + (f", or the rows {near[0]!r}" if near else "")) from error
        return [pattern]
    for known in (tuple(PAPER), sweeps.list_recipes()):
        if found := [name + log for name in known if fnmatchcase(name, plain)]:
            return found
    raise SettingError(f"no rows fit {pattern!r}; the paper's are {', '.join(PAPER)}")
