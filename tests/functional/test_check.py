"""`predictor check`: all that is wrong at once, and what a training would find; nothing is fitted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trained_clinics import Clinic, command_line, write_clinic

PROJECT = Path(__file__).resolve().parents[2]
MISTAKES = (  # old text, new text, file, the key path that the line has to name
    ("version: 1", "version: 7", "config.yaml", "version"),
    ("seed: 5}", "sede: 5}", "config.yaml", "experiment.sede"),
    ("first_day: -28", "first_day: soon", "config.yaml", "cohort.baseline.first_day"),
    ("control: midazolam", "control: saline", "config.yaml", "cohort.treatment.control"),
    ("kind: response", "kind: respons", "config.yaml", "outcomes.response"),
    ("severity: scores.madrs", "severity: scores.mardrs", "config.yaml", "severity"),
    ("patients.age, patients.sex", "patients.agee, patients.sex", "config.yaml", "features.groups.clinical"),
    ("type: elastic_net", "type: elastic_nett", "config.yaml", "models.net.type"),
    ("resamples: 100", "resamples: 3", "config.yaml", "validation.interval.resamples"),
    ("range: [18, 80]", "range: [80, 18]", "dictionary.yaml", "dictionary.patients.columns.age.range"),
)


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return write_clinic(tmp_path)


def test_ten_mistakes_are_ten_lines_with_file_line_path_and_remedy(clinic: Clinic) -> None:
    for old, new, file, _ in MISTAKES:
        clinic.change(old, new, file=file)
    answer = command_line("check", "config.yaml", cwd=clinic.folder)
    assert answer.code == 2
    assert answer.out == ""
    assert len(answer.errors) == len(MISTAKES), answer.err
    for _, new, file, path in MISTAKES:
        lines = (clinic.folder / file).read_text().splitlines()
        numbers = [number for number, line in enumerate(lines, 1) if new in line]
        found = [line for line in answer.errors if line.startswith(f"{file}:") and f": {path}" in line]
        assert len(found) == 1, f"{path}: {answer.err}"
        place = re.match(rf"{file}:(\d+): {re.escape(path)}[^ ]*: [A-Z]{{3}}-\d\d (.+?)\. (.+)\.$", found[0])
        assert place, f"not file:line: path: CODE message. remedy. — {found[0]}"
        assert int(place[1]) in numbers


def test_ten_mistakes_as_json_have_the_same_parts(clinic: Clinic) -> None:
    for old, new, file, _ in MISTAKES:
        clinic.change(old, new, file=file)
    answer = command_line("check", "config.yaml", "--json", cwd=clinic.folder)
    assert answer.code == answer.record["exit_code"] == 2
    problems = answer.record["problems"]
    assert len(problems) == len(MISTAKES)
    for problem in problems:
        assert problem["file"]
        assert problem["line"]
        assert problem["path"]
        assert problem["message"]
        assert problem["remedy"]


def test_prints_what_a_training_would_find_and_fits_nothing(clinic: Clinic) -> None:
    answer = command_line("check", "config.yaml", cwd=clinic.folder)
    assert (answer.code, answer.err) == (0, "")
    for heading in ("Who is in", "Outcomes", "Sample size", "Work"):
        assert f"\n{heading}" in answer.out
    assert "Adult" in answer.out
    # 2 candidates x 2 inner folds + 1, for 2 x 2 outer folds and the final fit; 4 references in each outer fold.
    assert "66 fits" in answer.out
    assert answer.out.rstrip().endswith("`predictor train` can start.")
    assert sorted(path.name for path in clinic.folder.iterdir()) == sorted(
        ["config.yaml", "dictionary.yaml", "patients.csv", "pyproject.toml", "scores.csv", "treatments.csv"]
    )


def test_json_holds_attrition_outcomes_parameters_and_fits(clinic: Clinic) -> None:
    record = command_line(
        "check", "config.yaml", "--json", "--set", "validation.outer.n_repeats=3", cwd=clinic.folder
    ).record
    assert [step["step"] for step in record["attrition"]] == [
        "In the export",
        "Day 0: first row of treatments",
        "Adult",
    ]
    assert record["outcomes"][0]["evaluable"] == 200
    assert record["fits"] == 12 * 5 + 6 * 4
    (parameters,) = record["parameters"]
    # age, sex, site, MADRS, arm: one column each; CRP and the indicator that it is missing.
    assert parameters["parameters"] == 7
    assert parameters["events_per_parameter"] == pytest.approx(parameters["events"] / 7)
    assert record["cpu_seconds"] > 0


def test_all_bad_cells_are_reported_by_row_and_column_without_their_values(clinic: Clinic) -> None:
    table = clinic.table("patients")
    table.loc[3, "age"] = "4711"
    table.loc[5, "sex"] = "Zebra"
    table.to_csv(clinic.folder / "patients.csv", index=False)
    answer = command_line("check", "config.yaml", cwd=clinic.folder)
    assert answer.code == 3
    assert len(answer.errors) == 2
    assert answer.errors[0].startswith("patients.csv:5: age: DAT-")
    assert answer.errors[1].startswith("patients.csv:7: sex: DAT-")
    assert "4711" not in answer.err
    assert "Zebra" not in answer.err


def test_a_data_file_that_is_not_there_is_named_with_what_to_do(clinic: Clinic) -> None:
    (clinic.folder / "scores.csv").unlink()
    answer = command_line("check", "config.yaml", cwd=clinic.folder)
    assert answer.code == 3
    (line,) = answer.errors
    assert line.startswith("scores.csv: ")
    assert "Traceback" not in answer.err


def test_data_may_lie_outside_the_project(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("data")
    for name in ("patients", "scores", "treatments"):
        (clinic.folder / f"{name}.csv").rename(elsewhere / f"{name}.csv")
    assert command_line("check", "config.yaml", cwd=clinic.folder).code == 3
    answer = command_line("check", "config.yaml", "--data-folder", elsewhere, cwd=clinic.folder)
    assert answer.code == 0, answer.err


def test_six_events_stop_the_training_unless_a_reason_is_written() -> None:
    config = PROJECT / "configs" / "ketamine_nimh.yaml"
    answer = command_line("check", config, "--set", "override=null")
    assert answer.code == 6
    assert "What stops `predictor train`" in answer.out
    assert "SIZ-02 6 events and 23 non-events" in answer.out
    assert command_line("train", config, "--set", "override=null").code == 6


def test_says_beforehand_that_six_events_support_no_model() -> None:
    answer = command_line("check", PROJECT / "configs" / "ketamine_nimh.yaml", "--json")
    assert answer.code == 0
    (outcome,) = [one for one in answer.record["outcomes"] if one["outcome"] == "response"]
    assert (outcome["evaluable"], outcome["events"]) == (29, 6)
    assert any(
        notice.startswith("overridden (demonstration)") and "6 events and 23 non-events" in notice
        for notice in answer.record["notices"]
    )
