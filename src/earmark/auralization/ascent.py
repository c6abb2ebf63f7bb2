"""Gradient ascent on a spectrogram: the network stays as it is, its input changes until it is sure of a genre.

Simonyan, Vedaldi and Zisserman (2014) did so with pictures. Left to itself such an ascent finds patterns that nobody
would call a sound, so, after Mordvintsev, Olah and Tyka (2015) and Olah, Mordvintsev and Schubert (2017):

- it moves in the coordinates of a prior (:mod:`earmark.auralization.prior`), smooth in time and frequency;
- no level and no coordinate goes further than music does;
- each step classifies the sound shifted: by up to half a clip, by any fraction of a frame, and by up to a bin;
- a part of each step goes towards less roughness (total variation).

The spectrogram has several times as many frames as the network reads. A step picks every third or fourth, from a random
one on, so that it does not matter where the clips of the finished sound begin.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.audio.clips import spans
from earmark.audio.kaldi_mel import KaldiMel
from earmark.audio.spectrogram import FrontEnd, LogMel, StftDensity
from earmark.auralization.prior import Prior, emphasis
from earmark.inference.card import Card
from earmark.networks.onnx.differentiable import Answer, DifferentiableModel

_MOMENTUM = 0.9

_RMS_DB = -17.0
"""dB re full scale, root mean square of the sound: about as loud as it will be played."""

_MAX_MODE, _MAX_STEP = 3.5, 0.25
"""Standard deviations, of a mode, and of its change in a step."""

_MIN_WEIGHT = 0.1
"""Of a clip that is sure, where one that is not at all has 1: more steps make it plainer still."""

_MAX_HOP = 0.3
"""Of a frame's length, from one frame to the next in the spectrogram that is imagined."""


_RANGE_DB = 20.0
"""By which a level may lie above or below the prior's mean."""

_ROUGHNESS = 0.1
"""Share of each step that goes towards less total variation, from frame to frame and bin to bin."""

_ROLL = 1
"""Bins by which a step may shift the spectrogram, up or down."""

_JITTER, _FAR_SHARE = 0.25, 0.5
"""Seconds by which a step may shift it in time, so that no frame's phase matters; and the share of the steps that shift
it by up to half a clip, so that no clip's beginning matters either."""


