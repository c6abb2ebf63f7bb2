"""The paper's baselines that are no networks (Section 5.1, Figure 3): scikit-learn's own, used well.

All read a clip as one vector, its frames one after another: 22 × 513 = 11 286 numbers at the paper's settings, for
4200 clips. Two equivalences make that quick without changing what is learned. With an L2 penalty the weights lie in the
span of the training clips, so :class:`SpanRotation` may describe each clip by its place in that span. And a
kernel machine sees clips only through their kernel, which :class:`KernelMap` computes once, by matrix products,
for all of its one-versus-rest problems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.validation import check_is_fitted, validate_data

from earmark.training.scalers import ClipTransformer

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph

Steps = list[tuple[str, Any]]
"""Named steps of a scikit-learn pipeline."""

Vectors = NDArray[np.float64]

Kernel = Literal["rbf", "poly", "sigmoid"]


def support_vector_machine(
    kernel: Literal["linear", "rbf", "poly", "sigmoid"] = "linear",
    penalty: Literal["l1", "l2"] = "l2",
    C: float = 1.0,
    class_weight: Literal["balanced"] | None = None,
    seed: int = 0,
) -> Steps:
    """One-versus-rest support vector machine, from standardised clips on.

    Parameters
    ----------
    kernel : {"linear", "rbf", "poly", "sigmoid"}
        "linear" has the squared hinge loss; the others are scikit-learn's of 2016, gamma one over the number of
        features, degree 3.
    penalty : {"l1", "l2"}
        For the linear one.
    C : float
        Inverse strength of the penalty.
    class_weight : {"balanced"}, optional
    seed : int
        Of the order in which coordinates are visited.
    """
    if kernel != "linear":
        # SVC by itself trains one against one; the paper's are one against the rest
        machine = OneVsRestClassifier(SVC(kernel="precomputed", C=C, class_weight=class_weight))
        return [("flatten", Flattener()), ("kernel", KernelMap(kernel)), ("svm", machine)]
    # the dual is quicker for fewer clips than numbers, but knows no L1
    l2 = penalty == "l2"
    linear = LinearSVC(penalty=penalty, dual=l2, C=C, class_weight=class_weight, random_state=seed)
    return [("flatten", Flattener()), *([("rotate", SpanRotation())] if l2 else []), ("svm", linear)]


def logistic_regression(
    multiclass: Literal["ovr", "multinomial", "multilabel"] = "ovr",
    C: float = 1.0,
    class_weight: Literal["balanced"] | None = None,
) -> Steps:
    """Logistic regression with an L2 penalty, from standardised clips on.

    Parameters
    ----------
    multiclass : {"ovr", "multinomial", "multilabel"}
        One-versus-rest by liblinear, or one softmax by Newton's method with conjugate gradients; "multilabel" is
        one-versus-rest too, of clips that may have several labels: see :func:`earmark.training.pipeline.fit_several`.
    C : float
        Inverse strength of the penalty.
    class_weight : {"balanced"}, optional
    """
    solver = "newton-cg" if multiclass == "multinomial" else "liblinear"
    regression: Any = LogisticRegression(C=C, solver=solver, class_weight=class_weight)
    if multiclass != "multinomial":
        # liblinear knows two classes only
        regression = OneVsRestClassifier(regression)
    return [("flatten", Flattener()), ("rotate", SpanRotation()), ("logistic", regression)]


def write_logistic(graph: Graph, regression: Any, x: str) -> str:
    """Write the last step of :func:`logistic_regression`, fitted, into a graph; returns the name of probabilities."""
    one_versus_rest = isinstance(regression, OneVsRestClassifier)
    parts = regression.estimators_ if one_versus_rest else [regression]
    # (classes, features), (classes,); of two classes only the second has weights: the first's are zero
    W, b = (np.concatenate([getattr(part, name) for part in parts]) for name in ("coef_", "intercept_"))
    # with one-versus-rest of several labels each has its own
    if len(b) == 1:
        W, b = np.stack([np.zeros_like(W[0]), W[0]]), np.array([0, b[0]])
    scores = graph("Add", graph("MatMul", x, graph.constant(W.T)), graph.constant(b))
    if not one_versus_rest or len(parts) == 1:
        return graph("Softmax", scores, axis=1)
    each = graph("Sigmoid", scores)
    if regression.multilabel_:
        return each
    # scikit-learn makes those of one-versus-rest sum to 1
    return graph("Div", each, graph("ReduceSum", each, graph.integers(1)))


class Flattener(ClipTransformer):
    """Clips → vectors: frames one after another; filling becomes 0, the mean of standardised input.

    Attributes
    ----------
    n_frames_ : int
        Frames of the training clips; others are filled up to it, or refused where they are longer.
    """

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Remember the size of a clip."""
        self.n_frames_ = self.as_clips(X, reset=True).shape[1]
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Flatten: (clips, frames, bins) → (clips, n_frames_ · bins)."""
        check_is_fitted(self)
        clips = self.as_clips(X, reset=False)
        if clips.shape[1] > self.n_frames_:
            raise ValueError(f"a clip has {clips.shape[1]} frames, but those of training had {self.n_frames_}")
        # np.pad adds zeros, so that missing frames and filling are both 0
        filled = np.nan_to_num(np.pad(clips, [(0, 0), (0, self.n_frames_ - clips.shape[1]), (0, 0)]))
        return filled.reshape(len(clips), -1)

    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write the same into an ONNX graph."""
        return graph.flatten(x, self.n_frames_)


