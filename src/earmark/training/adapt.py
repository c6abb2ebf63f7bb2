"""Corrections in a library → a model that goes beyond the one whose answers were corrected, without any sound.

Of a track, p = softmax(log p_base @ evidence + W x + b): x is what the encoder heard, W and b are learned from the
corrections, see :class:`earmark.training.residual.ResidualSoftmax`. A genre that the base does not know gets a column
of `evidence`: what the base made of its examples.
"""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

import earmark
from earmark.data.examples import JOINT
from earmark.errors import SettingError
from earmark.evaluation import metrics, thresholds
from earmark.evaluation.calibration import TAG_PRECISION
from earmark.inference.aggregate import LEAST_PROBABILITY
from earmark.inference.card import Calibration, Card, Metric, Training
from earmark.inference.model import Model, open_model, save_model
from earmark.library.answers import advise_hearing, choose_model, find_model, locate_model
from earmark.library.library import Library
from earmark.library.records import ModelKey
from earmark.training.corrections import Corrections, read_corrections
from earmark.training.export import write_adapted
from earmark.training.provenance import commit
from earmark.training.residual import ResidualSoftmax

Probabilities = NDArray[np.float64]

FOLDS = 5
"""Parts of the corrections that are held out, one after the other."""

_BIAS_PENALTY, _NEW_BIAS_PENALTY = 100.0, 0.3
"""How often each genre was corrected says little of how often it occurs; a new genre must come up from nothing."""


class Scores(NamedTuple):
    """Share of corrections that are answered right, and its mean over their genres."""

    accuracy: float
    mean_recall: float


@dataclass(frozen=True)
class Adaptation:
    """What was learned from corrections.

    Attributes
    ----------
    model : Model
        As written.
    base : Model
        What it goes beyond.
    counts : dict of str to int
        Tracks that it learned from by genre, in the order of the labels.
    n_tags : int
        How many of them are by their tags.
    left_out : dict of str to str
        Files whose corrections nothing was learned from, and why.
    n_folds : int
        Parts that were held out for the scores; 0 where there are too few corrections.
    before, after : Scores or None
        Of the base, and of models that have not met the corrections that they are judged by.
    """

    model: Model
    base: Model
    counts: dict[str, int]
    n_tags: int
    left_out: dict[str, str]
    n_folds: int = 0
    before: Scores | None = None
    after: Scores | None = None

    @property
    def new(self) -> dict[str, int]:
        """Those of `counts` that the base does not know."""
        return {genre: n for genre, n in self.counts.items() if genre not in self.base.card.labels}


def adapt(
    library: Library, output: Path, model: str | None = None, *, tags: bool = False, name: str = "", licence: str = ""
) -> Adaptation:
    """Learn from the corrections in a library, and write a model file.

    Parameters
    ----------
    library : Library
        With answers and embeddings of the base.
    output : Path
    model : str, optional
        The base: a file, or a bundled model; the bundled model last used in the library when left out.
    tags : bool
        Learn too from the genres in tags that the model or a correction knows, but those that Earmark wrote.
    name : str
        Name in the card; the file's name when left out.
    licence : str
        Licence of the model, for the card; the base's when left out.

    Raises
    ------
    LibraryError
        If the library has no answers.
    SettingError
        If it has none of the base, if nothing is corrected, or only to one genre, if no embeddings are kept, or if the
        base cannot be gone beyond: it gives several genres, or has been made here itself.
    """
    base, hearing = _choose_base(library, model)
    corrections = read_corrections(library, hearing, tags=tags)
    labels = (*base.card.labels, *corrections.list_new(base.card.labels))
    residual = Residual(corrections, labels)
    held_out, n_folds = cross_validate(corrections, labels)
    graph, head = write_adapted(base, residual.evidence, *residual.weights)
    calibration = _calibrate(base.card, labels, corrections, held_out)
    done = Adaptation(
        base,
        base,
        {label: n for label in labels if (n := Counter(corrections.genres)[label])},
        corrections.n_tags,
        corrections.left_out,
        n_folds,
        *_score_both(base.card.labels, labels, corrections, held_out),
    )
    card = _make_card(base.card, labels, calibration, corrections, done, name or output.stem, licence)
    return Adaptation(**vars(done) | {"model": save_model(output, graph, card, head=head)})


def _choose_base(library: Library, model: str | None) -> tuple[Model, ModelKey]:
    """Open the model to go beyond, and find its answers."""
    if model:
        hearing, _ = choose_model(library, model)
        base = open_model(locate_model(library, model))
    else:
        _, names = choose_model(library)
        places = ((key, find_model(key)) for key, _ in library.models())
        found = ((open_model(place), key) for key, place in places if place)
        # the one last used that is neither of several genres nor has learned from corrections itself
        first = next((pair for pair in found if not (pair[0].card.base or pair[0].card.multilabel)), None)
        if first is None:
            raise SettingError(
                f"{library.path} has answers of {'; '.join(names)}, and none of these models is here to learn from "
                f"corrections: {advise_hearing(library)}; or give the file of one by --model"
            )
        base, hearing = first
    if base.card.checksum != hearing.checksum:
        raise SettingError(f"{library.path}: its answers are of another {base.card.name}: {advise_hearing(library)}")
    if base.card.multilabel:
        raise SettingError(f"{base.name} gives several genres a track: corrections are learned by models that give one")
    if base.card.base:
        raise SettingError(
            f"{base.name} has learned from corrections itself: give the model that it goes beyond, which learns from "
            "all corrections anew"
        )
    return base, hearing


