"""May the model be used for this patient? Asked before any number is made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date

from predictor.cohort.names import names_of
from predictor.prediction.reading import learned_text
from predictor.prediction.records import Check, InputValue, Kind, Patient, Prediction
from predictor.prediction_model import InputField, PredictionModel, raw_columns

__all__ = ["judge_patient"]

# Between units in use: powers of ten, creatinine, glucose, cholesterol, cortisol, vitamin D, pounds, inches.
UNIT_FACTORS = (10.0, 100.0, 1000.0, 88.4, 18.0, 38.67, 27.59, 2.496, 2.2046, 2.54)
SLIGHTLY = 1.5  # what lies less far outside is unusual, and not in another unit


def judge_patient(model: PredictionModel, patient: Patient, *, today: date) -> Prediction:
    """Decide between estimate, group page and refusal, before any number is made."""
    checks = [
        _entry_check(model, patient),
        _range_check(model, patient),
        _complete_check(model, patient),
        *_typical_check(model, patient),
        _plan_check(model, patient),
        _date_check(model, today),
    ]
    failed = [check for check in checks if check.status == "fail"]
    group = next((g for g in model.group_rates if g.plan == patient.plan), None)
    kind: Kind = "estimate"
    reasons: tuple[str, ...] = ()
    research = model.policy.get("release") == "research"
    better = model.card.get("verdict", {}).get("label") == "better"
    if failed:
        kind, reasons = "refusal", tuple(check.result for check in failed)
    elif not better and not research:
        kind, reasons = "group_rate", (str(model.card.get("verdict", {}).get("sentence", "")),)
    return Prediction(
        row=patient.row,
        kind=kind,
        plan=patient.plan,
        group=group,
        checks=tuple(checks),
        reasons=reasons,
        inputs=tuple(_input_value(one, patient) for one in model.inputs),
        research_only=research and not better,
        readable=not patient.unreadable,
    )


def _input_value(one: InputField, patient: Patient) -> InputValue:
    value = patient.values[one.name]
    note = patient.unreadable.get(one.name, "")
    if value is None and not note:
        note = "Missing: filled in" if one.role != "entry" else "Missing"
    return InputValue(one.name, one.label, value, one.unit, learned_text(one), note)


def _entry_check(model: PredictionModel, patient: Patient) -> Check:
    failing = [rule for rule in model.entry_rules if not _meets_rule(rule, patient.values)]
    if not failing:
        n = len(model.entry_rules)
        return Check(
            "entry_rules",
            "Entry rules",
            "ok",
            f"All {n} met" if n else "None declared",
            "Same group as in development",
        )
    names = ", ".join(str(rule["name"]) for rule in failing)
    return Check(
        "entry_rules",
        "Entry rules",
        "fail",
        f"Not met or not known: {names}",
        "The model was built without such patients",
    )


def _meets_rule(rule: Mapping[str, object], values: Mapping[str, float | str | None]) -> bool:
    conditions: Sequence[Mapping[str, object]] = rule["conditions"]  # type: ignore[assignment]
    return any(_meets_condition(condition, values.get(str(condition["input"]))) for condition in conditions)


def _meets_condition(condition: Mapping[str, object], value: float | str | None) -> bool:
    if value is None:
        return False
    allowed, low, high = condition.get("in"), condition.get("min"), condition.get("max")
    if allowed is not None and names_of(value).isdisjoint(allowed):  # type: ignore[arg-type]
        return False
    if low is not None and not float(value) >= float(low):  # type: ignore[arg-type]
        return False
    return high is None or float(value) <= float(high)  # type: ignore[arg-type]


def _range_check(model: PredictionModel, patient: Patient) -> Check:
    refuse = bool(model.policy.get("withhold_if", {}).get("outside_training_range", True))
    broken = [*patient.unreadable.values(), *_beyond_limits(model, patient)]
    outside = [
        f"{one.label} is outside what the model has seen ({learned_text(one)} {one.unit}".rstrip()
        + ")"
        + _unit_hint(one, patient.values[one.name])
        for one in model.inputs
        if one.role != "entry" and _is_outside(one, patient.values[one.name])
    ]
    meaning = "The model has not seen such values"
    if broken:
        return Check(
            "learned_ranges", "Values inside learned ranges", "fail", "; ".join([*broken, *outside]), meaning
        )
    if outside:
        return Check(
            "learned_ranges",
            "Values inside learned ranges",
            "fail" if refuse else "check",
            "; ".join(outside),
            meaning,
        )
    return Check(
        "learned_ranges",
        "Values inside learned ranges",
        "ok",
        "All recorded values",
        "The model has seen such values",
    )


def _beyond_limits(model: PredictionModel, patient: Patient) -> list[str]:
    found = []
    for one in model.inputs:
        value = patient.values[one.name]
        low, high = one.limits
        if isinstance(value, float) and (
            (low is not None and value < low) or (high is not None and value > high)
        ):
            found.append(f"{one.label} breaks its declared limits ({low} to {high} {one.unit}".rstrip() + ")")
    return found


def _is_outside(one: InputField, value: float | str | None) -> bool:
    if one.learned is None or not isinstance(value, float):
        return False
    return not one.learned[0] <= value <= one.learned[1]


def _unit_hint(one: InputField, value: float | str | None) -> str:
    """Say by which factor between units a value would lie inside, if by any: the one that brings it nearest."""
    if one.learned is None or not isinstance(value, float) or not (value > 0 and one.learned[1] > 0):
        return ""
    low, high = one.learned
    if low / SLIGHTLY <= value <= high * SLIGHTLY:
        return ""
    middle = math.sqrt(max(low, high / 1e3) * high)
    changed = {
        f"{word} by {factor:g}": value * factor if word == "multiplied" else value / factor
        for factor in UNIT_FACTORS
        for word in ("divided", "multiplied")
    }
    inside = {how: found for how, found in changed.items() if low <= found <= high}
    if not inside:
        return ""
    how = min(inside, key=lambda how: abs(math.log(inside[how] / middle)) if inside[how] > 0 else math.inf)
    return f"; {how} it would lie inside: was it recorded in another unit than {one.unit or 'declared'}?"


def _complete_check(model: PredictionModel, patient: Patient) -> Check:
    used = [one for one in model.inputs if one.role != "entry"]
    missing = [one for one in used if patient.values[one.name] is None and one.name not in patient.unreadable]
    required = [one.label for one in missing if one.required]
    share = sum(one.importance for one in missing)
    limit = float(model.policy.get("withhold_if", {}).get("missing_features_over", 0.3))
    label = "Complete inputs"
    if required:
        return Check(
            "complete_inputs",
            label,
            "fail",
            f"Required and missing: {', '.join(required)}",
            "It cannot be filled in",
        )
    if missing and (share > limit or len(missing) == len(used)):
        names = ", ".join(one.label for one in missing)
        result = f"Missing: {names}; they carry {share:.0%} of what the model rests on (limit {limit:.0%})"
        return Check("complete_inputs", label, "fail", result, "Too much would have to be filled in")
    if missing:
        names = ", ".join(one.label for one in missing)
        return Check(
            "complete_inputs",
            label,
            "check",
            f"Missing and filled in: {names}",
            f"They carry {share:.0%} of the model",
        )
    return Check("complete_inputs", label, "ok", f"All {len(used)} recorded", "Nothing had to be filled in")


def _typical_check(model: PredictionModel, patient: Patient) -> list[Check]:
    """Ask whether the values go together as they did in development; nothing where that was not described."""
    distance, label = model.distance, "Values that go together"
    if distance is None or patient.unreadable:
        return []
    raw = raw_columns(model.features, [patient.values])
    (squared,) = distance.squared(raw, 1)
    if squared <= distance.caution:
        return [Check("typical", label, "ok", "As in development", "The model has seen such patients")]
    labels = {one.name: one.label for one in model.inputs}
    named = " and ".join(labels[name] for name in distance.unusual(raw))
    refuses = bool(model.policy.get("withhold_if", {}).get("unlike_development", True))
    if squared <= distance.refusal or not refuses:
        result = f"Rare together; look first at {named}"
        return [Check("typical", label, "check", result, "The model has seen few such patients")]
    result = (
        f"The values lie inside their ranges one by one, and together further out than in any patient to be expected; "
        f"look first at {named}"
    )
    return [Check("typical", label, "fail", result, "The model has not seen such patients")]


def _plan_check(model: PredictionModel, patient: Patient) -> Check:
    label = "Planned treatment"
    if not model.plan.get("input"):
        return Check("planned_treatment", label, "ok", "One plan only", "As in development")
    if patient.plan in model.baselines:
        return Check(
            "planned_treatment",
            label,
            "ok",
            patient.plan.replace("_", " "),
            "This plan occurred in development",
        )
    result = "The planned treatment is missing or did not occur in development"
    return Check("planned_treatment", label, "fail", result, "The model cannot say anything about it")


def _date_check(model: PredictionModel, today: date) -> Check:
    until = model.card.get("valid_until")
    if until is None or today <= date.fromisoformat(str(until)):
        return Check(
            "model_in_date", "Model in date", "ok", f"Until {until}" if until else "No limit declared", ""
        )
    return Check(
        "model_in_date",
        "Model in date",
        "fail",
        f"The model was valid until {until}",
        "It has to be checked on newer patients",
    )
