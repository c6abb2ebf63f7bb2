"""Texture: what two and a half seconds of sound are like, beyond their average spectrum.

Ten seconds of single frames say little of genre to a small network on little data; how frames *move* says
much. Each window of frames is described by statistics of five streams, all fixed, none learned:

==========  ==================================================================================
cepstrum    DCT-II of the bands (timbre): 60 coefficients
bands       mean of each group of 8 bands: energy, coarse in frequency
contrast    deviation within each group of 8 bands: tones against noise
onsets      rises of the bands: attacks
ridges      how sharply each band stands out from its neighbours: partials of tones
==========  ==================================================================================

The statistics are mean, deviation, mean absolute change, covariance (which coefficients change together), and
modulation spectra (how strongly a stream beats at 0.4 … 6.5 Hz: tempo, tremolo, patter), after Tzanetakis and
Cook's texture window (2002), McKinney and Breebaart's modulation features (2003), Mandel and Ellis' covariances
(2005), and Jiang et al.'s spectral contrast (2002). What cannot be negative is given as its logarithm: so it is
spread evenly, and the stillness of noise lies as far out as the jumps of speech.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph

_GROUP = 8
"""Neighbouring bands that form a group."""

_TIMBRE, _CEPSTRA, _COVARIANCES = 30, 60, 20
"""Cepstral coefficients: the first describe timbre and get every statistic, the rest only how they move; and of
how many it is told which of them change together."""

_FLOOR = 0.01
"""dB, below which a logarithm does not look."""

_MODULATIONS, _RATES = 8, 16
"""Into how many modulation rates those that are measured are averaged: pairs."""


class Texture(nn.Module):
    """Frames → windows of texture features; without parameters.

    Parameters
    ----------
    bands : int
        Bands a frame, a multiple of 8 and at least 64: log-mel, in dB, each band's mean taken off.
    window, hop : int
        Frames a window, and from window to window.

    Attributes
    ----------
    n_features : int
        Numbers a window.
    """

    cosines: Tensor
    waves: Tensor

    def __init__(self, bands: int = 128, window: int = 32, hop: int = 8) -> None:
        super().__init__()
        self.window, self.hop = window, hop
        groups = bands // _GROUP
        self.streams = 3 * groups + _TIMBRE  # whose modulation is measured
        self.pairs = torch.triu_indices(_COVARIANCES, _COVARIANCES)  # (2, pairs)
        # as :meth:`forward` joins them
        statistics = 3 * _TIMBRE + 2 * (_CEPSTRA - _TIMBRE) + 5 * groups + bands - 2 + self.pairs.shape[1]
        self.n_features = statistics + self.streams * _MODULATIONS
        # DCT-II: c_k = √(2 / B) Σ_b x_b cos(π k (b + 1/2) / B), B bands
        k, band = torch.arange(_CEPSTRA)[None], torch.arange(bands)[:, None]
        self.register_buffer(
            "cosines", torch.cos(math.pi / bands * (band + 0.5) * k) * math.sqrt(2 / bands), persistent=False
        )  # (bands, cepstra)
        self.register_buffer("waves", _waves(window), persistent=False)  # (2 · rates, 1, 1, window)

    def forward(self, x: Tensor) -> Tensor:
        """Describe each window: (clips, frames, bands) → (clips, windows, features), NaN where one holds filling."""
        grouped = x.unflatten(2, (-1, _GROUP))  # (clips, frames, groups, 8)
        cepstrum, bands, contrast = x @ self.cosines, grouped.mean(3), _deviation(grouped)
        moved, onsets = _change(x).abs(), _change(bands).relu()
        timbre, detail = cepstrum[:, :, :_TIMBRE], cepstrum[:, :, _TIMBRE:]
        # from band to band, zero in the first
        edges = functional.pad((x[:, :, 1:] - x[:, :, :-1]).abs(), (1, 0)).unflatten(2, (-1, _GROUP)).mean(3)
        positive = [
            self._window_deviation(timbre),
            self._window_mean(_change(timbre).abs()),
            self._window_deviation(detail),
            self._window_mean(_change(detail).abs()),
            self._window_mean(contrast),
            self._window_deviation(contrast),
            self._window_mean(edges),
            _deviation(self._window_mean(x).unflatten(2, (-1, _GROUP))),
            self._window_mean(moved.unflatten(2, (-1, _GROUP)).mean(3)),
            # ridges: second difference over bands, (clips, windows, bands - 2)
            self._window_mean((2 * x[:, :, 1:-1] - x[:, :, 2:] - x[:, :, :-2]).abs()),
        ]
        return torch.cat(
            [
                self._window_mean(timbre),
                torch.cat(positive, 2).clamp(min=_FLOOR).log(),
                self._covariance(_change(timbre[:, :, :_COVARIANCES])),
                self._modulation(torch.cat([bands, timbre, onsets, contrast], 2)),
            ],
            dim=2,
        )

    def _window_mean(self, x: Tensor) -> Tensor:
        return functional.avg_pool1d(x.transpose(1, 2), self.window, self.hop).transpose(1, 2)

    def _window_deviation(self, x: Tensor) -> Tensor:
        """Return the standard deviation over each window."""
        # √(E[x²] - E[x]²); rounding may make the difference negative
        return ((self._window_mean(x * x) - self._window_mean(x) ** 2).clamp(min=0) + 0.01).sqrt()

    def _covariance(self, x: Tensor) -> Tensor:
        """Return the covariance of each pair of coefficients, its size as a logarithm: (clips, windows, pairs)."""
        one, other = self.pairs
        covariance = self._window_mean(x[:, :, one] * x[:, :, other])  # changes have no mean to speak of
        return covariance.sign() * covariance.abs().log1p()

    def _modulation(self, x: Tensor) -> Tensor:
        """Return log-magnitudes of each stream's beating: (clips, frames, streams) → (clips, windows, 8 · streams)."""
        # one channel of (streams, frames): each stream is convolved with each wave
        waves = functional.conv2d(x.transpose(1, 2)[:, None], self.waves, stride=(1, self.hop))
        cosine, sine = waves.chunk(2, dim=1)  # (clips, rates, streams, windows)
        # quadrature: √(cos² + sin²) says how strongly, not when
        magnitude = (cosine**2 + sine**2 + 1e-4).sqrt().unflatten(1, (_MODULATIONS, -1)).mean(2)
        level: Tensor = (magnitude + 0.03).log().flatten(1, 2)  # (clips, 8 · streams, windows)
        return level.transpose(1, 2)

    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write the same into an ONNX graph."""
        onnx = _OnnxWriter(self, graph)
        grouped = onnx.groups(x)
        cepstrum = graph("MatMul", x, graph.constant(self.cosines))
        bands, contrast = onnx.mean(grouped, 3), onnx.deviation(grouped)
        moved, onsets = graph("Abs", onnx.change(x)), graph("Relu", onnx.change(bands))
        timbre, detail = onnx.part(cepstrum, 2, 0, _TIMBRE), onnx.part(cepstrum, 2, _TIMBRE, _CEPSTRA)
        streams, (edges, ridges) = graph("Concat", bands, timbre, onsets, contrast, axis=2), onnx.edges_and_ridges(x)
        positive = graph(
            "Concat",
            onnx.window_deviation(timbre),
            onnx.window_mean(graph("Abs", onnx.change(timbre))),
            onnx.window_deviation(detail),
            onnx.window_mean(graph("Abs", onnx.change(detail))),
            onnx.window_mean(contrast),
            onnx.window_deviation(contrast),
            onnx.window_mean(edges),
            onnx.deviation(onnx.groups(onnx.window_mean(x))),
            onnx.window_mean(onnx.mean(onnx.groups(moved), 3)),
            onnx.window_mean(ridges),
            axis=2,
        )
        return graph(
            "Concat",
            onnx.window_mean(timbre),
            graph("Log", graph("Max", positive, graph.constant(_FLOOR))),
            onnx.covariance(onnx.change(onnx.part(timbre, 2, 0, _COVARIANCES))),
            onnx.modulation(streams, self.streams),
            axis=2,
        )


def _waves(window: int) -> Tensor:
    """Return cosines and sines under a Hann window, without offset: pairs at rates up to half the frame rate."""
    t, rate = torch.arange(window), torch.arange(1, _RATES + 1) * 0.5 / _RATES  # cycles a frame
    # half a sample in, so that the window is symmetric and nowhere zero
    hann = 0.5 - 0.5 * torch.cos(2 * math.pi * (t + 0.5) / window)
    angle = 2 * math.pi * rate[:, None] * t
    waves = torch.cat([angle.cos(), angle.sin()]) * hann  # (2 · rates, window)
    # take off what a constant would give, so that level is no modulation
    waves = waves - hann * waves.sum(1, keepdim=True) / hann.sum()
    # so that a beat of amplitude a has magnitude 2a, but for the slowest and fastest rate
    return (waves * 4 / hann.sum())[:, None, None]


def _change(x: Tensor) -> Tensor:
    """Return the difference to the frame before; zero in the first."""
    return functional.pad(x[:, 1:] - x[:, :-1], (0, 0, 1, 0))


def _deviation(x: Tensor) -> Tensor:
    """Return the standard deviation over the last axis."""
    variance: Tensor = (x - x.mean(-1, keepdim=True)).square().mean(-1)
    return (variance + 0.01).sqrt()


class _OnnxWriter:
    """The operations of :class:`Texture` as ONNX nodes."""

    def __init__(self, texture: Texture, graph: Graph) -> None:
        self.texture, self.graph = texture, graph

    def groups(self, x: str) -> str:
        return self.graph("Reshape", x, self.graph.integers(0, 0, -1, _GROUP))

    def mean(self, x: str, axis: int, keep: int = 0) -> str:
        return self.graph("ReduceMean", x, axes=[axis], keepdims=keep)

    def part(self, x: str, axis: int, start: int, end: int | None) -> str:
        # ONNX stops at the end of the axis
        end = 2**31 if end is None else end
        integers = self.graph.integers
        return self.graph("Slice", x, integers(start), integers(end), integers(axis))

    def change(self, x: str) -> str:
        difference = self.graph("Sub", self.part(x, 1, 1, None), self.part(x, 1, 0, -1))
        return self.graph("Pad", difference, self.graph.integers(0, 1, 0, 0, 0, 0))

    def deviation(self, x: str) -> str:
        centred = self.graph("Sub", x, self.mean(x, 3, keep=1))
        return self._root(self.mean(self.graph("Mul", centred, centred), 3), 0.01)

    def edges_and_ridges(self, x: str) -> tuple[str, str]:
        """Write how far neighbouring bins differ, by group, and how far each stands out from both its neighbours."""
        graph = self.graph
        steps = graph("Abs", graph("Sub", self.part(x, 2, 1, None), self.part(x, 2, 0, -1)))
        edges = self.mean(self.groups(graph("Pad", steps, graph.integers(0, 0, 1, 0, 0, 0))), 3)
        # |2 x_i - x_(i+1) - x_(i-1)|
        ridges = graph("Sub", graph("Add", middle := self.part(x, 2, 1, -1), middle), self.part(x, 2, 2, None))
        return edges, graph("Abs", graph("Sub", ridges, self.part(x, 2, 0, -2)))

    def window_mean(self, x: str) -> str:
        turned = self.graph("Transpose", x, perm=[0, 2, 1])
        sizes = {"kernel_shape": [self.texture.window], "strides": [self.texture.hop]}
        return self.graph("Transpose", self.graph("AveragePool", turned, **sizes), perm=[0, 2, 1])

    def window_deviation(self, x: str) -> str:
        mean = self.window_mean(x)
        variance = self.graph("Sub", self.window_mean(self.graph("Mul", x, x)), self.graph("Mul", mean, mean))
        return self._root(self.graph("Relu", variance), 0.01)

    def covariance(self, x: str) -> str:
        graph, choices = self.graph, torch.eye(_COVARIANCES)
        one, other = (
            graph("MatMul", x, graph.constant(choices[:, of])) for of in self.texture.pairs
        )  # faster than Gather
        covariance = self.window_mean(graph("Mul", one, other))
        size = graph("Log", graph("Add", graph("Abs", covariance), graph.constant(1.0)))
        return graph("Mul", graph("Sign", covariance), size)

    def modulation(self, x: str, streams: int) -> str:
        graph, integers = self.graph, self.graph.integers
        turned = graph.unsqueeze(graph("Transpose", x, perm=[0, 2, 1]), 1)
        waves = graph("Conv", turned, graph.constant(self.texture.waves), strides=[1, self.texture.hop])
        squares = graph("Mul", waves, waves)  # (clips, 2 · rates, streams, windows)
        both = graph("Add", self.part(squares, 1, 0, _RATES), self.part(squares, 1, _RATES, None))
        pairs = graph("Reshape", self._root(both, 1e-4), integers(0, _MODULATIONS, _RATES // _MODULATIONS, -1))
        level = graph("Log", graph("Add", self.mean(pairs, 2), graph.constant(0.03)))
        return graph("Transpose", graph("Reshape", level, integers(0, _MODULATIONS * streams, -1)), perm=[0, 2, 1])

    def _root(self, x: str, offset: float) -> str:
        return self.graph("Sqrt", self.graph("Add", x, self.graph.constant(offset)))
