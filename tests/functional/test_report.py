"""`predictor report`: one page per patient, named by row, and the same as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from trained_clinics import clinic_of, command_line, new_patients, trained


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports of three patients, the second of whom is refused."""
    folder = tmp_path_factory.mktemp("reports")
    frame = new_patients(3)
    frame.loc[1, "age"] = 95.0
    frame.to_csv(folder / "patients.csv", index=False)
    answer = command_line("report", trained().folder, folder / "patients.csv", "--out", folder / "out")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"3 reports in {folder / 'out'}: patient_0001.html … patient_0003.html\n"
    return folder / "out"


def test_files_are_named_by_row_never_by_a_patients_key(reports: Path) -> None:
    assert sorted(path.name for path in reports.iterdir()) == [
        f"patient_{row:04d}.{kind}" for row in (1, 2, 3) for kind in ("html", "json")
    ]


def test_the_page_carries_the_clinics_pseudonym_and_the_numbers_of_predict(reports: Path) -> None:
    expected = trained().model.predict(new_patients(3))
    for row in (1, 3):
        content = json.loads((reports / f"patient_{row:04d}.json").read_text())
        page = (reports / f"patient_{row:04d}.html").read_text()
        assert content["patient"]["pseudonym"] == f"NEW-{row - 1}"
        assert f"NEW-{row - 1}" in page
        per100 = content["estimate"]["per100"]
        assert abs(per100 - 100 * expected["probability"][row - 1]) <= 1
        assert f"{per100} of 100" in page
        parts = content["contributions"]
        other = parts["other"]["points"] if parts["other"] else 0
        total = parts["start"] + sum(one["points"] for one in parts["rows"]) + other
        assert total == parts["total"] == per100


def test_pages_are_whole_files_that_load_nothing(reports: Path) -> None:
    for page in reports.glob("*.html"):
        text = page.read_text()
        assert text.rstrip().endswith("</html>")
        assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", text)
        assert "<script" not in text


def test_only_the_rows_that_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    new_patients(6).to_csv(path, index=False)
    answer = command_line(
        "report", trained().folder, path, "--out", tmp_path / "out", "--rows", "2, 4-5", "--json"
    )
    assert answer.code == 0, answer.err
    names = [Path(one).name for one in answer.record["reports"]]
    assert names == ["patient_0002.html", "patient_0004.html", "patient_0005.html"]
    content = json.loads((tmp_path / "out" / "patient_0004.json").read_text())
    assert content["patient"]["pseudonym"] == "NEW-3"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("7", "CLI-02 row 7 was asked for, and the table has 6 patients. Write rows from 1 to 6."),
        ("0", "CLI-02 row 0 was asked for, and the table has 6 patients. Write rows from 1 to 6."),
        ("first", "CLI-01 rows are numbers and ranges. Write for example 1-3,7."),
        ("1-", "CLI-01 rows are numbers and ranges. Write for example 1-3,7."),
        ("1-99999999999", "CLI-01 rows are numbers and ranges. Write for example 1-3,7."),
    ],
)
def test_rows_that_are_not_there(rows: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    new_patients(6).to_csv(path, index=False)
    answer = command_line("report", trained().folder, path, "--out", tmp_path / "out", "--rows", rows)
    assert answer.code == 2
    assert answer.errors == [f"--rows: {said}"]
    assert not (tmp_path / "out").exists()


def test_an_export_with_a_date_is_reported_on(tmp_path: Path) -> None:
    clinic = clinic_of(trained())
    answer = command_line(
        "report",
        trained().folder,
        clinic.folder,
        "--as-of",
        "2025-06-01",
        "--rows",
        "1-3",
        "--out",
        tmp_path,
    )
    assert answer.code == 0, answer.err
    pages = sorted(tmp_path.glob("*.html"))
    assert [page.name for page in pages] == [f"patient_{row:04d}.html" for row in (1, 2, 3)]
    # The export's own key is what the clinic calls the patient; it is inside the report and in no file's name.
    assert "K0000" in pages[0].read_text()


def test_a_model_without_personal_numbers_writes_group_pages(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    new_patients(2).to_csv(path, index=False)
    answer = command_line("report", trained("group").folder, path, "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    for row in (1, 2):
        content = json.loads((tmp_path / "out" / f"patient_{row:04d}.json").read_text())
        assert content["report"]["kind"] == "group_rate"
        assert "estimate" not in content
        assert "contributions" not in content
        assert len(content["group"]["arms"]) == 2


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    new_patients(1).to_csv(path, index=False)
    taken = tmp_path / "taken"
    taken.write_text("a file")
    answer = command_line("report", trained().folder, path, "--out", taken)
    assert answer.code == 5
    assert answer.errors == [
        f"{taken}: TRN-05 this cannot be written (File exists). Choose a place that exists and can be written."
    ]


def test_the_examples_of_a_training_are_invented_patients_one_per_plan() -> None:
    training = trained()
    assert [path.name for path in training.patient_reports] == ["example_1.html", "example_2.html"]
    for path, plan in zip(training.patient_reports, ("ketamine", "midazolam"), strict=True):
        text = path.read_text()
        assert "EXAMPLE" in text
        assert plan in text
