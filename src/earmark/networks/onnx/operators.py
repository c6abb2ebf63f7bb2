"""The ONNX operators that our graphs are written in, as torch functions through which gradients flow.

Each takes a node's inputs by position and its attributes by keyword, with the defaults of the ONNX specification
(opset 17). An attribute that a function does not take is one that no graph of ours uses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Recurrence(nn.Module):
    """An ONNX LSTM or RNN node as torch's own layer, whose kernels are many times faster than steps in Python.

    Parameters
    ----------
    lstm : bool
        An LSTM; otherwise a plain RNN with tanh.
    w, r, b : Tensor
        The node's weights: (directions, gates · units, size), (directions, gates · units, units) and
        (directions, 2 · gates · units), in ONNX's order of gates.
    hidden_size : int
        Units.
    direction : bytes
        ``b"forward"`` or ``b"bidirectional"``.
    """

    def __init__(
        self, lstm: bool, w: Tensor, r: Tensor, b: Tensor, *, hidden_size: int, direction: bytes = b"forward"
    ) -> None:
        super().__init__()
        if direction not in (b"forward", b"bidirectional"):
            raise ValueError(f"direction {direction.decode()}")
        self.units, self.directions = hidden_size, len(w)
        layer = nn.LSTM if lstm else nn.RNN
        self.layer = layer(w.shape[2], hidden_size, bidirectional=direction == b"bidirectional")
        for way, suffix in enumerate(["_l0", "_l0_reverse"][: self.directions]):
            input_bias, hidden_bias = b[way].chunk(2)
            given = {"weight_ih": w[way], "weight_hh": r[way], "bias_ih": input_bias, "bias_hh": hidden_bias}
            for name, value in given.items():
                getattr(self.layer, name + suffix).data.copy_(_torch_gates(value) if lstm else value)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Run: (frames, clips, size) → all outputs (frames, directions, clips, units), and the last states."""
        y, state = self.layer(x)
        # torch joins directions in the last axis, ONNX has one of their own
        every = y.unflatten(2, (self.directions, self.units)).transpose(1, 2)
        return (every, *(state if isinstance(state, tuple) else (state,)))


def _torch_gates(value: Tensor) -> Tensor:
    """Return ONNX's gates (i, o, f, g) in torch's order (i, f, g, o)."""
    i, o, f, g = value.chunk(4)
    return torch.cat([i, f, g, o])


def _make_reduction(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def operator(x: Tensor, given: Tensor | None = None, *, axes: Sequence[int] = (), keepdims: int = 1) -> Tensor:
        over = list(axes) if given is None else _ints(given)
        return function(x, over or list(range(x.ndim)), bool(keepdims))

    return operator


def _reshape(x: Tensor, shape: Tensor) -> Tensor:
    # 0 keeps the size, -1 is what is left
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(_ints(shape))])


def _divide(x: Tensor, y: Tensor) -> Tensor:
    return torch.div(x, y, rounding_mode=None if x.is_floating_point() else "trunc")


def _resize(x: Tensor, _: Tensor | None, scales: Tensor, *, mode: bytes) -> Tensor:
    """Resample the last of three axes."""
    return functional.interpolate(x, scale_factor=float(scales[2]), mode=mode.decode())


def _squeeze(x: Tensor, axes: Tensor) -> Tensor:
    return x.squeeze(tuple(_ints(axes)))


def _unsqueeze(x: Tensor, axes: Tensor) -> Tensor:
    return reduce(torch.unsqueeze, sorted(_ints(axes)), x)


def _slice(x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor) -> Tensor:
    for start, end, axis in zip(_ints(starts), _ints(ends), _ints(axes), strict=True):
        parts = [slice(None)] * x.ndim
        parts[axis] = slice(start, end)
        x = x[tuple(parts)]
    return x


def _pad(x: Tensor, pads: Tensor, *, mode: bytes = b"constant") -> Tensor:
    """Pad, with zeros unless told; ONNX gives all beginnings, then all ends, first axis first."""
    sizes = _ints(pads)
    pairs = list(zip(sizes[: x.ndim], sizes[x.ndim :], strict=True))
    # torch reflects the last axis only
    pairs = pairs[-1:] if mode == b"reflect" else pairs
    return functional.pad(x, [size for pair in reversed(pairs) for size in pair], mode.decode())


def _shape(x: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    return torch.tensor(x.shape[start:end], dtype=torch.int64)


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    strides: Sequence[int] = (1,),
    pads: Sequence[int] = (),
    group: int = 1,
) -> Tensor:
    if any(pads):
        # clips and channels are never padded; all beginnings come before all ends
        half = len(pads) // 2
        x = _pad(x, torch.tensor([0, 0, *pads[:half], 0, 0, *pads[half:]]))
    convolve = functional.conv1d if x.ndim == 3 else functional.conv2d
    return convolve(x, weight, bias, stride=tuple(strides), groups=group)


def _average_pool(x: Tensor, *, kernel_shape: Sequence[int], strides: Sequence[int] = (1,)) -> Tensor:
    pool = functional.avg_pool1d if x.ndim == 3 else functional.avg_pool2d
    return pool(x, tuple(kernel_shape), stride=tuple(strides))


def _stft(x: Tensor, hop: Tensor, window: Tensor) -> Tensor:
    """Transform samples (clips, samples, 1) to (clips, frames, bins, 2), real and imaginary."""
    frames = x[:, :, 0].unfold(1, len(window), int(hop))
    return torch.view_as_real(torch.fft.rfft(frames * window))


def _ints(value: Tensor) -> list[int]:
    numbers: list[int] = value.flatten().tolist()
    return numbers


OPERATORS: dict[str, Callable[..., Any]] = {
    "Abs": torch.abs,
    "Add": torch.add,
    "AveragePool": _average_pool,
    "Concat": lambda *parts, axis: torch.cat(parts, axis),
    "Conv": _convolution,
    "Div": _divide,
    "Elu": lambda x: functional.elu(x),
    "Exp": torch.exp,
    "Expand": lambda x, shape: x.expand(_ints(shape)),
    "Flatten": lambda x: x.flatten(1),
    "Gather": lambda x, indices, *, axis=0: x.index_select(axis, indices),
    "GlobalAveragePool": lambda x: x.mean(tuple(range(2, x.ndim)), keepdim=True),
    "HardSwish": lambda x: functional.hardswish(x),
    "Identity": lambda x: x,
    "LeakyRelu": lambda x, *, alpha=0.01: functional.leaky_relu(x, alpha),
    "Log": torch.log,
    "MatMul": torch.matmul,
    "Max": lambda *parts: reduce(torch.maximum, parts),
    "Mul": torch.mul,
    "Pad": _pad,
    "ReduceMax": _make_reduction(torch.amax),
    "ReduceMin": _make_reduction(torch.amin),
    "ReduceMean": _make_reduction(torch.mean),
    "ReduceSum": _make_reduction(torch.sum),
    "Relu": torch.relu,
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Sigmoid": torch.sigmoid,
    "Slice": _slice,
    "Softmax": lambda x, *, axis=-1: x.softmax(axis),
    "Squeeze": _squeeze,
    "STFT": _stft,
    "Sub": torch.sub,
    "Tanh": torch.tanh,
    "Transpose": lambda x, *, perm: x.permute(perm),
    "Unsqueeze": _unsqueeze,
}
"""By name; LSTM and RNN are :class:`Recurrence`."""

IGNORED = {"Conv": {"kernel_shape"}}
"""Attributes that say again what the inputs say."""
