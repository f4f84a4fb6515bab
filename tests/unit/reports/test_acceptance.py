"""Acceptance of the patient's page that needs no browser: R5 and R6 on a thousand random contents, and the words for
extreme numbers."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from predictor.reports.content import (
    Contribution,
    Contributions,
    ObservedRate,
    OtherOutcome,
    PredictionReportV1,
)
from predictor.reports.pseudonym import doubt_pseudonym
from predictor.reports.render import render_patient_report
from predictor.reports.wording import forbidden_words
from report_examples import OTHERS, arms_report, estimate_report, group_report, refusal_report

SCHEMA = Path(__file__).parents[3] / "docs" / "reference" / "prediction_report_v1.schema.json"
SMALL = st.floats(-0.2, 0.2)


def words_of(view: PredictionReportV1) -> str:
    """Give the page's words, without its style and tags."""
    page = re.sub(r"<style.*?</style>", " ", render_patient_report(view), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@given(
    parts=st.lists(SMALL, max_size=40),
    start=st.floats(0.01, 0.99),
    hidden=st.lists(SMALL, max_size=3),
    rest=st.none() | SMALL,
)
@settings(max_examples=1000)
def test_r5_contributions_add_up_to_the_printed_estimate(
    parts: list[float], start: float, hidden: list[float], rest: float | None
) -> None:
    total = min(0.999, max(0.001, start + sum(parts) + sum(hidden) + (rest or 0.0)))
    rows = [
        (Contribution(field=f"x{i}", label=f"X {i}", value_text="1", reference_text="2", points=0), part)
        for i, part in enumerate(parts)
    ]
    found = Contributions.from_points(rows, start=start, total=total, unlisted=hidden, left_over=rest)
    others = found.other.points if found.other else 0
    assert found.start + sum(row.points for row in found.rows) + others == found.total
    assert abs(found.total - 100 * total) <= 1
    exact = {row.field: abs(part) for row, part in rows}
    sizes = [exact[row.field] for row in found.rows]
    assert sizes == sorted(sizes, reverse=True)


def seen(probability: float, lo: float, hi: float, kind: int) -> PredictionReportV1:
    if kind == 0:
        return estimate_report(probability=probability, lo=lo, hi=hi)
    return (group_report, arms_report, refusal_report)[kind - 1]()


@given(
    probability=st.floats(0, 1),
    below=st.floats(0, 1),
    above=st.floats(0, 1),
    kind=st.sampled_from([0] * 9 + [1, 2, 3]),
)
@settings(max_examples=1000)
def test_r6_no_page_holds_a_forbidden_word(probability: float, below: float, above: float, kind: int) -> None:
    text = words_of(seen(probability, probability * below, probability + (1 - probability) * above, kind))
    assert forbidden_words(text) == ()


def observed(events: int, n: int) -> ObservedRate:
    return ObservedRate.from_counts(
        "this treatment", events, n, lo=0.5 * events / n, hi=0.5 + 0.5 * events / n
    )


@given(
    probability=st.floats(0, 1),
    below=st.floats(0, 1),
    above=st.floats(0, 1),
    verdict=st.sampled_from(["better", "no_better", "too_little"]),
    seen=st.none()
    | st.builds(lambda n, share: observed(round(n * share), n), st.integers(1, 500), st.floats(0, 1)),
    personal=st.booleans(),
    build=st.sampled_from([estimate_report, group_report, arms_report]),
)
@settings(max_examples=300)
def test_r6_what_is_said_of_other_outcomes_holds_no_forbidden_word_and_a_person_only_where_better(
    probability: float, below: float, above: float, verdict: Any, seen: Any, personal: bool, build: Any
) -> None:
    lo, hi = probability * below, probability + (1 - probability) * above
    one = (
        OtherOutcome.from_probabilities("Remission", "a low score", probability, lo, hi, observed=seen)
        if personal and verdict == "better"
        else OtherOutcome(name="Remission", definition="a low score", verdict=verdict, observed=seen)
    )
    text = words_of(build(others=(one,)))
    assert forbidden_words(text) == ()
    assert "Other outcomes, of 100 with this plan" in text
    said = text.partition("a low score")[2].partition(". ")[0]
    assert ("estimated for these values" in said) == one.personal
    assert ("no personal estimate is given" in said) != one.personal
    if seen is not None:
        assert f"{seen.responders} of {seen.n}" in said


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "no_better", "per100": 31, "lo": 21, "hi": 44},
        {"verdict": "too_little", "per100": 31, "lo": 21, "hi": 44},
        {"verdict": "better", "per100": 31},
        {"verdict": "better", "per100": 50, "lo": 21, "hi": 44},
        {"verdict": "maybe"},
    ],
)
def test_another_outcome_cannot_be_estimated_without_its_verdict_and_range(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OtherOutcome(**({"name": "Remission", "definition": "a low score"} | changes))


def test_r10_a_refusal_says_nothing_of_other_outcomes_either() -> None:
    with pytest.raises(ValidationError, match="refusal"):
        refusal_report(others=OTHERS)


@pytest.mark.parametrize(
    "text", ["She will respond.", "It is SAFE", "accurate", "an AI", "because of the dose"]
)
def test_r6_the_search_finds_them(text: str) -> None:
    assert forbidden_words(text)


@pytest.mark.parametrize(
    ("probability", "lo", "hi", "estimate", "limits", "label"),
    [
        (0.004, 0.001, 0.03, "fewer than 1", "fewer than 1 to 3", "below the average"),
        (0.997, 0.95, 0.999, "more than 99", "95 to more than 99", "above the average"),
        (0.3, 0.3, 0.3, "30", "30 to 30", "below the average"),
        (0.2, 0.0, 0.31, "20", "fewer than 1 to 31", "below the average"),
        (0.6, 0.482, 1.0, "60", "48 to more than 99", "close to that average: the range includes it"),
    ],
)
def test_rpt_03_extreme_numbers_keep_the_rules_of_wording(
    probability: float, lo: float, hi: float, estimate: str, limits: str, label: str
) -> None:
    """The base rate of the example is 48 of 100; ranges are rounded outward."""
    text = words_of(estimate_report(probability=probability, lo=lo, hi=hi))
    assert f"The model estimates that about {estimate} of 100 people" in text
    assert f"Plausible range: {limits} of 100" in text
    assert f"This patient's estimate is {label} ." in text
    assert not re.search(r"\d+\.\d+ of 100|%\s*respon", text)


@pytest.mark.parametrize(
    "view", [estimate_report(others=OTHERS), group_report(others=OTHERS), arms_report(), refusal_report()]
)
def test_the_json_of_every_kind_fits_the_published_schema(view: Any) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    content, validator = json.loads(view.to_json()), jsonschema_rs.Draft202012Validator(schema)
    validator.validate(content)
    assert not validator.is_valid(content | {"confidence": 0.9})
    assert not validator.is_valid({key: value for key, value in content.items() if key != "patient"})


@pytest.mark.parametrize(
    ("text", "like"),
    [
        ("Anna Müller", "a name"),
        ("Müller, Anna", "a name"),
        ("Anna", "a name"),
        ("ANNA MUELLER", "a name"),
        ("فاطمة", "a name"),
        ("王小明", "a name"),
        ("1234567890", "a record number"),
        ("485 777 3456", "a record number"),
        ("MRN12345678", "a record number"),
        ("1980-02-03", "a date of birth"),
        ("3.2.1980", "a date of birth"),
    ],
)
def test_rpt_08_a_pseudonym_like_a_name_or_number_is_warned_of_without_repeating_it(
    text: str, like: str
) -> None:
    warning = doubt_pseudonym(text)
    assert f"looks like {like}:" in warning
    assert "do not enter a name or record number" in warning
    assert text not in warning


@pytest.mark.parametrize("text", ["K-0412", "row 3", "EXAMPLE 1", "A17", "NEW-3", "x", "ABC", ""])
def test_rpt_08_a_code_is_not_doubted(text: str) -> None:
    assert doubt_pseudonym(text) == ""
