"""Limits that also cover which patients a procedure was fitted to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from predictor.validation.refitting import with_refitting


def performance(**own: float) -> pd.DataFrame:
    row = {
        "procedure": "judged",
        "kind": "judged",
        "metric": "auc",
        "value": 0.7,
        "low": 0.66,
        "high": 0.75,
    } | own
    return pd.DataFrame([row])


def optimism(sd: float, metric: str = "auc") -> pd.DataFrame:
    return pd.DataFrame({"metric": [metric], "refitting": [sd]})


def test_each_half_grows_by_the_refits_variance() -> None:
    # 1.959964·0.0153061 = 0.03: halves of 0.04 and 0.05 become √(0.04² + 0.03²) = 0.05 and √(0.05² + 0.03²) = 0.0583.
    found = with_refitting(performance(), optimism(0.03 / 1.959964), level=0.95).iloc[0]
    assert found["low"] == pytest.approx(0.65, abs=1e-6)
    assert found["high"] == pytest.approx(0.7 + np.sqrt(0.0034), abs=1e-6)
    assert found["value"] == 0.7


def test_limits_stay_within_what_the_metric_can_be() -> None:
    found = with_refitting(performance(value=0.97, low=0.95, high=0.99), optimism(0.1), level=0.95).iloc[0]
    assert found["high"] == 1.0


@pytest.mark.parametrize("kind", ["reference", "candidate"])
def test_what_was_not_refitted_keeps_its_limits(kind: str) -> None:
    table = performance(kind=kind)
    pd.testing.assert_frame_equal(with_refitting(table, optimism(0.1), level=0.95), table)


def test_the_level_of_responders_keeps_its_limits_and_an_undefined_spread_changes_nothing() -> None:
    level = performance(metric="calibration_intercept", value=0.0, low=-0.2, high=0.2)
    pd.testing.assert_frame_equal(
        with_refitting(level, optimism(0.1, "calibration_intercept"), level=0.95), level
    )
    pd.testing.assert_frame_equal(with_refitting(performance(), optimism(np.nan), level=0.95), performance())
