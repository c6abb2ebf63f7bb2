"""Skorch's training loop, for networks that give attention beside logits and may be ensembles."""

from __future__ import annotations

from typing import Any

import torch
from skorch import NeuralNetClassifier
from torch import Tensor, nn

from earmark.networks.base import Network
from earmark.training.augment import Augment, mix
from earmark.training.settings import AugmentationSettings, TrainingSettings

_OPTIMIZERS = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}


class AugmentedNetwork(nn.Module):
    """The network behind its augmentation, which only acts in training mode."""

    def __init__(self, network: Network, augmentation: AugmentationSettings) -> None:
        super().__init__()
        self.augment = Augment(augmentation)
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Classify clips (clips, frames, bins), see :meth:`Network.forward`."""
        logits_and_attention: tuple[Tensor, Tensor | None] = self.network(self.augment(x))
        return logits_and_attention


class SkorchNet(NeuralNetClassifier):
    """Skorch's loop over a module that also gives attention, which the loss does not look at.

    Parameters
    ----------
    mixup : float
        See :class:`~earmark.training.settings.AugmentationSettings`.
    """

    def __init__(self, *args: Any, mixup: float = 0.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mixup = mixup

    def train_step_single(self, batch: tuple[Tensor, Tensor], **fit_params: Any) -> dict[str, Tensor]:
        """Train on a batch, its clips mixed where asked for."""
        if self.mixup:
            X, y = batch
            # CrossEntropyLoss takes shares of classes (clips, classes) in place of labels
            batch = mix(X, nn.functional.one_hot(y, len(self.classes)).to(X.dtype), self.mixup)
        step: dict[str, Tensor] = super().train_step_single(batch, **fit_params)
        return step

    def get_loss(self, y_pred: Tensor, y_true: Tensor, X: Any = None, training: bool = False) -> Tensor:
        """Return the loss of logits, the mean over members where there are several."""
        if y_pred.ndim == 3:  # (clips, classes, members): a loss for each member of an ensemble
            # (clips, members), or of mixed clips (clips, classes, members)
            y_true = y_true[..., None].expand(*y_true.shape, y_pred.shape[2])
        loss: Tensor = super().get_loss(y_pred, y_true, X=X, training=training)
        return loss

    def infer(self, x: Tensor, **fit_params: Any) -> Tensor:
        """Return logits only."""
        logits: Tensor = super().infer(x, **fit_params)[0]
        return logits


def make_net(module: AugmentedNetwork, training: TrainingSettings, **options: Any) -> SkorchNet:
    """Return skorch's net that trains a module as the settings say; `options` are what they do not."""
    return SkorchNet(
        module,
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
