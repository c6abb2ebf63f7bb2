"""Recipes in words, as tables and figures call them."""

from __future__ import annotations

from earmark.networks.settings import NetworkSettings
from earmark.paper.rows import PAPER
from earmark.training import sweeps
from earmark.training.recipe import Recipe
from earmark.training.registry import LOG

# Protocols as headings, in the order of the report: what leaks least first, the paper's own last.
PROTOCOLS = {
    "artist": "Artist split",
    "fault-filtered": "Fault-filtered",
    "track": "Track split",
    "clip": "Clip split",
}
_SCORERS = {
    "dot": "",
    "scaled-dot": ", scaled-dot scores",
    "general": ", general scores",
    "additive": ", additive scores",
    "learned": ", a learned query",
}


def full_name(name: str, recipe: Recipe) -> str:
    """Return what a table calls a model, given its recipe and the recipe's name; the paper's rows as in the paper.

    Examples
    --------
    >>> from earmark.training.registry import open_recipe
    >>> full_name("lstm-2x500", open_recipe("lstm-2x500"))
    'LSTM, 2 layers of 500'
    """
    base = name.removesuffix(LOG)
    if base in PAPER:
        return PAPER[base][0]
    if base not in sweeps.list_recipes():
        return name
    if recipe.mlp:
        return f"MLP, {recipe.mlp.units} hidden units, {recipe.mlp.activation}"
    network = recipe.network
    scorer = _SCORERS[network.attention] if network.attention else ""
    both = ", both ways" if network.bidirectional else ""
    plural = "layer" if network.layers == 1 else "layers"
    return f"{family(network)}, {network.layers} {plural} of {network.units}{both}{scorer}"


def short_name(name: str, recipe: Recipe) -> str:
    """Return what figures call a model: short enough for a column's width.

    Examples
    --------
    >>> from earmark.training.registry import open_recipe
    >>> short_name("attention-2x60-log", open_recipe("attention-2x60-log"))
    'Attention 2×60, dB'
    """
    base = name.removesuffix(LOG)
    if base not in PAPER and base not in sweeps.list_recipes():
        return name
    return _short(recipe, base) + (", dB" if name != base else "")


def _short(recipe: Recipe, base: str) -> str:
    if recipe.svm:
        kernel = recipe.svm.kernel
        return f"SVM {kernel}" + (f", {recipe.svm.penalty.upper()}" if kernel == "linear" else "")
    if recipe.logistic:
        return f"Logistic, {recipe.logistic.multiclass}"
    if recipe.mlp:
        return f"MLP {recipe.mlp.units}, {recipe.mlp.activation}"
    network = recipe.network
    kind = "Attention" if network.attention else network.cell.upper()
    # not for the paper's rows: all of them score by the dot product (section 3.2.3)
    scorer = f" {network.attention}" if network.attention and network.attention in base else ""
    both = ", both ways" if network.bidirectional else ""
    return f"{kind}{scorer} {network.layers}×{network.units}{both}"


def family(network: NetworkSettings) -> str:
    """Return the kind of a recurrent network.

    Examples
    --------
    >>> family(NetworkSettings(attention="dot"))
    'LSTM with attention'
    """
    return network.cell.upper() + (" with attention" if network.attention else "")
