from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import average_precision_score

from predictor.validation.further import further_performance
from predictor.validation.loess import loess_calibration
from predictor.validation.procedures import Procedure
from predictor.validation.uncertainty import cluster_weights


def judged(p: np.ndarray) -> Procedure:
    return Procedure("average", "judged", p, np.tile(np.arange(p.shape[1]) % 5, (len(p), 1)))


def test_measures_are_averages_over_repeats() -> None:
    rng = np.random.default_rng(1)
    signal = rng.normal(size=200)
    y = (rng.random(200) < expit(signal)).astype(float)
    p = expit(signal + rng.normal(0, 0.3, (2, 200)))
    weights = np.vstack([np.ones((1, 200)), cluster_weights(np.arange(200), resamples=50, seed=2)])
    table = further_performance(y, judged(p), weights, level=0.95).set_index("metric")
    assert table.loc["average_precision", "value"] == pytest.approx(
        np.mean([average_precision_score(y, one) for one in p])
    )
    assert table.loc["observed_expected", "value"] == pytest.approx(np.mean(y.mean() / p.mean(axis=1)))
    gains = [np.mean(y * np.log(one / y.mean()) + (1 - y) * np.log((1 - one) / (1 - y.mean()))) for one in p]
    assert table.loc["cox_snell_r2", "value"] == pytest.approx(
        np.mean([1 - np.exp(-2 * one) for one in gains])
    )
    assert table.loc["ici", "value"] == pytest.approx(np.mean([loess_calibration(y, one).ici for one in p]))
    limited = table.drop(index="spiegelhalter_z")
    assert (limited["low"] < limited["high"]).all()
    assert np.isnan(table.loc["spiegelhalter_z", "low"])


def test_wrong_probabilities_are_told() -> None:
    rng = np.random.default_rng(3)
    signal = rng.normal(0, 1.5, 400)
    y = (rng.random(400) < expit(signal)).astype(float)
    weights = np.vstack([np.ones((1, 400)), cluster_weights(np.arange(400), resamples=20, seed=2)])
    right = further_performance(y, judged(expit(signal)[None]), weights, level=0.95).set_index("metric")[
        "value"
    ]
    wrong = further_performance(y, judged(expit(3 * signal)[None]), weights, level=0.95).set_index("metric")[
        "value"
    ]
    assert abs(right["spiegelhalter_z"]) < 2.6 < abs(wrong["spiegelhalter_z"])
    assert right["ici"] < 0.06 < wrong["ici"]
    assert wrong["nagelkerke_r2"] < right["nagelkerke_r2"]


def test_a_prevalence_has_no_curve_but_everything_else() -> None:
    y = np.tile([1.0, 0.0, 0.0], 20)
    weights = np.vstack([np.ones((1, 60)), cluster_weights(np.arange(60), resamples=20, seed=2)])
    table = further_performance(y, judged(np.full((1, 60), 1 / 3)), weights, level=0.95).set_index("metric")[
        "value"
    ]
    assert table["cox_snell_r2"] == pytest.approx(0, abs=1e-12)
    assert table["observed_expected"] == pytest.approx(1)
