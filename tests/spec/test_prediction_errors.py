"""Bad new patients and bad requests, one test per situation of the catalogue of faults.

A row is refused with a reason, or a table with one line per column; never silently answered, and never with the value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from predictor.errors import DataError
from predictor.prediction import Prediction, predict_patients
from predictor.prediction_model import PredictionModel, load_prediction_model
from predictor.scoring import score_file
from trained_clinics import (
    clinic_of,
    command_line,
    new_patients,
    train_quietly,
    trained,
    write_clinic,
)

GOOD: Mapping[str, object] = {
    "age": 40.0,
    "sex": "female",
    "site": "north",
    "madrs": 30.0,
    "crp": 2.5,
    "arm": "ketamine",
}


def answer(**changes: object) -> Prediction:
    """Say what the model answers for one good patient with some values changed."""
    frame = pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in (GOOD | changes).items()})
    (prediction,) = trained().model.explain(frame)
    return prediction


def refusal(**changes: object) -> str:
    """Reasons of a refusal, which holds no number at all."""
    prediction = answer(**changes)
    assert prediction.kind == "refusal"
    assert (prediction.probability, prediction.low, prediction.high, prediction.start) == (None,) * 4
    assert prediction.contributions == ()
    return "; ".join(prediction.reasons)


def refused_table(frame: pd.DataFrame) -> list[str]:
    with pytest.raises(DataError) as caught:
        trained().model.predict(frame)
    assert caught.value.exit_code == 3
    return [str(problem) for problem in caught.value.problems]


def test_a_good_patient_is_answered() -> None:
    prediction = answer()
    assert prediction.kind == "estimate"
    assert prediction.probability is not None
    assert 0 < prediction.probability < 1


# PRE-01 ----------------------------------------------------------------------------------------------------


def test_pre_01_missing_columns_are_named_one_line_each() -> None:
    assert refused_table(new_patients().drop(columns=["age", "crp"])) == [
        "age: PRE-01 the model needs the column age. Add it; leave a cell empty where it was not measured.",
        "crp: PRE-01 the model needs the column crp. Add it; leave a cell empty where it was not measured.",
    ]


def test_pre_01_an_unknown_column_is_refused() -> None:
    assert refused_table(new_patients().assign(notes="x")) == [
        "notes: PRE-01 the model knows no column notes. Take it out; `--template` writes an empty table."
    ]


def test_pre_01_a_doubled_column_is_refused() -> None:
    frame = new_patients()
    doubled = pd.concat([frame, frame[["age"]]], axis=1)
    assert refused_table(doubled) == ["age: PRE-01 the column age stands 2 times. Keep one."]


def test_pre_01_all_at_once() -> None:
    frame = new_patients().drop(columns=["madrs"]).assign(weight=1.0)
    lines = refused_table(pd.concat([frame, frame[["sex"]]], axis=1))
    assert [line.split(":")[0] for line in lines] == ["sex", "madrs", "weight"]


def test_pre_01_shuffled_columns_give_the_same_result() -> None:
    frame = new_patients()
    shuffled = frame[sorted(frame.columns, key=lambda name: name[::-1])]
    assert list(shuffled.columns) != list(frame.columns)
    pd.testing.assert_frame_equal(trained().model.predict(shuffled), trained().model.predict(frame))


def test_pre_01_a_pseudonym_is_no_unknown_column_and_changes_nothing() -> None:
    frame = new_patients()
    pd.testing.assert_frame_equal(
        trained().model.predict(frame), trained().model.predict(frame.drop(columns=["patient"]))
    )


# PRE-02 ----------------------------------------------------------------------------------------------------


def test_pre_02_an_unseen_category_is_refused_with_the_known_ones() -> None:
    assert refusal(site="west") == (
        "Site must be one of north, south; other levels were not seen in development"
    )


def test_pre_02_the_wrong_case_is_refused_and_told_the_spelling() -> None:
    assert "Sex must be one of female, male (write female)" in refusal(sex="Female")


def test_pre_02_spaces_around_a_level_are_the_level() -> None:
    assert answer(sex=" female ").probability == answer().probability


@pytest.mark.parametrize("empty", ["", "   ", None, float("nan"), pd.NA, pd.NaT])
def test_pre_02_an_empty_text_is_missing_and_said_so(empty: object) -> None:
    prediction = answer(site=empty)
    assert prediction.kind == "estimate"
    check = next(one for one in prediction.checks if one.id == "complete_inputs")
    assert check.status == "check"
    assert check.result == "Missing and filled in: Site"


# PRE-03 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "true and false are no numbers"),
        (np.True_, "true and false are no numbers"),
        ("1e999", "infinite or not a number"),
        (float("inf"), "it must be finite"),
        (10**400, "Age must be a number in years"),
        ("9" * 5000, "Age must be a number in years"),
        (int("9" * 4000), "Age must be a number in years"),
        ("1_000", "a number followed by other characters"),
        ("٤٥", "text where a number was expected"),
        ("about 40", "text where a number was expected"),
        ([40], "Age must be a number in years"),
        (1e308, "Age is outside what the model has seen"),
        (4500, "Age is outside what the model has seen"),
        ("45 years", "a number followed by other characters"),
    ],
)
def test_pre_03_what_is_no_usable_number_is_refused_with_the_field(value: object, said: str) -> None:
    reasons = refusal(age=value)
    assert said in reasons
    assert "Age" in reasons
    assert not (isinstance(value, str) and value in reasons)
    assert "e+308" not in reasons
    assert "4500" not in reasons


def test_pre_03_a_number_as_text_is_that_number() -> None:
    """A cell of a CSV file is text."""
    for text in ("40", "40.0", " 40 ", "4e1"):
        assert answer(age=text).probability == answer(age=40.0).probability


def test_pre_03_minus_zero_is_zero() -> None:
    from predictor.prediction.reading import read_patients

    frame = pd.DataFrame({name: [value] for name, value in (GOOD | {"crp": -0.0}).items()})
    (patient,) = read_patients(trained().model.model, frame)
    assert np.copysign(1.0, patient.values["crp"]) == 1.0


def test_pre_03_nan_is_missing_not_a_number() -> None:
    assert answer(madrs=float("nan")).probability == answer(madrs=None).probability
    assert answer(madrs="nan").kind == "refusal"


# PRE-04 and PRE-05 -----------------------------------------------------------------------------------------


def test_pre_04_with_every_optional_input_missing_the_share_of_the_model_is_said() -> None:
    reasons = refusal(sex=None, site=None, madrs=None, crp=None)
    assert "Missing: Sex, Site, MADRS, C-reactive protein; they carry " in reasons
    share = re.search(r"they carry (\d+)% of what the model rests on \(limit 30%\)", reasons)
    assert share
    assert int(share[1]) > 30


def test_pre_04_a_little_missing_is_filled_in_and_pointed_out() -> None:
    prediction = answer(site=None)
    assert prediction.kind == "estimate"
    (note,) = [one.note for one in prediction.inputs if one.name == "site"]
    assert note == "Missing: filled in"


def test_pre_05_a_required_input_that_is_missing_is_named() -> None:
    reasons = refusal(arm=None)
    assert "Required and missing: Treatment" in reasons
    assert "The planned treatment is missing or did not occur in development" in reasons


def test_pre_05_an_entry_rule_that_cannot_be_judged_is_not_met() -> None:
    assert "Not met or not known: Adult" in refusal(age=None)


# PRE-06, PRE-08, PRE-09 ------------------------------------------------------------------------------------


def test_pre_06_the_learned_range_includes_its_ends() -> None:
    (field,) = [one for one in trained().model.model.inputs if one.name == "madrs"]
    assert field.learned is not None
    low, high = field.learned
    for inside in (low, high):
        assert answer(madrs=inside).kind == "estimate"
    for outside in (np.nextafter(low, -1), np.nextafter(high, 1e9)):
        assert "outside what the model has seen" in refusal(madrs=float(outside))


def test_pre_06_at_just_inside_and_just_outside_every_limit_of_every_number() -> None:
    fields = [one for one in trained().model.model.inputs if one.kind == "number"]
    assert len(fields) == 3
    for field in fields:
        assert field.learned is not None
        low, high = field.learned
        for inside in (low, float(np.nextafter(low, high)), float(np.nextafter(high, low)), high):
            checks = {one.id: one.status for one in answer(**{field.name: inside}).checks}
            assert checks["learned_ranges"] == "ok"
        for outside in (np.nextafter(low, -np.inf), np.nextafter(high, np.inf)):
            assert f"{field.label} is outside what the model has seen" in refusal(
                **{field.name: float(outside)}
            )


# PRE-07 ----------------------------------------------------------------------------------------------------


def body_model(folder: Path, *, refuses: bool = True) -> PredictionModel:
    """A model of a clinic where CRP follows age closely."""
    clinic = write_clinic(folder, effect=4.0)
    table = clinic.table("patients")
    noise = np.random.default_rng(3).normal(0, 0.3, len(table))
    table["age"] = [
        str(round(float(np.clip(20 + 14 * (np.log(float(crp)) + 1 + e), 18, 80)))) if crp != "NA" else "40"
        for crp, e in zip(table["crp"], noise, strict=True)
    ]
    table.to_csv(clinic.folder / "patients.csv", index=False)
    training = train_quietly(
        clinic,
        overrides=[
            "report.release=research",
            "report.reason=a test",
            f"report.withhold_if.unlike_development={str(refuses).lower()}",
        ],
    )
    return load_prediction_model(training.folder / "model")


@pytest.mark.parametrize("refuses", [True, False])
def test_pre_07_inside_every_range_and_impossible_together(tmp_path: Path, refuses: bool) -> None:
    model = body_model(tmp_path, refuses=refuses)
    assert model.distance is not None
    ranges = {one.name: one.learned for one in model.inputs}
    assert ranges["age"] is not None
    usual = GOOD | {"age": 34, "crp": 1.0}
    odd = GOOD | {"age": ranges["age"][0], "crp": 12.0}
    kinds = []
    for values in (usual, odd):
        frame = pd.DataFrame([values])
        (said,) = predict_patients(model, frame, explain=False)
        (check,) = [one for one in said.checks if one.id == "typical"]
        kinds.append((said.kind, check.status))
    assert kinds == [("estimate", "ok"), ("refusal", "fail") if refuses else ("estimate", "check")]
    assert {one.id: one.status for one in said.checks}["learned_ranges"] == "ok"
    assert "Age" in check.result
    assert "C-reactive protein" in check.result
    assert "12" not in check.result
    # A file of many says the same as the page of one.
    path, out = tmp_path / "new.parquet", tmp_path / "answers.parquet"
    pd.DataFrame([usual, odd] * 50).to_parquet(path)
    score_file(training_model(tmp_path), path, out, ranges=False)
    assert pd.read_parquet(out)["kind"].tolist() == [kinds[0][0], kinds[1][0]] * 50


def training_model(folder: Path) -> Path:
    (run,) = [path for path in (folder / "experiments" / "runs").iterdir() if (path / "model").is_dir()]
    return run / "model"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"crp": 250.0}, "it would be usual if the unit were µg/L"),
        ({"crp": 95.0}, "it would lie inside: was it recorded in another unit than mg/L?"),
        ({"age": 400.0}, "divided by 10 it would lie inside: was it recorded in another unit than years?"),
    ],
)
def test_pre_07_a_value_that_fits_after_a_known_factor_is_asked_for_its_unit(
    changes: dict[str, object], said: str
) -> None:
    assert said in refusal(**changes)


def test_pre_07_a_value_just_outside_is_not_suspected_of_another_unit() -> None:
    assert "unit" not in refusal(age=77)


def test_pre_08_a_decimal_comma_is_explained() -> None:
    reasons = refusal(crp="2,5")
    assert "write the decimal with a point, not a comma" in reasons
    assert "2,5" not in reasons


def test_pre_09_no_row_and_one_row() -> None:
    assert len(trained().model.predict(new_patients(0))) == 0
    assert trained().model.predict(new_patients(1))["row"].tolist() == [1]


def test_pre_09_five_thousand_rows_are_five_thousand_answers() -> None:
    frame = pd.concat([new_patients(50)] * 100, ignore_index=True)
    answers = trained().model.predict(frame)
    assert len(answers) == 5000
    assert answers["row"].tolist() == list(range(1, 5001))
    first, last = answers.iloc[:50], answers.iloc[-50:]
    np.testing.assert_array_equal(first["probability"], last["probability"])


# CFG-10 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["same name", "other name", "link"])
def test_cfg_10_the_output_is_never_the_input(way: str, tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    new_patients(2).to_csv(path, index=False)
    before = path.read_bytes()
    out = {
        "same name": path,
        "other name": tmp_path / "." / "x" / ".." / "patients.csv",
        "link": tmp_path / "l",
    }
    (tmp_path / "x").mkdir()
    (tmp_path / "l").symlink_to(path)
    answered = command_line("predict", trained().folder, path, "--out", out[way])
    assert answered.code == 2
    assert answered.errors == [f"{out[way]}: CFG-10 the output is the input file. Write to another file."]
    assert path.read_bytes() == before


# RPT-04 ----------------------------------------------------------------------------------------------------


def numbers_of_an_estimate(content: Any) -> list[str]:
    """Key paths of a report's JSON that could hold an estimate, a range or a rate."""
    parts = {
        "estimate",
        "contributions",
        "group",
        "performance",
        "continuous",
        "whatif",
        "applicability",
        "per100",
        "probability",
    }
    if isinstance(content, dict):
        here = [key for key in content if key in parts]
        return here + [found for value in content.values() for found in numbers_of_an_estimate(value)]
    if isinstance(content, list):
        return [found for value in content for found in numbers_of_an_estimate(value)]
    return []


