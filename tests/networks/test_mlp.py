"""The paper's network of one hidden layer against its equation in NumPy, and against its ONNX form."""

import numpy as np
import onnxruntime
import pytest
import torch

from earmark.errors import SettingError
from earmark.networks.mlp import MlpNetwork
from earmark.networks.onnx.builder import Graph
from earmark.networks.settings import MlpSettings

ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky-relu": lambda x: np.where(x > 0, x, 0.1 * x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "elu": lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1),
    "none": lambda x: x,
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_perceptron_is_its_equation_in_torch_and_in_onnx(activation, rng):
    torch.manual_seed(3)
    network = MlpNetwork(6, 5, 4, MlpSettings(units=7, activation=activation)).eval()
    x = rng.standard_normal((3, 6, 5)).astype(np.float32)
    w = {name: value.detach().numpy().astype(np.float64) for name, value in network.named_parameters()}

    def equation(clips):
        hidden = ACTIVATIONS[activation](
            clips.reshape(len(clips), -1).astype(np.float64) @ w["hidden.weight"].T + w["hidden.bias"]
        )
        return hidden @ w["output.weight"].T + w["output.bias"]

    logits, attention = network(torch.as_tensor(x))
    np.testing.assert_allclose(logits.detach().numpy(), equation(x), atol=1e-5)
    assert attention is None
    graph = Graph()
    out, _ = network.to_onnx(graph, graph.input("x", ["clips", "frames", 5]))
    graph.output(out, "logits", ["clips", 4])
    session = onnxruntime.InferenceSession(graph.model("mlp").SerializeToString())
    np.testing.assert_allclose(session.run(None, {"x": x})[0], equation(x), atol=1e-5)
    short = np.pad(x[:, :4], [(0, 0), (0, 2), (0, 0)])
    np.testing.assert_allclose(session.run(None, {"x": x[:, :4]})[0], equation(short), atol=1e-5)
    filled = x.copy()
    filled[:, 4:] = np.nan
    np.testing.assert_allclose(network(torch.as_tensor(filled))[0].detach().numpy(), equation(short), atol=1e-5)


def test_a_clip_too_long_for_the_perceptron():
    with pytest.raises(ValueError, match="a clip has 7 frames, but this network reads 6"):
        MlpNetwork(6, 5, 4, MlpSettings())(torch.zeros(1, 7, 5))
    with pytest.raises(SettingError, match="activation is 'gelu': must be one of relu"):
        MlpSettings(activation="gelu")
