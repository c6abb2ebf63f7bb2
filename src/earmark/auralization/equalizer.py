"""Gradient ascent on a sound itself: an equaliser that moves with the music, until the network is sure.

Changes of samples that nobody hears can turn a network's answer, and tell nothing of the genre. So what is learned here
is a gain for each short time and each band, smooth in both, within so many decibels; phases stay. Sound, gains,
loudness, front end and network form one chain, through which the gradient flows back to the gains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.audio.mel import mel_edges
from earmark.auralization.ascent import ModeOptimizer, clip_gradients, clip_starts, normalize
from earmark.auralization.prior import Prior, covariance, modulation_power
from earmark.networks.onnx.differentiable import DifferentiableModel

_BANDS = 64

_JITTER = 0.25
"""Seconds by which a step shifts the sound, forth or back."""


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
        Given samples, the factor that brings them to the loudness of the finished sound.
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
        # Half the front end's frame, three quarters overlap: gains move faster than the network reads.
        size = self.card.front_end.n_fft // 2
        self._stft: dict[str, Any] = {"n_fft": size, "hop_length": size // 4, "window": torch.hann_window(size)}
        self._length = len(samples)
        sound = torch.from_numpy(np.asarray(samples, np.float32))
        # (bins, frames)
        self._spectrum = torch.stft(sound, **self._stft, return_complex=True, pad_mode="constant")
        self._frame_rate = self.card.front_end.sample_rate / (size // 4)
        hz = np.fft.rfftfreq(size, 1 / self.card.front_end.sample_rate)
        bands, self._band_to_bin = _make_bands(hz)
        rates = np.geomspace(0.02, 200, 60)
        # gains around 0 dB, of standard deviation `gain`, as smooth in time and frequency as music is
        self._field = Prior(np.zeros(len(bands)), covariance(bands, self.gain), rates, modulation_power(rates))
        self._frames = self._spectrum.shape[1]
        # no gains to begin with
        self._modes = torch.zeros(self._frames // 2 + 1, len(bands), dtype=torch.complex64, requires_grad=True)

    def gains(self) -> Tensor:
        """Compute the present gains, (bins, frames), dB."""
        field = self._field.deviation(self._modes, self._frames, self._frame_rate)
        # (bins, bands) @ (bands, frames); tanh keeps gains within ± gain
        return self._band_to_bin @ (self.gain * torch.tanh(field / self.gain)).T

    def render(self) -> Tensor:
        """Compute the present sound, (samples,)."""
        # real gains on a complex spectrum: phases stay
        shaped = torch.istft(self._spectrum * 10 ** (self.gains() / 20), **self._stft, length=self._length)
        # detached: to the gradient the loudness is a constant factor
        return shaped * self.level(shaped.detach().numpy())

    def optimize(self, steps: int) -> Iterator[float]:
        """Take steps, and yield the calibrated probability of the target in each."""
        optimizer = ModeOptimizer(self._modes, self.rate, steps)
        for _ in range(steps):
            clips = self._cut_clips(self.render())
            gradients, probability = clip_gradients(lambda x: self.model(x).log_music, clips, self.target, self.model)
            (slope,) = torch.autograd.grad(clips, self._modes, gradients)
            optimizer.step(normalize(slope))
            yield probability

    def _cut_clips(self, sound: Tensor) -> Tensor:
        """Cut clips as for classifying, but a little earlier or later: (clips, samples)."""
        offset = int(self._random.uniform(-_JITTER, _JITTER) * self.card.front_end.sample_rate)
        # (clips, samples); the end joins on the beginning
        index = clip_starts(len(sound), self.card)[:, None] + np.arange(self.card.clip_length) + offset
        return sound[torch.from_numpy(index % len(sound))]


def _make_bands(hz: NDArray[np.floating]) -> tuple[NDArray[np.float64], Tensor]:
    """Return the middle of each band, Hz, and its share in each bin, (bins, bands): linear between middles."""
    # n bands have n + 2 edges: asked for two fewer, it gives _BANDS points from 0 Hz to the top
    middles = mel_edges(_BANDS - 2, 0.0, float(hz[-1]))
    place = np.interp(hz, middles, np.arange(_BANDS))
    # a bin at place 3.4 takes 0.6 of band 3 and 0.4 of band 4
    parts = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(_BANDS)))
    return middles, torch.from_numpy(parts).float()
