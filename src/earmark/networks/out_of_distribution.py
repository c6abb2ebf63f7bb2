"""Out of distribution: the less a sound resembles the training clips, the less sure an answer to it may be.

A softmax is as sure of a dial tone as of a song: it only asks which genre fits *better*. So the distance of a clip
from all training clips, in the features that the network reads, flattens its probabilities. What is named does
not change; how surely, does; and an answer that is not sure enough is "unknown".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from sklearn.covariance import ledoit_wolf
from torch import Tensor, nn

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph

_FEW, _MANY = 16, 200
"""Directions: noise gives itself away in the few in which music differs most, speech in the many."""

_CLIPS_A_DIRECTION = 10
"""Training clips that it takes to know another direction."""

_USUAL = 0.9
"""Share of the training clips that lie near enough to keep their full confidence."""


class MahalanobisTemperature(nn.Module):
    """What to divide the logits of a clip by: 1 where it is like the training clips, more where it is not.

    The distance is Mahalanobis' (Lee et al., "A simple unified framework for detecting out-of-distribution samples",
    2018) of the clip's mean features, the covariance shrunk by Ledoit and Wolf (2004), in the 16 and in the 200
    directions of largest variance; each relative to the distance within which 90 % of the training clips lie. The
    larger one counts, raised to a power.

    Parameters
    ----------
    size : int
        Features a frame or window.
    steepness : float
        The power.
    """

    mean: Tensor
    directions: Tensor
    reach: Tensor

    def __init__(self, size: int, steepness: float) -> None:
        super().__init__()
        self.steepness = steepness
        self.few, self.many = min(_FEW, size), min(_MANY, size)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("directions", torch.zeros(size, self.many))  # to whitened coordinates
        self.register_buffer("reach", torch.ones(2))

    def fit(self, means: Tensor) -> None:
        """Learn where training clips lie, from their mean features (clips, size)."""
        # a constant feature must not be divided by zero
        deviation = means.std(0, correction=0) + 1e-4
        # in double precision: eigenvalues span many decades
        covariance, _ = ledoit_wolf(((means - means.mean(0)) / deviation).double().numpy(), assume_centered=True)
        variance, axes = torch.linalg.eigh(torch.from_numpy(covariance))  # ascending
        # few clips say nothing of the smaller directions
        known = max(1, min(self.many, len(means) // _CLIPS_A_DIRECTION))
        # z = V^T (x - μ) / √λ, the largest variance first
        scaled = axes.flip(1)[:, :known] / variance.flip(0)[:known].sqrt()
        self.mean.copy_(means.mean(0))
        self.directions.zero_()
        # the rest stay 0: they shrink all distances alike, and the reach with them
        self.directions[:, :known] = scaled.float() / deviation[:, None]
        # the distance within which 90 % of the training clips lie
        self.reach.copy_(torch.quantile(self._distances(means), _USUAL, dim=0).clamp(min=1e-4))

    def forward(self, x: Tensor) -> Tensor:
        """Return the divisors, 1 or more: (clips, frames or windows, size), NaN is filling → (clips, 1)."""
        farthest: Tensor = (self._distances(x.nanmean(1)) / self.reach).amax(1, keepdim=True)
        # max(1, d / d_90) ** steepness
        return farthest.clamp(min=1) ** self.steepness

    def _distances(self, means: Tensor) -> Tensor:
        """Return the root mean square of the few and of the many whitened coordinates: (clips, size) → (clips, 2)."""
        squares = ((means - self.mean) @ self.directions) ** 2
        return torch.stack([squares[:, : self.few].mean(1), squares.mean(1)], dim=1).sqrt()

    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write the same into an ONNX graph, for clips without filling."""
        centred = graph("Sub", graph("ReduceMean", x, axes=[1], keepdims=0), graph.constant(self.mean))
        z = graph("MatMul", centred, graph.constant(self.directions))
        squares = graph("Mul", z, z)
        some = graph("Slice", squares, graph.integers(0), graph.integers(self.few), graph.integers(1))
        both = graph("Concat", *(graph("ReduceMean", part, axes=[1]) for part in (some, squares)), axis=1)
        relative = graph("Div", graph("Sqrt", both), graph.constant(self.reach))
        farthest = graph("Max", graph("ReduceMax", relative, axes=[1]), graph.constant(1.0))
        return graph("Pow", farthest, graph.constant(self.steepness))
