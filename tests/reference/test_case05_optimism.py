"""The optimism bootstrap against rms::validate (case 5), with backward elimination repeated in each resample."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from r_numbers import agree, expected, table
from scipy.special import expit
from scipy.stats import chi2

from predictor.validation.calibration import largest_line_error, recalibration_line
from predictor.validation.calibration_likelihood import likelihood_indices
from predictor.validation.optimism import METRICS, Optimism, optimism_bootstrap
from predictor.validation.overall import nagelkerke_r2
from predictor.validation.resamples import draw_patients

Floats = NDArray[np.float64]
CASE = expected("case05_optimism_bootstrap")
DATA = table("dev_small")
Y = DATA["y"].to_numpy(dtype=float)
TERMS = [column for column in DATA.columns if column != "y"]
X = DATA[TERMS].to_numpy(dtype=float)
VARIANTS = ["none", "bw_aic_residual", "bw_p05_individual"]


def maximum_likelihood(columns: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Newton for an unpenalised logistic model: coefficients with the intercept first, and their covariance."""
    design = np.column_stack([np.ones(len(y)), columns])
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        mean = expit(design @ beta)
        information = (design * (mean * (1 - mean))[:, None]).T @ design
        step = np.linalg.solve(information, design.T @ (y - mean))
        beta = beta + step
        if np.abs(step).max() < 1e-11:
            break
    return beta, np.linalg.inv(information)


def eliminate(beta: Floats, covariance: Floats, stop: Callable[[float, float, int], bool]) -> list[int]:
    """Lawless and Singhal's backward elimination, all from the full fit's coefficients."""
    b, v = beta[1:], covariance[1:, 1:]
    kept, gone = list(range(len(b))), []
    while kept:
        left, variance = b[kept], v[np.ix_(kept, kept)]
        if gone:
            bridge = v[np.ix_(kept, gone)] @ np.linalg.inv(v[np.ix_(gone, gone)])
            left, variance = left - bridge @ b[gone], variance - bridge @ v[np.ix_(gone, kept)]
        wald = left**2 / np.diag(variance)
        weakest = kept[int(np.argmin(wald))]
        trial = [*gone, weakest]
        residual = b[trial] @ np.linalg.solve(v[np.ix_(trial, trial)], b[trial])
        if stop(float(wald.min()), float(residual), len(trial)):
            break
        gone, kept = trial, [j for j in kept if j != weakest]
    return kept


STOP: dict[str, Callable[[float, float, int], bool]] = {
    "none": lambda wald, residual, size: True,
    "bw_aic_residual": lambda wald, residual, size: residual - 2 * size > 0,
    "bw_p05_individual": lambda wald, residual, size: bool(chi2.sf(wald, 1) <= 0.05),
}


def select_and_fit(variant: str, rows: NDArray[np.intp]) -> tuple[list[int], Floats]:
    kept = eliminate(*maximum_likelihood(X[rows], Y[rows]), STOP[variant])
    return kept, maximum_likelihood(X[rows][:, kept], Y[rows])[0]


def recalibrated_r2(y: Floats, p: Floats, weights: Floats) -> float:
    """Nagelkerke's R² after logistic recalibration on the same patients, as rms reports it."""
    return float(nagelkerke_r2(y, recalibrated(y, p, weights), weights=weights))


def recalibrated(y: Floats, p: Floats, weights: Floats) -> Floats:
    intercept, slope = recalibration_line(y, p, weights=weights)
    return expit(intercept + slope * np.log(p / (1 - p)))


def discrimination(y: Floats, p: Floats, weights: Floats) -> float:
    """D after logistic recalibration on the same patients, as rms's validate has it and val.prob has not."""
    return likelihood_indices(y, recalibrated(y, p, weights), weights=weights).discrimination


def unreliability(y: Floats, p: Floats, weights: Floats) -> float:
    return likelihood_indices(y, p, weights=weights).unreliability


RMS = {
    "Dxy": lambda y, p, w: 2 * METRICS["auc"](y, p, w) - 1,
    "R2": recalibrated_r2,
    "Intercept": lambda y, p, w: float(recalibration_line(y, p, weights=w)[0]),
    "Slope": lambda y, p, w: float(recalibration_line(y, p, weights=w)[1]),
    "Brier": METRICS["brier"],
}
INDICES = {"D": discrimination, "U": unreliability}


def quality(found: dict[str, Optimism]) -> float:
    """Q = D − U, corrected: a difference of two indices is corrected as they are."""
    return found["D"].harrell - found["U"].harrell


