"""How the cost of training and scoring grows with patients, columns and workers, on SIMULATED patients.

Each measurement is a process of its own with one thread per task; a cluster is a scheduler and workers on loopback.
Rows that results.csv holds already are not measured again.

    python study.py [--out FOLDER] [--only training_n training_p training_workers scoring_n scoring_workers]
"""

from __future__ import annotations

import os

# Before NumPy: one thread, so that CPU seconds mean something.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
BENCHMARK = HERE.parent / "benchmark"
FAMILIES = ("elastic_net", "random_forest", "lightgbm")
COLUMNS = ["part", "engine", "workers", "n", "p", "cpu_s", "wall_s", "driver_mb", "worker_mb", "measured"]
LIMIT = 600  # seconds; what takes longer is extrapolated


@dataclass(frozen=True)
class Job:
    """One measurement: a part of the work, where it runs, rows and columns."""

    part: str
    engine: str
    workers: int
    n: int
    p: int


JOBS = {
    "training_n": [Job("one outer fold", "local", 1, n, 20) for n in (1_000, 10_000, 100_000)],
    "training_p": [Job("one outer fold", "local", 1, 300, p) for p in (10, 100, 1_000, 10_000)],
    "training_workers": [
        Job("five outer folds", engine, workers, 10_000, 20)
        for engine, workers in [(e, w) for e in ("local", "dask") for w in (1, 2, 4)]
    ],
    "scoring_n": [Job("scoring", "local", 1, n, 40) for n in (100_000, 1_000_000, 10_000_000)],
    "scoring_workers": [
        Job("scoring", engine, workers, 4_000_000, 40)
        for engine, workers in [(e, w) for e in ("local", "dask") for w in (1, 2, 4)]
    ],
}
EXTRAPOLATED = [
    Job("one outer fold", "local", 1, 1_000_000, 20),
    Job("scoring", "local", 1, 100_000_000, 40),
]


