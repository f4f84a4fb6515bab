"""Information in an AUC, and sample size. Riley's published examples are in tests/reference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from predictor.validation.overall import log_loss
from predictor.validation.sample_size import (
    information_gain,
    max_r_squared,
    r_squared_from_auc,
    sample_size_binary,
)


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
