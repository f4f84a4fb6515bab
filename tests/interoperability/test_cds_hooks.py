"""CDS Hooks 2.0 as a client meets it: a real server, real keys, and the invariants of HL7's logical models."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fhir_examples import KETAMINE, MIDAZOLAM, RXNORM, coded_model, order, resources
from predictor.errors import ConfigError
from predictor.interoperability.cards import LONGEST_SUMMARY, card_of
from predictor.interoperability.partners import Partners, read_partners
from predictor.reports.patient import patient_views
from predictor.service.accounts import Limiter
from predictor.service.others import Others, open_others
from predictor.service.shelf import Offered
from running_service import Running, running_service
from trained_clinics import new_patients

TODAY = datetime.now().astimezone().date()
ISSUER = "https://ehr.example"
BASE = "https://predictor.clinic.example"
ORIGIN = "https://screens.ehr.example"
VIEW, ORDER = "ketamine-response-view", "ketamine-response-order"
CANARY = 77.31


@dataclass
class Client:
    """A CDS client with its keys, which it publishes on loopback."""

    key: ec.EllipticCurvePrivateKey
    jku: str
    asked: list[str]

    def token(self, service: str, *, key: Any = None, algorithm: str = "ES384", **changes: Any) -> str:
        now = time.time()
        claims = {
            "iss": ISSUER,
            "aud": f"{BASE}/cds-services/{service}",
            "exp": now + 120,
            "iat": now,
            "jti": str(uuid.uuid4()),
        }
        header = {"kid": "k1", "jku": self.jku} | changes.pop("header", {})
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(claims, key or self.key, algorithm=algorithm, headers=header)

    def headers(self, service: str, **changes: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(service, **changes)}"}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    key = ec.generate_private_key(ec.SECP384R1())
    published = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {
        "kid": "k1",
        "alg": "ES384",
    }
    asked: list[str] = []

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = json.dumps({"keys": [published]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Client(key, f"http://127.0.0.1:{server.server_address[1]}/keys", asked)
    server.shutdown()
    thread.join(10)
    server.server_close()


def partners(client: Client, model: str = "better") -> Partners:
    return Partners.model_validate(
        {
            "base_url": BASE,
            "cds": {
                "model": model,
                "clients": [{"issuer": ISSUER, "jku": client.jku}],
                "origins": [ORIGIN],
                "medications": [f"{RXNORM}|{KETAMINE}"],
            },
        }
    )


@pytest.fixture(scope="module")
def running(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("service")
    with running_service({"better": coded_model()}, folder, clinic=Others(partners(client))) as found:
        found.service.estimates = Limiter(10**6, 60)  # a test asks more often than a clinic
        yield found


@pytest.fixture(scope="module")
def http(running: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.address, timeout=60) as found:
        yield found


def search(*found: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in found]}


def prefetch(today: date = TODAY, **changes: Any) -> dict[str, Any]:
    patient, crp, madrs, site, request = resources(today, **changes)
    return {
        "age": patient,
        "sex": patient,
        "crp": search(crp),
        "madrs": search(madrs),
        "site": search(site),
        "arm": search(request),
    }


def request(hook: str = "patient-view", **changes: Any) -> dict[str, Any]:
    context: dict[str, Any] = {"userId": "Practitioner/dr1", "patientId": "p1"}
    if hook == "order-select":
        context |= {"selections": ["MedicationRequest/order"], "draftOrders": search(order())}
    return {
        "hook": hook,
        "hookInstance": str(uuid.uuid4()),
        "context": context,
        "prefetch": prefetch(),
    } | changes


def call(http: httpx.Client, client: Client, asked: Any, service: str = VIEW, **token: Any) -> httpx.Response:
    return http.post(f"/cds-services/{service}", json=asked, headers=client.headers(service, **token))


# The invariants


def broken_in_response(answer: dict[str, Any]) -> list[str]:
    """Our own reading of HL7's logical model CDSHooksResponse: required elements, forms, cds-resp-1 to cds-resp-7."""
    found = list(_empty(answer, "answer"))
    if not isinstance(answer.get("cards"), list):
        return [*found, "cards: required, also where empty"]
    for card in answer["cards"]:
        found += [f"card.{key}: required" for key in ("summary", "indicator", "source") if not card.get(key)]
        found += [] if len(card["summary"]) < 140 else ["card.summary: 140 characters or more"]
        found += [] if card["indicator"] in ("info", "warning", "critical") else ["card.indicator"]
        found += [] if card["source"].get("label") else ["card.source.label: required"]
        found += [] if _is_uuid(card.get("uuid")) else ["card.uuid"]
        found += _suggestions(card)
        for link in card.get("links", []):
            found += [f"link.{key}: required" for key in ("label", "url", "type") if not link.get(key)]
            found += [] if link["type"] in ("absolute", "smart") else ["link.type"]
            if link["type"] != "smart" and "appContext" in link:
                found.append("cds-resp-3")
        if any(not one.get("display") for one in card.get("overrideReasons", [])):
            found.append("cds-resp-4")
    return found


