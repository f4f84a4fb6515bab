from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from predictor.validation.splits import before_and_after
from predictor.validation.transport import MEASURES, transport_summary


def frame(**columns: list[float]) -> pd.DataFrame:
    """Sites of which only the given figures are known."""
    n = len(next(iter(columns.values())))
    empty = {f"{m}{part}": [np.nan] * n for m in MEASURES for part in ("", "_se")}
    return pd.DataFrame(empty | columns).assign(site=[f"S{i}" for i in range(n)])


def test_sites_that_agree_exactly_have_their_own_value_and_no_heterogeneity() -> None:
    table = transport_summary(frame(slope=[0.9] * 4, slope_se=[0.2] * 4), level=0.95).set_index("measure")
    slope = table.loc["calibration slope"]
    assert slope["sites"] == 4
    assert slope["value"] == pytest.approx(0.9)
    assert slope["tau2"] == 0
    assert slope["i2"] == 0
    assert table.loc["AUC", "sites"] == 0
    assert "fewer than two" in table.loc["AUC", "note"]


def test_auc_and_ratio_are_averaged_on_their_logarithmic_scales() -> None:
    """Odds of 4 and 9 with equal errors on the logit: the mean has the odds 6; ratios ½ and 2 have the mean 1."""
    auc = np.array([0.8, 0.9])
    table = transport_summary(
        frame(
            auc=auc.tolist(),
            auc_se=(0.3 * auc * (1 - auc)).tolist(),
            observed_expected=[0.5, 2.0],
            observed_expected_se=[0.1, 0.1],
        ),
        level=0.95,
    ).set_index("measure")
    assert table.loc["AUC", "value"] == pytest.approx(6 / 7)
    assert table.loc["observed / expected", "value"] == pytest.approx(1.0)
    assert np.isnan(table.loc["AUC", "prediction_low"])
    assert "two sites say nothing about a third" in table.loc["AUC", "note"]


def test_a_further_site_is_less_sure_than_the_mean_of_sites_that_differ() -> None:
    table = transport_summary(frame(slope=[0.4, 0.8, 1.0, 1.4, 0.6], slope_se=[0.1] * 5), level=0.95)
    slope = table.set_index("measure").loc["calibration slope"]
    assert slope["prediction_low"] < slope["low"] < slope["value"] < slope["high"] < slope["prediction_high"]
    assert slope["tau2"] == pytest.approx(np.var([0.4, 0.8, 1.0, 1.4, 0.6], ddof=1) - 0.01)


def test_a_site_too_small_to_judge_is_missed_beside_the_mean() -> None:
    table = transport_summary(
        frame(slope=[0.9, 1.1, 1.0, np.nan], slope_se=[0.2, 0.2, 0.2, np.nan]), level=0.95
    ).set_index("measure")
    assert table.loc["calibration slope", "note"] == "without 1 of 4 sites, too small to judge"


def test_one_part_alone_has_no_summary() -> None:
    assert transport_summary(frame(slope=[1.0], slope_se=[0.1]), level=0.95).empty


def test_a_patient_of_the_later_part_is_in_no_training() -> None:
    later = np.array([0, 0, 1, 0, 1, np.nan])
    y = np.array([0, 1, 1, 1, 0, 1])
    parts = before_and_after(later, y, patients=np.array([1, 2, 3, 3, 4, 5]))
    assert parts is not None
    assert [part.tolist() for part in parts] == [[0, 1], [2, 4]]


@pytest.mark.parametrize("later", [[0, 0, 0], [0, 1, 1], [np.nan, 1, 0]])
def test_a_date_that_leaves_one_side_empty_splits_nothing(later: list[float]) -> None:
    assert before_and_after(np.array(later), np.array([1, 1, 0])) is None
