"""Riley's criteria against his published examples and plain R (case 9)."""

from __future__ import annotations

from typing import Any

import pytest
from r_numbers import agree, expected

from predictor.validation.sample_size import (
    max_r_squared,
    patients_for_shrinkage,
    sample_size_binary,
    shrinkage_for_optimism,
)
from predictor.validation.sample_size_outcomes import (
    max_r_squared_survival,
    sample_size_continuous,
    sample_size_survival,
)

SETS = expected("case09_sample_size")["sets"]
BINARY = [one for one in SETS if one["type"] == "binary"]
SURVIVAL = [one for one in SETS if one["type"] == "survival"]


def agree_before_rounding(want: dict[str, Any], largest: float) -> None:
    second = shrinkage_for_optimism(want["r2_cs"], largest)
    agree(largest, want["max_r2_cs"], 1e-9)
    agree(want["r2_cs"] / largest, want["r2_nagelkerke"], 1e-9)
    agree(second, want["shrinkage_criterion2"], 1e-9)
    for shrinkage, key in ((want["shrinkage"], "n1_raw"), (second, "n2_raw")):
        got = patients_for_shrinkage(want["parameters"], r_squared=want["r2_cs"], shrinkage=shrinkage)
        agree(got, want[key], 1e-9)


@pytest.mark.parametrize("want", BINARY, ids=[one["label"] for one in BINARY])
def test_a_binary_outcome(want: dict[str, Any]) -> None:
    phi = want["prevalence"]
    got = sample_size_binary(
        want["parameters"], r_squared=want["r2_cs"], prevalence=phi, shrinkage=want["shrinkage"]
    )
    assert (got.shrinkage, got.optimism, got.rate, got.n) == tuple(
        want[key] for key in ("n1", "n2", "n3", "n_final")
    )
    agree(got.events, want["events"], 1e-9)
    agree(got.events_per_parameter, want["epp"], 1e-9)
    agree_before_rounding(want, max_r_squared(phi))
    assert want["published_n"] in (None, got.n)


@pytest.mark.parametrize("want", SURVIVAL, ids=[one["label"] for one in SURVIVAL])
def test_a_time_to_an_event(want: dict[str, Any]) -> None:
    got = sample_size_survival(
        want["parameters"],
        r_squared=want["r2_cs"],
        rate=want["rate"],
        mean_follow_up=want["mean_followup"],
        time=want["timepoint"],
        shrinkage=want["shrinkage"],
    )
    assert (got.shrinkage, got.optimism, got.n) == (want["n1"], want["n2"], want["n_final"])
    pairs = {
        "person_time": got.person_time,
        "events": got.events,
        "epp": got.events_per_parameter,
        "criterion3_risk": got.risk,
        "criterion3_lower": got.low,
        "criterion3_upper": got.high,
        "criterion3_max_abs_error": got.margin,
    }
    for key, ours in pairs.items():
        agree(ours, want[key], 1e-9)
    agree(want["rate"] * want["mean_followup"], want["events_per_person"], 1e-12)
    agree_before_rounding(want, max_r_squared_survival(want["events_per_person"]))
    assert want["published_n"] in (None, got.n)


# Results that pmsampsize's own tests fix: parameters, R², mean, SD, S, and the first three criteria.
MEASURED = [
    (25, 0.2, 1.9, 0.6, 0.9, (918, 401, 259)),
    (25, 0.3, 1.9, 0.6, 0.9, (574, 351, 259)),
    (50, 0.2, 1.9, 0.6, 0.9, (1924, 801, 284)),
    (100, 0.5, 1.9, 2.0, 0.9, (1264, 1001, 334)),
    (30, 0.89, 3.3, 1.1, 0.84, (32, 67, 264)),
]


@pytest.mark.parametrize(("parameters", "r_squared", "mean", "sd", "shrinkage", "want"), MEASURED)
def test_a_measured_outcome(
    parameters: int, r_squared: float, mean: float, sd: float, shrinkage: float, want: tuple[int, int, int]
) -> None:
    got = sample_size_continuous(parameters, r_squared=r_squared, mean=mean, sd=sd, shrinkage=shrinkage)
    assert (got.shrinkage, got.optimism, got.residual) == want
    assert got.n == max(want)
