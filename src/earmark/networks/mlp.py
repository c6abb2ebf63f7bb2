"""The paper's baseline network: a whole clip at once through one hidden layer (Section 5.1, Figure 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from torch import Tensor, nn

from earmark.errors import SettingError
from earmark.networks.recurrent import Network

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph

Activation = Literal["relu", "leaky-relu", "sigmoid", "tanh", "elu", "none"]

_MODULES = {
    "relu": nn.ReLU(),
    "leaky-relu": nn.LeakyReLU(0.1),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "elu": nn.ELU(),
    "none": nn.Identity(),
}


class Perceptron(Network):
    """Clip → one hidden layer → class logits: ``y = W_2 f(W_1 x + b_1) + b_2``, with x the frames one after another.

    Parameters
    ----------
    frames, bins : int
        Size of a clip; a shorter one is filled with zeros, the mean of standardised input.
    classes : int
        Number of classes.
    units : int
        Size of the hidden layer; the paper tried 60, 125, 250, 500 and 1000.
    activation : {"relu", "leaky-relu", "sigmoid", "tanh", "elu", "none"}
        f; the leaky one has slope 0.1.
    dropout : float
        Share of hidden units dropped, when training.
    """

    min_frames = 1

    def __init__(
        self, frames: int, bins: int, classes: int, units: int = 125, activation: Activation = "relu",
        dropout: float = 0.2,
    ) -> None:  # fmt: skip
        super().__init__()
        if activation not in _MODULES:
            raise SettingError(f"activation is {activation!r}: must be one of {', '.join(get_args(Activation))}")
        self.frames, self.activation = frames, activation
        self.hidden = nn.Linear(frames * bins, units)
        self.output = nn.Linear(units, classes)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.hidden, self.output):  # as in the authors' code
            nn.init.trunc_normal_(layer.weight, std=0.1, a=-0.2, b=0.2)
            nn.init.constant_(layer.bias, 0.1)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Classify a batch.

        Parameters
        ----------
        x : Tensor, shape (clips, frames, bins)
            Frames that are NaN, at a clip's end, are filling; frames may be fewer than those of training, not more.

        Returns
        -------
        logits : Tensor, shape (clips, classes)
        attention : None
        """
        if x.shape[1] > self.frames:
            raise ValueError(f"a clip has {x.shape[1]} frames, but this network reads {self.frames}")
        x = nn.functional.pad(x.nan_to_num(0.0), (0, 0, 0, self.frames - x.shape[1]))
        hidden = _MODULES[self.activation](self.hidden(x.flatten(1)))  # (clips, units)
        return self.output(self.dropout(hidden)), None

    def to_onnx(self, graph: Graph, x: str) -> tuple[str, None]:
        """Write the same into an ONNX graph."""
        none, given = graph.integers(0), graph("Shape", x, start=1, end=2)
        missing = graph("Sub", graph.integers(self.frames), given)
        x = graph("Pad", x, graph("Concat", none, none, none, none, missing, none, axis=0))
        hidden = graph.linear(self.hidden, graph("Reshape", x, graph.integers(0, -1)))
        operator = {"leaky-relu": "LeakyRelu", "none": "Identity"}.get(self.activation, self.activation.title())
        slope = {"alpha": 0.1} if self.activation == "leaky-relu" else {}
        return graph.linear(self.output, graph(operator, hidden, **slope)), None
