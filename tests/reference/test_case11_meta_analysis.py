"""Case 11: the random-effects summary over sites against metafor's, within the tolerances of PROVENANCE.md."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from r_numbers import agree, expected, table

from predictor.validation.calibration import (
    calibration_in_the_large,
    logistic_recalibration,
    observed_expected,
)
from predictor.validation.discrimination import delong
from predictor.validation.meta_analysis import Method, RandomEffects, logit_estimate, random_effects

META = [
    (file, measure)
    for file in ("sites_het", "sites_homog")
    for measure in ("logit_auc", "citl", "slope", "log_oe")
]


def site_value(measure: str, y: pd.Series, p: pd.Series) -> tuple[float, float]:
    """A site's own value with its standard error, by our estimators of cases 1 and 2."""
    if measure == "log_oe":
        ratio = observed_expected(y, p)
        return float(np.log(ratio.value)), ratio.se
    estimators = {
        "logit_auc": lambda: logit_estimate(delong(y, p)),
        "citl": lambda: calibration_in_the_large(y, p),
        "slope": lambda: logistic_recalibration(y, p).slope,
    }
    found = estimators[measure]()
    return found.value, found.se


def agree_limits(got: tuple[float, float], want: list[float], tolerance: float) -> None:
    for ours, theirs in zip(got, want, strict=True):
        agree(ours, theirs, tolerance)


@pytest.mark.parametrize(("file", "measure"), META)
def test_the_sites_own_values_agree_with_r(file: str, measure: str) -> None:
    frame, want = table(file), expected("case11_meta_analysis")[file]["meta"][measure]
    sites = [site_value(measure, one.y, one.p) for _, one in frame.groupby("site")]
    for (value, se), theirs, their_se in zip(sites, want["yi"], want["sei"], strict=True):
        agree(value, theirs, 1e-7)
        agree(se, their_se, 1e-7)


@pytest.mark.parametrize(("method", "tolerance"), [("DL", 1e-8), ("REML", 1e-6)])
@pytest.mark.parametrize(("file", "measure"), META)
def test_the_summary_over_sites_agrees_with_metafor(
    file: str, measure: str, method: Method, tolerance: float
) -> None:
    case = expected("case11_meta_analysis")[file]["meta"][measure]
    want, knapp = case[method], case[method]["hartung_knapp"]
    got = random_effects(case["yi"], case["sei"], method=method)
    pairs = [
        (got.mean, want["mu"]),
        (got.se, want["se"]),
        (got.tau2, want["tau2"]),
        (got.tau2_se, want["tau2_se"]),
        (got.i2, want["I2_percent"]),
        (got.h2, want["H2"]),
        (got.q, want["Q"]),
        (got.q_p, want["Q_p"]),
        (got.knapp_se, knapp["se"]),
        (got.k - 1, want["Q_df"]),
    ]
    for ours, theirs in pairs:
        agree(ours, theirs, tolerance)
    agree_limits(got.interval(knapp=False), want["ci"], tolerance)
    agree_limits(got.interval(), knapp["ci"], tolerance)
    agree_limits(got.prediction(knapp=False, lost=None), want["pi_z_metafor"], tolerance)
    agree_limits(got.prediction(knapp=False), want["pi_t_km2_higgins_riley"], tolerance)
    agree_limits(got.prediction(knapp=False, lost=1), want["pi_t_km1"], tolerance)
    agree_limits(got.prediction(lost=1), knapp["pi_t_km1_metafor"], tolerance)
    agree_limits(got.prediction(), knapp["pi_t_km2"], tolerance)


@pytest.mark.parametrize(("file", "measure"), META)
def test_the_common_effect_agrees_with_metafor(file: str, measure: str) -> None:
    case = expected("case11_meta_analysis")[file]["meta"][measure]
    got: RandomEffects = random_effects(case["yi"], case["sei"], method="FE")
    agree(got.mean, case["FE"]["mu"], 1e-8)
    agree(got.se, case["FE"]["se"], 1e-8)
    agree_limits(got.interval(knapp=False), case["FE"]["ci"], 1e-8)
