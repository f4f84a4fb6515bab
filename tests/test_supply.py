"""What the package is made of: the gates of .ci/supply.py are alive, and never call clean what they did not look up."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import runpy
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from faults import smallest_clinic, stop_after, train_here
from model_examples import example_model, rehash
from predictor.errors import ModelError, RefusedError
from predictor.prediction_model import load_prediction_model, save_prediction_model
from predictor.run_store import verify_run
from predictor.stopping import Stopped
from trained_clinics import command_line, new_patients, trained, write_clinic

ROOT = Path(__file__).parents[1]
SUPPLY = runpy.run_path(str(ROOT / ".ci" / "supply.py"))


def answering(*answers: Any) -> Any:
    """Answer as pip-audit does, in its JSON format, one answer after the other; an int is an exit without one."""
    waiting = list(answers)

    def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        assert "--strict" in command
        answer = waiting.pop(0)
        if isinstance(answer, int):
            return subprocess.CompletedProcess(command, answer, "", "ERROR: no connection\n")
        holes = any(one.get("vulns") for one in answer)
        return subprocess.CompletedProcess(command, int(holes), json.dumps({"dependencies": answer}), "")

    return run


BAD = [{"name": "mlflow", "version": "2.0.0", "vulns": [{"id": "PYSEC-2023-1"}]}]


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "a.lock"
    path.write_text("one==1.0 \\\n    --hash=sha256:00\ntwo[extra]==2.0 \\\n    --hash=sha256:00\n")
    return path


def clean(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "version": "1", "vulns": []} for name in names]


def test_ops_01_the_gate_proves_itself_on_a_version_with_known_holes(
    lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert SUPPLY["audit"](lock, answering(BAD, clean("one", "two"))) == 0
    assert capsys.readouterr().out == "clean: 2 packages\n"
    # An audit that finds nothing wrong with mlflow 2.0.0 is no audit, whatever it says about the lock.
    assert SUPPLY["audit"](lock, answering(clean("mlflow"), clean("one", "two"))) == 3
    assert capsys.readouterr().out.startswith("not audited: the gate did not find the holes of mlflow==2.0.0")


def test_ops_01_both_versions_of_a_package_are_looked_up(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    path.write_text('one==1.0 ; python_version < "3.12"\none==2.0 ; python_version >= "3.12"\n')
    holed = [{"name": "one", "version": "2.0", "vulns": [{"id": "CVE-2"}]}]
    assert SUPPLY["audit"](path, answering(BAD, clean("one"), holed)) == 1
    assert SUPPLY["audit"](path, answering(BAD, clean("one"), clean("one"))) == 0


def test_ops_01_a_hole_in_the_lock_is_named(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holed = [*clean("one"), {"name": "two", "version": "2.0", "vulns": [{"id": "CVE-1"}]}]
    assert SUPPLY["audit"](lock, answering(BAD, holed)) == 1
    assert capsys.readouterr().out == "found: 1 known holes: two CVE-1\n"


@pytest.mark.parametrize(
    "answer",
    [1, 0, clean("one"), [*clean("one"), {"name": "two", "skip_reason": "not reached"}], []],
    ids=["fails", "says nothing", "leaves one out", "skips one", "looks up none"],
)
def test_ops_02_what_was_not_looked_up_is_never_called_clean(
    lock: Path, capsys: pytest.CaptureFixture[str], answer: Any
) -> None:
    assert SUPPLY["audit"](lock, answering(BAD, answer)) == 3
    assert capsys.readouterr().out.startswith("not audited: ")


def test_ops_02_the_real_gate_without_a_way_out_says_not_audited() -> None:
    """Also where pip-audit itself is missing: both are no audit."""
    nowhere = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), "http://127.0.0.1:9")
    run = subprocess.run(
        [sys.executable, ".ci/supply.py", "audit"],
        cwd=ROOT,
        env={**os.environ, **nowhere, "NO_PROXY": "", "no_proxy": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 3
    assert run.stdout.startswith("not audited: ")


def tiny_wheel(folder: Path) -> tuple[Path, str]:
    """Write a wheel of one empty module; return it and its SHA-256."""
    wheel = folder / "tinything-1.0-py3-none-any.whl"
    files = {
        "tinything.py": "",
        "tinything-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tinything\nVersion: 1.0\n",
        "tinything-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "tinything-1.0.dist-info/RECORD"
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},"
        f"{len(text)}"
        for name, text in files.items()
    ]
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, record: "\n".join([*lines, f"{record},,"]) + "\n"}.items():
            archive.writestr(name, text)
    return wheel, hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_ops_02_a_release_is_blocked_unless_waived_in_writing(
    lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert SUPPLY["release"](lock, answering(BAD, clean("one", "two")), {}) == 0
    assert SUPPLY["release"](lock, answering(BAD, 1), {}) == 3
    assert "no release" in capsys.readouterr().err
    # The audit itself still says what it is.
    assert SUPPLY["release"](lock, answering(BAD, 1), {"not audited": "waived by A. Person"}) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("not audited: ")
    # Who waived that nothing could be looked up has not waived what was found.
    holed = [*clean("one"), {"name": "two", "version": "2.0", "vulns": [{"id": "CVE-1"}, {"id": "CVE-2"}]}]
    assert SUPPLY["release"](lock, answering(BAD, holed), {"not audited": "waived"}) == 1
    assert SUPPLY["release"](lock, answering(BAD, holed), {"two CVE-1": "waived"}) == 1
    assert SUPPLY["release"](lock, answering(BAD, holed), dict.fromkeys(["two CVE-1", "two CVE-2"], "")) == 0


def test_ops_02_a_waiver_needs_a_reason_a_name_and_an_end(tmp_path: Path) -> None:
    path = tmp_path / "waivers.csv"
    lines = ["waived,reason,by,until"]
    for what, reason, by, until in (
        ("two CVE-1", "not reachable in our use", "A. Person", "2026-03-01"),
        ("two CVE-2", "", "A. Person", "2026-03-01"),
        ("two CVE-3", "not reachable", "", "2026-03-01"),
        ("two CVE-4", "it ended yesterday", "A. Person", "2026-01-31"),
        ("two CVE-5", "for ever", "A. Person", "9999-12-31"),
    ):
        lines.append(f"{what},{reason},{by},{until}")
    path.write_text("\n".join(lines) + "\n")
    waived = SUPPLY["waivers"](path, date(2026, 2, 1))
    assert waived == {
        "two CVE-1": "waived by A. Person until 2026-03-01: not reachable in our use",
    }
    assert SUPPLY["waivers"](path, date(2026, 3, 2)) == {}
    header = (ROOT / ".ci" / "waivers.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == lines[0]


@pytest.mark.parametrize("changed", [False, True], ids=["as it is", "one digit changed"])
def test_ops_03_a_lock_with_a_changed_hash_is_refused(tmp_path: Path, changed: bool) -> None:
    """By pip, with the options that the Makefile uses."""
    wheel, sha = tiny_wheel(tmp_path)
    if changed:
        sha = f"{(int(sha[0], 16) + 1) % 16:x}{sha[1:]}"
    lock = tmp_path / "tiny.lock"
    lock.write_text(f"tinything==1.0 \\\n    --hash=sha256:{sha}\n")
    command = [
        sys.executable,
        "-m",
        "pip",
        "--isolated",
        "install",
        "--require-hashes",
        "--no-index",
        "--no-deps",
    ]
    command += ["--find-links", str(wheel.parent), "--target", str(tmp_path / "out"), "-r", str(lock)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (run.returncode == 0) != changed, run.stderr
    assert (tmp_path / "out" / "tinything.py").exists() != changed
    assert not changed or "DO NOT MATCH THE HASHES" in run.stderr
    assert "--require-hashes -r $<" in (ROOT / "Makefile").read_text(encoding="utf-8")


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_ops_06_an_old_model_folder_is_read_or_refused_and_never_changed(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_prediction_model(example_model(), folder)
    # What a later version added is missing in a folder from before it.
    for name, key in (("applicability.json", "distance"), ("scorer.json", "line")):
        content = json.loads((folder / name).read_bytes())
        del content[key]
        (folder / name).write_text(json.dumps(content))
    rehash(folder)
    before = hashes(folder)
    old = load_prediction_model(folder)
    assert old.distance is None
    assert hashes(folder) == before
    rehash(folder, format=1)
    before = hashes(folder)
    with pytest.raises(ModelError, match=r"ART-03 the folder has another format than 2.*train again"):
        load_prediction_model(folder)
    assert hashes(folder) == before


def test_ops_06_an_old_run_folder_is_read_and_never_changed(tmp_path: Path) -> None:
    """A run from before a version wrote what later ones write, with a model from then."""
    run = Path(shutil.copytree(trained().folder, tmp_path / "runs" / trained().folder.name))
    for name in ("optimism.csv", "tripod_ai.csv", "characteristics.csv", "methods.txt", "model_card.json"):
        (run / name).unlink()
    schema = json.loads((run / "model" / "applicability.json").read_bytes())
    del schema["distance"]
    (run / "model" / "applicability.json").write_text(json.dumps(schema))
    rehash(run / "model")
    files = [path for path in sorted(run.rglob("*")) if path.is_file() and path.name != "hashes.json"]
    digests = {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    (run / "hashes.json").write_text(json.dumps(digests))
    before = {path: path.read_bytes() for path in [*files, run / "hashes.json"]}
    assert verify_run(run) == ()
    patients = tmp_path / "new.csv"
    new_patients(3).drop(columns="patient").to_csv(patients, index=False)
    found = command_line("predict", run, patients, "--out", tmp_path / "answers.csv")
    assert found.code == 0, found.err
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 1 + 3
    assert command_line("report", run, patients, "--out", tmp_path / "reports").code == 0
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_ops_06_an_unfinished_run_of_an_older_version_is_left_alone_and_said(tmp_path: Path) -> None:
    clinic = smallest_clinic(tmp_path / "clinic")
    stop, progress = stop_after("nested cross-validation", 3)
    with pytest.raises(Stopped):
        train_here(clinic, runs=tmp_path / "runs", stop=stop, progress=progress)
    (old,) = (tmp_path / "runs").glob("*.partial")
    # The version that began it had another source: another hash of the software stands in its journal.
    journal = (old / "journal.jsonl").read_text()
    began = json.loads(journal.splitlines()[0])["hashes"]["software"]
    (old / "journal.jsonl").write_text(journal.replace(began, "0" * 64))
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    with pytest.raises(RefusedError, match=r"TRN-18 the software .* changed since the run was begun"):
        train_here(clinic, runs=tmp_path / "runs", resume=old.name[:10])
    training = train_here(clinic, runs=tmp_path / "runs")
    assert "other software" in training.notices[0]
    assert {path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == before


# Every socket of the process and of its children, noted by the interpreter's own audit events.
WATCH = """
import os, sys

