"""The service in a real browser, from the sign-in to the printed report, for everybody and against hostile content."""

from __future__ import annotations

import itertools
import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlparse

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from pypdf import PdfReader

from accessible_pages import SPACING, violations
from fhir_examples import coded_model, resources
from predictor.interoperability.partners import Partners
from predictor.prediction_model import load_prediction_model
from predictor.service.accounts import Accounts, Limiter
from predictor.service.app import create_app
from predictor.service.audit import AuditLog
from predictor.service.others import Others
from predictor.service.state import Service
from predictor.sign_off import SignOff
from running_service import PASSWORD, Running, running_service, serving
from smart_ehr import Ehr, running_ehr
from trained_clinics import new_patients, trained

pytestmark = pytest.mark.browser

MODEL = "better"
BASE = "https://predictor.clinic.example"
"""Where the EHR sends browsers back to; the tests go to the service's address of this run instead."""
WATCH = """
window.violations = [];
document.addEventListener(
  'securitypolicyviolation', e => window.violations.push(e.violatedDirective + ' ' + e.blockedURI)
);
window.run = [];
window.alert = text => window.run.push(String(text));
"""
"""Before any page's own content: what its policy stopped, and whatever a probe managed to run."""
PROBES = (
    '"><script>alert(1)</script>',
    "'><svg onload=alert(1)>",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}}${7*7}",
    "</title><script>alert(1)</script>",
    '"autofocus onfocus=alert(1) x="',
)


@dataclass
class Seen:
    """A window, and what happened in it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def clean(self, *, script: bool = True) -> None:
        """No error in the console, no request to another machine, nothing that the policy had to stop."""
        assert self.errors == []
        assert self.hosts <= {"127.0.0.1"}
        if script:
            assert self.page.evaluate("window.violations") == []
            assert self.page.evaluate("window.run") == []


Open = Callable[..., Seen]
States = Callable[[Page], Iterator[str]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = {kind: load_prediction_model(trained(kind).folder / "model") for kind in ("better", "group")}
    with running_service(models, tmp_path_factory.mktemp("service")) as found:
        found.service.estimates = Limiter(1000, 60)
        yield found


@pytest.fixture(scope="module")
def ehr() -> Iterator[Ehr]:
    with running_ehr() as found:
        found.redirect = f"{BASE}/callback"
        found.resources = resources(datetime.now().astimezone().date())
        yield found


@pytest.fixture(scope="module")
def launching(ehr: Ehr, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that is launched from an EHR, whose users it does not take over."""
    server = {"issuer": ehr.issuer, "client_id": ehr.client_id, "sign_in": False}
    smart = {"model": MODEL, "servers": [server]}
    clinic = Others(Partners.model_validate({"base_url": BASE, "smart": smart}))
    folder = tmp_path_factory.mktemp("launching")
    with running_service({MODEL: coded_model()}, folder, clinic=clinic) as found:
        yield found


