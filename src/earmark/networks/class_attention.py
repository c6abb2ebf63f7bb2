"""An attention for each class: where a clip sounds like jazz need not be where it sounds like blues."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from earmark.networks.attention import attend, attend_onnx

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph


class ClassAttention(nn.Module):
    """Soft attention over time with a learned query for each class k, and a logit from what each query finds.

    ``α_k = softmax_t v_k · tanh(W_h h_t + b)``, ``c_k = Σ α_kt h_t``, ``h~_k = tanh(W_c c_k)``,
    ``logit_k = y_k · h~_k + b_k``: scorer "learned" of :class:`~earmark.networks.attention.Attention`, once a class.

    The attention that is reported, ``Σ_k p_k α_k``, weighs the classes by their probabilities: it says where the
    verdict came from.

    Parameters
    ----------
    width : int
        Size H of the outputs that are attended to.
    classes : int
    skip : int
        Size of what entered the recurrence, to be averaged with the same weights and joined to ``c_k``;
        0 for none.
    dropout : float
        Share of each ``h~_k`` dropped, when training.

    References
    ----------
    Kong, Xu, Wang, Plumbley, "Audio Set Classification with Attention Model: A Probabilistic Perspective" (2018), which
    weighs the frames' probabilities; Mullenbach et al., "Explainable Prediction of Medical Codes from Clinical Text"
    (2018), which weighs their features, as here.
    """

    def __init__(self, width: int, classes: int, skip: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.skip = bool(skip)
        self.key = nn.Linear(width, width)  # W_h
        self.score = nn.Linear(width, classes, bias=False)  # v
        self.combine = nn.Linear(width + skip, width)  # W_c
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, real: Tensor, u: Tensor, output: nn.Linear) -> tuple[Tensor, Tensor]:
        """Attend and classify.

        Parameters
        ----------
        h : Tensor, shape (clips, frames, H)
        real : Tensor of bool, shape (clips, frames)
            False on filling, which gets no weight.
        u : Tensor, shape (clips, frames, size)
            What entered the recurrence.
        output : nn.Linear
            From H to classes: row k of its weights is ``y_k``.

        Returns
        -------
        logits : Tensor, shape (clips, classes)
        weights : Tensor, shape (clips, frames)
        """
        weights = attend(self.score(torch.tanh(self.key(h))), real)  # (clips, classes, frames)
        contexts = torch.cat([weights @ value for value in ([h, u] if self.skip else [h])], dim=2)
        states = self.dropout(torch.tanh(self.combine(contexts)))  # (clips, classes, H)
        logits = (states * output.weight).sum(2) + output.bias
        return logits, (logits.softmax(1)[:, None] @ weights)[:, 0]

    def to_onnx(self, graph: Graph, h: str, u: str, output: nn.Linear) -> tuple[str, str]:
        """Write the same equations into an ONNX graph; returns the names of logits and of the weights."""
        weights = attend_onnx(graph, graph.linear(self.score, graph("Tanh", graph.linear(self.key, h))))
        contexts = [graph("MatMul", weights, value) for value in ([h, u] if self.skip else [h])]
        states = graph("Tanh", graph.linear(self.combine, graph("Concat", *contexts, axis=2)))
        own = graph("Mul", states, graph.constant(output.weight.detach().cpu()))
        sums = graph("ReduceSum", own, graph.integers(2), keepdims=0)
        logits = graph("Add", sums, graph.constant(output.bias.detach().cpu()))
        probabilities = graph.unsqueeze(graph("Softmax", logits, axis=1), 1)
        return logits, graph.squeeze(graph("MatMul", probabilities, weights), 1)
