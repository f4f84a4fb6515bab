from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from model_examples import example_model
from predictor.other_outcomes import GroupRate
from predictor.prediction.applicability import judge_patient
from predictor.prediction.records import Patient, Prediction
from predictor.prediction_model import PlanBaseline, PredictionModel

TODAY = date(2026, 6, 1)
VALUES: dict[str, Any] = {"age": 40.0, "crp": 1.0, "sex": "female", "site": "north"}


def judge(
    model: PredictionModel | None = None,
    *,
    today: date = TODAY,
    plan: str = "all",
    unreadable: dict[str, str] | None = None,
    **changes: Any,
) -> Prediction:
    patient = Patient(row=3, values=VALUES | changes, unreadable=unreadable or {}, plan=plan)
    return judge_patient(model or with_limits(), patient, today=today)


def with_limits(**policy: Any) -> PredictionModel:
    """The example model with round ranges; refusals above 30 % missing unless changed."""
    ranges = {"age": (20.0, 70.0), "crp": (0.1, 10.0)}
    model = example_model()
    inputs = tuple(replace(one, learned=ranges.get(one.name)) for one in model.inputs)
    return replace(model, inputs=inputs, policy={"withhold_if": {"missing_features_over": 0.3} | policy})


def verdict(label: str, **policy: Any) -> PredictionModel:
    model = with_limits()
    card = model.card | {"verdict": {"label": label, "sentence": "The sentence."}}
    return replace(model, card=card, policy=model.policy | policy)


def status(prediction: Prediction, check: str) -> tuple[str, str]:
    (found,) = [one for one in prediction.checks if one.id == check]
    return found.status, found.result


def test_a_patient_like_the_others_gets_an_estimate_and_five_checks() -> None:
    prediction = judge()
    assert (prediction.row, prediction.kind, prediction.reasons) == (3, "estimate", ())
    assert [(one.id, one.status) for one in prediction.checks] == [
        ("entry_rules", "ok"),
        ("learned_ranges", "ok"),
        ("complete_inputs", "ok"),
        ("planned_treatment", "ok"),
        ("model_in_date", "ok"),
    ]


@pytest.mark.parametrize(("age", "met"), [(18.0, True), (17.99, False), (None, False)])
def test_an_entry_rule_includes_its_limit_and_fails_on_what_is_unknown(age: float | None, met: bool) -> None:
    model = with_limits(outside_training_range=False)
    found, result = status(judge(model, age=age), "entry_rules")
    assert (found == "ok") == met
    assert result == ("All 1 met" if met else "Not met or not known: Adult")


def rule(**condition: Any) -> PredictionModel:
    conditions = [{"min": None, "max": None, "in": None} | condition]
    return replace(with_limits(), entry_rules=({"name": "Rule", "conditions": conditions},))


def test_entry_rules_by_level_and_by_upper_limit() -> None:
    assert judge(rule(input="sex", **{"in": ["female"]})).kind == "estimate"
    assert judge(rule(input="sex", **{"in": ["male"]})).kind == "refusal"
    assert judge(rule(input="age", max=40.0)).kind == "estimate"
    assert judge(rule(input="age", max=39.0)).kind == "refusal"


def test_one_of_several_conditions_is_enough() -> None:
    conditions = [
        {"input": "sex", "min": None, "max": None, "in": ["male"]},
        {"input": "age", "min": 30, "max": None, "in": None},
    ]
    model = replace(with_limits(), entry_rules=({"name": "Any", "conditions": conditions},))
    assert judge(model).kind == "estimate"
    assert judge(model, age=29.0).kind == "refusal"


def test_no_rule_is_said_too() -> None:
    assert status(judge(replace(with_limits(), entry_rules=())), "entry_rules") == ("ok", "None declared")


@pytest.mark.parametrize("crp", [0.1, 10.0])
def test_the_ends_of_the_learned_range_are_inside(crp: float) -> None:
    assert judge(crp=crp).kind == "estimate"


def test_outside_the_learned_range_is_a_refusal_or_by_policy_a_caution() -> None:
    said = "CRP is outside what the model has seen (0.1 to 10 mg/L)"
    refused = judge(crp=10.01)
    assert (refused.kind, refused.reasons) == ("refusal", (said,))
    allowed = judge(with_limits(outside_training_range=False), crp=10.01)
    assert allowed.kind == "estimate"
    assert status(allowed, "learned_ranges") == ("check", said)


