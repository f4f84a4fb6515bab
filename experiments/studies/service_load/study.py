"""What an answer of the service costs, and what it does under load, on SIMULATED patients.

Every part starts the real service (server.py) in a process of its own on loopback, warms it up, and reads its CPU time
and memory from /proc. Parts that results.json holds already are not measured again.

    python study.py [--out FOLDER] [--place FOLDER] [--only cpu throughput latency pages memory overload] [--kinds …]
                    [--requests 20000] [--seconds 600]
"""

from __future__ import annotations

import os

# Before NumPy: one thread, so that CPU seconds mean something.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import asyncio
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from load import Answers, Client, run_clients
from models import KINDS, model_folder
from server import PASSWORD, USER

HERE = Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")
WARM_UP, RUNS = 50, 3
PARTS = ("cpu", "throughput", "latency", "pages", "memory", "overload")


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


@dataclass(frozen=True)
class Running:
    """A service that answers.

    Parameters
    ----------
    process : Popen
    port : int
    model : str
    form : dict of str to str
        A patient as typed.
    """

    process: subprocess.Popen[str]
    port: int
    model: str
    form: dict[str, str]

    def cpu_seconds(self) -> float:
        """User and system time used so far."""
        return cpu_seconds(self.process.pid)

    def mebibytes(self, name: str) -> float:
        """``VmHWM`` or ``VmRSS``."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition(f"{name}:")[2].split()[0]) / 1024

    async def client(self) -> Client:
        """Open a session."""
        client = Client(self.port)
        await client.sign_in(USER, PASSWORD)
        return client

    async def report(self, client: Client) -> int:
        """Send the form and read the report: what a clinician waits for."""
        status, headers, _ = await client.ask("POST", f"/estimate/{self.model}", self.form)
        if status != 303:
            return status
        status, _, body = await client.ask("GET", headers["location"])
        assert status != 200 or b"Plausible range" in body, "no estimate came"
        return status


@contextmanager
def running(kind: str, place: Path) -> Iterator[Running]:
    """Start the service with one model, and stop it."""
    folder = model_folder(kind, place)
    with tempfile.TemporaryDirectory(prefix="service-load-") as state:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "server.py"), str(folder), state],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        port, model = process.stdout.readline().split()
        try:
            yield Running(process, int(port), model, _typed(folder))
        finally:
            process.stdin.close()
            process.wait(30)
            assert process.stdout.read().strip() == "mlflow no", "the service imported mlflow"


def _typed(folder: Path) -> dict[str, str]:
    """Write down a patient in the middle of what was learned, with the second of the plans."""
    schema = json.loads((folder / "schema.json").read_text())
    plan = sorted(json.loads((folder / "explain.json").read_text()))[1]
    form = {"pseudonym": "SIMULATED"}
    for one in schema["inputs"]:
        value = one["typical"].get(plan)
        yes_no = one.get("grain") == "yes_no"
        text = value if isinstance(value, str) else ("yes" if value else "no") if yes_no else f"{value:g}"
        form[one["name"]] = text
        if one.get("accepted_units"):
            form[f"{one['name']}__unit"] = one["unit"]
    return form


async def warmed(service: Running, clients: int = 1) -> list[Client]:
    """Open sessions and let the service answer until everything is loaded."""
    found = [await service.client() for _ in range(clients)]
    for i in range(WARM_UP):
        assert await service.report(found[i % clients]) == 200
    return found


async def measure_cpu(service: Running, options: argparse.Namespace) -> dict[str, Any]:
    """CPU of 300 estimates, one after another: sending the form and reading the report."""
    (client,) = await warmed(service)
    runs = []
    for _ in range(RUNS):
        before = service.cpu_seconds()
        for _ in range(100):
            assert await service.report(client) == 200
        runs.append(10 * (service.cpu_seconds() - before))
    return {"cpu_ms": _middle(runs), "cpu_ms_worst": max(runs), "memory_mib": service.mebibytes("VmHWM")}


async def measure_throughput(service: Running, options: argparse.Namespace) -> dict[str, Any]:
    """Estimates per second that 16 clients get."""
    clients = await warmed(service, 16)
    runs = [await run_clients(lambda i: service.report(clients[i]), 16, seconds=10) for _ in range(RUNS)]
    rates = [run.statuses.get(200, 0) / run.wall for run in runs]
    return {
        "per_second": _middle(rates),
        "per_second_worst": min(rates),
        "requests_per_second": 2 * _middle(rates),
        "statuses": _statuses(runs),
    }


async def measure_latency(service: Running, options: argparse.Namespace) -> dict[str, Any]:
    """How long 4 clients wait from sending the form to the whole report."""
    clients = await warmed(service, 4)
    runs = [await run_clients(lambda i: service.report(clients[i]), 4, requests=200) for _ in range(RUNS)]
    middle = [1000 * run.quantile(0.5) for run in runs]
    late = [1000 * run.quantile(0.99) for run in runs]
    return {"p50_ms": _middle(middle), "p99_ms": _middle(late), "p99_ms_worst": max(late)}


async def measure_pages(service: Running, options: argparse.Namespace) -> dict[str, Any]:
    """How long 4 clients wait for the form and for the style sheet."""
    clients = await warmed(service, 4)
    found = {}
    for name, path in (("form", f"/estimate/{service.model}"), ("static", "/static/service.css")):

        async def fetch(i: int, path: str = path) -> int:
            return (await clients[i].ask("GET", path))[0]

        before = service.cpu_seconds()
        runs = [await run_clients(fetch, 4, requests=200) for _ in range(RUNS)]
        found[f"{name}_p99_ms"] = _middle([1000 * run.quantile(0.99) for run in runs])
        found[f"{name}_cpu_ms"] = (service.cpu_seconds() - before) / (RUNS * 200) * 1000
    return found


async def measure_memory(service: Running, options: argparse.Namespace) -> dict[str, Any]:
    """How memory grows over many requests, once every session has as many results as are kept of one."""
    clients = await warmed(service, 4)
    half = options.requests // 2  # an estimate is two requests
    first = half // 10
    await run_clients(lambda i: service.report(clients[i]), 4, requests=first, seconds=3600)
    before = service.mebibytes("VmRSS")
    rest = await run_clients(lambda i: service.report(clients[i]), 4, requests=half - first, seconds=3600)
    after = service.mebibytes("VmRSS")
    return {
        "requests": options.requests,
        "statuses": _statuses([rest]),
        "before_mib": before,
        "after_mib": after,
        "growth_percent": 100 * (after / before - 1),
        "memory_mib": service.mebibytes("VmHWM"),
    }


async def measure_overload(service: Running, options: argparse.Namespace) -> dict[str, Any]:
    """Count what 48 clients get, three times the 16 of the goal, and how soon one client is answered again."""
    clients = await warmed(service, 48)
    memory = service.mebibytes("VmRSS")
    run = await run_clients(
        lambda i: service.report(clients[i]), 48, seconds=options.seconds, requests=10_000_000
    )
    start = asyncio.get_running_loop().time()
    while await service.report(clients[0]) != 200:
        await asyncio.sleep(0.1)
    return {
        "seconds": run.wall,
        "statuses": _statuses([run]),
        "answered_per_second": run.statuses.get(200, 0) / run.wall,
        "growth_percent": 100 * (service.mebibytes("VmRSS") / memory - 1),
        "recovered_s": asyncio.get_running_loop().time() - start,
    }


MEASURES: dict[str, Callable[[Running, argparse.Namespace], Coroutine[Any, Any, dict[str, Any]]]] = {
    "cpu": measure_cpu,
    "throughput": measure_throughput,
    "latency": measure_latency,
    "pages": measure_pages,
    "memory": measure_memory,
    "overload": measure_overload,
}


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _statuses(runs: list[Answers]) -> dict[str, int]:
    found: dict[str, int] = {}
    for run in runs:
        for status, count in run.statuses.items():
            name = str(status) if status else "none"
            found[name] = found.get(name, 0) + count
    return found


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = {line.partition(": ")[2] for line in lines if line.startswith("model name")}
    return {
        "processor": ", ".join(sorted(names)),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def _rounded(found: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 2) if isinstance(value, float) else value for key, value in found.items()}


def table(results: dict[str, Any]) -> str:
    """Write the results as the table of the README."""
    columns = (
        "model",
        "CPU per estimate, ms (worst of 3)",
        "memory, MiB",
        "estimates (requests) a second, 16 clients",
        "p50 / p99, 4 clients, ms",
        "form / style sheet p99, ms",
        "growth over requests",
        "three times the load",
    )
    head = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*head, *(_row(kind, results["measured"].get(kind, {})) for kind in KINDS)])


def _row(kind: str, found: dict[str, Any]) -> str:
    def cell(part: str, text: str) -> str:
        return text.format(**found[part]) if part in found else "—"

    cells = [
        kind,
        cell("cpu", "{cpu_ms:.1f} ({cpu_ms_worst:.1f})"),
        cell("cpu", "{memory_mib:.0f}"),
        cell("throughput", "{per_second:.0f} ({requests_per_second:.0f})"),
        cell("latency", "{p50_ms:.0f} / {p99_ms:.0f}"),
        cell("pages", "{form_p99_ms:.0f} / {static_p99_ms:.0f}"),
        cell("memory", "{growth_percent:.1f} % of {before_mib:.0f} MiB, {requests}"),
        cell("overload", "{statuses} in {seconds:.0f} s, back in {recovered_s:.1f} s"),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure what is not measured yet, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--place", type=Path, default=Path(tempfile.gettempdir()) / "service-load-models")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=600)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for kind in options.kinds:
        model_folder(kind, options.place)  # trained on all cores; the server's own is left to it afterwards
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    path = options.out / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {"measured": {}}
    results["machine"] = _machine()
    for kind in options.kinds:
        for part in options.only:
            measured = results["measured"].setdefault(kind, {})
            if part in measured:
                continue
            load = os.getloadavg()[0]
            with running(kind, options.place) as service:
                found = asyncio.run(MEASURES[part](service, options))
            when = datetime.now(UTC).isoformat(timespec="minutes")
            measured[part] = _rounded(found) | {"load_average_before": round(load, 2), "measured": when}
            path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
