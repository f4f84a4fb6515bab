"""A whole procedure: what nested cross-validation and the optimism bootstrap say of it, beside what it is truly worth.

Two truths are told apart: what the model fitted on this trial's patients is worth in new patients (the final model),
and the mean of that over trials (the procedure at this number of patients).
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from counting import GOOD
from population import Floats, performance
from scipy.stats import t as student
from trials import Law, fresh_patients, protocol_of, simulate

from predictor.features.dataset import Dataset
from predictor.validation.bootstrap import bootstrap_procedure
from predictor.validation.evaluation import evaluate
from predictor.validation.optimism import correct_optimism
from predictor.validation.refitting import with_refitting
from predictor.validation.resampling import Protocol, cross_validate, fit_candidates, fold_predictions
from predictor.validation.splits import repeated_folds

ENTROPY = 20_261_130
CLINICAL, BLOCK = (0.5, -0.3, 0.2, 0.0), (0.4, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
LAWS = {
    law.name: law
    for law in (
        Law("300 patients", 300, 1, CLINICAL, BLOCK),
        Law("30 clusters of 10", 30, 10, CLINICAL, BLOCK),
    )
}
BATCH = 10
FRESH = 50_000
FRESH_SEED = 7
RESAMPLES = 50  # of the optimism bootstrap
DRAWS = 500  # of the cluster bootstrap behind the intervals
REPEATS = 3
METRICS = ("auc", "brier", "scaled_brier", "log_loss", "calibration_intercept", "calibration_slope")
CORRECTED = ("apparent", "harrell", "point_632", "point_632_plus")


def batch(name: str, number: int, *, sets: int = BATCH, resamples: int = RESAMPLES) -> pd.DataFrame:
    """Run one batch of trials: one row per trial and metric."""
    law = LAWS[name]
    place = list(LAWS).index(name)
    return pd.concat(
        [trial(law, [ENTROPY, place, number, i], resamples=resamples) for i in range(sets)], ignore_index=True
    )


def trial(law: Law, key: list[int], *, resamples: int) -> pd.DataFrame:
    """Judge the procedure on one trial by all means, and its final model on fresh patients."""
    started = time.process_time()
    rng = np.random.default_rng(np.random.SeedSequence(key))
    dataset, seed = simulate(law, rng), int(rng.integers(2**31))
    protocol, y = protocol_of(law, seed, nested=False), dataset.outcomes["response"].to_numpy()
    reported = _nested(protocol, dataset, y)
    drawn = bootstrap_procedure(protocol, dataset, y, resamples=resamples, seed=seed)
    corrected = {one.metric: one for one in correct_optimism(y, drawn.apparent, drawn.refits, drawn.counts)}
    true = final_performance(law, protocol, dataset, y)
    lines = [
        {"set": key[-1], "metric": name, **reported.loc[name, ["value", "low", "high"]], "true": true[name]}
        | {how: getattr(corrected[name], how) for how in (*CORRECTED, "refitting")}
        for name in METRICS
    ]
    return pd.DataFrame(lines).assign(cpu_seconds=(time.process_time() - started) / len(METRICS))


def _nested(protocol: Protocol, dataset: Dataset, y: Floats) -> pd.DataFrame:
    """Return the report's table of the judged procedure."""
    folds = repeated_folds(y, dataset.groups, dataset.plan, n_splits=5, n_repeats=REPEATS, seed=protocol.seed)
    results = cross_validate(protocol, dataset, y, folds, explain=False)
    found = evaluate(
        fold_predictions(results, protocol, positions=np.arange(len(y))),
        y=y,
        groups=dataset.groups,
        plan=dataset.plan,
        thresholds=(0.5,),
        level=0.95,
        resamples=DRAWS,
        seed=protocol.seed,
    ).performance
    return found[found["kind"] == "judged"].set_index("metric")


def final_performance(law: Law, protocol: Protocol, dataset: Dataset, y: Floats) -> dict[str, float]:
    """Return what the model fitted on everybody is worth among fresh patients, the same for every trial."""
    fitted = fit_candidates(protocol, dataset, y, np.arange(len(y)), seed=protocol.seed)
    X, rate = fresh_patients(law, FRESH, seed=FRESH_SEED)
    p = fitted[protocol.judge].model.predict_proba(X)[:, 1]
    if np.ptp(p) < 1e-9:  # everybody is told the same: any order is chance, and there is no line
        rate = np.full(len(p), rate.mean())
    order = np.argsort(p, kind="stable")
    return performance(p[order], rate[order])


def coverage(rows: pd.DataFrame) -> pd.DataFrame:
    """Coverage of the nested limits for both truths, models held fixed and with refitting (`with_refitting`)."""
    keys, wider = ["cell", "batch", "set"], []
    for _, own in rows.groupby(keys, sort=False):
        wider.append(with_refitting(own.assign(kind="judged"), own, level=0.95))
    return pd.concat(
        [
            _coverage(table).assign(limits=name)
            for name, table in (("fixed", rows), ("with refitting", pd.concat(wider)))
        ],
        ignore_index=True,
    )


def _coverage(rows: pd.DataFrame) -> pd.DataFrame:
    lines = []
    for (cell, metric), own in rows.groupby(["cell", "metric"], sort=False):
        procedure = own["true"].mean()
        for estimand, truth in (("procedure", procedure), ("final model", own["true"])):
            defined = np.isfinite(own["low"])
            held = ((own["low"] <= truth) & (truth <= own["high"]))[defined].mean()
            lines.append(
                {"cell": cell, "metric": metric, "estimand": estimand, "trials": len(own), "truth": procedure}
                | _mean_with_limits(own["value"] - truth)
                | {"coverage": held, "mc_error": float(np.sqrt(held * (1 - held) / defined.sum()))}
                | {"good": GOOD[0] <= held <= GOOD[1], "width": (own["high"] - own["low"]).mean()}
            )
    return pd.DataFrame(lines)


def bias(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean of estimate − truth of the final model, with its 95 % interval and the root mean square of the error."""
    lines = []
    for (cell, metric), own in rows.groupby(["cell", "metric"], sort=False):
        for how in (*CORRECTED, "value"):
            error = own[how] - own["true"]
            lines.append(
                {"cell": cell, "metric": metric, "estimate": "nested" if how == "value" else how}
                | {"trials": len(own), "truth": own["true"].mean(), **_mean_with_limits(error)}
                | {"rms_error": float(np.sqrt((error**2).mean()))}
            )
    return pd.DataFrame(lines)


def _mean_with_limits(error: pd.Series) -> dict[str, float]:
    half = float(student.ppf(0.975, len(error) - 1)) * float(error.std(ddof=1)) / np.sqrt(len(error))
    return {"bias": error.mean(), "bias_low": error.mean() - half, "bias_high": error.mean() + half}
