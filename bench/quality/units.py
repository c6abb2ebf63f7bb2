"""Do a unit's weights sound like what excites it? ``python bench/quality/units.py [--strength S] [--units N]``.

Weights → sound → front end → network: the mean activation of units while their own sound is heard, while those of other
units are, and while their own is heard with the weights' sign turned round. For the bundled models whose recurrence
reads frames.
"""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

from earmark.auralization.input_weights import input_weights
from earmark.auralization.units import UnitProbe
from earmark.inference.model import open_model

MODELS = ("paper-lstm-2x250", "paper-attention-2x60")


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strength", type=float, default=1.0, help="standard deviations")
    parser.add_argument("--units", type=int, default=30, help="of each model")
    options = parser.parse_args()
    shown = Table("model", "own", "others", "own, negated", "own above others")
    for name in MODELS:
        model = open_model(name)
        probe, weights = UnitProbe(model), input_weights(model)
        units = np.linspace(0, probe.n_units - 1, options.units).astype(int)
        heard, negated = (
            probe.activations(
                np.stack([model.card.front_end(weights.synthesize(u, strength=s * options.strength)) for u in units])
            ).mean(axis=1)[:, units]  # (sounds, units)
            for s in (1, -1)
        )
        own = np.diag(heard)
        others = (heard.sum(axis=0) - own) / (len(own) - 1)
        figures = (own.mean(), others.mean(), np.diag(negated).mean())
        shown.add_row(name, *(f"{x:.2f}" for x in figures), f"{np.mean(own > others):.0%}")
    Console().print(shown)


if __name__ == "__main__":
    main()
