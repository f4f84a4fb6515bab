"""Parts of the selection that the clinical rules do not show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic import build_clinic, small_clinic
from predictor.cohort.conditions import is_one_of, meets
from predictor.cohort.selection import band_labels, baseline_values, patient_table
from predictor.config.dictionary import Dictionary
from predictor.config.schema import Baseline, CohortSection, Condition


@pytest.mark.parametrize(
    ("condition", "values", "holds"),
    [
        ({"min": 18}, [17.9, 18, 90, np.nan], [False, True, True, False]),
        ({"max": 65}, [65, 65.1, -3, np.nan], [True, False, True, False]),
        ({"min": 18, "max": 65}, [17, 18, 65, 66], [False, True, True, False]),
        ({"in": ["MDD", "BP"]}, ["MDD", "HC", None, "BP"], [True, False, False, True]),
        ({"in": ["true"]}, [1.0, 0.0, np.nan, 1.0], [True, False, False, True]),
        ({"in": ["no"]}, [1.0, 0.0, np.nan, 0.0], [False, True, False, True]),
        ({"in": ["None", "nan"]}, ["x", None, np.nan, "nan"], [False, False, False, True]),
        ({}, [1.0, np.nan, 2.0, 0.0], [True, False, True, True]),
    ],
)
def test_conditions_include_their_ends_and_unknown_meets_none(
    condition: dict[str, Any], values: list[Any], holds: list[bool]
) -> None:
    series = pd.Series(values, dtype=object if any(isinstance(v, str) for v in values) else None)
    met, known = meets(series, Condition.model_validate({"column": "a.b", **condition}))
    assert met.tolist() == holds
    assert known.tolist() == [not pd.isna(value) for value in values]


def test_numbers_are_named_as_a_config_writes_them() -> None:
    assert is_one_of(pd.Series([0.5, 2.0, 1.0, np.nan]), ["0.5", "2", "1.0"]).tolist() == [
        True,
        True,
        True,
        False,
    ]


@given(
    values=st.lists(st.floats(-10, 10), min_size=1, max_size=20),
    cuts=st.lists(st.integers(-8, 8), min_size=1, max_size=4, unique=True).map(sorted),
)
def test_every_dose_is_in_the_band_that_its_name_says(values: list[float], cuts: list[int]) -> None:
    for value, label in zip(values, band_labels(np.array(values), [float(c) for c in cuts]), strict=True):
        if label.startswith("below"):
            assert value < cuts[0] == float(label.removeprefix("below "))
        elif label.endswith(" or more"):
            assert value >= cuts[-1] == float(label.removesuffix(" or more"))
        else:
            low, high = label.split(" to below ")
            assert float(low) <= value < float(high)


def test_an_unknown_dose_has_no_band() -> None:
    assert band_labels(np.array([np.nan, 0.5]), [0.5]).tolist() == ["", "0.5 or more"]


def dictionary_of(**known: Any) -> Dictionary:
    table = {"source": {"path": "x.csv"}, "key": "k", "columns": {"d": {"type": "date"}}}
    return Dictionary.model_validate({name: {**table, "known": value} for name, value in known.items()})


def test_the_table_that_lists_everybody() -> None:
    visits = CohortSection.model_validate({"index": "visits"})
    dated, plain = {"date": "d"}, "baseline"
    assert patient_table(visits, dictionary_of(scores=dated, people=plain)) == "people"
    assert patient_table(visits, dictionary_of(scores=dated, courses=dated)) == "scores"
    named = CohortSection.model_validate({"index": "visits", "patients": "scores"})
    assert patient_table(named, dictionary_of(scores=dated, people=plain)) == "scores"


@pytest.mark.parametrize("take", ["last", "first", "mean", "min", "max"])
def test_no_value_in_the_window_is_missing_for_everybody(tmp_path: Path, take: str) -> None:
    clinic = small_clinic(
        tmp_path,
        patients="patient age\na 30\nb 40\n",
        courses="patient started\na 2024-01-10\nb 2024-01-10\n",
        scores="patient on scale score\na 2024-02-09 MADRS 30\nb 2024-02-09 MADRS 31\n",
    )
    values = baseline_values(
        clinic.cohort().timeline, clinic.load().dictionary, "scores.madrs", baseline=Baseline(), take=take
    )
    assert values.isna().tolist() == [True, True]


def test_units_are_sorted_and_people_outside_the_list_are_not_units(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        patients="patient age\nb 30\na 40\n",
        courses="patient started\nz 2024-01-10\nb 2024-01-11\na 2024-01-12\n",
        scores="patient on scale score\na 2024-01-09 MADRS 30\nb 2024-01-09 MADRS 31\n",
    )
    cohort = clinic.cohort()
    assert cohort.timeline.units["patient"].tolist() == ["a", "b"]
    assert cohort.timeline.units["day0"].dt.day.tolist() == [12, 11]
    assert cohort.plan.tolist() == ["all", "all"]


def test_every_step_accounts_for_those_it_leaves(tmp_path: Path) -> None:
    cohort = build_clinic(
        tmp_path,
        courses=3,
        consent=True,
        treatment="doses",
        changes={"cohort.eligibility": [{"name": "CRP known", "column": "patients.crp", "min": 0}]},
    ).cohort()
    steps = cohort.attrition.set_index("step")
    assert list(steps.index) == [
        "In the export",
        "Consent to research",
        "Day 0: all row of courses",
        "CRP known",
    ]
    assert steps["patients"].tolist()[:3] == [150, 135, 135]
    units = steps["units"].tolist()
    assert units[2] == sum(1 + i % 3 for i in range(150) if i % 10)
    assert units[3] == units[2] - steps["excluded"].iloc[3]
    assert steps["unknown"].iloc[3] == steps["excluded"].iloc[3] > 0
    assert len(cohort.groups) == len(cohort.plan) == units[3]
