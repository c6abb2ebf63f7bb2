"""Acoustic fingerprints: the same recording found again in other bytes, without comparing every pair of tracks.

Each frame of 0.41 s becomes a word of 32 bits: whether the difference between two neighbouring bands rises or
falls from frame to frame. Loudness, codecs and equalisers hardly change these signs. Frames overlap so much
that a shift by half a hop does not matter. Tracks that share a few words at one distance are candidates; they are
twins where few of the bits differ over three seconds (unrelated sound differs in half of them). Frames whose
signs nearly all agree, as in silence or steady tones, prove nothing and are passed over.

References
----------
Haitsma and Kalker, "A highly robust audio fingerprinting system", ISMIR 2002. Their hop is 11.6 ms;
ours is 25.6 ms: half the words, and a shift by half a hop still changes but 6 % of the bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from earmark.audio.frames import frame, tukey

# A fingerprint, shape (frames,).
Words = NDArray[np.uint32]

# Hz; samples a frame; samples from frame to frame: 39 words a second.
_RATE, _FRAME, HOP = 5000, 2048, 128
# FFT bins that bound the 33 bands, 300 to 2000 Hz.
_EDGES = np.rint(np.geomspace(300, 2000, 34) * _FRAME / _RATE).astype(int)
# Share of a frame's power below which a change counts as none, so that rounding noise gives no bits.
_FAINT = 1e-5
# Set bits of a word that tells something; of 32 fair coins all but 0.3 % lie here.
_INFORMATIVE = (8, 24)
# Words that two tracks must share: 3.3 s.
_WINDOW = 128
# Share of differing bits over a window below which it is the same sound. Of GTZAN's excerpts, ten seconds at
# 64 kbit/s and -20 dB differ from the whole in 0.16 at most; two pieces of one synthesizer, in 0.27 at least.
_SAME = 0.2
# Tracks after a track, among those that share a word, that it is held against: a common word says little.
_NEIGHBOURS = 8
# Words looked up at most; of larger corpora every second, third … kind of word.
_MAX_INDEXED = 20_000_000


@dataclass(frozen=True)
class Twins:
    """Two tracks that hold the same sound, by their places in the sequence handed in; ``first < second``.

    The sound lies `lag` seconds later in the first than in the second. `error` is the share of the bits that differ
    over the 3.3 s where they agree best: 0 identical, 0.5 unrelated.
    """

    first: int
    second: int
    lag: float
    error: float


class Fingerprinter:
    """Computes the fingerprint of a signal that comes piece by piece, at `sample_rate` Hz.

    Examples
    --------
    >>> printer = Fingerprinter(8000)
    >>> printer.add(np.zeros(3 * 8000, np.float32))
    >>> len(printer.words())
    101
    """

    def __init__(self, sample_rate: int) -> None:
        self._resampler = soxr.ResampleStream(sample_rate, _RATE, 1, dtype="float32", quality="MQ")
        self._buffer = np.empty(0, np.float32)
        self._energies: list[NDArray[np.float64]] = []

    def add(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples, shape (samples,)."""
        self._add_resampled(self._resampler.resample_chunk(samples))

    def words(self) -> Words:
        """End the signal and return its fingerprint; empty where it was shorter than two frames."""
        self._add_resampled(self._resampler.resample_chunk(np.empty(0, np.float32), last=True))
        return _encode_bits(np.concatenate(self._energies)) if self._energies else np.empty(0, np.uint32)

    def _add_resampled(self, samples: NDArray[np.float32]) -> None:
        self._buffer = np.concatenate([self._buffer, samples])
        frames = frame(self._buffer, _FRAME, HOP)
        if len(frames):
            spectrum = np.fft.rfft(frames * _TAPER)[:, : _EDGES[-1]]
            self._energies.append(np.add.reduceat(np.abs(spectrum) ** 2, _EDGES[:-1], axis=1))  # (frames, 33)
            self._buffer = self._buffer[len(frames) * HOP :]


