"""The distance from the development patients: against scipy, by hand, and what it must not keep."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from predictor.features.columns import Categories, EncodedColumn
from predictor.features.distance import Distance, fit_distance

WEIGHT = EncodedColumn("weight", "value", center=75.0, scale=12.0)
HEIGHT = EncodedColumn("height", "value", center=170.0, scale=10.0)
NORTH = EncodedColumn("site", "level", "north", "text", center=0.5, scale=0.5)


def people(n: int, seed: int = 1) -> dict[str, np.ndarray | Categories]:
    """Weight and height that go together, and a site."""
    rng = np.random.default_rng(seed)
    height = rng.normal(170, 10, n)
    weight = 75 + 1.1 * (height - 170) + rng.normal(0, 4, n)
    return {"weight": weight, "height": height, "site": Categories(rng.integers(0, 2, n), ["north", "south"])}


def one(weight: float, height: float, site: str | None = "north") -> dict[str, np.ndarray | Categories]:
    return {
        "weight": np.array([weight]),
        "height": np.array([height]),
        "site": Categories.of([site]),
    }


def fitted(n: int = 400) -> Distance:
    found = fit_distance((WEIGHT, HEIGHT, NORTH), people(n), n)
    assert found is not None
    return found


def test_it_is_the_mahalanobis_distance() -> None:
    distance = fitted()
    encoded = np.array([(80 - 75) / 12, (160 - 170) / 10, 1.0])
    expected = mahalanobis(encoded, distance.mean, np.linalg.inv(distance.covariance)) ** 2
    assert distance.squared(one(80, 160), 1)[0] == pytest.approx(expected, rel=1e-9)


def test_the_covariance_is_close_to_the_true_one() -> None:
    """Var(height) = 100, Cov = 110, Var(weight) = 121 + 16, in units of the columns' scales."""
    found = fitted(20_000).covariance
    assert found[0, 0] == pytest.approx(137 / 144, rel=0.03)
    assert found[1, 1] == pytest.approx(1.0, rel=0.03)
    assert found[0, 1] == pytest.approx(110 / 120, rel=0.03)


def test_about_one_in_a_hundred_new_patients_is_rare_and_hardly_one_refused() -> None:
    distance = fitted()
    squared = distance.squared(people(20_000, seed=2), 20_000)
    assert 0.002 < (squared > distance.caution).mean() < 0.03
    assert (squared > distance.refusal).mean() < 2e-4


def test_each_value_is_usual_and_the_two_together_are_not() -> None:
    distance, raw = fitted(), people(400)
    low, high = np.quantile(raw["weight"], [0.05, 0.95])
    assert distance.squared(one(high, 172), 1)[0] < distance.refusal
    short = float(np.quantile(raw["height"], 0.05))
    found = one(float(high), short)
    assert distance.squared(found, 1)[0] > distance.refusal
    assert distance.unusual(found) == ["height", "weight"]
    assert low < high


def test_a_missing_value_adds_nothing() -> None:
    distance = fitted()
    known = Distance(
        (WEIGHT, NORTH),
        distance.mean[[0, 2]],
        distance.covariance[np.ix_([0, 2], [0, 2])],
        distance.caution,
        distance.refusal,
    )
    gone = one(90, np.nan)
    assert distance.squared(gone, 1)[0] == pytest.approx(known.squared(gone, 1)[0], rel=1e-9)
    assert distance.squared(one(np.nan, np.nan, None), 1)[0] == 0


def test_infinite_and_huge_values_are_far_and_never_nan() -> None:
    distance = fitted()
    assert distance.squared(one(1e308, 170), 1)[0] > distance.refusal
    assert np.isfinite(distance.squared(one(np.inf, -1e308), 1)).all()


@pytest.mark.parametrize("n", [10, 49])
def test_too_few_patients_describe_no_distribution(n: int) -> None:
    assert fit_distance((WEIGHT, HEIGHT), people(n), n) is None


def test_columns_that_never_vary_or_repeat_each_other_do_no_harm() -> None:
    raw = people(100) | {"weight": np.full(100, 75.0)}
    found = fit_distance((WEIGHT, HEIGHT, HEIGHT, NORTH), raw, 100)
    assert found is not None
    assert len(found.columns) == 3
    assert np.isfinite(found.squared(raw, 100)).all()


def test_it_comes_back_from_plain_numbers_and_holds_no_patient() -> None:
    distance = fitted()
    text = json.dumps(distance.to_plain())
    again = Distance.from_plain(json.loads(text))
    raw = people(50, seed=3)
    np.testing.assert_array_equal(again.squared(raw, 50), distance.squared(raw, 50))
    for values in (people(400)["weight"], people(400)["height"]):
        assert not [value for value in values if repr(float(value)) in text]
    # k means, k squares and two limits, whatever the number of patients.
    assert len(text) == pytest.approx(len(json.dumps(fitted(4_000).to_plain())), rel=0.05)


@pytest.mark.parametrize(
    "change",
    [
        {"covariance": [[1, 2, 0], [2, 1, 0], [0, 0, 1]]},
        {"covariance": [[1]]},
        {"mean": [0.0]},
        {"caution": -1.0},
        {"refusal": float("inf")},
        {"refusal": 0.0},
    ],
)
def test_what_is_no_distribution_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="the distribution is none"):
        Distance.from_plain(fitted().to_plain() | change)
