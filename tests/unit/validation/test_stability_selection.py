from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from predictor.validation.stability_selection import select_stable, selected_at_most


def patients(seed: int, n: int = 300, p: int = 12, effect: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = (rng.random(n) < expit(effect * (X[:, 0] - X[:, 1]))).astype(float)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def names(p: int) -> list[str]:
    return [f"marker_{i}" for i in range(p)]


def test_what_matters_is_kept_and_what_does_not_is_not() -> None:
    X, y = patients(1)
    table = select_stable(X, y, names(12), np.arange(len(y)))
    assert set(table.loc[table["stable"], "feature"]) == {"marker_0", "marker_1"}
    assert table.attrs["false_finds"] <= 1.0


def test_under_the_null_fewer_false_finds_than_the_bound() -> None:
    found = []
    for seed in range(15):
        X, y = patients(seed, n=100, effect=0.0)
        found.append(int(select_stable(X, y, names(12), np.arange(100), pairs=10, seed=seed)["stable"].sum()))
    assert np.mean(found) <= 1.0


def test_columns_of_one_feature_are_one_choice() -> None:
    X, y = patients(2, p=4)
    table = select_stable(X, y, ["a", "a", "b", "c"], np.arange(len(y)), pairs=5)
    assert sorted(table["feature"]) == ["a", "b", "c"]


def test_clusters_stay_in_one_half(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = patients(3, n=60)
    groups = np.repeat(np.arange(20), 3)
    seen = []

    def note(part: np.ndarray, outcome: np.ndarray, columns: np.ndarray, most: int) -> np.ndarray:
        seen.append(part)
        return selected_at_most(part, outcome, columns, most)

    monkeypatch.setattr("predictor.validation.stability_selection.selected_at_most", note)
    select_stable(X, y, names(12), groups, pairs=4)
    keys = {tuple(row): group for row, group in zip(X, groups, strict=True)}
    for part in seen:
        members = [keys[tuple(row)] for row in part]
        assert all(members.count(group) == 3 for group in set(members))


def test_the_lasso_stops_before_one_feature_too_many() -> None:
    X, y = patients(4)
    columns = np.eye(12, dtype=bool)
    for most in (2, 5):
        kept = selected_at_most(X, y, columns, most)
        assert 0 < kept.sum() <= most
    # The strongest two of the plain lasso are the first two to come.
    plain = LogisticRegression(l1_ratio=1.0, solver="saga", C=0.02, max_iter=5000).fit(X, y)
    assert set(np.flatnonzero(selected_at_most(X, y, columns, 2))) <= set(np.flatnonzero(plain.coef_[0]))
