"""The view models refuse content that contradicts itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from predictor.reports.content import (
    Applicability,
    Contribution,
    Contributions,
    Estimate,
    ObservedRate,
    Patient,
    PredictionReportV1,
    WhatIfCell,
)
from predictor.reports.content_model import ModelReportV1
from report_examples import (
    CHECKS,
    ROWS,
    arms_report,
    contribution,
    estimate_report,
    group_report,
    model_report,
    refusal_report,
)

PERSONAL = ("estimate", "continuous", "contributions", "whatif", "performance")


@pytest.mark.parametrize("report", [estimate_report, group_report, arms_report, refusal_report, model_report])
def test_json_reads_back_as_the_same_content(report: Any) -> None:
    view = report()
    assert type(view).model_validate_json(view.to_json()) == view
    assert view.to_json() == report().to_json()


@pytest.mark.parametrize("schema", [PredictionReportV1, ModelReportV1])
def test_the_schema_allows_no_other_field(schema: Any) -> None:
    definitions = schema.model_json_schema()
    objects = [definitions, *definitions["$defs"].values()]
    assert all(one["additionalProperties"] is False for one in objects if one.get("type") == "object")


def test_unknown_fields_and_changes_are_refused() -> None:
    with pytest.raises(ValidationError, match="birth_date"):
        Patient(pseudonym="K-1", birth_date="1980-01-01")  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="24"):
        Patient(pseudonym="x" * 25)
    with pytest.raises(ValidationError, match="frozen"):
        estimate_report().simulated = True  # type: ignore[misc]


def test_nan_is_no_content() -> None:
    row = model_report().models[-1]
    with pytest.raises(ValidationError, match="finite"):
        type(row).model_validate(row.model_dump() | {"auc": {"value": float("nan")}})


def test_estimate_rounds_by_the_rules() -> None:
    made = Estimate.from_probabilities(0.544, 0.41, 0.652, base_rate=0.485, base_n=200, same_plan=True)
    assert (made.per100, made.lo, made.hi, made.base_rate_per100) == (54, 41, 66, 49)
    assert made.method == "2.5–97.5 percentile over 200 refits"
    assert made.label == "close to that average: the range includes it"


@pytest.mark.parametrize("change", [{"lo": 60}, {"hi": 50}, {"label": "above the average"}])
def test_an_estimate_outside_its_range_or_with_another_label_is_refused(change: dict[str, Any]) -> None:
    made = Estimate.from_probabilities(0.54, 0.41, 0.66, base_rate=0.48, base_n=200, same_plan=True)
    with pytest.raises(ValidationError, match=r"range"):
        Estimate(**(made.model_dump() | change))


def test_contributions_show_six_rows_and_pool_the_rest() -> None:
    total = 0.48 + sum(part for _, part in ROWS)
    made = Contributions.from_points(ROWS, start=0.48, total=total)
    assert [row.field for row in made.rows] == ["bmi", "episode", "aud", "failed", "madrs", "crp"]
    assert made.other is not None
    assert made.other.n == 2
    assert made.total == 54
    assert made.start + sum(row.points for row in made.rows) + made.other.points == 54


def test_contributions_that_do_not_add_up_are_refused() -> None:
    row = contribution("a", "A", "1", "typical 0").model_copy(update={"points": 3})
    with pytest.raises(ValidationError, match="add up"):
        Contributions(start=40, rows=(row,), other=None, total=44)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[tuple[Contribution, float]], float, float]:
    start, total = draw(st.floats(0, 1)), draw(st.floats(0, 1))
    parts = draw(st.lists(st.floats(-0.3, 0.3), min_size=0, max_size=15))
    rows = [
        (contribution(f"f{index}", f"Input {index}", "1", "typical 0"), part)
        for index, part in enumerate(parts)
    ]
    rows.append((contribution("last", "Last", "1", "typical 0"), total - start - sum(parts)))
    return rows, start, total


@given(cases())
@settings(max_examples=1000)
def test_printed_contributions_add_up_for_any_patient(
    case: tuple[list[tuple[Contribution, float]], float, float],
) -> None:
    rows, start, total = case
    made = Contributions.from_points(rows, start=start, total=total)
    points = [row.points for row in made.rows] + ([made.other.points] if made.other else [])
    assert made.start + sum(points) == made.total
    assert len(made.rows) == min(6, len(rows))
    assert (made.other.n if made.other else 0) == max(0, len(rows) - 6)


def test_usable_means_every_check_is_ok() -> None:
    with pytest.raises(ValidationError, match="every check"):
        Applicability(verdict="usable", checks=CHECKS)


def test_a_cell_without_support_holds_no_number() -> None:
    assert WhatIfCell.unsupported(fewer_than=10).why_not == "not shown: fewer than 10 patients"
    for wrong in ({}, {"per100": 50}, {"per100": 50, "lo": 40, "hi": 60, "why_not": "few"}):
        with pytest.raises(ValidationError, match="cell"):
            WhatIfCell(**wrong)


def test_the_observed_rate_is_rounded_to_nearest() -> None:
    # Wilson limits of 6 of 29, by hand: (0.0985, 0.3839)
    rate = ObservedRate.from_counts("All", 6, 29, lo=0.0985, hi=0.3839)
    assert (rate.per100, rate.lo, rate.hi) == (21, 10, 38)
    with pytest.raises(ValidationError, match="among n"):
        ObservedRate.from_counts("All", 6, 29, lo=0.3, hi=0.4)
    with pytest.raises(ValidationError, match="100"):
        ObservedRate.from_counts("All", 30, 29, lo=0.9, hi=1.0)


@pytest.mark.parametrize("report", [group_report, refusal_report])
@pytest.mark.parametrize("part", PERSONAL)
def test_a_report_without_an_estimate_can_hold_no_part_of_one(report: Any, part: str) -> None:
    whole = estimate_report()
    content = getattr(whole, part) or {
        "mean_change": -9.0,
        "lo": -15,
        "hi": -3,
        "unit": "points",
        "level": 0.8,
        "coverage_text": "",
    }
    with pytest.raises(ValidationError, match="kind"):
        report(**{part: content})


@pytest.mark.parametrize("report", [group_report, refusal_report])
def test_an_input_says_no_effect_where_nothing_was_estimated(report: Any) -> None:
    with pytest.raises(ValidationError, match="filling in"):
        report(inputs=estimate_report().inputs)


def test_an_estimate_needs_its_applicability_and_must_match_its_contributions() -> None:
    with pytest.raises(ValidationError, match="kind estimate"):
        estimate_report(applicability=None)
    other = estimate_report(probability=0.6).contributions
    with pytest.raises(ValidationError, match="end at the estimate"):
        estimate_report(contributions=other)


def test_a_refusal_holds_no_estimate_in_json() -> None:
    content = json.loads(refusal_report().to_json())
    assert not {*PERSONAL, "group", "applicability"} & content.keys()
    assert "per100" not in refusal_report().to_json()


def test_a_sensitive_input_is_never_listed_but_still_adds_up() -> None:
    rows = [
        (Contribution(field="age", label="Age", value_text="40", reference_text="38", points=0), 0.03),
    ]

    found = Contributions.from_points(rows, start=0.40, total=0.55, unlisted=[0.10, 0.02])

    assert [row.label for row in found.rows] == ["Age"]
    assert found.other is not None
    assert (found.other.n, found.rows[0].points + found.other.points) == (2, 15)


def test_a_difference_is_that_of_the_counts_beside_it() -> None:
    """Planned 5.5 of 100, shown as 6; another plan 65.4, shown as 65. They differ by 59.9, and 65 − 6 is 59."""
    cell = WhatIfCell.from_probabilities(0.654, 0.5, 0.8, difference=(0.599, 0.42, 0.71))
    assert cell.difference is not None
    assert (cell.per100, cell.difference.points) == (65, 59)
    # A difference that rounding takes to 0 is held by its range, and is then none.
    near = WhatIfCell.from_probabilities(0.304, 0.2, 0.4, difference=(0.008, 0.0101, 0.03)).difference
    assert near is not None
    assert (near.points, near.lo, near.told_apart) == (0, 0, False)
