"""The scikit-learn contract of the transformers, and what each learns."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from earmark.training.scalers import LevelNormalizer, MeanPooling, Standardizer


@parametrize_with_checks([LevelNormalizer(), MeanPooling(), Standardizer(), Standardizer(per_bin=True)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


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
