"""Musicnn: torch against ONNX for clips of any length, and its filters against sums written out."""

import numpy as np
import pytest
import torch

from earmark.inference.encoder import Encoder
from earmark.inference.session import start_session
from earmark.networks.musicnn import N_TAGS, Filter, Musicnn
from earmark.networks.onnx.builder import Graph
from earmark.networks.onnx.differentiable import DifferentiableGraph


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Musicnn([(2, (7, 38)), (3, (32, 1))]).eval()


@pytest.mark.parametrize("frames", [2, 5, 199, 200, 201, 1000])
def test_torch_and_onnx_say_the_same(network, frames, rng):
    mel = rng.standard_normal((2, frames, 128)).astype(np.float32)
    graph = Graph()
    graph.output(
        network.to_onnx(graph, graph.input("spectrogram", ["clips", "frames", 128])), "tags", ["clips", N_TAGS]
    )
    (theirs,) = start_session(graph.model("tags").SerializeToString(), "tags").run(None, {"spectrogram": mel})
    with torch.no_grad():
        np.testing.assert_allclose(network(torch.from_numpy(mel)), theirs, rtol=1e-4, atol=1e-4)


def test_hears_two_seconds_in_the_middle(network, rng):
    mel = torch.from_numpy(rng.standard_normal((1, 1000, 128)).astype(np.float32))
    changed = mel.clone()
    changed[:, :400] = changed[:, 600:] = 0
    with torch.no_grad():
        assert torch.equal(network(mel), network(changed))
        changed[:, 500] += 1
        assert not torch.allclose(network(mel), network(changed))


def test_a_filter_is_a_sum_over_its_frames_and_bands(rng):
    layer = Filter(1, 1, (4, 3), hop=2)
    with torch.no_grad():
        layer.gain.fill_(-2.0)
        layer.offset.fill_(0.5)
        x = rng.standard_normal((6, 9)).astype(np.float32)
        ours = layer(torch.from_numpy(x[None, None]))[0, 0].numpy()
    weight, bias = (part.detach().numpy().squeeze() for part in (layer.convolution.weight, layer.convolution.bias))
    padded = np.pad(x, ((1, 2), (0, 0)))  # one less before, as the kernel is even
    sums = [[np.sum(padded[t : t + 4, b : b + 3] * weight) + bias for b in range(0, 7, 2)] for t in range(6)]
    np.testing.assert_allclose(ours, -2 * np.maximum(sums, 0) + 0.5, rtol=1e-5)


def test_a_clips_features_are_its_embeddings_with_the_tags_beside(rng):
    mel = rng.standard_normal((2, 300, 128)).astype(np.float32)
    session = start_session(Encoder().graph(), "encoder")
    embedding, features = session.run(["embedding", "features"], {"spectrogram": mel})
    np.testing.assert_array_equal(features[..., :384], embedding)
    assert features.shape[2] == 384 + N_TAGS
    assert (features[:, :, 384:] == features[:, :1, 384:]).all()
    twin = DifferentiableGraph(Encoder().graph(), "encoder")
    np.testing.assert_allclose(twin(torch.from_numpy(mel))["features"].detach(), features, rtol=1e-3, atol=1e-3)
