"""A committee: several networks that learn apart and answer together, with doubt in what is new to them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from earmark.networks.out_of_distribution import Doubt
from earmark.networks.recurrent import Network, RecurrentNetwork, parts

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph


class Committee(Network):
    """Networks of one kind whose answers are averaged: what one mistakes by its chance weights, the others mend.

    In training each gets a loss of its own, so that they stay different; then the geometric mean of their
    probabilities is the answer. What they read is described once for all of them.

    Parameters
    ----------
    members : list of RecurrentNetwork
        Alike but for their weights; one is no committee yet, but may have doubts.
    doubt : float
        Steepness of the :class:`~earmark.networks.out_of_distribution.Doubt` that divides the answer's logits; 0 for
        none.

    References
    ----------
    Hansen and Salamon, "Neural network ensembles", 1990.
    """

    def __init__(self, members: list[RecurrentNetwork], doubt: float = 0.0) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.min_frames = members[0].min_frames
        self.doubt = Doubt(members[0].described, doubt) if doubt else None

    @property
    def _each(self) -> list[RecurrentNetwork]:
        return list(self.members)  # type: ignore[arg-type]

    @torch.no_grad()
    def measure(self, x: Tensor) -> None:
        """Let each learn the scale of its inputs, and doubt where they lie, from training clips."""
        described = [self._each[0].describe(part) for part in parts(x)]
        for member in self._each:
            member.measure_described(described)
        if self.doubt is not None:
            self.doubt.measure(torch.cat([part.nanmean(1) for part in described]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Classify a batch.

        Parameters
        ----------
        x : Tensor, shape (clips, frames, bins)

        Returns
        -------
        logits : Tensor, shape (clips, classes)
            In training (clips, classes, members): each member's own.
        attention : Tensor of shape (clips, frames), or None
            Mean over the members.
        """
        described = self._each[0].describe(x)
        answers = [member.read(described, x.shape[1]) for member in self._each]
        weights = [attention for _, attention in answers if attention is not None]
        attention = torch.stack(weights).mean(0) if weights else None
        logits = torch.stack([own for own, _ in answers], dim=2)
        if self.training:
            return logits, attention
        logits = logits.log_softmax(1).mean(2)
        return (logits if self.doubt is None else logits / self.doubt(described)), attention

    def to_onnx(self, graph: Graph, x: str) -> tuple[str, str | None]:
        """Write the forward pass into an ONNX graph; returns the names of logits and attention."""
        described = self._each[0].describe_onnx(graph, x)
        answers = [member.read_onnx(graph, described, x) for member in self._each]
        weights = [attention for _, attention in answers if attention is not None]
        logits = graph("Mean", *(graph("LogSoftmax", own, axis=1) for own, _ in answers))
        if self.doubt is not None:
            logits = graph("Div", logits, self.doubt.to_onnx(graph, described))
        return logits, graph("Mean", *weights) if weights else None
