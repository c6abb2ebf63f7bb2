"""Gradient ascent on a spectrogram: the network stays as it is, and what it hears changes until it is sure.

Simonyan, Vedaldi and Zisserman (2014) ask which picture a network takes most for a genre of pictures. Left to itself
such an ascent finds patterns that no eye, or ear, would call anything. So, after Mordvintsev, Olah and Tyka (2015)
and Olah, Mordvintsev and Schubert (2017):

- it climbs in the coordinates of a prior (:mod:`earmark.auralization.prior`), whose steps are smooth in time and
  frequency;
- no level and no coordinate goes further than music does;
- each step hears the sound shifted: by up to half a clip, by any fraction of a frame, and by up to a bin;
- a part of each step goes towards less roughness (total variation).

The spectrogram has several times as many frames as the network reads. A step picks every third or fourth, from a random
one on: wherever the clips of the sound to be will begin, their frames have been heard.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.audio.clips import spans
from earmark.audio.spectrogram import FrontEnd, LogMel, StftDensity
from earmark.auralization.prior import Prior
from earmark.inference.card import Card
from earmark.networks.onnx.differentiable import DifferentiableModel

_MOMENTUM = 0.9

_LEVEL = -17.0
"""dB re full scale, root mean square of the sound to be: about as loud as it will be heard."""

_FARTHEST, _FARTHEST_STEP = 3.5, 0.25
"""Standard deviations, of a mode, and of its change in a step."""

_LEAST_PULL = 0.1
"""Of a clip that is sure, where one that is not at all pulls with 1: more steps make it plainer still."""

_CLOSEST = 0.3
"""Of a frame, from one to the next in the spectrogram that is imagined; the fewest frames that allow that are made."""


@dataclass(frozen=True)
class Regularisation:
    """What keeps an ascent among sounds that one may want to hear.

    Attributes
    ----------
    range : float
        Decibels by which a level may lie above or below the prior's mean.
    roughness : float
        Share of each step that goes towards less total variation, from frame to frame and bin to bin.
    roll : int
        Bins by which a step may hear the spectrogram shifted, up or down.
    jitter : float
        Seconds by which it may hear it shifted in time, forth or back: so that no frame's phase matters.
    far : float
        Share of the steps that hear it shifted by up to half a clip, so that no clip's beginning matters either.
    """

    range: float = 20.0
    roughness: float = 0.1
    roll: int = 1
    jitter: float = 0.25
    far: float = 0.5


class Ascent:
    """Climbs from noise, or from silence, to a spectrogram that a model is sure of.

    Parameters
    ----------
    model : DifferentiableModel
    target : int
        Index of the label.
    prior : Prior
    seconds : float
        Length of the spectrogram; its end joins on its beginning.
    noisy : bool
        Start from what the prior makes by chance, noise that swells and fades as music does. Otherwise from the even
        hush of its mean: the silence next to sound, for in silence itself no change makes a difference.
    seed : int
        Of noise and shifts.
    rate : float
        Length of a step, root mean square, in standard deviations of the prior.
    regularisation : Regularisation

    Attributes
    ----------
    front_end : FrontEnd
        The model's, with more frames.
    frames : int
        Of the spectrogram.
    """

    def __init__(
        self,
        model: DifferentiableModel,
        target: int,
        prior: Prior,
        seconds: float,
        *,
        noisy: bool = True,
        seed: int = 0,
        rate: float = 0.05,
        regularisation: Regularisation = Regularisation(),
    ) -> None:
        self.model, self.target, self.prior, self.rate = model, target, prior, rate
        self.card, self.regularisation = model.card, regularisation
        self.front_end = densify(self.card.front_end)
        self._frame_rate = self.front_end.sample_rate / self.front_end.hop_length
        self.frames = round(seconds * self._frame_rate)
        self._random = np.random.default_rng(seed)
        white = noisy * self._random.standard_normal((self.frames, self.card.n_bins)).astype(np.float32)
        self._modes = torch.fft.rfft(torch.from_numpy(white), dim=0, norm="ortho").requires_grad_()
        self._mean = torch.from_numpy(prior.mean).float()
        self._weights = torch.from_numpy(bin_power(self.front_end)).float()
        self._starts = clip_starts(round(seconds * self.card.front_end.sample_rate), self.card)

    def levels(self) -> Tensor:
        """The spectrogram as it is, (frames, bins), dB, at the loudness at which it will be heard."""
        deviation = self.prior.deviation(self._modes, self.frames, self._frame_rate)
        levels = self._mean + self.regularisation.range * torch.tanh(deviation / self.regularisation.range)
        power = ((10 ** (levels / 10)).mean(0) * self._weights).sum()  # mean square of the sound
        return levels + (_LEVEL - 10 * torch.log10(power))

    def optimize(self, steps: int) -> Iterator[float]:
        """Climb, giving the calibrated probability of the target after each step, as heard in that step."""
        climber = ModeOptimizer(self._modes, self.rate, steps)
        for _ in range(steps):
            levels = self.levels()
            clips = self._shifted(levels)
            pull, probability = clip_gradients(self._hear, clips, self.target, self.model)
            (slope,) = torch.autograd.grad(clips, self._modes, pull, retain_graph=True)
            roughness = levels.diff(dim=0).abs().mean() + levels.diff(dim=1).abs().mean()
            (rough,) = torch.autograd.grad(roughness, self._modes)
            climber.step(normalize(slope) - self.regularisation.roughness * normalize(rough))
            yield probability

    def _hear(self, clips: Tensor) -> Tensor:
        answer: Tensor = self.model(levels_to_features(clips, self.card.front_end)).log_probabilities
        return answer

    def spectrogram(self) -> NDArray[np.float32]:
        """The spectrogram as :attr:`front_end` would give it, (frames, bins)."""
        levels = self.levels().detach()
        found: NDArray[np.float32] = (levels if self.front_end.log else 10 ** (levels / 10)).numpy()
        return found

    def _shifted(self, levels: Tensor) -> Tensor:
        """Frames (frames, bins) → clips of the frames that the network reads, a little earlier or later, up or down."""
        settings, front_end = self.regularisation, self.card.front_end
        rolled = levels.roll(int(self._random.integers(-settings.roll, settings.roll + 1)), dims=1)
        farthest = self.card.clip_seconds / 2 if self._random.random() < settings.far else settings.jitter
        offset = self._random.uniform(-farthest, farthest) * front_end.sample_rate
        each = np.arange(front_end.n_frames(self.card.clip_length)) * front_end.hop_length
        samples = self._starts[:, None] + each + offset  # (clips, frames)
        index = np.rint(samples / self.front_end.hop_length).astype(int) % self.frames
        return rolled[torch.from_numpy(index)]


class ModeOptimizer:
    """Moves modes uphill: with momentum, no mode far at once, and none out of what the prior can imagine.

    Parameters
    ----------
    modes : Tensor of complex
        Changed in place.
    rate : float
        Length of a step, root mean square, in standard deviations; it falls to a tenth over the steps.
    steps : int
    """

    def __init__(self, modes: Tensor, rate: float, steps: int) -> None:
        self.modes, self.rate, self.steps = modes, rate * modes.numel() ** 0.5, steps
        self._taken = 0
        self._momentum = torch.zeros_like(modes)

    @torch.no_grad()
    def step(self, towards: Tensor) -> None:
        """Take a step in a direction of length 1 or so."""
        rate = self.rate * (1 - 0.9 * self._taken / self.steps)
        self._taken += 1
        self._momentum = _MOMENTUM * self._momentum + (1 - _MOMENTUM) * towards
        self.modes += _within(rate * self._momentum, _FARTHEST_STEP)
        self.modes.copy_(_within(self.modes, _FARTHEST))
        self.modes /= self.modes.abs().square().mean().sqrt().clamp(min=1)


def clip_gradients(
    hear: Callable[[Tensor], Tensor], clips: Tensor, target: int, model: DifferentiableModel
) -> tuple[Tensor, float]:
    """Which way each clip has to change, and the probability of the target in all of them together.

    Every clip pulls, the less sure the more: the slope of one that the network doubts is many times smaller than that
    of others, which would leave it behind.

    Parameters
    ----------
    hear : callable
        Clips → log-probabilities (clips, labels).
    clips : Tensor, shape (clips, …)
    target : int
        Index of the label.
    model : DifferentiableModel
        For its calibration.

    Returns
    -------
    pull : Tensor, of the clips' shape
    probability : float
        Calibrated, of a track of these clips.
    """
    clips = clips.detach().requires_grad_()
    answer = hear(clips)
    own = answer[:, target]
    (slopes,) = torch.autograd.grad(own.sum(), clips)
    each = [(_LEAST_PULL + 1 - p) * normalize(slope) for p, slope in zip(own.detach().exp(), slopes, strict=True)]
    return torch.stack(each), float(model.track(answer.detach())[target].exp())


def normalize(slope: Tensor) -> Tensor:
    """A slope, of length 1; zero where there is none."""
    most = slope.abs().max()
    if not torch.isfinite(most) or most == 0:
        return torch.zeros_like(slope)
    slope = slope / most  # so that squares do not leave the range of numbers
    unit: Tensor = slope / torch.linalg.vector_norm(slope)
    return unit


def _within(modes: Tensor, most: float) -> Tensor:
    size = modes.abs()
    return modes * (most / size.clamp(min=most))


def densify(front_end: FrontEnd) -> FrontEnd:
    """The same front end with three, four or more times as many frames: at most 0.3 of one from each to the next."""
    times = int(np.ceil(front_end.hop_length / (_CLOSEST * front_end.n_fft)))
    hop = max(1, round(front_end.hop_length / times))
    return dataclasses.replace(front_end, hop_length=hop)


def bin_power(front_end: FrontEnd) -> NDArray[np.float64]:
    """What each bin or band adds to the mean square of a sound, for each unit of power in it, (bins,)."""
    n_fft, energy = front_end.n_fft, np.sum(front_end.window**2)
    if isinstance(front_end, StftDensity):
        return np.full(front_end.n_bins, 1 / (n_fft * front_end.amplitude**2))
    width = np.gradient(front_end.frequencies) * n_fft / front_end.sample_rate  # bins from band to band
    share: NDArray[np.float64] = 2 / (n_fft * energy) * width / np.maximum(front_end.filters.sum(axis=0), 1e-12)
    return share


def levels_to_features(levels: Tensor, front_end: FrontEnd) -> Tensor:
    """Levels in dB (clips, frames, bins) → what the front end would give the network of such clips."""
    if isinstance(front_end, LogMel):
        levels = levels.clamp(min=10 * np.log10(front_end.amin))
        peak = levels.amax((1, 2), keepdim=True)
        if front_end.top_db is not None:
            levels = torch.maximum(levels, peak - front_end.top_db)
        return levels - peak if front_end.relative else levels
    levels = levels.clamp(min=-100.0)
    return levels if front_end.log else 10 ** (levels / 10)


def clip_starts(length: int, card: Card) -> NDArray[np.intp]:
    """Where the clips of so many samples begin when they are classified; the last may reach beyond the end."""
    return np.array([start for start, _ in spans(length, card.clip_length)])