class Ascent:
    """Turns noise, or silence, into a spectrogram that a model is sure of.

    Parameters
    ----------
    model : DifferentiableModel
    target : int
        Index of the label.
    prior : Prior
    seconds : float
        Length of the spectrogram; its end joins on its beginning.
    noisy : bool
        Start from a random sample of the prior, noise that swells and fades as music does. Otherwise from its mean,
        steady and quiet: in silence itself no change would make a difference.
    seed : int
        Of noise and shifts.
    rate : float
        Length of a step, root mean square, in standard deviations of the prior.

    Attributes
    ----------
    front_end : FrontEnd
        The model's, with more frames.
    frames : int
        Number of frames of the spectrogram.
    """

    def __init__(
        self,
        model: DifferentiableModel, target: int, prior: Prior, seconds: float, *,
        noisy: bool = True, seed: int = 0, rate: float = 0.05,
    ) -> None:  # fmt: skip
        self.model, self.target, self.prior, self.rate = model, target, prior, rate
        self.card = model.card
        self.front_end = densify(self.card.front_end)
        self._frame_rate = self.front_end.sample_rate / self.front_end.hop_length
        self.frames = round(seconds * self._frame_rate)
        self._random = np.random.default_rng(seed)
        # White noise in time and axes becomes a sample of the prior; zeros its mean.
        white = noisy * self._random.standard_normal((self.frames, self.card.n_bins)).astype(np.float32)
        # (frames // 2 + 1, bins), complex; "ortho" keeps variance 1
        self._modes = torch.fft.rfft(torch.from_numpy(white), dim=0, norm="ortho").requires_grad_()
        self._mean = torch.from_numpy(prior.mean).float()
        self._weights = torch.from_numpy(bin_power(self.front_end)).float()
        self._starts = clip_starts(round(seconds * self.card.front_end.sample_rate), self.card)

    def levels(self) -> Tensor:
        """Compute the present spectrogram, (frames, bins), dB, at the loudness of the finished sound."""
        deviation = self.prior.deviation(self._modes, self.frames, self._frame_rate)
        # tanh: never more than the range from the mean, and differentiable
        levels = self._mean + _RANGE_DB * torch.tanh(deviation / _RANGE_DB)
        # mean square of the sound
        power = ((10 ** (levels / 10)).mean(0) * self._weights).sum()
        return levels + (_RMS_DB - 10 * torch.log10(power))

    def optimize(self, steps: int) -> Iterator[float]:
        """Take steps, and yield the calibrated probability of the target in each."""
        optimizer = ModeOptimizer(self._modes, self.rate, steps)
        for _ in range(steps):
            levels = self.levels()
            clips = self._cut_clips(levels)
            gradients, probability = clip_gradients(self._classify, clips, self.target, self.model)
            # chain rule, from clips to modes; roughness needs the graph once more
            (slope,) = torch.autograd.grad(clips, self._modes, gradients, retain_graph=True)
            # total variation, in time and in frequency
            roughness = levels.diff(dim=0).abs().mean() + levels.diff(dim=1).abs().mean()
            (rough,) = torch.autograd.grad(roughness, self._modes)
            optimizer.step(normalize(slope) - _ROUGHNESS * normalize(rough))
            yield probability

    def _classify(self, clips: Tensor) -> Tensor:
        answer: Answer = self.model(levels_to_features(clips, self.card.front_end))
        return answer.log_music

    def spectrogram(self) -> NDArray[np.float32]:
        """Return the spectrogram as :attr:`front_end` would give it, (frames, bins)."""
        levels = self.levels().detach()
        if isinstance(self.front_end, LogMel):
            return levels.numpy()
        features: NDArray[np.float32] = levels_to_features(levels, self.front_end).numpy()
        return features

    def _cut_clips(self, levels: Tensor) -> Tensor:
        """Cut clips as the network reads them, at random shifts: (frames, bins) → (clips, fewer frames, bins)."""
        front_end = self.card.front_end
        # roll wraps round: one bin at most comes in from the other edge
        rolled = levels.roll(int(self._random.integers(-_ROLL, _ROLL + 1)), dims=1)
        farthest = self.card.clip_seconds / 2 if self._random.random() < _FAR_SHARE else _JITTER
        offset = self._random.uniform(-farthest, farthest) * front_end.sample_rate
        # first sample of each frame within its clip, (frames,)
        each = np.arange(front_end.n_frames(self.card.clip_length)) * front_end.hop_length
        # where each frame of each clip begins, (clips, frames); the end joins on the beginning
        samples = self._starts[:, None] + each + offset
        index = np.rint(samples / self.front_end.hop_length).astype(int) % self.frames
        return rolled[torch.from_numpy(index)]


class ModeOptimizer:
    """Gradient ascent on modes: with momentum, a bounded step, and no mode beyond what the prior makes likely.

    Parameters
    ----------
    modes : Tensor of complex
        Changed in place.
    rate : float
        Length of a step, root mean square, in standard deviations; it falls to a tenth over the steps.
    steps : int
    """

    def __init__(self, modes: Tensor, rate: float, steps: int) -> None:
        # the norm of n numbers is √n times their root mean square
        self.modes, self.rate, self.steps = modes, rate * modes.numel() ** 0.5, steps
        self._taken = 0
        self._momentum = torch.zeros_like(modes)

    @torch.no_grad()
    def step(self, direction: Tensor) -> None:
        """Take a step in a direction of length 1 or so."""
        rate = self.rate * (1 - 0.9 * self._taken / self.steps)
        self._taken += 1
        self._momentum = _MOMENTUM * self._momentum + (1 - _MOMENTUM) * direction
        self.modes += _limit(rate * self._momentum, _MAX_STEP)
        self.modes.copy_(_limit(self.modes, _MAX_MODE))
        # the prior's modes have variance 1: never more on the whole
        self.modes /= self.modes.abs().square().mean().sqrt().clamp(min=1)


