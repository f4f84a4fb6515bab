"""What a bootstrap resample of patients has to keep together."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.validation.resamples import draw_patients, membership_counts


def test_groups_come_along_whole_and_a_resample_depends_on_its_number_alone() -> None:
    groups = np.array(["a", "b", "a", "c", "b", "d", "d", "d"])
    few, many = (draw_patients(groups, resamples=count, seed=7) for count in (3, 30))
    assert all(np.array_equal(one, other) for one, other in zip(few, many, strict=False))
    counts = membership_counts(many, 8)
    for label in "abcd":
        assert np.all(np.ptp(counts[:, groups == label], axis=1) == 0)
    assert np.all(counts[:, [0, 1, 3, 5]].sum(axis=1) == 4)


def test_a_resample_has_both_classes_or_there_is_none() -> None:
    y = np.array([1.0, 0, 0, 0, 0, 0])
    assert all(
        len(np.unique(y[rows])) == 2 for rows in draw_patients(range(6), resamples=50, seed=0, outcome=y)
    )
    with pytest.raises(ValueError, match="both outcomes"):
        draw_patients(range(6), resamples=1, seed=0, outcome=np.zeros(6))


def test_every_patient_is_drawn_as_often_as_any_other() -> None:
    counts = membership_counts(draw_patients(np.arange(20), resamples=4000, seed=5), 20)
    # One of 20 draws of 20, 4,000 times: a mean of 1 with an error of √(0.95/4000)
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=4 * np.sqrt(0.95 / 4000))
    assert (counts == 0).mean() == pytest.approx((1 - 1 / 20) ** 20, abs=0.01)
