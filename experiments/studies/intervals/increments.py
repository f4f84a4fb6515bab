"""How often a block of features is *shown* to add where it adds nothing, and where it adds something."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from population import Floats
from scipy.stats import binomtest
from trials import Law, fresh_patients, oracle, protocol_of, simulate

from predictor.features.dataset import Dataset
from predictor.validation.increment import Block, increment_table, set_predictions
from predictor.validation.resampling import Protocol, cross_validate, fit_candidates
from predictor.validation.splits import repeated_folds

ENTROPY = 20_261_129
CLINICAL = (0.5, -0.3, 0.2, 0.0)
NOISE, WEAK, STRONG = (0.0,) * 5, (0.3, 0.3, 0.0, 0.0, 0.0), (0.6, 0.5, 0.0, 0.0, 0.0)
LAWS = {
    law.name: law
    for law in (
        Law("null, 200 patients", 200, 1, CLINICAL, NOISE),
        Law("null, 40 clusters of 5", 40, 5, CLINICAL, NOISE),
        Law("weak, 200 patients", 200, 1, CLINICAL, WEAK),
        Law("strong, 200 patients", 200, 1, CLINICAL, STRONG),
        Law("strong, 40 clusters of 5", 40, 5, CLINICAL, STRONG),
        Law("strong, 500 patients", 500, 1, CLINICAL, STRONG),
    )
}
NULLS = [name for name in LAWS if name.startswith("null")]
BLOCK = Block("block", "clinical", "clinical_block")
BATCH = 25
FRESH = 8000
FRESH_SEED = 13


def batch(name: str, number: int, *, sets: int = BATCH) -> pd.DataFrame:
    """Compare the two feature sets on one batch of trials: one row of log loss per trial."""
    law = LAWS[name]
    place = list(LAWS).index(name)
    return pd.DataFrame([trial(law, [ENTROPY, place, number, i]) for i in range(sets)])


def trial(law: Law, key: list[int]) -> dict[str, object]:
    """Run both procedures through nested cross-validation of 5 outer and 3 inner folds on one trial."""
    started = time.process_time()
    rng = np.random.default_rng(np.random.SeedSequence(key))
    dataset, seed = simulate(law, rng), int(rng.integers(2**31))
    y = dataset.outcomes["response"].to_numpy()
    folds = repeated_folds(y, dataset.groups, dataset.plan, n_splits=5, n_repeats=1, seed=seed)
    protocol = protocol_of(law, seed, nested=True)
    results = cross_validate(protocol, dataset, y, folds, explain=False)
    table = increment_table(
        set_predictions(results, positions=np.arange(len(y))),
        [BLOCK],
        y=y,
        groups=dataset.groups,
        thresholds=(0.5,),
        level=0.95,
        resamples=200,
        seed=seed,
    ).set_index("metric")
    loss, area = table.loc["log_loss"], table.loc["auc"]
    true = true_gain(law, protocol, dataset, y)
    return {
        "set": key[-1],
        "gain": loss["value"],
        "low": loss["low"],
        "high": loss["high"],
        "p": loss["p"],
        "shown": int(loss["shown"]),
        "true_gain": true,
        "auc_gain": area["value"],
        "auc_above": int(area["low"] > 0),
        "cpu_seconds": time.process_time() - started,
    }


def true_gain(law: Law, protocol: Protocol, dataset: Dataset, y: Floats) -> float:
    """Return what the block saves fresh patients in log loss, with and without it fitted on everybody."""
    fitted = fit_candidates(protocol, dataset, y, np.arange(len(y)), seed=protocol.seed)
    X, rate = fresh_patients(law, FRESH, seed=FRESH_SEED)
    losses = []
    for one in fitted.values():
        p = one.model.predict_proba(X[list(one.model.feature_names_in_)])[:, 1]
        losses.append(float(-np.mean(rate * np.log(p) + (1 - rate) * np.log1p(-p))))
    return losses[0] - losses[1]


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Count how often the block was shown to add, with Clopper-Pearson limits, and how often the limits held the truth.

    The truth is the mean of the true gains: what the block is expected to bring to the procedure.
    """
    lines = []
    for name, own in rows.groupby("cell", sort=False):
        shown, truth = int(own["shown"].sum()), oracle(LAWS[str(name)])
        limits = binomtest(shown, len(own)).proportion_ci()
        lines.append(
            {"cell": name, **truth, "trials": len(own), "shown": shown, "share": shown / len(own)}
            | {"low": limits.low, "high": limits.high, "mean_gain": own["gain"].mean()}
            | {"true_gain": own["true_gain"].mean(), "covered": _covered(own)}
            | {"auc_gain": own["auc_gain"].mean(), "auc_above": int(own["auc_above"].sum())}
            | {"cpu_seconds": own["cpu_seconds"].sum()}
        )
    return pd.DataFrame(lines)


def _covered(own: pd.DataFrame) -> float:
    return float(((own["low"] <= own["true_gain"].mean()) & (own["true_gain"].mean() <= own["high"])).mean())