def note(event, args):
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"):
        address = args[0] if event == "socket.getaddrinfo" else args[1]
        if event == "socket.getaddrinfo" or isinstance(address, tuple):
            with open(os.environ["SOCKET_LOG"], "a") as log:
                log.write(f"{event} {address}\\n")

sys.addaudithook(note)
"""


def listening(pid: int) -> set[str]:
    """Local ends of the TCP sockets on which a process or one of its children listens."""
    family = [pid, *children(pid)]
    inodes = set()
    for one in family:
        for link in Path(f"/proc/{one}/fd").glob("*"):
            try:
                inodes.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
    lines = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
    ]
    return {parts[1] for parts in lines if parts[3] == "0A" and parts[9] in inodes}


def children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    found = [int(one) for one in text.split()]
    return found + [grandchild for one in found for grandchild in children(one)]


def watched(tmp_path: Path, cwd: Path, *arguments: str) -> tuple[int, list[str], set[str]]:
    """Run the command line under watch; return its status, what its sockets did, and what it listened on."""
    hooks, log = tmp_path / "hooks", tmp_path / "sockets"
    hooks.mkdir(exist_ok=True)
    (hooks / "sitecustomize.py").write_text(WATCH)
    log.touch()
    path = os.pathsep.join([str(hooks), *filter(None, sys.path)])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    command = [sys.executable, "-c", "from predictor.cli import main; main()", *arguments]
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**environment, "PYTHONPATH": path, "SOCKET_LOG": str(log)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ports: set[str] = set()
    while process.poll() is None:
        ports |= listening(process.pid)
        time.sleep(0.05)
    return process.returncode, log.read_text().splitlines(), ports


def outward(sockets: list[str]) -> list[str]:
    """Leave out urllib3's question whether the machine has IPv6: it binds a port of loopback, and never listens."""
    return [line for line in sockets if line != "socket.bind ('::1', 0)"]


