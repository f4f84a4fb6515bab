"""May the model be used for this patient? Asked before any number is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from predictor.cohort.names import names_of
from predictor.prediction.deciding import check_decision
from predictor.prediction.freshness import age_note, check_freshness
from predictor.prediction.reading import learned_text
from predictor.prediction.records import Broken, Check, InputValue, Kind, Patient, Prediction, Recorded
from predictor.prediction.values import check_ranges
from predictor.prediction_model import InputField, PredictionModel, raw_columns

__all__ = ["judge_patient"]

MOST_NAMED = 3  # missing inputs in the narrow column of a page
NEWER = "Ask the model's owner for one that was checked on newer patients"


def judge_patient(
    model: PredictionModel, patient: Patient, *, today: date, day0: date | None = None
) -> Prediction:
    """Decide between estimate, group page and refusal, before any number is made.

    Parameters
    ----------
    model : PredictionModel
    patient : Patient
    today : date
        On which the model has to be in date.
    day0 : date, optional
        From which the age of values counts; default today.
    """
    day0 = day0 or today
    research = model.research_only
    better = model.card.get("verdict", {}).get("label") == "better"
    checks = _checks(model, patient, today, day0, personal=better or research)
    failed = [check for check in checks if check.status == "fail"]
    kind: Kind = "estimate"
    reasons: tuple[str, ...] = ()
    if failed:
        kind, reasons = "refusal", tuple(check.result for check in failed)
    elif not better and not research:
        kind, reasons = "group_rate", (str(model.card.get("verdict", {}).get("sentence", "")),)
    return Prediction(
        row=patient.row,
        kind=kind,
        plan=patient.plan,
        group=next((g for g in model.group_rates if g.plan == patient.plan), None),
        checks=tuple(checks),
        reasons=reasons,
        inputs=tuple(_input_value(one, patient, day0) for one in model.inputs),
        research_only=research,
        readable=not patient.unreadable,
    )


def _checks(
    model: PredictionModel, patient: Patient, today: date, day0: date, *, personal: bool
) -> list[Check]:
    """Ask every question, in the order of the page; none of the others before the decision has come."""
    decision = check_decision(model, patient)
    if decision is not None and decision.status == "fail":
        return [decision, _date_check(model, today)]
    asked = [
        decision,
        _entry_check(model, patient),
        check_ranges(model, patient),
        _complete_check(model, patient, personal=personal),
        check_freshness(model, patient, today=day0),
        _typical_check(model, patient),
        _site_check(model),
        _plan_check(model, patient),
        _date_check(model, today),
    ]
    return [check for check in asked if check is not None]


def _input_value(one: InputField, patient: Patient, day0: date) -> InputValue:
    value = patient.values[one.name]
    recorded = patient.recorded.get(one.name, Recorded())
    note = patient.unreadable.get(one.name, "")
    if value is None and not note:
        note = "Missing: filled in" if one.role != "entry" else "Missing"
    notes = [text for text in (note, recorded.note, age_note(one, patient, today=day0)) if text]
    recorded = recorded if value is not None else replace(recorded, day=None, source="")
    readable = one.name not in patient.unreadable
    said = "; ".join(notes)
    return InputValue(one.name, one.label, value, one.unit, learned_text(one), said, recorded, readable)


def _entry_check(model: PredictionModel, patient: Patient) -> Check:
    failing = [rule for rule in model.entry_rules if not _meets_rule(rule, patient.values)]
    label = "Entry rules"
    if not failing:
        n = len(model.entry_rules)
        result = f"All {n} met" if n else "None declared"
        return Check("entry_rules", label, "ok", result, "Same group as in development")
    names = ", ".join(str(rule["name"]) for rule in failing)
    broken = tuple(_broken_rule(model, patient, rule) for rule in failing)
    meaning = "The model was built without such patients"
    return Check("entry_rules", label, "fail", f"Not met or not known: {names}", meaning, broken)


def _conditions(rule: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    return rule["conditions"]  # type: ignore[return-value]


def _meets_rule(rule: Mapping[str, object], values: Mapping[str, float | str | None]) -> bool:
    return any(_meets_condition(one, values.get(str(one["input"]))) for one in _conditions(rule))


def _meets_condition(condition: Mapping[str, object], value: float | str | None) -> bool:
    if value is None:
        return False
    allowed, low, high = condition.get("in"), condition.get("min"), condition.get("max")
    if allowed is not None and names_of(value).isdisjoint(allowed):  # type: ignore[arg-type]
        return False
    if low is not None and not float(value) >= float(low):  # type: ignore[arg-type]
        return False
    return high is None or float(value) <= float(high)  # type: ignore[arg-type]


def _broken_rule(model: PredictionModel, patient: Patient, rule: Mapping[str, object]) -> Broken:
    tests = [(model.input_by_name[str(one["input"])], one) for one in _conditions(rule)]
    asked = " or ".join(_condition_text(one, condition) for one, condition in tests)
    unknown = [one.label for one, _ in tests if patient.values.get(one.name) is None]
    resolve = f"Record {', '.join(unknown)}" if unknown else "A model built on patients like this one"
    return Broken(tests[0][0].name, tests[0][0].label, f"{rule['name']}: {asked}", resolve)


def _condition_text(one: InputField, condition: Mapping[str, object]) -> str:
    """Write a test in words: "Age at least 18 years"."""
    allowed, low, high = condition.get("in"), condition.get("min"), condition.get("max")
    parts = [f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else ""]
    text = " and ".join(part for part in parts if part) + (f" {one.unit}" if one.unit else "")
    if allowed is not None:
        text = f"one of {', '.join(map(str, allowed))}"  # type: ignore[call-overload]
    return f"{one.label} {text}"


def _complete_check(model: PredictionModel, patient: Patient, *, personal: bool) -> Check:
    """Ask what is missing; the group's rate rests on no input but the plan, so that its page goes on without."""
    used = [one for one in model.inputs if one.role != "entry"]
    missing = [one for one in used if patient.values[one.name] is None and one.name not in patient.unreadable]
    required = [one for one in missing if one.required]
    share = sum(one.importance for one in missing)
    limit = float(model.policy.get("withhold_if", {}).get("missing_features_over", 0.3))
    names = ", ".join(one.label for one in missing)
    label = "Complete inputs"
    if required:
        result = f"Required and missing: {', '.join(one.label for one in required)}"
        broken = tuple(Broken(one.name, one.label, "Required", f"Record {one.label}") for one in required)
        return Check("complete_inputs", label, "fail", result, "It cannot be filled in", broken)
    if not missing:
        return Check(
            "complete_inputs", label, "ok", f"All {len(used)} recorded", "Nothing had to be filled in"
        )
    few = len(missing) <= MOST_NAMED
    others = f"{_most_important(missing)}. " if not few else ""
    if not personal:
        result = f"Not recorded: {names}" if few else f"{len(missing)} of {len(used)} not recorded"
        meaning = f"{others}The group's rate needs none of them"
        return Check("complete_inputs", label, "check", result, meaning)
    if share > limit or len(missing) == len(used):
        together = f"they carry {share:.0%} of what the model rests on (limit {limit:.0%})"
        rule = (
            f"Missing; together {together}"
            if len(missing) > 1
            else f"Missing; {together}".replace("they carry", "it carries")
        )
        broken = tuple(Broken(one.name, one.label, rule, f"Record {one.label}") for one in missing)
        meaning = "Too much would have to be filled in"
        return Check("complete_inputs", label, "fail", f"Missing: {names}; {together}", meaning, broken)
    result = (
        f"Missing and filled in: {names}" if few else f"{len(missing)} of {len(used)} missing and filled in"
    )
    meaning = f"{others}They carry {share:.0%} of the model"
    return Check("complete_inputs", label, "check", result, meaning)