def _suggestions(card: dict[str, Any]) -> list[str]:
    found = []
    suggestions = card.get("suggestions", [])
    if (
        card.get("selectionBehavior") == "at-most-one"
        and sum(bool(s.get("isRecommended")) for s in suggestions) > 1
    ):
        found.append("cds-resp-1")
    if suggestions and card.get("selectionBehavior") not in ("at-most-one", "any"):
        found.append("cds-resp-6")
    for suggestion in suggestions:
        actions = suggestion.get("actions", [])
        if any(a.get("type") == "delete" and ("resourceId" not in a or "resource" in a) for a in actions):
            found.append("cds-resp-2")
        if any(not a.get("description") for a in actions):
            found.append("cds-resp-5")
        if suggestion.get("actionSelectionBehavior") not in (None, "all", "any", "at-most-one"):
            found.append("cds-resp-7")
    return found


def _empty(value: Any, place: str) -> Iterator[str]:
    """CDS Hooks forbids null, empty strings, objects and arrays; ``cards`` alone may be empty."""
    if value is None or (value in ("", {}, []) and place != "answer.cards"):
        yield f"{place}: empty"
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from _empty(inner, f"{place}.{key}")


def _is_uuid(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value))


def broken_in_discovery(answer: dict[str, Any]) -> list[str]:
    found = list(_empty(answer, "answer"))
    for one in answer["services"]:
        found += [f"service.{key}: required" for key in ("hook", "id", "description") if not one.get(key)]
        texts = one.get("prefetch", {})
        found += [
            f"prefetch.{key}" for key, query in texts.items() if not isinstance(query, str) or not query
        ]
    return found


@pytest.mark.parametrize(
    ("card", "name"),
    [
        (
            {"selectionBehavior": "at-most-one", "suggestions": [{"label": "a", "isRecommended": True}] * 2},
            "cds-resp-1",
        ),
        (
            {"suggestions": [{"label": "a", "actions": [{"type": "delete", "description": "x"}]}]},
            "cds-resp-2",
        ),
        ({"links": [{"label": "a", "url": "u", "type": "absolute", "appContext": "x"}]}, "cds-resp-3"),
        ({"overrideReasons": [{"code": "x"}]}, "cds-resp-4"),
        ({"suggestions": [{"label": "a", "actions": [{"type": "create"}]}]}, "cds-resp-5"),
        ({"suggestions": [{"label": "a"}]}, "cds-resp-6"),
        ({"suggestions": [{"label": "a", "actionSelectionBehavior": "some"}]}, "cds-resp-7"),
        ({"summary": "x" * 140}, "card.summary: 140 characters or more"),
        ({"detail": None}, "answer.cards.0.detail: empty"),
    ],
)
def test_the_checker_finds_what_it_is_for(card: dict[str, Any], name: str) -> None:
    whole = {"uuid": str(uuid.uuid4()), "summary": "a", "indicator": "info", "source": {"label": "a"}}
    assert broken_in_response({"cards": [whole]}) == []
    assert name in broken_in_response({"cards": [whole | card]})


