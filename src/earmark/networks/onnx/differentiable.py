"""A model file as a differentiable function: which change of its input would change its answer, and how.

Only the file is needed, not what trained it: its graph is read node by node and each operator answered by torch. So
gradients flow from any answer to the spectrogram, and with the front end inside the graph, to the samples.

Examples
--------
>>> from earmark.inference.model import open_model
>>> model = DifferentiableModel(open_model("paper-attention-2x60"))
>>> clip = torch.zeros(1, 64, 128, requires_grad=True)
>>> model(clip).log_probabilities[0, 5].backward()
>>> clip.grad.shape
torch.Size([1, 64, 128])
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from earmark.errors import ModelError
from earmark.inference.model import Model
from earmark.networks.onnx.operators import IGNORED, OPERATORS, Recurrence

_DOMAINS = ("", "ai.onnx")
_OPSETS = range(13, 18)
"""In which the operators mean what :mod:`earmark.networks.onnx.operators` says."""


class Answer(NamedTuple):
    """What a model says of a batch of clips.

    Attributes
    ----------
    log_probabilities : Tensor, shape (clips, labels)
        Not calibrated; their slope does not vanish where a probability is next to 0 or 1 in 32 bits.
    attention : Tensor of shape (clips, steps), or None
    styles, moods, sound : Tensor of shape (clips, names), or None
        Probabilities, as of :class:`earmark.inference.aggregate.FramePrediction`.
    """

    log_probabilities: Tensor
    attention: Tensor | None
    styles: Tensor | None
    moods: Tensor | None
    sound: Tensor | None

    @property
    def log_music(self) -> Tensor:
        """Logarithms of the probabilities that it is music, and of the genre, (clips, labels)."""
        if self.sound is None:
            return self.log_probabilities
        return self.log_probabilities + self.sound[:, :1].clamp(min=1e-30).log()


class DifferentiableModel(nn.Module):
    """A model through which gradients flow to its input; its weights are constants.

    Parameters
    ----------
    model : Model
        Whatever :func:`earmark.inference.model.open_model` opens.
    waveform : bool
        Put the front end inside: the input is samples instead of a spectrogram.

    Raises
    ------
    ModelError
        If the graph holds an operator, or an attribute of one, that no graph of ours holds.
    """

    def __init__(self, model: Model, *, waveform: bool = False) -> None:
        super().__init__()
        graph = model.graph
        if waveform:
            from earmark.networks.onnx.front_end import waveform_graph

            graph = waveform_graph(model)
        self.card = model.card
        self._graph = DifferentiableGraph(graph, model.name)

    def forward(self, x: Tensor) -> Answer:
        """Classify clips of one length, (clips, frames, bins), or (clips, samples) with the front end inside."""
        values = self._graph(x)
        logarithm = values.get("log probabilities")
        if logarithm is None:
            logarithm = values["probabilities"].clamp(min=torch.finfo(x.dtype).tiny).log()
        return Answer(logarithm, *(values.get(name) for name in Answer._fields[1:]))

    def track(self, log_probabilities: Tensor) -> Tensor:
        """Pool a track's clips as :mod:`earmark.inference.aggregate` does.

        Log-probabilities (..., clips, labels) → calibrated ones (..., labels).
        """
        scores = log_probabilities.mean(-2) / self.card.calibration.track_temperature
        return scores if self.card.multilabel else scores.log_softmax(-1)


class DifferentiableGraph(nn.Module):
    """An ONNX graph with one input, as a torch module that gives every output by name.

    Where an output is a softmax, its logarithm is given too, as ``log`` and the name: taken of the logits, so
    that nothing is lost to rounding.

    Parameters
    ----------
    graph : bytes
        A serialised ONNX model.
    name : str
        For errors.
    """

    def __init__(self, graph: bytes, name: str) -> None:
        super().__init__()
        model = onnx.load_from_string(graph)
        self._name = name
        for opset in model.opset_import:
            if opset.domain not in _DOMAINS or opset.version not in _OPSETS:
                raise ModelError(
                    f"{name}: operators of {opset.domain or 'ONNX'} {opset.version}: need ONNX opset "
                    f"{_OPSETS[0]} to {_OPSETS[-1]} to find gradients"
                )
        self._input = model.graph.input[0].name
        self._outputs = [value.name for value in model.graph.output]
        self._constants: dict[str, str] = {}  # name in the graph → of the buffer
        self._integers: dict[str, Tensor] = {}  # shapes and axes, which stay where they are
        for i, weight in enumerate(model.graph.initializer):
            self._store(weight.name, torch.from_numpy(numpy_helper.to_array(weight).copy()), i)
        self._steps = [self._make_step(node) for node in model.graph.node]
        self._logits = {name: of for name in self._outputs if (of := _find_logits(model.graph.node, name))}

    def _store(self, name: str, value: Tensor, i: int) -> None:
        if value.is_floating_point():
            self._constants[name] = f"w{i}"
            self.register_buffer(f"w{i}", value)
        else:
            self._integers[name] = value

    def _make_step(self, node: onnx.NodeProto) -> tuple[Callable[..., Any], list[str], list[str], dict[str, Any]]:
        """Return what a node does, its inputs, its outputs and its attributes."""
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        # they only repeat what the inputs say
        for known in IGNORED.get(node.op_type, ()):
            attributes.pop(known, None)
        inputs, outputs = list(node.input), list(node.output)
        if node.op_type in ("LSTM", "RNN"):
            return self._make_recurrence(node, attributes), inputs[:1], outputs, {}
        if node.op_type not in OPERATORS:
            raise ModelError(f"{self._name}: no gradients are known for the operator {node.op_type}")
        function = OPERATORS[node.op_type]
        unknown = set(attributes) - _keywords(function)
        if unknown or "" in inputs:
            what = ", ".join(sorted(unknown)) or "an input left out"
            raise ModelError(f"{self._name}: no gradients are known for the operator {node.op_type} with {what}")
        return function, inputs, outputs, attributes

    def _make_recurrence(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> Recurrence:
        weights = [getattr(self, self._constants[name]) for name in node.input[1:4] if name in self._constants]
        try:
            if len(weights) != 3 or any(node.input[4:]):
                raise ValueError("weights that are no constants, or states to begin with")
            layer = Recurrence(node.op_type == "LSTM", *weights, **attributes)
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"{self._name}: no gradients are known for the operator {node.op_type} with {error}"
            ) from error
        self.add_module(f"recurrence{len(self._modules)}", layer)
        return layer

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Run the graph on its one input; returns its outputs by name."""
        values = {self._input: x, **self._integers}
        values.update({name: getattr(self, buffer) for name, buffer in self._constants.items()})
        for function, inputs, outputs, attributes in self._steps:
            result = function(*(values[name] for name in inputs), **attributes)
            values.update(zip(outputs, result if isinstance(result, tuple) else (result,), strict=False))
        answers = {name: values[name] for name in self._outputs}
        answers.update({f"log {name}": values[of].log_softmax(axis) for name, (of, axis) in self._logits.items()})
        return answers


def _find_logits(nodes: Any, name: str) -> tuple[str, int] | None:
    """Return the name of the logits and their axis, where an output is a softmax of something."""
    makers = {output: node for node in nodes for output in node.output}
    node = makers.get(name)
    # outputs are renamed by Identity nodes
    while node is not None and node.op_type == "Identity":
        node = makers.get(node.input[0])
    if node is None or node.op_type != "Softmax":
        return None
    return node.input[0], next((a.i for a in node.attribute if a.name == "axis"), -1)


def _keywords(function: Callable[..., Any]) -> set[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # torch's own functions, which here have no attributes
        return set()
    return {p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
