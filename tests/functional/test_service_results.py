"""What can be done with a report in the service: another plan, a correction, print, and the way back."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import httpx
import pytest

from predictor.errors import Problem, ResourceError
from predictor.prediction_model import load_prediction_model
from predictor.service.accounts import Limiter
from predictor.service.queues import PRINT_QUEUE, Busy, Queue, print_report
from predictor.service.shelf import open_shelf
from running_service import Running, running_service, send
from trained_clinics import new_patients, trained, typed

EVIDENCE = "The plans were dealt by chance in the development data"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = {kind: load_prediction_model(trained(kind).folder / "model") for kind in ("better", "group")}
    with running_service(models, tmp_path_factory.mktemp("service")) as found:
        found.service.estimates = Limiter(1000, 60)
        yield found


@pytest.fixture
def browser(running: Running) -> Iterator[httpx.Client]:
    with running.browser() as client:
        yield client


def reported(browser: httpx.Client, model: str = "better", **changes: str) -> str:
    """Address of a report."""
    sent = send(browser, f"/estimate/{model}", typed(**changes))
    assert sent.status_code == 303, sent.text
    return sent.headers["location"]


def test_another_plan_is_put_beside_the_planned_one_with_the_range_of_the_difference(
    browser: httpx.Client, running: Running
) -> None:
    address = reported(browser)
    assert f'href="{address}/plan"' in browser.get(address).text
    page = browser.get(f"{address}/plan")
    assert page.status_code == 200
    assert EVIDENCE in page.text
    chosen = re.search(r'name="plan" value="(\d+)"', page.text)
    assert chosen
    answer = send(browser, f"{address}/plan", {"plan": chosen[1]})
    assert answer.status_code == 200
    (by_hand,) = trained("better").model.explain(new_patients().iloc[[0]])
    planned = next(one for one in by_hand.plans if one.plan == by_hand.plan)
    other = next(one for one in by_hand.plans if one.plan != by_hand.plan)
    for one in (planned, other):
        assert one.probability is not None
        assert f"<td>{round(100 * one.probability)}</td>" in answer.text
    assert other.difference_low is not None
    assert other.difference_high is not None
    apart = other.difference_low > 0 or other.difference_high < 0
    assert ("The model does not tell these two plans apart." in answer.text) == (not apart)
    assert EVIDENCE in answer.text
    assert '"other_plan"' in running.audit()


def test_two_plans_that_the_model_does_not_tell_apart_are_said_to_be_so(browser: httpx.Client) -> None:
    """Whether it does or not depends on the patient: among twelve there is one whom it leaves undecided."""
    for number in range(12):
        address = reported(browser, **typed(number))
        view = browser.get(f"{address}.json").json()
        difference = next(
            cell["difference"]
            for row in view["whatif"]["rows"]
            for cell in row["cells"]
            if cell["difference"]
        )
        if difference["lo"] <= 0 <= difference["hi"]:
            page = browser.get(f"{address}/plan")
            chosen = re.search(r'name="plan" value="(\d+)"', page.text)
            assert chosen
            answer = send(browser, f"{address}/plan", {"plan": chosen[1]})
            assert "The model does not tell these two plans apart." in answer.text
            return
    pytest.fail("no such patient among twelve")


@pytest.mark.parametrize("plan", ["", "7", "planned", "-1", "0; drop"])
def test_only_plans_that_are_offered_can_be_chosen(browser: httpx.Client, plan: str) -> None:
    address = reported(browser)
    answer = send(browser, f"{address}/plan", {"plan": plan})
    assert answer.status_code == 422
    assert "Choose one of the plans" in answer.text


def test_where_no_plan_was_compared_there_is_no_page_for_it(browser: httpx.Client) -> None:
    address = reported(browser, "group")
    assert "/plan" not in browser.get(address).text
    assert browser.get(f"{address}/plan").status_code == 404


def test_a_wrong_value_is_corrected_and_both_are_shown(browser: httpx.Client, running: Running) -> None:
    address = reported(browser, crp="1.5")
    page = browser.get(f"{address}/check")
    assert page.status_code == 200
    assert 'value="1.5"' in page.text
    sent = send(browser, f"{address}/check", typed(crp="3.5"))
    assert sent.status_code == 303
    both = browser.get(sent.headers["location"])
    assert "Correction" in both.text
    row = re.search(r"<th scope=\"row\">C-reactive protein</th><td>([^<]*)</td><td>([^<]*)</td>", both.text)
    assert row
    assert row.groups() == ("1.5", "3.5")
    assert both.text.count("of 100 (") == 2
    assert '"correction"' in running.audit()


def test_a_correction_that_cannot_be_read_goes_back_to_its_form(browser: httpx.Client) -> None:
    address = reported(browser)
    answer = send(browser, f"{address}/check", typed(crp="much"))
    assert answer.status_code == 422
    assert f'action="{address}/check"' in answer.text
    assert 'value="much"' in answer.text


def test_web_06_another_session_reaches_no_part_of_a_result(browser: httpx.Client, running: Running) -> None:
    address = reported(browser)
    with running.browser("admin") as other:
        for part in ("", ".json", ".pdf", "/plan", "/check", f"/corrected/{address.removeprefix('/r/')}"):
            assert other.get(address + part).status_code == 404, part
        for part in ("/plan", "/check"):
            assert send(other, address + part, {"plan": "1"}).status_code == 404
    with running.browser(None) as stranger:
        for part in ("", ".json", ".pdf", "/plan", "/check"):
            assert stranger.get(address + part).status_code == 401, part


def test_web_04_no_form_of_a_result_is_taken_without_its_token(browser: httpx.Client) -> None:
    address = reported(browser)
    for part in ("/plan", "/check"):
        assert browser.post(address + part, data=typed()).status_code == 403


@pytest.mark.browser
def test_the_report_is_printed(browser: httpx.Client, tmp_path: Path) -> None:
    address = reported(browser, pseudonym="K-17")
    answer = browser.get(f"{address}.pdf")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    (tmp_path / "a.pdf").write_bytes(answer.content)
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    said = subprocess.run(
        ["pdftotext", str(tmp_path / "a.pdf"), "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "K-17" in said
    assert "Plausible range" in said
    assert "DEMONSTRATION" in said


def test_rpt_05_without_a_browser_the_page_says_so(
    browser: httpx.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A folder of programs in which there is no browser."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("predictor.reports.pdf._by_weasyprint", lambda _: None)
    address = reported(browser)
    answer = browser.get(f"{address}.pdf")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "30"
    assert "Chromium is not installed" in answer.text
    assert browser.get(address).status_code == 200


def test_rpt_05_a_browser_that_hangs_is_ended_and_others_wait_in_a_short_queue(tmp_path: Path) -> None:
    """The browser is a program that never ends: it is stopped with its child, and no process stays behind."""
    browser = tmp_path / "chromium"
    browser.write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/started\n/bin/sleep 600\n")
    browser.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin")
        patch.setattr("predictor.reports.pdf._by_weasyprint", lambda _: None)
        printing = Queue("print", 1, PRINT_QUEUE)
        work = partial(print_report, "<p>", seconds=0.5)
        waiting: list[Future[bytes]] = [printing.submit(work) for _ in range(1 + PRINT_QUEUE)]
        with pytest.raises(Busy):
            printing.submit(work)
        for one in waiting:
            with pytest.raises(ResourceError, match=r"did not answer within 0\.5 seconds"):
                one.result(30)
    assert len((tmp_path / "started").read_text().split()) == 5, "one after another, each once"
    for pid in (tmp_path / "started").read_text().split():
        assert not Path("/proc", pid).exists()


def test_a_full_queue_is_answered_with_503(
    browser: httpx.Client, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def slow(*_: object, **__: object) -> bytes:
        go.wait(30)
        raise ResourceError(Problem("ENV-04", "it was slow", ""))

    monkeypatch.setattr("predictor.service.queues.print_pdf", slow)
    address = reported(browser)
    for _ in range(1 + PRINT_QUEUE):
        running.service.printing.submit(partial(print_report, "<p>"))
    answer = browser.get(f"{address}.pdf")
    go.set()
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    time.sleep(0.2)


def test_the_report_on_the_training_is_read_from_the_models_page(tmp_path: Path) -> None:
    folder = trained("better").folder / "model"
    (offered,) = open_shelf([folder], demonstration=True)
    assert "AUC" in offered.report
    shutil.copytree(folder, tmp_path / "alone")
    assert open_shelf([tmp_path / "alone"], demonstration=True)[0].report == ""


def test_a_page_says_when_the_session_ends_and_a_link_extends_it(browser: httpx.Client) -> None:
    page = browser.get("/estimate/better")
    assert "signed out after 15 minutes" in page.text
    assert 'href="/stay"' in page.text
    assert "stay signed in" in browser.get("/stay").text


def test_art_13_a_model_that_was_replaced_is_told_and_the_old_one_goes_on(tmp_path: Path) -> None:
    better, group = (trained(kind).folder / "model" for kind in ("better", "group"))
    folder = tmp_path / "model"
    shutil.copytree(better, folder)
    (offered,) = open_shelf([folder], demonstration=True)
    with running_service({}, tmp_path) as running:
        running.service.shelf = (offered,)
        with running.browser() as browser:
            before = browser.get(reported(browser, offered.id) + ".json").json()
            assert browser.get("/readyz").json()["replaced"] == []
            shutil.rmtree(folder)
            shutil.copytree(group, folder)
            assert browser.get("/readyz").json() == {
                "status": "ready",
                "models": [offered.id],
                "replaced": [offered.id],
            }
            after = browser.get(reported(browser, offered.id) + ".json").json()
            assert after["estimate"] == before["estimate"]
            assert after["model"] == before["model"]
            (folder / "manifest.json").write_text("{}")
            assert browser.get("/readyz").json()["replaced"] == [offered.id]
            shutil.rmtree(folder)
            assert browser.get("/readyz").json()["replaced"] == [offered.id]
            assert send(browser, f"/estimate/{offered.id}", typed()).status_code == 303


@pytest.mark.parametrize(
    ("crp", "unit", "words"),
    [
        ("0.12", "mg/L", "; it would be usual if the unit were mg/dL. Check it"),
        ("0.03", "ug/L", "; it would be usual if the unit were mg/dL. Check it"),
        ("4", "ug/L", "; it would be usual if the unit were mg/L or µg/mL. Check it"),
        ("95", "mg/L", "it would lie inside: was it recorded in another unit than mg/L? Check it"),
    ],
)
def test_a_value_that_another_unit_would_make_usual_is_asked_about(
    browser: httpx.Client, crp: str, unit: str, words: str
) -> None:
    """The model has seen 0.25 to 22 mg/L."""
    answer = send(browser, "/estimate/better", typed(crp=crp, crp__unit=unit))
    assert answer.status_code == 422
    assert words in answer.text


def newer(place: Path, started: float) -> list[Path]:
    """Files written since; other programs take theirs away meanwhile."""
    found = []
    for folder, _, names in os.walk(place):
        for name in names:
            with contextlib.suppress(OSError):
                path = Path(folder, name)
                if path.is_file() and path.stat().st_mtime >= started:
                    found.append(path)
    return found


@pytest.mark.browser
def test_web_18_no_value_of_a_patient_stays_anywhere_of_what_is_done_with_a_report(
    running: Running, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Through every page of a result, the printing browser included; then looked for wherever something could stay."""
    places = [running.folder, Path(tempfile.gettempdir()), Path("/dev/shm")]
    started = time.time() - 1
    addresses: list[str] = []
    with running.browser() as browser:
        browser.event_hooks["response"].append(lambda one: addresses.append(f"{one.url} {one.headers}"))
        address = reported(browser, age="43.4711", crp="3.4711", pseudonym="CANARY-4711")
        for part in ("", ".json", ".pdf", ".fhir.json", "/plan", "/check"):
            assert browser.get(address + part).status_code == 200, part
        send(browser, f"{address}/plan", {"plan": "4711"})
        send(browser, f"{address}/check", typed(age="CANARY", pseudonym="CANARY-4711"))
        sent = send(browser, f"{address}/check", typed(age="44.4711", pseudonym="CANARY-4711"))
        assert "44.47" in browser.get(sent.headers["location"]).text
        said = browser.get(f"/r/{'4711' * 8}").text + str(dict(browser.cookies))
    written = [path for place in places for path in newer(place, started) if tmp_path not in path.parents]
    assert any(path.suffix == ".jsonl" for path in written), "the audit log at least"
    for path in written:
        with contextlib.suppress(OSError):
            content = path.read_bytes()
            assert b"CANARY-4711" not in content, path.suffix
            if running.folder in path.parents:
                assert b"4711" not in content
    out = "".join(capfd.readouterr()) + caplog.text + said
    assert "4711" not in out.replace("4711" * 8, "")
    assert "CANARY" not in out + "".join(addresses)
    assert not list(Path("/dev/shm").glob("predictor-pdf-*"))
