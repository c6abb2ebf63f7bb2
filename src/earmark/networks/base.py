"""What every network here can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph

_STATISTICS_CLIPS, _BATCH = 4096, 256
"""Training clips, or fewer, from which the scale of inputs is learned; and how many at once."""


class Network(nn.Module, ABC):
    """A classifier of clips, which gives logits and attention and writes itself as ONNX.

    A batch is ``(clips, frames, bins)``. Clips of different lengths share it by filling: NaN frames at the end, which
    change no answer.
    """

    min_frames: int
    """Fewest frames that it can say anything about."""

    def fit_input_statistics(self, x: Tensor) -> None:
        """Learn the scale of the inputs from training clips (clips, frames, bins), where the network has to."""

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


def sample_batches(x: Tensor) -> Iterator[Tensor]:
    """Yield training clips (clips, …) a few at a time, each time some from everywhere; of many, not all."""
    x = x[:: len(x) // _STATISTICS_CLIPS + 1]
    # the quotient, rounded up
    count = -(-len(x) // _BATCH)
    return (x[i::count] for i in range(count))
