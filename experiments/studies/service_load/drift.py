"""Did an estimate become dearer? Its CPU beside that of the smallest answers in Python alone, measured in turns.

    python drift.py [--record] [--place FOLDER]

Fails when the ratio is more than a quarter above the one in drift.json. Machines differ and are busy; what became
dearer is dearer in every comparison, so that the first within bounds passes and only `TRIES` beyond them fail.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import Client
from study import HERE, Running, cpu_seconds, running, warmed

MOST_DRIFT, TRIES = 1.25, 3
ROUNDS, ESTIMATES, ANSWERS = 5, 40, 400


@contextmanager
def bare() -> Iterator[tuple[int, int]]:
    """Start the server of small answers: its process and port."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "bare.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.pid, int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(30)


async def compare(service: Running, pid: int, port: int) -> dict[str, float]:
    """Ask both in turns, and return milliseconds of CPU and their ratio."""
    (clinician,), reader = await warmed(service), Client(port)
    found = []
    for _ in range(ROUNDS):
        before = service.cpu_seconds()
        for _ in range(ESTIMATES):
            assert await service.report(clinician) == 200
        between = cpu_seconds(pid)
        for _ in range(ANSWERS):
            assert (await reader.ask("GET", "/"))[0] == 200
        own, least = service.cpu_seconds() - before, cpu_seconds(pid) - between
        found.append((1000 * own / ESTIMATES, 1000 * least / ANSWERS))
    own, least = (statistics.median(values) for values in zip(*found, strict=True))
    return {"estimate_ms": round(own, 2), "answer_ms": round(least, 3), "ratio": round(own / least, 2)}


def main() -> int:
    """Compare with the stored ratio, or store a new one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--place", type=Path, default=Path(tempfile.gettempdir()) / "service-load-models")
    options = parser.parse_args()
    path = HERE / "drift.json"
    with running("linear", options.place) as service, bare() as (pid, port):
        for _ in range(TRIES):
            found = asyncio.run(compare(service, pid, port))
            if options.record:
                path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            most = MOST_DRIFT * json.loads(path.read_text(encoding="utf-8"))["ratio"]
            print(
                f"an estimate {found['estimate_ms']} ms of CPU, the smallest answer {found['answer_ms']} ms: "
                f"{found['ratio']}×, at most {most:.2f}×",
                flush=True,
            )
            if found["ratio"] <= most:
                return 0
    print("An estimate became dearer. If that is meant, record it with --record.")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
