"""The service as its users and its attackers meet it: real requests to the real application."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from predictor.answers import mark_of, marked_name
from predictor.errors import ConfigError, RefusedError
from predictor.prediction_model import PredictionModel, load_prediction_model
from predictor.service.accounts import Accounts, Limiter
from predictor.service.address import Address, require_protection
from predictor.service.app import create_app
from predictor.service.audit import AuditLog
from predictor.service.audit_verification import verify_audit
from predictor.service.estimates import answer_table
from predictor.service.guard import MOST_BYTES, Guard
from predictor.service.shelf import Offered, open_shelf
from predictor.service.state import Service
from trained_clinics import new_patients, trained, typed

PASSWORD = "horse battery staple"
HOST = "http://localhost"
PAGES = (
    "/",
    "/models/better",
    "/models/better/patients.csv",
    "/estimate/better",
    "/batch",
    "/accounts",
    "/r/" + "0" * 32,
    "/r/x.json",
)
OPEN = ("/login", "/help", "/privacy", "/accessibility", "/healthz", "/readyz", "/static/service.css")


@pytest.fixture(scope="module")
def models() -> dict[str, PredictionModel]:
    return {kind: load_prediction_model(trained(kind).folder / "model") for kind in ("better", "group")}


@pytest.fixture
def service(models: dict[str, PredictionModel], tmp_path: Path) -> Iterator[Service]:
    shelf = tuple(Offered(id_, model, signed=False) for id_, model in models.items())
    accounts = Accounts(tmp_path / "accounts.json")
    for role in ("clinician", "reviewer", "admin"):
        accounts.add(f"a-{role}", PASSWORD, role)
    audit = AuditLog(tmp_path / "audit")
    yield Service(shelf, accounts, audit, demonstration=True, estimate_seconds=60)
    audit.close()


class Browser:
    """A client that keeps cookies and brings back the token of the last page."""

    def __init__(self, app: Guard) -> None:
        self.client = httpx.Client(transport=Bridge(app), base_url=HOST)
        self.last = httpx.Response(200)

    def get(self, path: str, **more: Any) -> httpx.Response:
        self.last = self.client.get(path, **more)
        return self.last

    def post(self, path: str, data: dict[str, str], **more: Any) -> httpx.Response:
        token = re.search(r'name="token" value="([^"]+)"', self.last.text)
        self.last = self.client.post(path, data={"token": token[1] if token else ""} | data, **more)
        return self.last

    def sign_in(self, role: str = "clinician") -> Browser:
        self.get("/login")
        assert self.post("/login", {"name": f"a-{role}", "password": PASSWORD}).status_code == 303
        return self


class Bridge(httpx.BaseTransport):
    """Calls an ASGI application from code that does not wait."""

    def __init__(self, app: Guard) -> None:
        # What fails inside is answered by the application's own page, as it is behind a real server.
        self.inner = httpx.ASGITransport(app=app, raise_app_exceptions=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()

        async def answer() -> httpx.Response:
            asked = httpx.Request(request.method, request.url, headers=request.headers, content=content)
            response = await self.inner.handle_async_request(asked)
            return httpx.Response(
                response.status_code, headers=response.headers, content=await response.aread()
            )

        return asyncio.run(answer())


@pytest.fixture
def open_browser(service: Service) -> Callable[[], Browser]:
    app = create_app(service, hosts=frozenset({"localhost"}))
    return lambda: Browser(app)


def test_a_clinician_gets_from_the_sign_in_to_a_report(
    open_browser: Callable[[], Browser], service: Service
) -> None:
    browser = open_browser().sign_in()
    assert "Ask about a patient" in browser.get("/").text
    browser.get("/estimate/better")
    sent = browser.post("/estimate/better", typed())
    assert sent.status_code == 303
    address = sent.headers["location"]
    assert re.fullmatch(r"/r/[0-9a-f]{32}", address)
    report = browser.get(address)
    assert "would respond" in report.text
    assert "NEW-0" in report.text
    assert "DEMONSTRATION" in report.text, "nobody has signed the model"
    view = browser.get(f"{address}.json").json()
    assert view["report"]["kind"] == "estimate"
    assert view["report"]["user_ref"] == "a-clinician"
    by_hand = trained("better").model.predict(new_patients().iloc[[0]])
    assert view["estimate"]["per100"] == round(100 * float(by_hand["probability"].iloc[0]))


def test_a_model_without_the_verdict_gives_the_group_page(open_browser: Callable[[], Browser]) -> None:
    browser = open_browser().sign_in()
    browser.get("/estimate/group")
    report = browser.get(browser.post("/estimate/group", typed()).headers["location"])
    assert "No personal estimate" in report.text


def test_every_blank_is_named_and_what_was_typed_stays(open_browser: Callable[[], Browser]) -> None:
    browser = open_browser().sign_in()
    browser.get("/estimate/better")
    page = browser.post("/estimate/better", {"age": "forty", "crp__missing": "1", "pseudonym": "K-17"})
    assert page.status_code == 422
    assert "<title>Error:" in page.text
    assert "There is a problem" in page.text
    assert 'value="forty"' in page.text
    assert 'value="K-17"' in page.text
    for name in ("age", "madrs"):
        assert f'href="#{name}"' in page.text
        assert f'id="{name}-error"' in page.text
    assert 'href="#crp"' not in page.text
    assert "must be a number" in page.text


def test_an_unusual_value_is_asked_about_and_then_refused(open_browser: Callable[[], Browser]) -> None:
    browser = open_browser().sign_in()
    browser.get("/estimate/better")
    asked = browser.post("/estimate/better", typed(age="79"))
    assert asked.status_code == 422
    assert "outside what the model has seen" in asked.text
    report = browser.get(
        browser.post("/estimate/better", typed(age="79", confirmed="yes")).headers["location"]
    )
    assert "No estimate" in report.text or "not given" in report.text


def test_a_file_is_answered_row_by_row(open_browser: Callable[[], Browser]) -> None:
    browser = open_browser().sign_in()
    browser.get("/batch")
    table = new_patients(3)
    table.loc[1, "age"] = 300
    table.loc[2, "patient"] = "=1+1"
    files = {"patients": ("a.csv", table.to_csv(index=False).encode(), "text/csv")}
    answer = browser.post("/batch", {"model": "better"}, files=files)
    assert answer.status_code == 200
    lines = answer.text.splitlines()
    assert len(lines) == 4
    assert ",estimate," in lines[1]
    assert ",refusal," in lines[2]
    assert lines[3].startswith("'=1+1,")
    assert lines[0].startswith("patient,mark,row,kind,")
    assert all(",DEMONSTRATION: not signed for clinical use," in line for line in lines[1:])
    assert answer.headers["content-disposition"] == 'attachment; filename="answers_DEMONSTRATION.csv"'


def test_a_file_of_a_signed_models_answers_bears_no_mark(models: dict[str, PredictionModel]) -> None:
    rows = new_patients(2).astype(str).to_dict("records")
    signed, unsigned = (
        answer_table(Offered("better", models["better"], signed=one), rows).splitlines()
        for one in (True, False)
    )
    assert signed[0].startswith("patient,row,kind,")
    mark = "DEMONSTRATION: not signed for clinical use"
    assert [line.replace(f",{mark}", "", 1) for line in unsigned[1:]] == signed[1:]


def test_every_reason_for_a_mark_is_in_it_and_in_the_files_name(models: dict[str, PredictionModel]) -> None:
    model = models["group"]
    assert mark_of(model) == ""
    assert marked_name("answers.csv", "") == "answers.csv"
    released = replace(model, policy={"release": "research"}, card={**model.card, "simulated": True})
    mark = mark_of(released, signed=False)
    assert [one.partition(":")[0] for one in mark.split("; ")] == [
        "SIMULATED DATA",
        "RESEARCH ONLY",
        "DEMONSTRATION",
    ]
    assert marked_name("answers.csv", mark) == "answers_SIMULATED_DATA_RESEARCH_ONLY_DEMONSTRATION.csv"


@pytest.mark.parametrize("path", ["/", "/models/better"])
def test_the_pages_write_the_last_day_of_a_model_as_a_date(
    open_browser: Callable[[], Browser], models: dict[str, PredictionModel], path: str
) -> None:
    page = open_browser().sign_in().get(path).text
    year, month, day = str(models["better"].card["valid_until"]).split("-")
    assert f"{year}-{month}-{day}" not in page
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    assert f"{int(day)} {months[int(month) - 1]} {year}" in page


def test_an_empty_table_is_filled_in_and_answered(open_browser: Callable[[], Browser]) -> None:
    browser = open_browser().sign_in()
    page = browser.get("/batch").text
    assert 'href="/models/better/patients.csv"' in page
    empty = browser.get("/models/better/patients.csv")
    assert empty.headers["content-type"].startswith("text/csv")
    assert empty.headers["content-disposition"] == 'attachment; filename="better_patients.csv"'
    head = empty.text.rstrip("\n").split(",")
    row = [str(new_patients(1).iloc[0][name]) for name in head]
    content = f"{empty.text}{','.join(row)}\n".encode()
    browser.get("/batch")
    answer = browser.post("/batch", {"model": "better"}, files={"patients": ("a.csv", content, "text/csv")})
    assert answer.status_code == 200
    assert ",estimate," in answer.text


def test_a_wrong_column_is_answered_with_what_is_on_the_page(open_browser: Callable[[], Browser]) -> None:
    browser = open_browser().sign_in()
    browser.get("/batch")
    content = b"age,colour\n40,red\n"
    page = browser.post("/batch", {"model": "group"}, files={"patients": ("a.csv", content, "text/csv")}).text
    assert "The model knows no column colour. Take it out; an empty table of the model is below" in page
    assert "--" not in page.partition("<main")[2], "no option of the command line"
    assert 'value="group" checked' in page, "the model that was chosen stays chosen"
    assert page.count(" checked") == 1
    assert 'href="/models/group/patients.csv"' in page


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b"age\n1,2,3\n"])
def test_a_bad_file_is_explained(open_browser: Callable[[], Browser], content: bytes) -> None:
    browser = open_browser().sign_in()
    browser.get("/batch")
    page = browser.post("/batch", {"model": "better"}, files={"patients": ("a.csv", content, "text/csv")})
    assert page.status_code == 422
    assert "There is a problem" in page.text


@pytest.mark.parametrize("path", PAGES)
def test_web_07_nothing_of_a_patient_is_shown_to_strangers(
    open_browser: Callable[[], Browser], path: str
) -> None:
    answer = open_browser().get(path)
    assert answer.status_code == (303 if path == "/" else 401)


@pytest.mark.parametrize("path", OPEN)
def test_web_07_what_is_open_to_all(open_browser: Callable[[], Browser], path: str) -> None:
    assert open_browser().get(path).status_code == 200


@pytest.mark.parametrize(
    ("role", "refused"),
    [
        ("clinician", {"/accounts"}),
        ("reviewer", {"/accounts", "/estimate/better", "/batch"}),
        ("admin", set()),
    ],
)
def test_web_07_each_role_sees_its_own(
    open_browser: Callable[[], Browser], role: str, refused: set[str]
) -> None:
    browser = open_browser().sign_in(role)
    for path in PAGES[:6]:
        assert (browser.get(path).status_code == 403) == (path in refused), path


def test_web_04_a_form_without_its_token_or_from_elsewhere_is_refused(
    open_browser: Callable[[], Browser],
) -> None:
    browser = open_browser().sign_in()
    browser.get("/estimate/better")
    assert browser.client.post("/estimate/better", data=typed()).status_code == 403
    assert browser.post("/estimate/better", typed(token="x" * 43)).status_code == 403
    browser.get("/estimate/better")
    assert (
        browser.post("/estimate/better", typed(), headers={"origin": "https://evil.example"}).status_code
        == 403
    )
    browser.get("/estimate/better")
    assert browser.post("/estimate/better", typed(), headers={"origin": "null"}).status_code == 403
    browser.get("/estimate/better")
    headers = {"origin": "null", "sec-fetch-site": "same-origin"}
    assert browser.post("/estimate/better", typed(), headers=headers).status_code == 303


@pytest.mark.parametrize(("origin", "code"), [("https://localhost", 303), ("http://localhost", 403)])
def test_web_04_behind_a_proxy_that_ends_tls_our_own_pages_are_those_got_by_https(
    service: Service, origin: str, code: int
) -> None:
    """The proxy calls by http, and may not say how it was called itself."""
    browser = Browser(create_app(replace(service, secure=True), hosts=frozenset({"localhost"})))
    form = {"name": "a-clinician", "password": PASSWORD, "token": "t" * 43}
    headers = {"cookie": f"__Host-entry={form['token']}", "origin": origin}
    assert browser.client.post("/login", data=form, headers=headers).status_code == code


def test_web_05_another_name_of_the_host_is_refused(open_browser: Callable[[], Browser]) -> None:
    for host in ("evil.example", "localhost.evil.example", "", "127.0.0.1@evil.example"):
        assert open_browser().get("/healthz", headers={"host": host}).status_code == 400
    assert open_browser().get("/healthz", headers={"host": "localhost:8000"}).status_code == 200


def test_web_06_a_report_is_for_the_session_that_made_it(open_browser: Callable[[], Browser]) -> None:
    browser, other = open_browser().sign_in(), open_browser().sign_in("admin")
    browser.get("/estimate/better")
    address = browser.post("/estimate/better", typed()).headers["location"]
    assert other.get(address).status_code == 404
    assert browser.get("/r/" + "0" * 32).status_code == 404
    browser.get("/")
    assert browser.post("/logout", {}).status_code == 303
    assert browser.get(address).status_code == 401


def test_web_08_guesses_are_limited(open_browser: Callable[[], Browser], service: Service) -> None:
    browser = open_browser()
    browser.get("/login")
    for _ in range(5):
        assert (
            browser.post("/login", {"name": "a-clinician", "password": "wrong wrong wrong"}).status_code
            == 401
        )
    assert browser.post("/login", {"name": "a-clinician", "password": PASSWORD}).status_code == 429


def test_web_09_the_session_is_new_after_the_sign_in_and_its_cookie_is_strict(
    open_browser: Callable[[], Browser],
) -> None:
    browser = open_browser()
    browser.client.cookies.set("session", "chosen-by-an-attacker", domain="localhost.local")
    browser.get("/login")
    answer = browser.post("/login", {"name": "a-clinician", "password": PASSWORD})
    cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("session="))
    assert "chosen" not in cookie
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}


def test_over_tls_the_cookie_is_bound_to_the_host(service: Service) -> None:
    service.secure = True
    answer = Browser(create_app(service, hosts=frozenset({"localhost"}))).get("/login")
    assert answer.headers["set-cookie"].startswith("__Host-entry=")
    assert "secure" in answer.headers["set-cookie"].lower()
    assert "max-age" in answer.headers["strict-transport-security"]


@pytest.mark.parametrize(
    "path",
    ["/models/..%2f..%2fetc", "/models/%00", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/models/%252e"],
)
def test_web_10_no_path_leads_out(open_browser: Callable[[], Browser], path: str) -> None:
    assert open_browser().sign_in().get(path).status_code == 404


def test_web_12_what_is_typed_is_shown_and_never_run(open_browser: Callable[[], Browser]) -> None:
    probe = '"><script>alert(1)</script>{{7*7}}'
    browser = open_browser().sign_in()
    browser.get("/estimate/better")
    page = browser.post("/estimate/better", typed(age=probe, pseudonym=probe[:24]))
    assert "<script>" not in page.text
    assert "49" not in re.findall(r'value="([^"]*)"', page.text)
    browser.get("/estimate/better")
    report = browser.get(browser.post("/estimate/better", typed(pseudonym=probe[:24])).headers["location"])
    assert "<script>" not in report.text
    assert "script-src 'none'" in report.headers["content-security-policy"]


def test_every_answer_carries_its_headers(open_browser: Callable[[], Browser]) -> None:
    browser = open_browser()
    for path in ("/login", "/nowhere", "/healthz"):
        headers = browser.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; style-src 'self'; script-src 'self'"
        )


def test_web_01_what_is_too_large_is_not_read(open_browser: Callable[[], Browser]) -> None:
    browser = open_browser().sign_in()
    browser.get("/estimate/better")
    assert browser.post("/estimate/better", typed(pseudonym="x" * MOST_BYTES)).status_code == 413


def test_web_02_too_many_fields_are_not_read(open_browser: Callable[[], Browser]) -> None:
    browser = open_browser().sign_in()
    for count in (1000, 10_000):
        browser.get("/estimate/better")
        assert browser.post("/estimate/better", {f"f{i}": "1" for i in range(count)}).status_code in (
            400,
            413,
        )
    browser.get("/batch")
    parts = {f"f{i}": (None, "1") for i in range(1000)}
    assert browser.post("/batch", {}, files=parts).status_code in (400, 413)


def machine(browser: Browser, body: bytes | dict[str, Any], **headers: str) -> httpx.Response:
    token = browser.get("/api/v1/session").json()["token"]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": "application/json", "x-csrf-token": token} | headers
    return browser.client.post("/api/v1/estimate", content=content, headers=sent)


def test_other_programs_get_the_same_report(open_browser: Callable[[], Browser]) -> None:
    browser = open_browser().sign_in()
    names = [one["name"] for one in browser.get("/api/v1/models/better/schema").json()["inputs"]]
    row = new_patients(1).iloc[0].to_dict()
    answer = machine(
        browser, {"model": "better", "patient": "NEW-0", "values": {name: row[name] for name in names}}
    )
    assert answer.status_code == 200
    assert answer.json()["report"]["kind"] == "estimate"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[" * 60_000, 400),
        (b"[" * 100_000, 413),
        (b'{"model": "better", "model": "better", "values": {}}', 400),
        (b'{"model": "better", "values": {"age": NaN}}', 400),
        (b'{"model": "better", "values": {}} x', 400),
        (b"[]", 422),
        (b'{"model": "better", "values": {"age": [1]}}', 422),
        (b'{"model": "better", "values": {"age": 1}, "more": 1}', 422),
        (b'{"model": "better", "values": {"agee": 1}}', 422),
        (b'{"model": "none", "values": {}}', 404),
        (b'{"model": "better", "patient": "\\u0000", "values": {"age": 1e400}}', 422),
    ],
)
def test_web_03_what_is_no_request_is_refused_without_its_values(
    open_browser: Callable[[], Browser], body: bytes, status: int
) -> None:
    assert machine(open_browser().sign_in(), body).status_code == status


def test_web_03_another_content_type_or_no_token_is_refused(open_browser: Callable[[], Browser]) -> None:
    browser = open_browser().sign_in()
    body = {"model": "better", "values": {}}
    assert machine(browser, body, **{"content-type": "text/plain"}).status_code == 415
    assert machine(browser, body, **{"x-csrf-token": ""}).status_code == 403


def test_web_13_a_fault_gives_an_incident_and_no_value(
    open_browser: Callable[[], Browser], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("CANARY-4711")

    monkeypatch.setattr("predictor.service.estimates.patient_views", fail)
    # A training earlier in this process lets MLflow's migrations switch off every log; a service has none of them.
    monkeypatch.setattr(logging.getLogger("predictor.service"), "disabled", False)
    browser = open_browser().sign_in()
    browser.get("/estimate/better")
    answer = browser.post("/estimate/better", typed())
    assert answer.status_code == 500
    incident = re.search(r"incident ([0-9A-F]{8})", answer.text)
    assert incident
    assert incident[1] in caplog.text
    assert "ValueError at" in caplog.text
    assert "CANARY" not in answer.text + caplog.text


def test_web_14_without_a_record_there_is_no_estimate(
    open_browser: Callable[[], Browser], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = open_browser().sign_in()
    browser.get("/estimate/better")
    monkeypatch.setattr("predictor.service.audit._append", _full)
    answer = browser.post("/estimate/better", typed())
    assert answer.status_code == 503
    assert "location" not in answer.headers


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_estimates_are_limited_by_user(open_browser: Callable[[], Browser], service: Service) -> None:
    service.estimates = Limiter(1, 60)
    browser = open_browser().sign_in()
    for status in (303, 429):
        browser.get("/estimate/better")
        assert browser.post("/estimate/better", typed()).status_code == status


def test_web_18_no_value_of_a_patient_stays_anywhere(
    open_browser: Callable[[], Browser], service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    canaries = {"age": "41.4711", "pseudonym": "CANARY-4711", "crp": "3.4711"}
    browser = open_browser().sign_in()
    browser.get("/estimate/better")
    sent = browser.post("/estimate/better", typed(**(canaries | {"age": "41"})))
    browser.get(sent.headers["location"])
    browser.get("/estimate/better")
    browser.post("/estimate/better", typed(**canaries, madrs="CANARY"))
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"4711" not in written
    assert b"CANARY" not in written
    assert "4711" not in caplog.text
    assert "4711" not in sent.headers["location"] + str(dict(browser.client.cookies))
    assert verify_audit(tmp_path / "audit")[1] == []


def test_an_unsigned_model_is_not_offered_to_clinicians() -> None:
    with pytest.raises(RefusedError, match="ART-20"):
        open_shelf([trained("better").folder / "model"], demonstration=False)
    assert not open_shelf([trained("better").folder / "model"], demonstration=True)[0].signed


@pytest.mark.parametrize(
    ("address", "demonstration", "allowed"),
    [
        (Address("127.0.0.1", 8000), True, True),
        (Address("localhost", 8000), False, True),
        (Address("0.0.0.0", 8000), False, False),
        (Address("192.168.0.7", 8000), False, False),
        (Address("0.0.0.0", 8000, proxy="127.0.0.1"), False, True),
        (Address("0.0.0.0", 8000, Path("c"), Path("k")), False, True),
        (Address("0.0.0.0", 8000, Path("c"), Path("k")), True, False),
        (Address("127.0.0.1", 8000, Path("c")), False, False),
    ],
)
def test_web_15_it_opens_to_others_only_with_protection(
    address: Address, demonstration: bool, allowed: bool
) -> None:
    if allowed:
        require_protection(address, demonstration=demonstration)
        return
    with pytest.raises(ConfigError, match="WEB-15"):
        require_protection(address, demonstration=demonstration)
