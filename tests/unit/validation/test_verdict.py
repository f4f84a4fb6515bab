"""The verdict's formulas by hand, its rules as a table, and what it must never say."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t, ttest_1samp

from predictor.validation.verdict import (
    Comparison,
    compare_losses,
    decide,
    plan_residuals,
    repeated_fold_standard_error,
)

N = 400
Y = np.tile([1.0, 0.0], N // 2)
PATIENTS, ONE_PLAN = np.arange(N), np.full(N, "all")
DELTA = 0.0158  # the margin when half respond


def against(name: str, gain: float, half: float) -> Comparison:
    return Comparison(name, gain, half / 2, 399, gain - half, gain + half, gain + 0.84 * half)


def label(*comparisons: Comparison, y: np.ndarray = Y, groups: np.ndarray = PATIENTS) -> str:
    return decide(comparisons, y=y, groups=groups, plan=np.full(len(y), "all")).label


def test_the_repeated_fold_error_by_hand() -> None:
    # K = 2, R = 2, s² = 1/3 of (1 + 1 + 1 + 1): √((1/4 + 1)·4/3)
    assert repeated_fold_standard_error([[1, 3], [3, 1]]) == pytest.approx(sqrt(1.25 * 4 / 3))
    assert np.isnan(repeated_fold_standard_error([[1], [2]]))
    assert repeated_fold_standard_error([[1, 3, np.nan], [3, 1, 2]]) == pytest.approx(
        sqrt((1 / 5 + 1 / 2) * 1)
    )


def test_with_equal_folds_the_limits_are_those_of_a_t_test() -> None:
    rng = np.random.default_rng(0)
    procedure = rng.normal(size=30)
    reference = procedure + rng.normal(0.2, 1, 30)
    got = compare_losses(
        reference, procedure, groups=np.arange(30), fold_gains=np.zeros((1, 5)), reference="r"
    )
    test = ttest_1samp(reference - procedure, 0)
    limits = test.confidence_interval(0.95)
    assert (got.reference, got.df) == ("r", 29)
    assert (got.gain, got.low, got.high) == pytest.approx(
        (np.mean(reference - procedure), limits.low, limits.high)
    )
    assert got.upper == pytest.approx(test.confidence_interval(0.90).high)


def test_the_larger_error_counts() -> None:
    d, folds = np.array([0.1, -0.1, 0.2, 0.0]), np.array([[0.5, -0.5], [0.4, -0.4]])
    got = compare_losses(d, np.zeros(4), groups=np.arange(4), fold_gains=folds)
    assert got.se == pytest.approx(repeated_fold_standard_error(folds))
    assert got.low == pytest.approx(0.05 - t.ppf(0.975, 3) * got.se)


def test_repeats_are_averaged_within_the_patient() -> None:
    reference, procedure = np.array([[1.0, 0, 0], [0, 0, 1]]), np.zeros((2, 3))
    got = compare_losses(reference, procedure, groups=[1, 2, 3], fold_gains=np.zeros((2, 2)))
    assert got.gain == pytest.approx(1 / 3)
    assert got.se == pytest.approx(np.std([0.5, 0, 0.5], ddof=1) / sqrt(3))


@given(st.integers(0, 1000), st.integers(2, 4))
def test_copies_of_a_patient_add_no_certainty(seed: int, copies: int) -> None:
    loss, folds = np.random.default_rng(seed).normal(size=25), np.zeros((1, 5))
    once = compare_losses(loss, np.zeros(25), groups=np.arange(25), fold_gains=folds)
    again = np.repeat(np.arange(25), copies)
    copied = compare_losses(loss[again], np.zeros(25 * copies), groups=again, fold_gains=folds)
    assert (copied.low, copied.upper) == pytest.approx((once.low, once.upper))


@given(st.integers(0, 1000))
def test_the_order_of_patients_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    losses, groups, order = rng.random((2, 2, 40)), rng.integers(0, 12, 40), rng.permutation(40)
    plain = compare_losses(*losses, groups=groups, fold_gains=[[0, 1]])
    shuffled = compare_losses(*losses[:, :, order], groups=groups[order], fold_gains=[[0, 1]])
    assert (shuffled.gain, shuffled.se) == pytest.approx((plain.gain, plain.se))


def test_a_single_cluster_has_no_limits() -> None:
    got = compare_losses([1.0, 2.0], [0.0, 0.0], groups=[1, 1], fold_gains=[[1, 2]])
    assert got.gain == 1.5
    assert np.isnan([got.se, got.low, got.high, got.upper]).all()


def test_the_plan_is_subtracted() -> None:
    assert plan_residuals([1, 0, 1, 1], ["a", "a", "b", "b"]).tolist() == [0.5, -0.5, 0, 0]


@pytest.mark.parametrize(
    ("comparisons", "expected"),
    [
        ([against("a", 0.05, 0.04), against("b", 0.02, 0.01)], "better"),
        ([against("a", 0.05, 0.04), against("b", 0.01, 0.005)], "no_better"),  # shown, but too small to count
        ([against("a", 0.05, 0.04), against("b", 0.01, 0.009)], "too_little"),
        ([against("a", 0.05, 0.04), against("b", 0.02, 0.03)], "too_little"),
        ([against("a", 0.05, 0.04), against("b", -0.02, 0.03)], "no_better"),  # one reference is enough
        ([against("a", 0.0, 0.0)], "no_better"),  # the same predictions as the reference
    ],
)
def test_the_rules(comparisons: list[Comparison], expected: str) -> None:
    assert label(*comparisons) == expected


@pytest.mark.parametrize(("events", "expected"), [(19, "too_little"), (20, "better")])
def test_twenty_events_are_needed(events: int, expected: str) -> None:
    rare = np.arange(N) < events
    assert label(against("a", 0.1, 0.05), y=rare.astype(float)) == expected
    assert label(against("a", 0.1, 0.05), y=(~rare).astype(float)) == expected


@pytest.mark.parametrize(("clusters", "expected"), [(19, "too_little"), (20, "better")])
def test_twenty_clusters_are_needed(clusters: int, expected: str) -> None:
    assert label(against("a", 0.1, 0.05), groups=np.arange(N) % clusters) == expected


@pytest.mark.parametrize(("n", "expected"), [(242, "too_little"), (244, "no_better")])
def test_no_better_needs_244_patients_when_half_respond(n: int, expected: str) -> None:
    assert label(against("a", 0.0, 0.01), y=Y[:n], groups=PATIENTS[:n]) == expected


def test_patients_who_resemble_each_other_count_less() -> None:
    alike = np.repeat([1.0, 0.0], N // 2)  # 20 clusters, each of responders or of non-responders
    got = decide([against("a", 0.0, 0.01)], y=alike, groups=np.arange(N) // 20, plan=ONE_PLAN)
    assert (got.label, got.icc, got.effective_n) == ("too_little", 1.0, 20)
    explained = decide([against("a", 0.0, 0.01)], y=alike, groups=np.arange(N) // 20, plan=alike)
    assert (explained.label, explained.icc, explained.effective_n) == ("no_better", 0.0, N)


def test_what_is_printed() -> None:
    y = np.append(Y, np.nan)
    comparisons = [against("severity", 0.05, 0.04), against("plan", -0.02, 0.03)]
    got = decide(comparisons, y=y, groups=np.arange(N + 1), plan=np.full(N + 1, "all"))
    assert got.margin == pytest.approx(DELTA, abs=5e-5)
    assert (got.events, got.non_events, got.clusters, got.needed_n) == (200, 200, N, 244)
    assert got.gain_not_excluded == pytest.approx(0.0052)
    assert got.sentence == (
        "No better than the references: with these 400 patients, nothing that this procedure uses was shown to add "
        "to plan; against plan the gain is -0.020 in log loss (95 % limits -0.050 to 0.010). A gain above 0.005 is "
        "excluded, and one below 0.016 does not count."
    )


def test_every_other_case_has_its_sentence() -> None:
    def sentence(n: int, *comparisons: Comparison) -> str:
        return decide(comparisons, y=Y[:n], groups=PATIENTS[:n], plan=ONE_PLAN[:n]).sentence

    better = sentence(N, against("severity", 0.09, 0.02), against("plan", 0.05, 0.04))
    assert better.startswith("Better than every reference: against plan the gain is 0.050")
    assert "6 responders, 6 non-responders and 12 independent" in sentence(12, against("a", 0.1, 0.01))
    assert "neither shown" in sentence(
        40, against("a", 0.02, 0.03)
    )  # 20 of each are enough to speak of gains
    assert "worth 100 independent ones, and 244 are needed" in sentence(100, against("a", 0.0, 0.01))
    assert "neither shown nor excluded" in sentence(N, against("a", 0.02, 0.03))


def test_one_class_only_is_too_little_without_a_margin() -> None:
    got = decide([against("a", 0.1, 0.05)], y=np.ones(N), groups=PATIENTS, plan=ONE_PLAN)
    assert got.label == "too_little"
    assert np.isnan([got.margin, got.needed_n]).all()
    assert "0 non-responders" in got.sentence


def test_undefined_limits_decide_nothing() -> None:
    nothing = Comparison("a", 0.1, np.nan, 0, np.nan, np.nan, np.nan)
    assert label(nothing) == "too_little"


def test_a_verdict_needs_a_reference() -> None:
    with pytest.raises(ValueError, match="at least one reference"):
        decide([], y=Y, groups=PATIENTS, plan=ONE_PLAN)


@given(
    st.lists(st.tuples(st.floats(-0.1, 0.2), st.floats(0, 0.1)), min_size=1, max_size=5),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(1, 200),
)
def test_never_better_without_every_lower_limit_and_the_margin(
    pairs: list[tuple[float, float]], events: int, others: int, clusters: int
) -> None:
    y = np.repeat([1.0, 0.0], [events, others])
    comparisons = [against(str(i), gain, half) for i, (gain, half) in enumerate(pairs)]
    plan, groups = np.full(len(y), "all"), np.arange(len(y)) % clusters
    verdict = decide(comparisons, y=y, groups=groups, plan=plan)
    if verdict.label == "better":
        assert min(one.low for one in comparisons) > 0
        assert min(one.gain for one in comparisons) >= verdict.margin
        assert min(events, others, len(np.unique(groups))) >= 20
    if verdict.label == "no_better":
        assert verdict.gain_not_excluded < verdict.margin
        assert verdict.effective_n >= verdict.needed_n - 1


@given(st.floats(-0.05, 0.1), st.floats(0.001, 0.1))
def test_one_more_reference_never_makes_it_better(gain: float, half: float) -> None:
    alone = [against("a", 0.05, 0.04)]
    assert label(*alone) == "better"
    if gain - half <= 0:
        assert label(*alone, against("b", gain, half)) != "better"
