"""Information in an AUC, and sample size. Riley's published examples are in tests/reference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from predictor.validation.overall import log_loss
from predictor.validation.sample_size import (
    affordable_parameters,
    expected_shrinkage,
    information_gain,
    max_r_squared,
    r_squared_from_auc,
    sample_size_binary,
)
from predictor.validation.sample_size_external import (
    auc_standard_error,
    patients_for_auc,
    patients_for_observed_expected,
    patients_for_slope,
)
from predictor.validation.sample_size_outcomes import sample_size_continuous, sample_size_survival


@pytest.mark.parametrize(("auc", "r_squared"), [(0.65, 0.069), (0.70, 0.121), (0.75, 0.185)])
def test_r_squared_of_an_auc_when_half_respond(auc: float, r_squared: float) -> None:
    assert r_squared_from_auc(auc, 0.5) == pytest.approx(r_squared, abs=5e-4)


def test_the_margin_of_the_verdict_and_the_patients_it_asks_for() -> None:
    assert information_gain(0.60, 0.5) == pytest.approx(0.0158, abs=5e-5)
    assert np.ceil(15.7 / information_gain(0.70, 0.5)) == 244


@pytest.mark.parametrize(("auc", "phi"), [(0.55, 0.5), (0.7, 0.2), (0.9, 0.05), (0.8, 0.6)])
def test_the_gain_agrees_with_another_integration(auc: float, phi: float) -> None:
    mu = np.sqrt(2) * norm.ppf(auc)

    def information(x: float) -> float:
        cases, others = phi * norm.pdf(x, mu), (1 - phi) * norm.pdf(x)
        share = cases / (cases + others)
        return float(cases * np.log(share / phi) + others * np.log((1 - share) / (1 - phi)))

    assert information_gain(auc, phi) == pytest.approx(quad(information, -8, 8 + mu)[0], abs=1e-8)


def test_the_gain_is_what_the_true_probabilities_save_in_log_loss() -> None:
    rng = np.random.default_rng(1)
    mu, n = np.sqrt(2) * norm.ppf(0.7), 400_000
    y = (rng.random(n) < 0.3).astype(float)
    logit = np.log(0.3 / 0.7) + mu * (rng.normal(size=n) + mu * y) - mu**2 / 2
    saved = log_loss(y, np.full(n, 0.3)) - log_loss(y, 1 / (1 + np.exp(-logit)))
    assert information_gain(0.7, 0.3) == pytest.approx(saved, abs=2e-3)


def test_chance_brings_nothing_and_more_brings_more() -> None:
    gains = [information_gain(auc, 0.4) for auc in (0.5, 0.6, 0.7, 0.8, 0.9)]
    assert gains[0] == pytest.approx(0, abs=1e-12)
    assert gains == sorted(gains)
    assert r_squared_from_auc(0.999, 0.4) < max_r_squared(0.4)


def test_the_largest_r_squared_when_half_respond() -> None:
    assert max_r_squared(0.5) == pytest.approx(0.75)


@pytest.mark.parametrize(("auc", "n"), [(0.65, 1252), (0.70, 694), (0.75, 435)])
def test_patients_for_ten_parameters_from_an_auc(auc: float, n: int) -> None:
    assert sample_size_binary(10, r_squared=r_squared_from_auc(auc, 0.5), prevalence=0.5).n == n


@pytest.mark.parametrize("r_squared", [0.0, 0.95])
def test_an_impossible_r_squared_is_refused(r_squared: float) -> None:
    with pytest.raises(ValueError, match="R² has to lie"):
        sample_size_binary(10, r_squared=r_squared, prevalence=0.5)


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="AUC has to lie"):
        information_gain(0.49, 0.5)
    with pytest.raises(ValueError, match="prevalence has to lie"):
        information_gain(0.6, 1.0)


def test_the_expected_shrinkage_worked_by_hand() -> None:
    # R² = 1 − e⁻¹ makes the logarithm −1: ten parameters in 100 patients lose a tenth of their spread.
    assert expected_shrinkage(10, 100, 1 - np.exp(-1)) == pytest.approx(0.9)
    assert expected_shrinkage(120, 100, 1 - np.exp(-1)) == pytest.approx(-0.2)
    assert affordable_parameters(100, 1 - np.exp(-1)) == 10


@pytest.mark.parametrize("n", [60, 384, 1203])
@pytest.mark.parametrize("r_squared", [0.069, 0.185])
def test_what_is_affordable_passes_and_one_more_does_not(n: int, r_squared: float) -> None:
    most = affordable_parameters(n, r_squared)
    assert expected_shrinkage(most + 1, n, r_squared) < 0.9
    if most:
        assert expected_shrinkage(most, n, r_squared) >= 0.9 - 1e-12
        assert sample_size_binary(most, r_squared=r_squared, prevalence=0.5).shrinkage <= n


def test_an_external_validation_at_an_auc_of_070_when_half_respond() -> None:
    # domain.md, section 7
    assert patients_for_observed_expected(0.5) == 385
    assert patients_for_auc(0.7, 0.5) == 416
    assert auc_standard_error(0.7, n=200, prevalence=0.5) == pytest.approx(0.0368, abs=5e-5)
    assert patients_for_slope(0.7, 0.5) == pytest.approx(895, abs=1)


def test_the_slope_of_that_many_patients_has_that_interval() -> None:
    rng = np.random.default_rng(3)
    n, mu = 400_000, np.sqrt(2) * norm.ppf(0.75)
    y = rng.random(n) < 0.2
    logit = np.log(0.2 / 0.8) - mu**2 / 2 + mu * (rng.normal(size=n) + mu * y)
    p = 1 / (1 + np.exp(-logit))
    information = np.array([[np.sum(p * (1 - p) * logit ** (i + j)) for j in (0, 1)] for i in (0, 1)])
    se_of_one = np.sqrt(np.linalg.inv(information)[1, 1] * n)
    needed = patients_for_slope(0.75, 0.2, width=0.5)
    assert 2 * norm.ppf(0.975) * se_of_one / np.sqrt(needed) == pytest.approx(0.5, rel=0.01)


def test_a_mean_near_zero_asks_for_more_patients() -> None:
    near, far = (sample_size_continuous(5, r_squared=0.3, mean=mean, sd=8.0) for mean in (1.0, -12.0))
    # t ≈ 1.96: 1.96²·64·0.7/0.1² = 17,210
    assert near.mean == near.n == pytest.approx(17_210, rel=0.001)
    assert far.mean < far.residual == 234 + 5


def test_an_r_squared_that_cannot_be_is_refused_for_the_other_outcomes() -> None:
    with pytest.raises(ValueError, match="R²"):
        sample_size_survival(5, r_squared=0.6, rate=0.065, mean_follow_up=2.07, time=2)
    with pytest.raises(ValueError, match="R²"):
        sample_size_continuous(5, r_squared=1.0, mean=1.0, sd=1.0)
