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
    """The recurrent node of a graph that no other comes before.

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


def find_first_layer(graph: onnx.GraphProto, name: str) -> Layer:
    """Find the first recurrent node of the model of this name; :class:`ModelError` where nothing in it is recurrent."""
    # ONNX sorts nodes: what one reads was written before
    for node in graph.node:
        if node.op_type in ("LSTM", "RNN", "GRU"):
            settings = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            both = settings.get("direction", b"forward") == b"bidirectional"
            return Layer(node.output[0], int(settings["hidden_size"]), 1 + both)
    raise ModelError(f"{name}: no layer of it is recurrent")


class UnitProbe:
    """Reads the hidden units of a model's first recurrent layer.

    Units are numbered through: of a layer that reads both ways first those that read forwards.

    Parameters
    ----------
    model : Model

    Attributes
    ----------
    layer : Layer
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
        self.layer = find_first_layer(graph.graph, model.name)
        self.n_units = self.layer.size * self.layer.directions
        # of shape None: onnxruntime infers it
        graph.graph.output.append(onnx.helper.make_tensor_value_info(self.layer.node, onnx.TensorProto.FLOAT, None))
        self._session = replace(model, graph=graph.SerializeToString()).session()

    def name(self, unit: int) -> str:
        """Return a unit's name, such as "unit 5 backwards"."""
        backwards, number = divmod(self.check_unit(unit), self.layer.size)
        return f"unit {number}" + " backwards" * backwards

    def check_unit(self, unit: int) -> int:
        """Return the unit's number, or raise :class:`SettingError` where there is no such unit."""
        if not 0 <= unit < self.n_units:
            raise SettingError(f"unit {unit}: {self.card.name} has units 0 to {self.n_units - 1}")
        return unit

    def activations(self, spectrogram: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the outputs of all units, −1 to 1, from a spectrogram by the model's front end.

        (clips, frames, bins) → (clips, steps, units). A step is a frame, or of an encoder as many as it joins.
        """
        (h,) = self._session.run([self.layer.node], {"spectrogram": spectrogram})
        # (steps, directions, clips, size) → (clips, steps, directions · size)
        units: NDArray[np.float32] = h.transpose(2, 0, 1, 3).reshape(h.shape[2], len(h), -1)
        return units

    def times(self, n_frames: int, n_steps: int) -> NDArray[np.float64]:
        """Return the middles of the steps made of so many frames, (steps,), seconds from the clip's start."""
        # steps share the frames evenly
        middle = (np.arange(n_steps) + 0.5) * n_frames / n_steps - 0.5
        times: NDArray[np.float64] = np.interp(middle, np.arange(n_frames), self.card.front_end.times(n_frames))
        return times
