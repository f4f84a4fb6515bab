from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from predictor.prediction import predict_patients
from predictor.reports.content import Check, PredictionReportV1
from predictor.reports.patient import example_patients, patient_views
from predictor.reports.render import render_patient_report
from trained_clinics import FAMILIES, new_patients, trained

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def views(kind: str = "better", n: int = 3, **changes: object) -> list[PredictionReportV1]:
    frame = new_patients(n).astype(object).assign(**changes)
    return patient_views(trained(kind).model.model, frame, now=NOW, user_ref="dr a")


def check_of(view: PredictionReportV1, name: str) -> Check:
    assert view.applicability is not None
    return next(one for one in view.applicability.checks if one.id == name)


def test_a_value_without_a_date_an_old_one_and_one_in_time() -> None:
    """The model took MADRS from 28 days before day 0; age, sex and CRP have no days."""
    (undated,), (old,) = views(n=1), views(n=1, madrs_date="2026-05-03", madrs_source="ward")
    assert check_of(undated, "fresh_inputs").result == "1 without a date"
    check = check_of(old, "fresh_inputs")
    assert (check.status, check.result) == ("check", "1 not in time")
    assert check.meaning == "MADRS was measured 29 days ago; the model needs 28 days or fewer"
    madrs = next(one for one in old.inputs if one.field == "madrs")
    assert (madrs.date, madrs.source, madrs.note) == (
        date(2026, 5, 3),
        "ward",
        "measured 29 days ago; the model needs 28 days or fewer",
    )
    (in_time,) = views(n=1, madrs_date="2026-05-04")
    assert check_of(in_time, "fresh_inputs").status == "ok"
    (later,) = views(n=1, madrs_date="2026-06-02")
    assert "dated after the assessment" in check_of(later, "fresh_inputs").meaning


def test_a_date_that_cannot_be_read_is_a_reason_to_refuse() -> None:
    (view,) = views(n=1, madrs_date="03.05.2026")
    (reason,) = view.refusal
    assert "must be like 2026-11-20" in reason.rule
    assert reason.resolve == "Correct the value"


def test_the_plans_are_compared_with_the_planned_one() -> None:
    """The grid's planned cell is the estimate of the first section, and the other plan is what it says there."""
    frame = new_patients(1).assign(arm="ketamine")
    model = trained().model.model
    (view,) = patient_views(model, frame, now=NOW, user_ref="dr a")
    (other,) = patient_views(model, frame.assign(arm="midazolam"), now=NOW, user_ref="dr a")
    assert view.whatif is not None
    assert view.estimate is not None
    assert other.estimate is not None
    cells = {row.label: row.cells[0] for row in view.whatif.rows}
    own, beside = cells["ketamine"], cells["midazolam"]
    assert own.planned
    assert not beside.planned
    assert (own.per100, own.lo, own.hi) == (view.estimate.per100, view.estimate.lo, view.estimate.hi)
    assert (beside.per100, beside.lo, beside.hi) == (
        other.estimate.per100,
        other.estimate.lo,
        other.estimate.hi,
    )
    assert own.difference is None
    assert beside.difference is not None
    assert beside.difference.points == other.estimate.per100 - view.estimate.per100
    assert beside.difference.lo <= beside.difference.points <= beside.difference.hi
    assert "dealt by chance" in view.whatif.evidence


def test_a_plan_of_few_patients_gets_no_number() -> None:
    model = trained().model.model
    rates = tuple(replace(one, n=9) if one.plan == "midazolam" else one for one in model.group_rates)
    frame = new_patients(1).assign(arm="ketamine")
    (view,) = patient_views(replace(model, group_rates=rates), frame, now=NOW, user_ref="dr a")
    assert view.whatif is None
    assert "do not support a comparison" in render_patient_report(view)


