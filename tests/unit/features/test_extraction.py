"""From records to one row per unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinic import build_clinic, small_clinic
from predictor.config.dictionary import Dictionary
from predictor.config.schema import FeatureEntry, Features
from predictor.errors import ConfigError, DataError
from predictor.features.extraction import declare_feature, extract_values, feature_sets

SCORES = "patient on scale score\na 2024-01-09 MADRS 30\nb 2024-01-09 MADRS 31\n"
COURSES = "patient started dose\na 2024-01-10 0.5\nb 2024-01-10 0.7\n"

DICTIONARY = Dictionary.model_validate(
    {
        "patients": {
            "source": {"path": "p.csv"},
            "key": "k",
            "known": "baseline",
            "columns": {
                "BMI": {"type": "number", "unit": "kg/m2", "range": [12, 70], "name": "bmi"},
                "sex": {
                    "type": "category",
                    "values": {"F": "female", "W": "female", "M": "male"},
                    "label": "Sex",
                },
                "ward": {"type": "category"},
                "note": {"type": "text"},
                "smoker": {"type": "boolean"},
                "kids": {"type": "integer", "range": [0, None]},
                "arm": {"type": "category", "values": ["a", "b"], "known": "plan"},
                "pain": {"type": "number"},
            },
        },
        "labs": {
            "source": {"path": "l.csv"},
            "key": "k",
            "known": {"date": "drawn"},
            "columns": {
                "drawn": {"type": "date"},
                "CRP_mgL": {"analyte": "crp", "unit": "mg/L"},
                "pain": {"type": "number"},
            },
        },
    }
)


def declared(entry: str | dict[str, Any]) -> Any:
    written = {"column": entry} if isinstance(entry, str) else entry
    return declare_feature(FeatureEntry.model_validate(written), "group", DICTIONARY)


def test_a_feature_carries_what_the_dictionary_says() -> None:
    bmi = declared("patients.bmi")
    assert (bmi.name, bmi.source, bmi.kind, bmi.label, bmi.unit) == (
        "bmi",
        "patients.bmi",
        "number",
        "bmi",
        "kg/m2",
    )
    assert (bmi.known, bmi.group, bmi.limits, bmi.levels) == ("baseline", "group", (12, 70), ())
    sex = declared("patients.sex")
    assert (sex.kind, sex.label, sex.levels) == ("category", "Sex", ("female", "male"))
    assert declared("patients.arm").known == "plan"
    assert declared("patients.kids").limits == (0, None)


@pytest.mark.parametrize(
    ("column", "kind"),
    [("ward", "category"), ("note", "category"), ("smoker", "number"), ("kids", "number")],
)
def test_kinds(column: str, kind: str) -> None:
    assert declared(f"patients.{column}").kind == kind
    assert declared(f"patients.{column}").limits[1] is None


def test_names_tell_apart_what_the_dictionary_calls_alike() -> None:
    assert declared("labs.crp").name == "crp"
    assert declared({"column": "labs.crp", "take": "max", "transform": "log1p"}).name == "crp_max"
    assert declared("labs.pain").name == "labs_pain"
    assert declared({"column": "patients.pain", "take": "first"}).name == "patients_pain_first"


def test_an_undeclared_column_is_refused() -> None:
    with pytest.raises(DataError, match=r"CFG-14 patients\.age is not declared"):
        declared("patients.age")


def sections(groups: dict[str, list[Any]], sets: dict[str, list[str]]) -> Features:
    return Features.model_validate({"groups": groups, "sets": sets})


def test_sets_are_groups_in_order_and_a_shared_column_is_one_feature() -> None:
    features, sets = feature_sets(
        sections(
            {
                "few": ["patients.bmi", "labs.crp"],
                "many": ["patients.sex", "patients.bmi", "labs.crp"],
                "unused": ["patients.ward"],
            },
            {"small": ["few"], "large": ["many"]},
        ),
        DICTIONARY,
    )
    assert [feature.name for feature in features] == ["bmi", "crp", "sex"]
    assert sets == {"small": ("bmi", "crp"), "large": ("sex", "bmi", "crp")}


def test_one_column_in_two_transformations_is_refused() -> None:
    groups = {"plain": ["labs.crp"], "logged": [{"column": "labs.crp", "transform": "log1p"}]}
    with pytest.raises(ConfigError) as refused:
        feature_sets(sections(groups, {"one": ["plain"], "two": ["logged"]}), DICTIONARY)
    assert str(refused.value) == (
        "features.groups.logged: CFG-41 labs.crp is used as none and as log1p. Give it one transform everywhere."
    )


def test_numbers_are_floats_and_categories_are_text_or_none(tmp_path: Path) -> None:
    clinic = small_clinic(
        tmp_path,
        features=["patients.age", "patients.sex", "patients.smoker", "courses.dose", "scores.madrs"],
        patients="patient age sex smoker\na 30 F 1\nb - - -\nc 50 M 0\n",
        courses=f"{COURSES}c 2024-01-10 1\n",
        scores=SCORES,
    )
    X = clinic.extraction().dataset.X
    assert X.dtypes.astype(str).to_dict() == {
        "age": "float64",
        "sex": "object",
        "smoker": "float64",
        "dose": "float64",
        "madrs": "float64",
    }
    assert X["sex"].tolist() == ["female", None, "male"]
    np.testing.assert_array_equal(X["smoker"], [1, np.nan, 0])
    assert X["dose"].tolist() == [0.5, 0.7, 1]


def test_the_severity_is_there_whether_or_not_a_set_holds_it(tmp_path: Path) -> None:
    clinic = small_clinic(tmp_path, patients="patient age\na 30\nb 40\n", courses=COURSES, scores=SCORES)
    extraction = clinic.extraction()
    assert extraction.sets == {"all": ("age",)}
    assert [(f.name, f.group) for f in extraction.dataset.features] == [
        ("age", "clinical"),
        ("madrs", "severity"),
    ]
    assert extraction.dataset.X["madrs"].tolist() == [30, 31]


def test_the_share_of_missing_values_is_bounded_and_the_bound_is_inside(tmp_path: Path) -> None:
    rows = "".join(f"p{i} {30 + i} {'-' if i < 4 else i / 10} 30 10\n" for i in range(10))
    clinic = small_clinic(
        tmp_path,
        features=["patients.age", "patients.crp"],
        patients=f"patient age crp madrs_0 madrs_28\n{rows}",
    )
    assert "crp" in clinic.extraction().dataset.X  # 40 % missing, the limit is 40 %
    dropped = clinic.extraction("features.max_missing=0.39").dropped
    assert dropped["crp"] == "missing for 40% of patients (limit 39%)"


def test_the_values_do_not_depend_on_which_other_features_are_asked_for(tmp_path: Path) -> None:
    clinic = build_clinic(tmp_path, n=40, courses=2)
    loaded, cohort = clinic.load(), clinic.cohort()
    features = clinic.extraction().dataset.features
    baseline = loaded.config.cohort.baseline
    together = extract_values(cohort.timeline, loaded.dictionary, features, baseline=baseline)
    for feature in features:
        alone = extract_values(cohort.timeline, loaded.dictionary, [feature], baseline=baseline)
        assert alone[feature.name].equals(together[feature.name])
