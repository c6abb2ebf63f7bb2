"""Distortions of training clips that leave the genre alone, so that the network learns what stays."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Augmentation:
    """What to distort, and how much; the defaults do nothing.

    Attributes
    ----------
    frequency_masks, frequency_mask_bins : int
        Bands of up to so many bins set to the mean (SpecAugment, Park et al. 2019).
    time_masks, time_mask_frames : int
        Stretches of up to so many frames likewise.
    """

    frequency_masks: int = 0
    frequency_mask_bins: int = 0
    time_masks: int = 0
    time_mask_frames: int = 0


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
        hidden = torch.zeros_like(x, dtype=torch.bool)
        for _ in range(s.frequency_masks):
            hidden |= _stretch(len(x), x.shape[2], s.frequency_mask_bins, x.device)[:, None, :]
        for _ in range(s.time_masks):
            hidden |= _stretch(len(x), x.shape[1], s.time_mask_frames, x.device)[:, :, None]
        return x.masked_fill(hidden & ~x.isnan(), 0.0)


def _stretch(n: int, size: int, longest: int, device: torch.device) -> Tensor:
    """For each of `n` rows a random stretch of 0 to `longest` places within `size`, as a mask (n, size)."""
    length = torch.randint(longest + 1, (n, 1), device=device)
    start = (torch.rand(n, 1, device=device) * (size + 1 - length).clamp(min=1)).long()
    place = torch.arange(size, device=device)
    return (place >= start) & (place < start + length)
