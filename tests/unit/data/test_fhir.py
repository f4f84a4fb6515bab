"""FHIR resources as rows: each expectation is read off the resource by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from predictor.config.source import Fhir
from predictor.data.sources.fhir import read_fhir
from predictor.data.sources.fhir_rows import date_written
from predictor.data.sources.text_table import TextTable
from predictor.errors import DataError, ResourceError

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"


def observation(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": LOINC, "code": "1988-5"}]},
        "effectiveDateTime": "2026-03-04T10:30:00+01:00",
    } | more


def quantity(value: float, code: str, **more: Any) -> dict[str, Any]:
    return {"value": value, "unit": code, "system": UCUM, "code": code} | more


def response(items: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "authored": "2026-03-04",
        "item": items,
    } | more


def read(tmp_path: Path, *resources: dict[str, Any], lines: bool = False, **fhir: Any) -> TextTable:
    path = tmp_path / "export.json"
    if lines:
        text = "\n".join(json.dumps(one) for one in resources) + "\n"
    else:
        entries = [{"fullUrl": f"urn:uuid:{i}", "resource": one} for i, one in enumerate(resources)]
        text = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}, indent=1)
    path.write_text(text, encoding="utf-8")
    section = Fhir(**({"resource": resources[0]["resourceType"]} | fhir))
    return read_fhir(path, section, shown_as="export.json")


def only(table: TextTable, *names: str) -> list[tuple[str, ...]]:
    return [tuple(row) for row in table.frame[list(names)].itertuples(index=False)]


def test_an_observation_with_its_ucum_unit_and_when_it_was_issued(tmp_path: Path) -> None:
    one = observation(
        valueQuantity=quantity(0.40, "mg/L", comparator="<"), issued="2026-03-05T08:00:00+01:00"
    )
    words = observation(valueQuantity={"value": 3, "unit": "mg per litre"})
    table = read(tmp_path, one, words)
    names = ("patient", "code", "date", "value", "unit", "recorded")
    assert only(table, *names) == [
        ("p1", "1988-5", "2026-03-04 10:30:00", "<0.4", "mg/L", "2026-03-05 08:00:00"),
        ("p1", "1988-5", "2026-03-04 10:30:00", "3", "", ""),  # a unit in words is no unit
    ]


def test_a_panel_gives_a_row_for_each_component(tmp_path: Path) -> None:
    parts = [
        {"code": {"coding": [{"code": code}]}, "valueQuantity": quantity(value, "mm[Hg]")}
        for code, value in (("8480-6", 120), ("8462-4", 80))
    ]
    panel = observation(code={"coding": [{"code": "85354-9"}]}, component=parts)
    assert only(read(tmp_path, panel), "code", "value", "unit") == [
        ("8480-6", "120", "mm[Hg]"),
        ("8462-4", "80", "mm[Hg]"),
    ]


def test_what_does_not_count_is_left_out_and_counted(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        observation(valueInteger=1),
        observation(status="preliminary", valueInteger=2),
        observation(status="entered-in-error", valueInteger=3),
        {"resourceType": "Patient", "id": "p1"},
    )
    assert table.frame["value"].tolist() == ["1"]
    assert set(table.notices) == {
        "export.json: 1 resources of other kinds were not read",
        "export.json: 1 Observation resources were left out because of their status (preliminary)",
        "export.json: 1 Observation resources were left out because of their status (entered-in-error)",
    }


def test_items_are_columns_and_scores_go_before_values_and_codes(tmp_path: Path) -> None:
    def coded(url: str, score: float) -> dict[str, Any]:
        extension = [{"url": f"http://hl7.org/fhir/StructureDefinition/{url}", "valueDecimal": score}]
        return {"valueCoding": {"code": "LA6569-3", "extension": extension}}

    items = [
        {"linkId": "1", "answer": [coded("ordinalValue", 1)]},
        {"linkId": "2", "answer": [coded("iso21090-CO-value", 3)]},
        {"linkId": "3", "answer": [{"valueInteger": 2}]},
        {"linkId": "4", "answer": [{"valueCoding": {"code": "LA6568-5"}}]},
        {"linkId": "5"},
        {"linkId": "g", "item": [{"linkId": "g.1", "answer": [{"valueBoolean": True}]}]},
    ]
    table = read(tmp_path, response(items))
    assert only(table, "1", "2", "3", "4", "5", "g.1") == [("1", "3", "2", "LA6568-5", "", "true")]
    assert "g" not in table.frame
    assert table.frame["date"].tolist() == ["2026-03-04"]


@pytest.mark.parametrize(
    "items",
    [
        [{"linkId": "1", "answer": [{"valueInteger": 1}, {"valueInteger": 2}]}],
        [{"linkId": "1", "answer": [{"valueInteger": 1}]}, {"linkId": "1", "answer": [{"valueInteger": 2}]}],
        [{"linkId": "date", "answer": [{"valueInteger": 1}]}],
    ],
)
def test_an_answer_that_fits_no_cell_is_refused(tmp_path: Path, items: list[dict[str, Any]]) -> None:
    with pytest.raises(DataError, match=r"export\.json:1: QuestionnaireResponse: DAT-42 an item "):
        read(tmp_path, response(items))


def test_conditions_and_administrations(tmp_path: Path) -> None:
    subject = {"subject": {"reference": "Patient/p1"}}
    condition = {
        "resourceType": "Condition",
        "code": {"coding": [{"code": "370143000"}]},
        "recordedDate": "2026-01-02",
    } | subject
    status = {"verificationStatus": {"coding": [{"code": "refuted"}]}}
    table = read(tmp_path, condition, condition | status, condition | {"onsetDateTime": "2025-05-06"})
    assert only(table, "code", "date", "value", "recorded") == [
        ("370143000", "2026-01-02", "1", "2026-01-02"),
        ("370143000", "2025-05-06", "1", "2026-01-02"),
    ]
    given = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": {"coding": [{"code": "6130"}]},
        "effectivePeriod": {"start": "2026-03-04T09:00:00+01:00"},
        "dosage": {"dose": quantity(40, "mg")},
    } | subject
    table = read(tmp_path, given, given | {"status": "not-done"})
    assert only(table, "code", "date", "value", "unit", "given") == [
        ("6130", "2026-03-04 09:00:00", "40", "mg", "1")
    ]


def test_references_are_followed_and_dangling_ones_counted(tmp_path: Path) -> None:
    patient = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1980-01-02"}
    table = read(
        tmp_path,
        observation(valueInteger=1, subject={"reference": "urn:uuid:3"}),
        observation(valueInteger=2, subject={"reference": "urn:uuid:nobody"}),
        observation(
            valueInteger=3, subject={"reference": "https://clinic.example/fhir/Patient/p1/_history/2"}
        ),
        patient,
    )
    assert table.frame["patient"].tolist() == ["p1", "urn:uuid:nobody", "p1"]
    assert "export.json: 1 Observation resources refer to a patient who is not in the file" in table.notices
    people = read(tmp_path, patient)
    assert only(people, "patient", "gender", "birth_date") == [("p1", "female", "1980-01-02")]


def test_lines_are_rows(tmp_path: Path) -> None:
    table = read(tmp_path, *(observation(id=f"o{i}", valueInteger=i) for i in range(3)), lines=True)
    assert table.rows.tolist() == [1, 2, 3]
    assert table.frame["value"].tolist() == ["0", "1", "2"]


def test_a_resource_that_does_not_fit_its_version_is_refused_by_place_and_not_by_value(
    tmp_path: Path,
) -> None:
    wrong = observation(status=["planted value"], planted_key=1)
    del wrong["code"]
    with pytest.raises(DataError) as error:
        read(tmp_path, observation(valueInteger=1), wrong)
    text = str(error.value)
    assert "export.json:2: Observation.status: DAT-42 the resource does not fit FHIR R4" in text
    assert "planted" not in text
    stu3 = response([], questionnaire={"reference": "Questionnaire/phq9"})
    with pytest.raises(DataError, match=r"QuestionnaireResponse\.questionnaire: DAT-42"):
        read(tmp_path, stu3)
    assert read(tmp_path, stu3, version="STU3").frame["questionnaire"].tolist() == ["Questionnaire/phq9"]


@pytest.mark.parametrize(
    "text", ["<Bundle/>", '{"resourceType": "Bundle", "entry": [', "[1]", '{"a": NaN}', "[" * 100_000]
)
def test_what_is_no_fhir(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"x\.json: DAT-42 no "):
        read_fhir(path, Fhir(resource="Observation"), shown_as="x.json")


def test_none_of_the_kind_that_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="DAT-11"):
        read(tmp_path, observation(valueInteger=1), resource="Condition")


@pytest.mark.parametrize(
    ("text", "zone", "written"),
    [
        ("2026-03-04T23:30:00+01:00", "as_written", "2026-03-04 23:30:00"),
        ("2026-03-04T23:30:00Z", "Europe/Berlin", "2026-03-05 00:30:00"),
        ("2026-03-04", "Europe/Berlin", "2026-03-04"),
        ("2026-03", "as_written", "2026-03"),
        ("2026-06-30T23:59:60Z", "as_written", "2026-06-30T23:59:60Z"),
    ],
)
def test_dates_of_fhir_as_local_time(text: str, zone: str, written: str) -> None:
    assert date_written(text, zone) == written


def test_without_the_package_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fhir.resources.R4B.observation", None)
    with pytest.raises(
        ResourceError, match=r"ENV-02 FHIR files need the package fhir, which is not installed"
    ) as error:
        read(tmp_path, observation(valueInteger=1))
    assert 'pip install "response-predictor[fhir]"' in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{"resourceType": "Bundle", "type": "collection", "entry": null}',
            "the bundle's entries are no list",
        ),
        ('{"resourceType": "Bundle", "type": "collection", "entry": 7}', "the bundle's entries are no list"),
        (
            '{"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "u", "resource": null}, 7]}',
            "there is a header and no rows",
        ),
        (
            '{"resourceType": "Patient", "id": "a", "extension": '
            + '[{"url": "u", "extension": ' * 400
            + "[]"
            + "}]" * 400
            + "}",
            "a resource nested deeper than 60 levels",
        ),
    ],
)
def test_a_crafted_bundle_is_an_error_of_the_file(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_fhir(path, Fhir(resource="Patient"), shown_as="x.json")
