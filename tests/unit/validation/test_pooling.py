"""Pooling at its edges. The agreement with mice is in tests/reference."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.validation.pooling import pool, pool_auc, pool_covariance, pool_test


def test_two_imputations_worked_by_hand() -> None:
    got = pool([[1.0], [3.0]], [[4.0], [6.0]])
    # within 5, between 2, total 5 + 1.5·2 = 8; λ = 3/8; df = 1/(3/8)²
    assert (got.estimate[0], got.within[0], got.between[0], got.total[0]) == (2, 5, 2, 8)
    assert got.df[0] == pytest.approx(64 / 9)
    assert got.increase[0] == pytest.approx(0.6)


def test_imputations_that_agree_are_the_complete_data() -> None:
    estimates, covariances = np.tile([1.0, -2.0], (5, 1)), np.tile(np.diag([0.5, 2.0]), (5, 1, 1))
    got = pool(estimates, np.tile([0.5, 2.0], (5, 1)), df_complete=100)
    assert got.total == pytest.approx(got.within)
    assert got.df == pytest.approx(100 * 101 / 103, rel=1e-3)
    assert pool_covariance(estimates, covariances) == pytest.approx(covariances[0])
    joint = pool_test(estimates, covariances)
    assert joint.statistic == pytest.approx((1 / 0.5 + 4 / 2) / 2)
    assert joint.p_value == pytest.approx(np.exp(-2))  # χ² with 2 df: e^(−4/2)


def test_few_imputations_of_few_terms_use_the_other_degrees_of_freedom() -> None:
    estimates, covariances = np.array([[1.0], [3.0]]), np.array([[[4.0]], [[6.0]]])
    # r₁ = 1.5·2/5 = 0.6; t = 1: 1·2·(1 + 1/0.6)²/2
    assert pool_test(estimates, covariances).df2 == pytest.approx((1 + 1 / 0.6) ** 2)


def test_a_perfect_area_has_no_logit() -> None:
    assert np.isnan(pool_auc([0.9, 1.0], [0.01, 0.0]).value)


def test_one_imputation_cannot_be_pooled() -> None:
    with pytest.raises(ValueError, match="two imputations"):
        pool([[1.0, 2.0]], [[1.0, 1.0]])
    with pytest.raises(ValueError, match="two imputations"):
        pool_test([[1.0]], [[[1.0]]])
