"""Weights to sound: the input weights of a network's units, read as spectra (Section 6 of the paper).

A unit of the first recurrent layer adds up its inputs, each times a weight. Where those inputs are the scaled bins of
a frame, its weights are a spectrum: how much each bin, made louder, drives the unit. They are signed, so they are added
to the training music's mean spectrum, some standard deviations in the direction that drives the unit fastest. The sound
is a steady noise of that colour.

A network on an encoder has no such weights: between spectrum and unit lie convolutions.
:mod:`earmark.auralization.peak_activations` is for those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from earmark.audio.griffin_lim import invert
from earmark.audio.spectrogram import FrontEnd, LogMel, Samples
from earmark.auralization.units import find_first_layer
from earmark.errors import ModelError, SettingError
from earmark.inference.model import Model

Gate = Literal["input", "output", "forget", "cell"]
GATES = ("input", "output", "forget", "cell")
"""In ONNX's order. "cell" is the candidate: what would be remembered."""

_BIN_PRESERVING = frozenset({"Identity", "Max", "Reshape", "Transpose"})
"""Operators that leave a bin a bin: flooring, turning axes."""


@dataclass(frozen=True)
class InputWeights:
    """The units of a first recurrent layer as spectra.

    Attributes
    ----------
    front_end : LogMel or StftDensity
    weights : ndarray, shape (units, bins)
        Drive per standard deviation of each bin.
    mean, deviation : ndarray, shape (bins,)
        Of the training frames, as the network's scaler knows them, in the front end's unit (of dB, up to an offset).
    """

    front_end: FrontEnd
    weights: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def spectrum(self, unit: int, strength: float = 1.0) -> NDArray[np.float64]:
        """Return the mean spectrum, moved towards what drives a unit.

        Parameters
        ----------
        unit : int
        strength : float
            Standard deviations, root mean square over the bins; negative for what silences the unit.

        Returns
        -------
        ndarray, shape (bins,)
            As the front end gives it; in dB the highest bin is 20.

        Raises
        ------
        SettingError
            If there is no such unit.
        """
        if not 0 <= unit < len(self.weights):
            raise SettingError(f"unit {unit}: there are units 0 to {len(self.weights) - 1}")
        weights = self.weights[unit]
        # root mean square of the weights: strength is in standard deviations, whatever their scale
        size = np.sqrt(np.mean(weights**2))
        # mean + strength · σ · w / rms(w), (bins,)
        spectrum: NDArray[np.float64] = self.mean + strength * self.deviation * weights / max(size, 1e-30)
        if isinstance(self.front_end, LogMel) or self.front_end.log:
            spectrum += 20 - spectrum.max()
            return spectrum
        return np.clip(spectrum, 0, None)

    def synthesize(self, unit: int, *, strength: float = 1.0, seconds: float = 5.0, seed: int = 0) -> Samples:
        """Turn a unit's spectrum into noise of that colour, at the front end's rate.

        `strength` is that of :meth:`spectrum`, `seed` of the noise. The sound is as loud as it happens to be (see
        :func:`earmark.audio.loudness.master`).
        """
        if not seconds > 0:
            raise SettingError(f"seconds is {seconds}: must be greater than 0")
        length = round(seconds * self.front_end.sample_rate)
        # the same spectrum in every frame, (frames, bins)
        frames = np.tile(self.spectrum(unit, strength), (max(1, self.front_end.n_frames(length)), 1))
        return invert(frames, self.front_end, length=length, seed=seed)


def input_weights(model: Model, gate: Gate = "cell") -> InputWeights:
    """Read the input weights of the first recurrent layer of a model file.

    Parameters
    ----------
    model : Model
    gate : {"input", "output", "forget", "cell"}
        Of an LSTM; a plain recurrent layer has only one kind.

    Raises
    ------
    ModelError
        If the layer does not read the bins of frames.
    SettingError
        If there is no such gate.

    Examples
    --------
    >>> from earmark.inference.model import open_model
    >>> input_weights(open_model("paper-lstm-2x250")).weights.shape
    (250, 128)
    """
    if gate not in GATES:
        raise SettingError(f"gate is {gate!r}: must be one of {', '.join(GATES)}")
    graph = onnx.load_from_string(model.graph).graph
    layer = find_first_layer(graph, model.name)
    constants = {weight.name: numpy_helper.to_array(weight).astype(np.float64) for weight in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    node = makers[layer.node]
    part = GATES.index(gate) if node.op_type == "LSTM" else 0
    size = layer.size
    # W of ONNX: (directions, gates * size, inputs) → one gate of all directions, (units, inputs)
    weights = constants[node.input[1]][:, part * size : (part + 1) * size]
    weights = weights.reshape(-1, weights.shape[2])
    weights, mean, deviation = _trace_to_input(model, node.input[0], weights, constants, makers)
    bins = model.card.n_bins
    return InputWeights(
        model.card.front_end, weights, np.broadcast_to(mean.ravel(), bins), np.broadcast_to(deviation.ravel(), bins)
    )


def _trace_to_input(
    model: Model,
    value: str,
    weights: NDArray[np.float64],
    constants: dict[str, NDArray[np.float64]],
    makers: dict[str, onnx.NodeProto],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Follow the layer's input back to the spectrogram: weights per standard deviation, mean, deviation.

    A linear embedding before the layer is multiplied into the weights; biases change no direction.
    """
    mean, deviation = np.zeros(1), np.ones(1)
    while value != "spectrogram":
        node = makers[value]
        constant = next((constants[name] for name in node.input[1:] if name in constants), None)
        # y = x W: weights on y are weights W^T on x
        if node.op_type == "MatMul" and constant is not None:
            weights = weights @ constant.T
        elif node.op_type == "Div" and constant is not None:
            # the network's scaler is (x - mean) / deviation; from behind, the division comes first
            deviation = constant
        elif node.op_type == "Sub":
            # without a constant it is the clip's own mean that is subtracted, an offset
            mean = mean if constant is None else constant
        elif node.op_type not in _BIN_PRESERVING and not (node.op_type == "Add" and constant is not None):
            raise ModelError(
                f"{model.name}: its recurrent layer reads no frames, so its weights are no spectra (between them lies "
                f"{node.op_type}): listen to what excites its units instead"
            )
        value = node.input[0]
    return weights, mean, deviation
