"""The reports in a real browser: as print on A4, on a narrow screen, and with hostile content; offline throughout."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from machine import lacking
from predictor.reports.content import InputValue, PredictionReportV1
from predictor.reports.render import render_model_report, render_patient_report
from report_examples import (
    OTHERS,
    arms_report,
    estimate_report,
    group_report,
    inputs,
    model_report,
    refusal_report,
)

pytestmark = pytest.mark.browser

A4_WIDTH = 184 * 96 / 25.4
"""CSS pixels between the margins of an A4 page."""

Browse = Callable[..., str]


@pytest.fixture
def browse(chromium: str, tmp_path: Path) -> Browse:
    """Run headless Chromium with these arguments on a file and give its standard output."""

    def run(file: Path, *arguments: str) -> str:
        quiet = (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            "--proxy-server=127.0.0.1:9",  # nobody listens there: the browser's own requests go nowhere
        )
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        command = [chromium, *quiet, profile, *arguments, file.as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    return run


@pytest.fixture
def printed(browse: Browse, tmp_path: Path) -> Callable[[str], Path]:
    """Print a page to PDF as a clinic's browser would."""
    for tool in ("pdfinfo", "pdftotext"):
        if shutil.which(tool) is None:
            lacking(f"{tool} is not installed. Install it, e.g. with `apt-get install poppler-utils`.")

    def to_pdf(html: str) -> Path:
        page, pdf = tmp_path / "page.html", tmp_path / "page.pdf"
        page.write_text(html, encoding="utf-8")
        browse(page, "--no-pdf-header-footer", f"--print-to-pdf={pdf}")
        return pdf

    return to_pdf


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def pages(pdf: Path) -> list[str]:
    """Give the text of each page, white space squeezed."""
    text = run("pdftotext", "-layout", str(pdf), "-")
    return [" ".join(page.split()) for page in text.split("\f")[:-1]]


def scroll_width(browse: Browse, folder: Path, html: str, width: int) -> int:
    """Load a page in a frame of this width and measure how wide its content is."""
    (folder / "report.html").write_text(html, encoding="utf-8")
    frame = folder / "frame.html"
    frame.write_text(
        f'<iframe id="f" src="report.html" style="width:{width}px;height:900px;border:0"></iframe><script>onload=()=>{{'
        'document.title=String(document.getElementById("f").contentDocument.documentElement.scrollWidth)}</script>',
        encoding="utf-8",
    )
    dom = browse(frame, "--allow-file-access-from-files", "--virtual-time-budget=3000", "--dump-dom")
    found = re.search(r"<title>(\d+)</title>", dom)
    assert found, dom[:500]
    return int(found[1])


@pytest.mark.parametrize("count", [1, 8, 14, 18])
@pytest.mark.parametrize("flags", [{}, {"simulated": True, "research_only": True}])
def test_r1_an_estimate_is_exactly_two_pages(
    printed: Callable[[str], Path], count: int, flags: dict[str, bool]
) -> None:
    pdf = printed(render_patient_report(estimate_report(inputs=inputs(count), **flags)))
    text = pages(pdf)
    assert "(A4)" in run("pdfinfo", str(pdf))
    assert len(text) == 2
    assert "1. The estimate" in text[0]
    assert "Total 48 + 6 − 5 + 4 − 3 + 2 + 1 + 1 54" in text[0]
    assert "4. If the plan were different" in text[1]
    assert "Reviewed by" in text[1]
    for one in inputs(count):
        assert (one.value_text or "— Missing") in text[1]
    for number, page in enumerate(text, start=1):
        assert f"Patient K-0412, report R-7F3A Page {number} of 2" in page
        assert ("SIMULATED DATA" in page) == ("RESEARCH ONLY" in page) == bool(flags)


@pytest.mark.parametrize(("paper", "count"), [("A4", 1), ("A4", 18), ("letter", 14)])
@pytest.mark.parametrize("others", range(1, 4))
def test_r1_other_outcomes_fit_beside_the_estimate(
    printed: Callable[[str], Path], paper: Literal["A4", "letter"], count: int, others: int
) -> None:
    view = estimate_report(inputs=inputs(count), others=OTHERS[:others], simulated=True, research_only=True)
    first, second = pages(printed(render_patient_report(view, paper=paper)))
    for one in OTHERS[:others]:
        assert one.name in first
    assert "In words." in first, "the first page holds all of its sections"
    assert "4. If the plan were different" in second


def test_r1_a_page_that_says_why_it_exists_has_no_sheet_more(printed: Callable[[str], Path]) -> None:
    why = {"research_reason": "A reason " * 20, "override": "Nineteen parameters for few patients. " * 12}
    view = estimate_report(inputs=inputs(14), others=OTHERS, simulated=True, research_only=True)
    first, second = pages(printed(render_patient_report(view.model_copy(update=why))))
    assert "Nineteen parameters" in first
    assert "In words." in second, "the first page is full"
    assert "Reviewed by" in second


