"""Writing ONNX graphs: what torch calls a layer becomes one or two plain ONNX operators.

Written by hand, a network of ours is some twenty nodes that any runtime since 2022 executes; a generic
exporter needs half a minute, freezes shapes, and writes hundreds. Torch's layers are only read here, never made: what
holds none of them is written without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

if TYPE_CHECKING:
    from torch import nn

OPSET, IR_VERSION = 17, 8
"""ONNX 1.12 (2022): old enough for every runtime, new enough for STFT and LayerNormalization."""


class Graph:
    """An ONNX graph being written, top to bottom; values are known by name.

    Examples
    --------
    >>> graph = Graph()
    >>> x = graph.input("x", ["batch", 3])
    >>> graph.output(graph("Mul", x, graph.constant(2.0)), "twice", ["batch", 3])
    >>> len(graph.model("doubler").graph.node)
    2
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def __call__(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return that output's name."""
        return self.node(operator, inputs, 1, **attributes)[0]

    def node(self, operator: str, inputs: tuple[str, ...], n_outputs: int, **attributes: Any) -> list[str]:
        """Add a node and return the names of its outputs."""
        outputs = [f"{operator.lower()}_{len(self._nodes)}_{i}" for i in range(n_outputs)]
        self._nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs

    def input(self, name: str, shape: list[str | int]) -> str:
        """Declare a float32 input; a dimension given as text may have any size."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def output(self, value: str, name: str, shape: list[str | int]) -> None:
        """Declare `value` a float32 output under `name`."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, value: Any, dtype: type[np.generic] = np.float32) -> str:
        """Store an array and return its name."""
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def integers(self, *values: int) -> str:
        """Store a list of int64, as shapes and axes are given."""
        return self.constant(values, np.int64)

    def squeeze(self, x: str, axis: int) -> str:
        """Drop an axis of size 1."""
        return self("Squeeze", x, self.integers(axis))

    def unsqueeze(self, x: str, axis: int) -> str:
        """Insert an axis of size 1."""
        return self("Unsqueeze", x, self.integers(axis))

    def linear(self, layer: nn.Linear, x: str) -> str:
        """Write ``x @ W.T + b`` over the last axis."""
        # torch keeps W as (out, in)
        product = self("MatMul", x, self.constant(_array(layer.weight).T))
        return product if layer.bias is None else self("Add", product, self.constant(_array(layer.bias)))

    def recurrence(self, layer: Any, x: str) -> tuple[str, str, str]:
        """Write one torch RNN or LSTM layer over (clips, frames, size).

        Returns the names of all outputs (clips, frames, H), the last output and the last memory (clips, H).
        """
        lstm = layer.mode == "LSTM"
        ways = ["_l0", "_l0_reverse"] if layer.bidirectional else ["_l0"]
        # weights (directions, gates · units, …), biases joined: input, then hidden
        w, r, b = (
            np.stack([_stack_gates([getattr(layer, part + way) for part in parts], lstm) for way in ways])
            for parts in (["weight_ih"], ["weight_hh"], ["bias_ih", "bias_hh"])
        )
        # ONNX wants (frames, clips, size)
        inputs = (self("Transpose", x, perm=[1, 0, 2]), self.constant(w), self.constant(r), self.constant(b))
        settings: dict[str, Any] = {"hidden_size": layer.hidden_size}
        if layer.bidirectional:
            settings["direction"] = "bidirectional"
        outputs = self.node("LSTM" if lstm else "RNN", inputs, 3 if lstm else 2, **settings)
        # ONNX: (frames, directions, clips, units) → (clips, frames, directions · units)
        every = self("Reshape", self("Transpose", outputs[0], perm=[2, 0, 1, 3]), self.integers(0, 0, -1))
        ends = [self("Reshape", self("Transpose", end, perm=[1, 0, 2]), self.integers(0, -1)) for end in outputs[1:]]
        # an RNN has no memory: its last output stands in
        return every, ends[0], ends[-1]

    def flatten(self, x: str, n_frames: int) -> str:
        """Fill clips (clips, frames, bins) with zeros up to so many frames, and lay frames one after another."""
        none, given = self.integers(0), self("Shape", x, start=1, end=2)
        missing = self("Sub", self.integers(n_frames), given)
        # ONNX: the beginnings of all axes, then their ends
        x = self("Pad", x, self("Concat", none, none, none, none, missing, none, axis=0))
        return self("Reshape", x, self.integers(0, -1))

    def include(self, model: bytes, x: str, prefix: str) -> dict[str, str]:
        """Write another model's graph, whose one input becomes `x`; returns the names here of its outputs by theirs.

        `prefix` goes before its names, which may be the same as some here.
        """
        part = compose.add_prefix(onnx.load_from_string(model), prefix).graph
        self._nodes += [helper.make_node("Identity", [x], [part.input[0].name]), *part.node]
        self._weights += part.initializer
        return {value.name.removeprefix(prefix): value.name for value in part.output}

    def model(self, name: str) -> onnx.ModelProto:
        """Finish: check the graph and return it as a model."""
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._weights)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="earmark",
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def _stack_gates(tensors: list[Any], lstm: bool) -> NDArray[np.float32]:
    """Return weights or biases in ONNX's gate order (i, o, f, g) instead of torch's (i, f, g, o)."""
    arrays = [_array(t) for t in tensors]
    if lstm:
        arrays = [
            np.concatenate([a[0:1], a[3:4], a[1:2], a[2:3]]) for a in (x.reshape(4, -1, *x.shape[1:]) for x in arrays)
        ]
        arrays = [a.reshape(-1, *a.shape[2:]) for a in arrays]
    return np.concatenate(arrays)


def _array(tensor: Any) -> NDArray[np.float32]:
    return np.asarray(tensor.detach().cpu().numpy(), np.float32)
