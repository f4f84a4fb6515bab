"""The other outcomes, judged by the same procedure on the same folds, and what the model says of each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from predictor.data.frames import rows_of
from predictor.errors import ResourceError
from predictor.execution import Execution, Progress
from predictor.models.compact import compact
from predictor.other_outcomes import GroupRate, OtherOutcome
from predictor.prediction_model import PredictionModel
from predictor.release import fit_final, fit_refits
from predictor.study import Study, describe_outcome
from predictor.validation.counts import group_rates, interval_words
from predictor.validation.evaluation import Evaluation, evaluate
from predictor.validation.resampling import cross_validate, fold_predictions
from predictor.validation.splits import Fold
from predictor.validation.verdict import FEWEST

__all__ = ["SECONDARY_COLUMNS", "Secondary", "judge_secondary", "secondary_table", "with_outcomes"]

SECONDARY_COLUMNS = [
    "outcome", "kind", "n", "events", "mean", "sd", "metric", "value", "low", "high", "note",
]  # fmt: skip


@dataclass(frozen=True)
class Secondary:
    """One outcome that the verdict of the training is not about.

    Parameters
    ----------
    name : str
    rows : tuple of dict
        Of the table, see `secondary_table`.
    known : ndarray of int
        Positions in the cohort of the primary outcome's evaluable units that have this one too.
    evaluation : Evaluation or None
        None where it was described and not judged.
    """

    name: str
    rows: tuple[dict[str, object], ...]
    known: np.ndarray
    evaluation: Evaluation | None = None


def judge_secondary(
    study: Study,
    folds: Sequence[Fold],
    *,
    execution: Execution,
    progress: Progress,
) -> tuple[Secondary, ...]:
    """Run the declared procedure for every outcome but the primary one.

    Parameters
    ----------
    study : Study
    folds : sequence of Fold
        Those of the primary outcome, as positions among its evaluable units.
    execution : Execution
    progress : callable
        Called with the step, how much of it is done, and of how much.
    """
    return tuple(
        _judged(study, name, folds, execution=execution, progress=progress)
        for name in study.outcomes
        if name != study.loaded.config.primary
    )


def secondary_table(secondary: Sequence[Secondary]) -> pd.DataFrame:
    """Put the results into one table.

    Parameters
    ----------
    secondary : sequence of Secondary

    Returns
    -------
    DataFrame
        One row per outcome and metric of the judged procedure, with limits. A change has its mean and SD and no metric;
        so has an event without 20 events and 20 non-events, with a note that says so.
    """
    return pd.DataFrame([row for one in secondary for row in one.rows], columns=SECONDARY_COLUMNS)


def _judged(
    study: Study,
    name: str,
    folds: Sequence[Fold],
    *,
    execution: Execution,
    progress: Progress,
) -> Secondary:
    positions, _ = study.evaluable(study.loaded.config.primary)
    outcome = study.outcomes[name]
    y = outcome.label[positions]
    known = np.isfinite(y)
    values = y[known]
    row: dict[str, object] = {"outcome": name, "kind": outcome.kind, "n": len(values), "note": ""}
    if outcome.kind == "change":
        return Secondary(name, (row | _described_change(values),), positions[known])
    row |= {"events": int(values.sum()), "mean": float(values.mean()) if len(values) else np.nan}
    if min(values.sum(), len(values) - values.sum()) < FEWEST:
        told = {**row, "note": f"fewer than {FEWEST} events or non-events: not judged"}
        return Secondary(name, (told,), positions[known])
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
    figures = tuple(row | one for one in _figures(evaluation))
    return Secondary(name, figures, positions[known], evaluation)


def _described_change(values: np.ndarray) -> dict[str, object]:
    spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    mean = float(values.mean()) if len(values) else np.nan
    return {"mean": mean, "sd": spread, "note": "described, not modelled"}


def _figures(evaluation: Evaluation) -> Iterator[dict[str, object]]:
    """Yield the judged procedure's metrics, and what it gains over each reference."""
    for r in rows_of(evaluation.performance[evaluation.performance["kind"] == "judged"]):
        yield {"metric": r.metric, "value": r.value, "low": r.low, "high": r.high}
    for one in evaluation.verdict.comparisons:
        gain = f"gain in log loss over {one.reference}"
        yield {"metric": gain, "value": one.gain, "low": one.low, "high": one.high}


def with_outcomes(
    study: Study, model: PredictionModel, secondary: Sequence[Secondary], *, execution: Execution
) -> PredictionModel:
    """Let a model say of each other outcome what was observed, and estimate those that it was shown to be better for.

    Parameters
    ----------
    study : Study
    model : PredictionModel
        Of the primary outcome.
    secondary : sequence of Secondary
        Of the same study. A change is not among what is said: it has no rate.
    execution : Execution
        For the refits.
    """
    described = [_described(study, one) for one in secondary if study.outcomes[one.name].kind != "change"]
    observed = [one for one in described if one.group_rates]
    personal = [_personal(study, model, one, execution=execution) for one in observed]
    return replace(model, outcomes=tuple(personal))


def _described(study: Study, one: Secondary) -> OtherOutcome:
    y = study.outcomes[one.name].label[one.known]
    rates = group_rates(
        y,
        study.cohort.groups[one.known],
        study.cohort.plan[one.known],
        level=study.loaded.config.validation.interval.level,
    )
    return OtherOutcome(
        name=one.name,
        kind=study.outcomes[one.name].kind,
        definition=describe_outcome(study, one.name),
        n=len(y),
        events=int(y.sum()),
        verdict="too_little" if one.evaluation is None else one.evaluation.verdict.label,
        interval=interval_words(rates),
        group_rates=GroupRate.from_table(rates),
    )


def _personal(
    study: Study, model: PredictionModel, one: OtherOutcome, *, execution: Execution
) -> OtherOutcome:
    """Fit the declared procedure to it, where it was shown to be better and asks for no more than the model does."""
    if one.verdict != "better":
        return one
    config = study.loaded.config.model_copy(update={"primary": one.name})
    own = replace(study, loaded=replace(study.loaded, config=config))
    try:
        estimator = fit_final(own).model
    except ResourceError:
        return one  # what was judged cannot be released; the group's rate can
    if not {str(name) for name in estimator.feature_names_in_} <= {f.name for f in model.features}:
        return one
    return replace(
        one,
        scorer=compact(estimator),
        refits=fit_refits(own, estimator, execution=execution),
        build=lambda: estimator,
    )
