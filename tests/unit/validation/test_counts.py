"""Plain numbers for people, by hand and against statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint

from predictor.validation.counts import group_rates, plain_counts


def test_rates_by_plan_with_wilson_limits() -> None:
    y = np.array([1, 0, 0, 1, 1, np.nan])
    table = group_rates(y, np.arange(6), ["a", "a", "a", "b", "b", "b"])
    assert table[["plan", "n", "events"]].to_numpy().tolist() == [["a", 3, 1], ["b", 2, 2]]
    assert table["rate"].tolist() == pytest.approx([1 / 3, 1])
    assert (table["low"][0], table["high"][0]) == pytest.approx(proportion_confint(1, 3, method="wilson"))
    assert table["interval"].tolist() == ["Wilson, 95 %"] * 2


def test_clusters_that_resemble_each_other_widen_the_limits_and_it_is_said() -> None:
    y, groups = np.tile(np.repeat([1.0, 0.0], 10), 10), np.arange(200) // 10  # every cluster is of one kind
    table = group_rates(y, groups, np.full(200, "all"))
    assert table["effective_n"][0] == pytest.approx(20)
    alpha = 2 * norm.sf(student.ppf(0.975, 19))  # twenty clusters leave 19 degrees of freedom
    wanted = proportion_confint(10, 20, alpha=alpha, method="wilson")
    assert (table["low"][0], table["high"][0]) == pytest.approx(wanted)
    assert "widened because patients of one cluster resemble each other" in table["interval"][0]
    assert "1.00" in table["interval"][0]


def test_a_difference_between_plans_is_no_resemblance() -> None:
    arms = np.repeat(["cbt", "usual"], 100)
    y = np.concatenate([np.tile([1.0, 1, 1, 0], 25), np.tile([1.0, 0, 0, 0], 25)])
    table = group_rates(y, np.arange(200) // 20, arms)
    assert table["effective_n"].tolist() == [100, 100]


def predictions(*repeats: list[float]) -> pd.DataFrame:
    frames = [pd.DataFrame({"repeat": i, "row": range(len(p)), "p": p}) for i, p in enumerate(repeats)]
    return pd.concat(frames, ignore_index=True)


def test_counts_above_and_below_the_cut() -> None:
    # At least 50: in the first repeat 2 of 3 responded, in the second 2 of 2, on average 2 of 2.5.
    table = plain_counts(predictions([0.9, 0.5, 0.6, 0.2], [0.7, 0.5, 0.4, 0.1]), [1, 1, 0, 0])
    assert table["side"].tolist() == ["at least", "below"]
    assert table["n"].tolist() == [2.5, 1.5]
    assert table["per_100"].tolist() == pytest.approx([80, 0])
    assert (table["low"][0], table["high"][0]) == pytest.approx(
        tuple(100 * np.array(proportion_confint(2, 2.5, method="wilson")))
    )
    assert table["sentence"][0].startswith(
        "Of 100 test patients given at least 50 in 100, about 80 responded ("
    )


def test_nobody_on_one_side_is_said() -> None:
    table = plain_counts(predictions([0.2, 0.3]), [1, 0])
    assert table["sentence"][0] == "No test patient was given at least 50 in 100."
    assert np.isnan(table["per_100"][0])


def test_clusters_widen_what_the_predictions_leave_alike() -> None:
    y, groups = np.tile(np.repeat([1.0, 0.0], 10), 4), np.arange(80) // 10
    flat = predictions([0.6] * 80)
    alone, clustered = plain_counts(flat, y), plain_counts(flat, y, groups=groups)
    assert alone["effective_n"][0] == 80
    assert clustered["effective_n"][0] == pytest.approx(8)
    assert clustered["low"][0] < alone["low"][0]


def test_clusters_that_the_predictions_tell_apart_do_not_widen() -> None:
    groups = np.arange(80) // 10
    y = np.tile(np.repeat([1.0, 0.0], 10), 4)
    y[::5] = 1 - y[::5]  # two of ten differ in every cluster
    told = np.where(groups % 2, 0.2, 0.8)
    assert plain_counts(predictions(told.tolist()), y, groups=groups)["effective_n"].tolist() == [40, 40]


def test_more_repeats_are_not_more_patients() -> None:
    rng = np.random.default_rng(1)
    groups, y = np.arange(60) // 3, rng.integers(0, 2, 60).astype(float)
    y[groups < 7] = 1.0
    p = rng.random(60).tolist()
    once, twice = (plain_counts(predictions(*[p] * r), y, groups=groups) for r in (1, 2))
    assert once["effective_n"].sum() < 60
    pd.testing.assert_frame_equal(once, twice)
