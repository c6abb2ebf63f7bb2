"""What a genre sounds like to a network: make a sound that it is sure of.

1. **ascent**: gradient ascent turns noise or silence into a spectrogram (:mod:`earmark.auralization.ascent`);
2. :func:`earmark.audio.griffin_lim.invert` turns it into sound;
3. **shaping**: where the network is not sure of that sound, a moving equaliser goes over it
   (:mod:`earmark.auralization.equalizer`). A given song goes through this step alone: it keeps tune, rhythm and phases.

What is returned is mastered, rounded to 16 bits, and classified by the ordinary
:class:`~earmark.inference.tagger.Tagger`.

References
----------
K. Simonyan, A. Vedaldi, A. Zisserman: Deep inside convolutional networks: visualising image classification models and
saliency maps. ICLR workshop, 2014.
A. Mordvintsev, C. Olah, M. Tyka: Inceptionism: going deeper into neural networks. Google Research Blog, 2015.
C. Olah, A. Mordvintsev, L. Schubert: Feature visualization. Distill, 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from earmark.audio.decode import AudioFile
from earmark.audio.griffin_lim import invert
from earmark.audio.loudness import LOUDNESS, loudness, master
from earmark.audio.spectrogram import FrontEnd, Samples, Spectrogram
from earmark.auralization.ascent import Ascent
from earmark.auralization.equalizer import Equalizer
from earmark.auralization.prior import Prior
from earmark.errors import AudioError, SettingError
from earmark.inference.model import Model
from earmark.inference.tagger import Tagger
from earmark.inference.verdict import Verdict
from earmark.networks.onnx.differentiable import DifferentiableModel

STEPS = 120
"""Steps of the ascent from noise or silence; most networks are sure after thirty, more make it plainer."""

SHAPING_STEPS = 60
"""Steps that go over a song; up to three times as many where the network is not sure by then."""

SURE = 0.9
"""Confidence with which the finished sound should be classified as the genre."""

_MAX_SECONDS = 120.0
_MAX_ROUNDS = 3
"""Times that the shaping of a song is repeated at most."""

_CHECK_EVERY = 10
"""Shaping steps after which the sound is classified, to see whether it is enough."""

Start = Literal["noise", "silence"] | tuple[ArrayLike, float]
"""Where to begin; a song is its samples and their rate in Hz."""


class Step(NamedTuple):
    """One step.

    Attributes
    ----------
    stage : {"ascent", "shaping"}
    probability : float
        The genre's, calibrated, of the sound as this step shifts it.
    """

    stage: Literal["ascent", "shaping"]
    probability: float


@dataclass(frozen=True)
class ImaginedSound:
    """A sound that was imagined.

    Attributes
    ----------
    genre : str
    samples : ndarray of float32, shape (samples,)
        Full scale ±1, at about −16 LUFS, no peak above −1 dBTP.
    sample_rate : int
        Hz.
    spectrogram : ndarray of float32, shape (frames, bins)
        Of the sound, as `front_end` gives it.
    front_end : StftDensity or LogMel
        The model's.
    verdict : Verdict
        Of the samples in 16 bits.
    history : tuple of Step
        Of ascent and shaping.
    """

    genre: str
    samples: Samples
    sample_rate: int
    spectrogram: Spectrogram
    front_end: FrontEnd
    verdict: Verdict
    history: tuple[Step, ...] = ()

    @property
    def confidence(self) -> float:
        """The genre's calibrated probability, named or not."""
        return self.verdict.genres.get(self.genre, 0.0)


