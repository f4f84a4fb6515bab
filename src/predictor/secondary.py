"""The other outcomes, judged by the same procedure on the same folds: described, never released."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from predictor.execution import Execution
from predictor.study import Study
from predictor.validation.evaluation import evaluate
from predictor.validation.resampling import cross_validate, fold_predictions
from predictor.validation.splits import Fold
from predictor.validation.verdict import FEWEST

__all__ = ["SECONDARY_COLUMNS", "evaluate_secondary"]

SECONDARY_COLUMNS = [
    "outcome", "kind", "n", "events", "mean", "sd", "metric", "value", "low", "high", "note",
]  # fmt: skip


def evaluate_secondary(
    study: Study,
    folds: Sequence[Fold],
    *,
    execution: Execution,
    progress: Callable[[str, int, int], None],
) -> pd.DataFrame:
    """Run the declared procedure for every outcome but the primary one.

    Parameters
    ----------
    study : Study
    folds : sequence of Fold
        Those of the primary outcome, as positions among its evaluable units.
    execution : Execution
    progress : callable
        Called with the step, how much of it is done, and of how much.

    Returns
    -------
    DataFrame
        One row per outcome and metric of the judged procedure, with limits. A change has its mean and SD and no metric;
        so has an event without 20 events and 20 non-events, with a note that says so.
    """
    rows: list[dict[str, object]] = []
    for name in study.outcomes:
        if name != study.loaded.config.primary:
            rows += _one_outcome(study, name, folds, execution=execution, progress=progress)
    return pd.DataFrame(rows, columns=SECONDARY_COLUMNS)


def _one_outcome(
    study: Study,
    name: str,
    folds: Sequence[Fold],
    *,
    execution: Execution,
    progress: Callable[[str, int, int], None],
) -> list[dict[str, object]]:
    positions, _ = study.evaluable(study.loaded.config.primary)
    outcome = study.outcomes[name]
    y = outcome.label[positions]
    known = np.isfinite(y)
    values = y[known]
    row: dict[str, object] = {"outcome": name, "kind": outcome.kind, "n": len(values), "note": ""}
    if outcome.kind == "change":
        spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
        return [
            {
                **row,
                "mean": float(values.mean()) if len(values) else np.nan,
                "sd": spread,
                "note": "described, not modelled",
            }
        ]
    row |= {"events": int(values.sum()), "mean": float(values.mean()) if len(values) else np.nan}
    if min(values.sum(), len(values) - values.sum()) < FEWEST:
        return [{**row, "note": f"fewer than {FEWEST} events or non-events: not judged"}]
    kept = [Fold(f.repeat, f.fold, f.train[known[f.train]], f.test[known[f.test]]) for f in folds]
    done = iter(range(1, len(kept) + 1))
    results = cross_validate(
        study.protocol,
        study.dataset.take(positions),
        y,
        kept,
        execution=execution,
        explain=False,
        progress=lambda _: progress(f"outcome {name}", next(done), len(kept)),
    )
    validation = study.loaded.config.validation
    evaluation = evaluate(
        fold_predictions(results, study.protocol, positions=positions),
        y=outcome.label,
        groups=study.cohort.groups,
        plan=study.cohort.plan,
        thresholds=validation.thresholds,
        level=validation.interval.level,
        resamples=validation.interval.resamples,
        seed=study.protocol.seed,
    )
    judged = evaluation.performance[evaluation.performance["kind"] == "judged"]
    metrics = [
        {**row, "metric": r["metric"], "value": r["value"], "low": r["low"], "high": r["high"]}
        for _, r in judged.iterrows()
    ]
    gains = [
        {
            **row,
            "metric": f"gain in log loss over {one.reference}",
            "value": one.gain,
            "low": one.low,
            "high": one.high,
        }
        for one in evaluation.verdict.comparisons
    ]
    return [*metrics, *gains]
