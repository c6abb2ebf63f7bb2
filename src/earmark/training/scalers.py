"""Clips as arrays, and the transformers that scale them before a network reads them.

Input is ``(clips, frames, bins)`` float32; a clip shorter than the others ends in NaN frames
(:func:`~earmark.data.features.extract.stack` makes such an array from a list). Two-dimensional input is read as clips
of one frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph

Clips = NDArray[np.float32]


class ClipEstimator(BaseEstimator):
    """What all of ours share: three-dimensional input in which a clip may end in NaN frames."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def as_clips(self, X: ArrayLike, *, reset: bool) -> Clips:
        """Check input and give it three dimensions; what a fit learns of it is only the number of bins."""
        if not _is_3d(X):
            flat: Clips = validate_data(self, X, reset=reset, dtype=np.float32)
            return flat[:, None, :]  # (clips, bins) → clips of one frame
        # scikit-learn would take the frames, whose number may vary, for the features
        clips: Clips = check_array(X, dtype=np.float32, ensure_all_finite="allow-nan", allow_nd=True)
        missing = np.isnan(clips)  # (clips, frames, bins)
        gone = np.any(missing, axis=2)
        # NaN in some bins only, a clip of nothing, or a real frame after filling
        if (gone != missing.all(axis=2)).any() or gone[:, 0].any() or (gone[:, :-1] & ~gone[:, 1:]).any():
            raise ValueError("Input X contains NaN elsewhere than in whole frames at the end of a clip.")
        if reset:
            self.n_features_in_ = clips.shape[2]
        elif clips.shape[2] != self.n_features_in_:
            raise ValueError(
                f"X has {clips.shape[2]} bins a frame, but {type(self).__name__} is expecting {self.n_features_in_}"
            )
        return clips


class ClipTransformer(TransformerMixin, ClipEstimator):
    """Clips in, float32 out; a fit learns only how many bins there are, unless it says otherwise."""

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn the number of bins."""
        self.as_clips(X, reset=True)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _is_3d(X: ArrayLike) -> bool:
    return getattr(X, "ndim", 2) == 3


def _restore_shape(clips: Clips, X: ArrayLike) -> Clips:
    """Return clips in as many dimensions as X has."""
    return clips if _is_3d(X) else clips[:, 0]


class LevelNormalizer(ClipTransformer):
    """Make dB spectrograms indifferent to gain: floor each clip below its peak, then take its mean off.

    Parameters
    ----------
    top_db : float
        Range kept below the clip's own maximum, dB.
    """

    def __init__(self, top_db: float = 60.0) -> None:
        self.top_db = top_db

    def transform(self, X: ArrayLike) -> Clips:
        """Normalise each clip of dB (clips, frames, bins) by itself."""
        check_is_fitted(self)
        clips = self.as_clips(X, reset=False)
        # (clips, 1, 1)
        peak = np.nanmax(clips, axis=(1, 2), keepdims=True)
        clips = np.maximum(clips, peak - np.float32(self.top_db))  # NaN stays NaN
        # a sum over many frames, in double precision
        clips = clips - np.nanmean(clips, axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
        return _restore_shape(clips, X)

    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write the same into an ONNX graph, for clips without filling."""
        floor = graph("Sub", graph("ReduceMax", x, axes=[1, 2]), graph.constant(self.top_db))
        x = graph("Max", x, floor)
        return graph("Sub", x, graph("ReduceMean", x, axes=[1, 2]))


class Standardizer(ClipTransformer):
    """Take off the mean and divide by the standard deviation of the training clips.

    Parameters
    ----------
    per_bin : bool
        One mean and deviation for each bin; otherwise one of each for everything, as in the paper.
    """

    def __init__(self, per_bin: bool = False) -> None:
        self.per_bin = per_bin

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn mean and deviation, of real frames only."""
        clips = self.as_clips(X, reset=True)
        # (bins,), or one number
        axes = (0, 1) if self.per_bin else None
        self.mean_ = np.nanmean(clips, axis=axes, dtype=np.float64)
        deviation = np.nanstd(clips, axis=axes, dtype=np.float64)
        # a constant bin stays at zero
        self.scale_ = np.where(deviation > 0, deviation, 1.0)
        return self

    def transform(self, X: ArrayLike) -> Clips:
        """Scale clips (clips, frames, bins) with what was learned."""
        check_is_fitted(self)
        clips = self.as_clips(X, reset=False)
        # 64-bit statistics would make the clips 64-bit
        return _restore_shape((clips - np.float32(self.mean_)) / np.float32(self.scale_), X)

    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write the same into an ONNX graph."""
        return graph("Div", graph("Sub", x, graph.constant(self.mean_)), graph.constant(self.scale_))


class MeanPooling(ClipTransformer):
    """Average the frames of each clip, filling left out: (clips, frames, bins) → (clips, 1, bins)."""

    def transform(self, X: ArrayLike) -> Clips:
        """Average."""
        check_is_fitted(self)
        return _restore_shape(np.nanmean(self.as_clips(X, reset=False), axis=1, keepdims=True), X)

    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write the same into an ONNX graph."""
        return graph("ReduceMean", x, axes=[1])
