"""How unlike the training clips a clip is, so that foreign music can be told from what falls between two genres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from earmark.training.scalers import Clips, ClipTransformer

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph


class NoveltyDetector(ClipTransformer):
    """Pass clips on unchanged; tell how far each lies from the mean of the nearest genre.

    As Lee et al. (2018) measure it, but in absolute deviations instead of a shared covariance, which finds foreign
    genres better (docs/model.md): the mean over bins of ``|x - mean| / deviation``, about 1 of a training clip.

    Attributes
    ----------
    means_ : ndarray of float32, shape (genres, bins)
    deviation_ : ndarray of float32, shape (bins,)
        Mean absolute deviation of the training clips from their genre's mean.

    References
    ----------
    Lee, Lee, Lee, Shin, "A simple unified framework for detecting out-of-distribution samples and adversarial
    attacks", NeurIPS 2018.
    """

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn the genres' means; `y` has a label for each clip, or (clips, genres) says which are its own."""
        vectors = _pool(self.as_clips(X, reset=True))
        labels = np.asarray(y)
        members = labels > 0 if labels.ndim == 2 else labels[:, None] == np.unique(labels)
        # (genres, clips) @ (clips, bins) → (genres, bins)
        self.means_ = (members.T @ vectors / members.sum(axis=0)[:, None]).astype(np.float32)
        # of several genres, from the mean of theirs: (clips, genres) @ (genres, bins) → (clips, bins)
        own = members @ self.means_ / members.sum(axis=1, keepdims=True)
        deviation = np.abs(vectors - own).mean(axis=0)
        # a bin that never changes is as far as its own units say
        self.deviation_ = np.where(deviation > 0, deviation, 1).astype(np.float32)
        return self

    def transform(self, X: ArrayLike) -> Clips:
        """Return what came."""
        check_is_fitted(self)
        return np.asarray(X, np.float32)

    def measure(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the novelty of clips (clips, frames, bins), shape (clips,)."""
        vectors = _pool(self.as_clips(X, reset=False)).astype(np.float64)
        # a genre at a time: (clips, genres, bins) may not fit into memory
        distances = [(np.abs(vectors - mean) / self.deviation_).mean(axis=1) for mean in self.means_]
        nearest: NDArray[np.float64] = np.min(distances, axis=0)
        return nearest

    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write :meth:`measure` into an ONNX graph as its output ``novelty`` (clips,), of clips of one frame."""
        # (clips, 1, bins) - (genres, bins) → (clips, genres, bins)
        distance = graph("Abs", graph("Sub", x, graph.constant(self.means_)))
        scaled = graph("Div", distance, graph.constant(self.deviation_))
        nearest = graph("ReduceMin", graph("ReduceMean", scaled, axes=[2], keepdims=0), axes=[1], keepdims=0)
        graph.output(nearest, "novelty", ["clips"])
        return x


def _pool(clips: Clips) -> Clips:
    """(clips, frames, bins) → (clips, bins), filling left out."""
    pooled: Clips = np.nanmean(clips, axis=1)
    return pooled
