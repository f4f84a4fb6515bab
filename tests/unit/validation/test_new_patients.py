from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from predictor.validation.calibration import observed_expected
from predictor.validation.discrimination import delong
from predictor.validation.loess import loess_calibration
from predictor.validation.new_patients import evaluate_new, net_benefit_new
from predictor.validation.overall import brier
from predictor.validation.utility import net_benefit, treat_all

OPTIONS = {"level": 0.95, "resamples": 400, "seed": 2}


def patients(n: int = 400, *, copies: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, predictions that are too extreme, and clusters of patients who are each other's copies."""
    rng = np.random.default_rng(8)
    eta = rng.normal(0, 1, n)
    y = (rng.random(n) < expit(eta)).astype(float)
    return np.repeat(y, copies), np.repeat(expit(1.5 * eta), copies), np.repeat(np.arange(n), copies)


def table(y: np.ndarray, p: np.ndarray, groups: np.ndarray) -> pd.DataFrame:
    return evaluate_new(y, p, groups, **OPTIONS)  # type: ignore[arg-type]


def test_every_figure_is_the_one_of_its_own_function_and_lies_within_its_limits() -> None:
    y, p, groups = patients()
    found = table(y, p, groups).set_index("metric")
    smooth = loess_calibration(y, p)
    wanted = {
        "observed": y.mean(),
        "expected": p.mean(),
        "auc": delong(y, p).value,
        "brier": brier(y, p),
        "observed_expected": observed_expected(y, p).value,
        "ici": smooth.ici,
        "e50": smooth.e50,
        "e90": smooth.e90,
    }
    for name, value in wanted.items():
        assert found.loc[name, "value"] == pytest.approx(float(value))
    assert (found["low"] < found["high"]).all()
    assert found.loc["calibration_slope", "high"] < 1  # they are 1.5 times too extreme
    assert (found.loc["auc", "low"], found.loc["auc", "high"]) == (delong(y, p).low, delong(y, p).high)


def test_patients_who_come_four_times_are_not_four_times_the_evidence() -> None:
    """The cluster's limits stay those of single patients, where DeLong's believe in four times as many."""
    one, four = table(*patients()), table(*patients(copies=4))
    width = {
        name: (frame["high"] - frame["low"]).groupby(frame["metric"]).last()
        for name, frame in (("one", one), ("four", four))
    }
    for metric in ("auc", "brier", "calibration_intercept", "calibration_slope", "observed_expected"):
        assert width["four"][metric] == pytest.approx(width["one"][metric], rel=0.25)
    naive, clustered = four[four["metric"] == "auc"].to_dict("records")
    assert naive["interval"] == "DeLong"
    assert clustered["high"] - clustered["low"] > 1.6 * (naive["high"] - naive["low"])


def test_below_twenty_events_only_the_shares_are_given() -> None:
    y, p, groups = np.repeat([1.0, 0.0], [19, 60]), np.full(79, 0.3), np.arange(79)
    assert table(y, p, groups)["metric"].tolist() == ["observed", "expected"]


def test_the_gain_in_net_benefit_is_against_treating_everybody() -> None:
    y, p, groups = patients()
    found = net_benefit_new(y, p, groups, thresholds=[0.3, 0.6], **OPTIONS)  # type: ignore[arg-type]
    by = found.pivot(index="threshold", columns="metric", values="value")
    np.testing.assert_allclose(by["net_benefit"], net_benefit(y, p, [0.3, 0.6]))
    np.testing.assert_allclose(by["treat_all"], treat_all(y, [0.3, 0.6]))
    np.testing.assert_allclose(by["net_benefit_gain"], by["net_benefit"] - by["treat_all"])
    assert (found["low"] <= found["value"]).all()
    assert (found["value"] <= found["high"]).all()
