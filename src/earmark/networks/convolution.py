"""A convolutional front: patterns across neighbouring bins and frames, found before the recurrence reads on.

A recurrence over such features is the CRNN of Choi, Fazekas, Sandler and Cho, "Convolutional Recurrent Neural Networks
for Music Classification" (2017). Theirs pools over time too; here frames keep their rate, so that attention can say
which of them it meant.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from earmark.errors import SettingError

if TYPE_CHECKING:
    from earmark.networks.onnx.builder import Graph

Convolution = Literal["plain", "separable", "residual"]
CONVOLUTIONS = ("plain", "separable", "residual")

_POOLED = 2
"""Neighbouring bins of which the highest is kept."""


class ConvolutionalFront(nn.Module):
    """Frames → features of the frames around each, by a stack of blocks that halve the bins.

    A block is ``pool(relu(norm(W * x)))``: a 3×3 convolution without bias, batch norm, ReLU, max pooling over bins.

    =========  ===============================  ===========================================================
    plain      ``W``: 3×3 across all channels   Choi et al. 2017
    separable  ``W``: 3×3 in each channel by    MobileNet, Howard et al. 2017, with nothing between the two
               itself, then 1×1 across them     as in Chollet 2017; the first block, of one channel, is plain
    residual   plain, and ``norm(V pool(x))``   He et al. 2016: around each block, a 1×1 projection of what
               added                            it read, pooled alike
    =========  ===============================  ===========================================================

    Parameters
    ----------
    bins : int
        Numbers a frame, neighbours in frequency.
    channels : sequence of int
        Channels of each block.
    kind : {"plain", "separable", "residual"}

    Attributes
    ----------
    features : int
        Numbers a frame that it gives: channels of the last block × bins that remain.

    Raises
    ------
    SettingError
        If there is no such kind, or more blocks than the bins can be halved.
    """

    def __init__(self, bins: int, channels: Sequence[int], kind: Convolution = "plain") -> None:
        super().__init__()
        if kind not in CONVOLUTIONS:
            raise SettingError(f"convolution is {kind!r}: must be one of {', '.join(CONVOLUTIONS)}")
        remaining = bins // _POOLED ** len(channels)
        if not remaining:
            raise SettingError(f"channels are of {len(channels)} blocks, which halve {bins} bins to none: give fewer")
        self.features = channels[-1] * remaining
        self.blocks = nn.ModuleList(
            _Block(read, made, kind) for read, made in zip([1, *channels[:-1]], channels, strict=True)
        )
        layout = torch.channels_last  # in which a processor convolves and pools in two thirds of the time
        self.to(memory_format=layout)  # type: ignore[call-overload]

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """Convolve.

        Parameters
        ----------
        x : Tensor, shape (clips, frames, bins)
            Zeros on filling, as beyond a clip's ends.
        real : Tensor of bool, shape (clips, frames)
            False on filling.

        Returns
        -------
        Tensor, shape (clips, frames, features)
            Zeros on filling.
        """
        x = x[:, None]  # (clips, channels, frames, bins)
        for block in self.blocks:
            x = block(x, real)
        return x.transpose(1, 2).flatten(2)

    def to_onnx(self, graph: Graph, x: str) -> str:
        """Write the same into an ONNX graph, for clips without filling."""
        x = graph.unsqueeze(x, 1)
        for block in self.blocks:
            x = block.to_onnx(graph, x)  # type: ignore[operator]
        return graph("Reshape", graph("Transpose", x, perm=[0, 2, 1, 3]), graph.integers(0, 0, -1))


class _Block(nn.Module):
    """(clips, channels, frames, bins) → (clips, more channels, frames, half the bins)."""

    def __init__(self, read: int, made: int, kind: Convolution) -> None:
        super().__init__()
        self.separable = kind == "separable" and read > 1
        if self.separable:
            self.each = nn.Conv2d(read, read, 3, padding=1, groups=read, bias=False)
        self.mix = nn.Conv2d(read, made, 1 if self.separable else 3, padding=0 if self.separable else 1, bias=False)
        self.norm, self.pool = nn.BatchNorm2d(made), nn.MaxPool2d((1, _POOLED))
        self.around: nn.Sequential | None = None
        if kind == "residual":
            mix, norm = nn.Conv2d(read, made, 1, bias=False), nn.BatchNorm2d(made)
            self.around = nn.Sequential(OrderedDict(pool=self.pool, mix=mix, norm=norm))

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        mixed = self.mix(self.each(x) if self.separable else x)
        found = _on_real(lambda y: self.pool(self.norm(y)).relu(), mixed, real)  # pooled first: half the work
        return found if self.around is None else found + _on_real(self.around, x, real)

    def to_onnx(self, graph: Graph, x: str) -> str:
        pool = {"kernel_shape": [1, _POOLED], "strides": [1, _POOLED]}
        mixed = graph.convolution(self.mix, graph.convolution(self.each, x) if self.separable else x, self.norm)
        found = graph("Relu", graph("MaxPool", mixed, **pool))
        if self.around is None:
            return found
        _, mix, norm = self.around
        around = graph.convolution(mix, graph("MaxPool", x, **pool), norm)  # type: ignore[arg-type]
        return graph("Add", found, around)


def _on_real(each: Callable[[Tensor], Tensor], x: Tensor, real: Tensor) -> Tensor:
    """Apply what sees each frame by itself to the real ones only; zeros elsewhere.

    So that filling moves neither a batch norm's statistics nor, in the next block, its neighbours.
    """
    if bool(real.all()):
        return each(x)
    rows = each(x.transpose(1, 2)[real][:, :, None])[:, :, 0]  # (real frames, channels, bins)
    filled: Tensor = rows.new_zeros(*real.shape, *rows.shape[1:])
    filled[real] = rows
    return torch.transpose(filled, 1, 2)
