"""The pretrained encoder's network: MobileNetV3-Large, 0.4 wide, over a mel spectrogram.

Howard et al., *Searching for MobileNetV3* (ICCV 2019, Table 1); as EfficientAT's mn04, Schmid, Koutini and Widmer,
*Efficient Large-Scale Audio Tagging via Transformer-to-CNN Knowledge Distillation* (ICASSP 2023), whose weights it
loads.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from earmark.networks.base import list_layers
from earmark.networks.musicnn import N_TAGS, Musicnn

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph


class BlockSettings(NamedTuple):
    """One inverted residual: kernel size, channels within and after it, squeeze-and-excitation, hard-swish, stride."""

    kernel: int
    inside: int
    out: int
    squeezes: bool
    swish: bool
    stride: int


BLOCKS = [
    BlockSettings(*row)
    for row in (
        (3, 16, 16, False, False, 1),
        (3, 64, 24, False, False, 2),
        (3, 72, 24, False, False, 1),
        (5, 72, 40, True, False, 2),
        (5, 120, 40, True, False, 1),
        (5, 120, 40, True, False, 1),
        (3, 240, 80, False, True, 2),
        (3, 200, 80, False, True, 1),
        (3, 184, 80, False, True, 1),
        (3, 184, 80, False, True, 1),
        (3, 480, 112, True, True, 1),
        (3, 672, 112, True, True, 1),
        (5, 672, 160, True, True, 2),
        (5, 960, 160, True, True, 1),
        (5, 960, 160, True, True, 1),
    )
]
"""At width 1."""

N_CLASSES = 527
"""AudioSet's."""


def scale_channels(channels: float) -> int:
    """Round to a multiple of 8, not below 0.9 of what is asked."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch norm, activation."""

    def __init__(
        self, size: int, out: int, activation: nn.Module, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        padding = (kernel - 1) // 2
        convolution = nn.Conv2d(size, out, kernel, stride, padding, groups=groups, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(out, eps=1e-3), activation)

    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write it with the batch norm folded into the convolution."""
        convolution, norm, activation = list_layers(self)
        # γ (W x - μ) / √(σ² + ε) + β = (gain W) x + (β - μ gain)
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        bias = norm.bias - norm.running_mean * gain
        x = graph(
            "Conv",
            x,
            _constant(graph, convolution.weight * gain[:, None, None, None]),
            _constant(graph, bias),
            kernel_shape=list(convolution.kernel_size),
            strides=list(convolution.stride),
            pads=2 * list(convolution.padding),
            group=convolution.groups,
        )
        return _activate(graph, activation, x)


class SqueezeExcitation(nn.Module):
    """Scale channels by what their means over bands and frames say."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(size, scale_channels(size // 4))
        self.fc2 = nn.Linear(self.fc1.out_features, size)

    def forward(self, x: Tensor) -> Tensor:
        """Scale (clips, channels, bands, frames)."""
        gain = torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean((2, 3))))))  # (clips, channels)
        return x * gain[:, :, None, None]

    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write the same, its linear layers as convolutions of 1 x 1."""
        gain = graph("GlobalAveragePool", x)
        for layer, activation in ((self.fc1, "Relu"), (self.fc2, "Sigmoid")):
            weight, bias = _constant(graph, layer.weight[:, :, None, None]), _constant(graph, layer.bias)
            gain = graph(activation, graph("Conv", gain, weight, bias))
        return graph("Mul", x, gain)


class InvertedResidual(nn.Module):
    """Widen, convolve each channel by itself, perhaps squeeze, narrow; added to what came where sizes are the same."""

    def __init__(self, size: int, settings: BlockSettings, width: float) -> None:
        super().__init__()
        inside, self.out = (scale_channels(width * c) for c in (settings.inside, settings.out))
        activation = nn.Hardswish() if settings.swish else nn.ReLU()
        layers: list[nn.Module] = [] if inside == size else [ConvNorm(size, inside, activation)]
        layers.append(ConvNorm(inside, inside, activation, settings.kernel, settings.stride, groups=inside))
        if settings.squeezes:
            layers.append(SqueezeExcitation(inside))
        layers.append(ConvNorm(inside, self.out, nn.Identity()))
        self.block = nn.Sequential(*layers)
        self.adds = settings.stride == 1 and size == self.out

    def forward(self, x: Tensor) -> Tensor:
        """Map (clips, channels, bands, frames)."""
        y: Tensor = self.block(x)
        return x + y if self.adds else y

    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write the same."""
        y = x
        for layer in list_layers(self.block):
            y = layer.to_onnx(graph, y)
        return graph("Add", x, y) if self.adds else y


