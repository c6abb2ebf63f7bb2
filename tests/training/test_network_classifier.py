"""The scikit-learn contract, and what each estimator learns."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from earmark.data.features.extract import stack
from earmark.errors import SettingError
from earmark.training.estimators import RecurrentClassifier
from earmark.training.scalers import LevelNormalizer, LowBins, Standardizer


@parametrize_with_checks(
    [
        LevelNormalizer(),
        LowBins(),
        Standardizer(),
        Standardizer(per_bin=True),
        # AdamW: scikit-learn's little two-dimensional blobs ask more of a network in few epochs than SGD gives.
        RecurrentClassifier(units=16, optimizer="adamw", lr=0.02, max_epochs=25, patience=None, validation_fraction=0),
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
        {"attention": "learned", "skip": True},
        {"projection": 8},
    ],
)
def test_it_learns_in_a_pipeline_and_is_searched(rng, network):
    X, y = clips(rng)
    X = 30 * X - 40
    pipeline = make_pipeline(
        Standardizer(), RecurrentClassifier(units=8, lr=0.5, batch_size=16, max_epochs=10, random_state=0, **network)
    )
    assert cross_val_score(pipeline, X, y, cv=2).mean() > 0.8


def test_grid_search(rng):
    X, y = clips(rng)
    search = GridSearchCV(
        RecurrentClassifier(units=4, batch_size=16, max_epochs=8, random_state=0), {"lr": [1e-6, 0.5]}, cv=2
    )
    assert search.fit(X, y).best_params_ == {"lr": 0.5}


def test_clips_of_different_lengths_and_their_attention(rng):
    sequences = [rng.standard_normal((n, 3)) for n in (5, 2, 4, 5) * 6]
    for i, sequence in enumerate(sequences):
        sequence[:, i % 2] += 3
    X, y = stack(sequences), np.arange(24) % 2
    fitted = RecurrentClassifier(units=6, attention="dot", batch_size=8, lr=0.5, max_epochs=20, random_state=0).fit(
        X, y
    )
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
    fitted = RecurrentClassifier(units=2, max_epochs=1).fit(X, y)
    with pytest.raises(SettingError, match="this network has no attention"):
        fitted.attend(X)


def test_standardizer_takes_real_frames_of_training_clips_only(rng):
    X = rng.normal(5, 3, (40, 10, 4)).astype(np.float32)
    X[:20, 5:] = np.nan
    for per_bin in (False, True):
        scaler = Standardizer(per_bin).fit(X)
        real = scaler.transform(X)[~np.isnan(X)]
        assert abs(real.mean()) < 1e-5
        assert abs(real.std() - 1) < 1e-3
        assert np.isnan(scaler.transform(X)[:20, 5:]).all()
        np.testing.assert_allclose(scaler.transform(X + 100), (X + 100 - scaler.mean_) / scaler.scale_, rtol=1e-4)


def test_a_bin_that_never_changes_is_no_problem():
    X = np.ones((4, 3, 2), np.float32)
    assert not Standardizer(per_bin=True).fit_transform(X).any()


def test_level_normalizer_does_not_hear_gain(rng):
    X = rng.normal(-40, 25, (5, 8, 4)).astype(np.float32)
    X[2, 6:] = np.nan
    level = LevelNormalizer(top_db=50).fit(X)
    normal = level.transform(X)
    np.testing.assert_allclose(level.transform(X - 17), normal, atol=1e-4)
    assert np.nanmax(np.nanmax(normal, (1, 2)) - np.nanmin(normal, (1, 2))) <= 50 + 1e-4
    np.testing.assert_allclose(np.nanmean(normal, (1, 2)), 0, atol=1e-4)


@pytest.mark.parametrize(
    ("setting", "says"), [({"optimizer": "adam"}, "optimizer is 'adam'"), ({"cell": "gru"}, "cell is 'gru'")]
)
def test_settings_that_make_no_sense(rng, setting, says):
    with pytest.raises(SettingError, match=says):
        RecurrentClassifier(**setting).fit(*clips(rng))


def test_parameters_survive_cloning():
    made = RecurrentClassifier(units=3, attention="general", random_state=7)
    assert clone(made).get_params() == made.get_params()
