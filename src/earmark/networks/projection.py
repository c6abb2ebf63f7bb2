"""A projection: many features → few, before a recurrence reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from earmark.networks.settings import NetworkSettings

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph

_FARTHEST = 5.0
"""Standard deviations beyond which a feature says no more."""


class Projection(nn.Module):
    """Many features → few: standardised, clamped, mixed linearly, batch-normalised, rectified.

    Parameters
    ----------
    size : int
        Numbers a frame that come in.
    settings : NetworkSettings
        Units in ``projection``; ``input_dropout`` of what enters and ``dropout`` of what leaves.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, size: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.mix = nn.Linear(size, settings.projection)
        self.norm = nn.BatchNorm1d(settings.projection)
        self.input_dropout, self.dropout = nn.Dropout(settings.input_dropout), nn.Dropout(settings.dropout)

    def fit_input_statistics(self, rows: Tensor) -> None:
        """Learn mean and deviation of each feature from frames (frames, size)."""
        self.mean.copy_(rows.mean(0))
        # a constant feature must not be divided by zero
        self.scale.copy_(rows.std(0) + 1e-4)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """Project real frames; zeros elsewhere. (clips, frames, size) → (clips, frames, units)."""
        # only real rows, so that filling does not move the norm's statistics
        rows = ((x[real] - self.mean) / self.scale).clamp(-_FARTHEST, _FARTHEST)  # (real frames, size)
        rows = self.dropout(self.norm(self.mix(self.input_dropout(rows))).relu())
        projected: Tensor = rows.new_zeros(*real.shape, rows.shape[1])
        projected[real] = rows
        return projected

    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write the same into an ONNX graph, for clips without filling."""
        x = graph("Div", graph("Sub", x, graph.constant(self.mean)), graph.constant(self.scale))
        x = graph("Clip", x, graph.constant(-_FARTHEST), graph.constant(_FARTHEST))
        return graph("Relu", graph.batch_norm(self.norm, graph.linear(self.mix, x)))
