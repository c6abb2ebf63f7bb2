"""Activations of the hidden units of a network, read out of a model file.

Only the file is needed: its first recurrent layer is made an output of the graph, and onnxruntime does the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from earmark.errors import ModelError, SettingError
from earmark.inference.model import Model


@dataclass(frozen=True)
class Layer:
    """A recurrent node of a graph that no other comes before; a committee has one for each member.

    Attributes
    ----------
    node : str
        Name of its first output.
    size : int
        Units in one direction.
    directions : int
        1, or 2 where it reads both ways.
    """

    node: str
    size: int
    directions: int


def find_first_layers(graph: onnx.GraphProto) -> list[Layer]:
    """Find the recurrent nodes nearest to the input, in the graph's order; none where nothing in it is recurrent."""
    # values that depend on a recurrent node
    behind: set[str] = set()
    found = []
    # ONNX sorts nodes: what one reads was written before
    for node in graph.node:
        recurrent = node.op_type in ("LSTM", "RNN", "GRU")
        if recurrent and node.input[0] not in behind:
            settings = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            both = settings.get("direction", b"forward") == b"bidirectional"
            found.append(Layer(node.output[0], int(settings["hidden_size"]), 1 + both))
        if recurrent or behind.intersection(node.input):
            behind.update(node.output)
    return found


class UnitProbe:
    """Reads the hidden units of a model's first recurrent layer.

    Units are numbered through: of a committee member by member; of a layer that reads both ways first those that read
    forwards.

    Parameters
    ----------
    model : Model

    Attributes
    ----------
    layers : list of Layer
    n_units : int

    Raises
    ------
    ModelError
        If nothing in the model is recurrent.

    Examples
    --------
    >>> from earmark.inference.model import open_model
    >>> probe = UnitProbe(open_model("paper-attention-2x60"))
    >>> probe.n_units, probe.name(3)
    (60, 'unit 3')
    >>> probe.activations(np.zeros((2, 64, 128), np.float32)).shape
    (2, 64, 60)
    """

    def __init__(self, model: Model) -> None:
        graph = onnx.load_from_string(model.graph)
        self.card = model.card
        self.layers = find_first_layers(graph.graph)
        if not self.layers:
            raise ModelError(f"{model.name}: no layer of it is recurrent")
        self.n_units = sum(layer.size * layer.directions for layer in self.layers)
        self._names = [layer.node for layer in self.layers]
        self._labels = [
            (f"member {member}, " if len(self.layers) > 1 else "") + f"unit {unit}{way}"
            for member, layer in enumerate(self.layers, 1)
            for way in ("", " backwards")[: layer.directions]
            for unit in range(layer.size)
        ]
        # of shape None: onnxruntime infers it
        graph.graph.output.extend(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in self._names
        )
        self._session = replace(model, graph=graph.SerializeToString()).session()

    def name(self, unit: int) -> str:
        """Return a unit's name, such as "member 2, unit 5 backwards"."""
        return self._labels[self.check_unit(unit)]

    def check_unit(self, unit: int) -> int:
        """Return the unit's number, or raise :class:`SettingError` where there is no such unit."""
        if not 0 <= unit < self.n_units:
            raise SettingError(f"unit {unit}: {self.card.name} has units 0 to {self.n_units - 1}")
        return unit

    def activations(self, spectrogram: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the outputs of all units, −1 to 1, from a spectrogram by the model's front end.

        (clips, frames, bins) → (clips, steps, units). A step is a frame, or a window of frames where the
        network reads such.
        """
        every = self._session.run(self._names, {"spectrogram": spectrogram})
        # each (steps, directions, clips, size) → (clips, steps, directions · size)
        return np.concatenate([h.transpose(2, 0, 1, 3).reshape(h.shape[2], len(h), -1) for h in every], axis=2)

    def times(self, n_frames: int, n_steps: int) -> NDArray[np.float64]:
        """Return the middles of the steps made of so many frames, (steps,), seconds from the clip's start."""
        # frames that one step reads
        window = self.card.min_frames
        # n_steps = 1 + (n_frames - window) // hop, solved for hop
        hop = (n_frames - window) // (n_steps - 1) if n_steps > 1 else 1
        middle = np.arange(n_steps) * hop + (window - 1) / 2
        times: NDArray[np.float64] = np.interp(middle, np.arange(n_frames), self.card.front_end.times(n_frames))
        return times
