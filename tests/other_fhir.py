"""Other implementations of FHIR, run by node: two validators, and a server in memory."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from predictor.interoperability.conformance import find_deviations

PROGRAMS = Path(__file__).parent / "interoperability"


def environment(tools: Path) -> dict[str, str]:
    return {**os.environ, "NODE_PATH": str(tools / "node_modules")}


def validate(resources: Sequence[dict[str, Any]], tools: Path) -> list[dict[str, list[Any]]]:
    """What Medplum's and npm's validators say of each resource: errors only."""
    lines = "".join(f"{json.dumps(one)}\n" for one in resources)
    run = subprocess.run(
        ["node", str(PROGRAMS / "validate.cjs")],
        input=lines,
        capture_output=True,
        text=True,
        env=environment(tools),
        check=False,
    )
    assert run.returncode == 0, run.stderr[-500:]
    return [json.loads(line) for line in run.stdout.splitlines()]


def is_known(issue: dict[str, Any], resource: dict[str, Any]) -> bool:
    """Medplum takes ras-2 for broken where there is no probability at all, also in HL7's own examples."""
    predictions = [one for one in resource.get("prediction", []) if isinstance(one, dict)]
    without = bool(predictions) and not any(
        key.startswith("probability") for one in predictions for key in one
    )
    return without and "ras-2" in json.dumps(issue)


def gate(resources: Sequence[dict[str, Any]], tools: Path) -> list[list[str]]:
    """All that the standard's models, our rules and both validators say of each resource."""
    return [
        [
            *find_deviations(one),
            *(
                json.dumps(issue)
                for issue in (*others["medplum"], *others["fhir"])
                if not any(is_known(issue, part) for part in (one, *_parts(one)))
            ),
        ]
        for one, others in zip(resources, validate(resources, tools), strict=True)
    ]


def _parts(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    entries = bundle.get("entry", []) if bundle.get("resourceType") == "Bundle" else []
    return [entry["resource"] for entry in entries]


@contextmanager
def running_server(tools: Path) -> Iterator[str]:
    """Start a FHIR server on loopback, and give its address."""
    server = subprocess.Popen(
        ["node", str(PROGRAMS / "server.cjs")],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(tools),
    )
    assert server.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()
