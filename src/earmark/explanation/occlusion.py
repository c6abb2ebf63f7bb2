"""Occlusion: which regions of a clip's spectrogram carried the answer, found by hiding them one after the other.

M. D. Zeiler, R. Fergus, *Visualizing and Understanding Convolutional Networks*, 2014. What a region was worth is told
in bits of evidence: M. Robnik-Šikonja, I. Kononenko, *Explaining Classifications For Individual Instances*, 2008.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from earmark.audio.spectrogram import FrontEnd
from earmark.inference.aggregate import FramePrediction
from earmark.inference.card import Card
from earmark.inference.tagger import Tagger

PARTS = 16
"""Cells along a full clip, and along its frequencies."""

WINDOW = 2
"""Cells along each side of the square that is hidden at once."""

BATCH_FRAMES = 2048
"""Frames that go through the network at once: few long clips, many short ones, so that what is in work stays small."""

_MIN_FRAMES = 2
"""Frames a cell at least: a clip of few frames has fewer cells."""


Pair = tuple[int, int]
"""The places of two genres among the labels: which of them is it, and what speaks for the first?"""

Replacement = Callable[[NDArray[np.float32], FrontEnd], NDArray[np.float32]]
"""Makes what a hidden region is replaced by: a clip of the same shape."""


@dataclass(frozen=True)
class Cells:
    """A clip's frames and bins, divided into cells of time and frequency.

    Attributes
    ----------
    times : ndarray of int, shape (frames,)
        In which column each frame lies.
    bands : ndarray of int, shape (bins,)
        In which band each bin lies.
    """

    times: NDArray[np.intp]
    bands: NDArray[np.intp]

    @classmethod
    def of(cls, card: Card, n_frames: int) -> Cells:
        """Divide a clip of `n_frames` frames, as this model reads it; columns last :func:`cell_seconds`."""
        # a frame lies in the column of its centre; the last column takes what rounding leaves over
        columns = np.floor(card.front_end.times(n_frames) / cell_seconds(card)).astype(np.intp)
        # bin b lies in band ⌊b · bands / bins⌋: band sizes differ by one at most
        bands = np.arange(card.n_bins) * min(PARTS, card.n_bins) // card.n_bins
        return cls(np.minimum(columns, _columns(card) - 1), bands)

    @classmethod
    def of_frames(cls, card: Card, n_frames: int) -> Cells:
        """Make a cell of each frame, with all its bins: what attention tells apart."""
        return cls(np.arange(n_frames), np.zeros(card.n_bins, np.intp))

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Columns and bands."""
        return int(self.times[-1]) + 1, int(self.bands[-1]) + 1

    @property
    def edges(self) -> NDArray[np.intp]:
        """First bin of each band, and one behind the last, shape (bands + 1,)."""
        return np.searchsorted(self.bands, np.arange(self.shape[1] + 1))

    def expand(self, cells: NDArray[np.generic]) -> NDArray[np.generic]:
        """Repeat values of cells, (..., columns, bands), for each frame and bin: shape (..., frames, bins)."""
        return cells[..., self.times, :][..., self.bands]

    def sum_cells(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Sum over each cell, shape (frames, bins, ...) → (columns, bands, ...)."""
        sums = np.zeros((*self.shape, *values.shape[2:]))
        # add.at adds every time an index recurs; += would keep only the last
        np.add.at(sums, (self.times[:, None], self.bands[None, :]), values)
        return sums


def cell_seconds(card: Card) -> float:
    """Return how long a column of cells lasts; a clip is a whole number of them."""
    return card.clip_seconds / _columns(card)


def _columns(card: Card) -> int:
    return max(1, min(PARTS, card.front_end.n_frames(card.clip_length) // _MIN_FRAMES))


def make_neutral(frames: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.float32]:
    """Make what a hidden region is replaced by: steady noise of the clip's own loudness and slope.

    A straight line is fitted, over the mel scale, to the clip's mean spectrum in dB. So all that changes in time goes,
    and so does every peak and notch of the mean spectrum, by which networks know genres just as well; loudness and
    slope stay, so that a hole is neither click nor silence. ``docs/explain.md`` compares it with others.

    Takes one clip, (frames, bins), from the front end, and returns as many frames, all alike.
    """
    exact = frames.astype(np.float64)
    level = exact if front_end.log else 10 * np.log10(exact + 1e-10)
    mean = level.mean(axis=0)
    # Least squares; with centred mels the intercept is the mean level.
    # mel = 2595 log10(1 + f / 700), up to a factor that the fit cancels
    mels = np.log1p(front_end.frequencies / 700)
    mels -= mels.mean()
    slope = (mels @ mean) / max(mels @ mels, 1e-12)
    line = mean.mean() + slope * mels
    return np.broadcast_to((line if front_end.log else 10 ** (line / 10)).astype(np.float32), frames.shape)


def join_names(labels: NDArray[np.float64], prediction: FramePrediction, card: Card) -> NDArray[np.float64]:
    """Put probabilities of styles and moods beside values of labels: (clips, labels) → (clips, names).

    The order is that of :attr:`Card.names`; of names that are both, a label and a style, the label counts.
    """
    others = [prediction.styles, prediction.moods]
    joined = np.concatenate([labels, *(values for values in others if values is not None)], axis=1)
    given = (*card.labels, *card.styles, *card.moods)
    return joined[:, [given.index(name) for name in card.names]]


def log_odds(log_probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Turn log-probabilities into calibrated log-odds, ``log2(p / (1 - p))``, without losing digits near 0 and 1.

    Shape (..., labels) both. In bits: one more, and the odds are doubled. `temperature` is the calibration's.

    Examples
    --------
    >>> log_odds(np.log([[0.5, 0.25, 0.25]]), 1.0).round(3)
    array([[ 0.   , -1.585, -1.585]])
    """
    scores = log_probabilities / temperature
    # log(1 - p) up to the same constant as log(p): all others are added up, never subtracted from 1.
    others = np.stack(
        [np.logaddexp.reduce(np.delete(scores, k, axis=-1), axis=-1) for k in range(scores.shape[-1])], axis=-1
    )
    # nats to bits
    bits: NDArray[np.float64] = (scores - others) / np.log(2)
    return bits


class Occlusion:
    """Hides a window of cells at every place of a clip, and asks the network again each time.

    A cell's worth is the mean, over the windows that hid it, of the evidence that was lost: by how many bits the
    log-odds of a genre fell. Each answer holds all genres, styles and moods, so asking about another one costs nothing.

    Parameters
    ----------
    tagger : Tagger
    jobs : int
        Batches at once, each in a thread.
    replacement : callable
        Makes what a hidden region is replaced by.
    """

    name = "occlusion"

    def __init__(self, tagger: Tagger, jobs: int = 1, replacement: Replacement = make_neutral) -> None:
        self.tagger, self.jobs, self.replacement = tagger, jobs, replacement
        self.names = tagger.card.names

    def steps(self, n_frames: int) -> int:
        """Return how often the network is asked about a clip of `n_frames` frames."""
        columns, bands = Cells.of(self.tagger.card, n_frames).shape
        return (columns + WINDOW - 1) * (bands + WINDOW - 1)

    def __call__(
        self, frames: NDArray[np.float32], advance: Callable[[int], None], pair: Pair | None = None
    ) -> NDArray[np.float64]:
        """Return the bits that each cell of a clip, (frames, bins), speaks for each name, (columns, bands, names).

        Negative where it speaks against it. With a pair, one more at the end: the bits for its first genre over its
        second. `advance` is told how many of the :meth:`steps` have been done since it was last called.
        """
        card = self.tagger.card
        cells = Cells.of(card, len(frames))
        # (windows, columns, bands)
        hidden = list_windows(*cells.shape)
        base = self.replacement(frames, card.front_end)
        whole = compute_evidence(self.tagger, frames[None], pair)

        def without(some: NDArray[np.bool_]) -> NDArray[np.float64]:
            # (windows, columns, bands) → (windows, frames, bins), altered clips → (windows, names)
            return compute_evidence(self.tagger, np.where(cells.expand(some), base, frames), pair)

        lost, batch = [], max(1, BATCH_FRAMES // len(frames))
        with ThreadPoolExecutor(self.jobs) as pool:
            for bits in pool.map(without, [hidden[i : i + batch] for i in range(0, len(hidden), batch)]):
                advance(len(bits))
                lost.append(whole - bits)  # (windows, names)
        # Sum over the windows that hid a cell, then their mean: (columns, bands, names).
        total = np.tensordot(hidden.astype(np.float64), np.concatenate(lost), (0, 0))
        worth: NDArray[np.float64] = total / hidden.sum(axis=0)[..., None]
        return worth


def compute_evidence(tagger: Tagger, clips: NDArray[np.float32], pair: Pair | None = None) -> NDArray[np.float64]:
    """Return the log-odds of every genre, style and mood in bits, shape (clips, frames, bins) → (clips, names).

    With a pair, one more at the end: ``log2(p / q)`` of the probabilities of its two genres.
    """
    prediction, card = tagger.predict_frames(clips), tagger.card
    log_p, temperature = prediction.log_probabilities, card.calibration.clip_temperature
    # probabilities by themselves, as those of styles and moods: log2(p / (1 - p)), within what 32 bits tell apart
    p = np.clip(join_names(np.exp(log_p / temperature), prediction, card), 1e-7, 1 - 1e-7)
    bits: NDArray[np.float64] = np.log2(p / (1 - p))
    if not card.multilabel:
        bits[:, : len(card.labels)] = log_odds(log_p, temperature)
    if pair is None:
        return bits
    first, second = pair
    over = (log_p[:, first] - log_p[:, second]) / temperature / np.log(2)
    return np.concatenate([bits, over[:, None]], axis=1)


def list_windows(columns: int, bands: int) -> NDArray[np.bool_]:
    """List every place of the window, over the edges too: every cell is hidden as often, (places, columns, bands)."""
    # offset of each cell from each place of the window: (places, cells) along time, and along frequency
    time, band = (np.arange(n + WINDOW - 1)[:, None] - np.arange(n)[None, :] for n in (columns, bands))
    over_time, over_bands = ((offset >= 0) & (offset < WINDOW) for offset in (time, band))
    # (places in time, places in frequency, columns, bands)
    both = over_time[:, None, :, None] & over_bands[None, :, None, :]
    return both.reshape(-1, columns, bands)
