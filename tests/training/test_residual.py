"""Learning beyond answers that are there."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from earmark.training.residual import ResidualSoftmax, ShrunkWhitening


@parametrize_with_checks([ResidualSoftmax(), ShrunkWhitening()])
def test_scikit_learns_contract(estimator, check):
    check(estimator)


@pytest.fixture
def clouds():
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], 30)
    return rng.normal(size=(90, 6)) + 1.5 * np.eye(6)[np.unique(y, return_inverse=True)[1]], y


@pytest.mark.parametrize("n", [90, 4])  # more examples than features, and fewer
def test_without_a_prior_it_is_logistic_regression(clouds, n):
    X, y = (part[:: 90 // n] for part in clouds)
    ours = ResidualSoftmax(penalty=0.5, bias_penalty=1e-9).fit(X, y)
    theirs = LogisticRegression(C=2, tol=1e-10, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=2e-3)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-3)


def test_answers_stay_where_examples_agree_with_them(clouds):
    X, y = clouds
    prior = np.log(np.where(np.unique(y)[:, None] == y, 0.98, 0.01)).T
    fitted = ResidualSoftmax().fit(X, y, prior)
    new = [[0, 2, 0]]
    # the weights hardly move, so a prior that is sure decides
    assert fitted.predict(X[:1], new) == "b"


def test_few_examples_overrule_a_prior_where_they_are_and_not_elsewhere():
    X = np.eye(4)
    wrong = np.log([[0.9, 0.1]] * 4)
    fitted = ResidualSoftmax(classes=("rock", "metal")).fit(X[:2], ["metal", "metal"], wrong[:2])
    assert list(fitted.predict(X, wrong)) == ["metal", "metal", "rock", "rock"]


def test_classes_keep_their_order_and_may_have_no_example():
    fitted = ResidualSoftmax(bias_penalty=0.1, classes=("z", "a", "m")).fit([[1.0], [2.0]], ["m", "z"])
    assert list(fitted.classes_) == ["z", "a", "m"]
    assert fitted.predict_proba([[1.0]]).argmin() == 1
    assert list(fitted.predict([[1.0], [2.0]])) == ["m", "z"]


def test_the_optimum_has_no_slope(clouds):
    X, y = clouds
    prior = np.random.default_rng(1).normal(size=(90, 3))
    fitted = ResidualSoftmax(penalty=0.1, bias_penalty=(1, 2, 3)).fit(X, y, prior)
    error = fitted.predict_proba(X, prior) - (y[:, None] == fitted.classes_)
    np.testing.assert_allclose(error.T @ X + 0.1 * fitted.coef_, 0, atol=5e-3)
    np.testing.assert_allclose(error.sum(axis=0) + np.array([1, 2, 3]) * fitted.intercept_, 0, atol=5e-3)


def test_whitening_is_that_of_the_shrunk_correlation(clouds):
    X = clouds[0] @ np.random.default_rng(2).normal(size=(6, 6)) + 100
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    values, vectors = np.linalg.eigh(np.corrcoef(X.T) + 2 * np.eye(6))
    expected = Z @ vectors / np.sqrt(values) @ vectors.T
    whitened = ShrunkWhitening(2.0).fit_transform(X)
    # another rotation of the same
    gram = expected @ expected.T / (expected**2).sum(axis=1).mean()
    np.testing.assert_allclose(whitened @ whitened.T, gram, atol=1e-9)


def test_blocks_give_what_all_at_once_gives(clouds):
    X = clouds[0]
    whole, parts = ShrunkWhitening().fit(X), ShrunkWhitening()
    for block in np.array_split(X, 4):
        parts.partial_fit(block)
    np.testing.assert_allclose(parts.projection_, whole.projection_, atol=1e-9)
    np.testing.assert_allclose(parts.mean_, whole.mean_)


def test_a_feature_that_never_changes_counts_for_nothing(clouds):
    X = np.hstack([clouds[0], np.full((90, 1), 3.0)])
    whitened = ShrunkWhitening().fit(X)
    assert np.isfinite(whitened.projection_).all()
    shifted = X + np.eye(7)[6]
    np.testing.assert_allclose(whitened.transform(shifted), whitened.transform(X))
