"""A model file as a differentiable function: it says what onnxruntime says, and its slopes are true."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from support.models import FRONT_ENDS, planted

from earmark.errors import ModelError
from earmark.inference.aggregate import pool_clips
from earmark.inference.model import list_models, open_model
from earmark.networks.onnx.builder import Graph
from earmark.networks.onnx.differentiable import DifferentiableGraph, DifferentiableModel
from earmark.networks.onnx.front_end import waveform_graph
from earmark.training.export import pipeline_graph
from earmark.training.pipeline import is_network, make_pipeline
from earmark.training.registry import list_recipes, open_recipe

RECIPES = [name for name in list_recipes() if open_recipe(name).kind in ("network", "mlp")]
OTHERS = [f"mlp-60-{activation}" for activation in ("sigmoid", "leaky-relu", "tanh", "elu", "none")] + [
    "attention-additive-2x60", "attention-general-2x60", "bilstm-2x250", "rnn-2x60",
]  # fmt: skip


@pytest.fixture(scope="module", params=list_models())
def model(request):
    return open_model(request.param)


def answers(graph, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(graph)
    (given,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {given.name: x}), strict=True))


def clips_of(model, n=3):
    samples = np.random.default_rng(1).standard_normal((n, model.card.clip_length)).astype(np.float32)
    return samples * np.float32([[0.001], [0.03], [0.3]][:n])


def test_bundled_models_say_the_same(model):
    samples = clips_of(model)
    x = model.card.front_end(samples)
    theirs = answers(model.graph, x)
    ours = DifferentiableModel(model)(torch.from_numpy(x))
    np.testing.assert_allclose(ours.log_probabilities.exp(), theirs["probabilities"], atol=1e-5)
    assert (ours.attention is not None) == model.card.attention
    if model.card.attention:
        np.testing.assert_allclose(ours.attention, theirs["attention"], atol=1e-5)
    heard = DifferentiableModel(model, waveform=True)(torch.from_numpy(samples))
    np.testing.assert_allclose(heard.log_probabilities.exp(), theirs["probabilities"], atol=1e-5)
    calibrated = DifferentiableModel(model).track(ours.log_probabilities.double()).exp()
    temperature = model.card.calibration.track_temperature
    np.testing.assert_allclose(calibrated, pool_clips(ours.log_probabilities.double().numpy(), temperature), atol=1e-12)


def test_slopes_of_bundled_models_are_true(model):
    heard = DifferentiableModel(model).double()
    x = torch.from_numpy(model.card.front_end(clips_of(model, 1))[:, :40]).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: heard(x).log_probabilities, x, fast_mode=True, eps=1e-5, atol=1e-4)


def test_slopes_reach_the_samples():
    heard = DifferentiableModel(open_model("paper-attention-2x60"), waveform=True).double()
    x = (0.1 * torch.randn(1, 3 * 2048, generator=torch.Generator().manual_seed(0)).double()).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: heard(x).log_probabilities, x, fast_mode=True, eps=1e-7, atol=1e-4)


@pytest.mark.parametrize("rms_db", [None, -18.0])
def test_kaldis_mel_bands_are_heard_inside_the_graph_too(rms_db):
    front_end = replace(FRONT_ENDS[2], rms_db=rms_db)
    model = planted(slice(3, 9), front_end, weight=3)
    samples = np.random.default_rng(1).standard_normal((2, 4000)).astype(np.float32) * np.float32(0.1)
    theirs = answers(model.graph, front_end(samples))["probabilities"]
    np.testing.assert_allclose(answers(waveform_graph(model), samples)["probabilities"], theirs, atol=1e-5)
    heard = DifferentiableModel(model, waveform=True).double()
    x = torch.from_numpy(samples).double().requires_grad_()
    np.testing.assert_allclose(heard(x).log_probabilities.exp().detach(), theirs, atol=1e-5)
    assert torch.autograd.gradcheck(lambda x: heard(x).log_probabilities, x, fast_mode=True, eps=1e-7, atol=1e-4)


def untrained(which, bins=64, frames=40):
    """The graph of a recipe's network, whose weights are drawn, behind scalers that have seen noise."""
    torch.manual_seed(0)
    pipeline = make_pipeline(open_recipe(which))
    assert is_network(pipeline)
    noise = np.random.default_rng(0).standard_normal((64, frames, bins)).astype(np.float32) * 10
    scaled = pipeline[:-1].fit_transform(noise)
    classifier = pipeline[-1]
    classifier.n_features_in_, classifier.classes_ = scaled.shape[2], np.arange(4)
    return pipeline, classifier.build(frames).eval()


@pytest.mark.parametrize("which", [*RECIPES, *OTHERS])
def test_every_recipe_says_the_same(which, monkeypatch):
    pipeline, network = untrained(which)
    monkeypatch.setattr(type(pipeline[-1]), "network_", network)
    graph = pipeline_graph(pipeline, "net")
    ours = DifferentiableGraph(graph, "net")
    x = np.random.default_rng(2).standard_normal((2, 40, 64)).astype(np.float32) * 10
    mine = ours(torch.from_numpy(x))
    for name, value in answers(graph, x).items():
        np.testing.assert_allclose(mine[name], value, atol=1e-5)
    np.testing.assert_allclose(mine["log probabilities"].exp(), mine["probabilities"], atol=1e-6)