def _most_important(missing: Sequence[InputField]) -> str:
    """Name what the model rests on most; the narrow column of results has no room for many labels."""
    ranked = sorted(missing, key=lambda one: -one.importance)[:MOST_NAMED]
    return f"{', '.join(one.label for one in ranked)} and {len(missing) - MOST_NAMED} more"


def _typical_check(model: PredictionModel, patient: Patient) -> Check | None:
    """Ask whether the values go together as they did in development; nothing where that was not described."""
    distance, label = model.distance, "Values that go together"
    if distance is None or patient.unreadable:
        return None
    raw = raw_columns(model.features, [patient.values])
    squared, less = distance.place(raw)
    share = "" if less is None else f"Of 100 development patients, {less} were less typical than this one"
    if squared <= distance.caution:
        meaning = share or "The model has seen such patients"
        return Check("typical", label, "ok", "As in development", meaning)
    labels = {one.name: one.label for one in model.inputs}
    unusual = distance.unusual(raw)
    named = " and ".join(labels[name] for name in unusual)
    refuses = bool(model.policy.get("withhold_if", {}).get("unlike_development", True))
    if squared <= distance.refusal or not refuses:
        result = f"Rare together; look first at {named}"
        return Check("typical", label, "check", result, share or "The model has seen few such patients")
    result = (
        f"The values lie inside their ranges one by one, and together further out than in any patient to be expected; "
        f"look first at {named}"
    )
    broken = tuple(
        Broken(
            name,
            labels[name],
            "Unlike development together with the other values",
            "Check the value and its unit",
        )
        for name in unusual
    )
    return Check("typical", label, "fail", result, "The model has not seen such patients", broken)


def _site_check(model: PredictionModel) -> Check | None:
    """Ask whether the clinic was among those of development; one among the inputs was read against the learned ones."""
    group = model.cohort.get("group")
    if group is None:
        return None
    if any(one.source == group for one in model.inputs):
        return Check(
            "site", "Clinic", "ok", "One of those of development", "The model was built on patients of it"
        )
    meaning = "Whether this clinic was among those of development cannot be told from the inputs"
    return Check("site", "Clinic", "check", "Not known", meaning)


def _plan_check(model: PredictionModel, patient: Patient) -> Check:
    label = "Planned treatment"
    name = model.plan.get("input")
    if not name:
        return Check("planned_treatment", label, "ok", "One plan only", "As in development")
    if patient.plan in model.baselines:
        words = patient.plan.replace("_", " ")
        return Check("planned_treatment", label, "ok", words, "This plan occurred in development")
    result = "The planned treatment is missing or did not occur in development"
    known = f"Plan one of: {', '.join(plan.replace('_', ' ') for plan in sorted(model.baselines))}"
    broken = Broken(str(name), str(model.plan.get("label", label)), result, known)
    return Check(
        "planned_treatment", label, "fail", result, "The model cannot say anything about it", (broken,)
    )


def _date_check(model: PredictionModel, today: date) -> Check:
    until = model.card.get("valid_until")
    label = "Model in date"
    last = date.fromisoformat(str(until)) if until else None
    if last is None or today <= last:
        return Check(
            "model_in_date", label, "ok", f"Until {until}" if until else "No limit declared", "", day=last
        )
    result, meaning = f"The model was valid until {until}", "It has to be checked on newer patients"
    broken = Broken("", label, result, NEWER)
    return Check("model_in_date", label, "fail", result, meaning, (broken,), last)
