"""What the package is made of: known holes, licences, a bill of materials, and wheels that come out the same twice.

Standard library and public tools only. ``python .ci/supply.py audit`` prints *clean*, *found* or *not audited*, and
ends with 0, 1 or 3; it never says clean of what it could not look up. ``release`` audits too, and ends with 0 only when
all is clean or waived in writing: ``.ci/waivers.csv`` names what is waived ("not audited", or a package and its hole as
the audit names them), why, by whom and until which day.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import date, timedelta
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
DEVELOPMENT = ROOT / "requirements-dev.lock"
# With it, a gate that is alive has to fail: CVE-2023-6831 and others.
KNOWN_BAD = "mlflow==2.0.0"
CLEAN, FOUND, NOT_AUDITED = 0, 1, 3
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==([^\s;]+)", re.MULTILINE)
WAIVERS = ROOT / ".ci" / "waivers.csv"
# A waiver is for the weeks until it can be mended, not for ever.
LONGEST_WAIVER = timedelta(days=92)
# Terms that ask for no more than their notice to be kept, or for changes to the package's own files to be published.
PERMITTED = re.compile(
    r"(MIT|MIT-0|MIT-CMU|(3-Clause )?BSD( License)?|0BSD|BSD-[23]-Clause|Apache( Software License|-2\.0)|ISC|Zlib"
    r"|PSF-2\.0|Python Software Foundation|CC0-1\.0|MPL-2\.0|Mozilla Public License 2\.0)( License)?( \(.*\))?"
    r"( WITH LLVM-exception)?"
)
# What a person has read: the licence as the package states it, and why it may stay. Another statement is read anew.
JUDGED = {
    "codespell": ("GPL-2.0-only", "a program that checks our spelling; no part of what is passed on"),
    "huey": ("not stated", "its LICENSE is MIT's text; it comes with MLflow"),
    "psycopg": ("LGPL-3.0-only", "linked as a library, unchanged, and only by who asks for the extra sql"),
    "psycopg-binary": ("LGPL-3.0-only", "as psycopg"),
    "pyphen": (
        "GNU General Public License v2 or later (GPLv2+) / GNU Lesser General Public License v2 or later (LGPLv2+)"
        " / Mozilla Public License 1.1 (MPL 1.1)",
        "the taker chooses, and we take MPL 1.1; only with the extra pdf",
    ),
    "skops": ("not stated", "its LICENSE is MIT's text"),
    # Of other platforms than the one the gate runs on, read from their wheels.
    "brotlicffi": ("not installed here", "MIT; for PyPy"),
    "colorama": ("not installed here", "BSD; for Windows"),
    "pywin32": ("not installed here", "PSF; for Windows"),
    "waitress": ("not installed here", "Zope Public License 2.1, permissive; for Windows"),
}
COPYLEFT = re.compile(r"GPL|General Public", re.IGNORECASE)

Runner = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command and keep what it says."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


def waivers(path: Path = WAIVERS, today: date | None = None) -> dict[str, str]:
    """Return what is waived today, each with who waived it and why; a line that says too little waives nothing."""
    today = today or date.today()
    waived = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            until = date.fromisoformat(row["until"])
            if row["reason"] and row["by"] and today <= until <= today + LONGEST_WAIVER:
                waived[row["waived"]] = f"waived by {row['by']} until {until}: {row['reason']}"
    return waived


def audited(requirements: Path, run: Runner = run, waived: Collection[str] = ()) -> tuple[int, str]:
    """Ask pip-audit about a list of pins; return the verdict and a line that says why.

    Parameters
    ----------
    requirements : Path
        Pins, one a line.
    run : callable
        Runs a command.
    waived : collection of str
        Holes that do not count, as "package hole".
    """
    command = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--no-deps", "--format=json"]
    done = run([*command, "--progress-spinner=off", "-r", str(requirements)])
    asked = len(PIN.findall(requirements.read_text(encoding="utf-8")))
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return NOT_AUDITED, f"pip-audit gave no answer: {last}"
    skipped = [one["name"] for one in packages if "vulns" not in one]
    if skipped or len(packages) != asked:
        return NOT_AUDITED, f"{len(packages) - len(skipped)} of {asked} packages were looked up"
    holes = [f"{one['name']} {hole['id']}" for one in packages for hole in one["vulns"]]
    left = [hole for hole in holes if hole not in waived]
    if left:
        return FOUND, f"{len(left)} known holes: {', '.join(left[:10])}"
    if bool(holes) != bool(done.returncode):
        return NOT_AUDITED, "pip-audit failed"
    return CLEAN, f"{asked} packages" + (f", waived: {', '.join(holes)}" if holes else "")


def audit(lock: Path = DEVELOPMENT, run: Runner = run, waived: Collection[str] | None = None) -> int:
    """Audit a lock, after the gate has found the holes of a version that is known to have some."""
    waived = waivers() if waived is None else waived
    with tempfile.TemporaryDirectory() as folder:
        bad = Path(folder, "bad.txt")
        bad.write_text(f"{KNOWN_BAD}\n", encoding="utf-8")
        verdict, why = audited(bad, run)
        if verdict != FOUND:
            print(f"not audited: the gate did not find the holes of {KNOWN_BAD} ({why})")
            return NOT_AUDITED
        verdicts = [audited(pins, run, waived) for pins in _once_each(lock, Path(folder))]
    worst = (
        FOUND if FOUND in [verdict for verdict, _ in verdicts] else max(verdict for verdict, _ in verdicts)
    )
    word = {CLEAN: "clean", FOUND: "found", NOT_AUDITED: "not audited"}[worst]
    print(f"{word}: " + "; ".join(why for _, why in verdicts))
    return worst


def release(lock: Path = DEVELOPMENT, run: Runner = run, waived: dict[str, str] | None = None) -> int:
    """Return 0 when the audit lets a release go: clean, or not audited and that waived in writing."""
    waived = waivers() if waived is None else waived
    verdict = audit(lock, run, waived)
    if verdict == NOT_AUDITED and "not audited" in waived:
        print(waived["not audited"])
        return CLEAN
    if verdict != CLEAN:
        print("no release: mend it, or waive it in .ci/waivers.csv", file=sys.stderr)
    return verdict


def _once_each(lock: Path, folder: Path) -> list[Path]:
    """Write the pins to files that name no package twice: some have two versions, for different platforms."""
    rounds: list[dict[str, str]] = []
    for name, version in PIN.findall(lock.read_text(encoding="utf-8")):
        free = next((one for one in rounds if name not in one), None)
        if free is None:
            rounds.append(free := {})
        free[name] = version
    files = [folder / f"pins{i}.txt" for i in range(len(rounds))]
    for file, one in zip(files, rounds, strict=True):
        file.write_text("".join(f"{name}=={version}\n" for name, version in one.items()), encoding="utf-8")
    return files


def locked(lock: Path) -> dict[str, Distribution | None]:
    """Return the packages that a lock names, by name, as installed here; None where the lock means other platforms."""
    found = {re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(): one for one in distributions()}
    return {name: found.get(name) for name in sorted(dict(PIN.findall(lock.read_text(encoding="utf-8"))))}


def licence(one: Distribution | None) -> str:
    """Return a package's licence as it states it: SPDX expression, classifiers, or first line of the field."""
    if one is None:
        return "not installed here"
    said = one.metadata.get("License-Expression")
    classified = [
        entry.rpartition(" :: ")[2]
        for entry in one.metadata.get_all("Classifier") or []
        if entry.startswith("License ::") and entry != "License :: OSI Approved"
    ]
    free = (one.metadata.get("License") or "").strip().split("\n")[0]
    return str(said or " / ".join(classified) or free or "not stated")


