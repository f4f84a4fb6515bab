from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from model_examples import example_model
from predictor.errors import DataError
from predictor.prediction.reading import check_columns, learned_text, read_patients, template
from predictor.prediction_model import PredictionModel

GOOD: dict[str, Any] = {"age": "41", "crp": "1.5", "sex": "female", "site": "north"}


def read(model: PredictionModel | None = None, **changes: Any) -> Any:
    frame = pd.DataFrame([GOOD | changes]).astype(object)
    (patient,) = read_patients(model or example_model(), frame)
    return patient


def banded() -> PredictionModel:
    """The example model, with the value of CRP standing in for a dose in bands."""
    plan = {"input": "crp", "bands": [0.5, 1.0], "band_labels": ["low", "middle", "high"]}
    return replace(example_model(), plan=plan)


def test_cells_become_numbers_and_levels() -> None:
    patient = read()
    assert patient.values == {"age": 41.0, "crp": 1.5, "sex": "female", "site": "north"}
    assert patient.unreadable == {}
    assert (patient.row, patient.plan) == (1, "all")


def test_each_unreadable_cell_is_noted_beside_its_row() -> None:
    frame = pd.DataFrame([GOOD, GOOD | {"age": "old", "sex": "F"}, GOOD])
    patients = read_patients(example_model(), frame)
    assert [patient.row for patient in patients] == [1, 2, 3]
    assert [set(patient.unreadable) for patient in patients] == [set(), {"age", "sex"}, set()]
    assert patients[1].values["age"] is None
    assert patients[1].unreadable["age"].startswith("Age must be a number in years, like ")


def test_an_example_of_a_number_lies_in_the_middle_of_the_range() -> None:
    model = example_model()
    inputs = tuple(replace(one, learned=(10.0, 30.0)) if one.name == "age" else one for one in model.inputs)
    assert "like 20;" in read(replace(model, inputs=inputs), age="x").unreadable["age"]
    inputs = tuple(replace(one, learned=None, unit="") if one.name == "age" else one for one in model.inputs)
    assert (
        read(replace(model, inputs=inputs), age="x")
        .unreadable["age"]
        .startswith("Age must be a number in plain units, like 1;")
    )


@pytest.mark.parametrize(
    ("dose", "plan"), [("0.49", "low"), ("0.5", "middle"), ("0.99", "middle"), ("1", "high"), ("", "")]
)
def test_a_dose_on_a_cut_belongs_to_the_upper_band(dose: str, plan: str) -> None:
    assert read(banded(), crp=dose).plan == plan


def test_without_bands_the_value_itself_is_the_plan() -> None:
    model = replace(example_model(), plan={"input": "sex"})
    assert read(model).plan == "female"
    assert read(model, sex="").plan == ""
    assert read(replace(example_model(), plan={"input": "crp"}), crp="0.50").plan == "0.5"


def test_template_holds_the_inputs_in_order_and_a_place_for_a_pseudonym() -> None:
    assert list(template(example_model())) == ["patient", "age", "crp", "sex", "site"]
    assert len(template(example_model())) == 0
    check_columns(example_model(), template(example_model()))


def test_columns_are_checked_before_any_row() -> None:
    with pytest.raises(DataError) as caught:
        check_columns(example_model(), pd.DataFrame(columns=["age", "crp", "sex", "Site", "sex"]))
    assert [problem.path for problem in caught.value.problems] == ["sex", "site", "Site"]
    assert {problem.code for problem in caught.value.problems} == {"PRE-01"}


def test_what_was_learned_in_words() -> None:
    by_name = {one.name: one for one in example_model().inputs}
    assert learned_text(by_name["sex"]) == "female, male"
    assert learned_text(replace(by_name["age"], learned=(20.0, 69.5))) == "20 to 69.5"
    assert learned_text(replace(by_name["age"], learned=None)) == ""