def test_rpt_04_a_refusal_holds_no_number_in_page_json_or_table(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    pd.DataFrame([GOOD | {"patient": "A", "age": 77.0}]).to_csv(path, index=False)
    answered = command_line("report", trained().folder, path, "--out", tmp_path / "out")
    assert answered.code == 0, answered.err
    content = json.loads((tmp_path / "out" / "patient_0001.json").read_text())
    assert content["report"]["kind"] == "refusal"
    assert numbers_of_an_estimate(content) == []
    (reason,) = content["refusal"]
    assert reason["rule"] == "Age is outside what the model has seen (20 to 69 years)"
    page = (tmp_path / "out" / "patient_0001.html").read_text()
    text = re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    assert "of 100" not in text
    assert "%" not in text
    table = command_line("predict", trained().folder, path, "--json").record["predictions"][0]
    for name in ("probability", "low", "high", "group_rate", "group_low", "group_high"):
        assert table[name] is None


# Nothing of a patient in any message -----------------------------------------------------------------------


def test_no_reason_repeats_a_value_and_no_message_a_key(tmp_path: Path) -> None:
    canaries = ["Zzyzx", "31415926", "2718281e99", "77.123456"]
    frame = pd.concat([new_patients(4)] * 1, ignore_index=True).astype(object)
    frame["patient"] = [f"SecretKey{i}" for i in range(4)]
    frame.loc[0, "site"], frame.loc[1, "age"] = canaries[0], canaries[1]
    frame.loc[2, "madrs"], frame.loc[3, "age"] = canaries[2], canaries[3]
    path = tmp_path / "patients.csv"
    frame.to_csv(path, index=False)
    text = command_line("predict", trained().folder, path, "--json")
    assert [row["kind"] for row in text.record["predictions"]] == ["refusal"] * 4
    plain = command_line("predict", trained().folder, path)
    for canary in (*canaries, "SecretKey"):
        assert canary not in text.out + text.err + plain.out + plain.err
    bad_export = clinic_of(trained()).table("patients").head(3)
    bad_export.loc[1, "age"] = "31415926"
    (tmp_path / "export").mkdir()
    for name in ("treatments", "scores"):
        clinic_of(trained()).table(name).head(3).to_csv(tmp_path / "export" / f"{name}.csv", index=False)
    bad_export.to_csv(tmp_path / "export" / "patients.csv", index=False)
    refused = command_line("predict", trained().folder, tmp_path / "export", "--as-of", "2025-06-01")
    assert refused.code == 3
    assert "31415926" not in refused.err
    assert "K0001" not in refused.err
