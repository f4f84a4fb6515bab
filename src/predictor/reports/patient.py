"""From predictions to the view models of the patient report."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from typing import Any, Literal

import pandas as pd

from predictor.data.instruments import INSTRUMENTS
from predictor.data.scales import SUICIDALITY
from predictor.prediction import Prediction, predict_patients
from predictor.prediction_model import PredictionModel
from predictor.provenance import software_version
from predictor.reports.content import (
    GroupRate,
    InputValue,
    ModelLabel,
    ObservedRate,
    Outcome,
    Patient,
    PlanItem,
    PredictionReportV1,
    Reason,
    ReportLabel,
    SafetyPrompt,
    Tried,
)
from predictor.reports.content_estimate import (
    Applicability,
    Check,
    Contribution,
    Contributions,
    Estimate,
    Performance,
    PlainCounts,
)
from predictor.reports.wording import number_text, outward, say

__all__ = ["example_patients", "patient_views"]

LONGEST_PSEUDONYM = 24


def example_patients(model: PredictionModel) -> pd.DataFrame:
    """Return one invented patient per plan: the median or most frequent value of every input.

    Parameters
    ----------
    model : PredictionModel
    """
    plan_input = model.plan.get("input")
    rows: list[dict[str, object]] = []
    for plan in sorted(model.baselines):
        row: dict[str, object] = {"patient": f"EXAMPLE {len(rows) + 1}"}
        for one in model.inputs:
            row[one.name] = one.typical.get(plan)
        if plan_input and not model.plan.get("bands"):
            row[str(plan_input)] = plan
        rows.append(row)
    return pd.DataFrame(rows, columns=["patient", *(one.name for one in model.inputs)])


def patient_views(
    model: PredictionModel, frame: pd.DataFrame, *, now: datetime, user_ref: str
) -> list[PredictionReportV1]:
    """Predict each row and lay out what its report says.

    Parameters
    ----------
    model : PredictionModel
    frame : pandas.DataFrame
        One row per patient; a column ``patient`` holds the clinic's pseudonym.
    now : datetime
    user_ref : str
        Who asked, as the clinic names them; never a patient.
    """
    predictions = predict_patients(model, frame, today=now.date())
    if "patient" in frame.columns:
        names = [str(name)[:LONGEST_PSEUDONYM] for name in frame["patient"]]
    else:
        names = [f"row {prediction.row}" for prediction in predictions]
    return [_view(model, one, name, now, user_ref) for one, name in zip(predictions, names, strict=True)]


def _view(
    model: PredictionModel, prediction: Prediction, pseudonym: str, now: datetime, user_ref: str
) -> PredictionReportV1:
    card = model.card
    values = {one.name: one.value for one in prediction.inputs}
    parts: dict[str, Any] = {}
    if prediction.kind == "estimate":
        parts = _estimate_parts(model, prediction)
    elif prediction.kind == "group_rate":
        parts = {"group": _group(model, prediction)}
    else:
        parts = {"refusal": _refusal(prediction)}
    return PredictionReportV1(
        report=ReportLabel(
            id=_report_id(model, values, now.date()),
            created_utc=now,
            user_ref=user_ref,
            software_version=software_version(),
            config_sha256=str(card["config_sha256"]),
            kind=prediction.kind,
        ),
        simulated=bool(card["simulated"]),
        research_only=prediction.research_only,
        research_reason=str(model.policy.get("reason", "")) if prediction.research_only else "",
        override=str(card.get("override", "")),
        patient=_patient(model, pseudonym, values, now.date()),
        model=ModelLabel(
            id=str(card["name"]),
            version=str(card["created"]),
            bundle_sha256=str(model.manifest.get("sha256", "")),
            title=str(card["title"]),
            owner=str(card["owner"]),
            contact=str(card["contact"]),
            valid_until=date.fromisoformat(str(card["valid_until"])),
        ),
        outcome=Outcome(**card["outcome"]),
        plan=_plan(model, values),
        inputs=tuple(_input(model, one, prediction) for one in prediction.inputs),
        safety=_safety(model, prediction),
        not_covered=str(card.get("not_covered", "")),
        limits=tuple(str(limit) for limit in card["limits"]),
        **parts,
    )


def _report_id(model: PredictionModel, values: dict[str, Any], day: date) -> str:
    """Give the same identifier for the same inputs, model and day; it cannot be read back into the inputs."""
    content = json.dumps([str(model.manifest.get("sha256", "")), values, day.isoformat()], sort_keys=True)
    return f"R-{hashlib.sha256(content.encode()).hexdigest()[:8].upper()}"


def _patient(model: PredictionModel, pseudonym: str, values: dict[str, Any], day: date) -> Patient:
    age, sex = values.get("age"), values.get("sex")
    return Patient(
        pseudonym=pseudonym,
        age_years=int(age) if isinstance(age, float) else None,
        sex=sex if isinstance(sex, str) else None,
        assessed_on=day,
    )


def _plan(model: PredictionModel, values: dict[str, Any]) -> tuple[PlanItem, ...]:
    return tuple(
        PlanItem(field=one.name, label=one.label, value=_text(values[one.name]) or "Missing", unit=one.unit)
        for one in model.inputs
        if one.role == "plan"
    )


def _estimate_parts(model: PredictionModel, prediction: Prediction) -> dict[str, Any]:
    assert prediction.probability is not None
    assert prediction.low is not None
    assert prediction.high is not None
    assert prediction.start is not None
    group = prediction.group
    base = group.rate if group else float(model.card["events"]) / float(model.card["n"])
    trees = abs(prediction.other) > 0
    return {
        "estimate": Estimate.from_probabilities(
            prediction.probability,
            prediction.low,
            prediction.high,
            base_rate=base,
            base_n=group.n if group else int(model.card["n"]),
            same_plan=bool(model.plan.get("input")),
            refits=len(model.refits),
        ),
        "applicability": _applicability(prediction),
        "contributions": Contributions.from_points(
            [
                (
                    Contribution(
                        field=one.name,
                        label=one.label,
                        value_text=_text(one.value, one.unit),
                        reference_text=_text(one.reference, one.unit) or "",
                        points=0,
                        phrase=_phrase(one.label, one.value, one.reference),
                    ),
                    one.points,
                )
                for one in prediction.contributions
                if not one.sensitive
            ],
            start=prediction.start,
            total=prediction.probability,
            unlisted=[one.points for one in prediction.contributions if one.sensitive],
            left_over=prediction.other if trees else None,
        ),
        "performance": _performance(model),
    }


def _phrase(label: str, value: float | str | None, reference: float | str | None) -> str:
    if isinstance(value, float) and isinstance(reference, float) and value != reference:
        return f"{'higher' if value > reference else 'lower'} {label}"
    return ""


def _applicability(prediction: Prediction) -> Applicability:
    checks = tuple(
        Check(id=one.id, label=one.label, status=one.status, result=one.result, meaning=one.meaning)
        for one in prediction.checks
    )
    verdict: Literal["usable", "caution"] = (
        "usable" if all(one.status == "ok" for one in checks) else "caution"
    )
    return Applicability(verdict=verdict, checks=checks)


def _performance(model: PredictionModel) -> Performance:
    card = model.card
    auc, slope, intercept = (
        card["metrics"].get(name, {}) for name in ("auc", "calibration_slope", "calibration_intercept")
    )
    counts = card.get("plain_counts")
    return Performance(
        developed_on=str(card["developed_on"]),
        auc=auc.get("value"),
        auc_lo=auc.get("low"),
        auc_hi=auc.get("high"),
        calibration_slope=slope.get("value"),
        calibration_intercept=intercept.get("value"),
        counts=PlainCounts(**counts) if counts else None,
        not_tested_in="Patients of any clinic that is not in the development data",
    )


def _group(model: PredictionModel, prediction: Prediction) -> GroupRate:
    rates = [
        ObservedRate.from_counts(
            _arm(model, one.plan),
            one.events,
            one.n,
            lo=one.low,
            hi=one.high,
            this_plan=one.plan == prediction.plan,
        )
        for one in model.group_rates
    ]
    own = next((one for one in rates if one.this_plan), rates[0])
    return GroupRate(
        treatment=_arm(model, prediction.plan),
        rate=own,
        interval_method=str(model.card["group_interval"]),
        arms=tuple(rates) if len(rates) > 1 else (),
        arms_randomised=str(model.plan.get("assignment", "")) in {"randomised", "cluster_randomised"},
        reason=str(model.card["verdict"]["reason"]),
        tried=tuple(Tried(**one) for one in model.card["tried"]),
    )


def _arm(model: PredictionModel, plan: str) -> str:
    """Return a plan in words: "this treatment" where there is one, else the arm or the dose band with its unit."""
    if plan == "all":
        return "this treatment"
    unit = f" {model.plan.get('unit')}" if model.plan.get("bands") and model.plan.get("unit") else ""
    return plan.replace("_", " ") + unit


def _refusal(prediction: Prediction) -> tuple[Reason, ...]:
    failed = [one for one in prediction.checks if one.status == "fail"]
    return tuple(
        Reason(field=one.id, label=one.label, value_text="", rule=one.result, resolve=one.meaning)
        for one in failed
    )


def _imputed_text(model: PredictionModel, one: Any, prediction: Prediction) -> str:
    """Say how far the estimate scatters over the draws of a missing number; empty where it has one value."""
    if prediction.imputed_low is None or prediction.imputed_high is None or one.value is not None:
        return ""
    numbers = {feature.name for feature in model.features if feature.kind == "number"}
    gaps = [each.name for each in prediction.inputs if each.value is None and each.name in numbers]
    if one.name not in gaps:
        return ""
    low, high = outward(prediction.imputed_low, prediction.imputed_high)
    words = "imputed" if len(gaps) == 1 else "imputed_together"
    return say(words, m=prediction.imputations, lo=low, hi=high)


def _input(model: PredictionModel, one: Any, prediction: Prediction) -> InputValue:
    declared = next(each for each in model.inputs if each.name == one.name)
    unit = declared.unit
    if declared.kind == "number" and one.learned:
        unit = f"{declared.unit} ({one.learned})".strip()
    return InputValue(
        field=one.name,
        label=one.label,
        value_text=_text(one.value),
        unit_text=unit,
        source="as entered",
        note=one.note if one.value is not None else "",
        effect=_imputed_text(model, one, prediction),
        imputed=one.value is None and declared.role != "entry",
    )


def _safety(model: PredictionModel, prediction: Prediction) -> tuple[SafetyPrompt, ...]:
    """Say what was rated at the item about suicidal thoughts of each scale used, or that it was not seen."""
    names = {one.source.partition(".")[2]: one.name for one in model.features}
    values = {one.name: one.value for one in prediction.inputs}
    prompts = []
    for name, scale in INSTRUMENTS.items():
        rated = [
            names[key] for key in (f"{name}_{SUICIDALITY}", f"{name}_{scale.safety_item}") if key in names
        ]
        if scale.safety_item is None or not (rated or name in names):
            continue
        label = f"{scale.full_name}, item {scale.safety_item}"
        value = values.get(rated[0]) if rated else None
        finding = "" if value is None else say("suicidality_rated", rating=_text(value))
        prompts.append(SafetyPrompt(label=label, assessed=value is not None, finding=finding))
    return tuple(prompts)


def _text(value: float | str | None, unit: str = "") -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return value.replace("_", " ")
    digits = 0 if value == int(value) else 2
    return f"{number_text(value, digits)} {unit}".strip()
