"""FHIR over the service's own interface: a Bundle in, resources out, refusals as OperationOutcome."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_examples import body, coded_model, observation, quantity, resources
from predictor.interoperability.conformance import find_deviations
from running_service import Running, running_service

JSON = {"content-type": "application/fhir+json"}
TODAY = datetime.now().astimezone().date()
CANARY = 77.31


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = {kind: coded_model(kind) for kind in ("better", "group")}
    folder: Path = tmp_path_factory.mktemp("service")
    with running_service(models, folder) as found:
        yield found


@pytest.fixture(scope="module")
def browser(running: Running) -> Iterator[httpx.Client]:
    with running.browser() as found:
        yield found


def post(browser: httpx.Client, content: bytes, model: str = "better", **headers: str) -> httpx.Response:
    return browser.post(
        "/api/v1/estimate/fhir", params={"model": model}, content=content, headers=JSON | headers
    )


def test_a_bundle_gives_a_risk_assessment_and_the_same_report(
    running: Running, browser: httpx.Client
) -> None:
    answer = post(browser, body(resources(TODAY)))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.headers["cache-control"] == "no-store"
    assert list(find_deviations(answer.json())) == []
    risk = answer.json()["entry"][0]["resource"]
    assert risk["note"][0]["text"].startswith("DEMONSTRATION"), "nobody has signed the model"
    place = answer.headers["location"]
    view = browser.get(f"{place}.json").json()
    assert view["estimate"]["per100"] == risk["prediction"][0]["probabilityDecimal"]
    assert {one["field"]: one["date"] for one in view["inputs"]}["madrs"] is not None
    assert browser.get(f"{place}.fhir.json").json() == answer.json()
    page = browser.get(place)
    assert "Save as FHIR" in page.text
    assert "would respond" in page.text
    assert '"action": "estimate"' in running.audit().replace('"action":"', '"action": "')


def test_a_model_without_the_verdict_gives_the_groups_rate(browser: httpx.Client) -> None:
    risk = post(browser, body(resources(TODAY)), "group").json()["entry"][0]["resource"]
    assert "probabilityDecimal" not in risk["prediction"][0]
    assert "No personal estimate is given" in risk["prediction"][0]["rationale"]


def test_fhi_05_the_refusal_stands_in_the_audit_log(running: Running, browser: httpx.Client) -> None:
    foreign = observation("1988-5", {"valueQuantity": quantity(CANARY, "mg/L")}, day="2026-01-01", id_="x")
    foreign["subject"] = {"reference": "Patient/p2"}
    answer = post(browser, body([*resources(TODAY), foreign]))
    assert answer.status_code == 422
    assert list(find_deviations(answer.json())) == []
    (issue,) = answer.json()["issue"]
    assert issue["details"]["coding"][0]["code"] == "FHI-05"
    assert issue["expression"] == ["Bundle.entry[5]"]
    assert str(CANARY) not in answer.text
    log = running.audit()
    assert "FHI-05" in log
    assert str(CANARY) not in log
    assert "p2" not in log


@pytest.mark.parametrize(
    "kind",
    [
        "application/fhir+xml",
        "text/html",
        "application/fhir+json; fhirVersion=5.0",
        "application/fhir+json; fhirVersion=3.0",
    ],
)
def test_fhi_07_other_forms_and_versions_are_refused(browser: httpx.Client, kind: str) -> None:
    answer = post(browser, body(resources(TODAY)), **{"content-type": kind})
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "FHI-07"


def test_fhi_06_a_body_of_two_megabytes_is_not_read(browser: httpx.Client) -> None:
    assert post(browser, b" " * 2_000_000).status_code == 413


def test_strangers_other_pages_and_reviewers_get_nothing(running: Running) -> None:
    with running.browser(None) as stranger:
        assert post(stranger, body(resources(TODAY))).status_code == 401
        assert stranger.get("/api/v1/models/better/questionnaire").status_code == 401
        assert stranger.get(f"/r/{'0' * 32}.fhir.json").status_code == 401
    with running.browser("reviewer") as reviewer:
        assert post(reviewer, body(resources(TODAY))).status_code == 403
    with running.browser() as clinician:
        assert post(clinician, b"{}", **{"x-csrf-token": "wrong"}).status_code == 403
        assert post(clinician, b"{}", origin="https://evil.example").status_code == 403
        assert post(clinician, body(resources(TODAY)), "none").status_code == 404


def test_the_form_of_a_model_as_a_questionnaire(browser: httpx.Client) -> None:
    answer = browser.get("/api/v1/models/better/questionnaire")
    assert answer.headers["content-type"] == "application/fhir+json"
    assert list(find_deviations(answer.json())) == []


def test_a_typed_report_is_given_as_fhir_too(browser: httpx.Client) -> None:
    values: dict[str, Any] = {
        "age": 44,
        "sex": "female",
        "site": "north",
        "madrs": 31,
        "crp": 3.2,
        "arm": "ketamine",
    }
    form = {"pseudonym": "K-17", "crp__unit": "mg/L", "token": browser.headers["x-csrf-token"]}
    sent = browser.post("/estimate/better", data=form | {name: str(value) for name, value in values.items()})
    assert sent.status_code == 303, sent.text
    found = browser.get(f"{sent.headers['location']}.fhir.json")
    assert list(find_deviations(found.json())) == []
    subject = found.json()["entry"][0]["resource"]["subject"]
    assert subject["identifier"]["value"] == "K-17"
    assert json.loads(found.text)["entry"][0]["resource"]["prediction"][0]["probabilityDecimal"] > 0
