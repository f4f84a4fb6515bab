"""RPT-05: a browser that is missing, crashes or hangs; programs of the operating system stand where Chromium would."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pypdf import PdfReader

from predictor.api import report
from predictor.errors import ResourceError
from predictor.reports import pdf
from predictor.reports.pdf import print_pdf
from predictor.reports.render import render_patient_report
from report_examples import estimate_report, group_report, refusal_report
from trained_clinics import command_line, new_patients, trained

CRASHES, HANGS = "#!/bin/sh\nexit 139\n", "#!/bin/sh\nsleep 600 & echo $! > children\nsleep 600\n"


def instead_of_chromium(folder: Path, patch: pytest.MonkeyPatch, program: str = "") -> None:
    """Let the search path lead to this program under Chromium's name, and to the few that it uses."""
    folder.mkdir()
    if program:
        path = folder / "chromium"
        path.write_text(program, encoding="utf-8")
        path.chmod(0o755)
        for name in ("sh", "sleep"):
            (folder / name).symlink_to(f"/bin/{name}")
    patch.setenv("PATH", str(folder))


@pytest.fixture
def no_weasyprint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)  # what an import then finds is nothing


@pytest.mark.usefixtures("no_weasyprint")
@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("", "Chromium is not installed"),
        (CRASHES, "Chromium ended with code 139 and without a PDF"),
        (HANGS, "Chromium did not answer within 1 seconds"),
        ("no program at all", "Chromium cannot be started (Exec format error)"),
    ],
    ids=["missing", "crashes", "hangs", "broken"],
)
def test_rpt_05_without_a_browser_the_reason_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    instead_of_chromium(tmp_path / "bin", monkeypatch, program)
    begun = time.monotonic()
    with pytest.raises(ResourceError) as caught:
        print_pdf("<p>Anna</p>", seconds=1.0)
    assert time.monotonic() - begun < 10
    (problem,) = caught.value.problems
    assert (problem.code, caught.value.exit_code) == ("ENV-04", 5)
    assert said in problem.message
    assert "Anna" not in str(problem)


def has_ended(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text(encoding="utf-8").rpartition(") ")[2][0] in "ZX"


@pytest.mark.usefixtures("no_weasyprint")
def test_rpt_05_a_browser_that_hangs_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "children"
    instead_of_chromium(
        tmp_path / "bin", monkeypatch, HANGS.replace("> children", f"> {note}; echo $$ >> {note}")
    )
    with pytest.raises(ResourceError):
        print_pdf("<p>x</p>", seconds=1.0)
    started = [int(line) for line in note.read_text(encoding="utf-8").split()]
    assert len(started) == 2
    deadline = time.monotonic() + 5
    while not all(map(has_ended, started)):
        assert time.monotonic() < deadline, "a process is left"
        time.sleep(0.05)
    with pytest.raises(ChildProcessError):  # and none of ours is waited for by nobody
        os.waitpid(started[1], os.WNOHANG)


@pytest.mark.usefixtures("no_weasyprint")
def test_rpt_05_html_and_json_are_there_when_printing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patients, out = tmp_path / "patients.csv", tmp_path / "out"
    new_patients(2).to_csv(patients, index=False)
    model = trained().folder
    instead_of_chromium(tmp_path / "bin", monkeypatch, CRASHES)
    answer = command_line("report", model, patients, "--out", out, "--pdf")
    assert answer.code == 5
    assert "ENV-04 the report was not printed: Chromium ended with code 139" in answer.err
    names = sorted(path.name for path in out.iterdir())
    assert names == ["patient_0001.html", "patient_0001.json", "patient_0002.html", "patient_0002.json"]
    assert (out / "patient_0002.html").read_text(encoding="utf-8").rstrip().endswith("</html>")


UNDER_THE_UNIT = """
import ctypes, sys
from predictor.reports.pdf import print_pdf
SET_MDWE, REFUSE_EXEC_GAIN = 65, 1  # linux/prctl.h
if ctypes.CDLL(None).prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0):
    sys.exit(77)
sys.modules["weasyprint"] = None
sys.stdout.buffer.write(print_pdf("<h1>Printed</h1>"))
"""


@pytest.mark.browser
def test_chromium_prints_where_no_memory_may_be_written_and_run() -> None:
    """As under `MemoryDenyWriteExecute` of deploy/response-predictor.service."""
    done = subprocess.run([sys.executable, "-c", UNDER_THE_UNIT], capture_output=True, check=False)
    if done.returncode == 77:
        pytest.skip("this kernel denies it to nobody: Linux 6.3 is the first")
    assert done.returncode == 0, done.stderr.decode()
    (page,) = PdfReader(io.BytesIO(done.stdout)).pages
    assert "Printed" in page.extract_text()


def test_rpt_05_weasyprint_prints_where_there_is_no_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("weasyprint")
    monkeypatch.setattr(pdf, "BROWSERS", ())
    for paper, size in (("A4", (595, 842)), ("letter", (612, 792))):
        path = tmp_path / f"{paper}.pdf"
        path.write_bytes(print_pdf(render_patient_report(estimate_report(), paper=paper)))  # type: ignore[arg-type]
        read = PdfReader(path)
        text = " ".join(" ".join(page.extract_text() for page in read.pages).split())
        assert len(read.pages) == 2
        box = read.pages[0].mediabox
        assert (round(float(box.width)), round(float(box.height))) == size
        assert "Plausible range: 41 to 66 of 100" in text
        assert "Page 2 of 2" in text
        assert read.trailer["/Root"]["/MarkInfo"]["/Marked"]


@pytest.mark.parametrize(
    ("view", "pages"), [(group_report(), 2), (refusal_report(), 1)], ids=["group", "refusal"]
)
def test_rpt_05_weasyprint_prints_the_other_pages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, view: object, pages: int
) -> None:
    pytest.importorskip("weasyprint")
    monkeypatch.setattr(pdf, "BROWSERS", ())
    path = tmp_path / "page.pdf"
    path.write_bytes(print_pdf(render_patient_report(view)))  # type: ignore[arg-type]
    assert len(PdfReader(path).pages) == pages


def test_a_name_in_the_place_of_a_pseudonym_is_noticed_by_row(tmp_path: Path) -> None:
    frame = new_patients(3)
    frame.loc[1, "patient"] = "Anna Example"
    told: list[str] = []
    report(trained().folder, frame, tmp_path / "out", notify=told.append)
    assert told == ["row 2: The pseudonym looks like a name: do not enter a name or record number"]
