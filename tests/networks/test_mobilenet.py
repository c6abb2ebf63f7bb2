"""MobileNet: torch against ONNX, against its layers written slowly in NumPy, and the bundled file as a torch twin."""

import numpy as np
import pytest
import torch

from earmark.inference.encoder import Encoder
from earmark.inference.session import start_session
from earmark.networks.mobilenet import BLOCKS, MobileNet, encoder_graph, load_mobilenet, scale_channels
from earmark.networks.musicnn import Musicnn
from earmark.networks.onnx.differentiable import DifferentiableGraph


@pytest.fixture(scope="module")
def network():
    """Untrained, but with batch norms that have seen something."""
    torch.manual_seed(0)
    network = MobileNet().train()
    for _ in range(3):
        network(torch.randn(4, 96, 128))
    return network.eval()


@pytest.fixture
def mel(rng):
    return rng.standard_normal((2, 70, 128)).astype(np.float32)


def run(graph, x):
    return start_session(graph, "network").run(["embedding", "logits"], {"spectrogram": x})


def test_is_as_large_as_it_says(network):
    assert sum(p.numel() for p in network.parameters()) == 983_599
    assert scale_channels(0.4 * 24) == 16  # not 8, which is below 0.9 of it


def test_torch_and_onnx_say_the_same(network, mel):
    with torch.no_grad():
        ours = network(torch.from_numpy(mel))
    graph = encoder_graph(network, Musicnn([(2, (7, 38))]).eval())
    for mine, theirs in zip(ours, run(graph, mel), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_says_what_its_layers_written_slowly_say(network, mel):
    with torch.no_grad():
        embedding, logits = network(torch.from_numpy(mel[:1]))
    theirs = slow({name: value.double().numpy() for name, value in network.state_dict().items()}, mel[0])
    np.testing.assert_allclose(embedding[0], theirs[0], atol=1e-3)
    np.testing.assert_allclose(logits[0], theirs[1], atol=1e-3)


def test_the_bundled_file_has_the_published_weights(encoders, mel):
    network = load_mobilenet(encoders / "mn04" / "mn04_as.npz")
    with torch.no_grad():
        theirs = network(torch.from_numpy(mel))
    for bundled, published in zip(run(Encoder().graph(), mel), theirs, strict=True):
        np.testing.assert_allclose(bundled, published, atol=1e-3)


def test_the_torch_twin_of_the_bundled_file_says_the_same_and_has_slopes(mel):
    twin = DifferentiableGraph(Encoder().graph(), "encoder")
    x = torch.from_numpy(mel).requires_grad_()
    answers = twin(x)
    for name, theirs in zip(("embedding", "logits"), run(Encoder().graph(), mel), strict=True):
        np.testing.assert_allclose(answers[name].detach(), theirs, atol=1e-4)
    answers["logits"][0, 0].backward()
    # every frame of the first clip counts, none of the second
    assert x.grad[0].abs().sum(dim=1).gt(0).all()
    assert not x.grad[1].any()


def slow(weights, mel):
    """The network in double precision: (frames, bands) → (steps, 384), (527,)."""
    x = convolve(weights, "features.0", mel.T[None].astype(np.float64), 3, 2, swish)
    for i, block in enumerate(BLOCKS, start=1):
        activation = swish if block.swish else relu
        inside, name, k = scale_channels(0.4 * block.inside), f"features.{i}.block.", 0
        y = x
        if inside != len(x):
            y, k = convolve(weights, name + "0", y, 1, 1, activation), 1
        y = convolve(weights, f"{name}{k}", y, block.kernel, block.stride, activation)
        k += 1
        if block.squeezes:
            w = [weights[f"{name}{k}.{part}"] for part in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")]
            gain = 1 / (1 + np.exp(-(w[2] @ relu(w[0] @ y.mean(axis=(1, 2)) + w[1]) + w[3])))
            y, k = y * gain[:, None, None], k + 1
        y = convolve(weights, f"{name}{k}", y, 1, 1, lambda y: y)
        x = x + y if x.shape == y.shape else y
    x = convolve(weights, "features.16", x, 1, 1, swish)
    w = [weights[f"classifier.{part}"] for part in ("2.weight", "2.bias", "5.weight", "5.bias")]
    return x.mean(axis=1).T, w[2] @ swish(w[0] @ x.mean(axis=(1, 2)) + w[1]) + w[3]


def relu(x):
    return np.maximum(x, 0)


def swish(x):
    return x * np.clip(x + 3, 0, 6) / 6


def convolve(weights, name, x, kernel, stride, activation):
    """Convolve (channels, bands, frames), normalise, activate: one tap of the kernel after another."""
    w = weights[f"{name}.0.weight"]
    size = [-(-n // stride) for n in x.shape[1:]]
    x = np.pad(x, [(0, 0), (kernel // 2, kernel // 2), (kernel // 2, kernel // 2)])
    y = np.zeros((len(w), *size))
    for i in range(kernel):
        for j in range(kernel):
            tap = x[:, i : i + stride * (size[0] - 1) + 1 : stride, j : j + stride * (size[1] - 1) + 1 : stride]
            # of one input channel a filter: each channel by itself
            y += tap * w[:, 0, i, j, None, None] if w.shape[1] == 1 else np.tensordot(w[:, :, i, j], tap, 1)
    g, b, m, v = (
        weights[f"{name}.1.{part}"][:, None, None] for part in ("weight", "bias", "running_mean", "running_var")
    )
    return activation(g * (y - m) / np.sqrt(v + 1e-3) + b)
