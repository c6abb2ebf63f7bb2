"""Any network of ours as a scikit-learn classifier: skorch runs the loop, the paper gives the defaults.

Input is as in :mod:`earmark.training.scalers`: ``(clips, frames, bins)``, with NaN frames where a clip is shorter.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils import assert_all_finite, check_random_state, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d
from skorch import NeuralNetClassifier
from skorch.callbacks import GradientNormClipping
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import Tensor, nn

from earmark.errors import SettingError
from earmark.networks.recurrent import Network
from earmark.training.augment import Augment, Augmentation, mix
from earmark.training.callbacks import ChooseBy, EpochSeed, FiniteLoss, Keep, KeepBest, OnEpoch, Schedule, ScheduleName
from earmark.training.scalers import ClipEstimator, Clips, lengths


class NetworkClassifier(ClassifierMixin, ClipEstimator, ABC):
    """What the networks share: training, choosing the epoch, resuming, predicting.

    SGD at learning rate 1, batches of 128, gradient norm clipped at 5, and the epoch with the best validation accuracy
    is the one that is kept (Section 5.1).

    Parameters
    ----------
    optimizer : {"sgd", "adamw"}
    lr : float
        Learning rate; of the schedule, the peak.
    schedule : {"constant", "one-cycle"}
        One-cycle: up in the first tenth, then down along a cosine.
    weight_decay, label_smoothing : float
        Regularisation beyond the paper.
    class_weight : {"balanced"}, optional
        Weigh the loss of each clip by the inverse of its class' share, so that all classes weigh alike.
    batch_size : int
        Clips a step.
    clip_norm : float
        Limit on the gradient's norm.
    max_epochs : int
        Epochs at most.
    min_steps : int
        More epochs where so few clips would otherwise give fewer steps than this.
    patience : int, optional
        Stop after so many epochs without a better one; None, or keeping the last, runs all epochs.
    keep : {"best", "last"}
        Which epoch's weights: the best by validation, or the last (for schedules that end near zero).
    choose_by : {"accuracy", "loss"}
        What makes an epoch better. The paper's figures are accuracies; the loss soon rises where a network becomes
        sure of its few mistakes, while its accuracy still grows.
    validation_fraction : float
        Share of the clips set aside when `fit` gets no validation data; 0 keeps the last epoch.
    augmentation : Augmentation, optional
        Distortions of the training clips, see :mod:`earmark.training.augment`.
    random_state : int, RandomState or None
        Seed of initial weights, order, dropout and augmentation.
    device : str
        "auto" takes CUDA where there is one.
    checkpoint : path, optional
        File that holds the state after every epoch; a `fit` that finds it goes on from there.
    on_epoch : callable, optional
        Called with skorch's record of each finished epoch (a dict).

    Attributes
    ----------
    classes_ : ndarray
        Labels, sorted.
    epochs_ : int
        Epochs planned.
    n_iter_ : int
        Epochs run.
    net_ : skorch.NeuralNetClassifier
        The trained net, with its history.
    """

    def __init__(
        self,
        *,
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
        self.optimizer = optimizer
        self.lr = lr
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.batch_size = batch_size
        self.clip_norm = clip_norm
        self.max_epochs = max_epochs
        self.min_steps = min_steps
        self.patience = patience
        self.keep = keep
        self.choose_by = choose_by
        self.validation_fraction = validation_fraction
        self.augmentation = augmentation
        self.random_state = random_state
        self.device = device
        self.checkpoint = checkpoint
        self.on_epoch = on_epoch

    @abstractmethod
    def build(self, frames: int) -> Network:
        """Make the untrained network for ``n_features_in_`` bins and the labels in ``classes_``.

        Parameters
        ----------
        frames : int
            Frames of the training clips, filling included.
        """

    def fit(
        self, X: ArrayLike, y: ArrayLike, X_valid: ArrayLike | None = None, y_valid: ArrayLike | None = None
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : array, shape (clips, frames, bins)
        y : array, shape (clips,)
            Labels of any kind.
        X_valid, y_valid : arrays, optional
            Clips that choose the epoch; where left out, a stratified share of X does.

        Returns
        -------
        self

        Raises
        ------
        TrainingError
            If the loss stops being a number.
        """
        clips = self.as_clips(X, reset=True)
        labels = column_or_1d(y, warn=True)
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        self.classes_, targets = np.unique(labels, return_inverse=True)
        if len(clips) != len(targets):
            raise ValueError(f"Found inconsistent numbers of samples: {len(clips)} clips, {len(targets)} labels")
        if len(self.classes_) < 2:
            raise ValueError(f"the data has 1 class ({self.classes_[0]!r}): a classifier needs two or more")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        train, valid = self._split(clips, targets, X_valid, y_valid, seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.net_ = self._net(train, valid, seed)
            self.net_.initialize()
            self._keeper.resume(self.net_)
            self.net_.notify("on_train_begin", X=train, y=None)
            while not self._keeper.exhausted and len(self.net_.history) < self.epochs_:
                self.net_.fit_loop(train, epochs=1)  # not net.fit(), which swallows Ctrl-C
            self.net_.notify("on_train_end", X=train, y=None)
        self.n_iter_ = len(self.net_.history)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Probability of each class, shape (clips, classes), in the order of ``classes_``."""
        check_is_fitted(self)
        probabilities: NDArray[np.float32] = self.net_.predict_proba(self.as_clips(X, reset=False))
        return probabilities

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most probable label of each clip, shape (clips,)."""
        best = self.predict_proba(X).argmax(axis=1)
        predicted: NDArray[Any] = self.classes_[best]
        return predicted

    @property
    def network(self) -> Network:
        """The trained torch module."""
        check_is_fitted(self)
        network: Network = self.net_.module_.network
        return network

    def _split(
        self,
        clips: Clips,
        targets: NDArray[np.intp],
        X_valid: ArrayLike | None,
        y_valid: ArrayLike | None,
        seed: int,
    ) -> tuple[Dataset, Dataset | None]:
        if X_valid is not None:
            unknown = set(np.unique(np.asarray(y_valid))) - set(self.classes_)
            if unknown:
                raise ValueError(f"validation labels {sorted(unknown)} do not occur in training")
            return Dataset(clips, targets), Dataset(
                self.as_clips(X_valid, reset=False), np.searchsorted(self.classes_, np.asarray(y_valid))
            )
        rare = int(np.bincount(targets).min())
        n_valid = round(self.validation_fraction * len(clips))
        if n_valid < len(self.classes_) or rare < 2:  # too few to set some of each class aside
            return Dataset(clips, targets), None
        splitter = StratifiedShuffleSplit(1, test_size=n_valid, random_state=seed)
        train, valid = next(splitter.split(targets, targets))
        return Dataset(clips[train], targets[train]), Dataset(clips[valid], targets[valid])

    def _net(self, train: Dataset, valid: Dataset | None, seed: int) -> _Net:
        optimizers = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}
        if self.optimizer not in optimizers:
            raise SettingError(f"optimizer is {self.optimizer!r}: must be one of {', '.join(optimizers)}")
        network = self.build(train.X.shape[1])
        shortest = int(lengths(train.X).min())
        if shortest < network.min_frames:
            raise ValueError(
                f"a clip has {shortest} real frames, but this network needs {network.min_frames}: leave short ones out"
            )
        network.measure(torch.as_tensor(train.X))
        self._keeper = KeepBest(
            self.patience if self.keep == "best" else None,  # a schedule that is to end must not be cut short
            Path(self.checkpoint) if self.checkpoint else None,
            keep_last=self.keep == "last",
            choose_by=self.choose_by,
        )
        steps = math.ceil(len(train) / self.batch_size)
        self.epochs_ = max(self.max_epochs, math.ceil(self.min_steps / steps))
        callbacks: list[Any] = [
            EpochSeed(seed),
            Schedule(self.schedule, self.lr, steps * self.epochs_, steps),
            FiniteLoss(),
            GradientNormClipping(self.clip_norm),
            self._keeper,
        ]
        if self.on_epoch:
            callbacks.append(OnEpoch(self.on_epoch, self.epochs_))
        return _Net(
            _Trainable(network, self.augmentation),
            mixup=self.augmentation.mixup if self.augmentation else 0.0,
            criterion=nn.CrossEntropyLoss,
            criterion__label_smoothing=self.label_smoothing,
            criterion__weight=self._class_weights(train.y),
            optimizer=optimizers[self.optimizer],
            optimizer__weight_decay=self.weight_decay,
            lr=self.lr,
            batch_size=self.batch_size,
            iterator_train__shuffle=True,
            iterator_valid__batch_size=512,
            train_split=None if valid is None else predefined_split(valid),
            classes=np.arange(len(self.classes_)),
            callbacks=callbacks,
            verbose=0,
            device=("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device,
        )

    def _class_weights(self, targets: NDArray[np.intp]) -> Tensor | None:
        if self.class_weight is None:
            return None
        weights = compute_class_weight(self.class_weight, classes=np.arange(len(self.classes_)), y=targets)
        return torch.as_tensor(weights, dtype=torch.float32)


class _Trainable(nn.Module):
    """The network behind its augmentation, which only acts in training mode."""

    def __init__(self, network: Network, augmentation: Augmentation | None) -> None:
        super().__init__()
        self.augment = Augment(augmentation) if augmentation else nn.Identity()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        logits_and_attention: tuple[Tensor, Tensor | None] = self.network(self.augment(x))
        return logits_and_attention


class _Net(NeuralNetClassifier):
    """Skorch's loop over a module that also gives attention, which the loss does not look at.

    Parameters
    ----------
    mixup : float
        See :class:`~earmark.training.augment.Augmentation`.
    """

    def __init__(self, *args: Any, mixup: float = 0.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mixup = mixup

    def train_step_single(self, batch: tuple[Tensor, Tensor], **fit_params: Any) -> dict[str, Tensor]:
        if self.mixup:
            X, y = batch
            batch = mix(X, nn.functional.one_hot(y, len(self.classes)).to(X.dtype), self.mixup)
        step: dict[str, Tensor] = super().train_step_single(batch, **fit_params)
        return step

    def get_loss(self, y_pred: Tensor, y_true: Tensor, X: Any = None, training: bool = False) -> Tensor:
        if y_pred.ndim == 3:  # (clips, classes, members): a loss for each member of a committee
            y_true = y_true[..., None].expand(*y_true.shape, y_pred.shape[2])
        loss: Tensor = super().get_loss(y_pred, y_true, X=X, training=training)
        return loss

    def infer(self, x: Tensor, **fit_params: Any) -> Tensor:
        logits: Tensor = super().infer(x, **fit_params)[0]
        return logits
