"""How ``earmark train --list-recipes`` looks: what each recipe makes, what it needs and how long it takes."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from earmark.training import sweeps
from earmark.training.registry import LOG, describe_recipe, list_recipes, open_recipe

_GROUPS = {
    ("for your own music", "on the pretrained encoder"): ("encoder-linear", "encoder-multilabel", "encoder"),
    ("the paper's networks", "from random weights"): ("paper", "attention", "lstm", "rnn"),
    ("the paper's baselines", "from random weights"): ("mlp", "logistic", "svm"),
}
"""Headings, and how the names below them begin."""


def render_recipes() -> RenderableType:
    """Return a table of the recipes, and how others are named."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for column in ("recipe", "what it makes", "needs", "time"):
        table.add_column(column, no_wrap=column != "what it makes")
    for heading, kinds in _GROUPS.items():
        table.add_row(Text(f"\n{heading[0]}", style="dim"), Text(f"\n{heading[1]}", style="dim"))
        for name in dict.fromkeys(name for kind in kinds for name in list_recipes() if name.startswith(kind)):
            what, time = describe_recipe(name)
            need = "PyTorch" if open_recipe(name).is_network else "scikit-learn"
            table.add_row(Text(name, style="bold"), Text(what), Text(need), Text(time))
    notes = (
        "time: about, of learning from 350 excerpts of 30 s on two cores, once decoded",
        "needs: scikit-learn comes with the extra 'train', PyTorch with 'learn'",
        "SVMs have no model file: they are for earmark reproduce",
        f"{LOG} after one of the paper's names takes levels in dB: lstm-2x250{LOG}",
        *(f"more, of the search {sweep!r}: {_give_example(sweep)}" for sweep in sweeps.list_sweeps()),
    )
    return Group(table, Text(), *(Text(note, style="dim") for note in notes))


def _give_example(sweep: str) -> str:
    first, *_, last = sweeps.list_recipes(sweep)
    return f"{first} … {last}"
