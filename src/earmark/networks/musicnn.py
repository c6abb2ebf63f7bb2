"""Musicnn: a small network of musical filter shapes that learned Last.fm's tags from the Million Song Dataset.

Pons and Serra, *musicnn: Pre-trained convolutional neural networks for music audio tagging* (2019), with the weights of
their ``MSD_musicnn``. Of its 561 filters only 64 live; the others give the same number whatever they hear, which
is added to the bias of what reads them. It reads the other encoder's mel bands, brought near to its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from earmark.networks.base import list_layers

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph

SECONDS = 2
"""Length of what it hears of a clip, from the middle, as in its training."""

N_TAGS = 250
"""Numbers it gives: 200 of its last hidden layer, and 50 tags' logits."""

BAND_HOP = 2
"""Bands from place to place of a filter, whose loudest place counts: every second one costs half the time."""

_FRAMES = 100 * SECONDS
_TO_16_MS = 0.625
"""From frames every 10 ms to its own."""


class Filter(nn.Module):
    """Convolution, ReLU, then the gain and offset of a batch norm that learns no more.

    Parameters
    ----------
    size, out : int
        Channels.
    kernel : tuple of int
        Frames and bands.
    hop : int
        Bands from one place to the next.
    """

    def __init__(self, size: int, out: int, kernel: tuple[int, int], hop: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(size, out, kernel, (1, hop))
        # before and behind; one less before where the kernel is even
        self.padding = (kernel[0] - 1) // 2, kernel[0] // 2
        self.gain = nn.Parameter(torch.ones(out, 1, 1))
        self.offset = nn.Parameter(torch.zeros(out, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (clips, size, frames, bands) → (clips, out, frames, bands that the kernel fits in)."""
        padded = functional.pad(x, (0, 0, *self.padding))
        return functional.relu(self.convolution(padded)) * self.gain + self.offset

    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write the same."""
        before, behind = self.padding
        weight, bias = (graph.constant(part) for part in self.convolution.parameters())
        strides = list(self.convolution.stride)
        y = graph("Relu", graph("Conv", x, weight, bias, pads=[before, 0, behind, 0], strides=strides))
        return graph("Add", graph("Mul", y, graph.constant(self.gain)), graph.constant(self.offset))


class Musicnn(nn.Module):
    """Kaldi mel bands → 250 numbers for each clip.

    Parameters
    ----------
    filters : list of (int, tuple of int)
        Number and kernel of the living filters of each shape.
    """

    def __init__(self, filters: list[tuple[int, tuple[int, int]]]) -> None:
        super().__init__()
        living = sum(n for n, _ in filters)
        self.bands = nn.Linear(128, 96, bias=False)
        self.scale = nn.Parameter(torch.tensor([1.0, 0.0]))
        self.front = nn.ModuleList(Filter(1, n, kernel, 1 if kernel[1] > 1 else BAND_HOP) for n, kernel in filters)
        self.middle = nn.ModuleList(Filter(size, 64, (7, 1)) for size in (living, 64, 64))
        self.hidden = nn.Linear(2 * (living + 3 * 64), 200)
        self.norm = nn.Parameter(torch.stack([torch.ones(200), torch.zeros(200)]))
        self.output = nn.Linear(200, 50)

    def forward(self, x: Tensor) -> Tensor:
        """Map clips (clips, frames, 128) of any length → (clips, 250)."""
        start = max(0, x.shape[1] // 2 - _FRAMES // 2)
        # what KaldiMel has last: (ln(power + 1e-5) + 4.5) / 5
        power = (torch.exp(5 * x[:, start : start + _FRAMES] - 4.5) - 1e-5).clamp(min=0)
        power = functional.interpolate(power.transpose(1, 2), scale_factor=_TO_16_MS, mode="linear").transpose(1, 2)
        level = torch.log(self.bands(power).clamp(min=0) * 1e4 + 1) * self.scale[0] + self.scale[1]
        # each (clips, filters, frames, 1): the loudest band
        maps = torch.cat([f(level[:, None]).amax(3, keepdim=True) for f in list_layers(self.front)], 1)
        layers = [maps]
        for i, layer in enumerate(list_layers(self.middle)):
            y = layer(layers[-1])
            layers.append(y if i == 0 else y + layers[-1])
        every = torch.cat(layers, 1)[..., 0]  # (clips, channels, frames)
        hidden = (
            functional.relu(self.hidden(torch.cat([every.amax(2), every.mean(2)], 1))) * self.norm[0] + self.norm[1]
        )
        return torch.cat([hidden, self.output(hidden)], 1)

    @torch.no_grad()
    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write the same into an ONNX graph; returns the name of the tags."""
        level = self._write_level(graph, x)
        maps = [graph("ReduceMax", f.to_onnx(graph, level), axes=[3]) for f in list_layers(self.front)]
        layers = [graph("Concat", *maps, axis=1)]
        for i, layer in enumerate(list_layers(self.middle)):
            y = layer.to_onnx(graph, layers[-1])
            layers.append(y if i == 0 else graph("Add", y, layers[-1]))
        every = graph.squeeze(graph("Concat", *layers, axis=1), 3)
        pools = [graph(reduce, every, axes=[2], keepdims=0) for reduce in ("ReduceMax", "ReduceMean")]
        hidden = graph("Relu", graph.linear(self.hidden, graph("Concat", *pools, axis=1)))
        gain, offset = self.norm
        hidden = graph("Add", graph("Mul", hidden, graph.constant(gain)), graph.constant(offset))
        return graph("Concat", hidden, graph.linear(self.output, hidden), axis=1)

    def _write_level(self, graph: Graph, x: str) -> str:
        """Write what comes before the filters: (clips, frames, 128) → (clips, 1, frames, 96)."""
        frames = graph("Gather", graph("Shape", x), graph.integers(1))
        half = graph("Sub", graph("Div", frames, graph.integers(2)), graph.integers(_FRAMES // 2))
        start = graph("Max", half, graph.integers(0))
        end = graph("Add", start, graph.integers(_FRAMES))
        x = graph("Slice", x, start, end, graph.integers(1))
        x = graph("Sub", graph("Mul", x, graph.constant(5.0)), graph.constant(4.5))
        power = graph("Max", graph("Sub", graph("Exp", x), graph.constant(1e-5)), graph.constant(0.0))
        scales = graph.constant([1.0, 1.0, _TO_16_MS])
        power = graph("Resize", graph("Transpose", power, perm=[0, 2, 1]), graph.constant([]), scales, mode="linear")
        bands = graph.linear(self.bands, graph("Transpose", power, perm=[0, 2, 1]))
        level = graph("Max", graph("Mul", bands, graph.constant(1e4)), graph.constant(0.0))
        level = graph("Log", graph("Add", level, graph.constant(1.0)))
        scale, offset = self.scale
        return graph.unsqueeze(graph("Add", graph("Mul", level, graph.constant(scale)), graph.constant(offset)), 1)