class SpanRotation(TransformerMixin, BaseEstimator):
    """Vectors → their place in the span of the training vectors, where those are fewer than their dimensions.

    For ``X = R'Q'`` (QR decomposition of X transposed) the rows of R' have the lengths and angles of those of X.
    Whatever has an L2 penalty learns the same from them (the representer theorem; Hastie and Tibshirani 2004), and
    half of their numbers are zero.

    Attributes
    ----------
    basis_ : ndarray, shape (features, training vectors), or None
        None where there are as many vectors as dimensions, and nothing is done.

    References
    ----------
    Hastie, Tibshirani, "Efficient quadratic regularization for expression arrays", Biostatistics 5, 2004.
    """

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Find an orthonormal basis of the training vectors."""
        self.fit_transform(X)
        return self

    def transform(self, X: ArrayLike) -> Vectors:
        """Return coordinates in that basis, shape (vectors, training vectors)."""
        check_is_fitted(self)
        vectors: Vectors = validate_data(self, X, dtype=np.float64, reset=False)
        return vectors if self.basis_ is None else vectors @ self.basis_

    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write the same into an ONNX graph."""
        return x if self.basis_ is None else graph("MatMul", x, graph.constant(self.basis_))

    def fit_transform(self, X: ArrayLike, y: ArrayLike | None = None, **_: Any) -> Vectors:
        """Do both at once; the training vectors' coordinates are triangular, exactly."""
        vectors: Vectors = validate_data(self, X, dtype=np.float64)
        self.basis_ = None
        if len(vectors) >= vectors.shape[1]:
            return vectors
        # X^T = Q R, so X = R^T Q^T: the coordinates are R^T
        # Q (features, vectors), R (vectors, vectors)
        self.basis_, triangle = np.linalg.qr(vectors.T)
        # the linear solvers want rows in C order: each fit would copy a transposed view
        return np.ascontiguousarray(triangle.T)


class KernelMap(TransformerMixin, BaseEstimator):
    """Vectors → their kernel with each training vector.

    Parameters
    ----------
    kernel : {"rbf", "poly", "sigmoid"}
        ``exp(-γ|x-z|²)``, ``(γ x·z)³`` or ``tanh(γ x·z)``, with γ one over the number of features.

    Attributes
    ----------
    X_fit_ : ndarray, shape (training vectors, features)
    """

    def __init__(self, kernel: Kernel = "rbf") -> None:
        self.kernel = kernel

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Keep the training vectors."""
        self.X_fit_: Vectors = validate_data(self, X, dtype=np.float64)
        return self

    def transform(self, X: ArrayLike) -> Vectors:
        """Compute the kernel, shape (vectors, training vectors)."""
        check_is_fitted(self)
        vectors: Vectors = validate_data(self, X, dtype=np.float64, reset=False)
        # coef0 is 0 as in SVC; pairwise_kernels' own default is 1
        shape = {"rbf": {}, "poly": {"degree": 3, "coef0": 0}, "sigmoid": {"coef0": 0}}[self.kernel]
        gram: Vectors = pairwise_kernels(vectors, self.X_fit_, metric=self.kernel, gamma=1 / vectors.shape[1], **shape)
        return gram
