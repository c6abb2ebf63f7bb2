"""The searches behind the paper's tables: each is a family of recipes, named by what varies (Section 5.1).

==========================  ============================================================================
``recurrent``               {rnn, lstm, attention} × {1, 2} layers × {60, 125, 250, 500, 1000} units:
                            ``lstm-2x500``
``mlp``                     {60, 125, 250, 500, 1000} units × {relu, leaky-relu, sigmoid, tanh, elu, none}:
                            ``mlp-250-elu``
``scorers``                 the attention scorers, on the paper's best attention network:
                            ``attention-general-2x60``
``bidirectional``           a first layer that reads both ways: ``bilstm-2x250``, ``biattention-2x60``
==========================  ============================================================================
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import get_args

from earmark.errors import SettingError
from earmark.networks.settings import MlpSettings, NetworkSettings
from earmark.training.recipe import Recipe

LAYERS = (1, 2)
UNITS = (60, 125, 250, 500, 1000)
FAMILIES = ("rnn", "lstm", "attention")
ACTIVATIONS = get_args(MlpSettings.model_fields["activation"].annotation)
SCORERS = get_args(get_args(NetworkSettings.model_fields["attention"].annotation)[0])  # without None


def list_recipes(sweep: str | None = None) -> list[str]:
    """Return the names of the recipes of one sweep, in its order, or of all sweeps.

    Examples
    --------
    >>> list_recipes("scorers")[:2]
    ['attention-dot-2x60', 'attention-scaled-dot-2x60']
    """
    if sweep is None:
        return [name for recipes in _sweeps().values() for name in recipes]
    if sweep not in _sweeps():
        raise SettingError(f"no sweep {sweep!r}: there are {', '.join(_sweeps())}")
    return list(_sweeps()[sweep])


def list_sweeps() -> list[str]:
    """Return the names of the sweeps."""
    return list(_sweeps())


def get_recipe(name: str) -> Recipe:
    """Return the recipe of that name, one of :func:`list_recipes`."""
    return next(recipes[name] for recipes in _sweeps().values() if name in recipes)


@cache
def _sweeps() -> dict[str, dict[str, Recipe]]:
    return {
        "recurrent": {
            f"{family}-{layers}x{units}": _recurrent(family, layers, units)
            for family, layers, units in product(FAMILIES, LAYERS, UNITS)
        },
        "mlp": {
            f"mlp-{units}-{activation}": Recipe(mlp=MlpSettings(units=units, activation=activation))
            for units, activation in product(UNITS, ACTIVATIONS)
        },
        "scorers": {
            f"attention-{scorer}-2x60": Recipe(network=NetworkSettings(layers=2, units=60, attention=scorer))
            for scorer in SCORERS
        },
        "bidirectional": {
            "bilstm-2x250": Recipe(network=NetworkSettings(layers=2, units=250, bidirectional="first")),
            "biattention-2x60": Recipe(
                network=NetworkSettings(layers=2, units=60, attention="dot", bidirectional="first")
            ),
        },
    }


def _recurrent(family: str, layers: int, units: int) -> Recipe:
    return Recipe(
        network=NetworkSettings(
            cell="rnn" if family == "rnn" else "lstm",
            layers=layers,
            units=units,
            attention="dot" if family == "attention" else None,
        )
    )
