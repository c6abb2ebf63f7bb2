"""The paper's networks as scikit-learn estimators; how they are trained is the business of their base class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from earmark.errors import SettingError
from earmark.networks.attention import Scorer
from earmark.networks.ensemble import Committee
from earmark.networks.mlp import Activation, Perceptron
from earmark.networks.recurrent import Cell, RecurrentNetwork
from earmark.training.augment import Augmentation
from earmark.training.callbacks import ChooseBy, Keep, ScheduleName
from earmark.training.network_classifier import NetworkClassifier

_NETWORK = (
    "cell", "layers", "units", "attention", "bidirectional", "dropout",
    "texture_window", "texture_hop", "projection", "input_dropout", "skip",
)  # fmt: skip


class RecurrentClassifier(NetworkClassifier):
    """A recurrent network as a scikit-learn classifier; the defaults train as the paper does.

    SGD at learning rate 1, batches of 128, gradient norm clipped at 5, dropout 0.2, and the epoch with
    the best validation accuracy is the one that is kept (Section 5.1).

    Parameters
    ----------
    cell … skip
        The network, see :class:`~earmark.networks.recurrent.RecurrentNetwork`.
    members : int
        More than one make a :class:`~earmark.networks.ensemble.Committee` of such networks.
    doubt : float
        How steeply confidence falls in what is unlike the training clips, see
        :class:`~earmark.networks.out_of_distribution.Doubt`.
    optimizer … on_epoch
        How it is trained, see :class:`~earmark.training.network_classifier.NetworkClassifier`.
    """

    def __init__(
        self,
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
        members: int = 1,
        doubt: float = 0.0,
        optimizer: str = "sgd",
        lr: float = 1.0,
        schedule: ScheduleName = "constant",
        weight_decay: float = 0.0,
        label_smoothing: float = 0.0,
        class_weight: Literal["balanced"] | None = None,
        batch_size: int = 128,
        clip_norm: float = 5.0,
        max_epochs: int = 100,
        min_steps: int = 0,
        patience: int | None = 30,
        keep: Keep = "best",
        choose_by: ChooseBy = "accuracy",
        validation_fraction: float = 0.1,
        augmentation: Augmentation | None = None,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        checkpoint: str | Path | None = None,
        on_epoch: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        super().__init__(
            optimizer=optimizer, lr=lr, schedule=schedule, weight_decay=weight_decay,
            label_smoothing=label_smoothing, class_weight=class_weight, batch_size=batch_size,
            clip_norm=clip_norm, max_epochs=max_epochs, min_steps=min_steps, patience=patience, keep=keep,
            choose_by=choose_by, validation_fraction=validation_fraction, augmentation=augmentation,
            random_state=random_state, device=device, checkpoint=checkpoint, on_epoch=on_epoch,
        )  # fmt: skip
        self.cell = cell
        self.layers = layers
        self.units = units
        self.attention = attention
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.texture_window = texture_window
        self.texture_hop = texture_hop
        self.projection = projection
        self.input_dropout = input_dropout
        self.skip = skip
        self.members = members
        self.doubt = doubt

    def build(self, frames: int) -> RecurrentNetwork | Committee:
        """Make the untrained network; it reads any number of frames."""
        settings = {key: getattr(self, key) for key in _NETWORK}
        members = [RecurrentNetwork(self.n_features_in_, len(self.classes_), **settings) for _ in range(self.members)]
        return Committee(members, self.doubt) if self.members > 1 or self.doubt else members[0]

    def attend(self, X: ArrayLike) -> NDArray[np.float32]:
        """Attention weights, shape (clips, frames); 0 on filling.

        Raises
        ------
        SettingError
            If the network has no attention.
        """
        check_is_fitted(self)
        if self.attention is None:
            raise SettingError("this network has no attention: choose attention='dot', or another scorer")
        self.net_.module_.eval()
        with torch.no_grad():
            _, weights = self.net_.module_(torch.as_tensor(self.as_clips(X, reset=False)).to(self.net_.device))
        return np.asarray(weights.cpu().numpy(), np.float32)


class MLPClassifier(NetworkClassifier):
    """The paper's "2 layer neural network" as a scikit-learn classifier (Section 5.1), trained like the others.

    Parameters
    ----------
    units, activation, dropout
        The network, see :class:`~earmark.networks.mlp.Perceptron`.
    optimizer … on_epoch
        How it is trained, see :class:`~earmark.training.network_classifier.NetworkClassifier`.
    """

    def __init__(
        self,
        units: int = 125,
        activation: Activation = "relu",
        dropout: float = 0.2,
        optimizer: str = "sgd",
        lr: float = 1.0,
        schedule: ScheduleName = "constant",
        weight_decay: float = 0.0,
        label_smoothing: float = 0.0,
        class_weight: Literal["balanced"] | None = None,
        batch_size: int = 128,
        clip_norm: float = 5.0,
        max_epochs: int = 100,
        min_steps: int = 0,
        patience: int | None = 30,
        keep: Keep = "best",
        choose_by: ChooseBy = "accuracy",
        validation_fraction: float = 0.1,
        augmentation: Augmentation | None = None,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        checkpoint: str | Path | None = None,
        on_epoch: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        super().__init__(
            optimizer=optimizer, lr=lr, schedule=schedule, weight_decay=weight_decay,
            label_smoothing=label_smoothing, class_weight=class_weight, batch_size=batch_size,
            clip_norm=clip_norm, max_epochs=max_epochs, min_steps=min_steps, patience=patience, keep=keep,
            choose_by=choose_by, validation_fraction=validation_fraction, augmentation=augmentation,
            random_state=random_state, device=device, checkpoint=checkpoint, on_epoch=on_epoch,
        )  # fmt: skip
        self.units = units
        self.activation = activation
        self.dropout = dropout

    def build(self, frames: int) -> Perceptron:
        """Make the untrained network, for clips of so many frames."""
        return Perceptron(frames, self.n_features_in_, len(self.classes_), self.units, self.activation, self.dropout)
