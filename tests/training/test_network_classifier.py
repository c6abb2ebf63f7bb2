"""The scikit-learn contract, and what a network learns."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from earmark.data.features.extract import stack
from earmark.errors import SettingError
from earmark.networks.settings import MlpSettings, NetworkSettings
from earmark.training.network_classifier import NetworkClassifier
from earmark.training.scalers import Standardizer
from earmark.training.settings import TrainingSettings


@parametrize_with_checks(
    [
        # AdamW: scikit-learn's little two-dimensional blobs ask more of a network in few epochs than SGD gives.
        NetworkClassifier(
            NetworkSettings(units=16),
            TrainingSettings(optimizer="adamw", lr=0.02, max_epochs=25, patience=None),
            validation_fraction=0,
        ),
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def clips(rng, n=80, frames=8, bins=6):
    y = np.arange(n) % 2
    X = rng.standard_normal((n, frames, bins)).astype(np.float32)
    X[y == 1, :, 2] += 1.5
    return X, np.where(y, "metal", "blues")


@pytest.mark.parametrize(
    "network",
    [
        {"cell": "rnn"},
        {"cell": "lstm"},
        {"attention": "dot"},
        {"bidirectional": True},
        {"attention": "learned"},
    ],
)
def test_it_learns_in_a_pipeline_and_is_searched(rng, network):
    X, y = clips(rng)
    X = 30 * X - 40
    training = TrainingSettings(lr=0.5, batch_size=16, max_epochs=10)
    classifier = NetworkClassifier(NetworkSettings(units=8, **network), training, random_state=0)
    pipeline = make_pipeline(Standardizer(), classifier)
    assert cross_val_score(pipeline, X, y, cv=2).mean() > 0.8


SMALL = NetworkClassifier(
    NetworkSettings(units=4), TrainingSettings(lr=0.5, batch_size=16, max_epochs=8), random_state=0
)


@pytest.mark.parametrize(
    ("grid", "best"),
    [
        ({"training__lr": [1e-6, 0.5]}, {"training__lr": 0.5}),
        (
            {"training": [TrainingSettings(lr=1e-6), SMALL.training]},
            {"training": SMALL.training},
        ),
        (
            {"training__lr": [0.5], "network": [NetworkSettings(units=1, dropout=0.99), SMALL.network]},
            {"training__lr": 0.5, "network": SMALL.network},
        ),
    ],
    ids=["one setting", "settings", "both"],
)
def test_grid_search(rng, grid, best):
    X, y = clips(rng)
    assert GridSearchCV(SMALL, grid, cv=2).fit(X, y).best_params_ == best
    assert SMALL.training.lr == 0.5


def test_parameters_reach_into_the_settings():
    made = clone(SMALL)
    assert made.get_params()["network__units"] == 4
    assert "network__units" not in made.get_params(deep=False)
    made.set_params(network__units=5, network__attention="dot", training__label_smoothing=0.2, random_state=1)
    assert made.network == NetworkSettings(units=5, attention="dot")
    assert made.training == SMALL.training.model_copy(update={"label_smoothing": 0.2})
    assert (SMALL.network.units, made.random_state) == (4, 1)
    made.set_params(network=MlpSettings(), network__activation="elu")
    assert made.network == MlpSettings(activation="elu")
    for wrong, says in [
        ({"network__unit": 3}, "unknown setting 'unit'; did you mean 'units'"),
        ({"training__lr": -1.0}, "lr is -1.0: must be greater than 0"),
        ({"class_weight__x": 1}, "unknown parameter 'class_weight__x'"),
        ({"units": 3}, "Invalid parameter 'units'"),
    ]:
        with pytest.raises(ValueError, match=says):
            clone(SMALL).set_params(**wrong)


def test_clips_of_different_lengths_and_their_attention(rng):
    sequences = [rng.standard_normal((n, 3)) for n in (5, 2, 4, 5) * 6]
    for i, sequence in enumerate(sequences):
        sequence[:, i % 2] += 3
    X, y = stack(sequences), np.arange(24) % 2
    training = TrainingSettings(batch_size=8, lr=0.5, max_epochs=20)
    fitted = NetworkClassifier(NetworkSettings(units=6, attention="dot"), training, random_state=0).fit(X, y)
    assert fitted.score(X, y) > 0.9
    weights = fitted.attend(X)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert not weights[np.isnan(X[:, :, 0])].any()
    for i in range(4):
        np.testing.assert_allclose(
            fitted.predict_proba(sequences[i][None].astype(np.float32))[0], fitted.predict_proba(X)[i], atol=1e-6
        )


def test_attention_must_exist_to_be_seen(rng):
    X, y = clips(rng)
    fitted = NetworkClassifier(NetworkSettings(units=2), TrainingSettings(max_epochs=1)).fit(X, y)
    with pytest.raises(SettingError, match="this network has no attention"):
        fitted.attend(X)


@pytest.mark.parametrize(
    ("kind", "setting", "says"),
    [
        (TrainingSettings, {"optimizer": "adam"}, "optimizer is 'adam'"),
        (NetworkSettings, {"cell": "gru"}, "cell is 'gru'"),
    ],
)
def test_settings_that_make_no_sense(kind, setting, says):
    with pytest.raises(SettingError, match=says):
        kind(**setting)
    with pytest.raises(SettingError, match="network is {'units': 3}: must be settings"):
        NetworkClassifier({"units": 3}).fit([[0], [1]], [0, 1])


def test_parameters_survive_cloning():
    made = NetworkClassifier(NetworkSettings(units=3, attention="general"), random_state=7)
    assert clone(made).get_params() == made.get_params()
