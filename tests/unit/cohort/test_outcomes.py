"""The response rule as a function of two scores."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.cohort.outcomes import Outcome, define_outcome, define_outcomes, is_response, sensitivity
from predictor.cohort.selection import Cohort
from predictor.cohort.timeline import Timeline
from predictor.config.schema import (
    Baseline,
    ChangeOutcome,
    EventOutcome,
    RemissionOutcome,
    ResponseOutcome,
    Window,
)

WINDOW = Window(first_day=21, last_day=35)


@given(
    before=st.integers(0, 600),
    after=st.integers(0, 600),
    percent=st.integers(1, 100),
    scale=st.sampled_from([1, 10]),
)
def test_response_agrees_with_exact_fractions(before: int, after: int, percent: int, scale: int) -> None:
    got = is_response(np.array([before / scale]), np.array([after / scale]), reduction=percent / 100)[0]
    if before == 0:
        assert np.isnan(got)
    else:
        assert got == (Fraction(before - after, before) >= Fraction(percent, 100))


def test_response_is_undefined_without_both_scores_or_a_positive_baseline() -> None:
    before = np.array([np.nan, 30, 0, -2, 30])
    after = np.array([10, np.nan, 0, -4, 10])
    np.testing.assert_array_equal(
        is_response(before, after, reduction=0.5), [np.nan, np.nan, np.nan, np.nan, 1]
    )


def line(*rows: tuple[int, float, float], n: int) -> Timeline:
    """MADRS by unit and day."""
    records = pd.DataFrame(rows, columns=["unit", "day", "value"])
    records = records.assign(reference="scores.madrs", before_dose=None, row=2)
    records = records.assign(hour=np.nan, recorded=pd.NaT, known_day=records["day"], known_before=None)
    units = pd.DataFrame({"patient": [str(i) for i in range(n)], "day0": pd.NaT, "index_row": -1})
    return Timeline(units=units, records=records, attributes={})


def test_several_outcomes_are_defined_on_the_same_units() -> None:
    timeline = line((0, 0, 40), (0, 28, 9), (1, 0, 18), (1, 28, 10), (2, 28, 12), n=3)
    cohort = Cohort(timeline, pd.DataFrame(), np.arange(3), np.full(3, "all"))
    found = define_outcomes(
        cohort,
        {
            "response": ResponseOutcome(kind="response", measure="madrs", assessed=WINDOW),
            "remission": RemissionOutcome(kind="remission", measure="madrs", at_most=10, assessed=WINDOW),
            "change": ChangeOutcome(kind="change", measure="madrs", assessed=WINDOW),
        },
        baseline=Baseline(),
    )
    np.testing.assert_array_equal(found["response"].label, [1, 0, np.nan])
    np.testing.assert_array_equal(found["remission"].label, [1, 1, 0])
    np.testing.assert_array_equal(found["change"].label, [31, 8, np.nan])
    assert [found[name].kind for name in found] == ["response", "remission", "change"]
    assert found["response"].evaluable.tolist() == [True, True, False]


def test_another_measure_is_not_taken_for_this_one() -> None:
    timeline = line((0, 0, 40), (0, 28, 9), n=1)
    outcome = ResponseOutcome(kind="response", measure="hamd17", assessed=WINDOW)
    assert define_outcome(timeline, "it", outcome, baseline=Baseline()).why.tolist() == ["no baseline score"]


def test_reasons_are_counted_with_the_observed_first() -> None:
    why = np.array(["no baseline score", "observed", "a", "observed"], dtype=object)
    outcome = Outcome("it", "response", np.zeros(4), why, np.zeros(4), np.zeros(4))
    assert outcome.missing_reasons().to_dict("list") == {
        "reason": ["observed", "a", "no baseline score"],
        "n": [2, 1, 1],
    }


def test_sensitivity_of_a_change_has_no_rows_and_of_an_event_two() -> None:
    timeline = line((0, 28, 9.0), (1, 28, 0.0), n=3)
    change = ChangeOutcome(kind="change", measure="madrs", assessed=WINDOW)
    assert sensitivity(timeline, "it", change, baseline=Baseline()).empty
    event = EventOutcome(
        kind="event", column="scores.madrs", in_=["9"], assessed=WINDOW, if_missing="non_event"
    )
    table = sensitivity(timeline, "it", event, baseline=Baseline())
    assert table[["n", "events", "declared"]].to_numpy().tolist() == [[2, 1, False], [3, 1, True]]


@pytest.mark.parametrize(("strategy", "expected"), [("exclude", [1, np.nan]), ("non_responder", [1, 0])])
def test_remission_by_strategy(strategy: str, expected: list[float]) -> None:
    timeline = line((0, 28, 10), (1, 0, 30), n=2)
    outcome = RemissionOutcome(
        kind="remission",
        measure="madrs",
        at_most=10,
        assessed=WINDOW,
        if_missing=strategy,  # type: ignore[arg-type]
    )
    np.testing.assert_array_equal(
        define_outcome(timeline, "it", outcome, baseline=Baseline()).label, expected
    )