def test_a_gap_widens_the_range_to_all_that_the_value_may_have_been() -> None:
    """Every tenth of CRP among development patients, put in one by one, is held by the range of a patient without."""
    model = trained().model.model
    allowed = model.policy["withhold_if"] | {"missing_features_over": 0.99}
    model = replace(model, policy=model.policy | {"withhold_if": allowed})
    frame = new_patients(1).astype(object)
    crp = next(one for one in model.inputs if one.name == "crp")
    assert len(crp.deciles) == 9
    filled = [predict_patients(model, frame.assign(crp=value))[0].probability for value in crp.deciles]
    (gap,) = predict_patients(model, frame.assign(crp=None))
    assert gap.imputed_low == pytest.approx(min(filled), abs=1e-9)
    assert gap.imputed_high == pytest.approx(max(filled), abs=1e-9)
    assert gap.low <= gap.imputed_low < gap.imputed_high <= gap.high
    (view,) = patient_views(model, frame.assign(crp=None), now=NOW, user_ref="dr a")
    assert view.estimate is not None
    assert "widened to what the missing inputs may be" in view.estimate.method
    assert "With real values the estimate could lie between" in check_of(view, "complete_inputs").meaning
    effect = next(one.effect for one in view.inputs if one.field == "crp")
    assert (
        effect
        == f"with values it may have: {int(100 * min(filled))} to {math.ceil(100 * max(filled))} of 100"
    )


def test_a_withheld_rate_needs_no_input_but_the_plan() -> None:
    (view,) = views("group", 1, crp=None, madrs=None, sex=None, site=None)
    assert view.report.kind == "group_rate"
    assert check_of(view, "complete_inputs").status == "check"
    (refused,) = views("group", 1, age=None)
    assert refused.report.kind == "refusal"


def test_an_estimate_says_counts_range_and_the_rate_of_the_same_plan() -> None:
    answers = trained().model.predict(new_patients(3))
    for view, row in zip(views(), answers.itertuples(), strict=True):
        assert view.report.kind == "estimate"
        assert view.estimate is not None
        assert abs(view.estimate.per100 - 100 * row.probability) <= 1
        assert view.estimate.lo <= 100 * row.low + 1
        assert view.estimate.hi >= 100 * row.high - 1
        group = next(one for one in trained().model.model.group_rates if one.plan == row.plan)
        assert view.estimate.base_n == group.n
        assert abs(view.estimate.base_rate_per100 - 100 * group.rate) <= 1
        assert view.estimate.same_plan
        assert "over 20 refits" in view.estimate.method


@pytest.mark.parametrize("family", FAMILIES)
def test_whole_numbers_add_up_for_every_family(family: str) -> None:
    for view in views(family, 6):
        if view.contributions is None:
            continue
        other = view.contributions.other.points if view.contributions.other else 0
        total = view.contributions.start + sum(one.points for one in view.contributions.rows) + other
        assert view.estimate is not None
        assert total == view.estimate.per100


def test_contributions_name_value_and_what_is_usual() -> None:
    (view,) = views(n=1, crp=6.0)
    assert view.contributions is not None
    crp = next(one for one in view.contributions.rows if one.field == "crp")
    assert crp.value_text == "6 mg/L"
    assert crp.reference_text.endswith("mg/L")
    assert crp.phrase == "higher C-reactive protein"
    assert crp.points > 0
    (lower,) = views(n=1, crp=0.8)
    assert lower.contributions is not None
    assert (
        next(one for one in lower.contributions.rows if one.field == "crp").phrase
        == "lower C-reactive protein"
    )


def test_a_filled_in_value_is_pointed_out_and_calls_for_caution() -> None:
    (view,) = views(n=1, site=None)
    (site,) = [one for one in view.inputs if one.field == "site"]
    assert (site.value_text, site.imputed) == (None, True)
    assert view.applicability is not None
    assert view.applicability.verdict == "caution"
    (usable,) = views(n=1, madrs_date="2026-05-20")
    assert usable.applicability is not None
    assert usable.applicability.verdict == "usable"


def test_a_group_page_shows_both_arms_and_marks_the_own() -> None:
    (view,) = views("group", 1, arm="midazolam")
    assert view.report.kind == "group_rate"
    assert view.group is not None
    assert [(one.label, one.this_plan) for one in view.group.arms] == [
        ("ketamine", False),
        ("midazolam", True),
    ]
    assert view.group.rate.this_plan
    assert view.group.arms_randomised
    assert view.estimate is None


