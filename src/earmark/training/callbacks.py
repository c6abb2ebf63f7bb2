"""What skorch's loop leaves to us: seeds, the learning rate, the best epoch, coming back after a kill."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from skorch.callbacks import Callback
from skorch.history import History

from earmark.errors import TrainingError
from earmark.files import replacing

ScheduleName = Literal["constant", "one-cycle"]
Keep = Literal["best", "last"]
ChooseBy = Literal["accuracy", "loss"]


class EpochSeed(Callback):
    """Seed each epoch from (seed, epoch), so that an interrupted run goes on exactly as it would have."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_epoch_begin(self, net: Any, **_: Any) -> None:
        """Seed torch's generator."""
        torch.manual_seed(self.seed + 1_000_003 * len(net.history))


class Schedule(Callback):
    """The learning rate as a pure function of the step: nothing to save, nothing to restore."""

    def __init__(self, name: ScheduleName, peak: float, total_steps: int, steps_per_epoch: int) -> None:
        self.name, self.peak = name, peak
        self.total_steps, self.steps_per_epoch = total_steps, steps_per_epoch

    def on_batch_begin(self, net: Any, training: bool = False, **_: Any) -> None:
        """Set the rate of this step."""
        if training and self.name != "constant":
            for group in net.optimizer_.param_groups:
                group["lr"] = self.rate(_step(net, self.steps_per_epoch))

    def rate(self, step: int) -> float:
        """Learning rate at `step`: up over the first tenth, then down along a cosine to a thousandth."""
        done = (step + 1) / self.total_steps
        if done <= 0.1:
            return self.peak * done / 0.1
        return self.peak * (0.001 + 0.999 * (1 + math.cos(math.pi * (done - 0.1) / 0.9)) / 2)


def _step(net: Any, steps_per_epoch: int) -> int:
    """Index of the step that is being made, from the first epoch on."""
    return (len(net.history) - 1) * steps_per_epoch + len(net.history[-1]["batches"]) - 1


class FiniteLoss(Callback):
    """Stop at once when the loss is no number, instead of training on rubble."""

    def on_batch_end(self, net: Any, training: bool = False, **_: Any) -> None:
        """Look at the loss of the batch."""
        loss = net.history[-1, "batches", -1, "train_loss"] if training else 0.0
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss} in epoch {len(net.history)}: "
                "lower the learning rate or the gradient clip, or look for broken input"
            )


class OnEpoch(Callback):
    """Tell someone about each finished epoch: skorch's record of it, and how many are planned ("epochs")."""

    def __init__(self, tell: Callable[[dict[str, Any]], None], epochs: int) -> None:
        self.tell, self.epochs = tell, epochs

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Pass the record on, without the batches."""
        self.tell({"epochs": self.epochs, **{k: v for k, v in net.history[-1].items() if k != "batches"}})


def best_epoch(losses: list[float]) -> int | None:
    """Index of the smallest loss (or error), the first among equals; NaN never wins, None where all are NaN.

    Examples
    --------
    >>> best_epoch([2.0, float("nan"), 1.0, 1.0])
    2
    """
    finite = [(loss, i) for i, loss in enumerate(losses) if math.isfinite(loss)]
    return min(finite)[1] if finite else None


class KeepBest(Callback):
    """Keep the weights of the best validation epoch, know when to stop, survive a kill.

    Parameters
    ----------
    patience : int, optional
        Epochs without improvement after which training stops; 0 stops at the first of them.
    keep_last : bool
        Keep the last epoch's weights after all.
    choose_by : {"loss", "accuracy"}
        What makes a validation epoch better than another.
    path : Path, optional
        Written whole after every epoch, under another name first: weights, optimiser, best weights and
        history. Tensors and JSON only, loaded without executing anything.
    """

    def __init__(
        self,
        patience: int | None,
        path: Path | None = None,
        *,
        keep_last: bool = False,
        choose_by: ChooseBy = "loss",
    ) -> None:
        self.patience, self.path, self.keep_last, self.choose_by = patience, path, keep_last, choose_by
        self.best: dict[str, torch.Tensor] | None = None
        self.exhausted = False

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Look whether this epoch is the best and whether patience has ended, and save."""
        losses = self._losses(net.history)
        best = best_epoch(losses) if losses else None
        if losses and best == len(losses) - 1:
            self.best = {k: v.detach().clone() for k, v in net.module_.state_dict().items()}
        since = len(losses) - 1 - (best if best is not None else -1)
        self.exhausted = self.patience is not None and bool(losses) and since > self.patience
        if self.path:
            self._save(net)

    def on_train_end(self, net: Any, **_: Any) -> None:
        """Put the best weights back."""
        if self.best is not None and not self.keep_last:
            net.module_.load_state_dict(self.best)

    def resume(self, net: Any) -> None:
        """Take up an initialised net where the file left it; nothing where there is no file.

        Raises
        ------
        TrainingError
            If the file belongs to another network.
        """
        if not (self.path and self.path.exists()):
            return
        try:
            state = torch.load(self.path, map_location=net.device, weights_only=True)
            net.module_.load_state_dict(state["weights"])
            net.optimizer_.load_state_dict(state["optimizer"])
        except Exception as error:  # torch raises many kinds for a foreign or damaged file
            raise TrainingError(
                f"{self.path} cannot be resumed ({str(error).splitlines()[0]}): delete it to start afresh"
            ) from error
        net.history_ = History(json.loads(state["history"]))
        self.best, self.exhausted = state["best"], state["exhausted"]

    def _losses(self, history: History) -> list[float]:
        """What each epoch is judged by, less is better."""
        rows = [row for row in history if "valid_loss" in row]
        if self.choose_by == "accuracy":
            return [1 - row["valid_acc"] for row in rows]
        return [row["valid_loss"] for row in rows]

    def _save(self, net: Any) -> None:
        assert self.path is not None
        state = {
            "weights": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "best": self.best,
            "exhausted": self.exhausted,
            "history": json.dumps(net.history.to_list()),
        }
        with replacing(self.path) as partial:
            torch.save(state, partial)
