"""What the verdict says, and how often: P(verdict | n, true AUC, clusters), on SIMULATED trials.

Every trial has a severity score, an arm, eight further numbers and two categories with gaps. The references know
severity and arm, which both matter; the rest adds a signal of a known strength, or none. Clustered trials give the arm
to whole clusters, whose outcomes and features share something of their own: the trap that splits of single patients
fall into.
Finished trials stay in results.csv and are not computed again.
"""

from __future__ import annotations

import os

# Before NumPy: one thread, so that CPU seconds mean something and nothing depends on the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import binomtest

from predictor.config.schema import DEFAULT_MODELS
from predictor.features.dataset import Dataset, Feature
from predictor.models.catalog import family_candidates
from predictor.validation.evaluation import reach_verdict
from predictor.validation.resampling import (
    Candidate,
    Protocol,
    cross_validate,
    fold_predictions,
    reference_columns,
)
from predictor.validation.splits import repeated_folds

HERE = Path(__file__).resolve().parent
ENTROPY = 20_261_127
ICC = 0.07
CLUSTERS = 40
RATE = 0.45
NUMBERS = 8
MISSING = 0.10
SIGNAL = np.array([0.7, 0.5, -0.4, 0.3])  # of the first four numbers; their squares and products add nothing
VERDICTS = ("better", "no_better", "too_little")


@dataclass(frozen=True)
class Cell:
    """One kind of trial: patients, AUC of the signal among patients of equal severity and arm, clustered or not."""

    n: int
    auc: float
    clustered: bool

    @property
    def name(self) -> str:
        """What a row is found by."""
        return f"{self.n} {self.auc:.2f} {'clustered' if self.clustered else 'single'}"


NULLS = [Cell(200, 0.50, False), Cell(400, 0.50, False), Cell(400, 0.50, True), Cell(800, 0.50, True)]
SIGNALS = [
    Cell(n, auc, clustered)
    for n in (200, 400, 800)
    for auc in (0.60, 0.65, 0.70, 0.75)
    for clustered in (False, True)
]


def simulate(cell: Cell, rng: np.random.Generator) -> Dataset:
    """Draw one SIMULATED trial."""
    cluster = np.arange(cell.n) % CLUSTERS if cell.clustered else np.arange(cell.n)
    many = int(cluster.max()) + 1
    arm = (rng.permutation(many) % 2)[cluster] if cell.clustered else rng.integers(0, 2, cell.n)
    shared = 0.3 if cell.clustered else 0.0
    numbers = np.sqrt(shared) * rng.standard_normal((many, NUMBERS))[cluster]
    numbers += np.sqrt(1 - shared) * rng.standard_normal((cell.n, NUMBERS))
    severity = rng.standard_normal(cell.n)
    own = cluster_deviation() * rng.standard_normal(many)[cluster] if cell.clustered else 0.0
    signal = strength(cell.auc) * (numbers[:, : len(SIGNAL)] @ SIGNAL) / np.linalg.norm(SIGNAL)
    eta = np.log(RATE / (1 - RATE)) - 0.2 + 0.4 * arm - 0.3 * severity + signal + own
    y = (rng.random(cell.n) < expit(eta)).astype(float)
    seen = np.where(rng.random(numbers.shape) < MISSING, np.nan, numbers)
    columns: dict[str, np.ndarray] = {"severity": severity, "arm": np.where(arm == 1, "active", "control")}
    columns |= {f"number_{i}": seen[:, i] for i in range(NUMBERS)}
    columns |= {f"category_{i}": rng.choice(["a", "b", "c"], cell.n) for i in range(2)}
    features = tuple(
        Feature(
            name,
            f"t.{name}",
            "category" if name.startswith(("arm", "cat")) else "number",
            name,
            known="plan" if name == "arm" else "baseline",
        )
        for name in columns
    )
    X = pd.DataFrame(columns).astype({f.name: object for f in features if f.kind == "category"})
    return Dataset(X, pd.DataFrame({"response": y}), cluster, columns["arm"].astype(str), features)


@cache
def strength(auc: float) -> float:
    """Coefficient of a standard normal signal that gives this AUC among patients alike in all else."""
    if auc == 0.5:
        return 0.0
    signal = np.random.default_rng(1).standard_normal(200_000)
    low, high = 0.0, 5.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _auc_of(middle, signal) < auc else (low, middle)
    return (low + high) / 2


def _auc_of(coefficient: float, signal: np.ndarray) -> float:
    order = np.argsort(signal)
    p = expit(np.log(RATE / (1 - RATE)) + coefficient * signal[order])
    # Probability that a random responder stands above a random non-responder, over the drawn signals.
    below = np.concatenate([[0.0], np.cumsum(1 - p)[:-1]])
    return float((p * (below + 0.5 * (1 - p))).sum() / (p.sum() * (1 - p).sum()))


