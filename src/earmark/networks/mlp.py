"""The paper's baseline network: a whole clip at once through one hidden layer (Section 5.1, Figure 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from earmark.networks.base import Network
from earmark.networks.settings import MlpSettings

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph

_MODULES = {
    "relu": nn.ReLU(),
    "leaky-relu": nn.LeakyReLU(0.1),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "elu": nn.ELU(),
    "none": nn.Identity(),
}


class MlpNetwork(Network):
    """Clip → one hidden layer → class logits: ``y = W_2 f(W_1 x + b_1) + b_2``, with x the frames one after another.

    Parameters
    ----------
    n_frames, n_bins : int
        Size of a clip; a shorter one is filled with zeros, the mean of standardised input.
    n_classes : int
    settings : MlpSettings
        f is its ``activation``.
    """

    def __init__(self, n_frames: int, n_bins: int, n_classes: int, settings: MlpSettings) -> None:
        super().__init__()
        self.n_frames, self.activation = n_frames, settings.activation
        self.hidden = nn.Linear(n_frames * n_bins, settings.units)
        self.output = nn.Linear(settings.units, n_classes)
        self.dropout = nn.Dropout(settings.dropout)
        for layer in (self.hidden, self.output):  # as in the authors' code
            nn.init.trunc_normal_(layer.weight, std=0.1, a=-0.2, b=0.2)
            nn.init.constant_(layer.bias, 0.1)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Classify clips, whose frames may be fewer than those of training, not more; see :meth:`Network.forward`."""
        if x.shape[1] > self.n_frames:
            raise ValueError(f"a clip has {x.shape[1]} frames, but this network reads {self.n_frames}")
        # torch counts from the last axis: (bins before, after, frames before, after)
        x = nn.functional.pad(x.nan_to_num(0.0), (0, 0, 0, self.n_frames - x.shape[1]))
        hidden = _MODULES[self.activation](self.hidden(x.flatten(1)))  # (clips, units)
        return self.output(self.dropout(hidden)), None

    def to_onnx(self, graph: Graph, x: str) -> tuple[str, None]:
        """Write the same into an ONNX graph."""
        hidden = graph.linear(self.hidden, graph.flatten(x, self.n_frames))
        operator = {"leaky-relu": "LeakyRelu", "none": "Identity"}.get(self.activation, self.activation.title())
        slope = {"alpha": 0.1} if self.activation == "leaky-relu" else {}
        return graph.linear(self.output, graph(operator, hidden, **slope)), None