def test_a_refusal_lists_rules_and_no_number_of_an_estimate() -> None:
    (view,) = views(n=1, age=79.0, sex="Female")
    assert view.report.kind == "refusal"
    assert view.estimate is None
    assert view.group is None
    assert view.contributions is None
    rules = " ".join(reason.rule for reason in view.refusal)
    assert "Age is outside what the model has seen" in rules
    assert "Sex must be one of female, male" in rules
    assert "79" not in rules
    by_field = {reason.field: reason for reason in view.refusal}
    assert by_field["age"].value_text == "79 years"
    assert by_field["sex"].value_text == "Cannot be read"
    assert all(reason.resolve for reason in view.refusal)


def test_a_model_whose_time_is_over_says_so_with_a_date_as_on_every_page() -> None:
    model = trained("better").model.model
    over = replace(model, card={**model.card, "valid_until": "2026-11-02"})
    now = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
    (view,) = patient_views(over, new_patients(1), now=now, user_ref="a")
    assert [one.rule for one in view.refusal] == ["The model was valid until 2 Nov 2026"]
    assert "2026-11-02" not in render_patient_report(view)
    (view,) = patient_views(over, new_patients(1), now=now - timedelta(1), user_ref="a")
    assert check_of(view, "model_in_date").result == "Until 2 Nov 2026"


def test_the_same_inputs_get_the_same_identifier_and_others_another() -> None:
    one, again = views(n=1)[0], views(n=1)[0]
    assert one.report.id == again.report.id
    assert one.report.id != views(n=1, age=44.0)[0].report.id
    assert one.report.user_ref == "dr a"


def test_a_long_pseudonym_is_cut_and_a_missing_one_is_the_row() -> None:
    (view,) = views(n=1, patient="x" * 60)
    assert view.patient.pseudonym == "x" * 23 + "…"
    frame = new_patients(2).drop(columns="patient")
    named = patient_views(trained().model.model, frame, now=NOW, user_ref="dr a")
    assert [one.patient.pseudonym for one in named] == ["row 1", "row 2"]


def test_a_scale_whose_total_was_read_asks_for_its_safety_item() -> None:
    (view,) = views(n=1)
    assert any("item 10" in one.label and not one.assessed for one in view.safety)


def test_examples_are_one_per_plan_with_typical_values() -> None:
    frame = example_patients(trained().model.model)
    assert frame["patient"].tolist() == ["EXAMPLE 1", "EXAMPLE 2"]
    assert frame["arm"].tolist() == ["ketamine", "midazolam"]
    study = trained().study
    own = study.dataset.X.loc[study.cohort.plan == "ketamine", "madrs"]
    assert frame.loc[0, "madrs"] == pytest.approx(own.median(), abs=0.5)


def test_an_example_between_two_whole_numbers_is_one_that_can_be() -> None:
    """The median of 33 and 34 is no score that anybody has."""
    model = trained().model.model
    madrs = next(one for one in model.inputs if one.name == "madrs")
    between = replace(madrs, grain="whole", typical=dict.fromkeys(madrs.typical, 33.5))
    inputs = tuple(between if one.name == "madrs" else one for one in model.inputs)
    frame = example_patients(replace(model, inputs=inputs), day=NOW.date())
    assert frame["madrs"].tolist() == [34, 34]
    found = patient_views(replace(model, inputs=inputs), frame, now=NOW, user_ref="a")
    assert [view.report.kind for view in found] == ["estimate", "estimate"]


def test_simulated_and_research_stand_in_page_and_json() -> None:
    model = trained("elastic_net").model.model
    card = model.card | {"simulated": True, "verdict": model.card["verdict"] | {"label": "too_little"}}
    (view,) = patient_views(replace(model, card=card), new_patients(1), now=NOW, user_ref="dr a")
    content = json.loads(view.to_json())
    assert (content["simulated"], content["research_only"]) == (True, True)
    assert content["research_reason"] == "a test"
    page = render_patient_report(view)
    assert "SIMULATED" in page
    assert "RESEARCH ONLY" in page


def test_markup_in_what_a_clinic_wrote_is_shown_not_run() -> None:
    (view,) = views(n=1, patient="<script>x</script>")
    assert "<script>x" not in render_patient_report(view)


def test_no_patient_no_view() -> None:
    assert patient_views(trained().model.model, pd.DataFrame(new_patients(0)), now=NOW, user_ref="a") == []
