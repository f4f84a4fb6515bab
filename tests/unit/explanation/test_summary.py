from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from predictor.explanation.summary import dependence, importance


def test_importance_by_hand() -> None:
    points = pd.DataFrame({"age": [0.1, -0.3, 0.0, 0.4], "crp": [0.5, 0.5, -0.1, 0.1], "sex": 0.0})
    table = importance(points, fold=np.array([0, 0, 1, 1]), repeat=np.zeros(4, dtype=int))
    # crp: folds 0.5 and 0.1; age: folds 0.2 and 0.2.
    assert list(table["feature"]) == ["crp", "age", "sex"]
    assert table.loc[0, ["mean", "low", "high"]].tolist() == pytest.approx([0.3, 0.1, 0.5])
    assert table["sd"].tolist() == pytest.approx([np.sqrt(0.08), 0.0, 0.0])
    assert (table["folds"] == 2).all()


def test_folds_of_other_repeats_are_other_folds() -> None:
    points = pd.DataFrame({"age": [0.1, 0.3]})
    table = importance(points, fold=np.array([0, 0]), repeat=np.array([0, 1]))
    assert table["folds"].tolist() == [2]
    assert table[["low", "high"]].to_numpy().tolist() == [[0.1, 0.3]]


def test_one_fold_has_no_spread() -> None:
    table = importance(pd.DataFrame({"age": [0.1]}), fold=np.array([0]), repeat=np.array([0]))
    assert np.isnan(table.loc[0, "sd"])


def test_dependence_of_a_number() -> None:
    X = pd.DataFrame({"age": [*np.arange(100.0), np.nan, np.nan]})
    points = pd.DataFrame({"age": [*(np.arange(100.0) / 100), 0.0, 0.0]})
    table = dependence(points, X, "age")
    assert table["n"].tolist()[:10] == [10.0] * 10
    assert table["mean"].tolist()[:2] == pytest.approx([0.045, 0.145])
    assert table["bin"].tolist()[0] == "≤ 9.9"
    # Two patients without a value are too few to be shown.
    assert table["bin"].tolist()[10] == "missing"
    assert table.iloc[10][["n", "mean", "p10", "p90"]].isna().all()


def test_bins_show_no_patients_extreme_value() -> None:
    X = pd.DataFrame({"crp": [*np.linspace(1, 2, 99), 173.4142]})
    table = dependence(pd.DataFrame({"crp": np.zeros(100)}), X, "crp")
    assert np.isnan(table["low"].iloc[0])
    assert np.isnan(table["high"].iloc[-1])
    assert "173" not in table.to_string()


def test_few_patients_are_one_bin() -> None:
    X = pd.DataFrame({"crp": [1.0, 2.0, 3.0, 4.0]})
    table = dependence(pd.DataFrame({"crp": np.ones(4)}), X, "crp")
    assert table["bin"].tolist() == ["all"]
    assert table["n"].isna().all()


def test_dependence_of_a_category_pools_rare_levels() -> None:
    texts = ["f"] * 6 + ["m"] * 5 + ["rare canary"] * 2 + ["another"] * 4 + [None] * 5
    X = pd.DataFrame({"sex": pd.Series(texts, dtype=object)})
    table = dependence(pd.DataFrame({"sex": np.arange(22.0)}), X, "sex")
    assert table["bin"].tolist() == ["f", "m", "fewer than 5 each", "missing"]
    assert table["n"].tolist() == [6, 5, 6, 5]
    assert table["mean"].tolist() == pytest.approx([2.5, 8.0, 13.5, 19.0])


def test_a_feature_without_values_is_missing() -> None:
    X = pd.DataFrame({"crp": [np.nan] * 6})
    assert dependence(pd.DataFrame({"crp": np.zeros(6)}), X, "crp")["bin"].tolist() == ["missing"]
