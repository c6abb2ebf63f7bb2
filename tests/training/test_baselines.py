"""The paper's baselines against plain scikit-learn."""

import numpy as np
import onnxruntime
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from earmark.networks.settings import MlpSettings
from earmark.training.baselines import Flattener, KernelMap, SpanRotation, logistic_regression, support_vector_machine
from earmark.training.export import pipeline_graph
from earmark.training.network_classifier import NetworkClassifier
from earmark.training.pipeline import log_probabilities, make_pipeline
from earmark.training.recipe import Logistic, Recipe, Svm
from earmark.training.registry import open_recipe
from earmark.training.settings import TrainingSettings


def clips(rng, n=90, frames=8, bins=25, classes=3):
    """Clips whose class shifts a few bins, standardised; more numbers a clip (200) than clips."""
    y = np.arange(n) % classes
    X = rng.standard_normal((n, frames, bins))
    for label in range(classes):
        X[y == label, :, label] += 0.7
    X = (X - X.mean()) / X.std()
    return X.astype(np.float32), np.array(["blues", "jazz", "rock", "pop"])[y]


def vectors(X):
    return X.reshape(len(X), -1).astype(np.float64)


@parametrize_with_checks([Flattener(), SpanRotation(), KernelMap(), KernelMap("poly"), KernelMap("sigmoid")])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [
        NetworkClassifier(
            MlpSettings(units=16),
            TrainingSettings(optimizer="adamw", lr=0.02, max_epochs=25, patience=None),
            validation_fraction=0,
        )
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_own_checks_of_the_perceptron(estimator, check):
    check(estimator)


PLAIN = {
    "svm-linear-l2": LinearSVC(penalty="l2", loss="squared_hinge", dual=True, random_state=0),
    "svm-linear-l1": LinearSVC(penalty="l1", loss="squared_hinge", dual=False, random_state=0),
    "svm-rbf": OneVsRestClassifier(SVC(kernel="rbf", gamma="auto")),
    "svm-poly": OneVsRestClassifier(SVC(kernel="poly", gamma="auto", degree=3)),
    "svm-sigmoid": OneVsRestClassifier(SVC(kernel="sigmoid", gamma="auto")),
    "logistic-ovr": OneVsRestClassifier(LogisticRegression(solver="liblinear")),
    "logistic-multinomial": LogisticRegression(solver="newton-cg"),
}
TIGHT = {"tol": 1e-8, "max_iter": 10_000}
"""So that two solvers of one problem meet; at scikit-learn's own tolerance each stops where it happens to be."""


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("classes", [2, 4])
def test_a_row_equals_plain_scikit_learn(name, classes, rng):
    X, y = clips(rng, classes=classes)
    train, test = np.arange(60), np.arange(60, 90)
    mean, std = X[train].mean(dtype=np.float64), X[train].std(dtype=np.float64)
    scaled = vectors(((X - mean) / std).astype(np.float32))
    plain, ours = clone(PLAIN[name]), make_pipeline(open_recipe(name), seed=0)
    for estimator in (plain, ours[-1]):
        inner = getattr(estimator, "estimator", estimator)
        inner.set_params(**({"tol": 1e-8} if isinstance(inner, SVC) else TIGHT))
    plain.fit(scaled[train], y[train])
    ours.fit(X[train], y[train])
    np.testing.assert_allclose(
        ours.decision_function(X[test]), plain.decision_function(scaled[test]), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_array_equal(ours.predict(X[test]), plain.predict(scaled[test]))
    log_p = log_probabilities(ours, X[test])
    assert log_p.shape == (30, classes)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1)
    np.testing.assert_array_equal(ours.classes_[log_p.argmax(axis=1)], plain.predict(scaled[test]))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("settings", [{}, {"pool": "mean", "per_bin": True}], ids=["frames", "means"])
@pytest.mark.parametrize("multiclass", ["ovr", "multinomial"])
def test_a_logistic_regression_as_a_graph_says_the_same(multiclass, settings, classes, rng):
    X, y = clips(rng, classes=classes)
    fitted = make_pipeline(Recipe(logistic=Logistic(multiclass=multiclass), **settings)).fit(X[:60], y[:60])
    session = onnxruntime.InferenceSession(pipeline_graph(fitted, "logistic"))
    for part in (X[60:], X[60:, :5]):
        (said,) = session.run(["probabilities"], {"spectrogram": part})
        np.testing.assert_allclose(said, fitted.predict_proba(part), atol=1e-5)


@pytest.mark.parametrize(
    "weighted", [Recipe(svm=Svm(), class_weight="balanced"), Recipe(logistic=Logistic(), class_weight="balanced")]
)
def test_class_weights_reach_scikit_learn(weighted, rng):
    X, y = clips(rng)
    rare = np.concatenate([np.flatnonzero(y != "rock"), np.flatnonzero(y == "rock")[:3]])
    even = make_pipeline(weighted.model_copy(update={"class_weight": None})).fit(X[rare], y[rare])
    assert not np.allclose(
        even.decision_function(X), make_pipeline(weighted).fit(X[rare], y[rare]).decision_function(X)
    )


def test_class_weights_reach_the_networks(rng):
    X, y = clips(rng, n=120)
    rare = np.concatenate([np.flatnonzero(y != "rock"), np.flatnonzero(y == "rock")[:4]])
    said = {}
    for weight in (None, "balanced"):
        net = NetworkClassifier(
            MlpSettings(units=8), TrainingSettings(lr=0.05, max_epochs=10),
            random_state=0, class_weight=weight, validation_fraction=0,
        )  # fmt: skip
        said[weight] = net.fit(X[rare], y[rare]).predict_proba(X)[:, net.classes_ == "rock"].mean()
    assert said["balanced"] > said[None]


def test_the_span_keeps_lengths_and_angles_and_is_triangular(rng):
    X = rng.standard_normal((20, 300))
    rotation = SpanRotation()
    rotated = rotation.fit_transform(X)
    assert rotated.shape == (20, 20)
    np.testing.assert_allclose(rotated @ rotated.T, X @ X.T, atol=1e-9)
    np.testing.assert_allclose(rotated, rotation.transform(X), atol=1e-9)
    assert not rotated[np.triu_indices(20, 1)].any()
    tall = rng.standard_normal((50, 4))
    np.testing.assert_array_equal(SpanRotation().fit_transform(tall), tall)


def test_the_same_clip_twice_is_no_problem(rng):
    X, y = clips(rng, n=40)
    X[1:4] = X[0]
    assert make_pipeline(Recipe(logistic=Logistic())).fit(X, y).score(X[4:], y[4:]) > 0.9


def test_flattened_clips_are_filled_with_the_mean(rng):
    X = rng.standard_normal((4, 5, 3)).astype(np.float32)
    X[2, 3:] = np.nan
    flat = Flattener().fit(X)
    np.testing.assert_array_equal(flat.transform(X)[2], [*X[2, :3].ravel(), *np.zeros(6)])
    np.testing.assert_array_equal(flat.transform(X[:, :2])[0], [*X[0, :2].ravel(), *np.zeros(9)])
    with pytest.raises(ValueError, match="a clip has 6 frames, but those of training had 5"):
        flat.transform(np.zeros((1, 6, 3), np.float32))


def test_steps_are_named_for_what_they_do():
    assert [name for name, _ in support_vector_machine("rbf")] == ["flatten", "kernel", "svm"]
    assert [name for name, _ in support_vector_machine(penalty="l1")] == ["flatten", "svm"]
    assert [name for name, _ in logistic_regression()] == ["flatten", "rotate", "logistic"]


def test_the_perceptron_learns(rng):
    X, y = clips(rng, n=240)
    training = TrainingSettings(lr=0.1, batch_size=16, max_epochs=20)
    net = NetworkClassifier(MlpSettings(units=20), training, random_state=0).fit(X[:180], y[:180])
    assert net.score(X[180:], y[180:]) > 0.7
