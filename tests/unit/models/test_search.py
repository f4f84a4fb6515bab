from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.models.search import candidates


def test_small_grids_are_complete_and_in_order() -> None:
    assert candidates({"a": [1, 2], "b": {"choice": ["x", "y"]}}, 4, 0) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]


def test_integers_include_both_ends() -> None:
    assert [c["k"] for c in candidates({"k": {"integers": [3, 6]}}, 10, 0)] == [3, 4, 5, 6]


def test_empty_space_is_one_candidate() -> None:
    assert candidates({}, 5, 0) == [{}]


def test_points_leave_no_quarter_of_the_range_empty() -> None:
    drawn = candidates({"C": {"log_uniform": [1e-4, 1.0]}, "l": {"uniform": [0.0, 1.0]}}, 16, 3)
    logs = np.log10([c["C"] for c in drawn])
    assert logs.min() >= -4
    assert logs.max() <= 0
    assert np.histogram(logs, bins=4, range=(-4, 0))[0].min() >= 3
    assert np.histogram([c["l"] for c in drawn], bins=4, range=(0, 1))[0].min() >= 3


def test_more_points_than_asked_for_are_never_drawn_from_a_large_grid() -> None:
    drawn = candidates({"a": list(range(10)), "b": list(range(10))}, 7, 0)
    assert len(drawn) == 7
    assert len({tuple(c.values()) for c in drawn}) == 7


@given(st.integers(1, 30), st.integers(0, 2**31), st.integers(1, 5), st.integers(1, 6))
def test_as_many_as_asked_for_or_the_whole_grid_and_the_seed_decides(
    n: int, seed: int, size: int, top: int
) -> None:
    space: dict[str, Any] = {"a": list(range(size)), "k": {"integers": [0, top]}}
    drawn = candidates(space, n, seed)
    assert len(drawn) == min(n, size * (top + 1))
    assert drawn == candidates(space, n, seed)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (3, "log_uniform, uniform, integers, choice"),
        ({"log_unifrom": [1, 2]}, "log_uniform, uniform, integers, choice"),
        ({"uniform": [1, 2], "choice": [1]}, "log_uniform, uniform, integers, choice"),
        ({"log_uniform": [0, 1]}, "positive"),
        ({"uniform": [2, 1]}, "lower one first"),
        ({"uniform": ["a", "b"]}, "two numbers"),
        ({"uniform": 5}, "two numbers"),
        ({"integers": [1.5, 3]}, "whole numbers"),
        ([], "at least one value"),
    ],
)
def test_malformed_axes_are_refused(axis: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        candidates({"a": axis}, 3, 0)
