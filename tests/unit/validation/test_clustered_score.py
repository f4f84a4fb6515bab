"""The clustered score test: against Hotelling by hand, invariances, and its size. SIMULATED numbers only."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import f as fisher
from scipy.stats import norm, ttest_1samp

from predictor.validation.clustered_score import clustered_score_test
from predictor.validation.updating import fit_updates


def sample(clusters: int = 30, size: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(clusters), size)
    x = rng.normal(size=(len(group), 2)) + 0.5 * rng.normal(size=(clusters, 2))[group]
    latent = 0.4 * rng.normal(size=clusters)[group] + np.sqrt(1 - 0.16) * rng.normal(size=len(group))
    return x, (norm.cdf(latent) < expit(x[:, 0])).astype(float), group


def test_one_column_of_a_given_model_is_a_t_test_of_the_clusters_scores() -> None:
    x, y, group = sample()
    column = x[:, 1]
    scores = np.bincount(group, weights=column * (y - expit(x[:, 0])))
    want = ttest_1samp(scores, 0)
    got = clustered_score_test(y, x[:, 0], column[:, np.newaxis], group)
    assert (got.df, got.df_error) == (1, 29)
    assert got.statistic == pytest.approx(want.statistic**2)
    assert got.p_value == pytest.approx(want.pvalue)


def test_two_columns_are_hotellings_test() -> None:
    x, y, group = sample()
    own = np.stack([np.bincount(group, weights=c * (y - expit(x[:, 0]))) for c in x.T], axis=1)
    centre = own.mean(axis=0)
    t2 = 30 * centre @ np.linalg.solve(np.cov(own.T), centre)
    got = clustered_score_test(y, x[:, 0], x, group)
    assert got.statistic == pytest.approx(28 / (2 * 29) * t2)
    assert got.p_value == pytest.approx(fisher.sf(28 / (2 * 29) * t2, 2, 28))


def test_it_does_not_matter_how_columns_are_written_or_clusters_named() -> None:
    x, y, group = sample()
    columns = np.column_stack([np.ones(len(y)), x])
    eta = np.full(len(y), fit_updates(np.zeros(len(y)), y)[1].intercept)
    plain = clustered_score_test(y, eta, columns, group, fitted=columns[:, :1])
    turned = columns @ np.array([[2.0, 1, 0], [0, 300, 1], [0, 1, -0.01]])
    other = clustered_score_test(y, eta, turned, group[::-1].max() - group, fitted=columns[:, :1] * 7)
    assert other.p_value == pytest.approx(plain.p_value)
    assert (other.df, other.df_error) == (2, 28)


def test_what_the_model_says_already_is_no_coefficient() -> None:
    x, y, group = sample()
    fitted = np.column_stack([np.ones(len(y)), x])
    got = clustered_score_test(y, x[:, 0], fitted, group, fitted=fitted)
    assert got.df == 0
    assert np.isnan(got.p_value)


def test_more_coefficients_than_clusters_cannot_be_tested() -> None:
    x, y, group = sample(clusters=2)
    assert np.isnan(clustered_score_test(y, x[:, 0], x, group).p_value)


def test_an_intercept_that_is_fitted_is_taken_out_and_the_size_held() -> None:
    """500 data sets of 30 clusters: 25 expected, and more than 42 would come by chance once in a thousand times."""
    found = 0
    for seed in range(500):
        x, y, group = sample(seed=seed)
        ones = np.ones((len(y), 1))
        eta = x[:, 0] + fit_updates(x[:, 0], y)[1].intercept
        columns = np.column_stack([ones, x])
        found += clustered_score_test(y, eta, columns, group, fitted=ones).p_value < 0.05
    assert 9 <= found <= 42