@pytest.mark.slow
def test_ops_07_nothing_leaves_the_machine_and_nobody_listens_while_training_and_predicting(
    tmp_path: Path,
) -> None:
    clinic = write_clinic(tmp_path / "clinic")
    status, sockets, ports = watched(tmp_path, clinic.folder, "train", "config.yaml", "--workers", "2")
    assert (status, outward(sockets), ports) == (0, [], set())
    run = next((clinic.folder / "experiments" / "runs").glob("*/model")).parent
    template = tmp_path / "t.csv"
    template.write_text("age,sex,site,madrs,crp,arm\n40,female,north,30,2.5,ketamine\n")
    for command in ("predict", "report"):
        out = str(tmp_path / f"{command}_out")
        status, sockets, ports = watched(
            tmp_path, clinic.folder, command, str(run), str(template), "--out", out
        )
        assert (status, outward(sockets), ports) == (0, [], set())


def test_ops_07_the_watch_sees_sockets(tmp_path: Path) -> None:
    """What finds nothing must be able to find something."""
    code = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(1, flush=True); time.sleep(30)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    assert len(listening(process.pid)) == 1
    assert listening(os.getpid()) >= listening(process.pid)
    process.kill()
    process.wait()
    process.stdout.close()
    hooks = tmp_path / "sitecustomize.py"
    hooks.write_text(WATCH)
    code = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())"
    )
    log = tmp_path / "log"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "SOCKET_LOG": str(log)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert {line.split()[0] for line in log.read_text().splitlines()} == {
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
    }


