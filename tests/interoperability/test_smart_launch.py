"""SMART App Launch against an EHR of its own on loopback: from the launch to the form, and what is refused."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from fhir_examples import CRP, coded_model, observation, quantity, resources
from predictor.interoperability.candidates import Candidate
from predictor.interoperability.conformance import find_deviations
from predictor.interoperability.intake import PatientInputs
from predictor.interoperability.moments import Moment
from predictor.interoperability.partners import Partners, SmartServer
from predictor.interoperability.smart_launch import Launches, has_scopes, scopes_for
from predictor.service.launched import Launched
from predictor.service.others import Others
from running_service import PASSWORD, Running, running_service
from smart_ehr import Ehr, running_ehr

TODAY = datetime.now().astimezone().date()
BASE = "https://predictor.clinic.example"


@pytest.fixture
def ehr() -> Iterator[Ehr]:
    with running_ehr() as found:
        found.redirect = f"{BASE}/callback"
        found.resources = resources(TODAY)
        yield found


def served(ehr: Ehr, *, sign_in: bool) -> Others:
    server = {"issuer": ehr.issuer, "client_id": ehr.client_id, "sign_in": sign_in}
    return Others(
        Partners.model_validate({"base_url": BASE, "smart": {"model": "better", "servers": [server]}})
    )


@pytest.fixture
def running(ehr: Ehr, tmp_path: Path) -> Iterator[Running]:
    models = {"better": coded_model()}
    with running_service(models, tmp_path, clinic=served(ehr, sign_in=True)) as found:
        yield found


@pytest.fixture
def browser(running: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.address, timeout=30) as found:
        yield found


def begin(browser: httpx.Client, ehr: Ehr, **more: str) -> httpx.Response:
    return browser.get("/launch", params={"iss": ehr.issuer, "launch": "L1"} | more)


def authorized(answer: httpx.Response) -> str:
    """Go to the EHR as a browser does, and return the address that it sends back to, as our server sees it."""
    assert answer.status_code == 303, answer.text
    back = httpx.get(answer.headers["location"])
    assert back.status_code == 302, back.text
    place = str(back.headers["location"])
    assert place.startswith(f"{BASE}/callback?")
    return place.removeprefix(BASE)


def launched(browser: httpx.Client, ehr: Ehr, **more: str) -> httpx.Response:
    return browser.get(authorized(begin(browser, ehr, **more)))


def typed_in(page: str) -> dict[str, str]:
    """What stands in the form."""
    found = dict(re.findall(r'<input id="(\w+)" name="\w+" type="text"[^>]* value="([^"]*)"', page))
    found |= dict(re.findall(r'type="radio" id="[^"]+" name="(\w+)" value="([^"]*)" checked', page))
    for name, options in re.findall(r'<select id="[^"]+" name="(\w+)"[^>]*>(.*?)</select>', page):
        found |= dict.fromkeys([name], *re.findall(r'<option value="([^"]*)" selected', options))
    return {name: value for name, value in found.items() if value}


def sent(page: str) -> dict[str, str]:
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token
    hidden = dict(re.findall(r'type="hidden" name="(__launch)" value="([^"]+)"', page))
    return typed_in(page) | hidden | {"token": token[1], "pseudonym": "K-1"}


def test_an_ehr_launch_opens_the_form_with_what_is_recorded(
    browser: httpx.Client, ehr: Ehr, running: Running
) -> None:
    answer = launched(browser, ehr)
    assert answer.status_code == 200, answer.text
    assert typed_in(answer.text) == {
        "age": "44",
        "sex": "female",
        "site": "north",
        "madrs": "31",
        "crp": "3.2",
        "crp__unit": "mg/L",
        "arm": "ketamine",
    }
    assert "From the EHR" in answer.text
    assert "Show the report" in answer.text, "nothing is estimated before a clinician has looked at it"
    report = browser.post("/estimate/better", data=sent(answer.text))
    assert report.status_code == 303
    assert (
        browser.get(report.headers["location"] + ".json").json()["report"]["user_ref"] == "Practitioner/dr7"
    )
    log = running.audit()
    assert '"launch"' in log
    assert "p1" not in log


BASIS = ["Patient/p1", "Observation/site", "Observation/madrs", "Observation/crp", "MedicationRequest/order"]


def risk_at(browser: httpx.Client, place: str) -> dict[str, Any]:
    bundle = browser.get(f"{place}.fhir.json").json()
    assert list(find_deviations(bundle)) == []
    return dict(bundle["entry"][0]["resource"])


def based_on(risk: dict[str, Any]) -> set[str]:
    return {one["reference"] for one in risk.get("basis", [])}


def test_a_report_of_a_launch_rests_on_the_patients_resources(browser: httpx.Client, ehr: Ehr) -> None:
    page = launched(browser, ehr).text
    place = browser.post("/estimate/better", data=sent(page)).headers["location"]
    risk = risk_at(browser, place)
    assert risk["subject"] == {"reference": "Patient/p1"}
    assert based_on(risk) == set(BASIS)
    whole = browser.get(f"{place}.fhir.json").json()
    used = [
        one["entity"]
        for one in (e["resource"] for e in whole["entry"])
        if one["resourceType"] == "Provenance"
    ]
    assert "Observation/crp" in str(used)


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({"crp": "3.3"}, {"Observation/crp"}),
        ({"crp": "0.32", "crp__unit": "mg/dL"}, {"Observation/crp"}),
        ({"crp": "", "crp__missing": "1"}, {"Observation/crp"}),
        ({"site": "south", "madrs": "30"}, {"Observation/site", "Observation/madrs"}),
        ({"age": "45"}, set()),  # the sex still comes from the Patient
        ({"age": "45", "sex": "male"}, {"Patient/p1"}),
    ],
)
def test_a_value_that_was_changed_by_hand_rests_on_no_resource(
    browser: httpx.Client, ehr: Ehr, change: dict[str, str], gone: set[str]
) -> None:
    page = launched(browser, ehr).text
    # Back once for what has to be mended: the form still knows where its values came from.
    again = browser.post("/estimate/better", data=sent(page) | change | {"arm": ""})
    assert again.status_code == 422
    answer = browser.post("/estimate/better", data=sent(page) | change)
    assert answer.status_code == 303, answer.text
    risk = risk_at(browser, answer.headers["location"])
    assert based_on(risk) == set(BASIS) - gone
    assert risk["subject"] == {"reference": "Patient/p1"}


def test_a_correction_keeps_what_was_not_corrected(browser: httpx.Client, ehr: Ehr) -> None:
    form = sent(launched(browser, ehr).text)
    place = browser.post("/estimate/better", data=form).headers["location"]
    asked = browser.get(f"{place}/check").text
    answer = browser.post(f"{place}/check", data=sent(asked) | {"madrs": "30"})
    risk = risk_at(browser, answer.headers["location"].partition("/corrected")[0])
    assert based_on(risk) == set(BASIS) - {"Observation/madrs"}
    back = browser.post(f"{answer.headers['location'].partition('/corrected')[0]}/check", data=form)
    assert based_on(risk_at(browser, back.headers["location"].partition("/corrected")[0])) == set(BASIS)


def test_a_form_that_is_shown_again_says_what_still_comes_from_the_ehr(
    browser: httpx.Client, ehr: Ehr
) -> None:
    def told(page: str) -> int:
        return page.count("From the EHR")

    page = launched(browser, ehr).text
    assert told(page) == 6
    again = browser.post("/estimate/better", data=sent(page) | {"madrs": "30", "arm": ""})
    assert (again.status_code, told(again.text)) == (422, 4)
    place = browser.post("/estimate/better", data=sent(page)).headers["location"]
    asked = browser.get(f"{place}/check").text
    assert told(asked) == 6
    wrong = browser.post(f"{place}/check", data=sent(asked) | {"crp": "much"})
    assert (wrong.status_code, told(wrong.text)) == (422, 5)


def test_a_form_that_was_typed_over_names_no_patient_of_the_launch(browser: httpx.Client, ehr: Ehr) -> None:
    other = {"age": "50", "sex": "male", "site": "south", "madrs": "28", "crp": "2", "arm": "midazolam"}
    page = launched(browser, ehr).text
    assert "For another patient launch again" in page
    place = browser.post("/estimate/better", data=sent(page) | other).headers["location"]
    risk = risk_at(browser, place)
    assert based_on(risk) == set()
    assert "p1" not in str(browser.get(f"{place}.fhir.json").json())
    empty = browser.get("/estimate/better").text
    assert "__launch" not in empty
    place = browser.post("/estimate/better", data=sent(page) | {"__launch": "0" * 32}).headers["location"]
    assert based_on(risk_at(browser, place)) == set(), "of no launch of this session"


def test_the_condition_that_lets_the_patient_in_is_that_of_the_form() -> None:
    """A launch of a model that asks for a diagnosis: it stands as long as the form says yes."""
    when = Moment(datetime(2026, 5, 4), datetime(2026, 5, 4))
    chosen = {
        "depression": Candidate("yes", None, "Condition[0]", "Condition/c1"),
        "crp": Candidate(3.2, when, "Observation[1]", "Observation/crp"),
    }
    inputs = PatientInputs(chosen, "Patient/p1", ("depression", "crp"), frozenset({"depression"}))
    at_launch = {"depression": "yes", "crp": "3.2", "crp_unit": "mg/L"}
    source = Launched("better", inputs, at_launch, {}).source
    assert source(at_launch) == {
        "subject": "Patient/p1",
        "basis": ("Condition/c1", "Observation/crp"),
        "condition": "Condition/c1",
    }
    assert source(at_launch | {"depression": "no"})["condition"] == ""
    assert source(at_launch | {"depression": "no"})["basis"] == ("Observation/crp",)
    assert source(at_launch | {"depression": "", "crp": "4"}) == {}


def test_the_request_is_minimal_and_proves_the_browser(browser: httpx.Client, ehr: Ehr) -> None:
    answer = begin(browser, ehr)
    query = {name: one[0] for name, one in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == 43
    assert query["aud"] == ehr.issuer
    assert query["launch"] == "L1"
    # Of the kinds of resources, those that the model's codes need, and no right to write.
    assert query["scope"].split() == [
        "launch",
        "openid",
        "fhirUser",
        "patient/Patient.rs",
        "patient/Observation.rs",
        "patient/MedicationRequest.rs",
    ]
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


def test_no_token_is_kept_or_shown(browser: httpx.Client, ehr: Ehr, running: Running) -> None:
    answer = launched(browser, ehr)
    (token,) = ehr.tokens
    assert token not in answer.text + str(answer.headers) + running.audit()
    kept = repr(vars(running.service.others)) + repr(vars(running.service.sessions))
    assert token not in kept


def test_a_standalone_launch_keeps_the_session_of_an_account(ehr: Ehr, tmp_path: Path) -> None:
    others = served(ehr, sign_in=False)
    with running_service({"better": coded_model()}, tmp_path, clinic=others) as running:
        with httpx.Client(base_url=running.address, timeout=30) as stranger:
            page = begin(stranger, ehr)
            assert page.status_code == 200
            assert "Go on with the patient" in page.text
            assert ehr.asked == [], "without a session nobody is asked"
        with running.browser() as browser:
            first = browser.get("/launch", params={"iss": ehr.issuer})
            query = parse_qs(urlsplit(first.headers["location"]).query)
            assert "launch/patient" in query["scope"][0].split()
            assert "openid" not in query["scope"][0].split()
            # The session's cookie does not come along from another site: only that of the launch does.
            with httpx.Client(base_url=running.address, timeout=30) as back:
                back.cookies.set("launch", browser.cookies["launch"])
                answer = back.get(authorized(first))
            assert answer.status_code == 200
            assert browser.post("/estimate/better", data=sent(answer.text)).status_code == 303
            assert '"user":"a-clinician"' in running.audit().replace(" ", "")


def test_pages_of_a_search_are_followed_on_the_same_host(browser: httpx.Client, ehr: Ehr) -> None:
    ehr.page = 2
    assert typed_in(launched(browser, ehr).text)["site"] == "north"
    old = (TODAY - timedelta(days=20)).isoformat()
    more = [
        observation(CRP, {"valueQuantity": quantity(1.0, "mg/L")}, day=old, id_=f"c{i}") for i in range(20)
    ]
    ehr.resources = [*ehr.resources, *more]
    answer = launched(browser, ehr)
    assert answer.status_code == 502
    assert "more of these values than are read" in answer.text


def test_what_the_ehr_does_not_know_stays_blank(browser: httpx.Client, ehr: Ehr) -> None:
    ehr.resources = [one for one in ehr.resources if one["id"] != "crp"]
    answer = launched(browser, ehr)
    assert "crp" not in typed_in(answer.text)
    again = browser.post("/estimate/better", data=sent(answer.text))
    assert again.status_code == 422
    assert "or choose Not measured" in again.text


def test_sma_01_an_unknown_issuer_is_refused_and_not_asked(
    browser: httpx.Client, ehr: Ehr, network_attempts: list[str]
) -> None:
    for issuer in (
        "https://evil.example/fhir",
        f"{ehr.issuer}/x",
        f"{ehr.issuer}@evil.example",
        "",
        "file:///etc",
    ):
        answer = browser.get("/launch", params={"iss": issuer, "launch": "L1"})
        assert answer.status_code == 403
        assert "evil" not in answer.text
    assert ehr.asked == []
    assert network_attempts == []


def test_sma_01_an_ehr_without_proof_of_the_browser_is_refused(browser: httpx.Client, ehr: Ehr) -> None:
    ehr.pkce = ("plain",)
    assert begin(browser, ehr).status_code == 502


def test_sma_01_state_is_needed_belongs_to_the_browser_and_is_used_once(
    browser: httpx.Client, ehr: Ehr, running: Running
) -> None:
    assert browser.get("/callback", params={"code": "x"}).status_code == 403
    assert browser.get("/callback", params={"code": "x", "state": "y"}).status_code == 403
    place = authorized(begin(browser, ehr))
    assert browser.get(place).status_code == 200
    assert browser.get(place).status_code == 403, "used before"
    stolen = authorized(begin(browser, ehr))
    with httpx.Client(base_url=running.address, timeout=30) as other:
        assert other.get(stolen).status_code == 403, "of another browser"
    assert browser.get(stolen).status_code == 403, "and it is gone now"
    assert "SMART state" in running.audit()


def test_sma_01_a_wrong_verifier_is_refused_by_the_other_side(browser: httpx.Client, ehr: Ehr) -> None:
    place = authorized(begin(browser, ehr))
    (code,) = ehr.codes
    ehr.codes[code]["code_challenge"] = "A" * 43
    answer = browser.get(place)
    assert answer.status_code == 502
    assert "error (400)" in answer.text
    assert ehr.tokens == {}


def test_sma_01_denied_scopes_and_a_denied_launch_are_refused(browser: httpx.Client, ehr: Ehr) -> None:
    for grant in (
        "launch openid fhirUser patient/Patient.rs",
        "",
        "patient/Patient.rs patient/Observation.rs",
    ):
        ehr.grant = grant
        answer = launched(browser, ehr)
        assert answer.status_code == 502
        assert "did not grant" in answer.text
    ehr.grant, ehr.deny = None, True
    answer = launched(browser, ehr)
    assert answer.status_code == 403
    assert "did not allow it" in answer.text
    assert not [path for path in ehr.asked if path.startswith("/fhir/Patient")]


def test_sma_01_another_patients_value_stops_the_launch(
    browser: httpx.Client, ehr: Ehr, running: Running
) -> None:
    ehr.resources[1]["subject"] = {"reference": "Patient/p2"}
    answer = launched(browser, ehr)
    assert answer.status_code == 422
    assert "Fill in the form by hand" in answer.text
    assert "FHI-05" in running.audit()


def test_sma_02_the_form_outlives_the_token(browser: httpx.Client, ehr: Ehr) -> None:
    ehr.lasts = 3.0
    page = launched(browser, ehr).text
    time.sleep(3.2)
    (until, _), *_ = ehr.tokens.values()
    assert until < time.time()
    report = browser.post("/estimate/better", data=sent(page))
    assert report.status_code == 303
    assert browser.get(report.headers["location"]).status_code == 200


def test_sma_02_what_was_typed_is_kept_over_a_new_sign_in(
    running: Running, browser: httpx.Client, ehr: Ehr
) -> None:
    form = sent(launched(browser, ehr).text) | {"crp": "0.425", "crp__unit": "mg/dL", "site": "south"}
    for session in list(running.service.sessions._sessions.values()):
        running.service.sessions.end(session)
    asked = browser.post("/estimate/better", data=form)
    assert asked.status_code == 401
    assert "what you typed is there again" in asked.text
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', asked.text))
    wrong = browser.post("/login", data=hidden | {"name": "a-clinician", "password": "not this one"})
    assert wrong.status_code == 401
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', wrong.text))
    again = browser.post("/login", data=hidden | {"name": "a-clinician", "password": PASSWORD})
    assert again.status_code == 200
    kept = typed_in(again.text)
    names = ("crp", "crp__unit", "site", "pseudonym")
    assert [kept[name] for name in names] == ["0.425", "mg/dL", "south", "K-1"]
    assert browser.post("/estimate/better", data=sent(again.text)).status_code == 303


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("slow", "did not answer in time"),
        ("500", "error (500)"),
        ("malformed", "did not answer as FHIR R4 asks"),
        ("html", "did not answer as FHIR R4 asks"),
        ("redirect", "is not followed"),
        ("large", "too large"),
    ],
)
def test_sma_03_an_ehr_that_does_not_answer_as_it_should(
    browser: httpx.Client, ehr: Ehr, network_attempts: list[str], fault: str, told: str
) -> None:
    place = authorized(begin(browser, ehr))
    ehr.fault = fault
    begun = time.monotonic()
    answer = browser.get(place)
    assert time.monotonic() - begun < 12
    assert answer.status_code == 502
    assert told in answer.text
    assert network_attempts == []


def test_sma_03_a_search_that_leads_to_another_host_is_not_followed(
    browser: httpx.Client, ehr: Ehr, network_attempts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(path: str, query: dict[str, str], _: str) -> tuple[int, Any]:
        if path.startswith("Patient/"):
            return 200, ehr.resources[0]
        links = [{"relation": "next", "url": "http://169.254.169.254/latest"}]
        return 200, {"resourceType": "Bundle", "type": "searchset", "link": links}

    monkeypatch.setattr(ehr, "fhir", elsewhere)
    answer = launched(browser, ehr)
    assert answer.status_code == 502
    assert "another host" in answer.text
    assert network_attempts == []


def test_a_launch_is_forgotten_after_ten_minutes() -> None:
    now = [0.0]
    launches = Launches(lambda: now[0])
    server = SmartServer(issuer="https://ehr.example", client_id="x")
    first = launches.begin(server, "https://ehr.example/token", browser="b", session="")
    now[0] = 599.0
    second = launches.begin(server, "https://ehr.example/token", browser="b", session="")
    assert launches.finish(first.state, browser="b") is first
    now[0] = 1300.0
    assert launches.finish(second.state, browser="b") is None
    assert launches.finish("", browser="") is None


@pytest.mark.parametrize(
    ("granted", "enough"),
    [
        ("patient/Patient.rs patient/Observation.rs", True),
        ("patient/Patient.read patient/Observation.read", True),
        ("patient/*.rs", True),
        ("patient/*.read openid", True),
        ("patient/Patient.rs", False),
        ("user/Patient.rs user/Observation.rs", False),
        ("patient/Patient.rs patient/Observation.c", False),
    ],
)
def test_scopes_of_either_version(granted: str, enough: bool) -> None:
    assert has_scopes(granted, scopes_for(["Observation"], launched=True, sign_in=False)) == enough
