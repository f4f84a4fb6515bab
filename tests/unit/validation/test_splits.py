"""Folds: what they are balanced on, and that they are the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.validation.splits import leave_one_group_out, repeated_folds, strata


def everybody(n: int) -> np.ndarray:
    return np.full(n, "all", dtype=object)


def test_folds_are_balanced_on_the_outcome() -> None:
    y = np.array([0, 1, 1, 0])
    assert strata(y, np.arange(4), everybody(4)).tolist() == [0, 1, 1, 0]
    # Patients randomised one by one: the arms need no help.
    assert strata(y, np.arange(4), np.array(list("abab"), dtype=object)).tolist() == [0, 1, 1, 0]


def test_and_on_the_arm_where_whole_clusters_have_one() -> None:
    y, groups = np.array([0, 1, 0, 1, 1, 0]), np.array([0, 0, 1, 1, 2, 2])
    arms = np.array(list("aabbaa"), dtype=object)
    assert strata(y, groups, arms).tolist() == [0, 1, 2, 3, 1, 0]
    mixed = np.array(list("ababaa"), dtype=object)
    assert strata(y, groups, mixed).tolist() == y.tolist()
    assert strata(y, groups, everybody(6)).tolist() == y.tolist()


def test_every_fold_has_both_arms_of_a_cluster_randomised_trial() -> None:
    groups = np.repeat(np.arange(20), 6)
    plan = np.where(groups % 2 == 0, "cbt", "usual").astype(object)
    y = np.random.default_rng(0).integers(0, 2, 120)
    for fold in repeated_folds(y, groups, plan, n_splits=5, n_repeats=3, seed=1):
        assert set(plan[fold.test]) == {"cbt", "usual"}
        assert not set(groups[fold.train]) & set(groups[fold.test])


def test_an_arm_with_fewer_events_than_folds_is_not_balanced_but_split_all_the_same() -> None:
    groups = np.repeat(np.arange(12), 3)
    plan = np.where(groups < 6, "cbt", "usual").astype(object)
    y = np.zeros(36, dtype=int)
    y[[0, 3, 18, 21, 24, 27, 30]] = 1  # two events with cbt, five with usual care
    folds = repeated_folds(y, groups, plan, n_splits=4, n_repeats=1, seed=1)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(36))


def test_the_share_of_events_is_as_even_as_it_can_be() -> None:
    y = np.array([1] * 23 + [0] * 77)
    for fold in repeated_folds(y, np.arange(100), everybody(100), n_splits=5, n_repeats=2, seed=3):
        assert len(fold.test) == 20
        assert int(y[fold.test].sum()) in (4, 5)


def test_the_seed_alone_decides_and_repeats_differ() -> None:
    y = np.arange(60) % 2

    def tests(seed: int) -> list[list[int]]:
        folds = repeated_folds(y, np.arange(60), everybody(60), n_splits=3, n_repeats=2, seed=seed)
        return [fold.test.tolist() for fold in folds]

    assert tests(1) == tests(1)
    assert tests(1) != tests(2)
    assert tests(1)[:3] != tests(1)[3:]


def test_more_repeats_leave_the_first_ones_as_they_are() -> None:
    y, groups = np.arange(60) % 2, np.arange(60) // 2
    few, many = (repeated_folds(y, groups, everybody(60), n_splits=3, n_repeats=r, seed=1) for r in (2, 4))
    assert [f.test.tolist() for f in few] == [f.test.tolist() for f in many[:6]]


@pytest.mark.parametrize("patients", [None, np.arange(6)])
def test_each_named_group_is_left_out_once(patients: np.ndarray | None) -> None:
    site = np.array(["b", "a", "", "a", "b", "c"], dtype=object)
    y = np.array([0, 1, 0, 0, 1, 1])
    found = [
        (n, train.tolist(), test.tolist())
        for n, train, test in leave_one_group_out(site, y, patients=patients)
    ]
    assert found == [
        ("a", [0, 2, 4, 5], [1, 3]),
        ("b", [1, 2, 3, 5], [0, 4]),
        ("c", [0, 1, 2, 3, 4], [5]),
    ]


def test_a_group_without_which_one_class_is_gone_is_passed_over() -> None:
    site = np.array(["a", "a", "b", "b"], dtype=object)
    assert [name for name, _, _ in leave_one_group_out(site, np.array([1, 0, 0, 0]))] == ["b"]
