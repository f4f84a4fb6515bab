"""A value given in another unit: what the model reads, what a reader sees, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from model_examples import example_model, rehash
from predictor.data.accepted_units import AcceptedUnit
from predictor.errors import DataError, ModelError
from predictor.prediction.applicability import judge_patient
from predictor.prediction.predicting import predict_patients
from predictor.prediction.reading import Rows, read_patients
from predictor.prediction.records import Patient
from predictor.prediction.unit_choice import conversion_text
from predictor.prediction.values import unit_hint
from predictor.prediction_model import (
    InputField,
    PredictionModel,
    load_prediction_model,
    save_prediction_model,
)
from predictor.scoring.partitions import check_source

GOOD: dict[str, Any] = {"age": "41", "crp": "1.5", "sex": "female", "site": "north"}
UNITS = (AcceptedUnit("mg/L"), AcceptedUnit("mg/dL", 10.0), AcceptedUnit("ug/L", 0.001))
TODAY = date(2026, 6, 1)


def with_units() -> PredictionModel:
    """The example model, whose CRP may be given in three units; it has learned 0.1 to 10 mg/L."""
    inputs = tuple(
        replace(one, accepted_units=UNITS, learned=(0.1, 10.0), limits=(0.0, 300.0))
        if one.name == "crp"
        else one
        for one in example_model().inputs
    )
    return replace(example_model(), inputs=inputs)


def field(model: PredictionModel) -> InputField:
    return next(one for one in model.inputs if one.name == "crp")


def read(model: PredictionModel | None = None, **changes: Any) -> Patient:
    cells = GOOD | changes
    (patient,) = read_patients(model or with_units(), Rows(list(cells), [list(cells.values())]))
    return patient


def test_a_value_is_read_in_the_unit_beside_it_and_both_are_noted() -> None:
    patient = read(crp="0.5", crp_unit="mg/dL")
    assert patient.values["crp"] == 5.0
    assert patient.recorded["crp"].note == "0.5 mg/dL = 5 mg/L"
    assert patient.units["crp"].unit == "mg/dL"
    (said,) = [one for one in judge_patient(with_units(), patient, today=TODAY).inputs if one.name == "crp"]
    assert (said.value, said.unit, said.note) == (5.0, "mg/L", "0.5 mg/dL = 5 mg/L")


@pytest.mark.parametrize("unit", ["", "  ", None, float("nan"), pd.NA, "mg/L", " mg/L "])
def test_without_a_unit_a_value_is_in_the_models(unit: object) -> None:
    patient = read(crp_unit=unit)
    assert (patient.values["crp"], patient.recorded["crp"].note, patient.units) == (1.5, "", {})


@pytest.mark.parametrize("unit", ["mmol/L", "MG/DL", "mg", "5", 5.0, True])
def test_an_unknown_unit_is_not_guessed(unit: object) -> None:
    patient = read(crp_unit=unit)
    assert patient.values["crp"] is None
    assert patient.unreadable == {"crp": "The unit of CRP must be one of mg/L, mg/dL, ug/L"}


def test_a_missing_value_needs_no_unit() -> None:
    patient = read(crp="", crp_unit="furlongs")
    assert (patient.values["crp"], patient.unreadable) == (None, {})


def test_an_input_with_one_unit_takes_no_other() -> None:
    """As in every folder from before the choice."""
    assert read(example_model(), crp_unit="mg/L").values["crp"] == 1.5
    assert read(example_model(), crp_unit="mg/dL").unreadable["crp"] == "The unit of CRP must be mg/L"
    with pytest.raises(DataError, match="PRE-01 the model knows no column sex_unit"):
        read(sex_unit="mg/L")


def test_an_input_of_that_name_is_no_unit() -> None:
    inputs = tuple(replace(one, name="crp_unit") if one.name == "age" else one for one in with_units().inputs)
    cells = GOOD | {"crp_unit": "41"}
    del cells["age"]
    (patient,) = read_patients(
        replace(with_units(), inputs=inputs), Rows(list(cells), [list(cells.values())])
    )
    assert (patient.values["crp"], patient.values["crp_unit"]) == (1.5, 41.0)


def test_a_parquet_file_may_hold_an_input_of_that_name_and_no_unit(tmp_path: Path) -> None:
    inputs = tuple(replace(one, name="crp_unit") if one.name == "age" else one for one in with_units().inputs)
    path = tmp_path / "in.parquet"
    pd.DataFrame([{"crp_unit": 41.0, "crp": 1.5, "sex": "female", "site": "north"}]).to_parquet(path)
    check_source(replace(with_units(), inputs=inputs), path)
    pd.DataFrame([GOOD | {"crp_unit": "mg/dL"}]).to_parquet(path)
    with pytest.raises(DataError, match="crp_unit: PRE-01 units are not converted"):
        check_source(with_units(), path)


def test_the_estimate_is_that_of_the_same_quantity() -> None:
    cells = [GOOD | {"crp": "4", "crp_unit": "mg/L"}, GOOD | {"crp": "0.4", "crp_unit": "mg/dL"}]
    table = Rows(list(cells[0]), [list(one.values()) for one in cells])
    first, second = predict_patients(with_units(), table, explain=False, today=TODAY)
    assert first.probability == second.probability
    assert first.probability is not None


@pytest.mark.parametrize(
    ("given", "unit", "text"),
    [
        (5.0, AcceptedUnit("mg/dL", 10.0), "5 mg/dL = 50 mg/L"),
        (154.0, AcceptedUnit("[lb_av]", 0.45359237), "154 lb = 69.85 mg/L"),
        (0.0, AcceptedUnit("mg/dL", 10.0), "0 mg/dL = 0 mg/L"),
        (12345.0, AcceptedUnit("ug/L", 10.0), "12345 µg/L = 123450 mg/L"),
        (0.002, AcceptedUnit("ug/L", 0.001), "0.002 µg/L = 0.000002 mg/L"),
        (6.5, AcceptedUnit("%", 10.93, -23.5), "6.5 % = 47.55 mg/L"),
    ],
)
def test_what_was_given_is_echoed(given: float, unit: AcceptedUnit, text: str) -> None:
    assert conversion_text(field(with_units()), given, unit) == text


@pytest.mark.parametrize(
    ("value", "given", "hint"),
    [
        (0.03, None, "; it would be usual if the unit were mg/dL"),
        (400.0, UNITS[1], ""),  # 40 mg/dL: 40 mg/L is not usual either
        (80.0, UNITS[1], "; it would be usual if the unit were mg/L"),
        (0.004, UNITS[2], "; it would be usual if the unit were mg/L"),
        (12.0, None, ""),  # a little outside
    ],
)
def test_the_unit_that_would_make_a_value_usual_is_named(
    value: float, given: AcceptedUnit | None, hint: str
) -> None:
    assert unit_hint(field(with_units()), value, given) == hint


def test_where_no_unit_of_the_table_helps_a_factor_is_named() -> None:
    assert "was it recorded in another unit than mg/L?" in unit_hint(field(with_units()), 90.0)


def test_the_units_lie_in_the_folder_and_one_from_before_has_none(tmp_path: Path) -> None:
    save_prediction_model(with_units(), tmp_path / "model")
    schema = tmp_path / "model" / "schema.json"
    assert field(load_prediction_model(tmp_path / "model")).accepted_units == UNITS
    content = json.loads(schema.read_bytes())
    for one in content["inputs"]:
        del one["accepted_units"]
    write(schema, content)
    assert field(load_prediction_model(tmp_path / "model")).accepted_units == ()


@pytest.mark.parametrize(
    "units",
    [
        [{"unit": "mg/dL", "factor": 0, "offset": 0}],
        [{"unit": "mg/dL", "factor": -10, "offset": 0}],
        [{"unit": "mg/dL", "factor": "10", "offset": 0}],
        [{"unit": 5, "factor": 10, "offset": 0}],
        [{"unit": "mg/dL", "factor": 10}],
        ["mg/dL"],
        {"mg/dL": 10},
    ],
)
def test_a_forged_unit_is_refused(tmp_path: Path, units: object) -> None:
    save_prediction_model(with_units(), tmp_path / "model")
    schema = tmp_path / "model" / "schema.json"
    content = json.loads(schema.read_bytes())
    content["inputs"][1]["accepted_units"] = units
    write(schema, content)
    with pytest.raises(ModelError, match="ART-03"):
        load_prediction_model(tmp_path / "model")


def write(schema: Path, content: Any) -> None:
    schema.write_text(json.dumps(content))
    rehash(schema.parent)


def test_a_million_digits_stay_finite() -> None:
    assert np.isfinite(AcceptedUnit("mg/dL", 10.0).convert(1e300))