@pytest.fixture(scope="module")
def unset(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service that has no account yet."""
    folder = tmp_path_factory.mktemp("unset")
    audit = AuditLog(folder / "audit")
    service = Service(running.service.shelf, Accounts(folder / "accounts.json"), audit, demonstration=True)
    with serving(create_app(service, hosts=frozenset({"127.0.0.1"}))) as address:
        yield address
    audit.close()


@pytest.fixture
def opened(browser: Browser, running: Running) -> Iterator[Open]:
    contexts: list[BrowserContext] = []

    def open_window(role: str | None = "clinician", *, width: int = 1280, **settings: Any) -> Seen:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, base_url=running.address, **settings
        )
        contexts.append(context)
        context.add_init_script(WATCH)
        seen = Seen(context.new_page())
        # An answer that is no success writes a line into the console; a page of mistakes is one of them.
        seen.page.on(
            "console",
            lambda one: (
                seen.errors.append(one.text)
                if one.type == "error" and "Failed to load resource" not in one.text
                else None
            ),
        )
        seen.page.on("pageerror", lambda one: seen.errors.append(str(one)))
        seen.page.on("request", lambda one: seen.hosts.add(urlparse(one.url).hostname or one.url[:5]))
        seen.hosts.discard("data:")
        if role is not None:
            sign_in(seen.page, role)
        return seen

    yield open_window
    for one in contexts:
        one.close()


def sign_in(page: Page, role: str) -> None:
    page.goto("/login")
    page.get_by_label("Name").fill(f"a-{role}")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def fill(page: Page, number: int = 0, model: str = MODEL, **changes: str) -> None:
    """Fill in the form as a clinician would; an empty text leaves a question alone."""
    page.goto(f"/estimate/{model}")
    row = {
        name: f"{v:g}" if isinstance(v, float) else str(v) for name, v in new_patients().iloc[number].items()
    }
    row |= {"pseudonym": row.pop("patient"), "crp__unit": "mg/L"}
    for name, value in (row | changes).items():
        radio = page.locator(f'input[type="radio"][name="{name}"][value={json.dumps(value)}]')
        if radio.count():
            radio.check()
        elif value and page.locator(f'input[type="text"][name="{name}"]').count():
            page.locator(f'[name="{name}"]').fill(value)
        elif value and page.locator(f'select[name="{name}"]').count():
            page.locator(f'select[name="{name}"]').select_option(value)


def report(page: Page, **changes: Any) -> str:
    """Go all the way to a report, and give its address."""
    fill(page, **changes)
    press(page, "Show the report")
    page.wait_for_url(re.compile(r"/r/[0-9a-f]{32}$"))
    return urlparse(page.url).path


def test_from_the_sign_in_to_the_report(opened: Open) -> None:
    seen = opened()
    page = seen.page
    page.get_by_role("link", name="Ask about a patient").first.click()
    report(page)
    assert "Plausible range" in page.locator("main").inner_text()
    assert "NEW-0" in page.inner_text("body")
    assert "NEW-0" not in page.title()
    assert "NEW-0" not in page.url
    seen.clean()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"age": ""}, "Enter Age"),
        ({"crp": ""}, "Enter C-reactive protein, or choose Not measured"),
        ({"age": "forty"}, "Age must be a number in years, like"),
        ({"age": "40,5"}, "write the decimal with a point"),
        ({"age": "300"}, "Age must be between 18 and 80 years"),
        ({"age": "79"}, "outside what the model has seen"),
    ],
)
def test_each_mistake_is_named_above_and_beside_its_question(
    opened: Open, changes: dict[str, str], words: str
) -> None:
    seen = opened()
    page = seen.page
    fill(page, **changes)
    page.get_by_role("button", name="Show the report").click()
    assert page.title().startswith("Error:")
    summary = page.locator(".problem")
    assert summary.evaluate("e => e === document.activeElement"), "the summary has the focus"
    (name,) = changes
    assert words in summary.inner_text()
    assert words in page.locator(f"#{name}-error").inner_text()
    asked = page.locator(f"#{name}")
    assert asked.get_attribute("aria-invalid") == "true"
    assert f"{name}-error" in (asked.get_attribute("aria-describedby") or "")
    assert asked.input_value() == changes[name]
    summary.get_by_role("link").first.click()
    assert asked.evaluate("e => e === document.activeElement"), "its link leads to the question"
    seen.clean()


@pytest.mark.parametrize("script", [True, False])
def test_a_unit_is_chosen_and_what_it_makes_of_the_value_is_shown(opened: Open, *, script: bool) -> None:
    seen = opened(java_script_enabled=script)
    page = seen.page
    fill(page, crp="0.35", crp__unit="")
    unit = page.get_by_label("Unit of C-reactive protein")
    assert unit.input_value() == ""
    assert unit.locator("option").all_inner_texts() == ["Choose the unit", "mg/L", "mg/dL", "µg/mL", "µg/L"]
    press(page, "Show the report")
    assert page.title().startswith("Error:")
    link = page.locator(".problem").get_by_role("link", name="Choose the unit for C-reactive protein")
    link.click()
    if script:
        assert unit.evaluate("e => e === document.activeElement")
    assert unit.get_attribute("aria-invalid") == "true"
    described = unit.get_attribute("aria-describedby")
    assert page.locator(f"#{described}").inner_text() == "Choose the unit for C-reactive protein"
    assert page.locator("#crp").input_value() == "0.35"
    unit.select_option("mg/dL")
    page.locator("#age").fill("forty")
    press(page, "Show the report")
    assert unit.input_value() == "mg/dL"
    assert "0.35 mg/dL = 3.5 mg/L" in page.locator("form").last.inner_text()
    page.locator("#age").fill("44")
    press(page, "Show the report")
    page.wait_for_url(re.compile(r"/r/[0-9a-f]{32}$"))
    row = page.locator("tr", has_text="C-reactive protein").filter(has_text="0.35 mg/dL = 3.5 mg/L")
    assert row.count() == 1
    seen.clean(script=script)


def test_a_refusal_is_a_page_with_reasons_and_without_a_number(opened: Open) -> None:
    page = opened().page
    fill(page, age="79")
    page.get_by_role("button", name="Show the report").click()
    page.get_by_label("These values are right").check()
    page.get_by_role("button", name="Show the report").click()
    page.wait_for_url(re.compile(r"/r/"))
    text = page.inner_text("main")
    assert "No estimate" in text
    assert "Plausible range" not in text
    assert page.locator("svg.figure").count() == 0


def test_another_plan_and_back(opened: Open) -> None:
    seen = opened()
    page = seen.page
    address = report(page)
    page.get_by_role("link", name="Another plan").click()
    page.locator('input[name="plan"]').first.check()
    page.get_by_role("button", name="Compare").click()
    text = page.locator("[role=status]").inner_text()
    assert "(planned)" in text
    assert "beside" in text
    seen.clean()
    page.get_by_role("link", name="Back to the report").click()
    assert urlparse(page.url).path == address


def test_a_correction_shows_old_and_new(opened: Open) -> None:
    seen = opened()
    page = seen.page
    report(page, crp="1.5")
    page.get_by_role("link", name="Check an input").click()
    assert page.locator('[name="crp"]').input_value() == "1.5"
    page.locator('[name="crp"]').fill("3.5")
    page.get_by_role("button", name="Correct").click()
    assert page.get_by_role("heading", name="Correction").count() == 1
    assert "1.5" in page.inner_text("main")
    assert "3.5" in page.inner_text("main")
    seen.clean()


def test_the_keyboard_alone_leads_from_the_sign_in_to_the_report(opened: Open) -> None:
    page = opened(None).page
    page.goto("/login")
    tab_to(page, "name")
    page.keyboard.type("a-clinician")
    tab_to(page, "password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    press_link(page, f"/estimate/{MODEL}")
    row = new_patients().iloc[0]
    page.wait_for_selector("form[action='/estimate/better']")
    for question in page.locator(".question").all():
        field_ = question.locator("input").first
        name = field_.get_attribute("name") or ""
        tab_to(page, name)
        if field_.get_attribute("type") == "radio":
            wanted = str(row[name])
            for _ in range(6):
                if page.evaluate("document.activeElement.value") == wanted:
                    break
                page.keyboard.press("ArrowDown")
            page.keyboard.press("Space")
        else:
            page.keyboard.type("NEW-0" if name == "pseudonym" else f"{row[name]:g}")
        if question.locator("select").count():
            tab_to(page, f"{name}__unit")
            page.keyboard.type("mg/L")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/r/[0-9a-f]{32}$"))
    press_link(page, page.url.partition("8")[0] and urlparse(page.url).path + "/plan")
    page.wait_for_url(re.compile(r"/plan$"))


def tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle !== 'none' "
            "|| document.activeElement === document.body"
        ), "the focus is seen"
        if page.evaluate("document.activeElement.name") == name:
            return
    pytest.fail(f"{name} is not reached by the keyboard")


def press_link(page: Page, path: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href')") == path:
            page.keyboard.press("Enter")
            return
    pytest.fail(f"no link to {path} is reached by the keyboard")


def test_without_script_everything_works(opened: Open) -> None:
    seen = opened(java_script_enabled=False)
    page = seen.page
    address = report(page)
    assert "Plausible range" in page.locator("main").inner_text()
    page.goto(f"{address}/plan")
    page.locator('input[name="plan"]').first.check()
    page.get_by_role("button", name="Compare").click()
    assert page.locator("[role=status]").count() == 1
    page.goto(f"/estimate/{MODEL}")
    assert "signed out after 15 minutes" in page.inner_text("body")
    page.get_by_role("button", name="Sign out").click()
    seen.clean(script=False)


def test_two_minutes_before_the_end_the_page_says_so_and_a_key_extends_it(opened: Open) -> None:
    page = opened().page
    page.clock.install()
    fill(page, age="41")
    page.clock.fast_forward("12:50")
    assert page.locator("#session").get_attribute("role") is None
    page.clock.fast_forward("00:20")
    notice = page.locator("#session[role=alert]")
    notice.wait_for()
    assert "two minutes" in notice.inner_text()
    page.locator("#stay").focus()
    with page.expect_response("**/stay") as answered:
        page.keyboard.press("Enter")
    assert answered.value.status == 200
    page.wait_for_selector("#session:not([role])")
    assert page.locator('[name="age"]').input_value() == "41", "what was typed is kept"


def test_back_and_refresh_keep_the_report_and_send_nothing_twice(opened: Open, running: Running) -> None:
    page = opened().page
    address = report(page)
    count = running.audit().count('"estimate"')
    page.reload()
    assert urlparse(page.url).path == address
    page.go_back()
    assert urlparse(page.url).path == f"/estimate/{MODEL}"
    page.go_forward()
    assert "Plausible range" in page.inner_text("main")
    assert running.audit().count('"estimate"') == count


def test_another_session_sees_nothing_and_signing_out_clears(opened: Open) -> None:
    mine, other = opened().page, opened().page
    address = report(mine)
    other.goto(address)
    assert "Not found" in other.inner_text("main")
    mine.goto("/")
    mine.get_by_role("button", name="Sign out").click()
    mine.go_back()
    mine.goto(address)
    assert "Please sign in" in mine.inner_text("main")


def test_the_report_prints_on_two_pages_of_a4(opened: Open, tmp_path: Path) -> None:
    page = opened().page
    report(page)
    path = tmp_path / "report.pdf"
    page.pdf(path=path, prefer_css_page_size=True, print_background=True)
    pages = PdfReader(path).pages
    assert len(pages) == 2
    assert round(float(pages[0].mediabox.width)) in (595, 596)
    assert "Another patient" not in pages[0].extract_text(), "the ways on are not printed"


def press(page: Page, name: str) -> None:
    """Press a button, and wait for the page that answers."""
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()


def states(page: Page) -> Iterator[str]:
    """Lead a window through every page and state of the service, and name each when it is there."""
    page.goto("/")
    yield "models"
    for path in (f"/models/{MODEL}", f"/estimate/{MODEL}", "/batch", "/accounts", "/help", "/privacy"):
        page.goto(path)
        yield path.strip("/").replace("/", "-")
    for path in ("/accessibility", "/stay", "/nowhere"):
        page.goto(path)
        yield path.strip("/")
    fill(page, age="forty", crp="")
    press(page, "Show the report")
    yield "form-mistakes"
    fill(page, age="300", crp="40", crp__unit="mg/dL", arm="")
    press(page, "Show the report")
    yield "form-mistakes-in-another-unit"
    fill(page, crp__unit="")
    press(page, "Show the report")
    yield "form-without-unit"
    fill(page, age="79")
    press(page, "Show the report")
    yield "form-unusual"
    page.get_by_label("These values are right").check()
    press(page, "Show the report")
    yield "report-refusal"
    report(page, model="group")
    yield "report-group"
    address = report(page, crp="0.35", crp__unit="mg/dL")
    yield "report"
    page.goto(f"{address}/plan")
    yield "plan"
    press(page, "Compare")
    yield "plan-mistake"
    page.locator('input[name="plan"]').first.check()
    press(page, "Compare")
    yield "plan-compared"
    page.goto(f"{address}/check")
    yield "check"
    page.locator('[name="crp"]').fill("3.5")
    press(page, "Correct")
    yield "corrected"
    press(page, "Sign out")
    yield "sign-in"
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("Password").fill("wrong wrong wrong")
    press(page, "Sign in")
    yield "sign-in-mistake"
    page.goto(address)
    yield "sign-in-again"


@pytest.fixture
def further_states(running: Running, launching: Running, unset: str, ehr: Ehr) -> States:
    """Lead a window through what `states` does not come by: other services, other people, and what goes wrong."""

    def lead(page: Page) -> Iterator[str]:
        yield from before_an_account(page, unset)
        yield from a_launch(page, launching.address, ehr)
        sign_in_at(page, running.address, "admin")
        yield from mistakes(page, running.address)

    return lead


def sign_in_at(page: Page, address: str, role: str) -> None:
    """Sign in at a service that is not the window's own; all of them share the cookies of one host."""
    page.context.clear_cookies()
    page.goto(f"{address}/login")
    page.get_by_label("Name").fill(f"a-{role}")
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Sign in")


def before_an_account(page: Page, address: str) -> Iterator[str]:
    page.goto(f"{address}/login")
    yield "set-up"
    for label, text in (("Code", "wrong"), ("Name", "A B"), ("Password", "short")):
        page.get_by_label(label).fill(text)
    press(page, "Make the account")
    yield "set-up-mistake"


def a_launch(page: Page, address: str, ehr: Ehr) -> Iterator[str]:
    page.goto(f"{address}/launch?{urlencode({'iss': ehr.issuer, 'launch': 'L1'})}")
    assert page.get_by_role("link", name="Go on with the patient").count() == 1
    yield "launch"
    page.goto(f"{address}/launch?iss=https://other.example/fhir")
    yield "launch-from-another-ehr"
    page.goto(f"{address}/callback?state=unknown&code=1")
    yield "launch-of-another-browser"
    sign_in_at(page, address, "clinician")
    sent = page.request.get(f"{address}/launch", params={"iss": ehr.issuer, "launch": "L1"}, max_redirects=0)
    back = httpx.get(sent.headers["location"]).headers["location"]
    page.goto(back.replace(BASE, address))
    assert page.get_by_text("From the EHR").count() == 6, (
        "each answer that stands there already says whose it is"
    )
    yield "form-from-the-ehr"


def mistakes(page: Page, address: str) -> Iterator[str]:
    page.goto(f"{address}/models/group")
    yield "models-group"
    page.goto(f"{address}/r/{'0' * 32}")
    yield "report-gone"
    page.goto(f"{address}/batch")
    page.get_by_label("File").set_input_files(
        {"name": "a.csv", "mimeType": "text/csv", "buffer": b"age,colour\n40,red\n"}
    )
    press(page, "Answer")
    yield "batch-mistake"
    for name in ("A B", f"nurse-{secrets.token_hex(4)}"):
        page.goto(f"{address}/accounts")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("clinician").check()
        press(page, "Make the account")
        yield "accounts-mistake" if name == "A B" else "accounts-made"
    page.goto(f"{address}/estimate/{MODEL}")
    page.get_by_label("Age").fill("44")
    page.context.clear_cookies()
    press(page, "Show the report")
    yield "session-over"
    page.goto(f"{address}/login")
    for _ in range(6):
        page.get_by_label("Name").fill("somebody")
        page.get_by_label("Password").fill("wrong wrong wrong")
        press(page, "Sign in")
    yield "sign-in-too-often"


@pytest.mark.parametrize(("width", "spaced"), [(320, False), (640, True)])
def test_no_page_is_wider_than_a_narrow_screen(
    opened: Open, further_states: States, width: int, *, spaced: bool
) -> None:
    """640 pixels are 1280 at 200 per cent; spacing as in WCAG 1.4.12."""
    page = opened("admin", width=width, bypass_csp=spaced).page
    count = 0
    for name in itertools.chain(states(page), further_states(page)):
        if spaced:
            page.add_style_tag(content=SPACING)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        count += 1
    assert count >= 37


def test_every_target_is_large_enough_and_every_page_has_its_landmarks(
    opened: Open, further_states: States
) -> None:
    page = opened("admin").page
    small = (
        "[...document.querySelectorAll('button, input:not([type=hidden]), select, nav a, .button')].filter(e => "
        "{const b = e.getBoundingClientRect(); return b.width && (b.width < 24 || b.height < 24)})"
        ".map(e => e.outerHTML)"
    )
    nowhere = (
        "[...document.querySelectorAll('[aria-describedby], [aria-labelledby]')]"
        ".flatMap(e => [e.getAttribute('aria-describedby'), e.getAttribute('aria-labelledby')])"
        ".filter(Boolean).flatMap(ids => ids.split(/\\s+/)).filter(id => !document.getElementById(id))"
    )
    for name in itertools.chain(states(page), further_states(page)):
        assert page.evaluate(small) == [], name
        assert page.evaluate(nowhere) == [], name
        assert page.evaluate("document.documentElement.lang") == "en", name
        assert page.locator("h1").count() == 1, name
        assert page.locator("main").count() == 1, name
        assert page.title(), name


def test_axe_finds_no_violation_on_any_page(opened: Open, further_states: States, axe: str) -> None:
    page = opened("admin", bypass_csp=True).page
    every = itertools.chain(states(page), further_states(page))
    found = [f"{name}: {one}" for name in every for one in violations(page, axe)]
    assert found == []


def test_a_report_is_taken_into_the_record(
    opened: Open, running: Running, axe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the keyboard alone, on a narrow screen; the page that asks has no violation."""
    given = SignOff(
        "Dr A. Example",
        "psychiatrist",
        datetime(2026, 3, 2, tzinfo=UTC),
        date(2126, 3, 2),
        "It was judged",
        "adults of the ketamine clinic",
        (),
        demonstration=False,
        manifest_sha256="0" * 64,
        vouched=True,
    )
    offered = running.service.offered(MODEL)
    signed = replace(offered, id="signed", signed=True, model=replace(offered.model, sign_off=given))
    monkeypatch.setattr(running.service, "shelf", (*running.service.shelf, signed))
    page = opened(width=320, bypass_csp=True).page
    address = report(page, model="signed")
    press_link(page, f"{address}/take")
    page.wait_for_url("**/take")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [one["id"] for one in found["violations"]] == []
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").startswith("I have read it"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{address}")
    assert "Read and taken into the record by a-clinician" in page.locator("[role=status]").inner_text()
    assert "Take into the record" not in page.inner_text("body")
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [one["id"] for one in found["violations"]] == []


@pytest.mark.parametrize("probe", PROBES)
def test_web_12_what_is_typed_anywhere_is_shown_and_never_run(opened: Open, probe: str) -> None:
    """In every field of every form, then on every page that shows it again: no policy had to stop anything."""
    seen = opened("admin")
    page = seen.page
    page.goto(f"/estimate/{MODEL}")
    names = [
        name
        for one in page.locator('form[action^="/estimate"] input[type="text"]').all()
        if (name := one.get_attribute("name"))
    ]
    assert "pseudonym" in names
    for one in names:
        page.locator(f'[name="{one}"]').evaluate("e => e.removeAttribute('maxlength')")
        page.locator(f'[name="{one}"]').fill(probe)
    page.get_by_role("button", name="Show the report").click()
    assert page.locator('[name="age"]').input_value() == probe, "literal"
    seen.clean()
    address = report(page, pseudonym=probe[:24])
    assert probe[:24] in page.inner_text("body")
    seen.clean()
    for part in ("/plan", "/check"):
        page.goto(address + part)
        seen.clean()
    page.get_by_role("button", name="Correct").click()
    seen.clean()
    page.goto("/accounts")
    page.get_by_label("Name").evaluate("e => e.removeAttribute('maxlength')")
    page.get_by_label("Name").fill(probe)
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main button").click()
    seen.clean()
    for path in (f"/models/{probe}", f"/r/{probe}", f"/{probe}", f"/estimate/{MODEL}?q={probe}"):
        page.goto(path)
        seen.clean()
    page.goto("/")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Name").fill(probe)
    page.get_by_label("Password").fill(probe)
    page.get_by_role("button", name="Sign in").click()
    seen.clean()