def test_a_declared_limit_is_a_refusal_whatever_the_policy() -> None:
    prediction = judge(with_limits(outside_training_range=False), crp=-1.0)
    assert prediction.kind == "refusal"
    assert "CRP breaks its declared limits (0.0 to None mg/L)" in prediction.reasons[0]


def test_an_unreadable_cell_is_a_refusal_with_its_complaint() -> None:
    prediction = judge(sex=None, unreadable={"sex": "Sex must be one of female, male"})
    assert prediction.kind == "refusal"
    assert prediction.reasons == ("Sex must be one of female, male",)
    assert not prediction.readable
    (used,) = [one for one in prediction.inputs if one.name == "sex"]
    assert used.note == "Sex must be one of female, male"


def test_missing_inputs_count_by_what_the_model_rests_on() -> None:
    """Each of the four inputs carries a quarter; the limit of 30 % lets one be missing and not two."""
    one = judge(crp=None)
    assert one.kind == "estimate"
    assert status(one, "complete_inputs") == ("check", "Missing and filled in: CRP")
    two = judge(crp=None, sex=None)
    assert two.kind == "refusal"
    assert two.reasons == ("Missing: CRP, Sex; they carry 50% of what the model rests on (limit 30%)",)
    assert judge(with_limits(missing_features_over=0.5), crp=None, sex=None).kind == "estimate"


def test_many_missing_inputs_are_counted_where_there_is_little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("predictor.prediction.applicability.MOST_NAMED", 1)
    found = judge(with_limits(missing_features_over=0.5), crp=None, sex=None)
    check = next(one for one in found.checks if one.id == "complete_inputs")
    assert check.result == "2 of 4 missing and filled in"
    assert check.meaning == "CRP and 1 more. They carry 50% of the model"


def test_everything_missing_is_a_refusal_at_any_limit() -> None:
    model = replace(with_limits(missing_features_over=1.0), entry_rules=())
    assert judge(model, age=None, crp=None, sex=None, site=None).kind == "refusal"


def test_a_required_input_cannot_be_filled_in() -> None:
    model = with_limits()
    inputs = tuple(replace(one, required=one.name == "site") for one in model.inputs)
    prediction = judge(replace(model, inputs=inputs), site=None)
    assert prediction.reasons == ("Required and missing: Site",)


def test_pre_15_a_plan_without_development_patients_is_refused() -> None:
    baseline = PlanBaseline(0.0, {}, 80)
    model = replace(with_limits(), plan={"input": "site"}, baselines={"north": baseline})
    assert judge(model, plan="north").kind == "estimate"
    refused = judge(model, plan="south")
    assert refused.reasons == ("The planned treatment is missing or did not occur in development",)


def test_the_last_day_of_validity_is_valid() -> None:
    assert judge(today=date(2027, 3, 1)).kind == "estimate"
    expired = judge(today=date(2027, 3, 2))
    assert expired.kind == "refusal"
    assert expired.reasons == ("The model was valid until 2027-03-01",)


def test_a_model_without_a_date_is_always_in_date() -> None:
    model = with_limits()
    card = {key: value for key, value in model.card.items() if key != "valid_until"}
    assert status(judge(replace(model, card=card)), "model_in_date") == ("ok", "No limit declared")


@pytest.mark.parametrize("label", ["no_better", "too_little"])
def test_only_better_releases_a_number(label: str) -> None:
    prediction = judge(verdict(label))
    assert (prediction.kind, prediction.reasons) == ("group_rate", ("The sentence.",))
    assert not prediction.research_only


def test_research_releases_it_with_the_mark() -> None:
    prediction = judge(verdict("too_little", release="research", reason="to compare methods"))
    assert (prediction.kind, prediction.research_only) == ("estimate", True)
    assert not judge(verdict("better", release="research", reason="x")).research_only


def test_a_refusal_comes_before_the_group_page() -> None:
    assert judge(verdict("no_better"), crp=99.0).kind == "refusal"


def test_the_group_is_that_of_the_same_plan() -> None:
    rates = (GroupRate("a", 10, 4, 0.4, 0.2, 0.6), GroupRate("b", 20, 5, 0.25, 0.1, 0.4))
    model = replace(with_limits(), group_rates=rates)
    assert judge(model, plan="b").group == rates[1]
    assert judge(model, plan="c").group is None