@pytest.mark.parametrize("n", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_cds_01_cards_of_random_patients_keep_the_invariants(n: int) -> None:
    rng = np.random.default_rng(5)
    table = new_patients(n, seed=6)
    table["age"] = rng.integers(19, 90, n).astype(float)
    table.loc[rng.random(n) < 0.2, "crp"] = np.nan
    now = datetime.now().astimezone()
    kinds = set()
    for kind in ("better", "group"):
        for view in patient_views(coded_model(kind), table, now=now, user_ref="dr1"):
            marked = view.model_copy(update={"simulated": rng.random() < 0.5})
            for ordered in (True, False):
                mark = "DEMONSTRATION: not signed for clinical use" if rng.random() < 0.5 else ""
                card = card_of(marked, ordered=ordered, launch=f"{BASE}/launch", mark=mark)
                kinds.add((view.report.kind, card is None))
                assert broken_in_response({"cards": [card] if card else []}) == []
                if card is None:
                    continue
                assert card["indicator"] == "info"
                assert card["summary"].startswith("DEMONSTRATION. ") == bool(mark)
                assert mark in card["detail"]
                assert len(card["summary"]) <= LONGEST_SUMMARY
                assert not card["summary"].endswith("…")
                assert not {"suggestions", "systemActions"} & set(card)
                assert ("SIMULATED" in card["summary"]) == marked.simulated or view.report.kind == "refusal"
                if view.report.kind == "refusal":
                    assert not re.search(r"\d", card["summary"] + card["detail"])
                if view.group is not None:
                    assert "would respond" not in card["summary"]
    assert kinds == {
        ("estimate", False),
        ("group_rate", False),
        ("refusal", True),
        ("refusal", False),
    }


def test_cds_01_discovery(http: httpx.Client) -> None:
    answer = http.get("/cds-services").json()
    assert broken_in_discovery(answer) == []
    services = {one["id"]: one for one in answer["services"]}
    assert {name: one["hook"] for name, one in services.items()} == {
        VIEW: "patient-view",
        ORDER: "order-select",
    }
    assert set(services[VIEW]["prefetch"]) == {"age", "sex", "site", "crp", "madrs", "arm"}
    assert services[VIEW]["prefetch"]["age"] == "Patient/{{context.patientId}}"


# Calls


def test_cds_01_a_card_is_the_report(http: httpx.Client, client: Client, running: Running) -> None:
    answer = call(http, client, request())
    assert answer.status_code == 200, answer.text
    assert broken_in_response(answer.json()) == []
    (card,) = answer.json()["cards"]
    by_hand = patient_views(coded_model(), _row(), now=datetime.now().astimezone(), user_ref="x")[0]
    assert by_hand.estimate is not None
    # Nobody has signed the model of the tests.
    assert card["summary"].startswith(f"DEMONSTRATION. About {by_hand.estimate.per100} of 100 ")
    assert f"({by_hand.estimate.lo} to {by_hand.estimate.hi})" in card["summary"]
    assert "Not a recommendation" in card["detail"]
    assert "Practitioner/dr1" in running.audit()


def _row() -> Any:
    table = new_patients(1)
    values = {"age": 44.0, "sex": "female", "site": "north", "madrs": 31.0, "crp": 3.2, "arm": "ketamine"}
    for name, value in values.items():
        table[name] = [value]
    day = TODAY - timedelta(days=3)
    return table.assign(madrs_date=day)


def test_an_order_of_the_treatment_gives_a_card_and_another_none(http: httpx.Client, client: Client) -> None:
    asked = request("order-select")
    del asked["prefetch"]["arm"]  # the order says it
    assert len(call(http, client, asked, ORDER).json()["cards"]) == 1
    other = request("order-select")
    other["context"]["draftOrders"] = search(order(MIDAZOLAM))
    assert call(http, client, other, ORDER).json() == {"cards": []}
    unselected = request("order-select")
    unselected["context"]["selections"] = []
    assert call(http, client, unselected, ORDER).json() == {"cards": []}


def test_a_refusal_is_a_card_for_who_orders_alone(http: httpx.Client, client: Client) -> None:
    extreme = prefetch(crp=290.0)
    assert call(http, client, request(prefetch=extreme)).json() == {"cards": []}
    (card,) = call(http, client, request("order-select", prefetch=extreme), ORDER).json()["cards"]
    assert card["summary"] == "DEMONSTRATION. No estimate can be given for this patient"
    assert "C-reactive protein" in card["detail"]
    assert not re.search(r"\d", card["summary"] + card["detail"])


def test_cds_02_prefetch_that_is_omitted_null_or_failed(http: httpx.Client, client: Client) -> None:
    without = request()
    del without["prefetch"]["crp"]
    assert call(http, client, without).status_code == 412
    assert call(http, client, {k: v for k, v in request().items() if k != "prefetch"}).status_code == 412
    (card,) = call(http, client, request(prefetch=prefetch() | {"site": None})).json()["cards"]
    assert "Missing: Site" in card["detail"]
    failed = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
    optional = call(http, client, request(prefetch=prefetch() | {"site": failed}))
    assert "Missing: Site" in optional.json()["cards"][0]["detail"]
    # Without its strongest input the model says nothing.
    assert call(http, client, request(prefetch=prefetch() | {"crp": None})).json() == {"cards": []}
    # The plan is required: without it there is nothing to say.
    assert call(http, client, request(prefetch=prefetch() | {"arm": failed})).status_code == 412
    assert call(http, client, request(prefetch=prefetch() | {"arm": search(failed)})).status_code == 412


def test_cds_02_what_cannot_be_used_is_no_card(http: httpx.Client, client: Client, running: Running) -> None:
    wordy = prefetch()
    wordy["crp"]["entry"][0]["resource"]["valueQuantity"] = {"value": CANARY, "unit": "mg/L"}
    answer = call(http, client, request(prefetch=wordy))
    assert answer.status_code == 412
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "FHI-02"
    foreign = prefetch()
    foreign["crp"]["entry"][0]["resource"]["subject"] = {"reference": "Patient/p2"}
    assert call(http, client, request(prefetch=foreign)).status_code == 400
    other = request()
    other["context"]["patientId"] = "p2"
    assert call(http, client, other).status_code == 400
    assert str(CANARY) not in answer.text + running.audit()


def test_cds_03_tokens_that_cannot_be_trusted(
    http: httpx.Client, client: Client, running: Running, network_attempts: list[str]
) -> None:
    assert call(http, client, request()).status_code == 200
    before = len(client.asked)
    public = json.dumps({"k": "v"})
    stranger = ec.generate_private_key(ec.SECP384R1())
    now = time.time()
    bad: dict[str, dict[str, Any]] = {
        "another key": {"key": stranger},
        "HS256": {"key": "s" * 64, "algorithm": "HS256"},
        "HS384 with what is public": {"key": public * 8, "algorithm": "HS384"},
        "another curve": {"key": ec.generate_private_key(ec.SECP256R1()), "algorithm": "ES256"},
        "RS256": {"key": rsa.generate_private_key(65537, 2048), "algorithm": "RS256"},
        "expired": {"exp": now - 60, "iat": now - 120},
        "of the future": {"iat": now + 120, "exp": now + 240},
        "valid too long": {"exp": now + 86_400},
        "another audience": {"aud": "https://other.example/cds-services/x"},
        "no audience": {"aud": None},
        "no expiry": {"exp": None},
        "no time": {"iat": None},
        "no jti": {"jti": None},
        "unknown issuer": {"iss": "https://evil.example"},
        "no issuer": {"iss": None},
        "jku of the cloud": {"header": {"jku": "http://169.254.169.254/latest/meta-data"}},
        "jku beside ours": {"header": {"jku": f"{client.jku}/x"}},
        "unknown kid": {"header": {"kid": "k2"}},
    }
    answers = {name: call(http, client, request(), **token).status_code for name, token in bad.items()}
    assert {name: status for name, status in answers.items() if status != 401} == {}
    assert len(client.asked) == before, "an unknown key is not looked for at every request"
    assert network_attempts == [], "nothing else is asked either"
    nothing = [
        {},
        {"authorization": "Basic YTpi"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer x.y.z"},
    ]
    none = jwt.encode({"iss": ISSUER}, None, algorithm="none")
    for headers in [*nothing, {"authorization": f"Bearer {none}"}, {"authorization": f"Bearer {'x' * 9000}"}]:
        assert http.post(f"/cds-services/{VIEW}", json=request(), headers=headers).status_code == 401
    log = running.audit()
    assert all(f"CDS token: {why}" in log for why in ("issuer", "algorithm", "jku", "expired"))


def test_cds_03_a_token_is_used_once(http: httpx.Client, client: Client) -> None:
    headers = client.headers(VIEW)
    assert http.post(f"/cds-services/{VIEW}", json=request(), headers=headers).status_code == 200
    assert http.post(f"/cds-services/{VIEW}", json=request(), headers=headers).status_code == 401


def test_cds_04_unknown_hooks_services_and_sizes(http: httpx.Client, client: Client) -> None:
    assert call(http, client, request("order-sign")).status_code == 400
    assert call(http, client, request("order-select"), VIEW).status_code == 400
    assert call(http, client, request(), "unknown").status_code == 404
    large = request(prefetch={"crp": "x" * 2_000_000})
    assert call(http, client, large).status_code == 413
    for broken in (
        [],
        {},
        request(hookInstance="1"),
        request(context={}),
        request(context={"userId": "x", "patientId": "p1"}),
        request(context={"userId": "Practitioner/1", "patientId": "p1/../p2"}),
        request(fhirAuthorization={"access_token": "x"}),
        request(prefetch=[]),
        request(prefetch=prefetch() | {"crp": "x"}),
        request(prefetch=prefetch() | {"crp": {"resourceType": "Bundle", "entry": [1]}}),
        request(unknown=1),
    ):
        assert call(http, client, broken).status_code == 400, broken
    headers = client.headers(VIEW) | {"content-type": "text/plain"}
    assert http.post(f"/cds-services/{VIEW}", content=b"{}", headers=headers).status_code == 415


def test_cds_06_feedback_is_recorded_once_and_without_free_text(
    http: httpx.Client, client: Client, running: Running
) -> None:
    (card,) = call(http, client, request()).json()["cards"]
    coding = {"system": "urn:response-predictor:override", "code": "wrong-data"}
    item = {
        "card": card["uuid"],
        "outcome": "overridden",
        "overrideReason": {"reason": coding, "userComment": "CANARY Mrs Smith"},
        "outcomeTimestamp": "2026-03-02T10:00:00Z",
    }

    def send(content: Any, service: str = VIEW) -> int:
        headers = client.headers(f"{service}/feedback")
        return http.post(f"/cds-services/{service}/feedback", json=content, headers=headers).status_code

    before = running.audit().count('"feedback"')
    assert send({"feedback": [item]}) == 200
    assert send({"feedback": [item]}) == 200
    log = running.audit()
    assert log.count('"feedback"') == before + 1
    assert "overridden wrong-data" in log
    assert "CANARY" not in log
    assert send({"feedback": [item | {"card": str(uuid.uuid4())}]}) == 404
    assert send({"feedback": [item]}, ORDER) == 404
    for broken in ({}, {"feedback": []}, {"feedback": [item | {"outcome": "maybe"}]}, {"feedback": [{}]}):
        assert send(broken) == 400
    assert http.post(f"/cds-services/{VIEW}/feedback", json={"feedback": [item]}).status_code == 401


def test_pages_of_the_allow_list_may_call_from_a_browser(http: httpx.Client) -> None:
    asked = {"access-control-request-method": "POST"}
    allowed = http.options(f"/cds-services/{VIEW}", headers=asked | {"origin": ORIGIN})
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in allowed.headers
    assert (
        http.options(f"/cds-services/{VIEW}", headers=asked | {"origin": "https://evil.example"}).status_code
        == 403
    )
    found = http.get("/cds-services", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in found.headers


def test_a_model_without_the_verdict_gives_the_groups_rate_alone(client: Client, tmp_path: Path) -> None:
    others = Others(partners(client, "group"))
    with (
        running_service({"group": coded_model("group")}, tmp_path, clinic=others) as running,
        httpx.Client(base_url=running.address, timeout=60) as http,
    ):
        (card,) = call(http, client, request()).json()["cards"]
    assert card["summary"].startswith("DEMONSTRATION. No personal estimate. In the group studied ")
    assert "would respond" not in card["summary"] + card["detail"]


def test_without_a_file_of_partners_there_are_no_services(tmp_path: Path) -> None:
    with (
        running_service({"better": coded_model()}, tmp_path) as running,
        httpx.Client(base_url=running.address) as http,
    ):
        assert http.get("/cds-services").status_code == 404


# The file


def test_the_file_of_partners(tmp_path: Path, client: Client) -> None:
    path = tmp_path / "partners.yaml"
    path.write_text(json.dumps(partners(client).model_dump(mode="json", exclude_none=True)))
    assert read_partners(path) == partners(client)


@pytest.mark.parametrize(
    "text",
    [
        "base_url: http://predictor.example\n",
        "base_url: https://user@predictor.example\n",
        "base_url: https://predictor.example\ncds: {model: m, clients: []}\n",
        "base_url: https://predictor.example\ncds:\n  model: m\n  clients: [{issuer: 'https://e.example', jku: 'http://10.0.0.1/k'}]\n",
        "base_url: https://predictor.example\nother: 1\n",
        "",
    ],
)
def test_a_file_of_partners_that_allows_too_much_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "partners.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_partners(path)
    assert caught.value.problems[0].file == str(path)


def test_a_file_of_partners_that_names_an_unknown_model_is_refused(tmp_path: Path, client: Client) -> None:
    path = tmp_path / "partners.yaml"
    path.write_text(json.dumps(partners(client).model_dump(mode="json", exclude_none=True)))
    shelf = [Offered("better", coded_model(), signed=False)]
    assert open_others(path, shelf).partners.cds is not None
    with pytest.raises(ConfigError) as caught:
        open_others(path, [Offered("other", coded_model(), signed=False)])
    assert (caught.value.problems[0].code, caught.value.problems[0].path) == ("CFG-27", "cds.model")
