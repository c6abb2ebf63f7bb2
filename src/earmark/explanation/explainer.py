"""Why a track was called what it was: probabilities over time, and which regions of its sound carried the answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import numpy as np
import soxr
from numpy.typing import ArrayLike, NDArray

from earmark.audio.clips import Clip, cut
from earmark.audio.decode import AudioFile
from earmark.audio.encode import PLAY_RATE, encode_mp3
from earmark.audio.mixdown import mix_array
from earmark.audio.source import Source, is_path
from earmark.errors import AudioError, SettingError
from earmark.explanation.explanation import Explanation
from earmark.explanation.occlusion import BATCH_FRAMES, Cells, Occlusion, Pair, cell_seconds, join_names
from earmark.explanation.track_axis import ENVELOPE_SECONDS, Piece, compute_envelope, compute_levels, join_pieces
from earmark.inference.aggregate import pool_clips
from earmark.inference.model import Model
from earmark.inference.tagger import Tagger
from earmark.inference.verdict import Verdict

MAX_SECONDS = 600.0
"""Seconds that are explained by default: longer files make pages that no browser likes."""

MOMENTS = 20
"""Clips to the length of one that are classified to follow a track, middles evenly apart."""

Advance = Callable[[int, int], None]
"""Told how many steps have been done since it was last called, and how many there are in all."""


class Method(Protocol):
    """What finds the regions that carried the answer, such as :class:`~earmark.explanation.occlusion.Occlusion`."""

    name: str
    names: tuple[str, ...]
    """Genres, and perhaps styles and moods: some of the model's :attr:`Card.names`, genres first."""

    def steps(self, n_frames: int) -> int:
        """Return how many steps a clip of so many frames takes."""

    def __call__(
        self, frames: NDArray[np.float32], advance: Callable[[int], None], pair: Pair | None = None
    ) -> NDArray[np.float64]:
        """Return the bits that each cell of a clip speaks for each name, (frames, bins) → (columns, bands, names).

        With a pair, one more at the end: the bits for its first genre over its second.
        """


@dataclass(frozen=True)
class _Sound:
    """What is explained: mono samples at the front end's rate, and where they come from."""

    samples: NDArray[np.float32]
    path: str | None
    start: float
    whole: float | None
    damage: str | None
    mp3: bytes | None


