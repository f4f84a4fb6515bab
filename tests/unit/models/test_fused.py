"""The compiled scorer where data are at their worst: crowded thresholds, infinities, trees beyond one mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.ensemble import HistGradientBoostingClassifier

from predictor.features.columns import Categories, EncodedColumn, columns_of
from predictor.features.encoding import encode_block
from predictor.models.fused import fuse
from predictor.models.masks import MOST_LEAVES, _Grid, mask_trees, most_leaves
from predictor.models.plain import expit, logit
from predictor.models.trees import boosted_trees

COLUMNS = (
    EncodedColumn("x", "value", fill=0.3, center=0.1, scale=1.7),
    EncodedColumn("x", "missing", center=0.2, scale=0.5),
    EncodedColumn("z", "value", transform="log1p", fill=0.5, center=0.4, scale=0.9),
    EncodedColumn("c", "level", level="a", transform="text", center=0.4, scale=0.5),
    EncodedColumn("c", "level", level="b", transform="text", center=0.3, scale=0.5),
    EncodedColumn("c", "other", transform="text", center=0.1, scale=0.5),
    EncodedColumn("c", "missing", transform="text", center=0.1, scale=0.5),
    EncodedColumn("d", "missing", center=0.5, scale=0.5),
)


def raw(n: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n))
    x[:3] = [np.inf, -np.inf, np.nan]
    d = np.where(rng.random(n) < 0.5, np.nan, 3.0)
    levels = ["b", "unheard of", None, "a", "also"]
    return {
        "x": x,
        "z": rng.normal(size=n) * 2,
        "c": Categories(rng.integers(-1, 5, n), levels),
        "d": d,
    }


def one(values: dict[str, Any], i: int) -> dict[str, Any]:
    c = values["c"]
    text = None if c.codes[i] < 0 else c.levels[c.codes[i]]
    return {"x": float(values["x"][i]), "z": float(values["z"][i]), "c": text, "d": float(values["d"][i])}


def test_a_linear_sum_is_that_of_the_encoded_columns() -> None:
    values, coef = raw(500), np.linspace(-1, 2, len(COLUMNS))
    fused = fuse(COLUMNS, 0.7, coef, None)
    expected = 0.7 + coef @ encode_block(COLUMNS, values, 500)
    found = fused.scores(values, 500)
    assert np.isfinite(expected).all()
    assert np.abs(found - expected).max() < 1e-12
    for i in range(20):
        assert fused.one(one(values, i)) == pytest.approx(expected[i], abs=1e-12)


@pytest.mark.parametrize("leaves", [2, 8, 9, 16, 17, 32, 64, 120])
def test_trees_of_any_width_are_summed(leaves: int) -> None:
    values = raw(3000)
    encoded = encode_block(COLUMNS, values, 3000)
    y = (np.random.default_rng(0).random(3000) < expit(encoded[0] * 2 + encoded[3])).astype(int)
    options: dict[str, Any] = {
        "max_iter": 6,
        "max_leaf_nodes": leaves,
        "min_samples_leaf": 1,
        "random_state": 0,
    }
    model = HistGradientBoostingClassifier(**options).fit(encoded.T, y)
    trees = boosted_trees(model)
    assert most_leaves(trees) == leaves
    fused = fuse(COLUMNS, 0.0, np.zeros(0), trees)
    assert (fused.masked is None) == (leaves > MOST_LEAVES)
    expected = trees.total(encoded.T.astype(np.float64))
    assert np.abs(fused.scores(values, 3000) - expected).max() < 1e-12
    for i in range(20):
        assert fused.one(one(values, i)) == pytest.approx(expected[i], abs=1e-12)


def test_inputs_that_no_tree_asks_about_are_not_looked_up() -> None:
    values = raw(300)
    encoded = encode_block(COLUMNS, values, 300)
    model = HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=2, min_samples_leaf=5)
    trees = boosted_trees(model.fit(encoded.T, (encoded[0] > 0).astype(int)))
    assert {lookup.inputs[0].name for lookup in mask_trees(trees, COLUMNS).single} == {"x"}


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(cuts=st.lists(floats, max_size=30, unique=True), values=arrays(np.float32, 20, elements=floats))
def test_cells_count_as_a_binary_search_does(cuts: list[float], values: np.ndarray) -> None:
    ordered = np.array(sorted(cuts), dtype=np.float32)
    with np.errstate(over="ignore"):  # after the largest number comes infinity
        after = np.nextafter(ordered, np.float32(np.inf))
    values = np.concatenate([values, ordered, after])
    found = _Grid.over(ordered).bins(values)
    assert found.tolist() == np.searchsorted(ordered, values, side="left").tolist()


def test_numbers_in_place_of_texts_are_refused() -> None:
    fused = fuse(COLUMNS, 0.0, np.ones(len(COLUMNS)), None)
    with pytest.raises(TypeError, match="c is a category"):
        fused.scores({**raw(70), "c": np.zeros(70)}, 70)


def test_a_table_with_categories_of_pandas_is_read_as_one_with_texts() -> None:
    texts = pd.DataFrame({"x": [1.0, np.nan], "z": [1, 2], "c": ["a", None], "d": [np.nan, 1.0]})
    coded = texts.assign(c=texts["c"].astype("category"))
    both = [encode_block(COLUMNS, columns_of(table, COLUMNS), 2) for table in (texts, coded)]
    np.testing.assert_array_equal(*both)


def test_log_odds_and_back() -> None:
    eta = np.array([-800.0, -3.0, 0.0, 5.0, 800.0])
    assert expit(eta).tolist() == pytest.approx([0.0, 1 / (1 + np.exp(3)), 0.5, 1 / (1 + np.exp(-5)), 1.0])
    assert logit(expit(eta))[1:4].tolist() == pytest.approx([-3.0, 0.0, 5.0])
    assert logit(np.array([0.0, 1.0])).tolist() == [-np.inf, np.inf]
