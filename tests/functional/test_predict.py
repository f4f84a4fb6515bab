"""`predictor predict`: one answer per row, whatever the row holds."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from predictor.prediction_model import load_prediction_model, save_prediction_model
from trained_clinics import AS_OF, Clinic, clinic_of, command_line, new_patients, trained

HEADER = ["patient", "age", "sex", "site", "madrs", "crp", "arm"]
GOOD = "P1,40,female,north,30,2.5,ketamine"


@pytest.fixture(scope="module")
def model() -> Path:
    return trained().folder / "model"


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([",".join(HEADER), *rows]) + "\n", encoding="utf-8")
    return path


def test_template_filled_in_is_predicted(model: Path, tmp_path: Path) -> None:
    answer = command_line("predict", model, "--template", "new.csv", cwd=tmp_path)
    assert answer.code == 0
    assert "Fill in new.csv" in answer.out
    path = tmp_path / "new.csv"
    with path.open(newline="") as file:
        header = next(csv.reader(file))
    assert sorted(header) == sorted(HEADER)
    new_patients().to_csv(path, index=False, columns=header)
    record = command_line("predict", model, path, "--json").record
    expected = trained().model.predict(new_patients())
    assert [row["probability"] for row in record["predictions"]] == expected["probability"].tolist()
    assert {row["kind"] for row in record["predictions"]} == {"estimate"}
    assert record["verdict"]["label"] == "better"
    assert record["simulated"] is False


def test_a_template_never_overwrites(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", GOOD)
    before = path.read_bytes()
    answer = command_line("predict", model, "--template", path)
    assert answer.code == 2
    assert answer.errors == [f"{path}: CFG-10 the file exists already. Name a new one."]
    assert path.read_bytes() == before


def test_pre_10_a_batch_with_bad_rows_gives_one_row_per_row(model: Path, tmp_path: Path) -> None:
    path = write(
        tmp_path / "patients.csv",
        GOOD,
        "P2,forty,female,north,30,2.5,ketamine",
        "P3,40,Female,north,30,2.5,ketamine",
        "P4,4500,female,north,30,2.5,ketamine",
        "P5,,,,,,ketamine",
        "P6,40,male,south,30,2.5,",
        "P7,40,male,west,30,2.5,midazolam",
        "P8,40,male,,30,2.5,midazolam",
    )
    out = tmp_path / "answers.csv"
    answer = command_line("predict", model, path, "--out", out, "--no-keys")
    assert (answer.code, answer.err) == (0, "")
    assert f"All 8 answers: {out}" in answer.out
    table = pd.read_csv(out)
    assert table["row"].tolist() == list(range(1, 9))
    assert table["kind"].tolist() == ["estimate", *["refusal"] * 6, "estimate"]
    refused = table[table["kind"] == "refusal"]
    assert (
        refused[["probability", "low", "high", "group_rate", "group_low", "group_high"]]
        .isna()
        .to_numpy()
        .all()
    )
    assert refused["reason"].str.len().min() > 10
    for value in ("forty", "Female", "4500", "west", "P2", "P8"):
        assert value not in out.read_text()
        assert value not in answer.out


def test_answers_in_a_file_carry_the_key_and_what_is_printed_does_not(model: Path, tmp_path: Path) -> None:
    path = write(
        tmp_path / "patients.csv", GOOD, *(f"{key},40,male,south,30,2.5," for key in ("00017", "=B2"))
    )
    out = tmp_path / "answers.csv"
    answer = command_line("predict", model, path, "--out", out)
    table = pd.read_csv(out, dtype={"patient": str})
    assert list(table.columns[:3]) == ["patient", "row", "kind"]
    assert table["patient"].tolist() == [
        GOOD.partition(",")[0],
        "00017",
        "'=B2",
    ]  # no formula for a spreadsheet
    assert "00017" not in answer.out + answer.err
    assert "patient" not in command_line("predict", model, path, "--json").record["predictions"][0]
    plain = tmp_path / "plain.csv"
    pd.read_csv(path, dtype=str).drop(columns="patient").to_csv(plain, index=False)
    assert command_line("predict", model, plain, "--out", tmp_path / "two.csv").code == 0
    assert list(pd.read_csv(tmp_path / "two.csv").columns) == list(table.columns[1:])


def test_workers_for_a_file_that_has_none_are_refused(model: Path, tmp_path: Path) -> None:
    answer = command_line("predict", model, write(tmp_path / "patients.csv", GOOD), "--workers", 2)
    assert answer.code == 2
    said = "--workers: CLI-01 this is no option of a table that is not a Parquet file. Leave --workers out."
    assert answer.errors == [said]


@pytest.fixture
def simulated(tmp_path: Path) -> Path:
    """A folder of a model that was trained on SIMULATED patients."""
    model = load_prediction_model(trained().folder / "model")
    save_prediction_model(replace(model, card={**model.card, "simulated": True}), tmp_path / "simulated")
    return tmp_path / "simulated"


def test_every_row_of_a_simulated_models_answers_says_so(simulated: Path, tmp_path: Path) -> None:
    mark = "SIMULATED DATA: no real patient, no clinical meaning"
    path = write(tmp_path / "patients.csv", GOOD, "P2,40,male,south,30,2.5,", "P3,forty,male,south,30,2.5,")
    out = tmp_path / "answers.csv"
    answer = command_line("predict", simulated, path, "--out", out)
    assert answer.out.startswith(mark)
    table = pd.read_csv(out)
    assert list(table.columns[:3]) == ["patient", "mark", "row"]
    assert table["mark"].tolist() == [mark] * 3
    assert command_line("predict", simulated, path, "--out", out, "--no-keys").code == 0
    assert list(pd.read_csv(out).columns[:2]) == ["mark", "row"]
    record = command_line("predict", simulated, path, "--json").record
    assert (record["simulated"], record["mark"]) == (True, mark)


@pytest.mark.parametrize("keys", ["--keys", "--no-keys"])
def test_every_row_of_a_simulated_models_parquet_answers_says_so(
    simulated: Path, tmp_path: Path, keys: str
) -> None:
    source, out = tmp_path / "patients.parquet", tmp_path / "answers.parquet"
    new_patients(5).to_parquet(source)
    answer = command_line("predict", simulated, source, "--out", out, keys)
    assert answer.out.startswith("SIMULATED DATA"), answer.err
    table = pd.read_parquet(out)
    assert table["mark"].tolist() == ["SIMULATED DATA: no real patient, no clinical meaning"] * 5
    assert list(table.columns[:3]) == (
        ["patient", "mark", "row"] if keys == "--keys" else ["mark", "row", "kind"]
    )
    assert command_line("predict", trained().folder, source, "--out", out).code == 0
    assert "mark" not in pd.read_parquet(out)


def test_answers_of_an_export_carry_its_keys(tmp_path: Path) -> None:
    out, clinic = tmp_path / "answers.csv", clinic_of(trained())
    words = ["predict", trained().folder, clinic.folder, "--as-of", AS_OF.isoformat(), "--no-range"]
    answer = command_line(*words, "--out", out)
    assert answer.code == 0, answer.err
    assert set(pd.read_csv(out)["patient"]) == set(clinic.table("patients")["patient_id"])
    assert "K0000" not in answer.out + answer.err


def test_what_is_printed_is_what_is_in_json(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "patients.csv", GOOD, "P2,40,unknown,north,30,2.5,ketamine")
    text = command_line("predict", model, path).out
    assert text.startswith("1 with a personal estimate, 1 refused\n")
    assert "1 row (2): Sex must be one of female, male; other levels were not seen in development" in text
    record = command_line("predict", model, path, "--json").record
    assert f"{record['predictions'][0]['probability']:.3f}" in text
    assert record["predictions"][1]["probability"] is None


def test_when_no_row_can_be_read_the_exit_code_is_that_of_data(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "patients.csv", "P1,forty,female,north,30,2.5,ketamine")
    answer = command_line("predict", model, path)
    assert answer.code == 3
    assert "1 refused" in answer.out


def test_a_file_without_patients_is_refused_or_answered_with_nothing(model: Path, tmp_path: Path) -> None:
    answer = command_line("predict", model, write(tmp_path / "patients.csv"))
    assert answer.code in {0, 3}
    assert "Traceback" not in answer.err
    assert answer.out.startswith("No patient, no answer") or answer.errors


def test_the_model_is_found_by_folder_by_run_and_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    training = trained()
    path = write(tmp_path / "patients.csv", GOOD)
    clinic = clinic_of(training)
    answers = [
        command_line("predict", name, path, "--json", cwd=clinic.folder)
        for name in (training.folder / "model", training.folder, training.folder.name[:20])
    ]
    assert answers[0].code == 0
    assert answers[0].out == answers[1].out == answers[2].out
    unknown = command_line("predict", "19990101", path, cwd=clinic.folder)
    assert unknown.code == 2
    assert "RUN-01 no finished run begins with '19990101'" in unknown.errors[0]


def test_an_export_needs_a_date_and_gives_each_patients_baseline(tmp_path: Path) -> None:
    clinic = clinic_of(trained())
    model = trained().folder / "model"
    day0 = clinic.table("treatments").set_index("patient_id").loc["K0000", "started_at"]
    folder = one_patient(clinic, tmp_path / "export", "K0000")
    answer = command_line("predict", model, folder, "--as-of", day0, "--json")
    assert answer.code == 0, answer.err
    (row,) = answer.record["predictions"]
    assert row["kind"] == "estimate"
    study = trained().study
    X = study.dataset.X.iloc[[0]]
    expected = trained().model.predict(X.astype(object))
    assert row["probability"] == expected["probability"].iloc[0]


def one_patient(clinic: Clinic, folder: Path, key: str) -> Path:
    folder.mkdir()
    for name in ("patients", "treatments", "scores"):
        table = clinic.table(name)
        table[table["patient_id"] == key].to_csv(folder / f"{name}.csv", index=False)
    return folder


def test_on_another_day_old_scores_are_not_the_baseline(tmp_path: Path) -> None:
    clinic = clinic_of(trained())
    folder = one_patient(clinic, tmp_path / "export", "K0001")
    model = trained().folder / "model"
    answer = command_line("predict", model, folder, "--as-of", AS_OF.isoformat(), "--json")
    assert answer.code == 0, answer.err
    (row,) = answer.record["predictions"]
    X = trained().study.dataset.X.iloc[[1]].astype(object).assign(madrs=None)
    assert row["probability"] == trained().model.predict(X)["probability"].iloc[0]


def test_an_export_with_missing_files_names_each_of_them(tmp_path: Path) -> None:
    clinic = clinic_of(trained())
    folder = one_patient(clinic, tmp_path / "export", "K0001")
    (folder / "scores.csv").unlink()
    (folder / "treatments.csv").unlink()
    answer = command_line("predict", trained().folder, folder, "--as-of", "2025-06-01")
    assert answer.code == 3
    assert len(answer.errors) == 2, answer.err
    assert {Path(line.split(":")[0]).name for line in answer.errors} == {"scores.csv", "treatments.csv"}
    assert "Traceback" not in answer.err


def test_one_file_for_a_dictionary_of_three_is_refused_with_their_names(tmp_path: Path) -> None:
    path = write(tmp_path / "patients.csv", GOOD)
    answer = command_line("predict", trained().folder, path, "--as-of", "2025-06-01")
    assert answer.code == 3
    assert answer.errors == [
        f"{path}: PRE-01 the dictionary has 3 files, and one file was given. "
        "Give the folder that holds patients.csv, scores.csv, treatments.csv."
    ]


def test_a_place_that_is_not_there_is_refused_kindly(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "patients.csv", GOOD)
    for arguments, code in (
        (["predict", model, tmp_path / "no.csv"], 3),
        (["predict", model, tmp_path / "nothing", "--as-of", "2025-06-01"], 3),
        (["predict", model, path, "--out", tmp_path / "no" / "answers.csv"], 5),
        (["predict", model, "--template", tmp_path / "no" / "template.csv"], 5),
        (["predict", model], 2),
        (["predict", tmp_path, path], 4),
    ):
        answer = command_line(*arguments)
        assert answer.code == code, (arguments, answer)
        assert len(answer.errors) >= 1
        assert "Traceback" not in answer.err


def test_the_group_page_model_gives_the_group_rate_and_says_why(tmp_path: Path) -> None:
    path = write(tmp_path / "patients.csv", GOOD, "P2,40,female,north,30,2.5,midazolam")
    answer = command_line("predict", trained("group").folder, path, "--json")
    rows = answer.record["predictions"]
    assert [row["kind"] for row in rows] == ["group_rate", "group_rate"]
    assert all(row["probability"] is None and row["low"] is None for row in rows)
    study = trained("group").study
    y, plan = study.primary.label, study.cohort.plan
    assert rows[0]["group_rate"] == pytest.approx(y[plan == "ketamine"].mean())
    assert rows[1]["group_rate"] == pytest.approx(y[plan == "midazolam"].mean())
    assert "Too little data to tell" in rows[0]["reason"]
