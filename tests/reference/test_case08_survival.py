"""Times to an event against R's survival and cmprsk (case 8)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from r_numbers import agree, agree_all, expected, table

from predictor.validation.censoring import censoring_survival
from predictor.validation.competing_risks import cumulative_incidence, cumulative_incidence_variance
from predictor.validation.cox import fit_cox
from predictor.validation.fine_gray import fit_fine_gray
from predictor.validation.gray import gray_test
from predictor.validation.partial_likelihood import Ties
from predictor.validation.survival import (
    Scale,
    kaplan_meier,
    log_rank,
    median_time,
    probability_interval,
)
from predictor.validation.survival_performance import (
    RiskPerformance,
    concordance,
    risk_performance,
)

CASE = expected("case08_survival")
DATA = table("survival")
TIME = DATA["time_days"].to_numpy(dtype=float) / 7
EVENT = DATA["event"].to_numpy()
ANY = EVENT > 0
WEEKS = CASE["times_weeks"]
SCALES: list[tuple[str, Scale]] = [("log", "log"), ("loglog", "log-log"), ("plain", "plain")]


def agree_intervals(value: Any, se: Any, want: dict[str, Any], tolerance: float) -> None:
    for key, scale in SCALES:
        low, high = probability_interval(value, se, scale=scale)
        agree_all(low, want[f"ci_{key}"]["lower"], tolerance)
        agree_all(high, want[f"ci_{key}"]["upper"], tolerance)


def test_kaplan_meier() -> None:
    want, got = CASE["kaplan_meier_any_event"], kaplan_meier(TIME, ANY, at=WEEKS)
    agree_all(got.survival, want["surv"], 1e-9)
    agree_all(got.se, want["se_greenwood"], 1e-9)
    agree_all(got.at_risk, want["n_risk_at_time"], 0)
    agree_intervals(got.survival, got.se, want, 1e-9)
    agree_all(median_time(TIME, ANY), [want["median"], *want["median_ci_log"]], 1e-9)


def test_kaplan_meier_by_arm_and_the_log_rank_test() -> None:
    want = CASE["kaplan_meier_by_arm"]
    for arm in (0, 1):
        here = (DATA["arm"] == arm).to_numpy()
        got = kaplan_meier(TIME[here], ANY[here], at=WEEKS)
        agree_all(got.survival, want[f"arm{arm}"]["surv"], 1e-9)
        agree_all(got.se, want[f"arm{arm}"]["se"], 1e-9)
    test = log_rank(TIME, ANY, DATA["arm"])
    agree_all(test.observed, want["observed"], 1e-9)
    agree_all(test.expected, want["expected"], 1e-9)
    agree(test.statistic, want["logrank_chisq"], 1e-9)
    agree(test.p_value, want["logrank_p"], 1e-9)


@pytest.mark.parametrize("cause", [1, 2])
def test_cumulative_incidence_as_survfit_has_it(cause: int) -> None:
    want = CASE["aalen_johansen_survfit"][f"cause{cause}"]
    got = cumulative_incidence(TIME, EVENT, cause=cause, at=WEEKS)
    agree_all(got.risk, want["est"], 1e-8)
    agree_all(got.se, want["se"], 1e-6)
    agree_intervals(got.risk, got.se, want, 1e-6)


def test_the_causes_and_being_free_of_them_add_up_to_one() -> None:
    causes = sum(cumulative_incidence(TIME, EVENT, cause=cause, at=WEEKS).risk for cause in (1, 2))
    free = kaplan_meier(TIME, ANY, at=WEEKS).survival
    agree_all(free, CASE["aalen_johansen_survfit"]["event_free"], 1e-8)
    np.testing.assert_allclose(causes + free, 1, atol=1e-12)


@pytest.mark.parametrize("cause", [1, 2])
def test_cumulative_incidence_as_cmprsk_has_it(cause: int) -> None:
    want = CASE["cuminc_cmprsk"][f"cause{cause}"]
    variance = cumulative_incidence_variance(TIME, EVENT, cause=cause, at=WEEKS)
    risk = cumulative_incidence(TIME, EVENT, cause=cause, at=WEEKS).risk
    agree_all(risk, want["est"], 1e-8)
    agree_all(variance, want["var"], 1e-8)
    agree_all(variance / np.array(want["var"]), np.ones(3), 1e-8)
    for key, scale in SCALES[1:]:
        low, high = probability_interval(risk, np.sqrt(variance), scale=scale)
        agree_all(low, want[f"ci_{key}_lower"], 1e-8)
        agree_all(high, want[f"ci_{key}_upper"], 1e-8)


@pytest.mark.parametrize("label", ["0 1", "0 2", "1 1", "1 2"])
def test_cumulative_incidence_by_arm(label: str) -> None:
    arm, cause = map(int, label.split())
    here, want = (DATA["arm"] == arm).to_numpy(), CASE["cuminc_cmprsk"]["by_arm"][label]
    time, event = TIME[here], EVENT[here]
    agree_all(cumulative_incidence(time, event, cause=cause, at=WEEKS).risk, want["est"], 1e-8)
    variance = cumulative_incidence_variance(time, event, cause=cause, at=WEEKS)
    agree_all(variance / np.array(want["var"]), np.ones(3), 1e-8)


@pytest.mark.parametrize("cause", [1, 2])
def test_grays_test_by_arm(cause: int) -> None:
    want = CASE["cuminc_cmprsk"]["gray_test_by_arm"][f"cause{cause}"]
    got = gray_test(TIME, EVENT, DATA["arm"], cause=cause)
    agree(got.statistic, want["stat"], 1e-6)
    agree(got.p_value, want["p"], 1e-6)


TERMS = ["x1", "x2", "x3", "arm"]
X = DATA[TERMS].to_numpy(dtype=float)
COX: list[tuple[str, Any, Ties]] = [
    ("cox_any_efron", ANY, "efron"),
    ("cox_any_breslow", ANY, "breslow"),
    ("cox_cause1_efron", EVENT == 1, "efron"),
    ("cox_cause2_efron", EVENT == 2, "efron"),
]


@pytest.mark.parametrize(("name", "observed", "ties"), COX, ids=[one[0] for one in COX])
def test_cox(name: str, observed: Any, ties: Ties) -> None:
    want, got = CASE[name], fit_cox(X, TIME, observed, ties=ties)
    agree_all(got.coef, [want["coef"][term] for term in TERMS], 1e-6)
    agree_all(got.se, [want["se"][term] for term in TERMS], 1e-6)
    agree_all(got.covariance, want["vcov"], 1e-6)
    agree(got.log_likelihood, want["loglik"], 1e-6)
    agree(got.null_log_likelihood, want["loglik_null"], 1e-6)
    agree(got.score_test, want["score_test"], 1e-6)
    agree(got.wald_test, want["wald_test"], 1e-6)
    agree(got.likelihood_ratio_test, want["lr_test"], 1e-6)
    _, low, high = got.hazard_ratios()
    agree_all(low, want["lower95_hr"], 1e-6)
    agree_all(high, want["upper95_hr"], 1e-6)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_predicted_survival(ties: Ties) -> None:
    want = CASE["cox_predicted_survival"]
    patients = [[row[term] for term in TERMS] for row in want["newdata"]]
    got = fit_cox(X, TIME, ANY, ties=ties).survival(patients, at=want["times"])
    agree_all(got.T, want[f"{ties}_rows_are_times"], 1e-7)


@pytest.mark.parametrize("name", ["harrell", "uno", "harrell_tau26", "uno_tau26"])
def test_concordance(name: str) -> None:
    want = CASE["concordance_any26"][name]
    until = 26.0 if name.endswith("tau26") else np.inf
    got = concordance(TIME, EVENT, DATA["any_26"], until=until, uno=name.startswith("uno"))
    agree(got.value, want["C"], 1e-8)
    agree(got.se, want["se"], 1e-8)
    counts = want["counts"]
    if name.startswith("harrell"):
        assert (got.concordant, got.discordant, got.tied) == (
            counts["concordant"],
            counts["discordant"],
            counts["tied.x"],
        )
    # R scales the weighted pairs by a constant, which a ratio does not have.
    agree(got.concordant / got.discordant, counts["concordant"] / counts["discordant"], 1e-8)


def test_the_probability_of_not_being_censored() -> None:
    agree_all(censoring_survival(TIME, EVENT, at=WEEKS), CASE["censoring_km_at_times"], 1e-8)


SCORES = [("m1", EVENT, "competing_cause1"), ("m2", EVENT, "competing_cause1")]
SCORES += [("any", ANY.astype(int), "survival_any")]


def performance(model: str, event: Any, i: int) -> RiskPerformance:
    return risk_performance(TIME, event, DATA[f"{model}_{WEEKS[i]}"], at=WEEKS[i])


@pytest.mark.parametrize("i", range(3))
@pytest.mark.parametrize(("model", "event", "block"), SCORES, ids=[one[0] for one in SCORES])
def test_the_brier_score_and_the_auc_by_a_time(model: str, event: Any, block: str, i: int) -> None:
    want, null = CASE[f"score_{block}"][model], CASE[f"score_{block}"]["null_model"]
    got = performance(model, event, i)
    agree(got.brier.value, want["brier"][i], 1e-8)
    agree(got.auc.value, want["auc"][i], 1e-8)
    agree(got.brier_null, null["brier"][i], 1e-8)
    agree(got.scaled_brier, want["ipa"][i], 1e-8)
    agree(got.auc.se, want["auc_se_infinitesimal_jackknife"][i], 1e-6)
    agree(got.brier.se, want["brier_se_infinitesimal_jackknife"][i], 1e-6)
    # riskRegression itself treats tied times differently.
    assert got.auc.se == pytest.approx(want["auc_se"][i], rel=0.02)
    assert got.brier.se == pytest.approx(want["brier_se"][i], rel=0.12)
    assert got.auc.low == pytest.approx(want["auc_lower"][i], abs=0.04 * want["auc_se"][i])
    assert got.auc.high == pytest.approx(want["auc_upper"][i], abs=0.04 * want["auc_se"][i])


@pytest.mark.parametrize("i", range(3))
def test_two_models_are_compared_by_their_influence(i: int) -> None:
    want = CASE["score_competing_cause1"]["contrast_auc_m2_minus_m1"]
    one, two = performance("m1", EVENT, i), performance("m2", EVENT, i)
    agree(two.auc.value - one.auc.value, want["delta"][i], 1e-8)
    spread = np.std(two.auc_influence - one.auc_influence, ddof=1) / np.sqrt(len(TIME))
    assert spread == pytest.approx(want["se"][i], rel=0.02)


def test_fine_gray() -> None:
    want, got = CASE["fine_gray_cause1"], fit_fine_gray(X, TIME, EVENT, cause=1)
    agree_all(got.coef, [want["coef"][term] for term in TERMS], 1e-5)
    agree(got.log_likelihood, want["loglik"], 1e-5)
    assert got.se == pytest.approx([want["se_robust"][term] for term in TERMS], rel=1e-3)


@pytest.mark.parametrize("i", range(3))
@pytest.mark.parametrize(("event", "block"), [(EVENT, "competing_cause1"), (ANY.astype(int), "survival_any")])
def test_the_null_model_is_everybodys_cumulative_incidence(event: Any, block: str, i: int) -> None:
    want = CASE[f"score_{block}"]["null_model"]
    rate = float(cumulative_incidence(TIME, event, cause=1, at=WEEKS[i]).risk[0])
    got = risk_performance(TIME, event, np.full(len(TIME), rate), at=WEEKS[i])
    agree(got.brier.value, want["brier"][i], 1e-8)
    # Told a risk of 0.52, everybody has nearly the same squared error: what little varies there are the tied times,
    # which riskRegression treats differently.
    if abs(rate - 0.5) > 0.05:
        assert got.brier.se == pytest.approx(want["brier_se"][i], rel=0.12)