@pytest.mark.parametrize("which", ["rnn-2x125", "attention-2x60", "mlp-125-relu", "paper-attention-2x60"])
def test_slopes_of_recipes_are_true(which, monkeypatch):
    pipeline, network = untrained(which)
    monkeypatch.setattr(type(pipeline[-1]), "network_", network)
    heard = DifferentiableGraph(pipeline_graph(pipeline, "net"), "net").double()
    x = 10 * torch.randn(2, 36, 64, generator=torch.Generator().manual_seed(0)).double()
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: heard(x)["log probabilities"], x, fast_mode=True, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_shapes_are_cut_padded_and_folded_as_onnx_says(data):
    """Slices, pads, means and convolutions of any size, in one chain."""
    draw = data.draw
    frames, bins = draw(st.integers(6, 12)), draw(st.integers(4, 9))
    g = Graph()
    x = g.input("x", ["clips", "frames", bins])
    start, end = draw(st.integers(-3, 2)), draw(st.sampled_from([-1, 2**31, 40, frames]))
    if start < 0:
        start -= 2
    y = g("Slice", x, g.integers(start), g.integers(end), g.integers(1))
    y = g("Pad", y, g.integers(0, draw(st.integers(0, 3)), draw(st.integers(0, 2)), 0, 2, draw(st.integers(0, 2))))
    turned = g.unsqueeze(g("Transpose", y, perm=[0, 2, 1]), 1)
    weight = np.random.default_rng(0).standard_normal((2, 1, 2, 3))
    strides = [draw(st.integers(1, 2)), 1]
    y = g("Conv", turned, g.constant(weight), strides=strides, kernel_shape=[2, 3])
    pads = draw(st.lists(st.integers(1, 3), min_size=4, max_size=4))
    y = g("Conv", y, g.constant(weight / 8), pads=pads, group=2, kernel_shape=[2, 3])
    y = g("AveragePool", y, kernel_shape=[1, 2])
    axes, keep = draw(st.sampled_from([[1], [2, 3], [-1]])), draw(st.integers(0, 1))
    g.output(g("ReduceMax", y, axes=axes, keepdims=keep), "most", [])
    g.output(g("ReduceSum", y, g.integers(*axes), keepdims=keep), "sum", [])
    model = helper.make_model(
        helper.make_graph(g._nodes, "g", g._inputs, [onnx.ValueInfoProto(name=n) for n in ("most", "sum")], g._weights),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
    ).SerializeToString()  # fmt: skip
    given = np.random.default_rng(1).standard_normal((2, frames, bins)).astype(np.float32)
    mine = DifferentiableGraph(model, "g")(torch.from_numpy(given))
    for name, value in answers(model, given).items():
        np.testing.assert_allclose(mine[name], value, atol=1e-5)


def test_slopes_do_not_vanish_where_the_answer_is_certain():
    g = Graph()
    x = g.input("x", ["n", 3])
    g.output(g("Softmax", g("Mul", x, g.constant(1000.0)), axis=1), "p", ["n", 3])
    x = torch.tensor([[1.0, 0.0, 0.0]], requires_grad=True)
    said = DifferentiableGraph(g.model("g").SerializeToString(), "g")(x)
    assert said["p"].tolist() == [[1.0, 0.0, 0.0]]
    assert said["log p"].tolist() == [[0.0, -1000.0, -1000.0]]
    said["log p"][0, 1].backward()
    assert x.grad.tolist() == [[-1000.0, 1000.0, 0.0]]


@pytest.mark.parametrize(
    ("operator", "attributes", "says"),
    [
        ("Gelu", {}, "no gradients are known for the operator Gelu"),
        ("AveragePool", {"kernel_shape": [2], "ceil_mode": 1}, "the operator AveragePool with ceil_mode"),
        ("MaxPool", {"kernel_shape": [2]}, "no gradients are known for the operator MaxPool"),
        ("Conv", {"dilations": [2]}, "the operator Conv with dilations"),
        ("Conv", {"auto_pad": "SAME_UPPER"}, "the operator Conv with auto_pad"),
        ("LSTM", {"hidden_size": 3}, "the operator LSTM with weights that are no constants"),
    ],
)
def test_operators_of_other_peoples_graphs(operator, attributes, says):
    node = helper.make_node(operator, ["x", "x", "x", "x"], ["y"], **attributes)
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 3]) for name in "xy")
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=[helper.make_opsetid("", 17)])
    with pytest.raises(ModelError, match=says):
        DifferentiableGraph(model.SerializeToString(), "theirs.onnx")


def test_operators_of_another_time():
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    model = helper.make_model(helper.make_graph([], "g", [x], [x]), opset_imports=[helper.make_opsetid("", 9)])
    with pytest.raises(ModelError, match="operators of ONNX 9: need ONNX opset 13 to 17"):
        DifferentiableGraph(model.SerializeToString(), "old.onnx")
