"""Out of distribution: full confidence in what was learned from, less the further away, and the same in ONNX."""

import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.covariance import ledoit_wolf

from earmark.networks.ensemble import Ensemble
from earmark.networks.onnx.builder import Graph
from earmark.networks.out_of_distribution import MahalanobisTemperature
from earmark.networks.settings import NetworkSettings


@pytest.fixture
def music():
    """Mean features of clips that lie in a flat, tilted cloud."""
    torch.manual_seed(0)
    axes = torch.linalg.qr(torch.randn(40, 40))[0]
    return torch.randn(1500, 40) * torch.logspace(1, -1, 40) @ axes.T + 3


def fitted(means, steepness=2.0):
    temperature = MahalanobisTemperature(means.shape[1], steepness)
    temperature.fit(means)
    return temperature


def test_most_of_what_was_learned_from_keeps_its_confidence(music):
    divisor = fitted(music)(music[:, None])
    assert divisor.shape == (1500, 1)
    assert 0.85 <= (divisor == 1).float().mean() <= 0.9


def test_distance_is_mahalanobis(music):
    """Against a literal rewrite."""
    temperature = fitted(music)
    x = music[:50] + 5 * torch.randn(50, 40)
    z = ((music - music.mean(0)) / music.std(0, correction=0)).numpy()
    variance, axes = np.linalg.eigh(ledoit_wolf(z)[0])
    order = np.argsort(-variance)
    far = []
    for count in (16, 40):
        chosen = order[:count]
        distance = lambda a: np.sqrt((((a @ axes[:, chosen]) ** 2) / variance[chosen]).mean(1))  # noqa: B023, E731
        far.append(distance(((x - music.mean(0)) / music.std(0, correction=0)).numpy()) / np.quantile(distance(z), 0.9))
    np.testing.assert_allclose(temperature(x[:, None])[:, 0], np.maximum(np.max(far, axis=0), 1) ** 2, rtol=1e-2)


def test_a_small_direction_counts_as_much_as_a_large_one():
    """A step that is nothing along the cloud is far across it."""
    torch.manual_seed(0)
    axes = torch.linalg.qr(torch.randn(40, 40))[0]
    temperature = fitted(torch.randn(3000, 40) * torch.logspace(0.5, -0.5, 40) @ axes.T, 1.0)
    along, across = (8 * axes[:, i][None, None] for i in (0, 39))
    assert temperature(along) == 1
    assert temperature(across) > 3


def test_few_clips_are_no_ground_for_certainty_of_difference():
    """Thirty clips of a thousand features: another thirty like them must not be worlds away."""
    torch.manual_seed(0)
    mixing = torch.randn(20, 1000)
    one, other = (torch.randn(30, 20) @ mixing + torch.randn(30, 1000) for _ in range(2))
    assert fitted(one, 1.0)(other[:, None]).median() < 2


def test_an_ensemble_is_less_sure_evenly_and_in_onnx(rng):
    torch.manual_seed(0)
    made = Ensemble(64, 3, NetworkSettings(units=4, texture_window=8, projection=5, members=2, doubt=4.0))
    x = torch.from_numpy(rng.standard_normal((300, 20, 64)).astype(np.float32))
    made.fit_input_statistics(x)
    made.eval()
    for member in made.members:
        member.output.weight.data *= 50  # as sure as after training
    strange = 20 * x[:4]
    sure, unsure = made(x[:4])[0].softmax(1), made(strange)[0].softmax(1)
    steep, made.temperature = made.temperature, None
    assert torch.equal(made(strange)[0].argmax(1), unsure.argmax(1))  # what is named stays
    assert (made(strange)[0].softmax(1).amax(1) > unsure.amax(1)).all()
    made.temperature = steep
    assert unsure.amax() < 0.5 < sure.amax()

    graph = Graph()
    logits, _ = made.to_onnx(graph, graph.input("x", ["clips", "frames", 64]))
    graph.output(logits, "logits", ["clips", 3])
    session = onnxruntime.InferenceSession(graph.model("net").SerializeToString())
    for clips in (x[:4], strange):
        np.testing.assert_allclose(
            session.run(None, {"x": clips.numpy()})[0], made(clips)[0].detach(), atol=1e-4, rtol=1e-3
        )
    assert made.train()(strange)[0].shape == (4, 3, 2)
