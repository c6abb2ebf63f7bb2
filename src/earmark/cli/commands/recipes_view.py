"""How ``earmark train --list-recipes`` looks: what each recipe makes, what it needs and how long it takes."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from earmark.training import sweeps
from earmark.training.registry import LOG, describe_recipe, list_recipes, open_recipe

_ORDER = ("encoder", "paper", "attention", "lstm", "rnn", "mlp", "logistic", "svm")
"""Beginnings of names: those for music of one's own first, those of the paper's figures after them."""


def render_recipes() -> RenderableType:
    """Return a table of the recipes, and how others are named."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("recipe", no_wrap=True, style="bold")
    table.add_column("what it makes")
    for name in ("needs", "time"):
        table.add_column(name, no_wrap=True)
    for name in sorted(list_recipes(), key=lambda name: _ORDER.index(name.partition("-")[0])):
        what, time = describe_recipe(name)
        table.add_row(Text(name), Text(what), _name_need(name), Text(time))
    notes = (
        "time: learning from some 350 excerpts of 30 s on two cores, once they are decoded.",
        "needs: PyTorch comes with the extra 'learn'; scikit-learn with it and with 'train'.",
        f"{LOG} after a name of the paper's figures takes levels in dB: lstm-2x250{LOG}.",
        f"The searches behind the figures ({', '.join(sweeps.list_sweeps())}) have more, such as "
        f"{', '.join(sweeps.list_recipes(sweep)[1] for sweep in sweeps.list_sweeps())}.",
    )
    return Group(table, Text(), *(Text(note, style="dim") for note in notes))


def _name_need(name: str) -> Text:
    recipe = open_recipe(name)
    if recipe.kind == "svm":
        return Text("reproduce only", style="dim")
    return Text("PyTorch" if recipe.is_network else "scikit-learn")