@cache
def cluster_deviation() -> float:
    """Deviation of a normal effect on the log-odds that makes two outcomes of a cluster correlate by `ICC`."""
    effect = np.random.default_rng(2).standard_normal(200_000)
    low, high = 0.0, 3.0
    for _ in range(40):
        middle = (low + high) / 2
        p = expit(np.log(RATE / (1 - RATE)) + middle * effect)
        low, high = (middle, high) if p.var() / (p.mean() * (1 - p.mean())) < ICC else (low, middle)
    return (low + high) / 2


def protocol_of(dataset: Dataset, seed: int) -> Protocol:
    """Return the default procedure on all features."""
    names = tuple(feature.name for feature in dataset.features)
    plan = [feature for feature in dataset.features if feature.known == "plan"]
    return Protocol(
        candidates=tuple(
            Candidate(f"{name} | all", name, "all", name, names, tuple(family_candidates(name, seed=seed)))
            for name in DEFAULT_MODELS
        ),
        judge="average",
        references=reference_columns("severity", plan),
        inner_splits=3,
        calibration="auto",
        seed=seed,
    )


def run_trial(cell: Cell, number: int) -> dict[str, object]:
    """Return the row of one trial."""
    started = time.process_time()
    key = [ENTROPY, cell.n, round(100 * cell.auc), int(cell.clustered), number]
    rng = np.random.default_rng(np.random.SeedSequence(key))
    dataset = simulate(cell, rng)
    y, seed = dataset.outcomes["response"].to_numpy(), int(rng.integers(2**31))
    folds = repeated_folds(y, dataset.groups, dataset.plan, n_splits=5, n_repeats=1, seed=seed)
    protocol = protocol_of(dataset, seed)
    results = cross_validate(protocol, dataset, y, folds, explain=False)
    predictions = fold_predictions(results, protocol, positions=np.arange(len(y)))
    verdict = reach_verdict(predictions, y=y, groups=dataset.groups, plan=dataset.plan)
    hardest = min(verdict.comparisons, key=lambda one: one.low)
    return {
        "cell": cell.name,
        "n": cell.n,
        "auc": cell.auc,
        "clustered": cell.clustered,
        "number": number,
        "verdict": verdict.label,
        "hardest": hardest.reference,
        "gain": hardest.gain,
        "low": hardest.low,
        "upper": verdict.gain_not_excluded,
        "margin": verdict.margin,
        "effective_n": verdict.effective_n,
        "icc": verdict.icc,
        "cpu_seconds": time.process_time() - started,
    }


def run_listed(listed: tuple[Cell, int]) -> dict[str, object]:
    """Return the row of a trial as `wanted` lists it."""
    return run_trial(*listed)


def wanted(nulls: int, signals: int) -> Iterator[tuple[Cell, int]]:
    """List trials so that an interrupted study has done a little of everything."""
    for number in range(max(nulls, signals)):
        yield from ((cell, number) for cell in NULLS if number < nulls)
        yield from ((cell, number) for cell in SIGNALS if number < signals)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Count the verdicts of every cell, with Clopper-Pearson limits of *better*."""
    lines = []
    for (n, auc, clustered), own in rows.groupby(["n", "auc", "clustered"]):
        better = int((own["verdict"] == "better").sum())
        limits = binomtest(better, len(own)).proportion_ci()
        lines.append(
            {"n": n, "auc": auc, "clustered": clustered, "trials": len(own)}
            | {name: (own["verdict"] == name).mean() for name in VERDICTS}
            | {"better_low": limits.low, "better_high": limits.high, "mean_gain": own["gain"].mean()}
        )
    return pd.DataFrame(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nulls", type=int, default=125, help="trials of each of the four null cells")
    parser.add_argument("--signals", type=int, default=20, help="trials of each cell with a signal")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=HERE / "results.csv")
    arguments = parser.parse_args(argv)
    rows = pd.read_csv(arguments.out) if arguments.out.exists() else pd.DataFrame(columns=["cell", "number"])
    done = set(zip(rows["cell"], rows["number"], strict=True))
    missing = [
        (cell, number)
        for cell, number in wanted(arguments.nulls, arguments.signals)
        if (cell.name, number) not in done
    ]
    # Forked before anything has a thread: children need not import anything again.
    with multiprocessing.get_context("fork").Pool(arguments.workers) as pool:
        for row in pool.imap_unordered(run_listed, missing):
            first = not arguments.out.exists()
            pd.DataFrame([row]).to_csv(
                arguments.out, mode="a", index=False, header=first, float_format="%.6g"
            )
    rows = pd.read_csv(arguments.out).sort_values(["n", "auc", "clustered", "number"], ignore_index=True)
    rows.to_csv(arguments.out, index=False, float_format="%.6g")
    table = summary(rows)
    table.to_csv(arguments.out.with_name("summary.csv"), index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    null = rows[rows["auc"] == 0.5]
    better = int((null["verdict"] == "better").sum())
    print(f"null trials: {len(null)}, called better: {better}")


if __name__ == "__main__":
    main()