class MobileNet(nn.Module):
    """Mel spectrogram → a sequence of embeddings, and AudioSet's classes.

    Parameters
    ----------
    width : float
        Of all channels; 0.4 gives 384 numbers an embedding.
    """

    def __init__(self, width: float = 0.4) -> None:
        super().__init__()
        size = scale_channels(16 * width)
        first, blocks = ConvNorm(1, size, nn.Hardswish(), 3, 2), []
        for settings in BLOCKS:
            blocks.append(InvertedResidual(size, settings, width))
            size = blocks[-1].out
        self.n_dimensions = 6 * size
        self.features = nn.Sequential(first, *blocks, ConvNorm(size, self.n_dimensions, nn.Hardswish()))
        hidden = int(1280 * width)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(self.n_dimensions, hidden),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(hidden, N_CLASSES),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Embed clips (clips, frames, bands).

        Returns
        -------
        embedding : Tensor, shape (clips, steps, 384)
            One step for every 32 frames.
        logits : Tensor, shape (clips, 527)
            Of AudioSet's classes, which may be several at once: a sigmoid makes each a probability.
        """
        maps = self.features(x.transpose(1, 2)[:, None])  # (clips, channels, bands / 32, steps)
        return maps.mean(2).transpose(1, 2), self.classifier(maps)

    def to_onnx(self, graph: Graph, x: str) -> tuple[str, str]:
        """Write the forward pass into an ONNX graph; returns the names of embedding and logits."""
        with torch.no_grad():
            x = graph.unsqueeze(graph("Transpose", x, perm=[0, 2, 1]), 1)
            for layer in list_layers(self.features):
                x = layer.to_onnx(graph, x)
            embedding = graph("Transpose", graph("ReduceMean", x, axes=[2], keepdims=0), perm=[0, 2, 1])
            *_, hidden, swish, _, output = list_layers(self.classifier)
            y = _activate(graph, swish, graph.linear(hidden, graph("Flatten", graph("GlobalAveragePool", x))))
            return embedding, graph.linear(output, y)


def load_mobilenet(path: str | os.PathLike[str]) -> MobileNet:
    """Load EfficientAT's weights, kept as ``.npz`` under their names there, for answers (evaluation mode)."""
    with np.load(path) as arrays:
        # theirs could squeeze along several axes at once: a list of one
        weights = {name.replace("conc_se_layers.0.", ""): torch.from_numpy(arrays[name]) for name in arrays}
    network = MobileNet()
    network.load_state_dict(weights)
    return network.eval()


def encoder_graph(network: MobileNet, musicnn: Musicnn) -> bytes:
    """Return both networks as one serialised ONNX model.

    Input ``spectrogram`` (clips, frames, 128); outputs ``embedding`` (clips, steps, 384), ``logits`` (clips, 527), and
    ``features`` (clips, steps, 634): each step's embedding, and musicnn's 250 numbers of the clip.
    """
    from earmark.networks.onnx.builder import Graph

    graph = Graph()
    x = graph.input("spectrogram", ["clips", "frames", 128])
    embedding, logits = network.to_onnx(graph, x)
    graph.output(embedding, "embedding", ["clips", "steps", network.n_dimensions])
    graph.output(logits, "logits", ["clips", N_CLASSES])
    steps = graph("Slice", graph("Shape", embedding), graph.integers(0), graph.integers(2), graph.integers(0))
    shape = graph("Concat", steps, graph.integers(N_TAGS), axis=0)
    tags = graph("Expand", graph.unsqueeze(musicnn.to_onnx(graph, x), 1), shape)
    features = graph("Concat", embedding, tags, axis=2)
    graph.output(features, "features", ["clips", "steps", network.n_dimensions + N_TAGS])
    return bytes(graph.model("mn04-musicnn").SerializeToString())


def _activate(graph: Graph, activation: nn.Module, x: str) -> str:
    operator = {nn.ReLU: "Relu", nn.Hardswish: "HardSwish"}.get(type(activation))
    return graph(operator, x) if operator else x


def _constant(graph: Graph, tensor: Tensor) -> str:
    return graph.constant(tensor.numpy())
