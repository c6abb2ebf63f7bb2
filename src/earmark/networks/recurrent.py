"""The paper's networks in their own equations (Section 3.2), in torch, each able to write itself as ONNX.

Shapes: a batch is ``(clips, frames, bins)``; ``H`` is units, times two where bidirectional. Sequences of
different lengths share a batch by filling with NaN frames at the end; what is filled changes no answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from earmark.errors import SettingError
from earmark.networks import exclusions
from earmark.networks.attention import Attention, Scorer
from earmark.networks.projection import Projection
from earmark.networks.texture import Texture

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph

Cell = Literal["rnn", "lstm"]
CELLS = ("rnn", "lstm")

_MEASURED, _PART = 4096, 256
"""Training clips, or fewer, from which the scale of inputs is learned; and how many at once."""


class Network(nn.Module, ABC):
    """What every network here can do: be measured, give logits and attention, and write itself as ONNX."""

    min_frames: int
    """Fewest frames that it can say anything about."""

    def measure(self, x: Tensor) -> None:
        """Learn the scale of the inputs from training clips (clips, frames, bins), where the network has to."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Clips (clips, frames, bins) → logits (clips, classes), and attention (clips, frames) or None."""

    @abstractmethod
    def to_onnx(self, graph: Graph, x: str) -> tuple[str, str | None]:
        """Write the forward pass into an ONNX graph; returns the names of logits and attention."""


