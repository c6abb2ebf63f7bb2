"""A softmax that goes beyond answers that are there already: few examples move them, and do not replace them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from earmark.evaluation.metrics import softmax
from earmark.training.baselines import SpanRotation

Vectors = NDArray[np.float64]


class ShrunkWhitening(TransformerMixin, BaseEstimator):
    """Vectors → standardised, then whitened by their correlation matrix R, shrunk: (R + shrinkage I)^(-1/2).

    What all music of a shelf has in common counts less, so that a correction reaches the tracks that sound like the one
    corrected, and few others. Vectors have a mean square length of 1 afterwards.

    Parameters
    ----------
    shrinkage : float
        0 whitens wholly, a large one only standardises.

    Attributes
    ----------
    mean_ : ndarray, shape (features,)
    projection_ : ndarray, shape (features, features)
        A vector becomes ``(x - mean_) @ projection_``.
    """

    def __init__(self, shrinkage: float = 20.0) -> None:
        self.shrinkage = shrinkage

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn from vectors, shape (n, features)."""
        return self._reset().partial_fit(X)

    def partial_fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn from more vectors: the result is that of all at once."""
        first = not hasattr(self, "n_samples_seen_")
        vectors: Vectors = validate_data(self, X, dtype=np.float64, reset=first)
        if first:
            # moments are taken about the first block's mean, which keeps their differences exact
            self._origin = vectors.mean(axis=0)
            self.n_samples_seen_, self._sum = 0, np.zeros(vectors.shape[1])
            self._squares = np.zeros((vectors.shape[1], vectors.shape[1]))
        centred = vectors - self._origin
        self.n_samples_seen_ += len(vectors)
        self._sum += centred.sum(axis=0)
        self._squares += centred.T @ centred
        return self._solve()

    def transform(self, X: ArrayLike) -> Vectors:
        """Return whitened vectors, shape (n, features)."""
        check_is_fitted(self)
        vectors: Vectors = validate_data(self, X, dtype=np.float64, reset=False)
        whitened: Vectors = (vectors - self.mean_) @ self.projection_
        return whitened

    def _reset(self) -> Self:
        if hasattr(self, "n_samples_seen_"):
            del self.n_samples_seen_
        return self

    def _solve(self) -> Self:
        shift = self._sum / self.n_samples_seen_
        self.mean_ = self._origin + shift
        covariance = self._squares / self.n_samples_seen_ - np.outer(shift, shift)
        deviation = np.sqrt(np.diag(covariance))
        # a feature that never changes says nothing
        scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 1e-9)
        correlation = covariance * scale[:, None] * scale
        # R + s I = L L', so z → L^-1 z has the lengths and angles of (R + s I)^(-1/2) z
        whitening = np.linalg.inv(np.linalg.cholesky(correlation + self.shrinkage * np.eye(len(correlation))))
        mean_square = np.trace(whitening @ correlation @ whitening.T)
        self.projection_ = scale[:, None] * whitening.T / np.sqrt(max(mean_square, 1e-9))
        return self


class ResidualSoftmax(ClassifierMixin, BaseEstimator):
    """Logistic regression about a prior: p = softmax(prior + W x + b), with penalties on W and b.

    So a classifier is adapted to another domain with the known one as the prior of its weights (Chelba and Acero 2006):
    where examples say nothing, its answers stay.

    Parameters
    ----------
    penalty : float
        On half the squares of W, beside the sum of the examples' losses.
    bias_penalty : float or sequence of float
        On half the squares of b, for all classes or for each.
    classes : sequence, optional
        All classes, in the order of the prior's columns; those of the examples, sorted, when left out.

    Attributes
    ----------
    classes_ : ndarray, shape (classes,)
    coef_ : ndarray, shape (classes, features)
    intercept_ : ndarray, shape (classes,)

    References
    ----------
    Chelba, Acero, "Adaptation of maximum entropy capitalizer: little data can help a lot", Computer Speech and Language
    20, 2006.
    """

    def __init__(
        self,
        penalty: float = 0.1,
        bias_penalty: float | Sequence[float] = 100.0,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self.penalty = penalty
        self.bias_penalty = bias_penalty
        self.classes = classes

    def fit(self, X: ArrayLike, y: ArrayLike, prior: ArrayLike | None = None) -> Self:
        """Learn from examples.

        Parameters
        ----------
        X : array, shape (n, features)
        y : array, shape (n,)
            Classes of the examples.
        prior : array, shape (n, classes), optional
            Log-probabilities, up to a constant for each example; alike when left out.
        """
        vectors, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_ = np.unique(labels) if self.classes is None else np.array(self.classes)
        targets = (labels[:, None] == self.classes_).astype(float)
        # with an L2 penalty W lies in the span of the examples
        rotation = SpanRotation()
        coordinates = rotation.fit_transform(vectors)
        known = np.zeros_like(targets) if prior is None else np.asarray(prior, np.float64)
        W, self.intercept_ = self._minimize(coordinates, targets, known)
        self.coef_ = (W if rotation.basis_ is None else rotation.basis_ @ W).T
        return self

    def predict_log_proba(self, X: ArrayLike, prior: ArrayLike | None = None) -> Vectors:
        """Return log-probabilities, shape (n, classes)."""
        return np.log(self.predict_proba(X, prior))

    def predict_proba(self, X: ArrayLike, prior: ArrayLike | None = None) -> Vectors:
        """Return probabilities, shape (n, classes)."""
        check_is_fitted(self)
        vectors: Vectors = validate_data(self, X, dtype=np.float64, reset=False)
        scores: Vectors = vectors @ self.coef_.T + self.intercept_
        return np.asarray(softmax(scores if prior is None else scores + np.asarray(prior)))

    def predict(self, X: ArrayLike, prior: ArrayLike | None = None) -> NDArray[Any]:
        """Return the most probable classes, shape (n,)."""
        best = self.predict_proba(X, prior).argmax(axis=1)
        chosen: NDArray[Any] = self.classes_[best]
        return chosen

    def _minimize(self, X: Vectors, targets: Vectors, prior: Vectors) -> tuple[Vectors, Vectors]:
        """Return W (features, classes) and b (classes,) at which loss and penalties are least."""
        n_features, n_classes = X.shape[1], targets.shape[1]
        # a row of weights for each feature, and the last for the constant 1
        X = np.hstack([X, np.ones((len(X), 1))])
        penalty = np.full((n_features + 1, n_classes), float(self.penalty))
        penalty[-1] = self.bias_penalty

        def loss(weights: Vectors) -> tuple[float, Vectors]:
            W = weights.reshape(n_features + 1, n_classes)
            p = softmax(prior + X @ W)
            lost = -np.log(np.maximum((p * targets).sum(axis=1), 1e-300)).sum()
            return lost + (penalty * W**2).sum() / 2, (X.T @ (p - targets) + penalty * W).ravel()

        # many small steps: threads would wait for each other
        with threadpool_limits(1, "blas"):
            found = minimize(loss, np.zeros(penalty.size), jac=True, method="L-BFGS-B", options={"maxiter": 1000})
        W = found.x.reshape(n_features + 1, n_classes)
        return W[:-1], W[-1]
