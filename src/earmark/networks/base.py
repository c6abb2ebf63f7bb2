"""What every network here can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph


def list_layers(layers: nn.Sequential | nn.ModuleList) -> list[Any]:
    """Return layers as what they are: torch types every member as any module."""
    return list(layers)


class Network(nn.Module, ABC):
    """A classifier of clips, which gives logits and attention and writes itself as ONNX.

    A batch is ``(clips, frames, bins)``. Clips of different lengths share it by filling: NaN frames at the end, which
    change no answer.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Classify clips (clips, frames, bins).

        Returns
        -------
        logits : Tensor, shape (clips, classes)
        attention : Tensor of shape (clips, frames), or None
            Weights that sum to 1 over a clip's real frames and are 0 on filling.
        """

    @abstractmethod
    def to_onnx(self, graph: Graph, x: str) -> tuple[str, str | None]:
        """Write the forward pass into an ONNX graph; returns the names of logits and attention."""
