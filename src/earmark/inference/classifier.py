"""Tagger: sound → clips → probabilities → a verdict, in constant memory."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.audio.clips import Clip, cut, cut_frames, preview_starts
from earmark.audio.decode import AudioFile
from earmark.audio.source import Sound, Source, is_path
from earmark.errors import AudioError, SettingError
from earmark.inference.aggregate import pooled
from earmark.inference.model import Model, open_model
from earmark.inference.verdict import ClipVerdict, Verdict

if TYPE_CHECKING:
    from earmark.audio.streams.stream import Stream
    from earmark.inference.live import RunningVerdict

SHORTEST = 1.0
"""Seconds below which nothing is said, whatever the model: a beat or two is no music yet."""

PREVIEW_CLIPS = 6
"""Clips heard in a preview: as many as the 30 s excerpts of GTZAN hold."""

_log = logging.getLogger(__name__)

_BATCH = 8
"""Clips that go through front end and network at once; bounds the memory."""


@dataclass(frozen=True)
class _Heard:
    """One clip on its way: where it lies (seconds), log-probabilities (None in silence), attention."""

    start: float
    end: float
    log_probabilities: NDArray[np.float64] | None
    attention: NDArray[np.float32] | None
    short: bool = False


class Tagger:
    """Names the genre of tracks with one model.

    Parameters
    ----------
    model : Model, path or str, optional
        A model, a model file, or the name of a bundled model; the default bundled model when left out.
    threads : int
        Threads within the network; 1 is best when several tracks are classified at once.

    Examples
    --------
    >>> tagger = Tagger()
    >>> tagger.classify(np.zeros(5 * 22050), 22050).reason
    'silence'
    """

    def __init__(self, model: Model | str | os.PathLike[str] | None = None, *, threads: int = 1) -> None:
        self.model = model if isinstance(model, Model) else open_model(model)
        self.card = self.model.card
        self._session = self.model.session(threads)

    @property
    def labels(self) -> tuple[str, ...]:
        """The genres it can name."""
        return self.card.labels

    def classify(
        self, source: Source | ArrayLike, sample_rate: float | None = None, *, preview: bool = False
    ) -> Verdict:
        """Name the genre of one track.

        Parameters
        ----------
        source : path, binary file object, or array
            An array holds samples, shape (samples,) or (channels, samples), full scale ±1.
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
            If the source cannot be heard.
        SettingError
            If an array comes without its sample rate, or a file with one.
        """
        if is_path(source) or hasattr(source, "read"):
            if sample_rate is not None:
                raise SettingError("sample_rate is for arrays; a file states its own")
            return self._classify_file(source, preview)  # type: ignore[arg-type]
        samples = self.resampled(np.asarray(source), sample_rate)
        clips = cut([samples], self.card.clip_length, self.card.hop_length)
        return self._verdict(list(self._hear(clips)), len(samples) / self.card.front_end.sample_rate, None, None)

    def classify_many(
        self, sounds: Iterable[Sound], *, jobs: int | None = None, preview: bool = False
    ) -> Iterator[Verdict]:
        """Name the genres of many sounds, in the order given; a bad one gives a verdict with an error.

        Parameters
        ----------
        sounds : iterable of path, binary file object, or pair (samples, sample_rate)
            Of one kind or mixed, each as in :meth:`classify`. Taken as the work goes on, a few ahead of the
            answers, so it may be endless; a file object may be closed when the next sound is asked for.
        jobs : int, optional
            Sounds worked on at once, each in a process of its own: what crashes a decoder, or keeps it busy for
            too long (:func:`earmark.parallel.limit_for_size`), is one verdict with an error, and the rest goes on.
            Few sounds get one process; one alone is heard in this one, as are file objects and arrays above 64 MB.
            A script must begin its work under ``if __name__ == "__main__":``, as always with processes in Python.
            Left out: one sound after the other, in this process.
        preview : bool
            As in :meth:`classify`.

        Returns
        -------
        iterator of Verdict

        Examples
        --------
        >>> silence = np.zeros(5 * 22050)
        >>> [v.reason or v.error for v in Tagger().classify_many([(silence, 22050), "gone.mp3"])]
        ['silence', 'cannot be opened (No such file or directory)']
        """
        from earmark.inference.batch import classify_many

        return classify_many(self, sounds, jobs, preview)

    def classify_spectrogram(self, spectrogram: ArrayLike, duration: float | None = None) -> Verdict:
        """Name the genre of a track whose frames were computed elsewhere, by this model's front end.

        From here on frames take the very way that audio takes after the front end.

        Parameters
        ----------
        spectrogram : array, shape (frames, bins)
            Evenly spaced frames of the whole track.
        duration : float, optional
            Seconds that the frames cover; as many clips are cut as audio of that length would give. Taken
            from the front end's hop when left out.

        Returns
        -------
        Verdict

        Raises
        ------
        AudioError
            If the shape does not fit or values are not finite.
        """
        frames = np.asarray(spectrogram, np.float32)
        if frames.ndim != 2 or frames.shape[1] != self.card.n_bins or not len(frames):
            raise AudioError(f"a spectrogram of shape {frames.shape}: need (frames, {self.card.n_bins})")
        if not np.isfinite(frames).all():
            raise AudioError("the spectrogram holds numbers that are not finite")
        front_end = self.card.front_end
        seconds = len(frames) * front_end.hop_length / front_end.sample_rate if duration is None else duration
        n_frames = front_end.n_frames(self.card.clip_length)
        cuts = cut_frames(frames, seconds, self.card.clip_seconds, n_frames, self.card.hop_seconds)
        heard: list[_Heard] = []
        for start, clip in cuts:
            end = min(seconds, start + self.card.clip_seconds)
            if len(clip) < self.card.min_frames:
                heard.append(_Heard(start, end, None, None, short=True))
                continue
            log_p, attention = self.infer(clip[None])
            heard.append(_Heard(start, end, log_p[0], None if attention is None else attention[0]))
        return self._verdict(heard, seconds, None, None)

    def _classify_file(self, source: Source, preview: bool) -> Verdict:
        rate, length, hop = self.card.front_end.sample_rate, self.card.clip_length, self.card.hop_length
        with AudioFile(source) as recording:
            starts: list[float] = []
            clips: Iterable[Clip]
            if preview and recording.info.duration:
                starts = preview_starts(recording.info.duration, self.card.clip_seconds, PREVIEW_CLIPS)
            if starts:
                clips = chain.from_iterable(
                    _shifted(cut(recording.blocks(rate, start=s, duration=self.card.clip_seconds), length), s, rate)
                    for s in starts
                )
            else:
                clips = cut(recording.blocks(rate), length, hop)
            begin = time.perf_counter()
            heard = list(self._hear(clips))
            _log.debug("%s: %d clips heard in %.0f ms", source, len(heard), 1000 * (time.perf_counter() - begin))
            if not heard:  # the length that the file states was far too long
                starts, heard = [], list(self._hear(cut(recording.blocks(rate), length, hop)))
            duration = recording.info.duration if starts else recording.seconds_decoded
            path = os.fsdecode(source) if is_path(source) else None
            return self._verdict(heard, duration, path, recording.read_error)

    def follow(
        self, source: Stream | str | os.PathLike[str], *, every: float = 0.5, memory: float = 5.0
    ) -> Generator[RunningVerdict, None, None]:
        """Name the genre of what is playing, again and again: see :func:`earmark.inference.live.follow`."""
        from earmark.inference.live import follow

        return follow(self, source, every=every, memory=memory)

    def enough(self, length: int) -> bool:
        """Whether so many samples can be told anything about."""
        front_end = self.card.front_end
        return length >= front_end.sample_rate * SHORTEST and front_end.n_frames(length) >= self.card.min_frames

    def hear(self, samples: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """Log-probabilities of a clip, at the front end's rate and of its length at most; None in silence."""
        (heard,) = self._hear_alike([Clip(0, samples, len(samples))], len(samples))
        return heard.log_probabilities

    def _hear(self, clips: Iterable[Clip]) -> Iterator[_Heard]:
        """Run clips through front end and network, full ones in batches, a shorter one by itself."""
        clips = iter(clips)
        while batch := list(islice(clips, _BATCH)):
            full = [clip for clip in batch if clip.length == self.card.clip_length]
            short = [clip for clip in batch if clip.length < self.card.clip_length]
            if full:
                yield from self._hear_alike(full, self.card.clip_length)
            for clip in short:
                yield from self._hear_alike([clip], clip.length)

    def _hear_alike(self, clips: list[Clip], length: int) -> Iterator[_Heard]:
        """Clips of one real length: what was padded is cut off again, so it can get no attention."""
        samples = np.stack([clip.samples[:length] for clip in clips])  # (clips, samples)
        loud = np.array([not clip.silent for clip in clips])
        rate, enough = self.card.front_end.sample_rate, self.enough(length)
        results: Iterator[tuple[NDArray[np.float64], NDArray[np.float32] | None]] = iter(())
        if enough and loud.any():
            log_p, attention = self.infer(self.card.front_end(samples[loud]))
            results = zip(log_p, attention if attention is not None else [None] * len(log_p), strict=True)
        for clip, audible in zip(clips, loud, strict=True):
            log_probabilities, weights = next(results) if enough and audible else (None, None)
            yield _Heard(clip.start / rate, (clip.start + length) / rate, log_probabilities, weights, not enough)

    def infer(self, frames: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
        """Run the network on the front end's frames.

        Parameters
        ----------
        frames : ndarray of float32, shape (clips, frames, bins)
            Clips of one length. May be called from several threads.

        Returns
        -------
        log_probabilities : ndarray, shape (clips, labels)
            Not calibrated.
        attention : ndarray of float32, shape (clips, frames), or None
            Weights that sum to 1; None where the network does not attend.
        """
        outputs = self._session.run(None, {"spectrogram": frames})
        log_p = np.log(np.maximum(outputs[0].astype(np.float64), 1e-12))
        return log_p, outputs[1] if self.card.attention else None

    def _verdict(self, heard: list[_Heard], duration: float | None, path: str | None, damage: str | None) -> Verdict:
        calibration = self.card.calibration
        audible = [h.log_probabilities for h in heard if h.log_probabilities is not None]
        genres: dict[str, float] = {}
        reason = "too short" if all(h.short for h in heard) else "silence"
        if audible:
            genres = self.named(pooled(np.stack(audible), calibration.track_temperature))
            reason = "low confidence"
        confidence = next(iter(genres.values()), 0.0)
        certain = bool(genres) and confidence >= calibration.threshold
        clips = tuple(
            ClipVerdict(
                h.start,
                h.end,
                {}
                if h.log_probabilities is None
                else self.named(pooled(h.log_probabilities[None], calibration.clip_temperature)),
                None if h.attention is None else tuple(h.attention.tolist()),
            )
            for h in heard
        )
        return Verdict(
            next(iter(genres)) if certain else None,
            None if certain else reason,
            confidence,
            genres,
            duration,
            clips,
            self.card.name,
            path,
            damage,
        )

    def named(self, probabilities: NDArray[np.float64]) -> dict[str, float]:
        """Probabilities, shape (labels,), by genre, the most probable first."""
        order = np.argsort(-probabilities, kind="stable")
        return {self.card.labels[i]: float(probabilities[i]) for i in order}

    def resampled(self, samples: NDArray[Any], sample_rate: float | None) -> NDArray[np.float32]:
        """Array from the user, shape (samples,) or (channels, samples) → mono samples at the front end's rate."""
        import soxr

        if not isinstance(sample_rate, Real) or sample_rate <= 0:
            raise SettingError("an array needs its sample rate, a number of Hz: (samples, sample_rate)")
        if samples.ndim not in (1, 2) or samples.size == 0 or samples.dtype.kind != "f":
            raise AudioError(
                f"an array of {samples.dtype} of shape {samples.shape}: need floats of full scale ±1, shape "
                "(samples,) or (channels, samples)"
            )
        mono = (samples if samples.ndim == 1 else samples.mean(axis=0)).astype(np.float32)
        if not np.isfinite(mono).all():
            raise AudioError("samples are not finite numbers (NaN or infinite)")
        resampled: NDArray[np.float32] = soxr.resample(mono, sample_rate, self.card.front_end.sample_rate, quality="HQ")
        return resampled


def _shifted(clips: Iterable[Clip], seconds: float, rate: int) -> Iterator[Clip]:
    for clip in clips:
        yield Clip(clip.start + round(seconds * rate), clip.samples, clip.length)
