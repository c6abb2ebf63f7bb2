"""A recipe → a scikit-learn pipeline, from clips of its front end to genres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline

from earmark.errors import CorpusError
from earmark.evaluation import metrics
from earmark.training import baselines
from earmark.training.novelty import NoveltyDetector
from earmark.training.recipe import Recipe
from earmark.training.scalers import LevelNormalizer, MeanPooling, Standardizer


def make_pipeline(recipe: Recipe, seed: int = 0, **settings: Any) -> Pipeline:
    """Build the estimator that a recipe describes, unfitted.

    Parameters
    ----------
    recipe : Recipe
    seed : int
    **settings
        Further parameters of a network's classifier, such as ``checkpoint``; other kinds need none.
    """
    level = [("level", LevelNormalizer(recipe.top_db))] if recipe.top_db is not None else []
    pool = [("pool", MeanPooling())] if recipe.pool else []
    scale = ("standardize", Standardizer(recipe.per_bin))
    novelty = [("novelty", NoveltyDetector())] if recipe.pool and recipe.logistic else []
    return Pipeline([*level, *pool, scale, *novelty, *_classifier(recipe, seed, settings)])


def is_network(pipeline: Pipeline) -> bool:
    """Whether a pipeline ends in a network: it learns in epochs and has a model file."""
    return bool(pipeline.steps[-1][0] == "network")


def fit(
    pipeline: Pipeline,
    X: ArrayLike,
    y: ArrayLike,
    X_valid: ArrayLike | None = None,
    y_valid: ArrayLike | None = None,
) -> Pipeline:
    """Fit scalers on the training clips alone, then the classifier; a network chooses its epoch by the valid clips."""
    if not is_network(pipeline) or X_valid is None:
        fitted: Pipeline = pipeline.fit(X, y)
        return fitted
    # scalers learn from the training clips alone
    scalers = pipeline[:-1]
    scaled = scalers.fit_transform(X)
    pipeline[-1].fit(scaled, y, scalers.transform(X_valid), y_valid)
    return pipeline


def fit_several(pipeline: Pipeline, X: ArrayLike, genres: Sequence[Sequence[str]]) -> Pipeline:
    """Fit a pipeline of one-versus-rest to clips of several genres each; its classes are the first ones of all clips.

    Raises
    ------
    CorpusError
        If all clips are of one genre, from which nothing can then be told.
    """
    labels = sorted({own[0] for own in genres})
    members = np.array([[label in own for label in labels] for own in genres])
    for label in set(genres[0]).intersection(*genres):
        raise CorpusError(f"all tracks are {label!r}: there is nothing to tell it from")
    fitted: Pipeline = pipeline.fit(X, members.astype(int))
    # scikit-learn only counts the columns; its versions differ in where they keep the names
    regression = fitted[-1]
    regression.label_binarizer_.classes_ = vars(regression)["classes_"] = np.array(labels)
    return fitted


def log_probabilities(pipeline: Pipeline, X: ArrayLike) -> NDArray[np.float64]:
    """Return logarithms of the classes' probabilities, shape (clips, classes).

    A support vector machine has none: its decision values are taken for logits, which calibration then tempers.
    """
    if hasattr(pipeline, "predict_proba"):
        probabilities = pipeline.predict_proba(X)
    else:
        scores = pipeline.decision_function(X)
        if scores.ndim == 1:  # of the second of two classes
            scores = np.stack([-scores, scores], axis=1)
        probabilities = metrics.softmax(scores)
    # a probability may be 0 in 32 bits
    log_p: NDArray[np.float64] = np.log(np.maximum(probabilities, 1e-12))
    return log_p


def measure_novelty(pipeline: Pipeline, X: ArrayLike) -> NDArray[np.float64] | None:
    """Return how unlike the training clips each clip is, shape (clips,); None where the pipeline does not tell."""
    names = list(pipeline.named_steps)
    if "novelty" not in names:
        return None
    at = names.index("novelty")
    novelty: NDArray[np.float64] = pipeline[at].measure(pipeline[:at].transform(X))
    return novelty


def _classifier(recipe: Recipe, seed: int, settings: dict[str, Any]) -> baselines.Steps:
    weight = recipe.class_weight
    if recipe.svm:
        return baselines.support_vector_machine(**recipe.svm.model_dump(), class_weight=weight, seed=seed)
    if recipe.logistic:
        return baselines.logistic_regression(**recipe.logistic.model_dump(), class_weight=weight)
    # late: the other kinds need no torch
    from earmark.training.network_classifier import NetworkClassifier

    classifier = NetworkClassifier(
        recipe.mlp or recipe.network,
        recipe.training,
        class_weight=weight,
        random_state=seed,
        **settings,
    )
    return [("network", classifier)]
