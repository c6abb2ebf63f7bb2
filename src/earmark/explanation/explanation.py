"""An explanation: all that was found out about one track, as arrays; and as JSON, a page, a figure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import SettingError
from earmark.inference.verdict import Verdict


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a track was called what it was. All times are seconds after `start`.

    Attributes
    ----------
    verdict : Verdict
        What the network says of the explained part, and of its clips.
    labels : tuple of str
        The genres, in the order of all arrays below.
    start, duration : float
        Which part of the track is explained.
    whole : float or None
        How long the track is, where it tells.
    envelope : ndarray, shape (columns, 2)
        Lowest and highest sample of each stretch of `envelope_seconds`; full scale is ±1.
    envelope_seconds : float
    spectrogram : ndarray, shape (frames, bins)
        dB, by the model's own front end.
    times : ndarray, shape (frames,)
        Centre of each frame.
    frequencies : ndarray, shape (bins,)
        Centre of each bin, Hz.
    moments : ndarray, shape (moments,)
        Middles of the clips in which the network was asked what it hears; near the ends, of what there is of them.
    probabilities : ndarray, shape (moments, labels)
        Calibrated, each row sums to 1; NaN in silence.
    attention : ndarray, shape (frames,), or None
        What the network looked at: 1 is an even share of a clip, 2 twice as much. NaN in silence; None where the
        model does not attend.
    relevance : ndarray, shape (columns, bands, labels), or None
        Bits of evidence that a region holds for each genre: 1 doubles its odds, negative speaks against it. NaN in
        silence. None where it was not asked for.
    clip_seconds : float
        How much the network hears at once.
    cell_seconds : float
        Duration of a column of `relevance`; the first begins at 0.
    bands : ndarray of int, shape (bands + 1,)
        Band i of `relevance` holds the bins from ``bands[i]`` on, below ``bands[i + 1]``.
    method : str or None
        What found the relevance: "occlusion" or "integrated-gradients".
    sound : bytes or None
        The explained part as MP3, mono.
    """

    verdict: Verdict
    labels: tuple[str, ...]
    start: float
    duration: float
    whole: float | None
    envelope: NDArray[np.float32] = field(repr=False)
    envelope_seconds: float
    spectrogram: NDArray[np.float32] = field(repr=False)
    times: NDArray[np.float64] = field(repr=False)
    frequencies: NDArray[np.float64] = field(repr=False)
    moments: NDArray[np.float64] = field(repr=False)
    probabilities: NDArray[np.float64] = field(repr=False)
    attention: NDArray[np.float64] | None = field(repr=False)
    relevance: NDArray[np.float64] | None = field(repr=False)
    clip_seconds: float
    cell_seconds: float
    bands: NDArray[np.intp] = field(repr=False)
    method: str | None
    sound: bytes | None = field(repr=False)

    @property
    def end(self) -> float:
        """Where the explained part ends, seconds into the track."""
        return self.start + self.duration

    def of(self, genre: str) -> NDArray[np.float64]:
        """Relevance for one genre, shape (columns, bands).

        Raises
        ------
        SettingError
            If the model does not know it, or no relevance was asked for.
        """
        if self.relevance is None:
            raise SettingError("this explanation was made without relevance")
        return self.relevance[:, :, self.index(genre)]

    def index(self, genre: str) -> int:
        """Where a genre stands among the labels.

        Raises
        ------
        SettingError
            If the model does not know it.
        """
        if genre not in self.labels:
            raise SettingError(f"{genre!r} is no genre of {self.verdict.model}: it knows {', '.join(self.labels)}")
        return self.labels.index(genre)

    def to_html(self, genres: Sequence[str] = (), title: str | None = None) -> str:
        """A page that needs nothing else: see :func:`earmark.explanation.page.make_page`."""
        from earmark.explanation.page import make_page

        return make_page(self, genres, title)

    def to_dict(self) -> dict[str, Any]:
        """All numbers, rounded, with None for NaN; without the sound."""
        record = {"verdict": self.verdict.to_dict(), "labels": list(self.labels)}
        digits = {"spectrogram": 1, "frequencies": 1}
        for name in ("start", "duration", "whole", "envelope_seconds", "clip_seconds", "cell_seconds", "method"):
            record[name] = getattr(self, name)
        for name in _ARRAYS:
            record[name] = _listed(getattr(self, name), digits.get(name, 4))
        return record

    def to_json(self) -> str:
        """:meth:`to_dict` as JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)


_ARRAYS = (
    "envelope", "spectrogram", "times", "frequencies", "moments", "probabilities", "attention", "relevance", "bands",
)  # fmt: skip


def _listed(array: NDArray[Any] | None, digits: int) -> Any:
    if array is None:
        return None
    if array.dtype.kind != "f":
        return array.tolist()
    rounded = np.round(array.astype(np.float64), digits)
    return np.where(np.isnan(rounded), np.array(None), rounded).tolist()