class Residual:
    """What corrections teach beyond the base.

    Parameters
    ----------
    corrections : Corrections
    labels : sequence of str
        The base's, then new ones; of these some may have no example here.

    Attributes
    ----------
    evidence : ndarray, shape (base labels, labels)
        What each label of the base speaks for: itself, and the new genres as it was the answer to their examples.
    """

    def __init__(self, corrections: Corrections, labels: tuple[str, ...]) -> None:
        self._whitening = corrections.whitening
        genres, n_known = np.array(corrections.genres), corrections.answers.shape[1]
        columns = [corrections.answers[genres == label] for label in labels[n_known:]]
        # each sums to 1; of a genre without examples nothing is known
        new = [p.mean(axis=0) if len(p) else np.full(n_known, 1 / n_known) for p in columns]
        self.evidence = np.column_stack([np.eye(n_known), *new])
        bias_penalty = [_BIAS_PENALTY] * n_known + [_NEW_BIAS_PENALTY] * len(new)
        self._classifier = ResidualSoftmax(bias_penalty=bias_penalty, classes=labels)
        prior = self._weigh(corrections.answers)
        self._classifier.fit(self._whitening.transform(corrections.features), genres, prior)

    @property
    def weights(self) -> tuple[Probabilities, Probabilities]:
        """W (labels, features) and b (labels,) for features as they are."""
        W = self._classifier.coef_ @ self._whitening.projection_.T
        return W, self._classifier.intercept_ - W @ self._whitening.mean_

    def predict_proba(self, features: NDArray[np.floating], answers: Probabilities) -> Probabilities:
        """Return probabilities (tracks, labels) from features (tracks, 634) and the base's answers."""
        return self._classifier.predict_proba(self._whitening.transform(features), self._weigh(answers))

    def _weigh(self, answers: Probabilities) -> Probabilities:
        weighed: Probabilities = np.log(np.maximum(answers, LEAST_PROBABILITY)) @ self.evidence
        return weighed


def cross_validate(corrections: Corrections, labels: tuple[str, ...]) -> tuple[Probabilities | None, int]:
    """Answer each correction from those of other artists, albums and folders.

    Returns
    -------
    ndarray, shape (tracks, labels), or None
        Probabilities; None where all are of one group.
    int
        How many folds there were.
    """
    folds = min(FOLDS, len(set(corrections.groups)))
    if folds < 2:
        return None, 0
    answers = np.empty((len(corrections.genres), len(labels)))
    for learns, judges in GroupKFold(folds).split(corrections.features, groups=corrections.groups):
        residual = Residual(corrections.subset(learns), labels)
        answers[judges] = residual.predict_proba(corrections.features[judges], corrections.answers[judges])
    return answers, folds


def _calibrate(
    card: Card, labels: tuple[str, ...], corrections: Corrections, held_out: Probabilities | None
) -> Calibration:
    """Return the base's calibration, of probabilities that are tempered already, with thresholds for tags."""
    known = card.calibration
    own: tuple[float, ...] = ()
    if held_out is not None:
        truth = corrections.encode(labels)
        own = thresholds.find_thresholds_by_label(
            held_out, truth, default=known.tag_threshold, least=known.threshold, precision=TAG_PRECISION
        )
    return known.model_copy(
        update={
            "clip_temperature": known.clip_temperature / known.track_temperature,
            "track_temperature": 1.0,
            "novelty": None,
            "tag_thresholds": own,
        }
    )


def _score_both(
    known: tuple[str, ...], labels: tuple[str, ...], corrections: Corrections, held_out: Probabilities | None
) -> tuple[Scores | None, Scores | None]:
    """Score the base's answers, and the held-out ones."""
    if held_out is None:
        return None, None
    truth = corrections.encode(labels)
    pairs = [metrics.confusion(truth, p.argmax(axis=1), len(labels)) for p in (corrections.answers, held_out)]
    before, after = (Scores(float(c.trace() / c.sum()), metrics.mean_recall(c)) for c in pairs)
    return before, after


def _make_card(
    base: Card,
    labels: tuple[str, ...],
    calibration: Calibration,
    corrections: Corrections,
    done: Adaptation,
    name: str,
    licence: str,
) -> Card:
    n = len(corrections.genres)
    figures = zip(("track_accuracy", "mean_recall"), done.after or (), strict=False)
    return base.model_copy(
        update={
            "name": name,
            "labels": labels,
            "calibration": calibration,
            "base": base.checksum,
            "training": Training(
                corpus=f"{base.training.corpus}{JOINT}corrections",
                fingerprint=corrections.fingerprint,
                protocol="album",
                n_tracks=n,
                n_clips=n,
                recipe="earmark train --library",
                seed=0,
                epochs=0,
            ),
            "metrics": tuple(
                Metric(
                    name=figure, value=value, n=n, corpus="corrections", protocol="album",
                    part=f"{done.n_folds} held-out folds", route="audio",
                )
                for figure, value in figures
            ),
            "licence": licence or base.licence,
            "created": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "commit": commit(),
            "earmark": earmark.__version__,
        }
    )  # fmt: skip
