"""Chained equations: proper draws, and a compiled chain that says what scikit-learn's imputer says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer

from predictor.features.chain import chain_from_plain, chain_to_plain
from predictor.features.columns import EncodedColumn
from predictor.features.imputation import (
    Draw,
    PosteriorRidge,
    Standardised,
    fit_chain,
    impute_training,
    normal_draws,
)


def holed(n: int, seed: int, *, share: float = 0.25, complete: int = 1) -> np.ndarray:
    """Four correlated standard numbers of which all but the last ``complete`` have gaps."""
    rng = np.random.default_rng(seed)
    values = rng.multivariate_normal(np.zeros(4), 0.5 + 0.5 * np.eye(4), n)
    gaps = rng.random((n, 4 - complete)) < share
    values[:, : 4 - complete][gaps] = np.nan
    return values


def standardised(values: np.ndarray, indicators: np.ndarray | None = None) -> Standardised:
    n, p = values.shape
    context = () if indicators is None else (EncodedColumn("c", "level", level="x", transform="text"),)
    return Standardised(
        names=tuple(f"x{i}" for i in range(p)),
        transforms=("none",) * p,
        values=values,
        centers=np.zeros(p),
        scales=np.ones(p),
        context=context,
        indicators=np.zeros((n, 0)) if indicators is None else indicators,
    )


def test_without_its_noise_the_chain_is_the_librarys_transform() -> None:
    rng = np.random.default_rng(3)
    values, indicators = holed(200, 1, complete=0), rng.integers(0, 2, (200, 1)).astype(float)
    numbers, draw = standardised(values, indicators), Draw(0, 5, 4, 7)
    chain = fit_chain(numbers, draw)
    silent = replace(chain, noise=tuple((0.0,) * 4 for _ in chain.noise))
    random = draw.generator(1)
    low, high = numbers.limits
    imputer = IterativeImputer(
        PosteriorRidge(random),
        sample_posterior=True,
        max_iter=4,
        skip_complete=True,
        min_value=np.r_[low, -np.inf, -np.inf],
        max_value=np.r_[high, np.inf, np.inf],
        random_state=int(random.integers(2**31)),
    ).fit(np.column_stack([values, indicators, np.zeros(200)]))
    imputer.sample_posterior = False
    imputer.imputation_sequence_ = imputer.imputation_sequence_[-4:] * 4
    # The library starts new patients at the observed means; the chain does at 0.
    imputer.initial_imputer_.statistics_[:4] = 0.0
    new, marks = holed(60, 2, share=0.5, complete=0), rng.integers(0, 2, (60, 1)).astype(float)
    expected = imputer.transform(np.column_stack([new, marks, np.zeros(60)]))[:, :4]
    assert np.isnan(new).any()
    np.testing.assert_allclose(silent.filled(new.T, marks.T).T, expected, atol=1e-10)
    np.testing.assert_allclose(silent.filled(new[:9].T, marks[:9].T).T, expected[:9], atol=1e-10)


def test_plain_numbers_rebuild_the_chain() -> None:
    chain = fit_chain(standardised(holed(80, 4)), Draw(2, 5, 3, 1))
    assert chain_from_plain(chain_to_plain(chain)) == chain


@pytest.mark.parametrize("complete", [0, 2, 4])
def test_a_number_that_nobody_lacked_can_be_filled_in_as_well(complete: int) -> None:
    chain = fit_chain(standardised(holed(150, 5, complete=complete)), Draw(0, 4, 3, 2))
    assert sorted(chain.order) == [0, 1, 2, 3]
    filled = chain.filled(np.full((4, 3), np.nan), np.zeros((0, 3)))
    assert np.isfinite(filled).all()
    assert (filled == filled[:, :1]).all()  # who is known by nothing gets what everybody so known gets


def test_draws_are_spread_evenly_over_the_imputations() -> None:
    draws = np.array([normal_draws(Draw(k, 10, 5, 3), 6) for k in range(10)])
    np.testing.assert_allclose(draws.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(draws.var(axis=0), 1.0, atol=1e-12)
    assert len(np.unique(draws[:, 0, 0])) == 10
    assert (np.argsort(draws[:, 0, 0]) != np.argsort(draws[:, 0, 1])).any()


def test_the_chains_give_back_variance_and_correlation() -> None:
    """Two of four correlated numbers are missing; their variance is 1 and every correlation 0.5 in truth."""
    numbers = standardised(holed(2000, 6))
    new = holed(500, 7, share=0.0)
    new[:, :2] = np.nan
    chains = [fit_chain(numbers, Draw(k, 20, 10, seed)) for seed in range(5) for k in range(20)]
    filled = np.array([chain.filled(new.T, np.zeros((0, 500))) for chain in chains])
    covariance = np.cov(filled.transpose(1, 0, 2).reshape(4, -1))
    # A hundred draws know a variance of 1 to within 0.14.
    np.testing.assert_allclose(np.diag(covariance)[:2], 1.0, atol=0.25)
    np.testing.assert_allclose(covariance[0, 1:], 0.5, atol=0.15)


def test_the_posterior_of_the_coefficients_has_the_spread_of_least_squares() -> None:
    rng = np.random.default_rng(8)
    X = rng.normal(size=(60, 2))
    y = X @ [1.0, -0.5] + rng.normal(size=60)
    generator = np.random.default_rng(0)
    drawn = np.array([PosteriorRidge(generator).fit(X, y).coef_ for _ in range(1500)])
    design = np.column_stack([np.ones(60), X])
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    expected = (residual @ residual / 57) * np.linalg.inv(design.T @ design) * 57 / 55  # of a t distribution
    np.testing.assert_allclose(drawn.std(axis=0), np.sqrt(np.diag(expected)[1:]), rtol=0.08)


def test_training_imputations_know_the_outcome() -> None:
    """The number shifts by one standard deviation with the outcome; what is filled in has to as well."""
    rng = np.random.default_rng(9)
    y = rng.integers(0, 2, 600)
    values = np.column_stack([y + rng.normal(size=600), rng.normal(size=600)])
    gaps = rng.random(600) < 0.4
    values[gaps, 0] = np.nan
    numbers = standardised(values)
    filled = np.mean([impute_training(numbers, y, Draw(k, 20, 5, 1))[:, 0] for k in range(20)], axis=0)
    blind = np.mean(
        [fit_chain(numbers, Draw(k, 20, 5, 1)).filled(values.T, np.zeros((0, 600)))[0] for k in range(20)],
        axis=0,
    )
    known = values[~gaps & (y == 1), 0].mean() - values[~gaps & (y == 0), 0].mean()
    assert filled[gaps & (y == 1)].mean() - filled[gaps & (y == 0)].mean() == pytest.approx(known, abs=0.2)
    assert abs(blind[gaps & (y == 1)].mean() - blind[gaps & (y == 0)].mean()) < 0.2
    np.testing.assert_allclose(filled[~gaps], values[~gaps, 0], rtol=1e-12)
