"""Forests tuned and calibrated on the patients their trees left out, against the same tuned by inner folds.

Twenty SIMULATED trials of A that no other comparison uses; test log loss on 20,000 patients, and CPU of the tuning.
"""

from __future__ import annotations

import os

# Before NumPy: one thread, so that CPU seconds mean something and nothing depends on the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pandas as pd
from data import test_data, trial_data
from encoding import encoder_for
from metrics import log_loss, mean_interval
from ours import as_columns

from predictor.models import tuning
from predictor.models.catalog import Family, family
from predictor.models.tuning import TunedClassifier

__all__ = ["compare", "summary"]

RESULTS = Path(__file__).resolve().parent / "results" / "out_of_bag.csv"
FOREST_FAMILIES = ("random_forest", "extra_trees")
REPLICATES = range(40, 60)


def by_inner_folds(name: str) -> Family:
    """Look a family up, tuned by inner folds whatever the catalog says."""
    return replace(family(name), out_of_bag=False)


def compare(name: str, replicate: int) -> dict[str, object]:
    """Tune one forest in both ways on one trial."""
    trial, test = trial_data(replicate), test_data("A")
    X, new = as_columns(trial.X), as_columns(test.X)
    row: dict[str, object] = {"family": name, "replicate": replicate}
    for way, lookup in (("out_of_bag", family), ("inner_folds", by_inner_folds)):
        started = time.process_time()
        with patch.object(tuning, "family", lookup):
            model = TunedClassifier(name, encoder_for(X), random_state=replicate).fit(X, trial.y)
            row[f"{way}_cpu_seconds"] = time.process_time() - started
            row[f"{way}_log_loss"] = log_loss(test.y, model.predict_proba(new)[:, 1])
    return row


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Average the difference of test log loss, inner folds minus out of bag: above 0 favours out of bag."""
    lines = []
    for name, own in rows.groupby("family"):
        mean, low, high = mean_interval((own["inner_folds_log_loss"] - own["out_of_bag_log_loss"]).to_numpy())
        cpu = (own["out_of_bag_cpu_seconds"] / own["inner_folds_cpu_seconds"]).median()
        lines.append(
            {"family": name, "trials": len(own), "gain": mean, "low": low, "high": high, "cpu_ratio": cpu}
        )
    return pd.DataFrame(lines)


def main() -> None:
    """Run everything and print the table."""
    rows = pd.DataFrame([compare(name, replicate) for name in FOREST_FAMILIES for replicate in REPLICATES])
    rows.to_csv(RESULTS, index=False, float_format="%.6g")
    print(summary(rows).to_string(index=False))


if __name__ == "__main__":
    main()
