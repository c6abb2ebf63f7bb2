"""Distortions of training clips that leave the genre alone, so that the network learns what stays."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """What to distort, and how much; the defaults do nothing.

    Attributes
    ----------
    frequency_masks, frequency_mask_bins : int
        Bands of up to so many bins set to the mean (SpecAugment, Park et al. 2019).
    time_masks, time_mask_frames : int
        Stretches of up to so many frames likewise.
    shift_bins : int
        All bins moved up or down by up to so many, the outermost repeated: another tuning.
    equalizer : float
        Standard deviation of a smooth random gain over the bins, in the unit of the input (dB, where the
        standardizer leaves dB): another room, another master.
    mixup : float
        Parameter of the beta distribution by which two clips, and their labels, are mixed (Zhang et al.
        2018); 0 for none.
    """

    frequency_masks: int = 0
    frequency_mask_bins: int = 0
    time_masks: int = 0
    time_mask_frames: int = 0
    shift_bins: int = 0
    equalizer: float = 0.0
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
        """Distort each clip in its own way.

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
        if s.shift_bins:
            x = _shifted(x, s.shift_bins)
        if s.equalizer:
            knots = torch.randn(len(x), 1, _KNOTS, device=x.device)
            x = x + s.equalizer * functional.interpolate(knots, x.shape[2], mode="linear", align_corners=True)
        hidden = torch.zeros_like(x, dtype=torch.bool)
        for _ in range(s.frequency_masks):
            hidden |= _stretch(len(x), x.shape[2], s.frequency_mask_bins, x.device)[:, None, :]
        for _ in range(s.time_masks):
            hidden |= _stretch(len(x), x.shape[1], s.time_mask_frames, x.device)[:, :, None]
        return x.masked_fill(hidden & ~x.isnan(), 0.0)


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


def _shifted(x: Tensor, most: int) -> Tensor:
    shift = torch.randint(-most, most + 1, (len(x), 1), device=x.device)
    source = (torch.arange(x.shape[2], device=x.device) - shift).clamp(0, x.shape[2] - 1)  # (clips, bins)
    return x.gather(2, source[:, None].expand_as(x))


def _stretch(n: int, size: int, longest: int, device: torch.device) -> Tensor:
    """For each of `n` rows a random stretch of 0 to `longest` places within `size`, as a mask (n, size)."""
    length = torch.randint(longest + 1, (n, 1), device=device)
    start = (torch.rand(n, 1, device=device) * (size + 1 - length).clamp(min=1)).long()
    place = torch.arange(size, device=device)
    return (place >= start) & (place < start + length)
