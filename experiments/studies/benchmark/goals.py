"""The eleven goals, and what the tables in results/ say of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from accuracy import calibration_summary, paired_differences
from training import training_ratios

__all__ = ["GOALS", "Measured", "goals_table"]

MOST_OF_REFERENCE = {"A": 0.06, "B": 0.2, "C": 0.3}
MOST_OPTIMISM = {"A": 0.01, "B": 0.02, "C": 0.01}
GOALS = {
    1: ("training against the reference, Brier not higher", "≤ 0.06× (A), 0.2× (B), 0.3× (C)"),
    2: (
        "elastic-net path against GridSearchCV(saga)",
        "≤ 0.02×, log loss within .001, objective never above",
    ),
    3: (
        "accuracy against the best peer, unseen seeds",
        "lower limit of its − our log loss > −0.005; more accurate: > 0",
    ),
    4: ("calibration slope; optimism of the internal AUC", "0.9–1.1; within ±0.01 (A, C), ±0.02 (B)"),
    5: ("200 whole-pipeline bootstrap resamples on A", "≤ 10 s"),
    6: ("exact explanations: linear; boosted; 1,000 patients", "≤ 0.05×; ≤ 1.1×; ≤ 2 s"),
    7: ("batch scoring in memory: linear; boosted", "≥ 30×; ≥ 3×, difference ≤ 1e-9"),
    8: ("10 M rows, Parquet to Parquet; peak memory", "≤ 0.24×; ≤ 400 MB"),
    9: ("one patient from a dictionary", "≤ 0.005×"),
    10: ("`predictor --help`; `import predictor`", "≤ 0.2 s CPU; ≤ 1.3× `import numpy`"),
    11: ("MLflow logging of a training", "≤ 0.1×"),
}


@dataclass(frozen=True)
class Measured:
    """One line of a goal: on which data, what was found, and whether that is what was wanted."""

    goal: int
    data: str
    measured: str
    met: bool


def goals_table(results: Path) -> str:
    """Return the Markdown table of all goals; those without a result say so."""
    found = [line for read in READERS for line in read(results)] + list(_others(results))
    lines = ["| # | work | goal | data | measured | met |", "|---|---|---|---|---|---|"]
    for number, (work, goal) in GOALS.items():
        own = [line for line in found if line.goal == number]
        for position, line in enumerate(own):
            first = f"{number} | {work} | {goal}" if position == 0 else " | | "
            lines.append(f"| {first} | {line.data} | {line.measured} | {'yes' if line.met else 'no'} |")
        if not own:
            lines.append(f"| {number} | {work} | {goal} | – | not measured | – |")
    return "\n".join(lines)


def _table(path: Path) -> pd.DataFrame | None:
    return pd.read_csv(path) if path.exists() else None


def _interval(low: float, high: float, digits: int) -> str:
    return "(one training set, no interval)" if pd.isna(low) else f"({low:+.{digits}f} to {high:+.{digits}f})"


def _training(results: Path) -> Iterator[Measured]:
    runs = _table(results / "training.csv")
    if runs is None:
        return
    for row in training_ratios(runs).itertuples():
        met = (
            row.ratio_median <= MOST_OF_REFERENCE[row.dataset]
            and round(row.brier_ours - row.brier_reference, 4) <= 0
        )
        text = (
            f"{row.ratio_median:.3f}× ({row.ratio_min:.3f}–{row.ratio_max:.3f}), {row.cpu_seconds_ours:.1f} against "
            f"{row.cpu_seconds_reference:.0f} s; Brier {row.brier_ours:.4f} against {row.brier_reference:.4f}"
        )
        yield Measured(1, f"{row.dataset}, {row.replicates} training sets", text, met)


def _elastic_net(results: Path) -> Iterator[Measured]:
    runs = _table(results / "elastic_net.csv")
    if runs is None:
        return
    for dataset, part in runs.groupby("dataset", sort=False):
        ratio = part["ratio"].median()
        apart = part["path_log_loss_their_encoding"] - part["saga_log_loss"]
        excess = part[["worst_excess_over_reference_saga", "worst_excess_over_tight_saga"]].to_numpy().max()
        # Two solvers that agree to the last digit differ by rounding.
        met = bool(ratio <= 0.02 and apart.abs().max() <= 0.001 and excess <= 1e-9)
        text = (
            f"{ratio:.3f}× ({part['ratio'].min():.3f}–{part['ratio'].max():.3f}); log loss on the same encoding "
            f"{apart.min():+.4f} to {apart.max():+.4f} of saga's; objective at most {excess:+.0e} above it"
        )
        yield Measured(2, f"{dataset}, {len(part)} runs", text, met)


def _accuracy(results: Path) -> Iterator[Measured]:
    ours, peers = _table(results / "ours.csv"), _table(results / "peers.csv")
    if ours is None or peers is None:
        return
    differences = paired_differences(ours, peers)
    for row in differences[differences["best"]].itertuples() if len(differences) else ():
        text = (
            f"{row.peer}: {row.difference:+.4f} {_interval(row.low, row.high, 4)}, "
            f"{row.peer_mean:.4f} against {row.ours_mean:.4f}; ours better in "
            f"{row.ours_better_in} of {row.replicates}{', more accurate' if row.low > 0 else ''}"
        )
        yield Measured(3, f"{row.dataset}, {row.replicates} training sets", text, bool(row.low > -0.005))


def _calibration(results: Path) -> Iterator[Measured]:
    ours = _table(results / "ours.csv")
    if ours is None:
        return
    for dataset, part in calibration_summary(ours).groupby("dataset"):
        found = part.set_index("quantity")
        slope, optimism = found.loc["slope"], found.loc["optimism_auc"]
        met = 0.9 <= slope["mean"] <= 1.1 and abs(optimism["mean"]) <= MOST_OPTIMISM[str(dataset)]
        text = "; ".join(
            f"{name} {one['mean']:+.3f} {_interval(one['low'], one['high'], 3)}"
            for name, one in (("slope", slope), ("optimism", optimism))
        )
        yield Measured(4, f"{dataset}, {slope['replicates']} training sets", text, bool(met))


def _bootstrap(results: Path) -> Iterator[Measured]:
    runs = _table(results / "bootstrap.csv")
    if runs is None:
        return
    seconds = runs["cpu_seconds"]
    text = f"{seconds.median():.1f} s ({seconds.min():.1f}–{seconds.max():.1f})"
    yield Measured(5, f"A, {len(runs)} training sets", text, bool(seconds.median() <= 10))


def _others(results: Path) -> Iterator[Measured]:
    """Read what scoring.py and startup.py wrote: the last row of each goal's each work."""
    for name in ("scoring", "startup"):
        table = _table(results / f"{name}.csv")
        if table is None:
            continue
        numbered = table[table["goal"].astype(str).str.isdigit()]  # what is measured besides has no number
        for row in numbered.drop_duplicates(["goal", "work"], keep="last").itertuples():
            text = (
                f"{row.ratio_median:.3g}× ({row.ratio_min:.3g}–{row.ratio_max:.3g}), at most {row.at_most:.3g}×; "
                f"{row.ours_cpu_s:.3g} against {row.theirs_cpu_s:.3g} s"
            )
            note = "" if pd.isna(row.note) else f"; {row.note}"
            yield Measured(int(row.goal), str(row.work), text + note, bool(row.reached))


READERS: tuple[Callable[[Path], Iterator[Measured]], ...] = (
    _training,
    _elastic_net,
    _accuracy,
    _calibration,
    _bootstrap,
)
