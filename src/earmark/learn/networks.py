"""The paper's networks in their own equations (Section 3.2), in torch, each able to write itself as ONNX.

Shapes: a batch is ``(clips, frames, bins)``; ``H`` is units, times two where bidirectional. Sequences of
different lengths share a batch by filling with NaN frames at the end; what is filled changes no answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from earmark.errors import SettingError

if TYPE_CHECKING:
    from earmark.learn.onnxgraph import Graph

Cell = Literal["rnn", "lstm"]
Scorer = Literal["dot", "scaled-dot", "general", "additive"]
CELLS = ("rnn", "lstm")
SCORERS = ("dot", "scaled-dot", "general", "additive")


class RecurrentNetwork(nn.Module):
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
    attention : {"dot", "scaled-dot", "general", "additive"}, optional
        How frames are scored, see :class:`Attention`; the paper's is "dot".
    bidirectional : bool
        Read each layer in both directions (a variant that the authors tried).
    dropout : float
        Share of outputs dropped after each recurrent layer and before the softmax layer, when training.

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
        bidirectional: bool = False,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise SettingError(f"cell is {cell!r}: must be one of {', '.join(CELLS)}")
        if cell == "rnn" and attention in ("dot", "scaled-dot"):
            raise SettingError(f"attention {attention!r} asks the LSTM's memory c_T: use cell 'lstm' or 'general'")
        self.cell, self.directions = cell, 2 if bidirectional else 1
        self.embed = nn.Linear(bins, units, bias=False) if cell == "rnn" else None
        width = units * self.directions
        kind = nn.LSTM if cell == "lstm" else nn.RNN
        sizes = [units if cell == "rnn" else bins] + [width] * (layers - 1)
        self.recurrences = nn.ModuleList(
            kind(size, units, batch_first=True, bidirectional=bidirectional) for size in sizes
        )
        self.dropout = nn.Dropout(dropout)
        self.attention = Attention(width, attention) if attention else None
        self.output = nn.Linear(width, classes)  # W_hy
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start as the authors' code does: forget bias 1, other biases 0.1, dense weights N(0, 0.1) cut at 2σ."""
        for name, weight in self.named_parameters():
            if "bias_hh" in name:  # torch adds two biases a gate; one is enough
                nn.init.zeros_(weight)
            elif "bias" in name:
                nn.init.constant_(weight, 0.1)
                if self.cell == "lstm" and "recurrences" in name:
                    forget = slice(len(weight) // 4, len(weight) // 2)  # torch's order: i, f, g, o
                    nn.init.ones_(weight.data[forget])
            elif "recurrences" not in name:
                nn.init.trunc_normal_(weight, std=0.1, a=-0.2, b=0.2)

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
        real = ~x[:, :, 0].isnan()  # (clips, frames)
        lengths = real.sum(1)
        ragged = bool((lengths < x.shape[1]).any())
        h = x.masked_fill(~real[:, :, None], 0.0) if ragged else x
        if self.embed is not None:
            h = self.embed(h)  # (clips, frames, units)
        for recurrence in self.recurrences:
            h, last, memory = self._run(recurrence, h, lengths if ragged else None)
            h = self.dropout(h)  # (clips, frames, H)
        if self.attention is None:
            return self.output(self.dropout(last)), None
        state, weights = self.attention(h, last, memory, real)
        return self.output(self.dropout(state)), weights

    def _run(self, recurrence: nn.Module, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """One layer: outputs (clips, frames, H), last output h_T (clips, H), last memory c_T (clips, H)."""
        if lengths is None:
            h, state = recurrence(x)
        else:
            packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
            h, state = recurrence(packed)
            h, _ = pad_packed_sequence(h, batch_first=True, total_length=x.shape[1])
        last, memory = state if isinstance(state, tuple) else (state, state)
        return h, last.transpose(0, 1).flatten(1), memory.transpose(0, 1).flatten(1)

    def to_onnx(self, graph: Graph, x: str) -> tuple[str, str | None]:
        """Write the forward pass into an ONNX graph; returns the names of logits and attention."""
        h = x if self.embed is None else graph.linear(self.embed, x)
        for recurrence in self.recurrences:
            h, last, memory = graph.recurrence(recurrence, h)
        if self.attention is None:
            return graph.linear(self.output, last), None
        state, weights = self.attention.to_onnx(graph, h, last, memory)
        return graph.linear(self.output, state), weights


class Attention(nn.Module):
    """Soft attention over time (Section 3.2.3).

    ``α = softmax_t score(q, h_t)``, ``c = Σ α_t h_t``, ``h~ = tanh(W_c [c; q])``, with the scorers

    ============  ==============================  ======================================================
    dot           ``q · h_t``, ``q = c_T``        the paper: the query is the last memory, no parameters
    scaled-dot    ``q · h_t / √H``, ``q = c_T``   Vaswani et al. 2017
    general       ``q · h_t``, ``q = W_a h_T``    Luong et al. 2015; what the authors' code does
    additive      ``v · tanh(W_q q + W_h h_t)``   Bahdanau et al. 2015, ``q = h_T``
    ============  ==============================  ======================================================

    Parameters
    ----------
    width : int
        Size H of the outputs that are attended to.
    scorer : {"dot", "scaled-dot", "general", "additive"}
    """

    def __init__(self, width: int, scorer: Scorer = "dot") -> None:
        super().__init__()
        if scorer not in SCORERS:
            raise SettingError(f"attention is {scorer!r}: must be one of {', '.join(SCORERS)}, or none")
        self.scorer = scorer
        self.combine = nn.Linear(2 * width, width)  # W_c
        if scorer == "general":
            self.query = nn.Linear(width, width)  # W_a
        elif scorer == "additive":
            self.query = nn.Linear(width, width)  # W_q
            self.key = nn.Linear(width, width, bias=False)  # W_h
            self.score = nn.Linear(width, 1, bias=False)  # v

    def forward(self, h: Tensor, last: Tensor, memory: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Attend.

        Parameters
        ----------
        h : Tensor, shape (clips, frames, H)
        last, memory : Tensor, shape (clips, H)
            The top layer's h_T and c_T.
        real : Tensor of bool, shape (clips, frames)
            False on filling, which gets no weight.

        Returns
        -------
        state : Tensor, shape (clips, H)
            The attentional hidden state h~.
        weights : Tensor, shape (clips, frames)
        """
        query = memory if self.scorer in ("dot", "scaled-dot") else last
        if self.scorer == "general":
            query = self.query(query)
        if self.scorer == "additive":
            scores = self.score(torch.tanh(self.query(query)[:, None] + self.key(h)))[:, :, 0]
        else:
            scores = (h @ query[:, :, None])[:, :, 0]  # (clips, frames)
        if self.scorer == "scaled-dot":
            scores = scores / h.shape[-1] ** 0.5
        weights = scores.masked_fill(~real, -torch.inf).softmax(dim=1)
        context = (weights[:, None] @ h)[:, 0]  # (clips, H)
        return torch.tanh(self.combine(torch.cat([context, query], dim=1))), weights

    def to_onnx(self, graph: Graph, h: str, last: str, memory: str) -> tuple[str, str]:
        """Write the same equations into an ONNX graph; returns the names of h~ and of the weights."""
        query = memory if self.scorer in ("dot", "scaled-dot") else last
        if self.scorer == "general":
            query = graph.linear(self.query, query)
        if self.scorer == "additive":
            broad = graph.unsqueeze(graph.linear(self.query, query), 1)
            scores = graph.linear(self.score, graph("Tanh", graph("Add", broad, graph.linear(self.key, h))))
        else:
            scores = graph("MatMul", h, graph.unsqueeze(query, 2))  # (clips, frames, 1)
        if self.scorer == "scaled-dot":
            scores = graph("Div", scores, graph.constant(self.combine.out_features**0.5))
        weights = graph("Softmax", graph.squeeze(scores, 2), axis=1)
        context = graph.squeeze(graph("MatMul", graph.unsqueeze(weights, 1), h), 1)
        joined = graph("Concat", context, query, axis=1)
        return graph("Tanh", graph.linear(self.combine, joined)), weights
