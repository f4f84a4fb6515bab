"""Ranking: against scikit-learn and brute force, and as invariants. R's numbers are in tests/reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from predictor.validation.discrimination import (
    auc,
    average_precision,
    delong,
    delong_difference,
    delong_unpaired,
    roc_curve_points,
    within_fold_auc,
    within_fold_roc,
)

Sample = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Outcomes of both classes, tied predictions, three folds of which some may hold one class only."""
    seed, n, grid = (
        draw(st.integers(0, 10_000)),
        draw(st.integers(4, 40)),
        draw(st.sampled_from([3, 20, 1000])),
    )
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n).astype(float)
    y[:2] = 0, 1
    fold = rng.integers(0, 3, n)
    fold[:2] = 0
    return y, rng.integers(1, grid, n) / grid, fold


def brute_force(y: np.ndarray, p: np.ndarray, fold: np.ndarray, w: np.ndarray) -> float:
    wins = pairs = 0.0
    for i in np.flatnonzero(y == 1):
        for j in np.flatnonzero(y == 0):
            if fold[i] == fold[j]:
                pairs += w[i] * w[j]
                wins += w[i] * w[j] * ((p[i] > p[j]) + 0.5 * (p[i] == p[j]))
    return wins / pairs if pairs else np.nan


@given(samples())
def test_auc_and_average_precision_agree_with_scikit_learn(sample: Sample) -> None:
    y, p, _ = sample
    assert auc(y, p) == pytest.approx(roc_auc_score(y, p), abs=1e-12)
    assert average_precision(y, p) == pytest.approx(average_precision_score(y, p), abs=1e-12)


@given(samples())
def test_only_the_order_of_predictions_counts(sample: Sample) -> None:
    y, p, fold = sample
    assert auc(y, np.exp(5 * p)) == auc(y, p)
    assert within_fold_auc(y, p**3 - 2, fold) == within_fold_auc(y, p, fold)


@given(samples())
def test_reversing_the_order_mirrors_the_auc(sample: Sample) -> None:
    y, p, _ = sample
    assert auc(y, -p) == pytest.approx(1 - auc(y, p))
    assert auc(1 - y, p) == pytest.approx(1 - auc(y, p))


@given(samples(), st.integers(0, 99))
def test_weighted_within_fold_auc_agrees_with_brute_force(sample: Sample, seed: int) -> None:
    y, p, fold = sample
    weights = np.random.default_rng(seed).integers(0, 4, (3, len(y))).astype(float)
    got = within_fold_auc(y, p, fold, weights=weights)
    np.testing.assert_allclose(got, [brute_force(y, p, fold, w) for w in weights], atol=1e-12)
    np.testing.assert_allclose(within_fold_auc(y, p, fold, weights=weights[0]), got[0])


@given(samples())
def test_weights_of_one_change_nothing_and_rows_may_be_shuffled(sample: Sample) -> None:
    y, p, fold = sample
    plain = within_fold_auc(y, p, fold)
    order = np.random.default_rng(1).permutation(len(y))
    assert within_fold_auc(y, p, fold, weights=np.ones(len(y))) == pytest.approx(plain, abs=1e-12)
    assert within_fold_auc(y[order], p[order], fold[order]) == pytest.approx(plain, abs=1e-12)


@given(samples())
def test_one_fold_is_the_ordinary_auc(sample: Sample) -> None:
    y, p, _ = sample
    assert within_fold_auc(y, p, np.zeros(len(y))) == pytest.approx(auc(y, p), abs=1e-12)


def test_a_weight_of_two_is_a_second_copy() -> None:
    y, p, fold = np.array([1, 0, 1, 0]), np.array([0.2, 0.4, 0.7, 0.1]), np.zeros(4)
    copied = np.array([0, 0, 1, 2, 3])
    weighted = within_fold_auc(y, p, fold, weights=np.array([2, 1, 1, 1]))
    assert float(weighted) == pytest.approx(auc(y[copied], p[copied]))


