"""Soft attention over time, with the scorers of the literature (Section 3.2.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph


class Attention(nn.Module):
    """Soft attention over time (Section 3.2.3).

    ``α = softmax_t score(q, h_t)``, ``c = Σ α_t h_t``, ``h~ = tanh(W_c [c; q])``, with the scorers

    ============  ==============================  ======================================================
    dot           ``q · h_t``, ``q = c_T``        the paper: the query is the last memory, no parameters
    scaled-dot    ``q · h_t / √H``, ``q = c_T``   Vaswani et al. 2017
    general       ``q · h_t``, ``q = W_a h_T``    Luong et al. 2015; what the authors' code does
    additive      ``v · tanh(W_q q + W_h h_t)``   Bahdanau et al. 2015, ``q = h_T``
    learned       ``v · tanh(W_h h_t + b)``       Yang et al. 2016: a query learned with the rest, no ``q``
    ============  ==============================  ======================================================

    Parameters
    ----------
    width : int
        Size H of the outputs that are attended to.
    scorer : str
        One of those above.
    """

    def __init__(self, width: int, scorer: str) -> None:
        super().__init__()
        self.scorer = scorer
        # reads [c; q], without q where the query is learned
        self.combine = nn.Linear(width * (1 if scorer == "learned" else 2), width)  # W_c
        if scorer == "general":
            self.query = nn.Linear(width, width)  # W_a
        elif scorer == "additive":
            self.query = nn.Linear(width, width)  # W_q
            self.key = nn.Linear(width, width, bias=False)  # W_h
            self.score = nn.Linear(width, 1, bias=False)  # v
        elif scorer == "learned":
            self.key = nn.Linear(width, width)
            self.score = nn.Linear(width, 1, bias=False)

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
            # (clips, 1, H) + (clips, frames, H)
            scores = self.score(torch.tanh(self.query(query)[:, None] + self.key(h)))
        elif self.scorer == "learned":
            scores = self.score(torch.tanh(self.key(h)))
        else:
            scores = h @ query[:, :, None]  # (clips, frames, 1)
        if self.scorer == "scaled-dot":
            # the variance of a dot product grows with H
            scores = scores / h.shape[-1] ** 0.5
        # α = softmax_t score(q, h_t)
        weights = scores[:, :, 0].masked_fill(~real, -torch.inf).softmax(dim=1)  # (clips, frames)
        # c = Σ α_t h_t
        context = (weights[:, None] @ h)[:, 0]  # (clips, H)
        parts = [context] if self.scorer == "learned" else [context, query]
        # h~ = tanh(W_c [c; q])
        return torch.tanh(self.combine(torch.cat(parts, dim=1))), weights

    def to_onnx(self, graph: Graph, h: str, last: str, memory: str) -> tuple[str, str]:
        """Write the same equations into an ONNX graph; returns the names of h~ and of the weights."""
        query = memory if self.scorer in ("dot", "scaled-dot") else last
        if self.scorer == "general":
            query = graph.linear(self.query, query)
        if self.scorer == "additive":
            broad = graph.unsqueeze(graph.linear(self.query, query), 1)
            scores = graph.linear(self.score, graph("Tanh", graph("Add", broad, graph.linear(self.key, h))))
        elif self.scorer == "learned":
            scores = graph.linear(self.score, graph("Tanh", graph.linear(self.key, h)))
        else:
            scores = graph("MatMul", h, graph.unsqueeze(query, 2))  # (clips, frames, 1)
        if self.scorer == "scaled-dot":
            scores = graph("Div", scores, graph.constant(self.combine.out_features**0.5))
        weights = graph("Softmax", graph.squeeze(scores, 2), axis=1)  # (clips, frames)
        # (clips, 1, frames) @ (clips, frames, H): c
        context = graph.squeeze(graph("MatMul", graph.unsqueeze(weights, 1), h), 1)
        parts = [context] if self.scorer == "learned" else [context, query]
        return graph("Tanh", graph.linear(self.combine, graph("Concat", *parts, axis=1))), weights
