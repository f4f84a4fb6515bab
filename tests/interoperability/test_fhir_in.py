"""One patient's resources in FHIR R4: what becomes of each, and what is refused (FHI-02 to FHI-08)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_examples import (
    CRP,
    KETAMINE,
    MADRS,
    MADRS_FORM,
    MIDAZOLAM,
    RXNORM,
    SITE,
    SNOMED,
    UCUM,
    body,
    bundle,
    coded_folder,
    coded_model,
    observation,
    order,
    patient,
    quantity,
    resources,
)
from predictor.config.coded import Coded
from predictor.config.coding_problems import find_coding_problems
from predictor.config.dictionary import Column
from predictor.errors import DataError, Problem
from predictor.interoperability.bundle import MOST_BYTES, Entry, read_bundle
from predictor.interoperability.candidates import Clock, candidates_of
from predictor.interoperability.coded_inputs import CodedInput
from predictor.interoperability.conformance import find_deviations
from predictor.interoperability.intake import FhirIntake, PatientInputs
from predictor.interoperability.moments import completed_years, read_moment
from predictor.interoperability.quantities import Refusal
from predictor.interoperability.questionnaire import canonical_of, questionnaire
from predictor.prediction_model import InputField
from predictor.strict_json import read_json
from trained_clinics import command_line

TODAY = date(2026, 3, 2)
BERLIN = ZoneInfo("Europe/Berlin")
SECRET = 77.31  # a value that must stand in no message


def read(found: list[dict[str, Any]], kind: str = "better", *, zone: ZoneInfo = BERLIN) -> PatientInputs:
    return FhirIntake(coded_model(kind)).read(read_bundle(body(found)), Clock(TODAY, zone))


def refused(found: list[dict[str, Any]], kind: str = "better") -> tuple[Problem, ...]:
    with pytest.raises(DataError) as caught:
        read(found, kind)
    assert str(SECRET) not in str(caught.value)
    return caught.value.problems


def changed(id_: str, **changes: Any) -> list[dict[str, Any]]:
    return [one | changes if one["id"] == id_ else one for one in resources(TODAY)]


def crp(value: float, day: str, id_: str = "crp2", **changes: Any) -> dict[str, Any]:
    return observation(CRP, {"valueQuantity": quantity(value, "mg/L")}, day=day, id_=id_, **changes)


def test_every_input_is_found_by_its_declared_code() -> None:
    found = read(resources(TODAY))
    assert found.values == {
        "age": 44.0,
        "sex": "female",
        "site": "north",
        "madrs": 31.0,
        "crp": 3.2,
        "arm": "ketamine",
    }
    assert set(found.basis) == {
        "Patient/p1",
        "Observation/crp",
        "Observation/madrs",
        "Observation/site",
        "MedicationRequest/order",
    }
    (row,) = found.rows("K-1").itertuples(index=False, name=None)
    columns = found.rows("K-1").columns
    assert row[columns.index("crp_date")] == TODAY - timedelta(days=3)
    assert row[columns.index("crp_source")] == "FHIR"


def test_what_no_resource_holds_is_missing() -> None:
    found = read([patient(TODAY), order(MIDAZOLAM)])
    assert [name for name, value in found.values.items() if value is None] == ["site", "madrs", "crp"]
    assert found.values["arm"] == "midazolam"


def test_fhi_02_a_quantity_without_a_ucum_code_is_refused() -> None:
    for value in (
        {"value": SECRET, "unit": "mg/L"},
        {"value": SECRET},
        {"value": SECRET, "unit": "mg/L", "system": "urn:other", "code": "mg/L"},
    ):
        (problem,) = refused(changed("crp", valueQuantity=value))
        assert problem.code == "FHI-02"
        assert problem.path == "Bundle.entry[1]: crp"


def test_fhi_02_another_unit_is_converted_and_the_report_says_so() -> None:
    found = read(changed("crp", valueQuantity=quantity(0.32, "mg/dL")))
    assert found.values["crp"] == pytest.approx(3.2)
    assert found.chosen["crp"].source == "FHIR, from mg/dL"
    (problem,) = refused(changed("crp", valueQuantity=quantity(SECRET, "kg")))
    assert problem.code == "FHI-02"


def test_fhi_02_a_limit_is_no_value_unless_the_dictionary_reads_it() -> None:
    (problem,) = refused(changed("crp", valueQuantity=quantity(SECRET, "mg/L") | {"comparator": "<"}))
    assert problem.code == "FHI-02"


def test_fhi_03_entered_in_error_is_ignored_and_preliminary_refused() -> None:
    assert read(changed("crp", status="entered-in-error")).values["crp"] is None
    for status in ("preliminary", "registered", "cancelled", "unknown"):
        (problem,) = refused(changed("crp", status=status))
        assert problem.code == "FHI-03"
    for status in ("final", "amended", "corrected"):
        assert read(changed("crp", status=status)).values["crp"] == 3.2


def test_fhi_03_a_status_of_what_no_model_asks_for_decides_nothing() -> None:
    other = observation("other", {"valueString": "x"}, day="2026-03-01", id_="other", status="preliminary")
    assert read([*resources(TODAY), other]).values["crp"] == 3.2


def test_fhi_04_two_values_of_one_time_that_differ_are_refused_with_both_dates() -> None:
    day = "2026-02-27"
    (problem,) = refused([*resources(TODAY), crp(SECRET, day)])
    assert problem.code == "FHI-04"
    assert "Bundle.entry[1] of 2026-02-27" in problem.message
    assert "Bundle.entry[5] of 2026-02-27" in problem.message
    assert read([*resources(TODAY), crp(3.2, day)]).values["crp"] == 3.2


def test_fhi_04_a_date_alone_meets_every_time_of_its_day() -> None:
    assert refused([*resources(TODAY), crp(SECRET, "2026-02-27T08:00:00+01:00")])[0].code == "FHI-04"
    newer = [crp(5.0, "2026-02-28T08:00:00+01:00"), crp(6.0, "2026-02-28T08:00:01+01:00", "crp3")]
    assert read([*resources(TODAY), *newer]).values["crp"] == 6.0


def test_fhi_05_another_patients_resource_refuses_the_whole_request() -> None:
    for change in (
        {"subject": {"reference": "Patient/p2"}},
        {"subject": {"reference": "https://elsewhere.example/fhir/Patient/p1"}},
        {"subject": {"identifier": {"system": "urn:x", "value": "p1"}}},
        {"subject": {"reference": "#p1"}, "contained": [{"resourceType": "Patient", "id": "p1"}]},
        {"focus": [{"reference": "Patient/p2"}]},
    ):
        (problem,) = refused(changed("crp", **change))
        assert (problem.code, problem.path) == ("FHI-05", "Bundle.entry[1]")
    without = changed("crp")
    del without[1]["subject"]
    assert refused(without)[0].code == "FHI-05"
    assert refused([*resources(TODAY), patient(TODAY) | {"id": "p2"}])[0].code == "FHI-05"
    # Also of a kind that is not read.
    foreign = {"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/p2"}}
    assert refused([*resources(TODAY), foreign])[0].code == "FHI-05"


def test_fhi_05_the_same_patient_by_another_form_of_reference() -> None:
    own = {"reference": "http://ehr.example/fhir/Patient/p1"}
    assert read(changed("crp", subject=own)).values["crp"] == 3.2
    assert read(changed("crp", subject={"reference": "Patient/p1/_history/3"})).values["crp"] == 3.2


def test_fhi_06_limits_and_nothing_is_fetched(network_attempts: list[str]) -> None:
    many = [crp(1.0, "2026-02-27", f"c{i}") for i in range(10_000)]
    with pytest.raises(DataError) as caught:
        read_bundle(body(many))
    assert caught.value.problems[0].code == "FHI-06"
    small = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{}] * 10_000}).encode()
    assert len(small) < MOST_BYTES
    with pytest.raises(DataError) as caught:
        read_bundle(small)
    assert (caught.value.problems[0].code, caught.value.problems[0].path) == ("FHI-06", "Bundle.entry")
    # In a circle, and to another place: references are compared and never followed.
    circle = changed(
        "crp", derivedFrom=[{"reference": "Observation/crp"}], hasMember=[{"reference": "Observation/crp"}]
    )
    circle[1]["performer"] = [{"reference": "http://169.254.169.254/latest"}]
    assert read(circle).values["crp"] == 3.2
    assert network_attempts == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"link": [{"relation": "next", "url": "http://ehr.example/page2"}], "type": "searchset"}, "FHI-06"),
        ({"type": "history"}, "FHI-07"),
        ({"type": "message"}, "FHI-07"),
        ({"entry": {"resource": 1}}, "FHI-07"),
        ({"entry": ["x"]}, "FHI-07"),
        ({"entry": [{"resource": {"resourceType": "Bundle", "type": "collection"}}]}, "FHI-06"),
        ({"entry": [{"resource": {"resourceType": "OperationOutcome", "issue": []}}]}, "FHI-06"),
        ({"resourceType": "Patient"}, "FHI-07"),
    ],
)
def test_fhi_06_a_bundle_that_is_not_whole_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(DataError) as caught:
        read_bundle(json.dumps(bundle(resources(TODAY)) | changes).encode())
    assert caught.value.problems[0].code == code


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<Bundle xmlns='http://hl7.org/fhir'/>",
        b"\xff\xfe",
        b"[]",
        b'{"resourceType": "Bundle", "resourceType": "Bundle"}',
        b'{"resourceType": "Bundle", "type": "collection", "entry": [NaN]}',
        b'{"a":' * 100_000,
        b"[" * 40 + b"]" * 40,
    ],
)
def test_fhi_07_what_is_no_json_of_fhir_is_refused(raw: bytes) -> None:
    with pytest.raises(DataError) as caught:
        read_bundle(raw)
    assert caught.value.problems[0].code == "FHI-07"


@pytest.mark.parametrize(
    "change",
    [
        {"triggeredBy": [{"observation": {"reference": "Observation/1"}, "type": "reflex"}]},  # R5
        {"instantiatesCanonical": "http://x"},  # R5
        {"comment": "x"},  # STU3
        {"context": {"reference": "Encounter/1"}},  # STU3
        {"code": None},
        {"effectiveDateTime": "02/03/2026"},
        {"status": 1},
    ],
)
def test_fhi_07_another_version_is_refused(change: dict[str, Any]) -> None:
    assert {one.code for one in refused(changed("crp", **change))} == {"FHI-07"}


def test_fhi_07_narrative_is_never_looked_at() -> None:
    html = '<div xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></div>'
    found = read(changed("crp", text={"status": "generated", "div": html}))
    (row,) = found.rows("K-1").itertuples(index=False, name=None)
    assert "script" not in str(row)


def test_fhi_07_a_code_that_is_not_declared_is_refused_and_not_guessed() -> None:
    other = {"coding": [{"system": "urn:test", "code": "E"}]}
    assert refused(changed("site", valueCodeableConcept=other))[0].code == "FHI-07"
    assert refused(changed("crp", **{"valueQuantity": None, "valueString": "high"}))[0].code == "FHI-07"


def test_a_reason_why_there_is_no_value_means_missing() -> None:
    reason = {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]
    }
    without = changed("crp", dataAbsentReason=reason)
    del without[1]["valueQuantity"]
    assert read(without).values["crp"] is None


def test_fhi_08_dates_that_are_not_exact() -> None:
    # Older than the window, whatever the day: not looked at. Inside it: the day is needed.
    old = changed("madrs", effectiveDateTime="2025")
    assert read(old).values["madrs"] is None
    assert refused(changed("madrs", effectiveDateTime="2026-02"))[0].code == "FHI-08"
    assert refused(changed("madrs", effectiveDateTime="2026-03-03"))[0].code == "FHI-08"
    undated = changed("madrs")
    del undated[2]["effectiveDateTime"]
    assert refused(undated)[0].code == "FHI-08"
    assert refused([patient(TODAY) | {"birthDate": "1980"}])[0].code == "FHI-08"
    assert refused([patient(TODAY) | {"birthDate": "2030-01-01"}])[0].code == "FHI-08"
    assert read([patient(TODAY) | {"birthDate": "1980-05"}]).values["age"] == 45.0


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024", "2024-01-01T00:00:00", "2024-12-31T23:59:59.999999"),
        ("2024-02", "2024-02-01T00:00:00", "2024-02-29T23:59:59.999999"),
        ("2024-02-29", "2024-02-29T00:00:00", "2024-02-29T23:59:59.999999"),
        ("2024-03-01T23:30:00Z", "2024-03-02T00:30:00", "2024-03-02T00:30:00"),
        ("2024-07-01T23:30:00-05:00", "2024-07-02T06:30:00", "2024-07-02T06:30:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:59:59", "2017-01-01T00:59:59"),
        ("2024-03-01T10:00:00.1234567Z", "2024-03-01T11:00:00.123456", "2024-03-01T11:00:00.123456"),
    ],
)
def test_fhi_08_dates_and_zones_are_defined(text: str, first: str, last: str) -> None:
    found = read_moment(text, BERLIN)
    assert (found.first.isoformat(), found.last.isoformat()) == (first, last)


@pytest.mark.parametrize(
    "text", ["", "2024-13", "2023-02-29", "2024-1-1", "2024-01-01T10:00", "2024-01-01T10:00:00", "01/02/2024"]
)
def test_fhi_08_what_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match="no date of FHIR"):
        read_moment(text, BERLIN)


@pytest.mark.parametrize(
    ("birth", "on", "age"),
    [
        ("1980-03-02", date(2026, 3, 2), 46),
        ("1980-03-03", date(2026, 3, 2), 45),
        ("1980", date(2026, 12, 31), 46),
        ("1980", date(2026, 12, 30), None),
        ("2000-02-29", date(2026, 2, 28), 25),
        ("2000-02-29", date(2026, 3, 1), 26),
    ],
)
def test_fhi_08_age_in_completed_years(birth: str, on: date, age: int | None) -> None:
    assert completed_years(read_moment(birth, BERLIN), on) == age


# The plan and the rules of entry


def field(name: str, *, unit: str = "", grain: Any = "any", role: Any = "plan") -> InputField:
    return InputField(
        name, name, "number", unit, (), (None, None), None, role, True, 0.0, 0.0, {}, grain=grain
    )


def said(resource: dict[str, Any], coded: Coded, one: InputField) -> list[Any]:
    entry = Entry("Bundle.entry[0]", resource)
    return [
        c.value
        for c in candidates_of(entry, CodedInput(one, Column(unit=one.unit), coded), Clock(TODAY, BERLIN))
    ]


def test_dose_and_number_of_an_order() -> None:
    codes = [f"{RXNORM}|{KETAMINE}"]
    dose = Coded(resource="MedicationRequest", element="dose", codes=codes)
    count = Coded(resource="MedicationRequest", element="count", codes=codes)
    instruction = {
        "timing": {"repeat": {"count": 6}},
        "doseAndRate": [{"doseQuantity": quantity(500, "ug/kg")}],
    }
    request = order(dosageInstruction=[instruction])
    assert said(request, dose, field("dose", unit="mg/kg")) == [pytest.approx(0.5)]
    assert said(request, count, field("infusions", grain="whole")) == [6.0]
    assert said(order(MIDAZOLAM, dosageInstruction=[instruction]), dose, field("dose", unit="mg/kg")) == []
    assert said(request | {"status": "cancelled"}, dose, field("dose", unit="mg/kg")) == []
    assert said(request | {"doNotPerform": True}, count, field("infusions", grain="whole")) == []
    with pytest.raises(Refusal):
        said(request | {"dosageInstruction": [instruction, instruction]}, dose, field("dose", unit="mg/kg"))
    with pytest.raises(Refusal):
        said(request | {"status": "unknown"}, dose, field("dose", unit="mg/kg"))


def test_two_orders_of_different_drugs_are_refused() -> None:
    assert refused([patient(TODAY), order(), order(MIDAZOLAM, id="second")])[0].code == "FHI-04"


@pytest.mark.parametrize(
    ("verification", "clinical", "expected"),
    [
        ("confirmed", "active", ["yes"]),
        ("confirmed", "relapse", ["yes"]),
        ("confirmed", "resolved", []),
        ("refuted", None, ["no"]),
        ("entered-in-error", None, []),
        (None, "active", ["yes"]),
    ],
)
def test_conditions_answer_rules_of_entry(
    verification: str | None, clinical: str | None, expected: list[str]
) -> None:
    coded = Coded(resource="Condition", codes=[f"{SNOMED}|69322001"])
    one = field("psychosis", grain="yes_no", role="entry")
    condition: dict[str, Any] = {
        "resourceType": "Condition",
        "code": {"coding": [{"system": SNOMED, "code": "69322001"}]},
    }
    if verification:
        condition["verificationStatus"] = {"coding": [{"code": verification}]}
    if clinical:
        condition["clinicalStatus"] = {"coding": [{"code": clinical}]}
    assert said(condition, coded, one) == expected


def test_fhi_03_a_condition_that_is_only_suspected_is_refused() -> None:
    coded = Coded(resource="Condition", codes=[f"{SNOMED}|69322001"])
    condition = {
        "resourceType": "Condition",
        "code": {"coding": [{"system": SNOMED, "code": "69322001"}]},
        "verificationStatus": {"coding": [{"code": "provisional"}]},
    }
    with pytest.raises(Refusal) as caught:
        said(condition, coded, field("psychosis", grain="yes_no", role="entry"))
    assert caught.value.code == "FHI-03"


# Questionnaires


def response(asked: str, answers: dict[str, dict[str, Any]], **changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": "form",
        "status": "completed",
        "questionnaire": asked,
        "subject": {"reference": "Patient/p1"},
        "authored": "2026-03-01T09:00:00+01:00",
        "item": [{"linkId": link, "answer": [answer]} for link, answer in answers.items()],
    } | changes


def test_the_models_own_questionnaire_fits_fhir_and_asks_for_every_input() -> None:
    model = coded_model()
    written = questionnaire(model)
    assert list(find_deviations(written)) == []
    links = [item["linkId"] for group in written["item"] for item in group["item"]]
    assert sorted(links) == sorted(one.name for one in model.inputs)


def test_its_answers_become_the_inputs() -> None:
    own = canonical_of(coded_model())
    answers = {
        "age": {"valueDecimal": 50},
        "sex": {"valueCoding": {"code": "male"}},
        "crp": {"valueDecimal": 2.5},
        "madrs": {"valueDecimal": 30},
        "arm": {"valueCoding": {"code": "ketamine"}},
    }
    found = read([response(f"{own}|2026-03-02", answers)])
    assert found.values == {
        "age": 50.0,
        "sex": "male",
        "site": None,
        "madrs": 30.0,
        "crp": 2.5,
        "arm": "ketamine",
    }
    assert refused([response(own, {"other": {"valueDecimal": 1}})])[0].code == "FHI-07"
    assert refused([response(own, answers, status="in-progress")])[0].code == "FHI-03"
    # A newer measurement wins over an older answer; of the same day, a different one is refused.
    newer = crp(4.5, "2026-03-02")
    assert read([response(own, answers), newer]).values["crp"] == 4.5
    assert refused([response(own, answers), crp(4.5, "2026-03-01")])[0].code == "FHI-04"


def items(ratings: list[int | None]) -> dict[str, dict[str, Any]]:
    return {f"q{i}": {"valueInteger": rating} for i, rating in enumerate(ratings, 1) if rating is not None}


def test_a_scale_is_scored_from_its_items() -> None:
    # MADRS: ten items of 0 to 6; the total is their sum.
    found = read([response(MADRS_FORM, items([4, 4, 3, 3, 3, 2, 4, 4, 3, 1]))], "items")
    assert found.values["madrs"] == 31.0
    assert read([response(MADRS_FORM, items([4, 4] + [None] * 8))], "items").values["madrs"] is None
    assert refused([response(MADRS_FORM, items([7] * 10))], "items")[0].code == "FHI-07"
    scored = response(MADRS_FORM, {})
    ordinal = {"url": "http://hl7.org/fhir/StructureDefinition/ordinalValue", "valueDecimal": 3}
    scored["item"] = [
        {"linkId": f"q{i}", "answer": [{"valueCoding": {"code": "x", "extension": [ordinal]}}]}
        for i in range(1, 11)
    ]
    assert read([scored], "items").values["madrs"] == 30.0


# Declarations


@pytest.mark.parametrize(
    ("coded", "place"),
    [
        ({"resource": "Patient"}, "fhir"),
        ({"resource": "Observation"}, "fhir"),
        ({"resource": "MedicationRequest"}, "fhir"),
        ({"resource": "QuestionnaireResponse"}, "fhir"),
        ({"resource": "Observation", "codes": ["a|b"], "element": "dose"}, "fhir.element"),
        ({"resource": "Observation", "codes": ["a|b"], "items": {"1": "q1"}}, "fhir.items"),
        ({"resource": "Observation", "codes": ["a|b"], "values": {"a|b": "blue"}}, "fhir.values"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_named(coded: dict[str, Any], place: str) -> None:
    column = Column(type="category", values={"r": "red"}, fhir=Coded(**coded))
    problems = list(find_coding_problems("fhir", column))
    assert problems
    assert {one.code for one in problems} == {"CFG-38"}
    assert place in {one.path for one in problems}


# What somebody made up


NAMES = st.sampled_from(
    [
        "resourceType",
        "status",
        "code",
        "coding",
        "system",
        "value",
        "valueQuantity",
        "reference",
        "subject",
        "item",
    ]
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


def replaced(value: Any, where: int, junk: Any) -> tuple[Any, int]:
    """Put junk in the place of one node, counted depth first."""
    if where == 0:
        return junk, -1
    where -= 1
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        if where >= 0:
            value[key], where = replaced(inner, where, junk)
    return value, where


@settings(max_examples=400)
@given(where=st.integers(0, 150), junk=JUNK)
def test_whatever_is_sent_is_read_or_refused(where: int, junk: Any) -> None:
    form = response(canonical_of(coded_model()), {"age": {"valueDecimal": 44}})
    sent, _ = replaced(bundle([*resources(TODAY), form]), where, junk)
    codes: set[str] = set()
    try:
        FhirIntake(coded_model()).read(read_bundle(json.dumps(sent).encode()), Clock(TODAY, BERLIN))
    except DataError as error:
        codes = {one.code[:4] for one in error.problems}
    assert codes <= {"FHI-"}


def test_strict_json_keeps_the_digits() -> None:
    assert str(read_json(b'{"value": 6.30}')["value"]) == "6.30"


# The command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.json"
    path.write_bytes(body(resources(TODAY)))
    return path


def test_predict_reads_a_bundle_and_writes_a_risk_assessment(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "answer.json"
    answer = command_line(
        "predict", coded_folder(), file, "--fhir", "--as-of", TODAY.isoformat(), "--out", out
    )
    assert answer.code == 0, answer.err
    written = json.loads(out.read_text())
    assert list(find_deviations(written)) == []
    risk = written["entry"][0]["resource"]
    by_hand = command_line(
        "predict", coded_folder(), file, "--fhir", "--as-of", TODAY.isoformat(), "--json"
    ).record
    assert by_hand == written
    assert risk["subject"] == {"reference": "Patient/p1"}
    assert f"about {risk['prediction'][0]['probabilityDecimal']} of 100" in answer.out


def test_a_command_that_is_refused_names_file_and_place(file: Path) -> None:
    file.write_bytes(body(changed("crp", valueQuantity={"value": SECRET})))
    answer = command_line("predict", coded_folder(), file, "--fhir", "--as-of", TODAY.isoformat())
    assert answer.code == 3
    assert "bundle.json: Bundle.entry[1]: crp: FHI-02" in answer.err
    assert str(SECRET) not in answer.err + answer.out
    missing = command_line("predict", coded_folder(), file.with_name("none.json"), "--fhir")
    assert missing.code == 3
    assert "DAT-15" in missing.err


def test_options_that_do_not_apply_to_a_bundle_are_refused_by_name(file: Path, tmp_path: Path) -> None:
    others = [
        ("--no-keys",),
        ("--range",),
        ("--no-range",),
        ("--workers", "1"),
        ("--cluster", "tcp://127.0.0.1:8786"),
        ("--contributions", tmp_path / "moved.parquet"),
        ("--template", tmp_path / "template.csv"),
    ]
    for option, *value in others:
        answer = command_line("predict", coded_folder(), file, "--fhir", option, *value)
        assert answer.code == 2
        said = f"{option}: CLI-01 this is no option of a FHIR Bundle of one patient. Leave {option} out."
        assert answer.errors == [said]
    both = command_line("predict", coded_folder(), file, "--fhir", "--range", "--workers", "2")
    assert [line.partition(":")[0] for line in both.errors] == ["--range", "--workers"]
    assert list(tmp_path.iterdir()) == [file], "nothing was written"


def test_codes_of_the_examples_are_used() -> None:
    """The examples stay examples: each code stands in the dictionary that the model was trained with."""
    written = json.dumps(coded_model().dictionary)
    for code in (CRP, MADRS, SITE, KETAMINE, MIDAZOLAM):
        assert f"|{code}" in written
    assert UCUM not in written


# The condition that is assessed


def with_conditions(*, rule: list[str]) -> FhirIntake:
    """The model, whose entry rule is about a depression; a diabetes is asked too."""
    model = coded_model()
    asked = {
        name: {"type": "boolean", "fhir": {"resource": "Condition", "codes": [f"{SNOMED}|{code}"]}}
        for name, code in (("depression", "370143000"), ("diabetes", "73211009"))
    }
    patients = model.dictionary["patients"]
    columns = patients["columns"] | asked
    inputs = [
        replace(field(name, grain="yes_no", role=role), source=f"patients.{name}")
        for name, role in (("depression", "entry"), ("diabetes", "baseline"))
    ]
    rules = {
        "name": "Depression",
        "conditions": [{"input": "depression", "min": None, "max": None, "in": rule}],
    }
    changed_model = replace(
        model,
        dictionary=model.dictionary | {"patients": patients | {"columns": columns}},
        inputs=(*model.inputs, *inputs),
        entry_rules=(*model.entry_rules, rules),
    )
    return FhirIntake(changed_model)


def active(code: str, id_: str, **changes: Any) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem"
    return {
        "resourceType": "Condition",
        "id": id_,
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": SNOMED, "code": code}]},
        "clinicalStatus": {"coding": [{"system": f"{system}/condition-clinical", "code": "active"}]},
    } | changes


@pytest.mark.parametrize(
    ("rule", "sent", "condition"),
    [
        (["yes"], [active("370143000", "c1")], "Condition/c1"),
        (["1"], [active("370143000", "c1"), active("73211009", "c2")], "Condition/c1"),
        (["yes"], [active("73211009", "c2")], ""),
        (["yes"], [], ""),
        (["no"], [active("370143000", "c1")], ""),
        (["yes", "no"], [active("370143000", "c1")], ""),
        (["yes"], [active("370143000", "")], ""),
    ],
)
def test_the_condition_is_the_one_that_lets_a_patient_in(
    rule: list[str], sent: list[dict[str, Any]], condition: str
) -> None:
    """Another one is a comorbidity, and one without an id cannot be referred to."""
    sent = [{key: value for key, value in one.items() if value != ""} for one in sent]
    intake = with_conditions(rule=rule)
    found = intake.read(read_bundle(body([*resources(TODAY), *sent])), Clock(TODAY, BERLIN))
    assert found.condition == condition


def test_without_such_a_rule_nothing_is_said_of_a_condition() -> None:
    assert read([*resources(TODAY), active("370143000", "c1")]).condition == ""