def test_more_other_outcomes_than_fit_have_an_annex(printed: Callable[[str], Path]) -> None:
    more = OTHERS[0].model_copy(update={"name": "Remission a month later"})
    view = estimate_report(inputs=inputs(18), others=(*OTHERS, more))
    first, _, annex = pages(printed(render_patient_report(view)))
    assert "4 other outcomes with this plan stands in the annex" in first
    assert "Remission a month later" in annex


@pytest.mark.parametrize("count", [19, 40])
def test_r1_more_inputs_add_one_annex_page(printed: Callable[[str], Path], count: int) -> None:
    text = pages(printed(render_patient_report(estimate_report(inputs=inputs(count)))))
    assert len(text) == 3
    assert "Annex: inputs" in text[2]
    assert all((one.value_text or "— Missing") in text[2] for one in inputs(count))
    assert "72 days ago" in text[1]


@pytest.mark.parametrize("view", [group_report, arms_report, refusal_report])
def test_r1_many_inputs_begin_behind_a_short_page_and_not_on_a_new_sheet(
    printed: Callable[[str], Path], view: Callable[..., PredictionReportV1]
) -> None:
    found = pages(printed(render_patient_report(view(inputs=inputs(40)))))
    assert len(found) == 2
    assert "Annex: inputs" in "".join(found)
    assert all(len(page) > 400 for page in found), "no sheet with a stray row"


def test_r1_letter_paper(printed: Callable[[str], Path]) -> None:
    pdf = printed(render_patient_report(estimate_report(inputs=inputs(14)), paper="letter"))
    assert "(letter)" in run("pdfinfo", str(pdf))
    assert len(pages(pdf)) == 2


@pytest.mark.parametrize("view", [group_report(), arms_report()], ids=["one group", "arms"])
def test_r1_a_group_page_answers_on_its_first_sheet_and_leaves_no_stray_row(
    printed: Callable[[str], Path], view: PredictionReportV1
) -> None:
    """Fourteen inputs go to a second sheet with the signature; few stay on the first."""
    text = pages(printed(render_patient_report(view)))
    assert len(text) == 2
    assert "patients who started" in text[0]
    assert "Suicidality not assessed" in text[0]
    assert "5. Inputs recorded" in text[1]
    assert "Reviewed by" in text[1]
    few = pages(printed(render_patient_report(view.model_copy(update={"inputs": inputs(3)}))))
    assert len(few) == 1


def test_r1_a_refusal_is_one_sheet(printed: Callable[[str], Path]) -> None:
    text = pages(printed(render_patient_report(refusal_report(simulated=True))))
    assert len(text) == 1
    assert "of 100" not in text[0]


def test_the_model_report_marks_every_page(printed: Callable[[str], Path]) -> None:
    text = pages(printed(render_model_report(model_report(simulated=True))))
    assert len(text) >= 3
    assert all("SIMULATED DATA" in page and "DRAFT" in page for page in text)
    assert all(len(page) > 300 for page in text)


@pytest.mark.parametrize(
    "view",
    [estimate_report(simulated=True), group_report(), arms_report(), refusal_report()],
    ids=lambda view: view.report.kind,
)
@pytest.mark.parametrize("width", [320, int(A4_WIDTH)])
def test_r3_a_patient_report_never_scrolls_sideways(
    browse: Browse, tmp_path: Path, view: PredictionReportV1, width: int
) -> None:
    assert scroll_width(browse, tmp_path, render_patient_report(view), width) <= width


@pytest.mark.parametrize("width", [320, 700])
def test_the_model_report_never_scrolls_sideways(browse: Browse, tmp_path: Path, width: int) -> None:
    assert scroll_width(browse, tmp_path, render_model_report(model_report()), width) <= width


def test_the_measure_sees_a_page_that_is_too_wide(browse: Browse, tmp_path: Path) -> None:
    assert scroll_width(browse, tmp_path, '<div style="width:500px">wide</div>', 320) >= 500


def test_long_words_do_not_widen_a_page(browse: Browse, tmp_path: Path) -> None:
    long = InputValue(field="x", label="L" * 200, value_text="9" * 200, note="N" * 200)
    html = render_patient_report(estimate_report(inputs=(long,)))
    assert scroll_width(browse, tmp_path, html, 320) <= 320


LONG_LABELS = {
    "latin": "Donaudampfschifffahrt " * 9,
    "arabic": "مستوى الالتهاب في الدم " * 9,
    "chinese": "血清脑源性神经营养因子浓度" * 15,
    "combining": "Ẓ̌a\u0301lgo\u0323\u0302 " * 25,
}


