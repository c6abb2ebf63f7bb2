"""One axis of time for a whole track: its waveform, its spectrogram, and what is known of its clips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from earmark.audio.kaldi_mel import KaldiMel
from earmark.audio.spectrogram import FrontEnd, StftDensity

ENVELOPE_SECONDS = 0.02
"""Seconds of sound for each column of the waveform."""

_FRAMES = 1024
"""Frames of a track that are computed at once."""

_FRAME_SECONDS = 0.04
"""Seconds from frame to frame at least: closer ones are averaged, for pages must not grow with what nobody sees."""


@dataclass(frozen=True)
class Piece:
    """What is known of one clip, from `start` to `end` (seconds): evenly spaced values, shape (n, ...)."""

    start: float
    end: float
    values: NDArray[np.floating]


def join_pieces(
    times: NDArray[np.float64],
    pieces: Sequence[Piece],
    step: float | None = None,
    offset: float = 0.0,
    shape: tuple[int, ...] = (),
) -> NDArray[np.float64]:
    """Put what is known of each clip on the track's own axis; where clips overlap, the mean.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Seconds.
    pieces : sequence of Piece
    step, offset : float
        Value i of a piece holds from `offset + i * step` seconds after its start, for `step` seconds; the first and the
        last hold to its ends. Without `step`, a piece's values share its time evenly.
    shape : tuple of int
        Of one value.

    Returns
    -------
    ndarray, shape (n, *shape)
        NaN where no piece lies.
    """
    total, count = np.zeros((len(times), *shape)), np.zeros(len(times))
    for piece in pieces:
        inside = np.flatnonzero((times >= piece.start) & (times < piece.end))
        # which of the piece's values holds at each time
        width = step or (piece.end - piece.start) / len(piece.values)
        index = np.floor((times[inside] - piece.start - offset) / width).astype(int)
        total[inside] += piece.values[np.clip(index, 0, len(piece.values) - 1)]
        count[inside] += 1
    # no piece: 0 / NaN is NaN
    count[count == 0] = np.nan
    # (n, *shape) / (n, 1, …)
    mean: NDArray[np.float64] = total / count.reshape(-1, *[1] * len(shape))
    return mean


def compute_levels(
    front_end: FrontEnd, samples: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Compute the spectrogram of a whole track: dB, (frames, bins), and the centre of each frame, seconds, (frames,).

    Unlike a clip's, no level is relative to the loudest of anything. There is at least one frame: what is too short is
    padded with zeros. Frames less than 40 ms apart are averaged.
    """
    levels = _compute_all_levels(front_end, samples)
    times = front_end.times(len(levels))
    n = min(len(levels), math.ceil(_FRAME_SECONDS * front_end.sample_rate / front_end.hop_length))
    # the last few are left out where they are fewer than n: (frames, bins) → (frames / n, n, bins)
    whole = len(levels) // n * n
    return levels[:whole].reshape(-1, n, front_end.n_bins).mean(axis=1), times[:whole].reshape(-1, n).mean(axis=1)


def _compute_all_levels(front_end: FrontEnd, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    plain: FrontEnd
    if isinstance(front_end, KaldiMel):
        # at the sound's own level
        plain = replace(front_end, rms_db=None)
        return front_end.to_decibels(plain(np.pad(samples, (0, max(0, 2 - len(samples))))))
    if isinstance(front_end, StftDensity):
        plain = replace(front_end, log=True)
        pad = 0
    else:
        pad = front_end.n_fft // 2 if front_end.center else 0
        plain = replace(front_end, center=False, top_db=None, relative=False)
    # the second term makes a sound that is too short fill one frame
    padded = np.pad(samples, (pad, max(pad, front_end.n_fft - len(samples) - pad)))
    hop, length = front_end.hop_length, front_end.n_fft
    # Each block reaches over the frames' hop to the end of its last window: the frames are those of the whole.
    starts = range(0, len(padded) - length + 1, hop * _FRAMES)
    parts = [plain(padded[s : s + hop * (_FRAMES - 1) + length]) for s in starts]
    return np.concatenate(parts)


def compute_envelope(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Return the lowest and highest sample of every column of the waveform, shape (columns, 2)."""
    width = round(ENVELOPE_SECONDS * rate)
    # filled up with the last sample: (columns, width)
    padded = np.pad(samples, (0, -len(samples) % width), mode="edge").reshape(-1, width)
    return np.stack([padded.min(axis=1), padded.max(axis=1)], axis=1)
