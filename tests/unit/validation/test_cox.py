"""Proportional hazards against statsmodels and by hand. The agreement with R is in tests/reference."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.duration.hazard_regression import PHReg

from predictor.validation.cox import fit_cox
from predictor.validation.partial_likelihood import Ties
from predictor.validation.survival import kaplan_meier, log_rank


def cohort(n: int = 150) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=n), rng.random(n) < 0.4, rng.normal(60, 12, n)]).astype(float)
    time = np.ceil(20 * rng.exponential(np.exp(-0.6 * X[:, 0] + 0.4 * X[:, 1])))
    return X, np.minimum(time, 30), time <= 30


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_the_fit_agrees_with_statsmodels(ties: Ties) -> None:
    X, time, observed = cohort()
    got, want = fit_cox(X, time, observed, ties=ties), PHReg(time, X, status=observed, ties=ties).fit()
    assert got.coef == pytest.approx(want.params, rel=1e-6)
    assert got.se == pytest.approx(want.bse, rel=1e-6)
    assert got.log_likelihood == pytest.approx(want.llf)


def test_the_units_of_a_column_do_not_matter() -> None:
    X, time, observed = cohort()
    scaled = X * [1, 1, 1000] + [0, 0, 1e5]
    one, other = fit_cox(X, time, observed), fit_cox(scaled, time, observed)
    assert other.coef * [1, 1, 1000] == pytest.approx(one.coef)
    assert other.survival(scaled[:5], at=[10, 30]) == pytest.approx(one.survival(X[:5], at=[10, 30]))


def test_the_score_test_of_one_arm_is_the_log_rank_test() -> None:
    # Breslow's ties have the binomial, not the hypergeometric variance: without ties they are the same.
    rng = np.random.default_rng(1)
    arm, time, observed = np.repeat([0.0, 1.0], 40), rng.exponential(size=80), rng.random(80) < 0.8
    assert fit_cox(arm[:, None], time, observed).score_test == pytest.approx(
        log_rank(time, observed, arm).statistic
    )


def test_a_column_without_effect_gives_nearly_kaplan_meier() -> None:
    time, observed = np.arange(1.0, 201.0), np.ones(200, dtype=bool)
    model = fit_cox(np.tile([0.0, 1.0, 1.0, 0.0], 50)[:, None], time, observed)
    at = [0.5, 50, 150]
    got = model.survival([[0.5]], at=at)[0]
    assert got[0] == 1
    assert got == pytest.approx(kaplan_meier(time, observed, at=at).survival, abs=0.01)


@pytest.mark.parametrize(
    ("column", "observed", "said"),
    [
        (np.arange(6.0), np.zeros(6), "needs events"),
        (np.ones(6), np.ones(6), "vary"),
        (np.array([1.0, 1, 1, 0, 0, 0]), np.ones(6), "no single maximum"),
    ],
)
def test_what_has_no_answer_is_refused(column: np.ndarray, observed: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit_cox(column[:, None], np.arange(1.0, 7.0), observed)


def test_columns_that_determine_each_other_are_refused() -> None:
    X, time, observed = cohort()
    with pytest.raises(ValueError, match="determine each other"):
        fit_cox(np.column_stack([X, X[:, 0] + X[:, 1]]), time, observed)
