from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest

from predictor.reports.content import PredictionReportV1
from predictor.reports.patient import example_patients, patient_views
from predictor.reports.render import render_patient_report
from trained_clinics import FAMILIES, new_patients, trained

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def views(kind: str = "better", n: int = 3, **changes: object) -> list[PredictionReportV1]:
    frame = new_patients(n).astype(object).assign(**changes)
    return patient_views(trained(kind).model.model, frame, now=NOW, user_ref="dr a")


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
    (usable,) = views(n=1)
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


def test_the_same_inputs_get_the_same_identifier_and_others_another() -> None:
    one, again = views(n=1)[0], views(n=1)[0]
    assert one.report.id == again.report.id
    assert one.report.id != views(n=1, age=44.0)[0].report.id
    assert one.report.user_ref == "dr a"


def test_a_long_pseudonym_is_cut_and_a_missing_one_is_the_row() -> None:
    (view,) = views(n=1, patient="x" * 60)
    assert view.patient.pseudonym == "x" * 24
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
    assert frame.loc[0, "madrs"] == pytest.approx(own.median(), rel=0.01)


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
