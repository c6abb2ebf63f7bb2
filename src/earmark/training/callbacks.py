"""What skorch's loop leaves to us: seeds, the learning rate, the best epoch, coming back after a kill."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from skorch.callbacks import Callback
from skorch.history import History

from earmark.errors import TrainingError
from earmark.files import replacing
from earmark.training.settings import TrainingSettings


class EpochSeed(Callback):
    """Seed each epoch from (seed, epoch), so that an interrupted run goes on exactly as it would have."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_epoch_begin(self, net: Any, **_: Any) -> None:
        """Seed torch's generator."""
        # a large prime, so that neighbouring seeds share no epoch
        torch.manual_seed(self.seed + 1_000_003 * len(net.history))


class Schedule(Callback):
    """The learning rate as a pure function of the step: nothing to save, nothing to restore."""

    def __init__(self, settings: TrainingSettings, total_steps: int, steps_per_epoch: int) -> None:
        self.settings = settings
        self.total_steps, self.steps_per_epoch = total_steps, steps_per_epoch

    def on_batch_begin(self, net: Any, training: bool = False, **_: Any) -> None:
        """Set the rate of this step."""
        if training and self.settings.schedule != "constant":
            for group in net.optimizer_.param_groups:
                group["lr"] = self.rate(_step(net, self.steps_per_epoch))

    def rate(self, step: int) -> float:
        """Return the learning rate at `step`: up over the first tenth, then down along a cosine to a thousandth."""
        # share of all steps
        done = (step + 1) / self.total_steps
        peak = self.settings.lr
        # s = share of its own part: peak · s, then peak · (0.001 + 0.999 (1 + cos π s) / 2)
        if done <= 0.1:
            return peak * done / 0.1
        return peak * (0.001 + 0.999 * (1 + math.cos(math.pi * (done - 0.1) / 0.9)) / 2)


def _step(net: Any, steps_per_epoch: int) -> int:
    """Return the index of the step that is being made, from the first epoch on."""
    # skorch opens the records of epoch and batch before it calls: both count the one under way
    return (len(net.history) - 1) * steps_per_epoch + len(net.history[-1]["batches"]) - 1


class FiniteLoss(Callback):
    """Stop at once when the loss is no number, instead of training on."""

    def on_batch_end(self, net: Any, training: bool = False, **_: Any) -> None:
        """Look at the loss of the batch."""
        loss = net.history[-1, "batches", -1, "train_loss"] if training else 0.0
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss} in epoch {len(net.history)}: "
                "lower the learning rate or the gradient clip, or look for broken input"
            )


class OnEpoch(Callback):
    """Pass on each finished epoch: skorch's record of it, without the batches, and how many are planned ("epochs")."""

    def __init__(self, callback: Callable[[dict[str, Any]], None], epochs: int) -> None:
        self.callback, self.epochs = callback, epochs

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Pass the record on."""
        self.callback({"epochs": self.epochs, **{k: v for k, v in net.history[-1].items() if k != "batches"}})


def best_epoch(losses: list[float]) -> int | None:
    """Return the index of the smallest loss (or error), the first among equals; NaN never wins, None where all are NaN.

    Examples
    --------
    >>> best_epoch([2.0, float("nan"), 1.0, 1.0])
    2
    """
    # ties go to the earlier epoch
    finite = [(loss, i) for i, loss in enumerate(losses) if math.isfinite(loss)]
    return min(finite)[1] if finite else None


class KeepBest(Callback):
    """Keep the weights of the best validation epoch, know when to stop, survive a kill.

    Parameters
    ----------
    settings : TrainingSettings
        ``patience``, ``keep`` and ``choose_by``.
    path : Path, optional
        Written whole after every epoch, under another name first: weights, optimiser, best weights and
        history. Tensors and JSON only, loaded without executing anything.
    run : dict
        What makes it this run, see :func:`~earmark.training.settings.identify_run`.
    """

    def __init__(self, settings: TrainingSettings, path: Path | None = None, run: dict[str, Any] | None = None) -> None:
        self.settings, self.path, self.run = settings, path, json.dumps(run)
        self.best: dict[str, torch.Tensor] | None = None
        self.exhausted = False

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Look whether this epoch is the best and whether patience has ended, and save."""
        losses = self._losses(net.history)
        best = best_epoch(losses) if losses else None
        if losses and best == len(losses) - 1:
            # state_dict() gives the live tensors, which the next step changes
            self.best = {k: v.detach().clone() for k, v in net.module_.state_dict().items()}
        # epochs since the best
        since = len(losses) - 1 - (best if best is not None else -1)
        # a schedule that is to end must not be cut short
        patience = self.settings.patience if self.settings.keep == "best" else None
        self.exhausted = patience is not None and bool(losses) and since > patience
        if self.path:
            self._save(net)

    def on_train_end(self, net: Any, **_: Any) -> None:
        """Put the best weights back."""
        if self.best is not None and self.settings.keep == "best":
            net.module_.load_state_dict(self.best)

    def resume(self, net: Any) -> None:
        """Take up an initialised net where the file left it; nothing where there is no file.

        Raises
        ------
        TrainingError
            If the file belongs to another run.
        """
        if not (self.path and self.path.exists()):
            return
        try:
            # weights_only: a pickle could run code
            state = torch.load(self.path, map_location=net.device, weights_only=True)
            # states of older versions do not say
            if state.get("run", self.run) != self.run:
                raise ValueError("it is of a run with other settings")
            net.module_.load_state_dict(state["weights"])
            net.optimizer_.load_state_dict(state["optimizer"])
        except Exception as error:  # torch raises many kinds for a foreign or damaged file
            raise TrainingError(
                f"{self.path} cannot be resumed ({str(error).splitlines()[0]}): delete it to start afresh"
            ) from error
        # its length is the number of epochs run
        net.history_ = History(json.loads(state["history"]))
        self.best, self.exhausted = state["best"], state["exhausted"]

    def _losses(self, history: History) -> list[float]:
        """Return what each epoch is judged by, less is better."""
        rows = [row for row in history if "valid_loss" in row]
        if self.settings.choose_by == "accuracy":
            return [1 - row["valid_acc"] for row in rows]
        return [row["valid_loss"] for row in rows]

    def _save(self, net: Any) -> None:
        assert self.path is not None
        state = {
            "weights": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "best": self.best,
            "exhausted": self.exhausted,
            "run": self.run,
            "history": json.dumps(net.history.to_list()),
        }
        with replacing(self.path) as partial:
            torch.save(state, partial)
