"""From a finished study to the prediction model that can be used on the next patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from predictor.adequacy import Adequacy
from predictor.cohort.selection import band_labels
from predictor.errors import Problem, ResourceError
from predictor.execution import Execution
from predictor.explanation.attribution import MemberExplainer, plan_baselines
from predictor.features.columns import columns_of
from predictor.features.dataset import Feature
from predictor.features.distance import Distance, fit_distance
from predictor.input_fields import describe_inputs
from predictor.model_card import write_card
from predictor.models.averaging import AveragedClassifier
from predictor.models.compact import compact, refit_range
from predictor.models.plain import CompactModel, Member
from predictor.models.tuning import TunedClassifier
from predictor.other_outcomes import GroupRate
from predictor.prediction.case_mix import describe_case_mix
from predictor.prediction_model import InputField, PlanBaseline, PredictionModel
from predictor.study import Study
from predictor.validation.assembly import RESAMPLED, candidate_line, candidate_weights
from predictor.validation.attempts import attempt
from predictor.validation.coefficients import COLUMNS, coefficient_table
from predictor.validation.evaluation import Evaluation
from predictor.validation.imputed import Imputed
from predictor.validation.resampling import fit_candidates

__all__ = ["FinalFit", "assemble_model", "fit_final", "fit_refits", "pooled_coefficients"]


@dataclass(frozen=True)
class FinalFit:
    """The procedure run once on every evaluable unit.

    Parameters
    ----------
    model : AveragedClassifier
        Of the candidates with a weight.
    weights : dict of str to float
        Share of each candidate in the model.
    fitted : dict of str to TunedClassifier
        All candidates, for the report; of several imputations the first.
    imputed : dict of str to tuple of TunedClassifier
        The same on every imputation.
    rows : ndarray of int
        Positions of the evaluable units.
    """

    model: AveragedClassifier
    weights: Mapping[str, float]
    fitted: Mapping[str, TunedClassifier]
    imputed: Mapping[str, tuple[TunedClassifier, ...]]
    rows: np.ndarray

    @property
    def chosen(self) -> str:
        """The one candidate that the model is, or how many it is the average of."""
        names = [name for name, weight in self.weights.items() if weight > 0]
        return names[0] if len(names) == 1 else f"average of {len(names)} models"


def fit_final(study: Study) -> FinalFit:
    """Run the declared procedure on all evaluable units.

    Parameters
    ----------
    study : Study

    Raises
    ------
    ResourceError
        TRN-07, if one of the candidates cannot be fitted: what was judged is then not what could be released.
    """
    rows, y = study.trainable()

    def fit(names: Sequence[str]) -> dict[str, Imputed]:
        label, seed = study.primary.label, study.protocol.seed_of(RESAMPLED, 0)
        return fit_candidates(study.protocol, study.dataset, label, rows, seed=seed, names=names)

    names = [candidate.name for candidate in study.protocol.candidates]
    tuned, reasons = attempt(fit, names, seconds=study.loaded.config.execution.unit_seconds)
    if reasons:
        raise ResourceError([_not_fitted(name, reason) for name, reason in reasons.items()])
    by_others = {name: one.log_odds for name, one in tuned.items()}
    losses = {name: one.inner_log_loss for name, one in tuned.items()}
    weights = candidate_weights(study.protocol, losses, by_others, y)
    line = candidate_line(study.protocol, weights, by_others, y)
    features = [feature.name for feature in study.dataset.features]
    members = [
        (model, weights[name] / len(one.models)) for name, one in tuned.items() for model in one.models
    ]
    model = AveragedClassifier.of([m for m, _ in members], [w for _, w in members], features, line)
    imputed = {name: one.models for name, one in tuned.items()}
    fitted = {name: one.model for name, one in tuned.items()}
    return FinalFit(model=model, weights=weights, fitted=fitted, imputed=imputed, rows=rows[np.isfinite(y)])


def pooled_coefficients(study: Study, final: FinalFit) -> pd.DataFrame:
    """Pool the coefficients of every linear candidate over the imputations; empty where there are none.

    Parameters
    ----------
    study : Study
    final : FinalFit

    Returns
    -------
    pandas.DataFrame
        ``candidate`` and the columns of `predictor.validation.coefficients.coefficient_table`.
    """
    rows, y = study.trainable()
    X, level = study.dataset.X.iloc[rows], study.loaded.config.validation.interval.level
    tables = [
        coefficient_table(final.imputed[c.name], X, y, level=level).assign(candidate=c.name)
        for c in study.protocol.candidates
        if study.protocol.imputations and c.family == "elastic_net"
    ]
    found = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
    return found.reindex(columns=["candidate", *COLUMNS])


def _not_fitted(name: str, reason: str) -> Problem:
    remedy = "Take it out or change its search, and train again"
    return Problem("TRN-07", f"{name} could not be fitted on all patients ({reason})", remedy, path="models")


def assemble_model(
    study: Study,
    final: FinalFit,
    evaluation: Evaluation,
    *,
    adequacy: Adequacy,
    importance: Mapping[str, float],
    execution: Execution,
    created: date,
) -> PredictionModel:
    """Put together what the next patient needs: estimator, ranges, provenance and verdict.

    Parameters
    ----------
    study : Study
    final : FinalFit
    evaluation : Evaluation
    adequacy : Adequacy
    importance : mapping of str to float
        Mean absolute out-of-fold contribution of each feature.
    execution : Execution
    created : date
    """
    config = study.loaded.config
    estimator = final.model
    scorer = compact(estimator)
    names = [str(name) for name in estimator.feature_names_in_]
    features = tuple(f for f in study.dataset.features if f.name in names)
    X, plan = study.dataset.X.iloc[final.rows][names], study.cohort.plan[final.rows]
    inputs, entry_rules = describe_inputs(study, features, X, plan, importance)
    released = evaluation.verdict.label == "better" or config.report.release == "research"
    return PredictionModel(
        build=lambda: estimator,
        scorer=scorer,
        refits=fit_refits(study, estimator, execution=execution) if released else (),
        features=features,
        inputs=inputs,
        entry_rules=entry_rules,
        plan=_plan(study, inputs),
        baselines=_baselines(scorer, X, plan),
        group_rates=GroupRate.from_table(evaluation.group_rates),
        policy={
            "withhold_if": config.report.withhold_if.model_dump(),
            "release": config.report.release,
            "reason": config.report.reason or "",
        },
        dictionary=study.loaded.dictionary.model_dump(mode="json", by_alias=True),
        cohort=config.cohort.model_dump(mode="json", by_alias=True),
        card=write_card(
            study,
            evaluation,
            overridden=adequacy.overridden,
            chosen=final.chosen,
            rows=final.rows,
            created=created,
        )
        | {"case_mix": _case_mix(inputs, X, evaluation)},
        manifest={},
        distance=_distance(scorer, features, X),
    )


def _distance(scorer: CompactModel, features: Sequence[Feature], X: pd.DataFrame) -> Distance | None:
    """How the development patients were distributed at baseline; the plan is chosen and not one of their traits."""
    baseline = {one.name for one in features if one.known != "plan"}
    columns = [column for column in scorer.columns if column.feature in baseline]
    return fit_distance(columns, columns_of(X, columns), len(X))


def _case_mix(inputs: Sequence[InputField], X: pd.DataFrame, evaluation: Evaluation) -> dict[str, object]:
    """Who the model was developed on, for whoever asks whether other patients are like them."""
    features = [one for one in inputs if one.name in X.columns]
    rows = X.astype(object).where(X.notna(), None).to_dict("records")
    mean, spread = evaluation.log_odds
    return {
        "inputs": describe_case_mix(features, [{str(k): v for k, v in row.items()} for row in rows]),
        "log_odds": {"mean": mean, "sd": spread},
    }


def fit_refits(
    study: Study, estimator: AveragedClassifier, *, execution: Execution
) -> tuple[CompactModel, ...]:
    """Fit a model anew on resampled patients, for the range beside its estimates.

    Parameters
    ----------
    study : Study
    estimator : AveragedClassifier
        Of the study's primary outcome.
    execution : Execution
    """
    config = study.loaded.config
    rows, y = study.trainable()
    X = study.dataset.X.iloc[rows][[str(name) for name in estimator.feature_names_in_]]
    return tuple(
        refit_range(
            estimator,
            X,
            y,
            study.cohort.groups[rows],
            resamples=config.validation.refits,
            seed=config.experiment.seed,
            execution=execution,
        )
    )


def _baselines(
    scorer: CompactModel, X: pd.DataFrame, plan: np.ndarray
) -> dict[str, tuple[PlanBaseline, ...]]:
    """Average what a patient's explanation starts from: each member's log-odds and contributions in the same plan."""
    raw = columns_of(X, scorer.columns)
    by_member = [
        _of_member(member, MemberExplainer(member).attribute(raw, len(X)), plan) for member in scorer.members
    ]
    return {name: tuple(found[name] for found in by_member) for name in by_member[0]}


def _of_member(
    member: Member, attributed: tuple[np.ndarray, np.ndarray], plan: np.ndarray
) -> dict[str, PlanBaseline]:
    return {
        name: PlanBaseline(
            start_log_odds=float(start),
            mean_log_odds_contributions=dict(zip(member.features, map(float, contributions), strict=True)),
            n=int(n),
        )
        for name, (start, contributions, n) in plan_baselines(*attributed, plan).items()
    }


def _plan(study: Study, inputs: Sequence[InputField]) -> dict[str, object]:
    """Which input says the plan, and how its values become labels; empty where no treatment is declared."""
    treatment = study.loaded.config.cohort.treatment
    one = next((f for f in inputs if treatment is not None and f.source == treatment.column), None)
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
