"""Numbers and words: rounding by hand, sums that add up, labels by the rule, nothing forbidden."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.reports.catalogue import MESSAGES
from predictor.reports.verdict_wording import Gain, VerdictFacts, group_reason, verdict_sentence, what_matters
from predictor.reports.wording import (
    count_of_100,
    count_text,
    date_text,
    dated,
    forbidden_words,
    hash_text,
    interval_text,
    joined,
    number_text,
    outward,
    points_text,
    range_text,
    rate_label,
    round_to_total,
    say,
    shortened,
    sum_text,
    time_text,
)


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0.0, "fewer than 1"),
        (0.004, "fewer than 1"),
        (0.0099, "fewer than 1"),
        (0.01, "1"),
        (0.014, "1"),
        (0.29, "29"),
        (0.535, "54"),
        (0.5449, "54"),
        (0.99, "99"),
        (0.9901, "more than 99"),
        (0.997, "more than 99"),
        (1.0, "more than 99"),
    ],
)
def test_estimates_are_whole_counts_that_hide_no_certainty(probability: float, words: str) -> None:
    assert count_text(count_of_100(probability)) == words


@pytest.mark.parametrize("wrong", [-0.01, 1.01, float("nan")])
def test_only_probabilities_are_counted(wrong: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        count_of_100(wrong)


@pytest.mark.parametrize(
    ("lo", "hi", "rounded"),
    [
        (0.412, 0.655, (41, 66)),
        (0.29, 0.57, (29, 57)),  # 0.29 * 100 is 28.999999999999996, 0.57 * 100 is 56.99999999999999
        (0.07, 0.07, (7, 7)),
        (0.0, 1.0, (0, 100)),
        (0.001, 0.999, (0, 100)),
    ],
)
def test_ranges_are_rounded_outward(lo: float, hi: float, rounded: tuple[int, int]) -> None:
    assert outward(lo, hi) == rounded


def test_a_range_in_the_wrong_order_is_refused() -> None:
    with pytest.raises(ValueError, match="ordered"):
        outward(0.6, 0.4)


@given(st.tuples(*[st.floats(0, 1)] * 3).map(sorted))
@settings(max_examples=1000)
def test_the_printed_estimate_lies_inside_the_printed_range(ordered: list[float]) -> None:
    lo, probability, hi = ordered
    low, high = outward(lo, hi)
    assert low <= count_of_100(probability) <= high


def test_range_words() -> None:
    assert range_text(41, 66) == "41 to 66"
    assert range_text(0, 12) == "fewer than 1 to 12"
    assert range_text(88, 100) == "88 to more than 99"


@pytest.mark.parametrize(
    ("lo", "hi", "label"),
    [
        (49, 60, "above the average"),
        (48, 60, "close to that average: the range includes it"),
        (30, 48, "close to that average: the range includes it"),
        (30, 47, "below the average"),
    ],
)
def test_the_label_follows_from_range_and_base_rate(lo: int, hi: int, label: str) -> None:
    assert rate_label(lo, hi, 48) == label


def test_largest_remainder_by_hand() -> None:
    assert round_to_total([6.1, 4.2, -5.1, -3.2, 2.1, 1.9], 6) == (6, 4, -5, -3, 2, 2)
    assert round_to_total([0.4, 0.4, 0.4], 1) == (1, 0, 0)  # the first of equals
    assert round_to_total([-0.4, -0.4, -0.4], -1) == (0, 0, -1)
    assert round_to_total([0.6, 0.6], 0) == (0, 0)
    assert round_to_total([], 0) == ()


def test_rounding_needs_something_to_carry_the_total() -> None:
    with pytest.raises(ValueError, match="carry"):
        round_to_total([], 1)
    with pytest.raises(ValueError, match="Finite"):
        round_to_total([float("inf")], 1)


@given(st.lists(st.floats(-60, 60), min_size=1, max_size=12), st.floats(-0.5, 0.5))
@settings(max_examples=1000)
def test_rounded_contributions_add_up_and_stay_close(values: list[float], shift: float) -> None:
    total = round(sum(values) + shift)
    rounded = round_to_total(values, total)
    assert sum(rounded) == total
    assert all(abs(whole - value) < 2 for whole, value in zip(rounded, values, strict=True))


def test_points_and_sums_in_words() -> None:
    assert [points_text(points) for points in (6, -5, 0)] == ["raises 6", "lowers 5", "no change"]
    assert sum_text(48, [6, -5, 0]) == "48 + 6 − 5 + 0"


def test_numbers_dates_and_hashes() -> None:
    assert number_text(-0.04) == "−0.04"
    assert number_text(-0.001) == "0.00"
    assert number_text(None) == "—"
    assert interval_text(0.66, 0.57, 0.75) == "0.66 (0.57 to 0.75)"
    assert interval_text(0.66, None, None) == "0.66"
    assert date_text(date(2026, 11, 22)) == "22 Nov 2026"
    assert date_text(None) == "—"
    assert dated("On 2026-11-02", date(2026, 11, 2)) == "On 2 Nov 2026"
    assert dated("Site 2026-11-03", date(2026, 11, 2)) == "Site 2026-11-03", (
        "no other text is taken for a date"
    )
    assert dated("No limit declared", None) == "No limit declared"
    assert time_text(datetime(2026, 11, 3, 9, 5, tzinfo=UTC)) == "3 Nov 2026 09:05 UTC"
    assert hash_text("9c1f" + "0" * 56 + "e07a") == "9c1f…e07a"
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert joined([]) == ""
    assert shortened("x" * 80, 10) == "x" * 9 + "…"


def test_braces_in_a_value_are_not_variables() -> None:
    assert "{reason}" in say("group_because", reason="{reason}")


def test_forbidden_words_are_whole_words() -> None:
    assert forbidden_words("It is safe and you should receive it") == ("should receive", "safe")
    assert forbidden_words("AI says so, because  of it") == ("AI", "because of")
    assert forbidden_words("reported by TRIPOD+AI") == ()
    assert forbidden_words("Paid; safety was maintained; said aid") == ()


def test_no_sentence_of_the_catalogue_is_forbidden() -> None:
    assert {name: found for name, text in MESSAGES.items() if (found := forbidden_words(text))} == {}


def facts(**changes: object) -> VerdictFacts:
    gains = (
        Gain(reference="plan alone", gain=0.006, lo=-0.002, hi=0.016, upper=0.0149),
        Gain(reference="severity + plan", gain=-0.002, lo=-0.012, hi=0.01, upper=0.0081),
    )
    base = {
        "verdict": "no_better",
        "n": 818,
        "responders": 505,
        "groups": 40,
        "margin": 0.015,
        "gains": gains,
    }
    return VerdictFacts(**(base | changes))  # type: ignore[arg-type]


def test_no_better_says_what_matters_and_what_is_excluded() -> None:
    sentence = verdict_sentence(facts(plan_adds=True))
    assert sentence.startswith(
        "No better than the references. Against severity + plan the gain in log loss is −0.002"
    )
    assert "a gain above 0.0081 is excluded" in sentence
    assert sentence.endswith("the treatment matters; nothing else recorded here was shown to add to it.")


def test_what_matters_follows_from_the_facts() -> None:
    assert what_matters(facts()).startswith("nothing recorded here")
    assert what_matters(facts(severity_adds=True)).startswith("the severity at the start matters;")
    assert what_matters(facts(plan_adds=True, severity_adds=True)).startswith(
        "the treatment and the severity at the start matter;"
    )


def test_six_responders_are_too_few_for_any_judgement() -> None:
    small = facts(verdict="too_little", n=29, responders=6, groups=29, gains=())
    assert group_reason(small).startswith("with 6 responders and 23 non-responders nobody can tell")
    assert verdict_sentence(small) == (
        "Too little data to tell. 6 responders and 23 non-responders; at least 20 of each are needed before a "
        "gain is judged."
    )


def test_few_clusters_are_too_few() -> None:
    few = facts(verdict="too_little", groups=12)
    assert "12 groups only" in group_reason(few)
    assert verdict_sentence(few).startswith("Too little data to tell. 12 independent groups")


def test_undecided_names_the_gain_that_is_not_excluded() -> None:
    undecided = facts(verdict="too_little", plan_adds=True)
    assert "a gain up to 0.0081 is not excluded" in verdict_sentence(undecided)
    assert group_reason(undecided) == (
        "the treatment matters; nothing else recorded here was shown to add to it, and the data are too few to rule "
        "out that it does"
    )


def test_better_names_the_closest_reference() -> None:
    better = facts(
        verdict="better",
        gains=(Gain("prevalence", 0.15, 0.1, 0.2, 0.19), Gain("severity + plan", 0.039, 0.008, 0.07, 0.065)),
    )
    assert "falls by 0.039 against severity + plan" in verdict_sentence(better)
    assert "In plain words" not in verdict_sentence(better)


@given(
    verdict=st.sampled_from(["better", "no_better", "too_little"]),
    n=st.integers(1, 2000),
    share=st.floats(0, 1),
    groups=st.integers(1, 2000),
    plan=st.booleans(),
    severity=st.booleans(),
)
@settings(max_examples=1000)
def test_no_verdict_sentence_is_forbidden(
    *, verdict: str, n: int, share: float, groups: int, plan: bool, severity: bool
) -> None:
    drawn = facts(
        verdict=verdict, n=n, responders=int(n * share), groups=groups, plan_adds=plan, severity_adds=severity
    )
    assert forbidden_words(verdict_sentence(drawn)) == ()
    assert forbidden_words(group_reason(drawn)) == ()
