"""Distortions of training clips that leave the genre alone, so that the network learns what stays."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from earmark.training.settings import AugmentationSettings

_KNOTS = 8
"""Points of the random equalizer's curve."""


class Augment(nn.Module):
    """Distort standardised clips while training, as its settings say; the identity otherwise."""

    def __init__(self, settings: AugmentationSettings) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, x: Tensor) -> Tensor:
        """Distort each clip (clips, frames, bins) in its own way: first how it is tuned, then how it is recorded.

        Zero is the mean; NaN frames are filling and stay so.
        """
        if not self.training:
            return x
        s = self.settings
        if s.shift_bins:
            x = _shift_bins(x, s.shift_bins)
        if s.equalizer:
            # a smooth curve: few random points, linear between them
            # (clips, 1, knots) → (clips, 1, bins): one gain a bin, the same in every frame
            knots = torch.randn(len(x), 1, _KNOTS, device=x.device)
            x = x + s.equalizer * functional.interpolate(knots, x.shape[2], mode="linear", align_corners=True)
        return _lowpass(x, s.lowpass) if s.lowpass else x


def mix(x: Tensor, y: Tensor, concentration: float) -> tuple[Tensor, Tensor]:
    """Mix each clip, and its label, with another of the batch; the larger share stays its own.

    Where clips are of different length, the mix is as long as the shorter.

    Parameters
    ----------
    x : Tensor, shape (clips, frames, bins)
    y : Tensor, shape (clips, classes)
        One-hot.
    concentration : float
        Both parameters of the beta distribution of the shares.
    """
    # λ ~ Beta(α, α), one for each clip: (clips,)
    own = torch.distributions.Beta(concentration, concentration).sample((len(x),)).to(x)
    # the larger share stays the clip's own
    own = torch.maximum(own, 1 - own)
    other = torch.randperm(len(x), device=x.device)
    # λ x_i + (1 - λ) x_j; where one of the two is filling, NaN, so is the mix
    x = own[:, None, None] * x + (1 - own[:, None, None]) * x[other]
    return x, own[:, None] * y + (1 - own[:, None]) * y[other]


def _shift_bins(x: Tensor, most: int) -> Tensor:
    shift = torch.randint(-most, most + 1, (len(x), 1), device=x.device)
    # bin b of the result is bin b - shift of the clip, or the outermost
    source = (torch.arange(x.shape[2], device=x.device) - shift).clamp(0, x.shape[2] - 1)  # (clips, bins)
    # (clips, 1, bins) → (clips, frames, bins): all frames of a clip move alike
    return x.gather(2, source[:, None].expand_as(x))


def _lowpass(x: Tensor, probability: float) -> Tensor:
    """Push the bins above a random cut down to the least level there, in clips chosen at random.

    Each clip's mean stays what it was: a level says nothing.
    """
    chosen = torch.rand(len(x), device=x.device) < probability
    some, bins = x[chosen], x.shape[2]
    # in the upper quarter; a cut at `bins` silences nothing
    cut = torch.randint(bins * 3 // 4, bins + 1, (len(some), 1, 1), device=x.device)
    silent = (torch.arange(bins, device=x.device) >= cut) & ~some.isnan()  # (clips, frames, bins)
    # (clips, 1, 1); infinite where nothing is silent, and then not used
    least = some.masked_fill(~silent, torch.inf).amin((1, 2), keepdim=True)
    passed = torch.where(silent, least, some)
    # the batch is the caller's
    x = x.clone()
    # the mean stays what it was
    x[chosen] = passed - (passed - some).nanmean((1, 2), keepdim=True)
    return x
