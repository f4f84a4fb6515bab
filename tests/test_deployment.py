"""What a hospital puts on its machines: the unit and the container file keep what the page for its IT promises."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from machine import lacking
from predictor.service.guard import BATCH_BYTES
from trained_clinics import command_line

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "deploy" / "response-predictor.service"
CONTAINER = ROOT / "deploy" / "Containerfile"
PAGE = ROOT / "docs" / "hospital_it.md"
INDEX_HOSTS = re.compile(r"pypi\.org|pythonhosted|index-url|find-links|trusted-host|https?://", re.IGNORECASE)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a command that exists on this machine: its place is checked too."""
    text = UNIT.read_text(encoding="utf-8")
    command = "/opt/response-predictor/bin/predictor"
    assert f"ExecStart={command} serve " in text
    path = tmp_path / UNIT.name
    path.write_text(text.replace(f"ExecStart={command}", f"ExecStart={sys.executable}"), encoding="utf-8")
    return path


def analyse(*arguments: object) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        lacking("systemd-analyze is not in PATH. Install it, e.g. with `apt-get install systemd`.")
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_systemd_reads_the_unit(unit: Path) -> None:
    found = analyse("verify", unit)
    assert (found.returncode, found.stderr.strip()) == (0, "")


def test_systemd_notices_a_unit_that_is_none(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=stricter"))
    assert "protect system value" in analyse("verify", unit).stderr


def test_the_unit_exposes_as_little_as_the_page_says(unit: Path) -> None:
    found = analyse("security", "--offline=yes", "--threshold=20", unit)
    if "unrecognized option" in found.stderr:
        lacking("this systemd cannot judge a unit offline, as 250 and newer can")
    assert found.returncode == 0, found.stdout[-2000:]
    level = re.search(r"exposure level for \S+: ([\d.]+)", found.stdout)
    assert level
    assert float(level[1]) < 2.0
    assert "gives it less than 2" in " ".join(PAGE.read_text(encoding="utf-8").split())


def test_the_unit_leaves_chromium_what_its_own_sandbox_is_made_of() -> None:
    """Seen by running it: without any of them nothing is printed, and there is no other use for them."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("RestrictNamespaces=")] == [
        "RestrictNamespaces=user pid net"
    ]
    filters = [line for line in lines if line.startswith("SystemCallFilter=")]
    assert filters[-1] == "SystemCallFilter=chroot capset", (
        "what is let in again comes after what is shut out"
    )
    assert "SystemCallFilter=~@privileged @resources" in filters
    assert "MemoryDenyWriteExecute=yes" in lines


def test_the_unit_writes_nowhere_but_its_state_and_leaves_no_core() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    service = parser["Service"]
    assert service["ProtectSystem"] == "strict"
    assert "ReadWritePaths" not in service
    assert service["StateDirectory"] == "response-predictor"
    assert service["StateDirectoryMode"] == "0700"
    assert service["LimitCORE"] == service["MemorySwapMax"] == "0"
    assert service["User"] not in ("root", "")
    assert service["CapabilityBoundingSet"] == ""


def test_the_command_of_the_unit_and_of_the_container_has_these_options() -> None:
    text = (
        UNIT.read_text(encoding="utf-8")
        + CONTAINER.read_text(encoding="utf-8")
        + PAGE.read_text(encoding="utf-8")
    )
    given = set(re.findall(r"--(?:state|host|port|behind-proxy|allow-host|demonstration)\b", text))
    known = command_line("serve", "--help").out
    assert {"--state", "--host", "--port", "--behind-proxy", "--allow-host"} <= given
    assert [one for one in given if one not in known] == []


def lines(text: str) -> list[str]:
    """Instructions of a container file, continued lines joined and comments left out."""
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    return [line.strip() for line in kept.replace("\\\n", " ").splitlines() if line.strip()]


def test_the_container_runs_as_nobody_from_hashed_packages_and_asks_no_index_of_its_own() -> None:
    text = CONTAINER.read_text(encoding="utf-8")
    said = lines(text)
    assert not INDEX_HOSTS.search(text)
    last = max(i for i, line in enumerate(said) if line.startswith("FROM "))
    users = [line for line in said[last:] if line.startswith("USER ")]
    assert users == ["USER 10001:10001"], "who runs it, after the last FROM"
    installs = [line for line in said if "pip install" in line]
    assert installs
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert not [line for line in said if line.startswith("ADD ") or "curl" in line or "wget" in line]
    assert [line for line in said[last:] if line.startswith("RUN ") and "pip" in line] == []
    copied = [line.split()[1:-1] for line in said[:last] if line.startswith("COPY ")]
    assert all((ROOT / name).exists() for names in copied for name in names)


def test_the_builder_is_given_what_it_copies_and_nothing_else() -> None:
    """The folder it is started in may hold patients' exports, runs and keys."""
    ignore = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignore
    copied = [line.split()[1:-1] for line in lines(CONTAINER.read_text(encoding="utf-8")) if "COPY" in line]
    from_here = {name for names in copied for name in names if not name.startswith(("--from", "/"))}
    assert {line[1:] for line in ignore if line.startswith("!")} == from_here


def test_the_proxy_of_the_page_keeps_what_is_typed_off_its_disk_and_passes_what_the_service_counts_by() -> (
    None
):
    block = PAGE.read_text(encoding="utf-8").partition("```nginx")[2].partition("```")[0]
    said = [line.strip() for line in block.splitlines()]
    for line in ("proxy_request_buffering off;", "proxy_buffering off;"):
        assert line in said, "larger forms and reports go through files of nginx's own"
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in said, "not what the browser says of itself"
    assert "proxy_set_header Host $host;" in said
    assert f"client_max_body_size {BATCH_BYTES // 2**20}m;" in said
    unit = re.search(r"--host (\S+) --port (\d+)", UNIT.read_text(encoding="utf-8"))
    assert unit
    assert f"proxy_pass http://{unit[1]}:{unit[2]};" in said


def test_no_page_promises_compliance() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    words = re.compile(r"(HIPAA|GDPR|MDR|FDA)[- ](compliant|certified|approved|conform)", re.IGNORECASE)
    assert [page.name for page in pages if words.search(page.read_text(encoding="utf-8"))] == []


def test_every_safeguard_names_what_is_left_to_the_hospital() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| Safeguard |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert len(rows) >= 11
    assert all(len(row) == 3 and all(row) for row in rows)
    named = " ".join(row[0] for row in rows)
    assert all(f"164.312({part})" in named for part in "abcde")