class RecurrentNetwork(Network):
    """Frames → recurrent layers → (attention) → class logits.

    The paper's three networks are ``cell="rnn"`` (3.2.1), ``cell="lstm"`` (3.2.2), and
    ``cell="lstm", attention="dot"`` (3.2.3). Without attention the last frame's output is classified.

    Parameters
    ----------
    bins : int
        Numbers a frame.
    classes : int
        Number of classes.
    cell : {"rnn", "lstm"}
        The recurrent cell. The paper's RNN embeds each frame first, ``h_t^1 = W x_t`` (read as layer 0).
    layers, units : int
        Recurrent layers, and the size of each.
    attention : {"dot", "scaled-dot", "general", "additive", "learned"}, optional
        How frames are scored, see :class:`Attention`; the paper's is "dot".
    bidirectional : bool or "first"
        Read each layer, or the first one only, in both directions (variants that the authors tried).
    dropout : float
        Share of outputs dropped after each recurrent layer and before the softmax layer, when training.
    texture_window, texture_hop : int
        Beyond the paper: frames a window of :class:`~earmark.networks.texture.Texture`, which the recurrence
        then reads instead of frames; 0 for none.
    projection : int
        Beyond the paper: units of a :class:`~earmark.networks.projection.Projection` before the recurrence; 0 for none.
    input_dropout : float
        Share of the projection's inputs dropped, when training.
    skip : bool
        Attend to what enters the recurrence too, beside what leaves it.

    Raises
    ------
    SettingError
        If a setting is unknown, or two exclude each other.

    Attributes
    ----------
    described : int
        Numbers a window, or a frame, that :meth:`describe` gives.

    References
    ----------
    Irvin, Chartock, Hollander, "Recurrent Neural Networks with Attention for Genre Classification", 3.2.
    """

    def __init__(
        self,
        bins: int,
        classes: int,
        *,
        cell: Cell = "lstm",
        layers: int = 1,
        units: int = 125,
        attention: Scorer | None = None,
        bidirectional: bool | Literal["first"] = False,
        dropout: float = 0.2,
        texture_window: int = 0,
        texture_hop: int = 8,
        projection: int = 0,
        input_dropout: float = 0.0,
        skip: bool = False,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise SettingError(f"cell is {cell!r}: must be one of {', '.join(CELLS)}")
        exclusions.check(cell, attention)
        self.cell = cell
        self.min_frames = texture_window or 1
        self.texture = Texture(bins, texture_window, texture_hop) if texture_window else None
        self.described = self.texture.features if self.texture else bins
        self.projection = Projection(self.described, projection, input_dropout, dropout) if projection else None
        size = projection or self.described
        self.embed = nn.Linear(size, units, bias=False) if cell == "rnn" else None
        both_ways = [bool(bidirectional)] + [bidirectional is True] * (layers - 1)
        widths = [units * (1 + both) for both in both_ways]
        width = widths[-1]
        kind = nn.LSTM if cell == "lstm" else nn.RNN
        self.recurrences = nn.ModuleList(
            kind(read, units, batch_first=True, bidirectional=both)
            for read, both in zip([units if cell == "rnn" else size, *widths[:-1]], both_ways, strict=True)
        )
        self.dropout = nn.Dropout(dropout)
        self.attention = Attention(width, attention, size if skip else 0) if attention else None
        self.output = nn.Linear(width, classes)  # W_hy
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start as the authors' code does: forget bias 1, other biases 0.1, dense weights N(0, 0.1) cut at 2σ."""
        for name, weight in self.named_parameters():
            if "norm" in name:
                continue
            if "bias_hh" in name:  # torch adds two biases a gate; one is enough
                nn.init.zeros_(weight)
            elif "bias" in name:
                nn.init.constant_(weight, 0.1)
                if self.cell == "lstm" and "recurrences" in name:
                    forget = slice(len(weight) // 4, len(weight) // 2)  # torch's order: i, f, g, o
                    nn.init.ones_(weight.data[forget])
            elif "recurrences" not in name:
                nn.init.trunc_normal_(weight, std=0.1, a=-0.2, b=0.2)

    @torch.no_grad()
    def measure(self, x: Tensor) -> None:
        """Let the projection learn the scale of its inputs from training clips (clips, frames, bins)."""
        self.measure_described([self.describe(part) for part in parts(x)])

    def measure_described(self, described: list[Tensor]) -> None:
        """Do so from what :meth:`describe` gave, a few clips a part."""
        if self.projection is not None:
            self.projection.measure(torch.cat([part[_real(part)] for part in described]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Classify a batch.

        Parameters
        ----------
        x : Tensor, shape (clips, frames, bins)
            Frames that are NaN, at a clip's end, are filling.

        Returns
        -------
        logits : Tensor, shape (clips, classes)
        attention : Tensor of shape (clips, frames), or None
            Weights that sum to 1 over a clip's real frames and are 0 on filling.
        """
        return self.read(self.describe(x), x.shape[1])

    def describe(self, x: Tensor) -> Tensor:
        """What is read in place of frames, nothing of it learned: (clips, windows, features), or the frames."""
        described: Tensor = x if self.texture is None else self.texture(x)
        return described

    def read(self, x: Tensor, n_frames: int) -> tuple[Tensor, Tensor | None]:
        """Classify what :meth:`describe` gave of clips of so many frames; returns what :meth:`forward` does."""
        real = _real(x)
        u = x.masked_fill(~real[:, :, None], 0.0)  # (clips, frames or windows, size)
        lengths = real.sum(1)
        ragged = bool((lengths < real.shape[1]).any())
        if self.projection is not None:
            u = self.projection(u, real)
        h = u if self.embed is None else self.embed(u)
        for recurrence in self.recurrences:
            h, last, memory = _run(recurrence, h, lengths if ragged else None)
            h = self.dropout(h)  # (clips, frames, H)
        if self.attention is None:
            return self.output(self.dropout(last)), None
        state, weights = self.attention(h, last, memory, real, u)
        logits = self.output(self.dropout(state))
        if self.texture is not None:
            weights = _spread(weights, real, self.texture, n_frames)
        return logits, weights

    def to_onnx(self, graph: Graph, x: str) -> tuple[str, str | None]:
        """Write the forward pass into an ONNX graph; returns the names of logits and attention."""
        return self.read_onnx(graph, self.describe_onnx(graph, x), x)

    def describe_onnx(self, graph: Graph, x: str) -> str:
        """Write :meth:`describe`."""
        return x if self.texture is None else self.texture.to_onnx(graph, x)

    def read_onnx(self, graph: Graph, u: str, x: str) -> tuple[str, str | None]:
        """Write :meth:`read` of `u`, which describes the frames `x`."""
        if self.projection is not None:
            u = self.projection.to_onnx(graph, u)
        h = u if self.embed is None else graph.linear(self.embed, u)
        for recurrence in self.recurrences:
            h, last, memory = graph.recurrence(recurrence, h)
        if self.attention is None:
            return graph.linear(self.output, last), None
        state, weights = self.attention.to_onnx(graph, h, last, memory, u)
        logits = graph.linear(self.output, state)
        if self.texture is not None:
            weights = _spread_onnx(graph, weights, self.texture, x)
        return logits, weights


def parts(x: Tensor) -> Iterator[Tensor]:
    """Training clips (clips, …) a few at a time, each time some from everywhere; of many, not all."""
    x = x[:: len(x) // _MEASURED + 1]
    count = -(-len(x) // _PART)
    return (x[i::count] for i in range(count))


def _real(x: Tensor) -> Tensor:
    """Return which frames or windows of (clips, frames or windows, size) are no filling."""
    return ~x[:, :, 0].isnan()


def _run(recurrence: nn.Module, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """One layer: outputs (clips, frames, H), last output h_T (clips, H), last memory c_T (clips, H)."""
    if lengths is None:
        h, state = recurrence(x)
    else:
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        h, state = recurrence(packed)
        h, _ = pad_packed_sequence(h, batch_first=True, total_length=x.shape[1])
    last, memory = state if isinstance(state, tuple) else (state, state)
    return h, last.transpose(0, 1).flatten(1), memory.transpose(0, 1).flatten(1)


def _spread(weights: Tensor, real: Tensor, texture: Texture, n_frames: int) -> Tensor:
    """Attention over windows (clips, windows) → over frames (clips, frames).

    A frame gets the mean weight of the real windows that it lies in, so that even attention stays even.
    """
    ones = weights.new_ones((1, 1, texture.window))
    total, count = (
        functional.conv_transpose1d(value[:, None], ones, stride=texture.hop)[:, 0]
        for value in (weights, real.to(weights))
    )
    mean = total / count.clamp(min=1)
    return functional.pad(mean / mean.sum(1, keepdim=True), (0, n_frames - mean.shape[1]))


def _spread_onnx(graph: Graph, weights: str, texture: Texture, x: str) -> str:
    def over_frames(value: str) -> str:
        ones = graph.constant([[[1.0] * texture.window]])
        return graph.squeeze(graph("ConvTranspose", graph.unsqueeze(value, 1), ones, strides=[texture.hop]), 1)

    even = graph("Exp", graph("Sub", weights, weights))  # ones, in the same shape
    mean = graph("Div", over_frames(weights), over_frames(even))
    frames = graph("Div", mean, graph("ReduceSum", mean, graph.integers(1)))
    wanted, given = (graph("Shape", value, start=1, end=2) for value in (x, frames))
    none = graph.integers(0)
    return graph("Pad", frames, graph("Concat", none, none, none, graph("Sub", wanted, given), axis=0))
