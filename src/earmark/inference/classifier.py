"""From frames to verdicts in layers that add one step each, in constant memory.

=====================  =========================================  ============================================
class                  takes                                      gives
=====================  =========================================  ============================================
:class:`FrameClassifier`  the front end's frames of clips         log-probabilities, attention, styles, moods, sound
:class:`ClipClassifier`   clips of samples                        a prediction for each clip
:class:`TrackClassifier`  a file, samples or a track's frames     predictions for its clips, or a verdict
=====================  =========================================  ============================================
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator
from itertools import groupby, islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.audio.clips import Clip, cut, cut_frames, preview_starts
from earmark.audio.decode import AudioFile
from earmark.audio.mixdown import resample_array
from earmark.audio.source import Source, is_path
from earmark.errors import AudioError, SettingError
from earmark.inference.aggregate import (
    LEAST_PROBABILITY,
    ClipPrediction,
    FramePrediction,
    TrackPrediction,
    make_verdict,
)
from earmark.inference.model import Model, open_model
from earmark.inference.verdict import Verdict

PREVIEW_SECONDS = 30
"""Seconds of sound that a preview hears, as many as GTZAN's excerpts have: six clips of 5 s, or three of 10 s."""

_log = logging.getLogger(__name__)

_BATCH = 8
"""Clips that go through front end and network at once; bounds the memory."""


