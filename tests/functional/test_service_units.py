"""The choice of units: the form, the machine interface and a file, over the real application."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from model_examples import rehash
from predictor.prediction_model import PredictionModel, load_prediction_model
from predictor.service.accounts import Limiter
from running_service import Running, running_service, send
from trained_clinics import new_patients, trained
from trained_clinics import typed as typed_with_unit


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> PredictionModel:
    """The folder as it was before it knew of units."""
    folder = tmp_path_factory.mktemp("old") / "model"
    shutil.copytree(trained("better").folder / "model", folder)
    schema = folder / "schema.json"
    content = json.loads(schema.read_bytes())
    for one in content["inputs"]:
        del one["accepted_units"]
    schema.write_text(json.dumps(content))
    rehash(folder)
    return load_prediction_model(folder)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, old: PredictionModel) -> Iterator[Running]:
    models = {"better": load_prediction_model(trained("better").folder / "model"), "old": old}
    with running_service(models, tmp_path_factory.mktemp("service")) as found:
        found.service.estimates = Limiter(1000, 60)
        yield found


@pytest.fixture
def browser(running: Running) -> Iterator[httpx.Client]:
    with running.browser() as client:
        yield client


def typed(**changes: str) -> dict[str, str]:
    """What is typed before a unit is chosen."""
    form = typed_with_unit()
    del form["crp__unit"]
    return form | changes


def content_of(browser: httpx.Client, form: dict[str, str], model: str = "better") -> dict[str, object]:
    sent = send(browser, f"/estimate/{model}", form)
    assert sent.status_code == 303, sent.text
    found: dict[str, object] = browser.get(sent.headers["location"] + ".json").json()
    return found


def crp_of(view: dict[str, object]) -> dict[str, object]:
    inputs = view["inputs"]
    assert isinstance(inputs, list)
    return next(one for one in inputs if one["field"] == "crp")


def chosen(page: str) -> list[str]:
    (options,) = re.findall(r'<select id="crp-unit" name="crp__unit"[^>]*>(.*?)</select>', page)
    return re.findall(r'<option value="([^"]*)" selected', options)


def test_the_form_asks_for_the_unit_and_none_is_chosen(browser: httpx.Client) -> None:
    page = browser.get("/estimate/better").text
    assert chosen(page) == []
    (options,) = re.findall(r'<select id="crp-unit"[^>]*>(.*?)</select>', page)
    found = re.findall(r'<option value="([^"]*)">([^<]*)</option>', options)
    assert found == [
        ("", "Choose the unit"),
        ("mg/L", "mg/L"),
        ("mg/dL", "mg/dL"),
        ("ug/mL", "µg/mL"),
        ("ug/L", "µg/L"),
    ]
    assert '<label class="unseen" for="crp-unit">Unit of C-reactive protein</label>' in page
    assert "__unit" not in page.replace("crp__unit", ""), "age and MADRS have one unit"
    assert '<span class="unit">years</span>' in page


def test_a_value_without_a_unit_is_asked_about_and_stays(browser: httpx.Client) -> None:
    answer = send(browser, "/estimate/better", typed(crp="3.2"))
    assert answer.status_code == 422
    assert '<li><a href="#crp-unit">Choose the unit for C-reactive protein</a></li>' in answer.text
    assert '<p class="error" id="crp-unit-error">Choose the unit for C-reactive protein</p>' in answer.text
    assert 'aria-describedby="crp-unit-error" aria-invalid=true' in answer.text
    assert 'value="3.2"' in answer.text
    assert "crp-error" not in answer.text, "the number is not what is wrong"


@pytest.mark.parametrize("unit", ["mmol/L", "MG/L", "<b>"])
def test_a_unit_that_was_not_offered_is_none(browser: httpx.Client, unit: str) -> None:
    answer = send(browser, "/estimate/better", typed(crp="3.2", crp__unit=unit))
    assert answer.status_code == 422
    assert "Choose the unit for C-reactive protein" in answer.text
    assert "<b>" not in answer.text


def test_a_value_in_another_unit_gives_the_same_estimate_and_is_echoed(browser: httpx.Client) -> None:
    own = content_of(browser, typed(crp="3.2", crp__unit="mg/L"))
    other = content_of(browser, typed(crp="0.32", crp__unit="mg/dL"))
    assert own["estimate"] == other["estimate"]
    assert crp_of(own)["note"] == ""
    assert (crp_of(other)["value_text"], crp_of(other)["note"]) == ("3.2", "0.32 mg/dL = 3.2 mg/L")
    sent = send(browser, "/estimate/better", typed(crp="0.32", crp__unit="mg/dL"))
    assert "0.32 mg/dL = 3.2 mg/L" in browser.get(sent.headers["location"]).text


def test_the_chosen_unit_stays_while_another_answer_is_mended(browser: httpx.Client) -> None:
    answer = send(browser, "/estimate/better", typed(age="forty", crp="0.32", crp__unit="mg/dL"))
    assert chosen(answer.text) == ["mg/dL"]
    assert '<span class="unit">0.32 mg/dL = 3.2 mg/L</span>' in answer.text


def test_an_unmeasured_value_needs_no_unit(browser: httpx.Client) -> None:
    form = typed(crp="", crp__missing="1")
    assert crp_of(content_of(browser, form))["value_text"] is None
    form = typed(crp="0.32", crp__unit="mg/dL", crp__missing="1")
    assert crp_of(content_of(browser, form))["value_text"] is None


def test_limits_hold_for_the_converted_value_and_both_are_said(browser: httpx.Client) -> None:
    answer = send(browser, "/estimate/better", typed(crp="40", crp__unit="mg/dL"))
    said = (
        "C-reactive protein must be between 0 and 300 mg/L; you entered 40 mg/dL = 400 mg/L; "
        "it would be usual if the unit were"
    )
    assert answer.status_code == 422
    assert said not in answer.text, "40 mg/L is not usual either"
    assert said.rpartition(";")[0] in answer.text
    kept = send(browser, "/estimate/better", typed(crp="30", crp__unit="mg/dL"))
    assert "must be between" not in kept.text, "300 mg/L is the limit itself"
    assert "outside what the model has seen" in kept.text
    assert "you entered 30 mg/dL = 300 mg/L" in kept.text


def test_a_confirmation_is_no_unit(browser: httpx.Client) -> None:
    answer = send(browser, "/estimate/better", typed(age="79", crp="3.2", confirmed="yes"))
    assert answer.status_code == 422
    assert "Choose the unit for C-reactive protein" in answer.text
    assert "These values are right" not in answer.text


def test_an_input_is_checked_with_the_unit_that_was_chosen(browser: httpx.Client) -> None:
    sent = send(browser, "/estimate/better", typed(crp="0.32", crp__unit="mg/dL"))
    address = sent.headers["location"]
    page = browser.get(f"{address}/check").text
    assert chosen(page) == ["mg/dL"]
    assert "0.32 mg/dL = 3.2 mg/L" in page
    corrected = send(browser, f"{address}/check", typed(crp="0.32", crp__unit="mg/L"))
    assert corrected.status_code == 303, corrected.text
    beside = browser.get(corrected.headers["location"]).text
    assert "<td>3.2</td><td>0.32</td>" in beside


def test_a_folder_from_before_the_choice_shows_its_unit(browser: httpx.Client) -> None:
    page = browser.get("/estimate/old").text
    assert "<select" not in page
    assert '<span class="unit">mg/L</span>' in page
    before = content_of(browser, typed(crp="3.2"), "old")
    assert before["estimate"] == content_of(browser, typed(crp="3.2", crp__unit="mg/L"))["estimate"]


def test_other_programs_may_name_the_unit(browser: httpx.Client) -> None:
    inputs = browser.get("/api/v1/models/better/schema").json()["inputs"]
    (crp,) = [one for one in inputs if one["name"] == "crp"]
    assert crp["accepted_units"][:2] == [
        {"unit": "mg/L", "factor": 1.0, "offset": 0.0},
        {"unit": "mg/dL", "factor": 10.0, "offset": 0.0},
    ]
    values = {k: v for k, v in new_patients().iloc[0].items() if k != "patient"}
    answers = []
    for more in ({"crp": 3.2}, {"crp": 3.2, "crp_unit": "mg/L"}, {"crp": 0.32, "crp_unit": "mg/dL"}):
        body = {"model": "better", "values": values | more}
        answers.append(browser.post("/api/v1/estimate", json=body).json())
    assert answers[0]["estimate"] == answers[1]["estimate"] == answers[2]["estimate"]
    assert crp_of(answers[2])["note"] == "0.32 mg/dL = 3.2 mg/L"
    body = {"model": "better", "values": values | {"crp_unit": "mmol/L"}}
    refused = browser.post("/api/v1/estimate", json=body).json()
    assert refused["report"]["kind"] == "refusal"
    assert "The unit of C-reactive protein must be one of mg/L, mg/dL, ug/mL, ug/L" in json.dumps(refused)
    body = {"model": "better", "values": values | {"sex_unit": "mg/L"}}
    assert browser.post("/api/v1/estimate", json=body).status_code == 422
    described = browser.get("/api/v1/openapi.json").text
    assert "NAME_unit" in described


def test_a_file_is_in_the_models_units_unless_a_row_says_otherwise(browser: httpx.Client) -> None:
    assert "model’s own units" in browser.get("/batch").text
    table = new_patients(3).drop(columns="patient")
    table["crp"] = [3.2, 3.2, 0.32]
    table.loc[1:, list(table.columns.drop("crp"))] = table.loc[0, table.columns.drop("crp")].tolist()
    table["crp_unit"] = ["", "mg/L", "mg/dL"]
    answer = browser.post(
        "/batch",
        data={"token": browser.headers["x-csrf-token"], "model": "better"},
        files={"patients": ("a.csv", table.to_csv(index=False).encode(), "text/csv")},
    )
    first, *others = [(one["kind"], one["probability"]) for one in csv.DictReader(io.StringIO(answer.text))]
    assert first[0] == "estimate"
    assert others == [first, first]


def test_the_models_page_names_its_units(browser: httpx.Client) -> None:
    assert "mg/L; also in mg/dL, µg/mL, µg/L" in browser.get("/models/better").text
    assert "also in" not in browser.get("/models/old").text


def test_a_unit_is_text_whatever_a_folder_calls_it(running: Running) -> None:
    """A folder that somebody has put together: the name of a unit is shown, and is no markup."""
    offered = running.service.offered("better")
    from predictor.data.accepted_units import AcceptedUnit

    units = (AcceptedUnit("mg/L"), AcceptedUnit('"><script>alert(1)</script>', 2.0))
    inputs = tuple(
        replace(one, accepted_units=units) if one.name == "crp" else one for one in offered.model.inputs
    )
    forged = replace(offered, id="forged", model=replace(offered.model, inputs=inputs))
    running.service.shelf = (*running.service.shelf, forged)
    with running.browser() as client:
        for path in ("/estimate/forged", "/models/forged"):
            page = client.get(path).text
            assert "<script>alert" not in page
            assert "&lt;script&gt;alert" in page
