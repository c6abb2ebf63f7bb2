"""Any network of ours as a scikit-learn classifier: skorch runs the loop, the paper gives the defaults.

Input is as in :mod:`earmark.training.scalers`: ``(clips, frames, bins)``, with NaN frames where a clip is shorter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils import assert_all_finite, check_random_state, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d
from skorch.callbacks import GradientNormClipping
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import Tensor

from earmark.errors import SettingError
from earmark.networks.base import Network
from earmark.networks.mlp import MlpNetwork
from earmark.networks.recurrent import RecurrentNetwork
from earmark.networks.settings import MlpSettings, NetworkSettings, Settings
from earmark.training.callbacks import EpochSeed, FiniteLoss, KeepBest, OnEpoch, Schedule
from earmark.training.scalers import ClipEstimator, Clips
from earmark.training.settings import TrainingSettings, identify_run
from earmark.training.skorch_net import SkorchNet, make_net


class _AllSettings(NamedTuple):
    network: NetworkSettings | MlpSettings
    training: TrainingSettings


class NetworkClassifier(ClassifierMixin, ClipEstimator):
    """A network of ours as a scikit-learn classifier.

    ``get_params`` and ``set_params`` reach into the settings: ``network__units``, ``training__lr``.

    Parameters
    ----------
    network : NetworkSettings or MlpSettings, optional
        Which network; the paper's LSTM when left out.
    training : TrainingSettings, optional
        How it is trained; as in the paper when left out.
    class_weight : {"balanced"}, optional
        Weigh the loss of each clip by the inverse of its class' share, so that all classes weigh alike.
    validation_fraction : float
        Share of the clips set aside when `fit` gets no validation data; 0 keeps the last epoch.
    random_state : int, RandomState or None
        Seed of initial weights, order and dropout.
    device : str
        "auto" takes CUDA where there is one.
    checkpoint : path, optional
        File that holds the state after every epoch; a `fit` with the same settings that finds it goes on from there.
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
    network_ : Network
        The trained torch module.

    Examples
    --------
    >>> classifier = NetworkClassifier(NetworkSettings(units=60, attention="dot"))
    >>> classifier.set_params(training__lr=0.1).training.lr
    0.1
    """

    def __init__(
        self,
        network: NetworkSettings | MlpSettings | None = None,
        training: TrainingSettings | None = None,
        *,
        class_weight: Literal["balanced"] | None = None,
        validation_fraction: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        checkpoint: str | Path | None = None,
        on_epoch: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.network = network
        self.training = training
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.device = device
        self.checkpoint = checkpoint
        self.on_epoch = on_epoch

    @property
    def _settings(self) -> _AllSettings:
        # __init__ only stores, as scikit-learn asks, so defaults are filled in here
        return _AllSettings(
            NetworkSettings() if self.network is None else self.network,
            TrainingSettings() if self.training is None else self.training,
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; with `deep`, those of the settings too, as ``network__units``."""
        params: dict[str, Any] = super().get_params(deep=False)
        if deep:
            for name, settings in self._settings._asdict().items():
                if isinstance(settings, Settings):
                    params.update({f"{name}__{key}": value for key, value in settings})
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters; one of the settings, ``network__units``, makes new settings that differ in it alone."""
        nested = {key: value for key, value in params.items() if "__" in key}
        # whole settings first, so that one of their values can be given beside them
        super().set_params(**{key: value for key, value in params.items() if key not in nested})
        for key, value in nested.items():
            name, _, field = key.partition("__")
            settings = self._settings._asdict().get(name)
            if not isinstance(settings, Settings):
                raise SettingError(f"unknown parameter {key!r}: only network and training have their own")
            # made anew, as pydantic's model_copy would check nothing
            setattr(self, name, type(settings)(**{**dict(settings), field: value}))
        return self

    def build(self, n_frames: int) -> Network:
        """Make the untrained network for clips of so many frames, ``n_features_in_`` bins and ``classes_``."""
        settings, n_classes = self._settings.network, len(self.classes_)
        if isinstance(settings, MlpSettings):
            return MlpNetwork(n_frames, self.n_features_in_, n_classes, settings)
        return RecurrentNetwork(self.n_features_in_, n_classes, settings)

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

        Raises
        ------
        TrainingError
            If the loss stops being a number, or the checkpoint is of another run.
        """
        for name, settings in self._settings._asdict().items():
            if not isinstance(settings, Settings):
                raise SettingError(f"{name} is {settings!r}: must be settings, such as NetworkSettings(units=60)")
        clips = self.as_clips(X, reset=True)
        labels = column_or_1d(y, warn=True)
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        self.classes_, targets = np.unique(labels, return_inverse=True)
        if len(clips) != len(targets):
            raise ValueError(f"Found inconsistent numbers of samples: {len(clips)} clips, {len(targets)} labels")
        if len(self.classes_) < 2:
            raise ValueError(f"the data has 1 class ({self.classes_[0]!r}): a classifier needs two or more")
        # one number, from which every epoch's seed follows
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        train, valid = self._split(clips, targets, X_valid, y_valid, seed)
        # the caller's generator is left as it was
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.net_ = self._make_net(train, valid, seed)
            self.net_.initialize()
            # after initialize, which makes the optimizer whose state is loaded
            self._keeper.resume(self.net_)
            self.net_.notify("on_train_begin", X=train, y=None)
            while not self._keeper.exhausted and len(self.net_.history) < self.epochs_:
                self.net_.fit_loop(train, epochs=1)  # not net.fit(), which swallows Ctrl-C
            self.net_.notify("on_train_end", X=train, y=None)
        self.n_iter_ = len(self.net_.history)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of each class, shape (clips, classes), in the order of ``classes_``."""
        check_is_fitted(self)
        # skorch takes the softmax of logits itself, as the criterion is CrossEntropyLoss
        return np.asarray(self.net_.predict_proba(self.as_clips(X, reset=False)), np.float32)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable label of each clip, shape (clips,)."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def attend(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return attention weights, shape (clips, frames); 0 on filling.

        Raises
        ------
        SettingError
            If the network has no attention.
        """
        check_is_fitted(self)
        self.net_.module_.eval()
        with torch.no_grad():
            _, weights = self.net_.module_(torch.as_tensor(self.as_clips(X, reset=False)).to(self.net_.device))
        if weights is None:
            raise SettingError("this network has no attention: choose attention='dot', or another scorer")
        return np.asarray(weights.cpu().numpy(), np.float32)

    @property
    def network_(self) -> Network:
        """The trained torch module."""
        check_is_fitted(self, "net_")
        return self.net_.module_  # type: ignore[no-any-return]

    def _split(
        self, clips: Clips, targets: NDArray[np.intp], X_valid: ArrayLike | None, y_valid: ArrayLike | None, seed: int
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

    def _make_net(self, train: Dataset, valid: Dataset | None, seed: int) -> SkorchNet:
        training = self._settings.training
        network = self.build(train.X.shape[1])
        steps = math.ceil(len(train) / training.batch_size)  # of an epoch
        self.epochs_ = training.max_epochs
        # without a random state each fit draws another seed and still is the same run
        seeded = {} if self.random_state is None else {"seed": seed}
        run = identify_run(**self._settings._asdict(), class_weight=self.class_weight, **seeded)
        self._keeper = KeepBest(training, Path(self.checkpoint) if self.checkpoint else None, run)
        # skorch puts its own callbacks, which score the valid part, before these
        callbacks: list[Any] = [
            EpochSeed(seed),
            Schedule(training, steps * self.epochs_, steps),
            FiniteLoss(),
            GradientNormClipping(training.clip_norm),
            self._keeper,
        ]
        if self.on_epoch:
            # after the keeper: an epoch that is told is saved
            callbacks.append(OnEpoch(self.on_epoch, self.epochs_))
        options = {
            "train_split": None if valid is None else predefined_split(valid),
            "classes": np.arange(len(self.classes_)),
            "criterion__weight": self._class_weights(train.y),
            "device": ("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device,
        }
        return make_net(network, training, callbacks=callbacks, **options)

    def _class_weights(self, targets: NDArray[np.intp]) -> Tensor | None:
        if self.class_weight is None:
            return None
        # clips / (classes · clips of the class)
        weights = compute_class_weight(self.class_weight, classes=np.arange(len(self.classes_)), y=targets)
        return torch.as_tensor(weights, dtype=torch.float32)
