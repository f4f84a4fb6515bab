"""Performance under censoring by hand. The agreement with R is in tests/reference."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.validation.censoring import censoring_survival
from predictor.validation.discrimination import delong
from predictor.validation.overall import brier
from predictor.validation.survival_performance import concordance, risk_performance


def cohort(n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(1, 12, n).astype(float), rng.integers(0, 3, n), rng.uniform(0.05, 0.9, n).round(1)


def test_without_censoring_it_is_the_plain_performance() -> None:
    rng = np.random.default_rng(1)
    time, risk = rng.permutation(200) + 1.0, rng.uniform(size=200)
    y = (time <= 90).astype(float)
    got, plain = risk_performance(time, np.ones(200, dtype=int), risk, at=90), delong(y, risk)
    assert got.auc.value == pytest.approx(plain.value)
    assert got.auc.se == pytest.approx(plain.se, rel=0.01)
    assert got.brier.value == pytest.approx(brier(y, risk))
    assert got.brier.se == pytest.approx(np.std((y - risk) ** 2, ddof=1) / np.sqrt(200))
    assert got.brier_null == pytest.approx(0.45 * 0.55)


def test_a_patient_stands_for_the_censored_by_hand() -> None:
    # One of the three left at 2 is censored: those after it weigh 3/2.
    time, event, risk = [1, 2, 3, 4], [1, 0, 1, 0], [0.8, 0.5, 0.6, 0.2]
    got = risk_performance(time, event, risk, at=3)
    assert censoring_survival(time, event, at=[1, 2, 3]) == pytest.approx([1, 2 / 3, 2 / 3])
    assert got.brier.value == pytest.approx((0.2**2 + 1.5 * 0.4**2 + 1.5 * 0.2**2) / 4)
    assert got.auc.value == pytest.approx(1)


def test_an_event_leaves_before_a_censoring_of_the_same_time() -> None:
    assert censoring_survival([1, 1, 2], [1, 0, 0], at=[1]) == pytest.approx([1 / 2])


@pytest.mark.parametrize("at", [4.0, 7.0])
def test_the_influence_is_the_derivative(at: float) -> None:
    time, event, risk = cohort()
    base = risk_performance(time, event, risk, at=at)
    copies = 2000
    many = [np.repeat(values, copies) for values in (time, event, risk)]
    for i in (0, 7, 20, 41, 59):
        more = risk_performance(
            *(np.append(a, b[i]) for a, b in zip(many, (time, event, risk), strict=True)), at=at
        )
        for name in ("auc", "brier"):
            slope = (getattr(more, name).value - getattr(base, name).value) * copies * len(time)
            assert slope == pytest.approx(getattr(base, f"{name}_influence")[i], rel=0.01, abs=0.002)


def test_a_time_before_the_first_event_has_no_auc() -> None:
    got = risk_performance([2, 3, 4], [1, 0, 1], [0.1, 0.2, 0.3], at=1)
    assert np.isnan(got.auc.value)
    assert np.isnan(got.auc.se)


def test_concordance_by_hand() -> None:
    # Pairs: (1, 2), (1, 3), (1, 4) and (3, 4); the second patient is censored before anything can be said.
    got = concordance([1, 2, 3, 4], [1, 0, 1, 0], [0.9, 0.9, 0.5, 0.6])
    assert (got.concordant, got.discordant, got.tied) == (2, 1, 1)
    assert got.value == pytest.approx(2.5 / 4)
    # The pair of the third patient weighs 1/(2/3)² = 9/4.
    uno = concordance([1, 2, 3, 4], [1, 0, 1, 0], [0.9, 0.9, 0.5, 0.6], uno=True)
    assert uno.value == pytest.approx(2.5 / (3 + 9 / 4))
    assert concordance([1, 2, 3, 4], [1, 0, 1, 0], [0.9, 0.9, 0.5, 0.6], until=1).value == pytest.approx(
        2.5 / 3
    )
    assert np.isnan(concordance([1, 2], [0, 0], [0.1, 0.2]).value)


def test_the_error_of_the_concordance_is_the_jackknife() -> None:
    time, event, risk = cohort(120)
    got = concordance(time, event, risk)
    kept = [np.arange(120) != i for i in range(120)]
    left = np.array([concordance(time[k], event[k], risk[k]).value for k in kept])
    assert got.se == pytest.approx(np.sqrt(119 / 120 * np.sum((left - left.mean()) ** 2)), rel=0.03)
    assert np.isnan(concordance([1, 2], [0, 0], [0.5, 0.6]).se)