def simulate(n: int, p: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw SIMULATED patients: numbers with gaps, of which five matter."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n, p))
    eta = values[:, :5] @ np.array([0.6, -0.5, 0.4, 0.3, -0.3]) - 0.4
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(np.int64)
    values[rng.random((n, p)) < 0.1] = np.nan
    return pd.DataFrame(values, columns=[f"x{i}" for i in range(p)]), y


def train(job: Job, address: str | None) -> Callable[[], object]:
    """Prepare outer folds of the default procedure: three families, tuned in three inner folds, calibrated, weighed."""
    from predictor.execution import Execution
    from predictor.features.dataset import Dataset, Feature
    from predictor.models.catalog import family_candidates
    from predictor.validation.resampling import Candidate, Protocol, cross_validate
    from predictor.validation.splits import repeated_folds

    X, y = simulate(job.n, job.p, seed=job.n + job.p)
    features = tuple(Feature(name, f"t.{name}", "number", name) for name in X)
    plan, groups = np.full(job.n, "all"), np.arange(job.n)
    dataset = Dataset(X, pd.DataFrame({"response": y.astype(float)}), groups, plan, features)
    candidates = tuple(
        Candidate(name, name, "all", name, tuple(X), tuple(family_candidates(name, seed=1)))
        for name in FAMILIES
    )
    protocol = Protocol(candidates, "average", {"prevalence": ()}, 3, "auto", 1)
    folds = repeated_folds(y, groups, plan, n_splits=5, n_repeats=1, seed=1)
    chosen = folds[:1] if job.part == "one outer fold" else folds
    execution = Execution(job.engine, job.workers, address)
    return lambda: cross_validate(protocol, dataset, y, chosen, execution=execution, explain=False)


def score(job: Job, address: str | None, folder: Path) -> Callable[[], object]:
    """Prepare a file of answers to a file of SIMULATED patients, by the benchmark's linear model."""
    from predictor.execution import Execution
    from predictor.scoring import score_file

    execution = Execution(job.engine, job.workers, address)
    model, source, out = folder / "model", folder / "in.parquet", folder / "out.parquet"
    return lambda: score_file(model, source, out, ranges=False, execution=execution)


@contextmanager
def cluster(job: Job, folder: Path) -> Iterator[tuple[str | None, list[int]]]:
    """Start a scheduler and workers on loopback where the job wants them."""
    if job.engine == "local":
        yield None, []
        return
    from distributed import Client

    about, quiet = folder / "scheduler.json", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    python, host = [sys.executable, "-m"], ["--host", "127.0.0.1", "--no-dashboard"]
    place = ["--port", "0", "--scheduler-file", str(about)]
    running = [subprocess.Popen([*python, "distributed.cli.dask_scheduler", *host, *place], **quiet)]
    try:
        while not about.exists() or not about.read_text().endswith("}"):
            time.sleep(0.1)
        address = str(json.loads(about.read_text())["address"])
        single = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
        for _ in range(job.workers):
            command = [*python, "distributed.cli.dask_worker", address, *host, *single]
            running.append(subprocess.Popen(command, **quiet))
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(job.workers, timeout=120)
        yield address, [one.pid for one in running[1:]]
    finally:
        for one in reversed(running):
            one.send_signal(signal.SIGKILL)
            one.wait()


def measure(job: Job) -> dict[str, float]:
    """Do one job in this process and say what it cost here and in its workers."""
    import psutil

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if job.part == "scoring":
            command = [sys.executable, __file__, "--prepare", name, "--rows", str(job.n)]
            subprocess.run(command, check=True)  # apart, or its memory would count
        with cluster(job, folder) as (address, remote):
            run = score(job, address, folder) if job.part == "scoring" else train(job, address)
            before = {pid: sum(psutil.Process(pid).cpu_times()[:2]) for pid in remote}
            cpu, wall = time.process_time(), time.perf_counter()
            run()
            wall = time.perf_counter() - wall
            cpu = time.process_time() - cpu
            own = psutil.Process()
            others = remote or [
                one.pid
                for one in own.children(recursive=True)
                if "resource_tracker" not in " ".join(one.cmdline())
            ]
            cpu += sum(sum(psutil.Process(pid).cpu_times()[:2]) - before.get(pid, 0.0) for pid in others)
            peaks = [_peak_mb(pid) for pid in others]
            return {
                "cpu_s": round(cpu, 2),
                "wall_s": round(wall, 2),
                "driver_mb": round(_peak_mb(own.pid)),
                "worker_mb": round(max(peaks, default=0)),
            }


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def prepare(folder: Path, rows: int) -> None:
    """Write the benchmark's elastic net as a prediction model, and its scoring table."""
    sys.path.insert(0, str(BENCHMARK))
    from data import write_scoring_table
    from scoring import prediction_model

    from predictor.prediction_model import save_prediction_model

    save_prediction_model(prediction_model("elastic_net"), folder / "model")
    write_scoring_table(folder / "in.parquet", rows)


def run_jobs(jobs: Sequence[Job], results: Path) -> None:
    """Measure what is not in the table yet, each in a fresh process, and keep every row at once."""
    known = pd.read_csv(results) if results.exists() else pd.DataFrame(columns=COLUMNS)
    keys = list(asdict(JOBS["scoring_n"][0]))
    done = set(known[keys].itertuples(index=False, name=None))
    for job in jobs:
        if tuple(asdict(job).values()) in done:
            continue
        command = [sys.executable, __file__, "--one", json.dumps(asdict(job))]
        try:
            said = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT
            ).stdout
        except subprocess.TimeoutExpired:
            print(f"{job}: more than {LIMIT} s, left out", flush=True)
            continue
        append(results, {**asdict(job), **json.loads(said.splitlines()[-1]), "measured": "yes"})


def extrapolate(results: Path) -> None:
    """Go on in a straight line through the largest size and a tenth of it, on logarithmic axes, and mark it so."""
    table = pd.read_csv(results)
    for job in EXTRAPOLATED:
        alone = table[(table.part == job.part) & (table.engine == "local") & (table.workers == 1)]
        alone = alone[(alone.p == job.p) & (alone.measured == "yes")].sort_values("n")
        a_tenth = alone[alone.n <= alone.n.max() / 10]
        if ((table.part == job.part) & (table.n == job.n)).any() or a_tenth.empty:
            continue
        low, high = a_tenth.iloc[-1], alone.iloc[-1]
        row: dict[str, object] = {**asdict(job), "measured": "extrapolated"}
        for name in ("cpu_s", "wall_s", "driver_mb"):
            slope = np.log(high[name] / low[name]) / np.log(high.n / low.n)
            row[name] = round(float(high[name] * (job.n / high.n) ** slope))
        append(results, {**row, "worker_mb": 0})


def append(results: Path, row: dict[str, object]) -> None:
    """Add one row to the table."""
    results.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame([row], columns=COLUMNS)
    frame.to_csv(results, mode="a", header=not results.exists(), index=False)
    print(row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--only", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.prepare:
        prepare(asked.prepare, asked.rows)
    elif asked.one:
        print(json.dumps(measure(Job(**json.loads(asked.one)))))
    else:
        run_jobs([job for name in asked.only for job in JOBS[name]], asked.out / "results.csv")
        extrapolate(asked.out / "results.csv")


if __name__ == "__main__":
    main()