def test_a_prevalence_model_scores_one_half_within_folds_and_less_when_pooled() -> None:
    y, fold = np.tile([1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0], 5), np.tile([0] * 4 + [1] * 4, 5)
    p = np.where(fold == 0, 0.25, 0.75)  # each fold is told the rate of the other
    assert within_fold_auc(y, p, fold) == 0.5
    assert auc(y, p) < 0.4


def test_folds_weigh_as_cases_times_controls() -> None:
    # Fold 0: one pair, won. Fold 1: four pairs, one won.
    y = np.array([1, 0, 1, 1, 0, 0])
    p = np.array([0.9, 0.1, 0.1, 0.6, 0.5, 0.7])
    assert within_fold_auc(y, p, np.array([0, 0, 1, 1, 1, 1])) == pytest.approx((1 + 1) / (1 + 4))


def test_one_class_gives_nan_and_no_warning() -> None:
    ones, p = np.ones(3), np.array([0.1, 0.2, 0.3])
    assert np.isnan(auc(ones, p))
    assert np.isnan(within_fold_auc(ones, p, np.zeros(3)))
    assert np.isnan(within_fold_auc(ones, p, np.zeros(3), weights=np.ones((2, 3)))).all()
    assert np.isnan(average_precision(np.zeros(3), p))
    assert np.isnan(delong(ones, p).value)
    assert np.isnan(delong_difference(ones, p, p).se)
    assert np.isnan(within_fold_roc(ones, p, np.zeros(3), grid=[0, 1])).all()
    with pytest.raises(ValueError, match="responders and non-responders"):
        roc_curve_points(ones, p)


def test_two_scores_of_the_same_order_do_not_differ() -> None:
    rng = np.random.default_rng(4)
    y, p = rng.integers(0, 2, 60), rng.random(60)
    difference = delong_difference(y, p, p**2)
    assert (difference.value, difference.se) == pytest.approx((0, 0), abs=1e-9)


def test_delong_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(400):
        y = np.repeat([0, 1], [60, 40])
        estimate = delong(y, rng.normal(size=100) + y)  # true AUC Φ(1/√2) = 0.7602
        covered += estimate.low <= 0.7602499 <= estimate.high
    assert 0.92 <= covered / 400 <= 0.98


@given(samples())
def test_roc_corners_agree_with_scikit_learn(sample: Sample) -> None:
    y, p, _ = sample
    for ours, theirs in zip(roc_curve_points(y, p), roc_curve(y, p, drop_intermediate=False), strict=True):
        np.testing.assert_allclose(ours, theirs)


@given(samples())
def test_the_area_under_the_mean_curve_is_the_within_fold_auc(sample: Sample) -> None:
    y, p, fold = sample
    grid = np.linspace(0, 1, 5001)
    rate = within_fold_roc(y, p, fold, grid=grid)
    assert np.trapezoid(rate, grid) == pytest.approx(within_fold_auc(y, p, fold), abs=2e-3)
    assert (np.diff(rate) >= -1e-12).all()
    assert rate[-1] == pytest.approx(1)


def test_two_groups_of_patients_are_compared_by_hand() -> None:
    y, p = np.tile([0.0, 1.0], 10), np.linspace(0.05, 0.95, 20)
    other = np.concatenate([p[::2], p[1::2]])
    first, second = delong(y, p), delong(y, other)
    got = delong_unpaired(y, p, y, other)
    assert got.difference.value == pytest.approx(first.value - second.value)
    assert got.difference.se == pytest.approx(np.hypot(first.se, second.se))
    same = delong_unpaired(y, p, y, p)
    assert same.df == pytest.approx(2 * 19)  # equal variances: both samples' degrees of freedom
    assert same.p_value == pytest.approx(1)
    assert np.isnan(delong_unpaired(y, p, [0, 0, 1], [0.1, 0.2, 0.3]).p_value)
