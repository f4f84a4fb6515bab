"""Times to an event against R's survival and cmprsk (case 8)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from r_numbers import agree, agree_all, expected, table

from predictor.validation.competing_risks import cumulative_incidence, cumulative_incidence_variance
from predictor.validation.survival import (
    Scale,
    kaplan_meier,
    log_rank,
    median_time,
    probability_interval,
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
