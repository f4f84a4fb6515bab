"""Raw columns encoded a column at a time for many patients, and all at once for a few."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.features.columns import Categories, EncodedColumn, RawColumns, rows_of
from predictor.features.encoding import FEW, encode_block

COLUMNS = (
    EncodedColumn("age", "value", fill=41.3, center=43.1, scale=12.7),
    EncodedColumn("crp", "value", transform="log", fill=0.5, center=0.4, scale=0.9),
    EncodedColumn("crp", "missing", transform="log", center=0.2, scale=0.4),
    EncodedColumn("arm", "level", level="ketamine", transform="text", center=0.4, scale=0.49),
    EncodedColumn("arm", "level", level="midazolam", transform="text", center=0.3, scale=0.46),
    EncodedColumn("arm", "other", transform="text", center=0.1, scale=0.3),
    EncodedColumn("arm", "missing", transform="text", center=0.2, scale=0.4),
)


def patients(n: int) -> RawColumns:
    """Numbers with gaps, infinities and values outside the logarithm's domain; arms with one never seen."""
    rng = np.random.default_rng(3)
    crp = np.where(rng.random(n) < 0.2, np.nan, rng.normal(1, 2, n))
    crp[:4] = [0.0, -1.0, np.inf, np.nan]
    arms = Categories(rng.integers(-1, 4, n), ["midazolam", "saline", None, "ketamine"])
    return {"age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(43, 13, n)), "crp": crp, "arm": arms}


@pytest.mark.parametrize("few", [1, 3, FEW])
def test_a_few_are_encoded_bit_for_bit_as_many_are(few: int) -> None:
    raw, n = patients(192), 192
    at_once = encode_block(COLUMNS, raw, n)
    parts = []
    for start in range(0, n, few):
        rows = slice(start, start + few)
        parts.append(
            encode_block(COLUMNS, {name: rows_of(values, rows) for name, values in raw.items()}, few)
        )
    assert np.concatenate(parts, axis=1).tobytes() == at_once.tobytes()


def test_what_is_encoded_is_what_the_columns_say() -> None:
    raw = {"age": np.array([50.0]), "crp": np.array([np.nan]), "arm": Categories.of(["saline"])}
    expected = [
        (50 - 43.1) / 12.7,
        (0.5 - 0.4) / 0.9,
        0.8 / 0.4,
        -0.4 / 0.49,
        -0.3 / 0.46,
        0.9 / 0.3,
        -0.2 / 0.4,
    ]
    np.testing.assert_allclose(encode_block(COLUMNS, raw, 1)[:, 0], expected, rtol=1e-6)


def test_a_category_where_a_number_belongs_is_refused() -> None:
    raw = {"age": Categories.of(["old"]), "crp": np.array([1.0]), "arm": Categories.of(["saline"])}
    with pytest.raises(TypeError, match="age is a number"):
        encode_block(COLUMNS, raw, 1)
