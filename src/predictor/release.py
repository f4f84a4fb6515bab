"""From a finished study to the prediction model that can be used on the next patient."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version

import numpy as np
import pandas as pd

from predictor.cohort.selection import band_labels, baseline_values
from predictor.config.schema import Condition, FeatureEntry, Rule
from predictor.data.frames import rows_of
from predictor.explanation.attribution import attribute, plan_baselines
from predictor.features.dataset import Feature
from predictor.features.extraction import declare_feature
from predictor.models.compact import compact, refit_range
from predictor.models.tuning import TunedClassifier
from predictor.prediction_model import GroupRate, InputField, PlanBaseline, PredictionModel
from predictor.report.facts import tried, verdict_facts
from predictor.report.model import LIMITS
from predictor.report.verdict_wording import group_reason, verdict_sentence
from predictor.study import Study, describe_outcome
from predictor.validation.evaluation import Evaluation
from predictor.validation.resampling import choose, fit_candidates

__all__ = ["FinalFit", "assemble_model", "fit_final", "package_versions"]

PACKAGES = ("scikit-learn", "numpy", "scipy", "pandas", "skops", "shap", "mlflow")


@dataclass(frozen=True)
class FinalFit:
    """The procedure run once on every evaluable unit.

    Parameters
    ----------
    chosen : str
        Candidate with the smallest inner log loss, or the declared one.
    model : TunedClassifier
    fitted : dict of str to TunedClassifier
        All candidates, for the report.
    rows : ndarray of int
        Positions of the evaluable units.
    """

    chosen: str
    model: TunedClassifier
    fitted: Mapping[str, TunedClassifier]
    rows: np.ndarray


def fit_final(study: Study) -> FinalFit:
    """Run the declared procedure on all evaluable units.

    Parameters
    ----------
    study : Study
    """
    rows, _ = study.evaluable(study.loaded.config.primary)
    fitted = fit_candidates(
        study.protocol, study.dataset, study.primary.label, rows, seed=study.protocol.seed
    )
    chosen = choose(study.protocol, fitted)
    return FinalFit(chosen=chosen, model=fitted[chosen], fitted=fitted, rows=rows)


def assemble_model(
    study: Study,
    final: FinalFit,
    evaluation: Evaluation,
    *,
    importance: Mapping[str, float],
    workers: int,
    created: date,
) -> PredictionModel:
    """Put together what the next patient needs: estimator, ranges, provenance and verdict.

    Parameters
    ----------
    study : Study
    final : FinalFit
    evaluation : Evaluation
    importance : mapping of str to float
        Mean absolute out-of-fold contribution of each feature.
    workers : int
    created : date
    """
    config = study.loaded.config
    names = [str(name) for name in final.model.feature_names_in_]
    features = tuple(f for f in study.dataset.features if f.name in names)
    X = study.dataset.X.iloc[final.rows][names]
    y, plan = study.primary.label[final.rows], study.cohort.plan[final.rows]
    released = evaluation.verdict.label == "better" or config.report.release == "research"
    refits = (
        refit_range(
            final.model,
            X,
            y,
            study.cohort.groups[final.rows],
            resamples=config.validation.refits,
            seed=config.experiment.seed,
            workers=workers,
        )
        if released
        else []
    )
    phi = attribute(final.model, X)
    baselines = plan_baselines(phi, final.model.decision_function(X), plan)
    inputs, entry_rules = _inputs(study, features, X, plan, importance)
    return PredictionModel(
        estimator=final.model,
        scorer=compact(final.model),
        refits=tuple(refits),
        features=features,
        inputs=inputs,
        entry_rules=entry_rules,
        plan=_plan(study, features),
        baselines={
            name: PlanBaseline(
                start_log_odds=float(one[0]),
                mean_log_odds_contributions=dict(zip(names, map(float, one[1]), strict=True)),
                n=int(one[2]),
            )
            for name, one in baselines.items()
        },
        group_rates=tuple(
            GroupRate(str(r.plan), int(r.n), int(r.events), float(r.rate), float(r.low), float(r.high))
            for r in rows_of(evaluation.group_rates)
        ),
        policy={
            "withhold_if": config.report.withhold_if.model_dump(),
            "release": config.report.release,
            "reason": config.report.reason or "",
        },
        dictionary=study.loaded.dictionary.model_dump(mode="json", by_alias=True),
        cohort=config.cohort.model_dump(mode="json", by_alias=True),
        card=_card(study, final, evaluation, created=created),
        manifest={},
    )


def _inputs(
    study: Study,
    features: Sequence[Feature],
    X: pd.DataFrame,
    plan: np.ndarray,
    importance: Mapping[str, float],
) -> tuple[tuple[InputField, ...], tuple[dict[str, object], ...]]:
    """Input fields of the features, then of the entry rules that need something else, and the rules by input name."""
    total = sum(importance.get(f.name, 0.0) for f in features) or 1.0
    treatment = study.loaded.config.cohort.treatment
    fields = {
        f.source: _field(
            f,
            X[f.name],
            plan,
            importance=importance.get(f.name, 0.0) / total,
            required=treatment is not None and f.source == treatment.column,
        )
        for f in features
        if f.take == "last"
    }
    extra = {
        f.name: _field(f, X[f.name], plan, importance=importance.get(f.name, 0.0) / total)
        for f in features
        if f.take != "last"
    }
    rules: list[dict[str, object]] = []
    for rule in study.loaded.config.cohort.eligibility:
        described = _rule(study, rule, fields, plan_rows=X.index.to_numpy(int))
        if described is not None:
            rules.append(described)
    return (*fields.values(), *extra.values()), tuple(rules)


def _rule(
    study: Study, rule: Rule, fields: dict[str, InputField], *, plan_rows: np.ndarray
) -> dict[str, object] | None:
    """Describe a rule by input names; one about what was known only afterwards cannot be asked at day 0."""
    dictionary = study.loaded.dictionary
    conditions: list[dict[str, object]] = []
    declared = [dictionary.find(condition.column) for condition in rule.conditions()]
    if any(found is None or found[0].known_of(found[2]) == "after" for found in declared):
        return None
    for condition in rule.conditions():
        if condition.column not in fields:
            fields[condition.column] = _entry_field(study, condition, plan_rows)
        conditions.append(
            {
                "input": fields[condition.column].name,
                "min": condition.min,
                "max": condition.max,
                "in": condition.in_,
            }
        )
    return {"name": rule.name, "conditions": conditions}


def _entry_field(study: Study, condition: Condition, rows: np.ndarray) -> InputField:
    feature = declare_feature(FeatureEntry(column=condition.column), "entry", study.loaded.dictionary)
    baseline = study.loaded.config.cohort.baseline
    values = baseline_values(
        study.cohort.timeline, study.loaded.dictionary, condition.column, baseline=baseline
    )
    return _field(
        feature, values.iloc[rows], study.cohort.plan[rows], importance=0.0, role="entry", required=True
    )


def _field(
    feature: Feature,
    values: pd.Series,
    plan: np.ndarray,
    *,
    importance: float,
    role: str | None = None,
    required: bool = False,
) -> InputField:
    number = feature.kind == "number"
    known = values.dropna()
    counts = known.value_counts() if not number else pd.Series(dtype=int)
    # A level of fewer than 5 patients is merged by the encoder and must not be readable in the folder either.
    levels = tuple(sorted(str(level) for level, n in counts.items() if n >= 5))
    numbers = known.astype(float) if number else known
    return InputField(
        name=feature.name,
        label=feature.label,
        kind=feature.kind,
        unit=feature.unit,
        levels=levels if role != "entry" else tuple(feature.levels) or levels,
        limits=feature.limits,
        learned=(float(numbers.min()), float(numbers.max())) if number and len(numbers) else None,
        role=role or feature.known,  # type: ignore[arg-type]
        required=required,
        missing_share=float(values.isna().mean()),
        importance=float(importance),
        typical=_typical(values, plan, number=number, levels=levels),
        source=feature.source,
        take=feature.take,
    )


def _typical(
    values: pd.Series, plan: np.ndarray, *, number: bool, levels: Sequence[str]
) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    for name in sorted(set(plan)):
        known = values[plan == name].dropna()
        if number and len(known):
            found[str(name)] = float(known.astype(float).median())
        elif len(known):
            common = [level for level in known.value_counts().index if str(level) in levels]
            if common:
                found[str(name)] = str(common[0])
    return found


def _plan(study: Study, features: Sequence[Feature]) -> dict[str, object]:
    """Which input says the plan, and how its values become labels; empty where the model knows no plan."""
    treatment = study.loaded.config.cohort.treatment
    one = next((f for f in features if treatment is not None and f.source == treatment.column), None)
    if treatment is None or one is None:
        return {}
    bands = treatment.bands or []
    return {
        "input": one.name,
        "label": one.label,
        "unit": one.unit,
        "control": treatment.control,
        "assignment": treatment.assignment,
        "bands": bands,
        "band_labels": list(dict.fromkeys(band_labels(np.array([bands[0] - 1, *bands]), bands)))
        if bands
        else [],
    }


def _card(study: Study, final: FinalFit, evaluation: Evaluation, *, created: date) -> dict[str, object]:
    config = study.loaded.config
    facts = verdict_facts(study, evaluation)
    judged = evaluation.performance[evaluation.performance["kind"] == "judged"]
    metrics = {
        str(r.metric): {"value": _number(r.value), "low": _number(r.low), "high": _number(r.high)}
        for r in rows_of(judged)
    }
    y = study.primary.label[final.rows]
    return {
        "name": config.experiment.name,
        "title": config.report.title or config.experiment.question,
        "owner": config.report.owner,
        "contact": config.report.contact,
        "outcome": _outcome(study),
        "chosen": final.chosen,
        "verdict": {
            "label": evaluation.verdict.label,
            "sentence": verdict_sentence(facts),
            "reason": group_reason(facts),
        },
        "metrics": metrics,
        "plain_counts": evaluation.plain_counts,
        "tried": [one.model_dump() for one in tried(study, evaluation)],
        "group_interval": evaluation.group_interval,
        "limits": list(LIMITS),
        "n": len(y),
        "events": int(y.sum()),
        "developed_on": _developed_on(study, final, y),
        "simulated": study.simulated,
        "created": created.isoformat(),
        "valid_until": (created + timedelta(days=config.report.valid_days)).isoformat(),
        "config_sha256": study.loaded.config_hash,
        "dictionary_sha256": study.loaded.dictionary_hash,
        "data_sha256": study.data_hash,
        "versions": package_versions(),
    }


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a prediction depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def _outcome(study: Study) -> dict[str, str]:
    section = study.loaded.config.outcomes[study.primary.name]
    horizon, scale = "", ""
    if section.kind == "event":
        scale = section.column
    else:
        horizon, scale = f"day {section.assessed.target_day or section.assessed.last_day}", section.measure
    return {
        "name": study.primary.name,
        "definition": describe_outcome(study, study.primary.name),
        "horizon": horizon,
        "scale": scale,
        "better": "lower",
    }


def _developed_on(study: Study, final: FinalFit, y: np.ndarray) -> str:
    text = f"{len(y)} patients, {int(y.sum())} with the outcome"
    clusters = len(np.unique(study.cohort.groups[final.rows]))
    return f"{text}, {clusters} clusters" if study.loaded.config.cohort.group else text


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