def objection(name: str, said: str, required: bool) -> str | None:
    """Say why a package may not stay, or None.

    Parameters
    ----------
    name : str
    said : str
        The licence as the package states it.
    required : bool
        Whether the runtime lock names it, so that whoever passes this package on passes it on as well.
    """
    if all(
        any(PERMITTED.fullmatch(choice.strip()) for choice in part.split(" OR "))
        for part in re.split(" AND | / ", said)
    ):
        return None
    if JUDGED.get(name, ("", ""))[0] != said:
        return f"{name}: {said}: read its licence, and name it with the reason in JUDGED if it may stay"
    if required and COPYLEFT.search(said):
        return f"{name}: {said}: may be chosen by who needs it, but not required"
    return None


def licences(lock: Path = DEVELOPMENT, runtime: Path = LOCK) -> int:
    """Print every locked package with its licence; 1 if one of them may not stay."""
    required = locked(runtime)
    bad = []
    for name, one in locked(lock).items():
        said = licence(one)
        print("\t".join([name, one.version if one else "-", said, JUDGED.get(name, ("", ""))[1]]))
        bad.append(objection(name, said, name in required))
    print("\n".join(filter(None, bad)), end="", file=sys.stderr)
    return int(any(bad))


def bill_of_materials() -> dict[str, Any]:
    """Return the locked packages as CycloneDX 1.6, without a time, so that equal locks give equal files."""
    text = LOCK.read_text(encoding="utf-8")
    hashes = {
        PIN.findall(block)[0]: re.findall(r"--hash=sha256:([0-9a-f]{64})", block)
        for block in re.split(r"\n(?=[a-z0-9])", text)
    }
    said = {name: licence(one) for name, one in locked(LOCK).items()}
    components = [
        {
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
            "bom-ref": f"pkg:pypi/{name}@{version}",
            "hashes": [{"alg": "SHA-256", "content": one} for one in sorted(hashes[name, version])],
            "licenses": [{"license": {"name": said[name]}}],
        }
        for name, version in sorted(set(PIN.findall(text)))
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(text.encode()).hexdigest())}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "response-predictor"}},
        "components": components,
    }


def wheels() -> int:
    """Build the wheel twice, from copies in different places, and compare them; print the hash."""
    digests = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "source")
            listed = run(
                ["git", "-C", str(ROOT), "ls-files", "-z", "src", "pyproject.toml", "README.md", "LICENSE"]
            )
            for name in filter(None, listed.stdout.split("\0")):
                target = copy / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes((ROOT / name).read_bytes())
            command = [
                sys.executable,
                "-c",
                "import hatchling.build, sys; hatchling.build.build_wheel(sys.argv[1])",
            ]
            environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
            subprocess.run(
                [*command, folder], cwd=copy, env=environment, check=True, stdout=subprocess.DEVNULL
            )
            (wheel,) = Path(folder).glob("*.whl")
            digests.append(hashlib.sha256(wheel.read_bytes()).hexdigest())
    print(f"{digests[0]}  {wheel.name}" if digests[0] == digests[1] else "the two wheels differ")
    return int(digests[0] != digests[1])


def main() -> int:
    """Do what the one argument says."""
    if sys.argv[1:] == ["sbom"]:
        print(json.dumps(bill_of_materials(), indent=1))
        return 0
    tasks = {"audit": audit, "release": release, "licences": licences, "wheels": wheels}
    if len(sys.argv) != 2 or sys.argv[1] not in tasks:
        print(f"Write one of: {', '.join([*tasks, 'sbom'])}", file=sys.stderr)
        return 2
    return tasks[sys.argv[1]]()


if __name__ == "__main__":
    sys.exit(main())