def test_rpt_02_long_labels_of_every_script_and_forty_inputs_fit(
    browse: Browse, printed: Callable[[str], Path], tmp_path: Path
) -> None:
    """A pseudonym of 24 wide letters, labels of 200 characters among forty inputs, and in the list of contributions."""
    labels = [text.ljust(200, "x")[:200] for text in LONG_LABELS.values()]
    rows = tuple(
        one.model_copy(update={"label": labels[i]} if i < 4 else {}) for i, one in enumerate(inputs(40))
    )
    whole = estimate_report(inputs=rows)
    assert whole.contributions is not None
    moved = tuple(
        one.model_copy(update={"label": labels[i % 4], "phrase": "", "value_text": labels[i % 4]})
        for i, one in enumerate(whole.contributions.rows)
    )
    view = whole.model_copy(
        update={
            "patient": whole.patient.model_copy(update={"pseudonym": "W" * 24}),
            "contributions": whole.contributions.model_copy(update={"rows": moved}),
        }
    )
    html = render_patient_report(view)
    text = pages(printed(html))
    assert len(text) <= 4  # two pages, and an annex as long as its labels
    assert text[0].count("In words.") == 1
    assert "4. If the plan were different" in text[1]
    assert "Reviewed by" in text[1]
    assert "Annex: inputs" in text[2]
    annex = " ".join(text[2:])
    assert all((one.value_text or "— Missing") in annex for one in rows)
    assert all("W" * 24 in page for page in text)
    assert scroll_width(browse, tmp_path, html, 320) <= 320
    assert scroll_width(browse, tmp_path, html, int(A4_WIDTH)) <= int(A4_WIDTH)


def test_r4_the_pdf_holds_every_value_and_the_sum(printed: Callable[[str], Path]) -> None:
    text = " ".join(pages(printed(render_patient_report(estimate_report(inputs=inputs(18))))))
    for one in inputs(18):
        assert one.value_text is None or one.value_text in text
        words = " ".join((one.label, one.unit_text, one.source, one.note)).split()
        assert [word for word in words if word not in text] == []
    assert text.count("— Missing") == 3  # two inputs, one of them among the contributions as well
    assert "Total 48 + 6 − 5 + 4 − 3 + 2 + 1 + 1 54" in text


SCRIPTS = (
    "<script>document.title='pwned'</script>",
    '"><img src=x onerror="document.title=\'pwned\'">',
    "</style><script>document.title='pwned'</script>",
    "<svg onload=\"document.title='pwned'\">",
    "{{7*7}}",
    "javascript:document.title='pwned'",
)


def hostile_report() -> PredictionReportV1:
    rows = tuple(
        InputValue(field=f"x{index}", label=text, value_text=text, note=text)
        for index, text in enumerate(SCRIPTS)
    )
    whole = estimate_report(inputs=rows)
    patient = whole.patient.model_copy(update={"pseudonym": "</style><script>//", "sex": SCRIPTS[0]})
    model = whole.model.model_copy(update={"title": SCRIPTS[2], "owner": SCRIPTS[1]})
    return whole.model_copy(update={"patient": patient, "model": model})


@pytest.mark.parametrize("policy", [True, False], ids=["with its policy", "without its policy"])
def test_rpt_01_hostile_texts_run_no_script(browse: Browse, tmp_path: Path, *, policy: bool) -> None:
    html = render_patient_report(hostile_report())
    if not policy:  # escaping alone has to hold
        html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    page = tmp_path / "page.html"
    page.write_text(html, encoding="utf-8")
    dom = browse(page, "--virtual-time-budget=2000", "--dump-dom")
    assert "<title>Treatment response estimate, report R-7F3A</title>" in dom
    assert "<script" not in dom
    assert "<img" not in dom
    assert "{{7*7}}" in dom


def test_hostile_texts_are_printed_literally(printed: Callable[[str], Path]) -> None:
    pdf = printed(
        render_patient_report(
            refusal_report(inputs=(InputValue(field="x", label="{{7*7}}", value_text="<b>9</b>"),))
        )
    )
    text = pages(pdf)[0]
    assert "{{7*7}}" in text
    assert "<b>9</b>" in text


class Proxy:
    """Write down the first line of everything a browser sends out, and answer nothing."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:  # closed at the end of the test
                return
            with client:
                self.requests.append(client.recv(4096).decode("latin-1").partition("\r\n")[0])

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    running = Proxy()
    yield running
    running.close()


def load_through(browse: Browse, proxy: Proxy, file: Path, html: str) -> list[str]:
    """Load a page with every request sent to the proxy, and give those that the page made.

    Chromium asks its maker for updates whatever its flags say, and drops connections unused when it closes;
    neither is the page's.
    """
    file.write_text(html, encoding="utf-8")
    browse(
        file,
        f"--proxy-server={proxy.address}",
        "--proxy-bypass-list=<-loopback>",
        "--virtual-time-budget=2000",
        "--dump-dom",
    )
    own = re.compile(r"\S+ (https?://)?[\w.-]+\.(google|googleapis|gvt1)\.com[:/]")
    return [line for line in proxy.requests if line and not own.match(line)]


@pytest.mark.parametrize(
    "html",
    [render_patient_report(hostile_report()), render_model_report(model_report())],
    ids=["patient", "model"],
)
def test_rpt_06_a_report_asks_the_network_for_nothing(
    browse: Browse, proxy: Proxy, tmp_path: Path, html: str
) -> None:
    assert load_through(browse, proxy, tmp_path / "page.html", html) == []


def test_the_proxy_sees_a_page_that_does(browse: Browse, proxy: Proxy, tmp_path: Path) -> None:
    asked = load_through(browse, proxy, tmp_path / "page.html", '<img src="http://example.invalid/x.png">')
    assert any("example.invalid" in line for line in asked)
