"""The networks against the paper's equations (Section 3.2) written out in NumPy, and against their ONNX form."""

import numpy as np
import onnxruntime
import pytest
import torch

from earmark.networks.onnx.builder import Graph
from earmark.networks.recurrent import RecurrentNetwork
from earmark.networks.settings import NetworkSettings

BINS, CLASSES, UNITS = 7, 4, 6
NETWORKS = [
    {"cell": "rnn"},
    {"cell": "rnn", "layers": 2, "attention": "general"},
    {"cell": "lstm", "layers": 2},
    {"cell": "lstm", "attention": "dot"},
    {"cell": "lstm", "attention": "scaled-dot", "layers": 2},
    {"cell": "lstm", "attention": "general", "bidirectional": True},
    {"cell": "lstm", "attention": "additive", "layers": 2, "bidirectional": True},
    {"attention": "learned"},
]


def network(**settings):
    torch.manual_seed(5)
    made = RecurrentNetwork(BINS, CLASSES, NetworkSettings(units=UNITS, **settings)).eval()
    for weight in made.parameters():  # biases too: no term may go untested
        torch.nn.init.normal_(weight, std=0.5)
    return made


def numbers(module):
    return {name: value.detach().numpy().astype(np.float64) for name, value in module.named_parameters()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def rnn_layer(w, i, x):
    h, outputs = np.zeros(UNITS), []
    for x_t in x:
        h = np.tanh(
            w[f"recurrences.{i}.weight_hh_l0"] @ h
            + w[f"recurrences.{i}.weight_ih_l0"] @ x_t
            + w[f"recurrences.{i}.bias_hh_l0"]
            + w[f"recurrences.{i}.bias_ih_l0"]
        )
        outputs.append(h)
    return np.array(outputs)


def lstm_layer(w, layer, x):
    h, c, outputs = np.zeros(UNITS), np.zeros(UNITS), []
    for x_t in x:
        gates = (
            w[f"recurrences.{layer}.weight_ih_l0"] @ x_t
            + w[f"recurrences.{layer}.weight_hh_l0"] @ h
            + w[f"recurrences.{layer}.bias_ih_l0"]
            + w[f"recurrences.{layer}.bias_hh_l0"]
        )
        i, f, g, o = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs), c


@pytest.mark.parametrize("layers", [1, 2])
def test_vanilla_rnn_is_section_3_2_1(layers, rng):
    made = network(cell="rnn", layers=layers)
    w, x = numbers(made), rng.standard_normal((9, BINS))
    h = x @ w["embedding.weight"].T  # h_t^1 = W x_t
    for i in range(layers):
        h = rnn_layer(w, i, h)
    y = w["output.weight"] @ h[-1] + w["output.bias"]
    logits, attention = made(torch.tensor(x[None], dtype=torch.float32))
    np.testing.assert_allclose(logits[0].detach().numpy(), y, atol=1e-5)
    assert attention is None


@pytest.mark.parametrize("layers", [1, 2])
def test_vanilla_lstm_is_section_3_2_2(layers, rng):
    made = network(layers=layers)
    w, h = numbers(made), rng.standard_normal((9, BINS))
    x = torch.tensor(h[None], dtype=torch.float32)
    for i in range(layers):
        h, _ = lstm_layer(w, i, h)
    y = w["output.weight"] @ h[-1] + w["output.bias"]
    np.testing.assert_allclose(made(x)[0][0].detach().numpy(), y, atol=1e-5)


@pytest.mark.parametrize("scorer", ["dot", "scaled-dot", "general", "additive"])
def test_attention_is_section_3_2_3(scorer, rng):
    made = network(attention=scorer)
    w, x = numbers(made), rng.standard_normal((9, BINS))
    h, memory = lstm_layer(w, 0, x)
    query = {
        "dot": memory,
        "scaled-dot": memory,
        "general": w.get("attention.query.weight", np.zeros((UNITS, UNITS))) @ h[-1] + w.get("attention.query.bias", 0),
        "additive": h[-1],
    }[scorer]
    if scorer == "additive":
        asked = w["attention.query.weight"] @ query + w["attention.query.bias"]
        scores = np.array([w["attention.score.weight"][0] @ np.tanh(asked + w["attention.key.weight"] @ t) for t in h])
    else:
        scores = h @ query / (np.sqrt(UNITS) if scorer == "scaled-dot" else 1)
    alpha = softmax(scores)
    context = (alpha[:, None] * h).sum(axis=0)
    state = np.tanh(w["attention.combine.weight"] @ np.concatenate([context, query]) + w["attention.combine.bias"])
    y = w["output.weight"] @ state + w["output.bias"]
    logits, weights = made(torch.tensor(x[None], dtype=torch.float32))
    np.testing.assert_allclose(logits[0].detach().numpy(), y, atol=1e-5)
    np.testing.assert_allclose(weights[0].detach().numpy(), alpha, atol=1e-5)


