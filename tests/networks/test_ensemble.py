"""An ensemble answers as its members do on average, and teaches each by its own mistakes."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn.functional import cross_entropy

from earmark.networks.ensemble import Ensemble
from earmark.networks.onnx.builder import Graph
from earmark.networks.settings import NetworkSettings
from earmark.training.network_classifier import NetworkClassifier
from earmark.training.settings import AugmentationSettings, TrainingSettings

BINS, CLASSES = 64, 3


def ensemble(members=3, **settings):
    torch.manual_seed(1)
    return Ensemble(BINS, CLASSES, NetworkSettings(units=5, members=members, **settings))


@pytest.mark.parametrize(
    "settings",
    [{}, {"attention": "dot"}, {"attention": "learned", "texture_window": 8, "projection": 6, "skip": True}],
    ids=str,
)
def test_the_answer_is_the_geometric_mean_of_its_members(settings, rng):
    made = ensemble(**settings)
    x = torch.from_numpy(rng.standard_normal((4, 20, BINS)).astype(np.float32))
    made.fit_input_statistics(x)
    made.eval()
    logits, attention = made(x)
    alone = [member(x) for member in made.members]
    product = torch.stack([own.softmax(1) for own, _ in alone]).prod(0) ** (1 / 3)
    torch.testing.assert_close(logits.softmax(1), product / product.sum(1, keepdim=True))
    assert (attention is None) == ("attention" not in settings)
    if attention is not None:
        torch.testing.assert_close(attention, torch.stack([weights for _, weights in alone]).mean(0))

    graph = Graph()
    out, attended = made.to_onnx(graph, graph.input("x", ["clips", "frames", BINS]))
    graph.output(out, "logits", ["clips", CLASSES])
    if attended:
        graph.output(attended, "attention", ["clips", "frames"])
    session = onnxruntime.InferenceSession(graph.model("net").SerializeToString())
    for theirs, ours in zip(session.run(None, {"x": x.numpy()}), (logits, attention), strict=False):
        np.testing.assert_allclose(theirs, ours.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("mixup", [0.0, 0.3])
def test_each_member_has_its_own_loss(rng, mixup):
    X, y = rng.standard_normal((32, 6, BINS)).astype(np.float32), np.arange(32) % CLASSES
    estimator = NetworkClassifier(
        NetworkSettings(units=4, members=3, dropout=0.0),
        TrainingSettings(lr=1e-9, max_epochs=1, label_smoothing=0.1),
        augmentation=AugmentationSettings(mixup=mixup),
        validation_fraction=0,
        random_state=0,
    ).fit(X, y)
    loss = estimator.net_.history[-1, "train_loss"]
    with torch.no_grad():
        alone = [
            cross_entropy(member(torch.from_numpy(X))[0], torch.from_numpy(y), label_smoothing=0.1)
            for member in estimator.network_.members
        ]
    if mixup:
        assert np.isfinite(loss)
    else:
        assert loss == pytest.approx(float(torch.stack(alone).mean()), abs=1e-5)


def test_it_learns_and_its_members_differ(rng):
    y = np.arange(60) % CLASSES
    X = rng.standard_normal((60, 6, BINS)).astype(np.float32) + y[:, None, None]
    training = TrainingSettings(optimizer="adamw", lr=0.01, max_epochs=30)
    estimator = NetworkClassifier(NetworkSettings(units=8, members=2), training, random_state=0)
    assert estimator.fit(X, y).score(X, y) > 0.9
    first, second = (member.output.weight for member in estimator.network_.members)
    assert not torch.allclose(first, second)
