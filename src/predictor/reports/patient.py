"""From predictions to the view models of the patient report."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from predictor.data.instruments import INSTRUMENTS
from predictor.data.scales import SUICIDALITY
from predictor.errors import ModelError, Problem
from predictor.model_shape import require_printable
from predictor.prediction import Prediction, predict_patients
from predictor.prediction.reading import DATE, Rows
from predictor.prediction_model import InputField, PredictionModel
from predictor.provenance import software_version
from predictor.reports.content import (
    InputValue,
    ModelLabel,
    Outcome,
    Patient,
    PlanItem,
    PredictionReportV1,
    ReportLabel,
    SafetyPrompt,
    SignedOff,
)
from predictor.reports.patient_estimate import applicability, estimate_parts
from predictor.reports.patient_group import group_part, refusal_reasons
from predictor.reports.patient_others import other_outcomes
from predictor.reports.pseudonym import LONGEST_PSEUDONYM
from predictor.reports.values import value_text
from predictor.reports.wording import capitalised, outward, say, shortened
from predictor.sign_off import SignOff

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["example_patients", "example_rows", "patient_views"]


def example_patients(model: PredictionModel, *, day: date | None = None) -> pd.DataFrame:
    """Return one invented patient per plan: the median or most frequent value of every input.

    Parameters
    ----------
    model : PredictionModel
    day : date or None
        When their values were recorded, those that can grow old.
    """
    import pandas as pd

    rows = example_rows(model)
    frame = pd.DataFrame(rows, columns=["patient", *(one.name for one in model.inputs)])
    dates: dict[str, Any] = {f"{one.name}{DATE}": day for one in model.inputs if day and one.max_age_days}
    return frame.assign(**dates)


def example_rows(model: PredictionModel) -> list[dict[str, object]]:
    """Return the same patients as plain rows, without the days of their values.

    Parameters
    ----------
    model : PredictionModel
    """
    plan_input = model.plan.get("input")
    rows: list[dict[str, object]] = []
    for plan in sorted(model.baselines):
        row: dict[str, object] = {"patient": f"EXAMPLE {len(rows) + 1}"}
        for one in model.inputs:
            row[one.name] = _possible(one, one.typical.get(plan))
        if plan_input and not model.plan.get("bands"):
            row[str(plan_input)] = plan
        rows.append(row)
    return rows


def _possible(one: InputField, value: float | str | None) -> float | str | None:
    """Round the median of an even number of patients, which lies between two whole numbers, to one that can be."""
    return math.floor(value + 0.5) if isinstance(value, float) and one.grain != "any" else value


def patient_views(
    model: PredictionModel,
    frame: pd.DataFrame | Rows,
    *,
    now: datetime,
    user_ref: str,
    day0: date | None = None,
) -> list[PredictionReportV1]:
    """Predict each row and lay out what its report says.

    Parameters
    ----------
    model : PredictionModel
    frame : pandas.DataFrame or Rows
        One row per patient; a column ``patient`` holds the clinic's pseudonym.
    now : datetime
        With its offset; its own day is the day of the report.
    user_ref : str
        Who asked, as the clinic names them; never a patient.
    day0 : date, optional
        Everybody's day 0, from which the age of values counts; default the day of ``now``.

    Raises
    ------
    ModelError
        ART-03, where the model's card does not say what stands on every page, or says what no page can show.
    """
    require_printable(model.card)
    predictions = predict_patients(model, frame, today=now.date(), day0=day0)
    if "patient" in frame.columns:
        place = list(frame.columns).index("patient")
        rows = frame.itertuples(index=False, name=None)
        names = [shortened(str(row[place]), LONGEST_PSEUDONYM) for row in rows]
    else:
        names = [f"row {prediction.row}" for prediction in predictions]
    try:
        return [_view(model, one, name, now, user_ref) for one, name in zip(predictions, names, strict=True)]
    except (ValidationError, TypeError) as error:
        raise _unfit(error) from None  # whose own words quote values, a patient's among them


def _unfit(error: ValidationError | TypeError) -> ModelError:
    message = "what the model's folder says cannot stand on a report"
    if isinstance(error, ValidationError):
        found = error.errors(include_input=False, include_url=False)
        fields = sorted({".".join(map(str, one["loc"])) for one in found})
        message += f" ({error.title}: {', '.join(fields)})"
    return ModelError(Problem("ART-03", message, "Restore the folder from a copy, or train again"))


def _view(
    model: PredictionModel, prediction: Prediction, pseudonym: str, now: datetime, user_ref: str
) -> PredictionReportV1:
    card = model.card
    values = {one.name: one.value for one in prediction.inputs}
    parts: dict[str, Any] = {}
    if prediction.kind == "refusal":
        parts = {"refusal": refusal_reasons(model, prediction)}
    else:
        parts = {
            "applicability": applicability(model, prediction),
            "others": other_outcomes(model, prediction),
        }
        parts |= (
            estimate_parts(model, prediction)
            if prediction.kind == "estimate"
            else {"group": group_part(model, prediction)}
        )
    return PredictionReportV1(
        report=ReportLabel(
            id=_report_id(model, values, now.date()),
            created_utc=now.astimezone(UTC),
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
        model=_label(model, now.date()),
        outcome=_outcome(model),
        plan=_plan(model, values),
        inputs=tuple(_input(model, one, prediction) for one in prediction.inputs),
        safety=_safety(model, prediction),
        not_covered=str(card.get("not_covered", "")),
        limits=tuple(str(limit) for limit in card["limits"]),
        **parts,
    )


def _label(model: PredictionModel, today: date) -> ModelLabel:
    card, given = model.card, model.sign_off
    return ModelLabel(
        id=str(card["name"]),
        version=str(card["created"]),
        bundle_sha256=str(model.manifest.get("sha256", "")),
        title=str(card["title"]),
        owner=str(card["owner"]),
        contact=str(card["contact"]),
        valid_until=date.fromisoformat(str(card["valid_until"])),
        status="local-approved" if given and not given.complaint(today) else "research",
        sign_off=given and _signed_off(given),
    )


def _signed_off(given: SignOff) -> SignedOff:
    return SignedOff(
        by=given.by,
        role=given.role,
        day=given.signed.date(),
        until=given.expires,
        demonstration=given.demonstration,
        checked=given.vouched,
    )


def _report_id(model: PredictionModel, values: dict[str, Any], day: date) -> str:
    """Give the same identifier for the same inputs, model and day; it cannot be read back into the inputs."""
    content = json.dumps([str(model.manifest.get("sha256", "")), values, day.isoformat()], sort_keys=True)
    return f"R-{hashlib.sha256(content.encode()).hexdigest()[:8].upper()}"


def _outcome(model: PredictionModel) -> Outcome:
    declared = model.card["outcome"]
    return Outcome(**{**declared, "name": capitalised(str(declared["name"]).replace("_", " "))})


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
        PlanItem(
            field=one.name,
            label=one.label,
            value=value_text(one, values[one.name]) or say("missing"),
            unit=one.unit,
        )
        for one in model.inputs
        if one.role == "plan"
    )


def _effect(one: Any, prediction: Prediction) -> str:
    """Say how far the estimate moves over the values that a missing input may have; empty where that is not known."""
    if prediction.imputed_low is None or prediction.imputed_high is None or one.value is not None:
        return ""
    gaps = [each for each in prediction.inputs if each.value is None and "filled in" in each.note]
    if one not in gaps:
        return ""
    low, high = outward(prediction.imputed_low, prediction.imputed_high)
    return say("imputed" if len(gaps) == 1 else "imputed_together", lo=low, hi=high)


def _input(model: PredictionModel, one: Any, prediction: Prediction) -> InputValue:
    declared = model.input_by_name[one.name]
    unit = declared.unit
    if declared.kind == "number" and one.learned and declared.grain != "yes_no":
        unit = f"{declared.unit} ({one.learned})".strip()
    filled = one.value is None and one.readable and declared.role != "entry" and prediction.kind == "estimate"
    return InputValue(
        field=one.name,
        label=one.label,
        value_text=value_text(declared, one.value) if one.readable else say("unread"),
        unit_text=unit,
        date=one.recorded.day,
        source=one.recorded.source or (say("entered") if one.value is not None else ""),
        note=_note(one),
        effect=_effect(one, prediction),
        imputed=filled,
    )


def _note(one: Any) -> str:
    if not one.readable:
        return say("not_used")
    return "" if one.value is None else str(one.note)


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
        rating = f"{value:g}" if isinstance(value, float) else value
        finding = "" if value is None else say("suicidality_rated", rating=rating)
        prompts.append(SafetyPrompt(label=label, assessed=value is not None, finding=finding))
    return tuple(prompts)