def bootstrap(variant: str, resamples: Any) -> tuple[dict[str, Optimism], list[list[int]]]:
    selected: list[list[int]] = []

    def fit(rows: NDArray[np.intp]) -> Floats:
        kept, beta = select_and_fit(variant, rows)
        selected.append(kept)
        return expit(beta[0] + X[:, kept] @ beta[1:])

    found = optimism_bootstrap(fit, Y, resamples, RMS | INDICES)
    return {one.metric: one for one in found}, selected


@cache
def fixed(variant: str) -> tuple[dict[str, Optimism], list[list[int]]]:
    return bootstrap(variant, table("boot_indices").to_numpy())


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_original_model_is_that_of_r(variant: str) -> None:
    kept, beta = select_and_fit(variant, np.arange(len(Y)))
    assert [TERMS[j] for j in kept] == CASE[variant]["variables_kept_on_original_data"]
    for ours, theirs in zip(beta, CASE[variant]["coef_final_model_original_data"].values(), strict=True):
        agree(ours, theirs, 1e-7)


@pytest.mark.parametrize("variant", VARIANTS)
def test_fixed_resamples_agree_with_plain_r(variant: str) -> None:
    want, (found, selected) = CASE[variant]["fixed_indices_B200"], fixed(variant)
    for name, one in ((name, found[name]) for name in RMS):
        agree(one.apparent, want["index_orig"][name], 1e-7)
        agree(float(one.training.mean()), want["training"][name], 1e-7)
        agree(float(one.test.mean()), want["test"][name], 1e-7)
        agree(one.optimism, want["optimism"][name], 1e-7)
        agree(one.harrell, want["index_corrected"][name], 1e-7)
        agree(one.harrell_se, want["mc_se_of_corrected"][name], 1e-7)
        spread = float((one.training - one.test).std(ddof=1))
        agree(spread, want["sd_of_replicate_optimism"][name], 1e-7)
    counts = np.bincount(np.concatenate(selected[1:]), minlength=len(TERMS))
    for term, count in zip(TERMS, counts, strict=True):
        agree(count / want["B"], want["selection_frequency"][term], 1e-12)
    agree(counts.sum() / want["B"], want["mean_number_selected"], 1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_first_replicates_agree_one_by_one(variant: str) -> None:
    found, selected = fixed(variant)
    for i, want in enumerate(CASE[variant]["first3_replicates"]):
        assert [TERMS[j] for j in selected[i + 1]] == want["kept"]
        for name, one in ((name, found[name]) for name in RMS):
            agree(one.training[i], want["training"][name], 1e-7)
            agree(one.test[i], want["test"][name], 1e-7)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_resamples_agree_with_rms_itself(variant: str) -> None:
    want, (found, _) = CASE[variant]["rms_validate_B200"], fixed(variant)
    for name, one in found.items():
        agree(one.apparent, want[name]["index.orig"], 1e-5)
        agree(one.optimism, want[name]["optimism"], 1e-5)
        agree(one.harrell, want[name]["index.corrected"], 1e-5)
    for ours, key in (
        (found["D"].apparent - found["U"].apparent, "index.orig"),
        (quality(found), "index.corrected"),
    ):
        agree(ours, want["Q"][key], 1e-5)
    largest = largest_line_error(found["Intercept"].harrell, found["Slope"].harrell)
    agree(largest, want["Emax"]["index.corrected"], 1e-5)
    assert want["number_of_successful_replicates"] == len(found["D"].test)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_long_runs_of_plain_r_and_of_rms_are_one(variant: str) -> None:
    """R's two programs agree, so that what is compared with one is compared with the other."""
    own, rms = CASE[variant]["long_run_B2000"], CASE[variant]["rms_validate_B2000"]
    for name in RMS:
        agree(own["index_corrected"][name], rms[name]["index.corrected"], 1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_our_own_resamples_agree_within_the_monte_carlo_error(variant: str) -> None:
    resamples = draw_patients(np.arange(len(Y)), resamples=300, seed=11, outcome=Y)
    found, _ = bootstrap(variant, resamples)
    want, rms = CASE[variant]["long_run_B2000"], CASE[variant]["rms_validate_B2000"]
    for name, one in ((name, found[name]) for name in RMS):
        bound = 4 * want["sd_of_replicate_optimism"][name] * np.sqrt(1 / 2000 + 1 / 300)
        assert abs(one.harrell - want["index_corrected"][name]) <= bound
        assert one.harrell_se == pytest.approx(
            want["sd_of_replicate_optimism"][name] / np.sqrt(300), rel=0.25
        )
    for name in INDICES:
        spread = float(np.std(found[name].training - found[name].test, ddof=1))
        error = 4 * spread * np.sqrt(1 / 2000 + 1 / 300)
        assert abs(found[name].harrell - rms[name]["index.corrected"]) <= error
