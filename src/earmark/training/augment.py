"""Distortions of training clips that leave the genre alone, so that the network learns what stays."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """What to distort, and how much; the defaults do nothing.

    Levels are in the unit of the input: dB, where the standardizer leaves dB (``top_db`` and ``with_std = false``).

    Attributes
    ----------
    frequency_masks, frequency_mask_bins : int
        Bands of up to so many bins set to the mean (SpecAugment, Park et al. 2019).
    time_masks, time_mask_frames : int
        Runs of up to so many frames likewise.
    stretch : float
        Each clip read at a rate drawn log-uniformly from 1 / (1 + `stretch`) to 1 + `stretch`: another tempo.
    shift_bins : int
        All bins moved up or down by up to so many, the outermost repeated: another tuning.
    equalizer : float
        Standard deviation of a smooth random gain over the bins: another room, another master.
    dynamics : float
        Levels are multiplied by a factor drawn from 1 / (1 + dynamics) … 1 + dynamics: another compressor, or arrays
        whose scale was stretched to their own floor.
    floor : float
        Probability with which what is quiet in a clip is buried under a steady noise, 20 to 60 dB below the clip's
        peak; dB input only: another medium.
    lowpass : float
        Probability with which the bins above a random cut, in the upper quarter, are silenced: a low bit rate, an old
        recording.
    noise : float
        Standard deviation of what is added to each value by itself.
    mixup : float
        Parameter of the beta distribution by which two clips, and their labels, are mixed (Zhang et al.
        2018); 0 for none.
    """

    frequency_masks: int = 0
    frequency_mask_bins: int = 0
    time_masks: int = 0
    time_mask_frames: int = 0
    stretch: float = 0.0
    shift_bins: int = 0
    equalizer: float = 0.0
    dynamics: float = 0.0
    floor: float = 0.0
    lowpass: float = 0.0
    noise: float = 0.0
    mixup: float = 0.0


class Augment(nn.Module):
    """Apply an :class:`Augmentation` to standardised clips while training; the identity otherwise.

    Parameters
    ----------
    settings : Augmentation
    """

    def __init__(self, settings: Augmentation) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, x: Tensor) -> Tensor:
        """Distort each clip in its own way: first how it is played, then how it is recorded, then what is heard.

        Parameters
        ----------
        x : Tensor, shape (clips, frames, bins)
            Zero is the mean; NaN frames are filling and stay so.

        Returns
        -------
        Tensor, the same shape
        """
        if not self.training:
            return x
        s = self.settings
        if s.stretch:
            x = _stretched(x, s.stretch)
        if s.shift_bins:
            x = _shifted(x, s.shift_bins)
        if s.equalizer:
            knots = torch.randn(len(x), 1, _KNOTS, device=x.device)
            x = x + s.equalizer * functional.interpolate(knots, x.shape[2], mode="linear", align_corners=True)
        if s.dynamics:
            x = x * _factors(len(x), s.dynamics, x.device)[:, :, None]
        if s.floor:
            x = _for_some(_floored, x, s.floor)
        if s.lowpass:
            x = _for_some(_lowpassed, x, s.lowpass)
        if s.noise:
            x = x + s.noise * torch.randn_like(x)
        return x.masked_fill(self._hidden(x) & ~x.isnan(), 0.0)

    def _hidden(self, x: Tensor) -> Tensor:
        """What the masks of frequency and time hide."""
        s = self.settings
        hidden = torch.zeros_like(x, dtype=torch.bool)
        for _ in range(s.frequency_masks):
            hidden |= _runs(len(x), x.shape[2], s.frequency_mask_bins, x.device)[:, None, :]
        for _ in range(s.time_masks):
            hidden |= _runs(len(x), x.shape[1], s.time_mask_frames, x.device)[:, :, None]
        return hidden


def mix(x: Tensor, y: Tensor, concentration: float) -> tuple[Tensor, Tensor]:
    """Mix each clip, and its label, with another of the batch; the larger share stays its own.

    Parameters
    ----------
    x : Tensor, shape (clips, frames, bins)
    y : Tensor, shape (clips, classes)
        One-hot.
    concentration : float
        Both parameters of the beta distribution of the shares.

    Returns
    -------
    x, y : Tensors of the same shapes
        Where clips are of different length, the mix is as long as the shorter.
    """
    own = torch.distributions.Beta(concentration, concentration).sample((len(x),)).to(x)
    own = torch.maximum(own, 1 - own)
    other = torch.randperm(len(x), device=x.device)
    x = own[:, None, None] * x + (1 - own[:, None, None]) * x[other]
    return x, own[:, None] * y + (1 - own[:, None]) * y[other]


_KNOTS = 8
"""Points of the random equalizer's curve."""

