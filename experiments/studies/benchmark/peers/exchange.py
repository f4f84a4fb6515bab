"""What every peer's script does around the peer: read patients, measure CPU, write test probabilities.

Runs in the peer's own environment, which needs nothing of ours: pandas and pyarrow are enough.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

# Of patients and outcomes, a budget in seconds and a seed: fit, and give what predicts probabilities.
Fit = Callable[[pd.DataFrame, np.ndarray, float, int], Callable[[pd.DataFrame], np.ndarray]]


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def run(fit: Fit, version: str) -> None:
    """Train on one table, predict the other, and write the answer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--probabilities", type=Path, required=True)
    parser.add_argument("--budget", type=float, required=True, help="seconds on the clock")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("answer", type=Path)
    arguments = parser.parse_args()
    train, test = pd.read_parquet(arguments.train), pd.read_parquet(arguments.test)
    cpu, clock = cpu_seconds(), time.perf_counter()
    predict = fit(train.drop(columns="y"), train["y"].to_numpy(dtype=int), arguments.budget, arguments.seed)
    fit_cpu, fit_clock = cpu_seconds() - cpu, time.perf_counter() - clock
    np.save(arguments.probabilities, np.asarray(predict(test.drop(columns="y")), dtype=float))
    arguments.answer.write_text(
        json.dumps({"cpu_seconds": fit_cpu, "clock_seconds": fit_clock, "version": version})
    )
