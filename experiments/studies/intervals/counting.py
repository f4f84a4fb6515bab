"""How often an interval holds the truth: counts per batch of data sets, appended to a table, and their summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

# Between these the package calls the coverage of a nominal 95 % interval good.
GOOD = (0.93, 0.97)


def count(limits: Iterable[dict[str, object]]) -> pd.DataFrame:
    """Count, per interval, in how many data sets it was defined, held the truth, or lay above or below it.

    Parameters
    ----------
    limits : iterable of dict
        ``estimand``, ``interval``, ``low``, ``high``, ``value``, ``truth``, one per data set and interval.
    """
    frame = pd.DataFrame(list(limits))
    frame["defined"] = np.isfinite(frame["low"]) & np.isfinite(frame["high"])
    frame["covered"] = (frame["low"] <= frame["truth"]) & (frame["truth"] <= frame["high"])
    frame["too_high"], frame["too_low"] = frame["low"] > frame["truth"], frame["high"] < frame["truth"]
    frame["width"] = frame["high"] - frame["low"]
    frame["error"] = frame["value"] - frame["truth"]
    grouped = frame.groupby(["estimand", "interval"], sort=False)
    sums = grouped[["defined", "covered", "too_high", "too_low"]].sum()
    means = grouped[["truth", "width", "error"]].mean()
    return sums.assign(sets=grouped.size(), **{name: means[name] for name in means}).reset_index()


def run_missing(
    path: Path, wanted: Sequence[tuple[str, int]], work: Callable[[str, int], pd.DataFrame]
) -> pd.DataFrame:
    """Compute the (cell, batch) pairs that a table does not hold yet, write each as it is done, return the table."""
    done: set[tuple[str, int]] = set()
    if path.exists():
        held = pd.read_csv(path)
        done = set(zip(held["cell"], held["batch"], strict=True))
    for cell, batch in wanted:
        if (cell, batch) in done:
            continue
        found = work(cell, batch)
        found.insert(0, "data", "SIMULATED")
        found.insert(1, "cell", cell)
        found.insert(2, "batch", batch)
        path.parent.mkdir(parents=True, exist_ok=True)
        found.to_csv(path, mode="a", index=False, header=not path.exists(), float_format="%.6g")
    return pd.read_csv(path)


def coverage(rows: pd.DataFrame) -> pd.DataFrame:
    """Share of the data sets with limits that hold the truth, with its Monte-Carlo standard error."""
    sums = ["sets", "defined", "covered", "too_high", "too_low"]
    weighted = rows.assign(**{name: rows[name] * rows["sets"] for name in ("truth", "width", "error")})
    table = weighted.groupby(["cell", "estimand", "interval"], sort=False)[
        [*sums, "truth", "width", "error"]
    ].sum()
    for name in ("truth", "width", "error"):
        table[name] /= table["sets"]
    table["coverage"] = table["covered"] / table["defined"]
    table["mc_error"] = np.sqrt(table["coverage"] * (1 - table["coverage"]) / table["defined"])
    table["good"] = table["coverage"].between(*GOOD)
    return table.reset_index()
