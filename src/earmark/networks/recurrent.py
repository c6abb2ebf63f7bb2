"""The paper's networks in their own equations (Section 3.2), in torch, each able to write itself as ONNX.

``H`` is units, times two where bidirectional.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from earmark.networks.attention import Attention
from earmark.networks.base import Network, sample_batches
from earmark.networks.projection import Projection
from earmark.networks.settings import NetworkSettings
from earmark.networks.texture import Texture

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph


class RecurrentNetwork(Network):
    """Frames → recurrent layers → (attention) → class logits.

    Parameters
    ----------
    n_bins : int
        Numbers a frame.
    n_classes : int
    settings : NetworkSettings
        ``members`` and ``doubt`` are for :class:`~earmark.networks.ensemble.Ensemble` to read.

    Attributes
    ----------
    n_features : int
        Numbers a window, or a frame, that :meth:`embed` gives.

    References
    ----------
    Irvin, Chartock, Hollander, "Recurrent Neural Networks with Attention for Genre Classification", 3.2.
    """

    def __init__(self, n_bins: int, n_classes: int, settings: NetworkSettings) -> None:
        super().__init__()
        s = self.settings = settings
        self.min_frames = s.min_frames
        self.texture = Texture(n_bins, s.texture_window, s.texture_hop) if s.texture_window else None
        self.n_features = self.texture.n_features if self.texture else n_bins
        self.projection = Projection(self.n_features, s) if s.projection else None
        size = s.projection or self.n_features
        # the paper's RNN embeds each frame first: h_t^1 = W x_t
        self.embedding = nn.Linear(size, s.units, bias=False) if s.cell == "rnn" else None
        # "first" reads both ways in the first layer only
        both_ways = [bool(s.bidirectional)] + [s.bidirectional is True] * (s.layers - 1)
        widths = [s.units * (1 + both) for both in both_ways]
        kind = nn.LSTM if s.cell == "lstm" else nn.RNN
        self.recurrences = nn.ModuleList(
            kind(entering, s.units, batch_first=True, bidirectional=both)
            for entering, both in zip([s.units if self.embedding else size, *widths[:-1]], both_ways, strict=True)
        )
        self.dropout = nn.Dropout(s.dropout)
        self.attention = Attention(widths[-1], s.attention, size if s.skip else 0) if s.attention else None
        self.output = nn.Linear(widths[-1], n_classes)  # W_hy
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start as the authors' code does: forget bias 1, other biases 0.1, dense weights N(0, 0.1) cut at 2σ."""
        for name, weight in self.named_parameters():
            # a batch norm starts as torch has it: gain 1, offset 0
            if "norm" in name:
                continue
            # torch adds two biases a gate; one is enough
            if "bias_hh" in name:
                nn.init.zeros_(weight)
            elif "bias" in name:
                nn.init.constant_(weight, 0.1)
                if self.settings.cell == "lstm" and "recurrences" in name:
                    # torch's order: i, f, g, o
                    forget = slice(len(weight) // 4, len(weight) // 2)
                    nn.init.ones_(weight.data[forget])
            elif "recurrences" not in name:
                nn.init.trunc_normal_(weight, std=0.1, a=-0.2, b=0.2)

    @torch.no_grad()
    def fit_input_statistics(self, x: Tensor) -> None:
        """Learn the scale of the projection's inputs from training clips (clips, frames, bins)."""
        self.fit_projection([self.embed(batch) for batch in sample_batches(x)])

    def fit_projection(self, embedded: list[Tensor]) -> None:
        """Do so from what :meth:`embed` gave, a few clips a batch."""
        if self.projection is not None:
            self.projection.fit_input_statistics(torch.cat([batch[_real(batch)] for batch in embedded]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Classify clips (clips, frames, bins), see :meth:`Network.forward`."""
        return self.forward_embedded(self.embed(x), x.shape[1])

    def embed(self, x: Tensor) -> Tensor:
        """Return what is read in place of frames, nothing of it learned: (clips, windows, features), or the frames."""
        embedded: Tensor = x if self.texture is None else self.texture(x)
        return embedded

    def forward_embedded(self, x: Tensor, n_frames: int) -> tuple[Tensor, Tensor | None]:
        """Classify what :meth:`embed` gave of clips of so many frames; returns what :meth:`forward` does."""
        # filling is zero from here on; packing keeps it out of the recurrence
        real = _real(x)
        u = x.masked_fill(~real[:, :, None], 0.0)  # (clips, frames or windows, size)
        lengths = real.sum(1)
        ragged = bool((lengths < real.shape[1]).any())
        if self.projection is not None:
            u = self.projection(u, real)
        h = u if self.embedding is None else self.embedding(u)
        for recurrence in self.recurrences:
            h, last, memory = _run_layer(recurrence, h, lengths if ragged else None)
            h = self.dropout(h)  # (clips, frames, H)
        if self.attention is None:
            # W_hy h_T, whose softmax is y~ (Section 3.2.2)
            return self.output(self.dropout(last)), None
        state, weights = self.attention(h, last, memory, real, u)
        # W_hy h~ (Section 3.2.3)
        logits = self.output(self.dropout(state))
        if self.texture is not None:
            weights = _windows_to_frames(weights, real, self.texture, n_frames)
        return logits, weights

    def to_onnx(self, graph: Graph, x: str) -> tuple[str, str | None]:
        """Write the forward pass into an ONNX graph; returns the names of logits and attention."""
        return self.forward_embedded_onnx(graph, self.embed_onnx(graph, x), x)

    def embed_onnx(self, graph: Graph, x: str) -> str:
        """Write :meth:`embed`."""
        return x if self.texture is None else self.texture.to_onnx(graph, x)

    def forward_embedded_onnx(self, graph: Graph, u: str, x: str) -> tuple[str, str | None]:
        """Write :meth:`forward_embedded` of `u`, the embedding of the frames `x`."""
        if self.projection is not None:
            u = self.projection.to_onnx(graph, u)
        h = u if self.embedding is None else graph.linear(self.embedding, u)
        for recurrence in self.recurrences:
            h, last, memory = graph.recurrence(recurrence, h)
        if self.attention is None:
            return graph.linear(self.output, last), None
        state, weights = self.attention.to_onnx(graph, h, last, memory, u)
        logits = graph.linear(self.output, state)
        if self.texture is not None:
            weights = _windows_to_frames_onnx(graph, weights, self.texture, x)
        return logits, weights


def _real(x: Tensor) -> Tensor:
    """Return which frames or windows of (clips, frames or windows, size) are no filling."""
    return ~x[:, :, 0].isnan()


def _run_layer(recurrence: nn.Module, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Run one layer: outputs (clips, frames, H), last output h_T (clips, H), last memory c_T (clips, H)."""
    if lengths is None:
        h, state = recurrence(x)
    else:
        # packing skips filling, so that h_T is the last real frame's
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        h, state = recurrence(packed)
        # back to all frames, which every clip of the batch may fall short of
        h, _ = pad_packed_sequence(h, batch_first=True, total_length=x.shape[1])
    # an RNN has no memory c_T: its h_T stands in
    last, memory = state if isinstance(state, tuple) else (state, state)
    # torch: (directions, clips, units) → (clips, H)
    return h, last.transpose(0, 1).flatten(1), memory.transpose(0, 1).flatten(1)


def _windows_to_frames(weights: Tensor, real: Tensor, texture: Texture, n_frames: int) -> Tensor:
    """Turn attention over windows (clips, windows) into attention over frames (clips, frames).

    A frame gets the mean weight of the real windows that it lies in, so that even attention stays even.
    """
    ones = weights.new_ones((1, 1, texture.window))
    # each window's weight on all its frames, and how many real windows a frame lies in
    total, count = (
        functional.conv_transpose1d(value[:, None], ones, stride=texture.hop)[:, 0]
        for value in (weights, real.to(weights))
    )
    # the last frames may lie in no window: they get 0
    mean = total / count.clamp(min=1)
    return functional.pad(mean / mean.sum(1, keepdim=True), (0, n_frames - mean.shape[1]))


def _windows_to_frames_onnx(graph: Graph, weights: str, texture: Texture, x: str) -> str:
    def over_frames(value: str) -> str:
        ones = graph.constant([[[1.0] * texture.window]])
        return graph.squeeze(graph("ConvTranspose", graph.unsqueeze(value, 1), ones, strides=[texture.hop]), 1)

    even = graph("Exp", graph("Sub", weights, weights))  # ones, in the same shape
    mean = graph("Div", over_frames(weights), over_frames(even))
    frames = graph("Div", mean, graph("ReduceSum", mean, graph.integers(1)))
    wanted, given = (graph("Shape", value, start=1, end=2) for value in (x, frames))
    none = graph.integers(0)
    return graph("Pad", frames, graph("Concat", none, none, none, graph("Sub", wanted, given), axis=0))