class Explainer:
    """Explains a model's answers.

    Parameters
    ----------
    model : Tagger, Model, path or str, optional
        As in :func:`earmark.load`.
    jobs : int, optional
        Threads; one a core when left out.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.1, 10 * 22050)
    >>> explanation = Explainer().explain((noise, 22050))
    >>> explanation.relevance.shape  # columns of time, bands of frequency, genres and styles
    (16, 16, 60)
    """

    def __init__(
        self, model: Tagger | Model | str | os.PathLike[str] | None = None, *, jobs: int | None = None
    ) -> None:
        self.tagger = model if isinstance(model, Tagger) else Tagger(model)
        self.jobs = jobs or os.cpu_count() or 1

    def explain(
        self,
        source: Source | tuple[ArrayLike, float],
        *,
        start: float = 0.0,
        duration: float | None = None,
        method: Method | None = None,
        relevance: bool = True,
        sound: bool = True,
        advance: Advance = lambda done, total: None,
    ) -> Explanation:
        """Explain one track, or a part of it.

        Parameters
        ----------
        source : path, binary file object, or pair (samples, sample_rate)
            As in :meth:`earmark.Tagger.classify_many`.
        start : float
            Seconds into the track.
        duration : float, optional
            Seconds to explain; to the end, or :data:`MAX_SECONDS`, when left out.
        method : Method, optional
            What finds the regions that mattered; occlusion when left out.
        relevance : bool
            False to leave those regions out, which take nearly all of the time.
        sound : bool
            Keep the sound too, so that a page can play it.
        advance : callable
            Told of the progress: steps done since it was last called, and steps in all.

        Raises
        ------
        AudioError
            If the source cannot be heard, or nothing of it lies behind `start`.
        SettingError
            If `start` or `duration` make no sense.
        """
        if not 0 <= start < np.inf or (duration is not None and not 0 < duration < np.inf):
            raise SettingError(f"start {start} and duration {duration}: need 0 or more, and more than 0 seconds")
        part = self._decode(source, start, duration or MAX_SECONDS, sound)
        return self._explain(part, (method or Occlusion(self.tagger, self.jobs)) if relevance else None, advance)

    def _explain(self, part: _Sound, method: Method | None, advance: Advance) -> Explanation:
        card, samples, rate = self.tagger.card, part.samples, self.tagger.card.front_end.sample_rate
        verdict = replace(self.tagger.classify(samples, rate), path=part.path, error=part.damage)
        levels, times = compute_levels(card.front_end, samples)
        names = card.names if method is None else method.names
        moments, probabilities = self._classify_moments(samples)
        relevance, contrast = self._find_relevance(samples, method, verdict, advance) if method else (None, None)
        return Explanation(
            verdict=verdict,
            labels=names,
            n_genres=len(card.labels),
            start=part.start,
            duration=len(samples) / rate,
            whole=part.whole,
            envelope=compute_envelope(samples, rate),
            envelope_seconds=ENVELOPE_SECONDS,
            spectrogram=levels,
            times=times,
            frequencies=card.front_end.frequencies,
            moments=moments,
            probabilities=probabilities[:, [card.names.index(name) for name in names]],
            attention=self._join_attention(verdict, times),
            relevance=relevance,
            contrast=contrast,
            clip_seconds=card.clip_seconds,
            cell_seconds=cell_seconds(card),
            bands=Cells.of(card, 1).edges,
            method=None if method is None else method.name,
            sound=part.mp3,
        )

    def _decode(self, source: Source | tuple[ArrayLike, float], start: float, duration: float, sound: bool) -> _Sound:
        rate = self.tagger.card.front_end.sample_rate
        if isinstance(source, tuple):
            return self._cut_array(*source, start, duration, sound)
        with AudioFile(source) as recording:
            blocks = list(recording.blocks(rate, start=start, duration=duration))
            if not blocks:
                raise AudioError(f"nothing to hear from {start:g} s on: the file ends before")
            # of the first pass: the second, for the player, has another sample rate
            damage = recording.read_error
            encoded = encode_mp3(recording.blocks(PLAY_RATE, start=start, duration=duration)) if sound else None
            path = os.fsdecode(source) if is_path(source) else None
            return _Sound(np.concatenate(blocks), path, start, recording.info.duration, damage, encoded)

    def _cut_array(self, array: ArrayLike, sample_rate: float, start: float, duration: float, sound: bool) -> _Sound:
        own = mix_array(array, sample_rate)
        part = _part(self.tagger.resample(own, sample_rate), self.tagger.card.front_end.sample_rate, start, duration)
        if not len(part):
            raise AudioError(f"nothing to hear from {start:g} s on: the sound ends before")
        encoded = None
        if sound:
            # the player hears the given rate, the network its own
            encoded = encode_mp3([soxr.resample(_part(own, sample_rate, start, duration), sample_rate, PLAY_RATE)])
        return _Sound(part, None, start, len(own) / sample_rate, None, encoded)

    def _classify_moments(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Classify the clip around each moment: times (moments,), probabilities (moments, names)."""
        card, rate = self.tagger.card, self.tagger.card.front_end.sample_rate
        times = np.arange(0, len(samples) / rate, card.clip_seconds / MOMENTS)
        # the clip around each moment, cut off at the sound's ends
        middles = np.round(times * rate).astype(int)
        firsts = np.maximum(middles - card.clip_length // 2, 0)
        # n // 2 samples before the middle and (n + 1) // 2 after it: n in all, odd ones too
        lasts = np.minimum(middles + (card.clip_length + 1) // 2, len(samples))
        found = np.full((len(times), len(card.names)), np.nan)
        batch = max(1, BATCH_FRAMES // card.front_end.n_frames(card.clip_length))
        # Clips of one length go together: whole ones, and near the ends shorter ones.
        for length in np.unique(lasts - firsts):
            alike = np.flatnonzero(lasts - firsts == length)
            for some in np.split(alike, range(batch, len(alike), batch)):
                # (clips, samples)
                clips = np.stack([samples[firsts[i] : lasts[i]] for i in some])
                audible = [card.reason_to_skip(Clip(0, clip, int(length))) is None for clip in clips]
                if any(audible):
                    told = self.tagger.predict_frames(card.front_end(clips[audible]))
                    # each calibrated like a track of one clip, (1, labels)
                    temperature, several = card.calibration.clip_temperature, card.multilabel
                    genres = [pool_clips(p[None], temperature, multilabel=several) for p in told.log_probabilities]
                    found[some[audible]] = join_names(np.array(genres), told, card)
        return times, found

    def _find_relevance(
        self, samples: NDArray[np.float32], method: Method, verdict: Verdict, advance: Advance
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Find what each cell is worth, clip by clip: (columns, bands, names), and (columns, bands) for the winner."""
        card, n_names = self.tagger.card, len(method.names)
        # the winner and the runner-up, where there are probabilities
        best = [card.index_of(genre) for genre in islice(verdict.genres, 2)]
        pair = (best[0], best[1]) if best else None
        rate, front_end, step = card.front_end.sample_rate, card.front_end, cell_seconds(card)
        clips = [
            clip for clip in cut([samples], card.clip_length, card.hop_length) if card.reason_to_skip(clip) is None
        ]
        total = sum(method.steps(front_end.n_frames(clip.length)) for clip in clips)
        pieces = []
        for clip in clips:
            # without the zeros that fill the last clip: (frames, bins) → (columns, bands, names)
            cells = method(front_end(clip.samples[: clip.length]), lambda done: advance(done, total), pair)
            pieces.append(Piece(clip.start / rate, (clip.start + clip.length) / rate, cells))
        # As many columns as the sound needs, but for rounding errors; each is looked up at its middle.
        columns = np.arange(max(1, int(np.ceil(len(samples) / rate / step - 1e-6))), dtype=np.float64)
        shape = Cells.of(card, 1).shape[1], n_names + (pair is not None)
        found = join_pieces((columns + 0.5) * step, pieces, step, shape=shape)
        return found[..., :n_names], found[..., n_names] if pair else None

    def _join_attention(self, verdict: Verdict, times: NDArray[np.float64]) -> NDArray[np.float64] | None:
        if not self.tagger.card.attention:
            return None
        front_end = self.tagger.card.front_end
        # times the number of steps: 1 is an even share
        pieces = [
            Piece(clip.start, clip.end, np.array(clip.attention) * len(clip.attention))
            for clip in verdict.clips
            if clip.attention
        ]
        # an encoder's steps, each of many frames, share the clip's time evenly
        rate = front_end.sample_rate
        if any(len(piece.values) < front_end.n_frames(round((piece.end - piece.start) * rate)) for piece in pieces):
            return join_pieces(times, pieces)
        # a weight holds from half a hop before its frame's centre to half a hop after
        step = front_end.hop_length / rate
        return join_pieces(times, pieces, step, float(front_end.times(1)[0]) - step / 2)


def _part(samples: NDArray[Any], rate: float, start: float, duration: float) -> NDArray[Any]:
    return samples[round(start * rate) : round((start + duration) * rate)]
