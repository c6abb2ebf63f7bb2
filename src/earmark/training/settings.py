"""How networks are trained: settings that recipes and estimators read alike; without torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from earmark.networks.settings import Settings


class TrainingSettings(Settings):
    """How a network is trained; the defaults are the paper's (Section 5.1).

    Attributes
    ----------
    optimizer : {"sgd", "adamw"}
    lr : float
        Learning rate; of the schedule, the peak.
    schedule : {"constant", "one-cycle"}
        One-cycle: up in the first tenth, then down along a cosine.
    weight_decay, label_smoothing : float
        Regularisation beyond the paper.
    batch_size : int
        Clips a step.
    clip_norm : float
        Limit on the gradient's norm.
    max_epochs : int
        Epochs at most.
    patience : int, optional
        Stop after so many epochs without a better one, 0 at the first of them; None ("off" in a recipe), or keeping
        the last, runs all.
    keep : {"best", "last"}
        Which epoch's weights: the best by validation, or the last (for schedules that end near zero).
    choose_by : {"accuracy", "loss"}
        What makes a validation epoch better. The paper's figures are accuracies; the loss soon rises where a network
        becomes sure of its few mistakes, while its accuracy still grows.
    """

    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(1.0, gt=0)
    schedule: Literal["constant", "one-cycle"] = "constant"
    weight_decay: float = Field(0.0, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    batch_size: int = Field(128, ge=1)
    clip_norm: float = Field(5.0, gt=0)
    max_epochs: int = Field(100, ge=1)
    patience: int | None = Field(30, ge=0)
    keep: Literal["best", "last"] = "best"
    choose_by: Literal["accuracy", "loss"] = "accuracy"


def identify_run(**parts: Any) -> dict[str, Any]:
    """Return what makes two runs the same run, as plain types: settings by their values, all else as it is."""
    return {name: part.model_dump(mode="json") if isinstance(part, Settings) else part for name, part in parts.items()}
