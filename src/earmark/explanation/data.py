"""What was found out about one track, as arrays, and as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import SettingError
from earmark.inference.genre_names import find_label
from earmark.inference.verdict import Verdict

RANGE_DB = 80.0
"""Shown below the loudest point of a spectrogram."""

_SCALARS = ("n_genres", "start", "duration", "whole", "envelope_seconds", "clip_seconds", "cell_seconds", "method")
_ARRAYS = (
    "envelope", "spectrogram", "times", "frequencies", "moments", "probabilities", "attention", "relevance", "contrast",
    "bands",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ExplanationData:
    """The numbers of an explanation. All times are seconds after `start`.

    Attributes
    ----------
    verdict : Verdict
        Of the explained part, and of its clips.
    labels : tuple of str
        Genres, styles and moods, in the order of all arrays below.
    n_genres : int
        So many labels are genres, the first ones.
    start, duration : float
        Which part of the track is explained.
    whole : float or None
        Length of the track, where it is known.
    envelope : ndarray, shape (columns, 2)
        Lowest and highest sample of each stretch of `envelope_seconds`; full scale is ±1.
    envelope_seconds : float
    spectrogram : ndarray, shape (frames, bins)
        dB, by the model's own front end; where it has more than 25 frames a second, means over several.
    times : ndarray, shape (frames,)
        Centre of each frame.
    frequencies : ndarray, shape (bins,)
        Centre of each bin, Hz.
    moments : ndarray, shape (moments,)
        Middles of the clips that were classified to follow the track; near the ends, of what there is of them.
    probabilities : ndarray, shape (moments, labels)
        Those of genres are calibrated, and sum to 1 in each row; those of styles and moods are shares. NaN in silence.
    attention : ndarray, shape (frames,), or None
        Weight of each frame: 1 is an even share of a clip, 2 twice as much. NaN in silence; None where the model does
        not attend.
    relevance : ndarray, shape (columns, bands, labels), or None
        Bits of evidence that a region holds for each label: 1 doubles its odds, negative speaks against it. NaN in
        silence. None where it was not asked for.
    contrast : ndarray, shape (columns, bands), or None
        Bits of evidence for the most probable genre over the second, see :attr:`pair`: 1 doubles the ratio of their
        probabilities, negative speaks for the second. None where `relevance` is, or there are no probabilities.
    clip_seconds : float
        Length of the clips that the network classifies.
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
    n_genres: int
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
    contrast: NDArray[np.float64] | None = field(repr=False)
    clip_seconds: float
    cell_seconds: float
    bands: NDArray[np.intp] = field(repr=False)
    method: str | None
    sound: bytes | None = field(repr=False)

    @property
    def end(self) -> float:
        """End of the explained part, seconds into the track."""
        return self.start + self.duration

    @property
    def answer(self) -> str:
        """The verdict in words, such as "jazz, 81%" or "unknown (silence)"."""
        verdict = self.verdict
        return f"{verdict.genre}, {verdict.confidence:.0%}" if verdict.genre else f"unknown ({verdict.reason})"

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres among the labels, the most probable first; in silence in the model's order."""
        return tuple(self.verdict.genres) or self.labels[: self.n_genres]

    @property
    def pair(self) -> tuple[str, str] | None:
        """The two most probable genres, which :attr:`contrast` is about; None without it."""
        return None if self.contrast is None else (self.genres[0], self.genres[1])

    @property
    def shares(self) -> dict[str, float]:
        """Probabilities of genres, styles and moods in the whole explained part; empty where there are none."""
        return {**self.verdict.moods, **self.verdict.styles, **self.verdict.genres}

    @property
    def file_name(self) -> str:
        """Name of the file, without folders and what is no Unicode; empty where the sound has none."""
        return PurePath(self.verdict.path or "").name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    @property
    def frame_seconds(self) -> float:
        """From one frame to the next; of a single frame, the whole duration."""
        return float(self.times[1] - self.times[0]) if len(self.times) > 1 else self.duration

    @property
    def relevance_limit(self) -> float:
        """Bits of the deepest colour, alike for all maps: of each, all but a few cells in a thousand lie below."""
        maps = [bits for bits in (self.relevance, self.contrast) if bits is not None and not np.isnan(bits).all()]
        if not maps:
            return 1.0
        return max(0.1, *(float(np.nanquantile(np.abs(bits), 0.998)) for bits in maps))

    def of(self, genre: str) -> NDArray[np.float64]:
        """Return the relevance for one genre, shape (columns, bands).

        Raises
        ------
        SettingError
            If the model does not know it, or no relevance was asked for.
        """
        if self.relevance is None:
            raise SettingError("this explanation was made without relevance")
        return self.relevance[:, :, self.index(genre)]

    def index(self, genre: str) -> int:
        """Return where a genre stands among the labels.

        Raises
        ------
        SettingError
            If the model does not know it.
        """
        return self.labels.index(find_label(genre, self.labels, self.verdict.model))

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers, rounded, with None for NaN; without the sound."""
        record = {"verdict": self.verdict.to_dict(), "labels": list(self.labels), "pair": self.pair and list(self.pair)}
        record |= {name: getattr(self, name) for name in _SCALARS}
        digits = {"spectrogram": 1, "frequencies": 1}
        return record | {name: _to_list(getattr(self, name), digits.get(name, 4)) for name in _ARRAYS}

    def to_json(self) -> str:
        """Return :meth:`to_dict` as JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)


def _to_list(array: NDArray[Any] | None, digits: int) -> Any:
    if array is None:
        return None
    if array.dtype.kind != "f":
        return array.tolist()
    # in doubles: 0.1 in 32 bits would be written as 0.10000000149
    rounded = np.round(array.astype(np.float64), digits)
    # np.array(None) makes the result an array of objects, which holds None
    return np.where(np.isnan(rounded), np.array(None), rounded).tolist()
