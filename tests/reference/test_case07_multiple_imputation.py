"""Rubin's rules against mice::pool, from R's own imputations (case 7)."""

from __future__ import annotations

import numpy as np
import pytest
from r_numbers import agree, agree_all, agree_estimate, expected

from predictor.validation.pooling import pool, pool_auc, pool_covariance, pool_test

SETS = ["mi_small", "mi_large"]
CASE = expected("case07_multiple_imputation")


@pytest.mark.parametrize("name", SETS)
def test_rubins_rules(name: str) -> None:
    each, want = CASE[name]["per_imputation"], CASE[name]["pooled"]
    got = pool(each["coef"], each["variance"], df_complete=CASE[name]["dfcom"])
    pairs = {
        "estimate": got.estimate,
        "ubar": got.within,
        "b": got.between,
        "t": got.total,
        "se": got.se,
        "df": got.df,
        "riv": got.increase,
        "lambda": got.missing_share,
        "fmi": got.missing_information,
        "statistic": got.statistic,
        "p_value": got.p_value,
        "ci_lower": got.low,
        "ci_upper": got.high,
    }
    assert set(pairs) == set(want)
    for key, ours in pairs.items():
        agree_all(ours, want[key], 1e-9)
    large = pool(each["coef"], each["variance"])
    agree_all(large.df, CASE[name]["pooled_df_large_sample_rubin1987"], 1e-9)


@pytest.mark.parametrize("name", SETS)
def test_the_pooled_covariance_and_the_test_of_three_terms(name: str) -> None:
    each, want = CASE[name]["per_imputation"], CASE[name]["D1_test"]
    coef, vcov = np.array(each["coef"]), np.array(each["vcov"])
    agree_all(pool_covariance(coef, vcov), CASE[name]["pooled_vcov"], 1e-9)
    tested = [CASE[name]["terms"].index(term) for term in want["terms_tested"]]
    got = pool_test(coef[:, tested], vcov[:, tested][:, :, tested])
    assert got.df1 == want["df1"]
    agree_all(
        [got.statistic, got.df2, got.increase, got.p_value],
        [want["D1"], want["df2"], want["r1"], want["p_value"]],
        1e-9,
    )


@pytest.mark.parametrize("name", SETS)
def test_the_pooled_auc(name: str) -> None:
    want = CASE[name]["auc"]
    areas, variances = np.array(want["per_imputation_auc"]), np.array(want["per_imputation_var_delong"])
    for normal, key in ((True, "ci_normal"), (False, "ci_t_rubin1987")):
        got = pool_auc(areas, variances, normal=normal)
        agree_estimate(got, want["auc"], tuple(want[key]), np.sqrt(want["total"]), 1e-9)
    logit = pool(np.log(areas / (1 - areas))[:, None], (variances / (areas * (1 - areas)) ** 2)[:, None])
    agree(logit.estimate[0], want["pooled_logit_auc"], 1e-9)
    agree(logit.within[0], want["within"], 1e-9)
    agree(logit.between[0], want["between"], 1e-9)
    agree(logit.df[0], want["df_rubin1987"], 1e-9)
