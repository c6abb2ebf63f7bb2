"""Skorch's training loop, for networks that give attention beside logits."""

from __future__ import annotations

from typing import Any

import torch
from skorch import NeuralNetClassifier
from torch import Tensor, nn

from earmark.networks.base import Network
from earmark.training.settings import TrainingSettings

_OPTIMIZERS = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}


class SkorchNet(NeuralNetClassifier):
    """Skorch's loop over a module that also gives attention, which the loss does not look at."""

    def infer(self, x: Tensor, **fit_params: Any) -> Tensor:
        """Return logits only."""
        logits: Tensor = super().infer(x, **fit_params)[0]
        return logits


def make_net(network: Network, training: TrainingSettings, **options: Any) -> SkorchNet:
    """Return skorch's net that trains a network as the settings say; `options` are what they do not."""
    return SkorchNet(
        network,
        criterion=nn.CrossEntropyLoss,
        criterion__label_smoothing=training.label_smoothing,
        optimizer=_OPTIMIZERS[training.optimizer],
        optimizer__weight_decay=training.weight_decay,
        lr=training.lr,
        batch_size=training.batch_size,
        iterator_train__shuffle=True,
        iterator_valid__batch_size=512,
        verbose=0,
        **options,
    )
