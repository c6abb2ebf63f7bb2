"""An ensemble: several networks that learn apart and answer together, less sure of what is new to them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from earmark.networks.base import Network, sample_batches
from earmark.networks.out_of_distribution import MahalanobisTemperature
from earmark.networks.recurrent import RecurrentNetwork
from earmark.networks.settings import NetworkSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from earmark.networks.onnx.builder import Graph


class Ensemble(Network):
    """Networks of one kind whose answers are averaged: what one mistakes by its chance weights, the others mend.

    In training each gets a loss of its own, so that they stay different; then the geometric mean of their
    probabilities is the answer. Their input is embedded once for all of them.

    Parameters
    ----------
    n_bins, n_classes : int
    settings : NetworkSettings
        Of each member; ``members`` says how many, ``doubt`` is the steepness of the :class:`MahalanobisTemperature`
        that divides the answer's logits.

    References
    ----------
    Hansen and Salamon, "Neural network ensembles", 1990.
    """

    def __init__(self, n_bins: int, n_classes: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.members = nn.ModuleList(RecurrentNetwork(n_bins, n_classes, settings) for _ in range(settings.members))
        self.min_frames = settings.min_frames
        n_features = self._networks[0].n_features
        self.temperature = MahalanobisTemperature(n_features, settings.doubt) if settings.doubt else None

    @property
    def _networks(self) -> list[RecurrentNetwork]:
        return list(cast("Iterable[RecurrentNetwork]", self.members))

    @torch.no_grad()
    def fit_input_statistics(self, x: Tensor) -> None:
        """Learn the scale of the members' inputs, and where they lie, from training clips (clips, frames, bins)."""
        embedded = [self._networks[0].embed(batch) for batch in sample_batches(x)]
        for member in self._networks:
            member.fit_projection(embedded)
        if self.temperature is not None:
            self.temperature.fit(torch.cat([batch.nanmean(1) for batch in embedded]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Classify clips (clips, frames, bins).

        Returns
        -------
        logits : Tensor, shape (clips, classes)
            In training (clips, classes, members): each member's own.
        attention : Tensor of shape (clips, frames), or None
            Mean over the members.
        """
        # nothing of it is learned, so it is the same for all members
        embedded = self._networks[0].embed(x)
        answers = [member.forward_embedded(embedded, x.shape[1]) for member in self._networks]
        weights = [attention for _, attention in answers if attention is not None]
        attention = torch.stack(weights).mean(0) if weights else None
        logits = torch.stack([own for own, _ in answers], dim=2)  # (clips, classes, members)
        if self.training:
            return logits, attention
        # the geometric mean of probabilities, up to a constant
        logits = logits.log_softmax(1).mean(2)
        return (logits if self.temperature is None else logits / self.temperature(embedded)), attention

    def to_onnx(self, graph: Graph, x: str) -> tuple[str, str | None]:
        """Write the forward pass into an ONNX graph; returns the names of logits and attention."""
        embedded = self._networks[0].embed_onnx(graph, x)
        answers = [member.forward_embedded_onnx(graph, embedded, x) for member in self._networks]
        weights = [attention for _, attention in answers if attention is not None]
        # the geometric mean of probabilities, up to a constant
        logits = graph("Mean", *(graph("LogSoftmax", own, axis=1) for own, _ in answers))
        if self.temperature is not None:
            logits = graph("Div", logits, self.temperature.to_onnx(graph, embedded))
        return logits, graph("Mean", *weights) if weights else None
