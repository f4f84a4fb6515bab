"""Our statistics against R's, within the tolerances that PROVENANCE.md states."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pandas as pd
import pytest
from r_numbers import HERE, agree, agree_all, agree_estimate, expected, table
from scipy.stats import chi2, norm

from predictor.validation.calibration import (
    calibration_in_the_large,
    logistic_recalibration,
    observed_expected,
    recalibration_line,
    spiegelhalter,
)
from predictor.validation.calibration_likelihood import (
    calibration_tests,
    likelihood_indices,
    profile_limits,
)
from predictor.validation.discrimination import (
    auc,
    average_precision,
    delong,
    delong_difference,
    delong_unpaired,
)
from predictor.validation.loess import loess_calibration
from predictor.validation.lowess import lowess_calibration
from predictor.validation.overall import (
    brier,
    cox_snell_r2,
    gini_mean_difference,
    log_loss,
    mcfadden_r2,
    nagelkerke_r2,
    scaled_brier,
)
from predictor.validation.sample_size import max_r_squared
from predictor.validation.survival_performance import concordance
from predictor.validation.utility import (
    interventions_avoided,
    net_benefit,
    standardized_net_benefit,
    treat_all,
)

SETS = ["a", "b", "c", "d"]
PREDICTIONS = [(name, column) for name in SETS for column in ("p1", "p2")]


def test_the_files_are_the_ones_whose_origin_is_written_down() -> None:
    listed = re.findall(
        r"^\| `(\S+)` \| `([0-9a-f]{64})` \|$", (HERE / "PROVENANCE.md").read_text(), re.MULTILINE
    )
    found = {
        f"{path.parent.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in [*HERE.glob("inputs/*"), *HERE.glob("expected/*")]
    }
    assert found == dict(listed)


@pytest.mark.parametrize(("name", "column"), PREDICTIONS)
def test_delong_agrees_with_proc(name: str, column: str) -> None:
    frame, want = table(f"preds_{name}"), expected("case01_discrimination")[name][column]
    limits = (want["ci_lower"], want["ci_upper"])
    agree_estimate(delong(frame.y, frame[column]), want["auc"], limits, want["auc_se_delong"], 1e-9)
    agree(delong(frame.y, frame[column]).se ** 2, want["auc_var_delong"], 1e-9)
    agree(2 * auc(frame.y, frame[column]) - 1, want["somers_dxy"], 1e-9)
    agree(average_precision(frame.y, frame[column]), want["average_precision"], 1e-9)


@pytest.mark.parametrize("name", SETS)
def test_the_paired_comparison_agrees_with_proc(name: str) -> None:
    frame, want = table(f"preds_{name}"), expected("case01_discrimination")[name]["compare_p1_minus_p2"]
    got = delong_difference(frame.y, frame.p1, frame.p2)
    agree_estimate(
        got, want["auc_diff"], (want["diff_ci_lower"], want["diff_ci_upper"]), want["se_diff"], 1e-9
    )
    agree(got.p_value, want["p_value"], 1e-9)


def test_the_unpaired_comparison_agrees_with_proc() -> None:
    one, two, want = table("preds_a"), table("preds_b"), expected("case01_discrimination")
    got, want = delong_unpaired(one.y, one.p1, two.y, two.p1), want["unpaired_a_p1_vs_b_p1"]
    agree(got.difference.value / got.difference.se, want["D"], 1e-9)
    agree(got.df, want["df"], 1e-9)
    agree(got.p_value, want["p_value"], 1e-9)


@pytest.mark.parametrize("name", SETS)
def test_small_groups_agree_with_proc_and_undefined_is_nan(name: str) -> None:
    frame, groups = table(f"preds_{name}"), expected("case01_discrimination")[name]["by_group_p1"]
    for label, want in groups.items():
        part = frame[frame.group == label]
        got = delong(part.y, part.p1)
        for ours, key in zip(
            (got.value, got.se, got.low, got.high),
            ("auc", "auc_se_delong", "ci_lower", "ci_upper"),
            strict=True,
        ):
            agree(ours, want[key], 1e-9)
        agree(observed_expected(part.y, part.p1).value, want["oe"], 1e-9)
        agree(brier(part.y, part.p1), want["brier"], 1e-9)
        agree(average_precision(part.y, part.p1), want["average_precision"], 1e-9)


@pytest.mark.parametrize(("name", "column"), PREDICTIONS)
def test_calibration_intercept_slope_and_ratio_agree_with_glm(name: str, column: str) -> None:
    frame, want = table(f"preds_{name}"), expected("case02_calibration")[name][column]
    citl, line, ratio = want["citl"], want["recalibration"], want["oe"]
    got = logistic_recalibration(frame.y, frame[column])
    agree_estimate(
        calibration_in_the_large(frame.y, frame[column]),
        citl["intercept"],
        (citl["wald_lower"], citl["wald_upper"]),
        citl["se"],
        1e-7,
    )
    agree_estimate(
        got.intercept, line["intercept"], tuple(line["wald_intercept"]), line["se_intercept"], 1e-7
    )
    agree_estimate(got.slope, line["slope"], tuple(line["wald_slope"]), line["se_slope"], 1e-7)
    agree(got.covariance, line["cov_int_slope"], 1e-7)
    limits = (ratio["ci_lower"], ratio["ci_upper"])
    agree_estimate(observed_expected(frame.y, frame[column]), ratio["oe"], limits, ratio["log_oe_se"], 1e-7)


@pytest.mark.parametrize(("name", "column"), PREDICTIONS)
def test_likelihood_ratio_tests_of_calibration_agree_with_glm(name: str, column: str) -> None:
    frame, want = table(f"preds_{name}"), expected("case02_calibration")[name][column]
    got, ratios = calibration_tests(frame.y, frame[column]), want["lr_tests"]
    for ours, key, p in (
        (got.joint, "joint_int0_slope1_chisq", "joint_p"),
        (got.intercept, "citl_given_slope1_chisq", "citl_p"),
        (got.slope, "slope1_given_free_intercept_chisq", "slope_p"),
    ):
        agree(ours.statistic, ratios[key], 1e-8)
        agree(ours.p_value, ratios[p], 1e-8)
    agree(got.joint.statistic, want["val_prob"]["U:Chi-sq"], 1e-5)
    agree((got.joint.statistic - 2) / len(frame), want["val_prob"]["U"], 1e-5)
    agree(got.joint.p_value, want["val_prob"]["U:p"], 1e-5)


@pytest.mark.parametrize(("name", "column"), PREDICTIONS)
def test_profile_limits_of_calibration_agree_with_glm(name: str, column: str) -> None:
    frame, want = table(f"preds_{name}"), expected("case02_calibration")[name][column]
    got, line = profile_limits(frame.y, frame[column]), want["recalibration"]
    for key, exact, spline in (
        ("in_the_large", want["citl"]["profile_exact"], want["citl"]["confint_profile"]),
        ("intercept", line["profile_exact_intercept"], line["confint_profile_intercept"]),
        ("slope", line["profile_exact_slope"], line["confint_profile_slope"]),
    ):
        agree_all(got[key], exact, 1e-6)
        agree_all(got[key], spline, 1e-3)


@pytest.mark.parametrize(("name", "column"), PREDICTIONS)
def test_spiegelhalter_agrees_with_r(name: str, column: str) -> None:
    frame, want = table(f"preds_{name}"), expected("case02_calibration")[name][column]["spiegelhalter"]
    z = spiegelhalter(frame.y, frame[column])
    agree(z, want["z"], 1e-10)
    agree(float(2 * norm.sf(abs(z))), want["p_two_sided"], 1e-10)


@pytest.mark.parametrize(("name", "column"), PREDICTIONS)
def test_smoothed_calibration_agrees_with_direct_loess(name: str, column: str) -> None:
    frame, want = table(f"preds_{name}"), expected("case02_calibration")[name][column]["loess_direct"]
    got = loess_calibration(frame.y, frame[column])
    for ours, key in zip((got.ici, got.e50, got.e90, got.emax), ("ICI", "E50", "E90", "Emax"), strict=True):
        agree(ours, want[key], 1e-8)
    np.testing.assert_allclose(got.fitted[:10], want["fitted_first10"], rtol=0, atol=1e-8)


@pytest.mark.parametrize(("name", "column"), PREDICTIONS)
def test_smoothed_calibration_agrees_with_loess_as_r_interpolates_it(name: str, column: str) -> None:
    frame = table(f"preds_{name}")
    want = expected("case02_calibration")[name][column]["loess_default_interpolate"]
    got = loess_calibration(frame.y, frame[column], surface="interpolated")
    for ours, key in zip((got.ici, got.e50, got.e90, got.emax), ("ICI", "E50", "E90", "Emax"), strict=True):
        agree(ours, want[key], 1e-6)
    np.testing.assert_allclose(got.fitted[:10], want["fitted_first10"], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "column"), PREDICTIONS)
def test_val_prob_agrees(name: str, column: str) -> None:
    frame, want = table(f"preds_{name}"), expected("case02_calibration")[name][column]["val_prob"]
    line = logistic_recalibration(frame.y, frame[column])
    agree(nagelkerke_r2(frame.y, frame[column]), want["R2"], 1e-5)
    agree(brier(frame.y, frame[column]), want["Brier"], 1e-5)
    agree(line.intercept.value, want["Intercept"], 1e-5)
    agree(line.slope.value, want["Slope"], 1e-5)
    agree(auc(frame.y, frame[column]), want["C (ROC)"], 5e-4)
    agree(2 * auc(frame.y, frame[column]) - 1, want["Dxy"], 5e-4)
    z = spiegelhalter(frame.y, frame[column])
    agree(z, want["S:z"], 1e-5)
    agree(float(2 * norm.sf(abs(z))), want["S:p"], 1e-5)


@pytest.mark.parametrize(("name", "column"), PREDICTIONS)
def test_discrimination_unreliability_and_quality_agree_with_val_prob(name: str, column: str) -> None:
    frame, want = table(f"preds_{name}"), expected("case02_calibration")[name][column]["val_prob"]
    got = likelihood_indices(frame.y, frame[column])
    agree(got.discrimination, want["D"], 1e-5)
    agree(got.discrimination * len(frame) + 1, want["D:Chi-sq"], 1e-5)
    agree(got.unreliability, want["U"], 1e-5)
    agree(got.unreliability * len(frame) + 2, want["U:Chi-sq"], 1e-5)
    agree(got.quality, want["Q"], 1e-5)


@pytest.mark.parametrize(("name", "column"), PREDICTIONS)
def test_the_errors_of_the_lowess_curve_agree_with_val_prob(name: str, column: str) -> None:
    frame, want = table(f"preds_{name}"), expected("case02_calibration")[name][column]["val_prob"]
    got = lowess_calibration(frame.y, frame[column])
    agree(got.emax, want["Emax"], 1e-5)
    agree(got.e90, want["E90"], 1e-5)
    agree(got.eavg, want["Eavg"], 1e-5)


@pytest.mark.parametrize(("name", "column"), PREDICTIONS)
def test_overall_performance_agrees_with_r(name: str, column: str) -> None:
    frame, want = table(f"preds_{name}"), expected("case03_overall")["predictions"][name][column]
    agree(brier(frame.y, frame[column]), want["brier"], 1e-9)
    agree(scaled_brier(frame.y, frame[column]), want["ipa_scaled_brier"], 1e-9)
    agree(log_loss(frame.y, frame[column]), want["log_loss"], 1e-9)
    agree(cox_snell_r2(frame.y, frame[column]), want["cox_snell_r2_as_is"], 1e-9)
    agree(nagelkerke_r2(frame.y, frame[column]), want["nagelkerke_r2_as_is"], 1e-9)
    agree(mcfadden_r2(frame.y, frame[column]), want["mcfadden_r2_as_is"], 1e-9)
    agree(max_r_squared(float(frame.y.mean())), want["max_cox_snell_r2"], 1e-9)
    p = frame[column].to_numpy()
    intercept, slope = recalibration_line(frame.y, p)
    recalibrated = 1 / (1 + np.exp(-intercept - slope * np.log(p / (1 - p))))
    agree(cox_snell_r2(frame.y, recalibrated), want["cox_snell_r2_recalibrated"], 1e-9)
    agree(nagelkerke_r2(frame.y, recalibrated), want["nagelkerke_r2_recalibrated"], 1e-9)


@pytest.mark.parametrize("name", ["dev_small", "dev_large"])
def test_apparent_performance_of_a_fitted_model_agrees_with_lrm(name: str) -> None:
    frame, want = table(name), expected("case03_overall")["development"][name]
    terms = [column for column in frame.columns if column != "y"]
    score = want["coef"]["(Intercept)"] + frame[terms] @ pd.Series(want["coef"])[terms]
    p = 1 / (1 + np.exp(-score))
    agree(auc(frame.y, p), want["auc"], 1e-7)
    agree(brier(frame.y, p), want["brier"], 1e-7)
    agree(scaled_brier(frame.y, p), want["ipa_scaled_brier"], 1e-7)
    agree(log_loss(frame.y, p), want["log_loss"], 1e-7)
    agree(cox_snell_r2(frame.y, p), want["cox_snell_r2"], 1e-7)
    agree(nagelkerke_r2(frame.y, p), want["nagelkerke_r2"], 1e-7)
    agree(mcfadden_r2(frame.y, p), want["mcfadden_r2"], 1e-7)
    # At the maximum of its own likelihood a logistic model is perfectly calibrated.
    line = logistic_recalibration(frame.y, p)
    assert line.slope.value == pytest.approx(1, abs=1e-6)
    assert line.intercept.value == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", ["dev_small", "dev_large"])
def test_the_statistics_that_lrm_prints_of_a_fitted_model(name: str) -> None:
    frame, case = table(name), expected("case03_overall")["development"][name]
    want, n, y = case["lrm_stats"], len(frame), frame["y"].to_numpy()
    terms = [column for column in frame.columns if column != "y"]
    score = case["coef"]["(Intercept)"] + frame[terms].to_numpy() @ [case["coef"][term] for term in terms]
    p = 1 / (1 + np.exp(-score))
    ratio, rate = n * likelihood_indices(y, p).discrimination + 1, float(y.mean())
    informative = 3 * n * rate * (1 - rate)  # patients of a balanced outcome that tell as much
    assert (n, len(terms)) == (want["Obs"], want["d.f."])
    agree(ratio, want["Model L.R."], 1e-7)
    agree(float(chi2.sf(ratio, len(terms))), want["P"], 1e-7)
    agree(nagelkerke_r2(y, p), want["R2"], 1e-7)
    agree(brier(y, p), want["Brier"], 1e-7)
    for patients in (n, informative):
        shown = f"{patients:g}" if patients == n else f"{patients:.1f}"
        agree(1 - np.exp(-ratio / patients), want[f"R2({shown})"], 1e-7)
        agree(1 - np.exp(-(ratio - len(terms)) / patients), want[f"R2({len(terms)},{shown})"], 1e-7)
    agree(cox_snell_r2(y, p), want[f"R2({n})"], 1e-7)
    agree(gini_mean_difference(score), want["g"], 1e-7)
    agree(float(np.exp(gini_mean_difference(score))), want["gr"], 1e-7)
    agree(gini_mean_difference(p), want["gp"], 1e-7)
    # Responders as events at one time and the others as free of them for longer: the pairs of the AUC.
    pairs = concordance(2 - y, y, p)
    beyond = pairs.concordant - pairs.discordant
    agree(auc(y, p), want["C"], 5e-4)
    agree(2 * auc(y, p) - 1, want["Dxy"], 5e-4)
    agree(beyond / (pairs.concordant + pairs.discordant), want["Gamma"], 5e-4)
    agree(beyond / (n * (n - 1) / 2), want["Tau-a"], 5e-4)


@pytest.mark.parametrize("name", SETS)
def test_net_benefit_agrees_with_r(name: str) -> None:
    case = expected("case04_net_benefit")
    frame, want, thresholds = table(f"preds_{name}"), case["data"][name], case["thresholds"]
    for ours, theirs in zip(treat_all(frame.y, thresholds), want["treat_all"], strict=True):
        agree(ours, theirs, 1e-11)
    for column in ("p1", "p2"):
        for function, key in (
            (net_benefit, "net_benefit"),
            (standardized_net_benefit, "standardized_net_benefit"),
            (interventions_avoided, "net_reduction_in_interventions_per100"),
        ):
            agree_all(function(frame.y, frame[column], thresholds), want[column][key], 1e-11)
