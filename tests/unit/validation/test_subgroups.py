from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from predictor.validation.calibration import calibration_intercept, calibration_slope
from predictor.validation.discrimination import auc
from predictor.validation.procedures import Procedure
from predictor.validation.subgroups import subgroup_performance
from predictor.validation.utility import net_benefit


def patients(
    n: int = 1200, *, shift: float = 0.0, slope: float = 1.0
) -> tuple[Procedure, np.ndarray, np.ndarray]:
    """Predictions of one repeat and fold that are right for a, and off for b by a line of the log-odds."""
    rng = np.random.default_rng(3)
    label = np.repeat(["a", "b"], n // 2)
    eta = rng.normal(0, 1.5, n)
    truth = np.where(label == "b", shift + slope * eta, eta)
    y = (rng.random(n) < expit(truth)).astype(float)
    return Procedure("average", "judged", expit(eta)[None], np.zeros((1, n), dtype=np.int64)), y, label


def table(one: Procedure, y: np.ndarray, **labels: np.ndarray) -> pd.DataFrame:
    options: dict[str, Any] = {"thresholds": [0.3, 0.5], "level": 0.95, "resamples": 200, "seed": 1}
    return subgroup_performance(one, y, np.arange(len(y)), labels, **options)


def figures(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    own = frame[frame["subgroup"] == name]
    return own[own["threshold"].isna()].set_index("metric")


def test_the_figures_are_those_of_the_subgroup_alone() -> None:
    one, y, label = patients()
    frame, here = table(one, y, sex=label), label == "b"
    own, p = figures(frame, "b"), one.p[0][here]
    assert own.loc["auc", "value"] == pytest.approx(auc(y[here], p))
    assert own.loc["calibration_slope", "value"] == pytest.approx(calibration_slope(y[here], p))
    assert own.loc["calibration_intercept", "value"] == pytest.approx(calibration_intercept(y[here], p))
    assert own.loc["observed_minus_expected", "value"] == pytest.approx(float((y[here] - p).mean()))
    benefit = frame[(frame["subgroup"] == "b") & (frame["metric"] == "net_benefit")]
    np.testing.assert_allclose(benefit["value"], net_benefit(y[here], p, [0.3, 0.5]))
    assert (frame["low"] <= frame["value"]).all()
    assert (frame["value"] <= frame["high"]).all()
    assert set(frame["n"]) == {"600"}
    assert own.loc["auc", "events"] == str(int(y[here].sum()))


def test_predictions_that_are_right_for_everybody_raise_nothing() -> None:
    one, y, label = patients(6000)
    assert set(table(one, y, sex=label)["flag"]) == {""}


@pytest.mark.parametrize(
    ("change", "metric", "words"),
    [
        ({"shift": -0.8}, "observed_minus_expected", "points below expected"),
        ({"shift": 0.8}, "observed_minus_expected", "points above expected"),
        ({"slope": 0.4}, "calibration_slope", "slope 0."),
        ({"slope": 0.4}, "auc", "below the others"),
    ],
)
def test_what_is_off_in_one_subgroup_is_flagged_there_and_not_elsewhere(
    change: dict[str, float], metric: str, words: str
) -> None:
    frame = table(*patients(3000, **change)[:2], sex=patients(3000)[2])
    assert words in figures(frame, "b").loc[metric, "flag"]
    assert not figures(frame, "a")["flag"].any()


def test_a_subgroup_of_fewer_than_100_events_has_limits_and_no_flag() -> None:
    one, y, label = patients(300, shift=-0.8)
    own = figures(table(one, y, sex=label), "b")
    assert 20 <= y[label == "b"].sum() < 100
    assert own.loc["auc", "low"] < own.loc["auc", "value"]
    assert abs(own.loc["observed_minus_expected", "value"]) >= 0.05
    assert not own["flag"].any()
    assert own["note"].str.contains("too few to judge").all()


def test_a_cell_of_fewer_than_ten_says_nothing_nor_can_it_be_found_by_subtraction() -> None:
    one, y, _ = patients()
    place = np.repeat(["rare", "some", "most"], [9, 391, 800])
    frame = table(one, y, place=place)
    rare = frame[frame["subgroup"] == "rare"]
    assert rare[["n", "events"]].to_numpy().tolist() == [["< 10", "< 10"]]
    assert rare["value"].isna().all()
    assert set(frame.loc[frame["subgroup"] == "some", "n"]) == {"10 or more"}
    assert set(frame.loc[frame["subgroup"] == "most", "n"]) == {"800"}


def test_fewer_than_ten_events_are_not_counted_and_unknown_labels_are_nobody() -> None:
    one, y, _ = patients()
    y = y.copy()
    y[:100] = 0.0
    y[:3] = 1.0
    place = np.repeat(["few events", "", "others"], [100, 500, 600])
    frame = table(one, y, place=place)
    few = frame[frame["subgroup"] == "few events"].iloc[0]
    assert (few["n"], few["events"], len(frame[frame["subgroup"] == "few events"])) == ("100", "< 10", 1)
    assert set(frame["subgroup"]) == {"few events", "others"}


def test_nothing_declared_is_an_empty_table() -> None:
    one, y, _ = patients(60)
    assert table(one, y).empty