_FLOORS = (20.0, 60.0)
"""How far below a clip's peak a noise floor lies, dB."""

_NEPERS = math.log(10) / 10
"""Of power, in a dB: exp(x · nepers) is the power of x dB."""


def _factors(n: int, most: float, device: torch.device) -> Tensor:
    """`n` factors (n, 1), log-uniformly from 1 / (1 + most) to 1 + most."""
    return (1 + most) ** (2 * torch.rand(n, 1, device=device) - 1)


def _stretched(x: Tensor, most: float) -> Tensor:
    """Read each clip faster or slower, by linear interpolation between its real frames.

    A slow reading starts anywhere in the clip. A fast one needs more frames than there are and turns back at the
    clip's ends: filling instead would tell the tempo by the length, and starting over would click, like an attack.
    """
    places = torch.arange(x.shape[1], device=x.device)
    last = (~x[:, :, :1].isnan()).sum(1) - 1  # (clips, 1)
    rate = _factors(len(x), most, x.device)
    start = torch.rand(len(x), 1, device=x.device) * (1 - rate) * last  # before the clip where it is read fast
    turn = last.clamp(min=1)
    place = turn - ((start + rate * places) % (2 * turn) - turn).abs()  # (clips, frames): 0 … last and back
    before = place.long()
    clip = torch.arange(len(x), device=x.device)[:, None]
    near, far = x[clip, before], x[clip, torch.minimum(before + 1, last)]  # (clips, frames, bins)
    return near.lerp(far, (place - before)[:, :, None]).masked_fill((places > last)[:, :, None], torch.nan)


def _shifted(x: Tensor, most: int) -> Tensor:
    shift = torch.randint(-most, most + 1, (len(x), 1), device=x.device)
    source = (torch.arange(x.shape[2], device=x.device) - shift).clamp(0, x.shape[2] - 1)  # (clips, bins)
    return x.gather(2, source[:, None].expand_as(x))


def _for_some(distort: Callable[[Tensor], Tensor], x: Tensor, probability: float) -> Tensor:
    """Distort the recording of clips chosen at random, but not their mean: a level says nothing."""
    chosen = torch.rand(len(x), device=x.device) < probability
    x = x.clone()
    distorted = distort(x[chosen])
    x[chosen] = distorted - (distorted - x[chosen]).nanmean((1, 2), keepdim=True)
    return x


def _floored(x: Tensor) -> Tensor:
    """Add the power of a steady noise, as loud in each bin, counted from the bin's mean."""
    least, most = _FLOORS
    below = least + (most - least) * torch.rand(len(x), 1, 1, device=x.device)
    floor = x.masked_fill(x.isnan(), -torch.inf).amax((1, 2), keepdim=True) - below
    return x + functional.softplus((floor - x) * _NEPERS) / _NEPERS  # the sum of two powers, in dB


def _lowpassed(x: Tensor) -> Tensor:
    """Push the bins above a random cut down to the least level that the clip has there."""
    bins = x.shape[2]
    cut = torch.randint(bins * 3 // 4, bins + 1, (len(x), 1, 1), device=x.device)
    silent = (torch.arange(bins, device=x.device) >= cut) & ~x.isnan()
    least = x.masked_fill(~silent, torch.inf).amin((1, 2), keepdim=True)
    return torch.where(silent, least, x)


def _runs(n: int, size: int, longest: int, device: torch.device) -> Tensor:
    """For each of `n` rows a random run of 0 to `longest` places within `size`, as a mask (n, size)."""
    length = torch.randint(longest + 1, (n, 1), device=device)
    start = (torch.rand(n, 1, device=device) * (size + 1 - length).clamp(min=1)).long()
    place = torch.arange(size, device=device)
    return (place >= start) & (place < start + length)