def imagine(
    model: Model,
    genre: str,
    *,
    start: Start = "noise",
    seconds: float = 30.0,
    seed: int = 0,
    steps: int | None = None,
    prior: Prior | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> ImaginedSound:
    """Make a sound that a model takes for a genre.

    Parameters
    ----------
    model : Model
        Any of ours; nothing but its file is needed.
    genre : str
        One of its labels.
    start : {"noise", "silence"} or (samples, sample_rate)
        Where from. A song is an array, as in :meth:`Tagger.classify`, and its rate in Hz.
    seconds : float
        Length; of a song, how much of it at most.
    seed : int
        The same seed, the same sound.
    steps : int, optional
        More make it plainer, fewer leave more of the start: 120 from noise and silence; from a song 60, or up to 180
        until it is classified as the genre.
    prior : Prior, optional
        What music is like; in general (:meth:`Prior.typical`) when left out.
    on_step : callable, optional
        Called after each step.

    Raises
    ------
    SettingError
        If the model has no such genre, or length or steps make no sense.
    AudioError
        If the song is silent, too short or no sound.
    ModelError
        If the model's graph is one through which no gradients are known.

    Examples
    --------
    >>> from earmark.inference.model import open_model
    >>> jazz = imagine(open_model("paper-attention-2x60"), "jazz", seconds=5, steps=40)
    >>> jazz.verdict.genre, jazz.samples.shape, jazz.sample_rate
    ('jazz', (110250,), 22050)
    """
    with _one_thread():
        run = _Run(model, genre, seconds, seed, prior, on_step)
        return replace(run.run(start, steps), history=tuple(run.history))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch and BLAS to one thread: in steps this small several would mostly wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


class _Run:
    """One call of :func:`imagine`."""

    def __init__(
        self,
        model: Model,
        genre: str,
        seconds: float,
        seed: int,
        prior: Prior | None,
        on_step: Callable[[Step], None] | None,
    ) -> None:
        card = model.card
        self.target = card.index_of(genre)
        if not card.clip_seconds <= seconds <= _MAX_SECONDS:
            raise SettingError(f"{seconds:g} seconds: need one clip ({card.clip_seconds:g} s) to {_MAX_SECONDS:g}")
        self.model, self.genre, self.seconds, self.seed = model, card.labels[self.target], seconds, seed
        self.rate = card.front_end.sample_rate
        self.prior = prior or Prior.typical(card.front_end)
        self.on_step = on_step
        self.history: list[Step] = []
        self.tagger = Tagger(model)

    def run(self, start: Start, steps: int | None) -> ImaginedSound:
        if steps is not None and steps < 1:
            raise SettingError(f"{steps} steps: need 1 or more")
        # A song is only shaped; where a number of steps is asked for, all are taken before the first check.
        if isinstance(start, tuple):
            song = self._prepare_song(*start)
            return self._equalize(song, steps or _MAX_ROUNDS * SHAPING_STEPS, check_every=steps or SHAPING_STEPS)
        if start not in ("noise", "silence"):
            raise SettingError(f"start {start!r}: need 'noise', 'silence' or (samples, sample_rate)")
        sound = self._ascend(start == "noise", steps or STEPS)
        made = self._finish(sound)  # no sound has exactly the spectrogram found: the sound is what counts
        if made.confidence >= SURE:
            return made
        return max(made, self._equalize(sound, SHAPING_STEPS, check_every=_CHECK_EVERY), key=_confidence)

    def _ascend(self, noisy: bool, steps: int) -> Samples:
        differentiable = DifferentiableModel(self.model)
        ascent = Ascent(differentiable, self.target, self.prior, self.seconds, noisy=noisy, seed=self.seed)
        self._record("ascent", ascent.optimize(steps))
        length = round(self.seconds * self.rate)
        return invert(ascent.spectrogram(), ascent.front_end, length=length, seed=self.seed)

    def _equalize(self, sound: Samples, steps: int, check_every: int) -> ImaginedSound:
        """Take so many shaping steps; fewer, where one of the checks finds the network sure."""
        model = DifferentiableModel(self.model, waveform=True)
        equalizer = Equalizer(model, self.target, sound, level=self._loudness_gain, seed=self.seed)
        climb = equalizer.optimize(steps)  # one generator for all checks: momentum goes on between them
        tries: list[ImaginedSound] = []
        for first in range(0, steps, check_every):
            self._record("shaping", islice(climb, min(check_every, steps - first)))
            tries.append(self._finish(equalizer.render().detach().numpy()))
            if tries[-1].confidence >= SURE:
                break
        # of equals the last
        return max(reversed(tries), key=_confidence)

    def _finish(self, sound: Samples) -> ImaginedSound:
        """Master a sound, and classify it as it will be read from a file."""
        samples, rate = master(sound, self.rate)
        # to 16 bits as write_wav rounds, and back as decoders read them
        verdict = self.tagger.classify((np.rint(samples * 32767) / 32768).astype(np.float32), rate)
        front_end = self.model.card.front_end
        spectrogram = front_end(np.asarray(sound * self._loudness_gain(sound), np.float32))
        return ImaginedSound(self.genre, samples, rate, spectrogram, front_end, verdict)

    def _prepare_song(self, samples: ArrayLike, sample_rate: float) -> Samples:
        """Resample a song to the front end's rate, and cut it to the length that is wanted."""
        sound = self.tagger.resample(samples, sample_rate)[: round(self.seconds * self.rate)]
        if len(sound) < self.model.card.clip_length:
            raise AudioError(f"the song has {len(sound) / self.rate:.1f} s: need {self.model.card.clip_seconds:g} s")
        if loudness(sound, self.rate) == -np.inf:
            raise AudioError("the song is silent: begin with silence instead")
        return sound

    def _loudness_gain(self, samples: NDArray[np.float32]) -> float:
        """Return the factor that brings samples to the loudness of the finished sound."""
        now = loudness(samples, self.rate)
        return float(10 ** ((LOUDNESS - now) / 20)) if np.isfinite(now) else 1.0

    def _record(self, stage: Literal["ascent", "shaping"], climb: Iterator[float]) -> None:
        for probability in climb:
            self.history.append(Step(stage, probability))
            if self.on_step:
                self.on_step(self.history[-1])


def _confidence(sound: ImaginedSound) -> float:
    return sound.confidence


def read_start(start: str, model: Model, seconds: float) -> Start:
    """Return where to begin: "noise", "silence", or of any other file its sound at the front end's rate.

    Parameters
    ----------
    start : str
    model : Model
    seconds : float
        How much of the file at most.

    Raises
    ------
    AudioError
        If the file cannot be decoded.
    """
    if start in ("noise", "silence"):
        return start  # type: ignore[return-value]
    rate = model.card.front_end.sample_rate
    try:
        with AudioFile(start) as recording:
            blocks = list(recording.blocks(rate, duration=seconds))
    except AudioError as error:
        raise AudioError(f"{start}: {error}") from error
    return np.concatenate([np.zeros(0, np.float32), *blocks]), rate  # np.concatenate refuses an empty list


def count_steps(start: Start, steps: int | None = None) -> tuple[str, int]:
    """Return the stage whose steps are sure to be taken, and how many those are."""
    if isinstance(start, tuple):
        return "shaping", steps or SHAPING_STEPS
    return "ascent", steps or STEPS
