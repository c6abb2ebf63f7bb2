"""How unlike the training clips a clip is."""

import numpy as np
import onnxruntime
import pytest

from earmark.networks.onnx.builder import Graph
from earmark.training.novelty import NoveltyDetector
from earmark.training.pipeline import make_pipeline, measure_novelty
from earmark.training.registry import open_recipe


@pytest.fixture
def clips(rng):
    """Clips of one frame about two means, and their labels."""
    y = np.repeat(["a", "b"], 20)
    means = np.where(y[:, None] == "a", 3.0, -3.0)
    return (means + rng.normal(0, 0.1, (40, 8))).astype(np.float32)[:, None], y


def test_novelty_is_the_distance_from_the_nearest_genre(clips):
    X, y = clips
    detector = NoveltyDetector().fit(X, y)
    np.testing.assert_array_equal(detector.transform(X), X)
    between = np.zeros((1, 1, 8), np.float32)
    means = np.stack([X[y == label, 0].mean(axis=0) for label in ("a", "b")])
    deviation = np.abs(X[:, 0] - means[(y == "b").astype(int)]).mean(axis=0)
    assert detector.measure(between) == pytest.approx((np.abs(means) / deviation).mean(axis=1).min(), rel=1e-5)
    assert detector.measure(X).mean() == pytest.approx(1)
    constant = np.zeros((40, 1, 8), np.float32)
    assert NoveltyDetector().fit(constant, y).measure(constant + 2) == pytest.approx(2)


def test_clips_of_several_genres_count_for_each(clips):
    X, y = clips
    members = np.stack([y == "a", y == "b", np.ones(40)], axis=1).astype(int)
    means = NoveltyDetector().fit(X, members).means_
    np.testing.assert_allclose(means[:2], NoveltyDetector().fit(X, y).means_)
    np.testing.assert_allclose(means[2], X[:, 0].mean(axis=0), atol=1e-6)


def test_the_graph_measures_the_same(clips):
    X, y = clips
    detector, graph = NoveltyDetector().fit(X, y), Graph()
    detector.to_onnx(graph, graph.input("x", ["clips", 1, 8]))
    session = onnxruntime.InferenceSession(graph.model("novelty").SerializeToString())
    np.testing.assert_allclose(session.run(["novelty"], {"x": X})[0], detector.measure(X), rtol=1e-5)


def test_a_linear_head_measures_standardized_clips(clips):
    X, y = clips
    pipeline = make_pipeline(open_recipe("encoder-linear")).fit(X, y)
    scale = pipeline["standardize"]
    expected = pipeline["novelty"].measure(scale.transform(X))
    np.testing.assert_allclose(measure_novelty(pipeline, X), expected)
    assert measure_novelty(make_pipeline(open_recipe("svm-linear-l2")), X) is None