def clip_gradients(
    classify: Callable[[Tensor], Tensor], clips: Tensor, target: int, model: DifferentiableModel
) -> tuple[Tensor, float]:
    """Compute in which direction each clip has to change, and the probability of the target in all of them together.

    All clips count, the less sure the more. Raw gradients would not do: that of a clip that is far from the target is
    many times smaller than the others'.

    Parameters
    ----------
    classify : callable
        Clips → log-probabilities (clips, labels).
    clips : Tensor, shape (clips, …)
    target : int
        Index of the label.
    model : DifferentiableModel
        For its calibration.

    Returns
    -------
    gradients : Tensor, of the clips' shape
        Each clip's of length 1, weighted.
    probability : float
        Calibrated, of a track of these clips.
    """
    clips = clips.detach().requires_grad_()
    log_p = classify(clips)
    own = log_p[:, target]
    # the sum's gradient holds each clip's own: no clip has a part in another's answer
    (slopes,) = torch.autograd.grad(own.sum(), clips)
    each = [(_MIN_WEIGHT + 1 - p) * normalize(slope) for p, slope in zip(own.detach().exp(), slopes, strict=True)]
    return torch.stack(each), float(model.track(log_p.detach())[target].exp())


def normalize(slope: Tensor) -> Tensor:
    """Scale a slope to length 1; zeros where there is none."""
    most = slope.abs().max()
    if not torch.isfinite(most) or most == 0:
        return torch.zeros_like(slope)
    # so that squares stay within the range of 32-bit numbers
    slope = slope / most
    unit: Tensor = slope / torch.linalg.vector_norm(slope)
    return unit


def _limit(modes: Tensor, most: float) -> Tensor:
    size = modes.abs()
    # factor 1 up to `most`, most / size beyond; phases stay
    return modes * (most / size.clamp(min=most))


def densify(front_end: FrontEnd) -> FrontEnd:
    """Return the same front end with a whole number of times as many frames, at most 0.3 of a frame apart."""
    # least whole number for which hop_length / times <= _MAX_HOP · n_fft
    times = int(np.ceil(front_end.hop_length / (_MAX_HOP * front_end.n_fft)))
    hop = max(1, round(front_end.hop_length / times))
    return dataclasses.replace(front_end, hop_length=hop)


def bin_power(front_end: FrontEnd) -> NDArray[np.float64]:
    """Return what each bin or band adds to the mean square of a sound, per unit of power in it, (bins,)."""
    n_fft, energy = front_end.n_fft, np.sum(front_end.window**2)
    if isinstance(front_end, StftDensity):
        # Parseval at fs = 1: the sum of a one-sided density over its bins is n_fft times the mean square
        return np.full(front_end.n_bins, 1 / (n_fft * front_end.amplitude**2))
    # Bins from band to band. Parseval: each counts twice, for its mirror image, over n_fft times the window's energy.
    width = np.gradient(front_end.frequencies) * n_fft / front_end.sample_rate
    # a narrow band may hold no bin at all
    filled = front_end.filters.sum(axis=0)
    share: NDArray[np.float64] = 2 / (n_fft * energy) * width * (filled > 0) / np.maximum(filled, 1e-12)
    return share / emphasis(front_end)


def levels_to_features(levels: Tensor, front_end: FrontEnd) -> Tensor:
    """Turn levels in dB (clips, frames, bins) into what the front end would give of such clips."""
    if isinstance(front_end, LogMel):
        levels = levels.clamp(min=10 * np.log10(front_end.amin))
        peak = levels.amax((1, 2), keepdim=True)
        if front_end.top_db is not None:
            levels = torch.maximum(levels, peak - front_end.top_db)
        return levels - peak if front_end.relative else levels
    if isinstance(front_end, KaldiMel):
        # (ln(mel + 1e-5) + 4.5) / 5
        return (torch.log(10 ** (levels / 10) + 1e-5) + 4.5) / 5
    # 10 log10(1e-10), the least that StftDensity gives in dB
    levels = levels.clamp(min=-100.0)
    return levels if front_end.log else 10 ** (levels / 10)


def clip_starts(length: int, card: Card) -> NDArray[np.intp]:
    """Return where clips begin when so many samples are classified; the last may reach beyond the end."""
    return np.array([start for start, _ in spans(length, card.clip_length)])
