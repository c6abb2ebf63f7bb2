"""What a genre sounds like to a network: a sound is imagined that it is sure of, and can be listened to.

Three steps, each told apart in :attr:`ImaginedSound.history`:

1. **ascent**: from noise or silence, the spectrogram climbs (:mod:`earmark.auralization.ascent`) …
2. and is turned into sound by :func:`earmark.audio.griffin_lim.invert`, which finds phases;
3. **shaping**: a moving equaliser (:mod:`earmark.auralization.equalizer`) goes over the sound, where the network is not
   yet sure of what came out of step 2, and loudness and limiting after it. A given song goes through this step alone:
   it keeps its tune, its rhythm and its phases, and gets the genre's colours.

What is returned has been heard: mastered, rounded to 16 bits, and classified by the ordinary
:class:`~earmark.inference.classifier.Tagger`.

References
----------
K. Simonyan, A. Vedaldi, A. Zisserman: Deep inside convolutional networks: visualising image classification models and
saliency maps. ICLR workshop, 2014.
A. Mordvintsev, C. Olah, M. Tyka: Inceptionism: going deeper into neural networks. Google Research Blog, 2015.
C. Olah, A. Mordvintsev, L. Schubert: Feature visualization. Distill, 2017.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from earmark.audio.griffin_lim import invert
from earmark.audio.loudness import LOUDNESS, loudness, master
from earmark.audio.spectrogram import FrontEnd, Samples, Spectrogram
from earmark.auralization.ascent import Ascent
from earmark.auralization.equalizer import Equalizer
from earmark.auralization.prior import Prior
from earmark.errors import AudioError, SettingError
from earmark.inference.classifier import Tagger
from earmark.inference.model import Model
from earmark.inference.verdict import Verdict
from earmark.networks.onnx.differentiable import DifferentiableModel

STEPS = 120
"""Steps of the ascent from noise or silence; most are sure after thirty, the others make it plainer."""

SHAPING_STEPS = 60
"""Steps that go over a song; three times as many where it is not sure by then."""

SURE = 0.9
"""Confidence with which the finished sound should be heard as the genre."""

_LONGEST, _PATIENCE = 120.0, 3
_LOOK = 10
"""Shaping steps after which it is tried whether it is enough."""


Start = Literal["noise", "silence"] | tuple[ArrayLike, float]
"""Where to begin; a song is its samples and their rate in Hz."""


class Step(NamedTuple):
    """One step.

    Attributes
    ----------
    stage : {"ascent", "shaping"}
    probability : float
        The genre's, calibrated, as heard in this step.
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
        What the model says of the samples in 16 bits.
    history : tuple of Step
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
    """Imagine a sound that a model takes for a genre.

    Parameters
    ----------
    model : Model
        Any of ours; nothing but its file is needed.
    genre : str
        One of its labels.
    start : {"noise", "silence"} or (samples, sample_rate)
        Where from. A song is an array, shape (samples,) or (channels, samples), full scale ±1, and its rate in Hz.
    seconds : float
        Length; of a song, how much of it at most.
    seed : int
        The same seed, the same sound.
    steps : int, optional
        More make it plainer, fewer leave more of where it started: 120 from noise and silence; from a song 60, or up to
        180 until it is heard as the genre.
    prior : Prior, optional
        What music is like; in general (:meth:`Prior.typical`) when left out.
    on_step : callable, optional
        Called after each step.

    Returns
    -------
    ImaginedSound

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
        imagining = _Run(model, genre, seconds, seed, prior, on_step)
        return replace(imagining.run(start, steps), history=tuple(imagining.history))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch and BLAS to one: the steps are so small that several would mostly wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


class _Run:
    """One run, and what all its steps share."""

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
        self.target = index_of(genre, card.labels)
        if not card.clip_seconds <= seconds <= _LONGEST:
            raise SettingError(f"{seconds:g} seconds: need one clip ({card.clip_seconds:g} s) to {_LONGEST:g}")
        self.model, self.genre, self.seconds, self.seed = model, genre, seconds, seed
        self.rate = card.front_end.sample_rate
        self.prior = prior or Prior.typical(card.front_end)
        self.on_step = on_step
        self.history: list[Step] = []
        self.tagger = Tagger(model)

    def run(self, start: Start, steps: int | None) -> ImaginedSound:
        if steps is not None and steps < 1:
            raise SettingError(f"{steps} steps: need 1 or more")
        if isinstance(start, tuple):
            song = self._song(*start)
            return self._equalize(song, steps or _PATIENCE * SHAPING_STEPS, look=steps or SHAPING_STEPS)
        if start not in ("noise", "silence"):
            raise SettingError(f"start {start!r}: need 'noise', 'silence' or (samples, sample_rate)")
        sound = self._ascend(start == "noise", steps or STEPS)
        heard = self._finish(sound)
        return (
            heard
            if heard.confidence >= SURE
            else _more_confident(heard, self._equalize(sound, SHAPING_STEPS, look=_LOOK))
        )

    def _ascend(self, noisy: bool, steps: int) -> Samples:
        differentiable = DifferentiableModel(self.model)
        ascent = Ascent(differentiable, self.target, self.prior, self.seconds, noisy=noisy, seed=self.seed)
        self._note("ascent", ascent.optimize(steps))
        length = round(self.seconds * self.rate)
        return invert(ascent.spectrogram(), ascent.front_end, length=length, seed=self.seed)

    def _equalize(self, sound: Samples, steps: int, look: int) -> ImaginedSound:
        """Shape a sound, by so many steps; or by fewer, if after `look` of them it is heard as the genre."""
        model = DifferentiableModel(self.model, waveform=True)
        shaping = Equalizer(model, self.target, sound, level=self._level, seed=self.seed)
        climb = shaping.optimize(steps)
        heard: ImaginedSound | None = None
        for first in range(0, steps, look):
            self._note("shaping", islice(climb, min(look, steps - first)))
            now = self._finish(shaping.render().detach().numpy())
            heard = now if heard is None else _more_confident(now, heard)
            if heard.confidence >= SURE:
                break
        assert heard is not None
        return heard

    def _finish(self, sound: Samples) -> ImaginedSound:
        """Master a sound, and hear it as it will be read from a file."""
        samples, rate = master(sound, self.rate)
        verdict = self.tagger.classify((np.rint(samples * 32767) / 32768).astype(np.float32), rate)
        front_end = self.model.card.front_end
        spectrogram = front_end(np.asarray(sound * self._level(sound), np.float32))
        return ImaginedSound(self.genre, samples, rate, spectrogram, front_end, verdict)

    def _song(self, samples: ArrayLike, sample_rate: float) -> Samples:
        """A song, at the front end's rate and as long as wanted."""
        sound = self.tagger.resampled(np.asarray(samples), sample_rate)[: round(self.seconds * self.rate)]
        if len(sound) < self.model.card.clip_length:
            raise AudioError(f"the song has {len(sound) / self.rate:.1f} s: need {self.model.card.clip_seconds:g} s")
        if loudness(sound, self.rate) == -np.inf:
            raise AudioError("the song is silent: begin with silence instead")
        return sound

    def _level(self, samples: NDArray[np.float32]) -> float:
        """The factor that brings samples to the loudness at which they will be heard."""
        now = loudness(samples, self.rate)
        return float(10 ** ((LOUDNESS - now) / 20)) if np.isfinite(now) else 1.0

    def _note(self, stage: Literal["ascent", "shaping"], climb: Iterator[float]) -> None:
        for probability in climb:
            self.history.append(Step(stage, probability))
            if self.on_step:
                self.on_step(self.history[-1])


def _more_confident(one: ImaginedSound, other: ImaginedSound) -> ImaginedSound:
    return max(one, other, key=lambda imagined: imagined.confidence)


def index_of(genre: str, labels: tuple[str, ...]) -> int:
    """Where a genre stands among the labels.

    Raises
    ------
    SettingError
        If it is none of them; says which there are.
    """
    if genre in labels:
        return labels.index(genre)
    near = difflib.get_close_matches(genre, labels, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise SettingError(f"the model knows no genre {genre!r}: {hint}it knows {', '.join(labels)}")
