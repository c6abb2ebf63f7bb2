"""Gradient ascent on a sound itself: an equaliser that moves with the music, until the network is sure.

A network's answer can be turned by changes of samples that nobody hears; that tells nothing of the genre. So what is
learned here is a gain for each short time and each band, smooth in both, within so many decibels. What a sound is made
of stays, its phases too: only how loud its parts are changes. Sound, gains, loudness, front end and network form one
chain, through which the gradient flows back to the gains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.audio.spectrogram import mel_edges
from earmark.auralization.ascent import ModeOptimizer, clip_gradients, clip_starts, normalize
from earmark.auralization.prior import Prior, covariance, modulation_power
from earmark.networks.onnx.differentiable import DifferentiableModel

_BANDS = 64

_JITTER = 0.25
"""Seconds by which a step hears the sound earlier or later."""


class Equalizer:
    """Makes parts of a sound louder or quieter, until a model is sure of a genre.

    Parameters
    ----------
    model : DifferentiableModel
        With the front end inside.
    target : int
        Index of the label.
    samples : ndarray, shape (samples,)
        At the front end's rate.
    gain : float
        Decibels by which a part may become louder or quieter.
    level : callable
        Given samples, the factor that brings them to the loudness at which they will be heard.
    seed : int
        Of the shifts.
    rate : float
        Length of a step, root mean square, in standard deviations.
    """

    def __init__(
        self,
        model: DifferentiableModel,
        target: int,
        samples: NDArray[np.float32],
        *,
        gain: float = 12.0,
        level: Callable[[NDArray[np.float32]], float] = lambda samples: 1.0,
        seed: int = 0,
        rate: float = 0.02,
    ) -> None:
        self.model, self.target, self.gain, self.level, self.rate = model, target, gain, level, rate
        self.card = model.card
        self._random = np.random.default_rng(seed)
        self._stft = _Stft.of(self.card.front_end.n_fft // 2)
        self._length = len(samples)
        self._spectrum = self._stft.forward(torch.from_numpy(np.asarray(samples, np.float32)))  # (bins, frames)
        self._frame_rate = self.card.front_end.sample_rate / self._stft.hop
        hz = np.fft.rfftfreq(self._stft.size, 1 / self.card.front_end.sample_rate)
        bands, self._onto_bins = _bands(hz)
        rates = np.geomspace(0.02, 200, 60)
        self._field = Prior(np.zeros(len(bands)), covariance(bands, self.gain), rates, modulation_power(rates))
        self._frames = self._spectrum.shape[1]
        self._modes = torch.zeros(self._frames // 2 + 1, len(bands), dtype=torch.complex64, requires_grad=True)

    def gains(self) -> Tensor:
        """The gains as they are, (bins, frames), dB."""
        field = self._field.deviation(self._modes, self._frames, self._frame_rate)
        return self._onto_bins @ (self.gain * torch.tanh(field / self.gain)).T

    def render(self) -> Tensor:
        """The sound as it is, (samples,)."""
        shaped = self._stft.back(self._spectrum * 10 ** (self.gains() / 20), self._length)
        return shaped * self.level(shaped.detach().numpy())

    def optimize(self, steps: int) -> Iterator[float]:
        """Climb, giving the calibrated probability of the target after each step, as heard in that step."""
        climber = ModeOptimizer(self._modes, self.rate, steps)
        for _ in range(steps):
            clips = self._clips(self.render())
            pull, probability = clip_gradients(
                lambda x: self.model(x).log_probabilities, clips, self.target, self.model
            )
            (slope,) = torch.autograd.grad(clips, self._modes, pull)
            climber.step(normalize(slope))
            yield probability

    def _clips(self, sound: Tensor) -> Tensor:
        """Clips as they are cut when classified, but a little earlier or later, (clips, samples)."""
        offset = int(self._random.uniform(-_JITTER, _JITTER) * self.card.front_end.sample_rate)
        index = clip_starts(len(sound), self.card)[:, None] + np.arange(self.card.clip_length) + offset
        return sound[torch.from_numpy(index % len(sound))]


@dataclass(frozen=True)
class _Stft:
    """A short-time Fourier transform and its inverse, in torch."""

    size: int
    hop: int
    window: Tensor

    @classmethod
    def of(cls, size: int) -> _Stft:
        return cls(size, size // 4, torch.hann_window(size))

    def forward(self, samples: Tensor) -> Tensor:
        return torch.stft(samples, self.size, self.hop, window=self.window, return_complex=True, pad_mode="constant")

    def back(self, spectrum: Tensor, length: int) -> Tensor:
        return torch.istft(spectrum, self.size, self.hop, window=self.window, length=length)


def _bands(hz: NDArray[np.floating]) -> tuple[NDArray[np.float64], Tensor]:
    """The middle of each band, Hz, and its share in each bin, (bins, bands): straight lines between middles."""
    middles = mel_edges(_BANDS - 2, 0.0, float(hz[-1]))
    place = np.interp(hz, middles, np.arange(_BANDS))
    parts = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(_BANDS)))
    return middles, torch.from_numpy(parts).float()
