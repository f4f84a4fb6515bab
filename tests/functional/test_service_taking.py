"""Taking a report into the record: who may, of which reports, what is written down, and what becomes final."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from predictor.errors import Problem, ResourceError
from predictor.interoperability.conformance import find_deviations
from predictor.prediction_model import load_prediction_model
from predictor.service.accounts import Limiter
from running_service import Running, running_service, send
from trained_clinics import trained, typed

TAKE = "I have read it and take it into the record"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A signed model, the same unsigned, and one of simulated data."""
    model = load_prediction_model(trained("better").folder / "model")
    simulated = replace(model, card={**model.card, "simulated": True})
    models = {"signed": model, "unsigned": model, "simulated": simulated}
    with running_service(models, tmp_path_factory.mktemp("service")) as found:
        found.service.estimates = Limiter(1000, 60)
        found.service.shelf = tuple(replace(one, signed=one.id != "unsigned") for one in found.service.shelf)
        yield found


@pytest.fixture
def browser(running: Running) -> Iterator[httpx.Client]:
    with running.browser() as client:
        yield client


def reported(browser: httpx.Client, model: str = "signed", **changes: str) -> str:
    sent = send(browser, f"/estimate/{model}", typed(**changes))
    assert sent.status_code == 303, sent.text
    return str(sent.headers["location"])


def resources(browser: httpx.Client, address: str) -> dict[str, dict[str, Any]]:
    found = browser.get(f"{address}.fhir.json").json()
    assert list(find_deviations(found)) == []
    return {one["resource"]["resourceType"]: one["resource"] for one in found["entry"]}


def taken(running: Running) -> list[dict[str, Any]]:
    return [one for line in running.audit().splitlines() if (one := json.loads(line))["action"] == "taken"]


def test_a_report_is_final_once_a_clinician_has_taken_it(running: Running, browser: httpx.Client) -> None:
    address, before = reported(browser), len(taken(running))
    first = resources(browser, address)
    assert first["RiskAssessment"]["status"] == "preliminary"
    assert [one["type"] for one in first["Provenance"]["agent"]] == [
        {"text": "Made by"},
        {"text": "Asked by"},
    ]
    page = browser.get(address).text
    assert f'href="{address}/take"' in page
    assert "taken into the record by" not in page
    asked = browser.get(f"{address}/take")
    assert TAKE in asked.text
    assert len(taken(running)) == before, "looking at it takes nothing"
    assert send(browser, f"{address}/take").headers["location"] == address
    second = resources(browser, address)
    assert second["RiskAssessment"]["status"] == "final"
    assert second["RiskAssessment"] | {"status": "preliminary"} == first["RiskAssessment"]
    verifier = second["Provenance"]["agent"][-1]
    assert verifier["type"]["coding"][0]["code"] == "verifier"
    assert verifier["who"]["identifier"]["value"] == "a-clinician"
    assert second["Provenance"]["recorded"] >= first["Provenance"]["recorded"]
    page = browser.get(address).text
    assert "Read and taken into the record by a-clinician" in page
    assert re.search(r"Reviewed by: <b>a-clinician</b></span> <span>Date: <b>\d+ \w+ \d{4}", page)
    assert f"{address}/take" not in page
    (record,) = taken(running)[before:]
    assert (record["user"], record["model"]) == ("a-clinician", "signed")
    assert record["report"] == first["RiskAssessment"]["identifier"][0]["value"]


def test_it_is_taken_once(running: Running, browser: httpx.Client) -> None:
    address, before = reported(browser), len(taken(running))
    for _ in range(3):
        assert send(browser, f"{address}/take").status_code == 303
    assert browser.get(f"{address}/take").headers["location"] == address
    assert len(taken(running)) == before + 1


def test_a_refusal_can_be_taken_too(browser: httpx.Client) -> None:
    address = reported(browser, age="79", confirmed="yes")
    send(browser, f"{address}/take")
    found = resources(browser, address)
    assert found["RiskAssessment"]["status"] == "final"
    assert found["RiskAssessment"]["prediction"][0]["outcome"]["text"] == "No estimate"


def test_a_corrected_report_is_not_taken_with_the_old_one(browser: httpx.Client) -> None:
    address = reported(browser)
    send(browser, f"{address}/take")
    corrected = (
        send(browser, f"{address}/check", typed(crp="2.5")).headers["location"].partition("/corrected")[0]
    )
    assert resources(browser, corrected)["RiskAssessment"]["status"] == "preliminary"
    assert resources(browser, address)["RiskAssessment"]["status"] == "final"


@pytest.mark.parametrize("model", ["unsigned", "simulated"])
def test_what_is_for_no_patient_is_for_no_record(running: Running, browser: httpx.Client, model: str) -> None:
    address, before = reported(browser, model), len(taken(running))
    assert "/take" not in browser.get(address).text
    for answer in (browser.get(f"{address}/take"), send(browser, f"{address}/take")):
        assert answer.status_code == 409
        assert "for no patient" in answer.text
    assert resources(browser, address)["RiskAssessment"]["status"] == "preliminary"
    assert len(taken(running)) == before


def test_only_a_clinician_takes_only_what_is_theirs(running: Running, browser: httpx.Client) -> None:
    address = reported(browser)
    with running.browser("admin") as admin:
        own = reported(admin)
        assert "/take" not in admin.get(own).text
        assert admin.get(f"{own}/take").status_code == 403
        assert send(admin, f"{own}/take").status_code == 403
    with running.browser("reviewer") as reviewer:
        assert send(reviewer, f"{address}/take").status_code == 403
    with running.browser() as other:
        assert send(other, f"{address}/take").status_code == 404, "another session's"
    with running.browser(None) as stranger:
        assert stranger.get(f"{address}/take").status_code == 401
    assert browser.post(f"{address}/take").status_code == 403, "without the token"
    assert browser.post(f"{address}/take", data={"token": "x"}).status_code == 403
    assert resources(browser, address)["RiskAssessment"]["status"] == "preliminary"


def test_what_cannot_be_recorded_is_not_taken(
    running: Running, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = reported(browser)
    record = running.service.audit.record

    def full(action: str, **more: Any) -> None:
        if action == "taken":
            raise ResourceError(Problem("AUD-01", "the audit log cannot be written", "Free space"))
        record(action, **more)

    monkeypatch.setattr(running.service.audit, "record", full)
    assert send(browser, f"{address}/take").status_code == 503
    assert resources(browser, address)["RiskAssessment"]["status"] == "preliminary"
