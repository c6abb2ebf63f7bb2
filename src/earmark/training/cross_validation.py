"""Cross-validation for a model that is to be used: held-out folds judge and calibrate, then everything is learned from.

With a split, part of a small corpus only judges. Here each track judges once, by a network that has not met it; the
network that is kept has met them all, so nothing of the corpus can judge that one any more.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from earmark.data.groups import count_groups
from earmark.data.splits import Fold
from earmark.errors import SettingError
from earmark.evaluation.calibration import Answers, calibrate
from earmark.files import replacing
from earmark.training import fit as trials
from earmark.training.experiment import Experiment, Resources, read_clips
from earmark.training.fit import Fitting, Trial

_FOLDS = 5
"""As many as are common; a fifth of the tracks judges at once."""

_ARRAYS = ("log_probabilities", "track", "y", "novelty")


def run(
    experiment: Experiment,
    folds: int,
    folder: Path,
    resources: Resources | None = None,
) -> Trial:
    """Let held-out folds judge, then learn from every track.

    Parameters
    ----------
    experiment : Experiment
        Without a fold. Its recipe must keep the last epoch, for there is nothing left to choose one by.
    folds : int
        Three or more; 0 for as many, up to five, as each genre has groups for.
    folder : Path
        Keeps each fold's answers, and the state after each epoch; a run that was killed goes on from there.
    resources : Resources, optional

    Returns
    -------
    Trial
        The pipeline that learned from everything; calibration and report are of the held-out folds.

    Raises
    ------
    SettingError
        If the recipe chooses its epoch, or there are too few folds.
    """
    if experiment.recipe.chooses_epoch:
        raise SettingError("--folds leaves nothing to choose an epoch by: give a recipe with training.keep = 'last'")

    # decoded once for all folds
    computed = read_clips(experiment, resources or Resources())
    experiment = replace(experiment, corpus=computed[0])
    folds = folds or min(_FOLDS, count_groups(experiment.corpus, experiment.protocol))

    def fit(part: Experiment, name: str) -> Fitting:
        return trials.fit(part, resources, folder / f"{name}.pt", computed)

    answers = []
    for k in range(folds):
        # a fold that is finished has its file: a resumed run only reads it
        path = folder / f"fold-{k}.json"
        if not path.exists():
            # nothing chooses an epoch, so the valid part learns too
            turn = replace(experiment, fold=Fold(k, folds), learns="train+valid")
            _save(trials.answers_to(fit(turn, f"fold-{k}"), "test"), path)
        answers.append(_load(path))
    held_out = trials.find_truth(_concatenate(answers), experiment.corpus, experiment.recipe)
    final = fit(replace(experiment, learns="all"), "all")
    calibration = calibrate(held_out)
    part = f"{folds} held-out folds"
    report = trials.report(experiment, final.material.corpus, held_out, calibration, part)
    return Trial(**vars(final), calibration=calibration, reports={part: report})


def _concatenate(answers: list[Answers]) -> Answers:
    # (clips of all folds, …)
    given = [name for name in _ARRAYS if getattr(answers[0], name) is not None]
    return Answers(
        labels=answers[0].labels, **{name: np.concatenate([getattr(a, name) for a in answers]) for name in given}
    )


def _save(answers: Answers, path: Path) -> None:
    # JSON keeps 64-bit floats to the last bit
    arrays = {name: getattr(answers, name) for name in _ARRAYS}
    record = {"labels": answers.labels, **{name: a.tolist() for name, a in arrays.items() if a is not None}}
    with replacing(path) as partial:
        partial.write_text(json.dumps(record), encoding="utf-8")


def _load(path: Path) -> Answers:
    record = json.loads(path.read_text(encoding="utf-8"))
    return Answers(labels=tuple(record.pop("labels")), **{name: np.array(values) for name, values in record.items()})
