"""Whole trainings in fresh processes: ours against the reference alternately, or ours alone on unseen replicates."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
from measuring import append_row, finished, run_fresh

__all__ = ["KEYS", "run_sides", "train_once", "training_ratios"]

HERE = Path(__file__).resolve().parent
KEYS = ("side", "dataset", "replicate")


def train_once(side: str, dataset: str, replicate: int, **options: int) -> dict[str, object]:
    """Return the row of one training in a process of its own."""
    extra = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, str(HERE / "one_fit.py"), side, dataset, str(replicate), *extra]
    return {"side": side, "dataset": dataset, "replicate": replicate} | run_fresh(command)


def run_sides(sides: Sequence[str], dataset: str, replicates: Iterable[int], *, path: Path) -> None:
    """Train what the table does not hold yet; who begins changes from replicate to replicate."""
    for replicate in replicates:
        for side in sides if replicate % 2 else reversed(sides):
            if (side, dataset, str(replicate)) in finished(path, KEYS):
                continue
            row = train_once(side, dataset, replicate)
            append_row(path, row)
            print(
                f"{side} {dataset} {replicate}: {row['cpu_seconds']:.1f} s, Brier {row['brier']:.4f}",
                flush=True,
            )


def training_ratios(runs: pd.DataFrame) -> pd.DataFrame:
    """Compare the sides replicate by replicate.

    Parameters
    ----------
    runs : DataFrame
        ``side``, ``dataset``, ``replicate``, ``cpu_seconds``, ``brier``, ``log_loss``, ``auc``.

    Returns
    -------
    DataFrame
        A row for each data set over the replicates that both sides have: median, smallest and largest ratio of CPU
        seconds, median seconds and mean performance of both.
    """
    measures = ["cpu_seconds", "brier", "log_loss", "auc"]
    wide = runs.pivot(index=["dataset", "replicate"], columns="side", values=measures).dropna()
    by_dataset = {measure: wide[measure].groupby("dataset") for measure in measures}
    ratio = (wide[("cpu_seconds", "ours")] / wide[("cpu_seconds", "reference")]).groupby("dataset")
    table = ratio.agg(["size", "median", "min", "max"])
    table.columns = ["replicates", "ratio_median", "ratio_min", "ratio_max"]
    for measure, values in by_dataset.items():
        found = values.median() if measure == "cpu_seconds" else values.mean()
        table = table.join(found.add_prefix(f"{measure}_"))
    return table.reset_index()
