"""The paper's networks in their own equations (Section 3.2), in torch, each able to write itself as ONNX.

``H`` is units, times two where bidirectional.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from earmark.networks.attention import Attention
from earmark.networks.base import Network
from earmark.networks.settings import NetworkSettings

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

    References
    ----------
    Irvin, Chartock, Hollander, "Recurrent Neural Networks with Attention for Genre Classification", 3.2.
    """

    def __init__(self, n_bins: int, n_classes: int, settings: NetworkSettings) -> None:
        super().__init__()
        s = self.settings = settings
        # the paper's RNN embeds each frame first: h_t^1 = W x_t
        self.embedding = nn.Linear(n_bins, s.units, bias=False) if s.cell == "rnn" else None
        # "first" reads both ways in the first layer only
        both_ways = [bool(s.bidirectional)] + [s.bidirectional is True] * (s.layers - 1)
        widths = [s.units * (1 + both) for both in both_ways]
        kind = nn.LSTM if s.cell == "lstm" else nn.RNN
        self.recurrences = nn.ModuleList(
            kind(entering, s.units, batch_first=True, bidirectional=both)
            for entering, both in zip([s.units if self.embedding else n_bins, *widths[:-1]], both_ways, strict=True)
        )
        self.dropout = nn.Dropout(s.dropout)
        self.attention = Attention(widths[-1], s.attention) if s.attention else None
        self.output = nn.Linear(widths[-1], n_classes)  # W_hy
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start as the authors' code does: forget bias 1, other biases 0.1, dense weights N(0, 0.1) cut at 2σ."""
        for name, weight in self.named_parameters():
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

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Classify clips (clips, frames, bins), see :meth:`Network.forward`."""
        real = ~x[:, :, 0].isnan()  # (clips, frames)
        # filling is zero from here on; packing keeps it out of the recurrence
        x = x.masked_fill(~real[:, :, None], 0.0)
        lengths = real.sum(1)
        ragged = bool((lengths < real.shape[1]).any())
        h = x if self.embedding is None else self.embedding(x)
        for recurrence in self.recurrences:
            h, last, memory = _run_layer(recurrence, h, lengths if ragged else None)
            h = self.dropout(h)  # (clips, frames, H)
        if self.attention is None:
            # W_hy h_T, whose softmax is y~ (Section 3.2.2)
            return self.output(self.dropout(last)), None
        state, weights = self.attention(h, last, memory, real)
        # W_hy h~ (Section 3.2.3)
        return self.output(self.dropout(state)), weights

    def to_onnx(self, graph: Graph, x: str) -> tuple[str, str | None]:
        """Write the forward pass into an ONNX graph; returns the names of logits and attention."""
        h = x if self.embedding is None else graph.linear(self.embedding, x)
        for recurrence in self.recurrences:
            h, last, memory = graph.recurrence(recurrence, h)
        if self.attention is None:
            return graph.linear(self.output, last), None
        state, weights = self.attention.to_onnx(graph, h, last, memory)
        return graph.linear(self.output, state), weights


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