class FrameClassifier:
    """Frames → all that the network says of them: a model, and the network that runs it.

    Parameters
    ----------
    model : Model, path or str, optional
        A model, a model file, or the name of a bundled model; the default bundled model when left out.
    threads : int
        Threads within the network; 1 is best when several tracks are classified at once.
    """

    def __init__(self, model: Model | str | os.PathLike[str] | None = None, *, threads: int = 1) -> None:
        self.model = model if isinstance(model, Model) else open_model(model)
        self.card = self.model.card
        self._session = self.model.session(threads)
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def labels(self) -> tuple[str, ...]:
        """The genres it can name."""
        return self.card.labels

    def predict_frames(self, frames: NDArray[np.float32]) -> FramePrediction:
        """Run the network on the front end's frames.

        Parameters
        ----------
        frames : ndarray of float32, shape (clips, frames, bins)
            Clips of one length. May be called from several threads.
        """
        # None asks for all outputs; they are read by name, as a model has those that it can give
        outputs = dict(zip(self._outputs, self._session.run(None, {"spectrogram": frames}), strict=True))
        log_p = np.log(np.maximum(outputs.pop("probabilities").astype(np.float64), LEAST_PROBABILITY))
        return FramePrediction(log_p, **outputs)

    def predict_log_proba(self, frames: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities, shape (clips, labels): of :meth:`predict_frames`, nothing else."""
        return self.predict_frames(frames).log_probabilities


class ClipClassifier(FrameClassifier):
    """Clips of samples → a prediction for each: adds the front end, and leaves out silence and what is too short."""

    def predict_clips(self, clips: Iterable[Clip]) -> Iterator[ClipPrediction]:
        """Run clips through front end and network, in order, those of one length together.

        Parameters
        ----------
        clips : iterable of Clip
            At the front end's sample rate. Taken a few at a time, as the work goes on.

        Yields
        ------
        ClipPrediction
        """
        clips = iter(clips)
        while batch := list(islice(clips, _BATCH)):
            # full clips go together; the last of a track may be shorter
            for length, alike in groupby(batch, key=lambda clip: clip.length):
                yield from self._predict_alike(list(alike), length)

    def _predict_alike(self, clips: list[Clip], length: int) -> Iterator[ClipPrediction]:
        """Predict clips of one real length: what was padded is cut off again, so it can get no attention."""
        rate = self.card.front_end.sample_rate
        skipped = [self.card.reason_to_skip(clip) for clip in clips]
        samples = [clip.samples[:length] for clip, why in zip(clips, skipped, strict=True) if not why]
        # (clips, samples) → (clips, frames, bins) → an item for each clip that is not skipped
        predictions = iter(self.predict_frames(self.card.front_end(np.stack(samples))).split() if samples else ())
        for clip, why in zip(clips, skipped, strict=True):
            outputs = {} if why else next(predictions)
            yield ClipPrediction(clip.start / rate, (clip.start + length) / rate, skipped=why, **outputs)

    def resample(self, samples: ArrayLike, sample_rate: float | None) -> NDArray[np.float32]:
        """Return a user's array as mono samples at the front end's rate: see :func:`resample_array`."""
        return resample_array(samples, sample_rate, self.card.front_end.sample_rate)


class TrackClassifier(ClipClassifier):
    """A file, samples, or a whole track's frames → predictions for its clips, or a verdict: adds decoding, cutting."""

    def classify(
        self, source: Source | ArrayLike, sample_rate: float | None = None, *, preview: bool = False
    ) -> Verdict:
        """Name the genre of one track.

        Parameters
        ----------
        source : path, binary file object, or array
            An array holds floats of full scale ±1, shape (samples,), (channels, samples) or (samples, channels):
            see :func:`earmark.audio.mixdown.mix_array`.
        sample_rate : float, optional
            Hz; required for an array, and only for an array.
        preview : bool
            Listen to a few windows spread over the file instead of all of it.

        Returns
        -------
        Verdict

        Raises
        ------
        AudioError
            If the source cannot be decoded.
        SettingError
            If an array comes without its sample rate, or a file with one.
        """
        return make_verdict(self.predict(source, sample_rate, preview=preview), self.card)

    def classify_spectrogram(self, spectrogram: ArrayLike, duration: float | None = None) -> Verdict:
        """Name the genre of a track whose frames were computed elsewhere: see :meth:`predict_spectrogram`."""
        return make_verdict(self.predict_spectrogram(spectrogram, duration), self.card)

    def predict(
        self, source: Source | ArrayLike, sample_rate: float | None = None, *, preview: bool = False
    ) -> TrackPrediction:
        """Predict each clip of one track; parameters and errors are those of :meth:`classify`."""
        # a pair, as classify_many takes
        if isinstance(source, tuple) and len(source) == 2 and sample_rate is None:
            source, sample_rate = source
        if is_path(source) or hasattr(source, "read"):
            if sample_rate is not None:
                raise SettingError("sample_rate is for arrays; a file states its own")
            try:
                return self._predict_file(source, preview)  # type: ignore[arg-type]
            except AudioError as error:
                # for a traceback; where many files are heard, each verdict names its own
                if is_path(source):
                    error.add_note(os.fsdecode(source))
                raise
        samples = self.resample(source, sample_rate)  # type: ignore[arg-type]
        clips = self.predict_clips(cut([samples], self.card.clip_length, self.card.hop_length))
        return TrackPrediction(list(clips), len(samples) / self.card.front_end.sample_rate)

    def predict_spectrogram(self, spectrogram: ArrayLike, duration: float | None = None) -> TrackPrediction:
        """Predict each clip of a track whose frames were computed elsewhere, by this model's front end.

        Parameters
        ----------
        spectrogram : array, shape (frames, bins)
            Evenly spaced frames of the whole track.
        duration : float, optional
            Seconds that the frames cover; as many clips are cut as audio of that length would give. Taken
            from the front end's hop when left out.

        Returns
        -------
        TrackPrediction

        Raises
        ------
        AudioError
            If the shape does not fit or values are not finite.
        """
        card = self.card
        frames = np.asarray(spectrogram, np.float32)
        if frames.ndim != 2 or frames.shape[1] != card.n_bins or not len(frames):
            raise AudioError(f"a spectrogram of shape {frames.shape}: need (frames, {card.n_bins})")
        if not np.isfinite(frames).all():
            raise AudioError("the spectrogram holds numbers that are not finite")
        front_end = card.front_end
        # seconds = frames · hop / rate
        seconds = len(frames) * front_end.hop_length / front_end.sample_rate if duration is None else duration
        n_frames = front_end.n_frames(card.clip_length)
        clips = []
        # each clip by itself: their numbers of frames may differ by one
        for start, clip in cut_frames(frames, seconds, card.clip_seconds, n_frames, card.hop_seconds):
            end = min(seconds, start + card.clip_seconds)
            if len(clip) < card.min_frames:
                clips.append(ClipPrediction(start, end, skipped="too short"))
                continue
            # (frames, bins) → (1, frames, bins)
            (outputs,) = self.predict_frames(clip[None]).split()
            clips.append(ClipPrediction(start, end, **outputs))
        return TrackPrediction(clips, seconds)

    def _predict_file(self, source: Source, preview: bool) -> TrackPrediction:
        with AudioFile(source) as recording:
            begin = time.perf_counter()
            duration = recording.info.duration
            # a preview reads a few windows; its duration is what the file states
            clips = list(self.predict_clips(self._cut_windows(recording, duration or 0))) if preview else []
            # no preview is wanted, or the file is short, or much shorter than it states
            if not clips:
                blocks = recording.blocks(self.card.front_end.sample_rate)
                clips = list(self.predict_clips(cut(blocks, self.card.clip_length, self.card.hop_length)))
                duration = recording.seconds_decoded
            _log.debug("%s: %d clips heard in %.0f ms", source, len(clips), 1000 * (time.perf_counter() - begin))
            path = os.fsdecode(source) if is_path(source) else None
            return TrackPrediction(clips, duration, path, recording.read_error)

    def _cut_windows(self, recording: AudioFile, duration: float) -> Iterator[Clip]:
        """Cut the clips of a preview from a file of so many seconds; none from a file shorter than a clip."""
        rate, seconds = self.card.front_end.sample_rate, self.card.clip_seconds
        for start in preview_starts(duration, seconds, max(1, round(PREVIEW_SECONDS / seconds))):
            for clip in cut(recording.blocks(rate, start=start, duration=seconds), self.card.clip_length):
                # from the start of the file, not of the window
                yield Clip(clip.start + round(start * rate), clip.samples, clip.length)