# Licences, bill of materials, wheels


@pytest.mark.parametrize(
    ("said", "stays"),
    [
        ("MIT", True),
        ("BSD-2-Clause AND Apache-2.0 WITH LLVM-exception", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("Mozilla Public License 2.0 (MPL 2.0)", True),
        ("ISC License (ISCL)", True),
        ("MIT AND GPL-2.0-only", False),
        ("GNU General Public License v3 (GPLv3) / MIT License", False),
        ("LGPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("Business Source License 1.1", False),
        ("MITigated, ask our sales department", False),
        ("not stated", False),
    ],
)
def test_licences_that_may_stay_are_told_from_those_that_a_person_must_read(said: str, stays: bool) -> None:
    assert (SUPPLY["objection"]("some-package", said, False) is None) == stays


def test_what_was_judged_is_judged_anew_when_it_changes_and_copyleft_is_never_required() -> None:
    objection = SUPPLY["objection"]
    for name, (said, reason) in SUPPLY["JUDGED"].items():
        assert reason
        assert objection(name, said, False) is None
        assert objection(name, "Another Licence 1.0", False) is not None
    assert "not required" in objection("psycopg", "LGPL-3.0-only", True)
    assert "not required" in objection("codespell", "GPL-2.0-only", True)


def test_no_locked_package_has_a_licence_that_nobody_has_permitted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert SUPPLY["licences"]() == 0
    named = {line.split("\t")[0] for line in capsys.readouterr().out.splitlines()}
    text = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    assert named == dict(SUPPLY["PIN"].findall(text)).keys()
    assert set(SUPPLY["JUDGED"]) <= named, "judged, and no longer locked"


def test_a_package_that_may_not_stay_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "a.lock"
    lock.write_text("codespell==2.4.3\nno-such-package==1.0\n")
    assert SUPPLY["licences"](lock, lock) == 1
    said = capsys.readouterr().err
    assert "codespell: GPL-2.0-only" in said
    assert "no-such-package: not installed here" in said


def test_the_bill_of_materials_is_the_lock() -> None:
    bill = SUPPLY["bill_of_materials"]()
    assert bill == SUPPLY["bill_of_materials"]()
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert {f"{one['name']}=={one['version']}" for one in bill["components"]} == {
        f"{name}=={version}" for name, version in SUPPLY["PIN"].findall(text)
    }
    assert all(one["hashes"] for one in bill["components"])
    names = [one["bom-ref"] for one in bill["components"]]
    assert len(names) == len(set(names)) > 80


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_two_wheels_are_identical(capsys: pytest.CaptureFixture[str]) -> None:
    assert SUPPLY["wheels"]() == 0
    assert "response_predictor-" in capsys.readouterr().out
