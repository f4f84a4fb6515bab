"""The clock of CI from a bare copy to the first report: it fails where the report is late or does not come."""

from __future__ import annotations

import runpy
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIRST_REPORT = runpy.run_path(str(ROOT / ".ci" / "first_report.py"))
PLACE = "experiments/runs/20260302T093000-x-000000/patient_reports"
WRITE = f"mkdir -p {PLACE} && echo x > {PLACE}/example_1.html"


@pytest.mark.parametrize(
    ("script", "limit", "code", "said"),
    [
        (WRITE, 60.0, 0, "first report after 0 s"),
        (f"sleep 1 && {WRITE}", 0.5, 1, "promised are 0 s to the first report"),
        (f"{WRITE} && exit 3", 60.0, 1, "No first report: sh -c"),
        ("true", 60.0, 1, "ended with 0."),
    ],
)
def test_ops_05_the_clock_passes_a_report_in_time_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], script: str, limit: float, code: int, said: str
) -> None:
    assert FIRST_REPORT["first_report"](tmp_path, ["sh", "-c", script], limit=limit) == code
    assert said in capsys.readouterr().out


def test_ops_05_ci_starts_the_clock_before_anything_is_installed_and_gives_the_readmes_command() -> None:
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\npython3 .ci/first_report.py\n" in steps
    assert steps.index("first_report.py") < steps.index("make check")
    assert FIRST_REPORT["LIMIT"] == 15 * 60
    assert f"{' '.join(FIRST_REPORT['COMMAND'])}     # trains on the three open trials" in (
        ROOT / "README.md"
    ).read_text(encoding="utf-8")


def test_ops_05_the_copy_holds_what_git_lists_and_no_environment(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / ".venv").mkdir(parents=True)
    (source / "sub").mkdir()
    for name in ("a.txt", "sub/new.txt", ".venv/b.txt"):
        (source / name).write_text("x")
    (source / ".gitignore").write_text(".venv\n")
    subprocess.run(["git", "init", "-q"], cwd=source, check=True)
    subprocess.run(["git", "add", "a.txt"], cwd=source, check=True)
    FIRST_REPORT["copy_files"](source, target)
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert found == {".gitignore", "a.txt", "sub/new.txt"}