def find_twins(prints: Sequence[Words]) -> list[Twins]:
    """Find tracks that hold the same sound, in full or in part, by their fingerprints; empty ones have no twins.

    Of many twins of one another, not every pair is named, but each track together with an earlier one. The list is
    sorted by `first` and `second`, and names each pair once, with its best lag.
    """
    best: dict[tuple[int, int], Twins] = {}
    # a word in common may be off by one frame: the neighbouring lags are tried, too
    for first, second, lag in _find_candidates(prints):
        error, at = min((_lowest_error(prints[first], prints[second], lag + d), lag + d) for d in (-1, 0, 1))
        known = best.get((first, second))
        if error < _SAME and (known is None or error < known.error):
            best[first, second] = Twins(first, second, at * HOP / _RATE, error)
    return [best[pair] for pair in sorted(best)]


_TAPER = tukey(_FRAME, 1.0).astype(np.float32)


def _encode_bits(energies: NDArray[np.float64]) -> Words:
    """Return words (frames - 1,) of band energies (frames, 33)."""
    # F(n, m) = 1 where E(n, m) - E(n, m+1) - (E(n-1, m) - E(n-1, m+1)) > 0: Haitsma and Kalker, equation 1
    steps = energies[:, :-1] - energies[:, 1:]  # (frames, 32)
    power = energies.sum(axis=1)
    rises = np.diff(steps, axis=0) > _FAINT * (power[1:] + power[:-1])[:, None]
    return np.packbits(rises, axis=1, bitorder="little").view("<u4")[:, 0].astype(np.uint32)


def _is_informative(words: Words) -> NDArray[np.bool_]:
    ones = np.bitwise_count(words)
    return (ones >= _INFORMATIVE[0]) & (ones <= _INFORMATIVE[1])


def _find_candidates(prints: Sequence[Words]) -> list[tuple[int, int, int]]:
    """Return pairs of tracks, and lags in words, at which two or more of their words are the same."""
    word, track, place = _index_words(prints)
    keys = []
    # equal words lie side by side in the index
    for n in range(1, _NEIGHBOURS + 1):
        (here,) = np.nonzero(word[n:] == word[:-n])
        lag = place[here] - place[here + n]
        pair = track[here] * len(prints) + track[here + n]
        # pair and lag in one integer, so that one sort groups them; 2²³ words are sixty hours
        keys.append((pair << 24) + lag + (1 << 23))
    key = np.sort(np.concatenate(keys)) if keys else np.empty(0, np.int64)
    # one word in common is chance; two at one lag, or at neighbouring ones, are not
    (twice,) = np.nonzero(np.diff(key) <= 1)
    key = np.unique(key[twice])
    first, second = np.divmod(key >> 24, max(1, len(prints)))
    return list(zip(first.tolist(), second.tolist(), ((key & 0xFFFFFF) - (1 << 23)).tolist(), strict=True))


def _index_words(prints: Sequence[Words]) -> tuple[Words, NDArray[np.int64], NDArray[np.int64]]:
    """Return informative words in rising order, each once a track, with their tracks and places, each (words,)."""
    every = 1 + sum(map(len, prints)) // _MAX_INDEXED
    words, places = [], []
    for track, own in enumerate(prints):
        # A product with a large odd number scatters words, so that any corpus keeps the same ones of two copies.
        kept = _is_informative(own) & ((own * np.uint32(2654435761) >> np.uint32(16)) % np.uint32(every) == 0)
        once, at = np.unique(own[kept], return_index=True)
        words.append((once.astype(np.uint64) << np.uint64(32)) | np.uint64(track))
        places.append(np.flatnonzero(kept)[at])
    if not words:
        return np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0, np.int64)
    key, place = np.concatenate(words), np.concatenate(places)
    order = np.argsort(key)
    key = key[order]
    return (key >> np.uint64(32)).astype(np.uint32), (key & np.uint64(0xFFFFFFFF)).astype(np.int64), place[order]


def _lowest_error(first: Words, second: Words, lag: int) -> float:
    """Return the share of differing bits where two tracks agree best; uninformative frames count as chance."""
    a, b = first[max(0, lag) :], second[max(0, -lag) :]
    n = min(len(a), len(b))
    if n < _WINDOW:
        return 1.0
    a, b = a[:n], b[:n]
    # bits that differ in each frame, and by sums from the start in each window
    wrong = np.where(_is_informative(a) & _is_informative(b), np.bitwise_count(a ^ b), 16)
    total = np.concatenate([[0], np.cumsum(wrong)])
    return float((total[_WINDOW:] - total[:-_WINDOW]).min() / (32 * _WINDOW))