def test_a_learned_query_is_not_joined_to_the_context(rng):
    made = network(attention="learned")
    w, x = numbers(made), rng.standard_normal((9, BINS))
    h, _ = lstm_layer(w, 0, x)
    keys = [np.tanh(w["attention.key.weight"] @ t + w["attention.key.bias"]) for t in h]
    alpha = softmax(np.array([w["attention.score.weight"][0] @ key for key in keys]))
    context = (alpha[:, None] * h).sum(axis=0)
    state = np.tanh(w["attention.combine.weight"] @ context + w["attention.combine.bias"])
    logits, weights = made(torch.tensor(x[None], dtype=torch.float32))
    np.testing.assert_allclose(logits[0].detach(), w["output.weight"] @ state + w["output.bias"], atol=1e-5)
    np.testing.assert_allclose(weights[0].detach(), alpha, atol=1e-5)


@pytest.mark.parametrize("settings", NETWORKS, ids=str)
def test_filling_changes_no_answer_and_gets_no_attention(settings, rng):
    made = network(**settings)
    clips = [rng.standard_normal((n, BINS)).astype(np.float32) for n in (9, 1, 5, 9)]
    batch = np.full((4, 12, BINS), np.nan, np.float32)
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip
    logits, weights = made(torch.from_numpy(batch))
    for i, clip in enumerate(clips):
        alone, own = made(torch.from_numpy(clip[None]))
        torch.testing.assert_close(logits[i], alone[0], atol=1e-5, rtol=0)
        if weights is not None:
            torch.testing.assert_close(weights[i, : len(clip)], own[0], atol=1e-5, rtol=0)
            assert (weights[i, len(clip) :] == 0).all()
    if weights is not None:
        torch.testing.assert_close(weights.sum(1), torch.ones(4))


@pytest.mark.parametrize("settings", NETWORKS, ids=str)
def test_onnx_says_the_same(settings, rng):
    made = network(**settings)
    graph = Graph()
    logits, attention = made.to_onnx(graph, graph.input("x", ["clips", "frames", BINS]))
    graph.output(logits, "logits", ["clips", CLASSES])
    if attention:
        graph.output(attention, "attention", ["clips", "frames"])
    session = onnxruntime.InferenceSession(graph.model("net").SerializeToString())
    for shape in [(1, 1, BINS), (3, 9, BINS), (2, 40, BINS)]:
        x = rng.standard_normal(shape).astype(np.float32)
        theirs = session.run(None, {"x": x})
        ours = [value.detach().numpy() for value in made(torch.from_numpy(x)) if value is not None]
        assert len(theirs) == len(ours)
        for a, b in zip(theirs, ours, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_initial_weights_are_the_authors():
    made = RecurrentNetwork(BINS, CLASSES, NetworkSettings(units=200, attention="dot"))
    w = numbers(made)
    bias = w["recurrences.0.bias_ih_l0"] + w["recurrences.0.bias_hh_l0"]
    np.testing.assert_allclose(bias, np.repeat([0.1, 1.0, 0.1, 0.1], 200))
    assert np.abs(w["attention.combine.weight"]).max() <= 0.2
    assert 0.08 < w["attention.combine.weight"].std() < 0.1  # 0.1, cut at two deviations: 0.088


def test_dropout_acts_in_training_only(rng):
    made = RecurrentNetwork(BINS, CLASSES, NetworkSettings(units=50, dropout=0.5))
    x = torch.tensor(rng.standard_normal((1, 5, BINS)), dtype=torch.float32)
    assert not torch.equal(made.train()(x)[0], made(x)[0])
    assert torch.equal(made.eval()(x)[0], made(x)[0])
