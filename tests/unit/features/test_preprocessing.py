from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from patient_examples import made_up_patients
from predictor.features.dataset import Feature
from predictor.features.preprocessing import EncodedColumn, build_preprocessor, encode, encoded_columns


def number(name: str, transform: Any = "none") -> Feature:
    return Feature(name, f"t.{name}", "number", name, transform=transform)


def category(name: str) -> Feature:
    return Feature(name, f"t.{name}", "category", name)


def texts(*counted: tuple[str | None, int]) -> pd.DataFrame:
    values = [text for text, times in counted for _ in range(times)]
    return pd.DataFrame({"c": pd.Series(values, dtype=object)})


def fitted(X: pd.DataFrame, *features: Feature) -> Any:
    return build_preprocessor(features).fit(X)


def names(X: pd.DataFrame, *features: Feature) -> list[str]:
    return [column.name for column in encoded_columns(fitted(X, *features))]


def test_numbers_agree_with_scikit_learns_imputer_and_scaler() -> None:
    X = made_up_patients().X[["madrs", "noise_0"]]
    ours = fitted(X, number("madrs"), number("noise_0")).transform(X)
    imputed = SimpleImputer(strategy="median").fit_transform(X)
    scaled = StandardScaler().fit_transform(imputed)
    assert np.abs(ours[:, [0, 2]] - scaled).max() < 1e-6
    missing = X["madrs"].isna().to_numpy()
    assert np.allclose(ours[:, 1], (missing - missing.mean()) / 0.5, atol=1e-7)


def test_values_by_hand() -> None:
    X = pd.DataFrame({"crp": [1.0, np.e, np.e**2, np.nan, 0.0, -3.0]})
    (value, missing) = encoded_columns(fitted(X, number("crp", "log")))
    # Logarithms 0, 1, 2; the last three are missing or outside the domain and take the median 1.
    assert (value.fill, value.center) == pytest.approx((1.0, 1.0))
    assert value.scale == pytest.approx(np.sqrt(2 / 6))
    assert missing.center == pytest.approx(0.5)
    expected = [[-np.sqrt(3), -1], [0, -1], [np.sqrt(3), -1], [0, 1], [0, 1], [0, 1]]
    assert np.allclose(encode((value, missing), X), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("transform", "outside"), [("log", 0.0), ("log1p", -1.0), ("sqrt", -0.1), ("none", np.inf)]
)
def test_outside_the_domain_counts_as_missing(transform: str, outside: float) -> None:
    X = pd.DataFrame({"x": [1.0, 2.0, 4.0]})
    encoder = fitted(X, number("x", transform))
    pair = encoder.transform(pd.DataFrame({"x": [outside, np.nan]}))
    assert pair[0] == pair[1]
    assert np.isfinite(pair).all()


def test_indicator_only_where_values_were_missing_in_training() -> None:
    train = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    encoder = fitted(train, number("x"))
    assert encoder.transform(pd.DataFrame({"x": [np.nan]})).tolist() == [[0.0]]


def test_nothing_to_learn_gives_no_column_and_no_warning() -> None:
    X = pd.DataFrame({"gone": [np.nan] * 6, "same": [3.0] * 6, "c": pd.Series([None] * 6, dtype=object)})
    encoder = fitted(X, number("gone"), number("same"), category("c"))
    assert encoder.transform(X).shape == (6, 0)
    assert encoded_columns(encoder) == ()


def test_constant_number_keeps_its_missing_indicator() -> None:
    assert names(pd.DataFrame({"x": [3.0, 3.0, np.nan]}), number("x")) == ["x missing"]


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        ([("f", 6), ("m", 5)], ["c=m"]),
        ([("f", 6), ("m", 5), (None, 1)], ["c=m", "c missing"]),
        ([("a", 5), ("b", 5), ("z", 5)], ["c=a", "c=b", "c=z"]),
        ([("a", 5), ("b", 5), ("rare", 4), ("rarer", 1)], ["c=a", "c=b", "c other"]),
        ([("a", 5), ("rare", 4)], ["c=a"]),
        ([("a", 9)], []),
        ([("a", 4), ("b", 3)], []),
        ([("a", 9), (None, 2)], ["c missing"]),
    ],
)
def test_columns_of_a_category(counted: list[tuple[str | None, int]], expected: list[str]) -> None:
    assert names(texts(*counted), category("c")) == expected


def test_unseen_level_is_other_or_nothing() -> None:
    raw = np.array([[0.0, 0.0, 1.0]])
    with_other = fitted(texts(("a", 5), ("b", 5), ("rare", 4)), category("c"))
    columns = encoded_columns(with_other)
    centers = np.array([column.center for column in columns])
    assert np.allclose(with_other.transform(texts(("new", 1))), (raw - centers) / 0.5, atol=1e-6)
    without = fitted(texts(("a", 5), ("b", 5), ("z", 5)), category("c"))
    assert np.allclose(without.transform(texts(("new", 1))), -(5 / 15) / 0.5, atol=1e-6)


def test_rare_texts_are_not_stored() -> None:
    encoder = fitted(texts(("common", 9), ("usual", 9), ("only Mrs Canary", 2)), category("c"))
    assert "Canary" not in json.dumps([asdict(column) for column in encoded_columns(encoder)])
    assert b"Canary" not in skops.io.dumps(encoder)


def test_encoding_from_plain_numbers_is_the_same_to_the_bit() -> None:
    patients = made_up_patients(150)
    encoder = build_preprocessor(patients.features).fit(patients.X)
    text = json.dumps([asdict(column) for column in encoded_columns(encoder)])
    columns = tuple(EncodedColumn(**column) for column in json.loads(text))
    new = made_up_patients(90, seed=1).X
    assert (encode(columns, new) == encoder.transform(new)).all()
    alone = np.vstack([encode(columns, new.iloc[[i]]) for i in range(len(new))])
    assert (alone == encoder.transform(new)).all()


def test_values_are_exact_in_float32_and_complete() -> None:
    patients = made_up_patients()
    encoded = build_preprocessor(patients.features).fit_transform(patients.X)
    assert encoded.dtype == np.float64
    assert (encoded == encoded.astype(np.float32)).all()
    assert np.isfinite(encoded).all()
    assert np.abs(encoded.mean(axis=0)).max() < 1e-6


def test_output_names_and_order_are_those_of_the_columns() -> None:
    patients = made_up_patients()
    encoder = build_preprocessor(patients.features).fit(patients.X)
    assert list(encoder.get_feature_names_out()) == [column.name for column in encoded_columns(encoder)]
    assert encoder.transform(patients.X).shape[1] == len(encoded_columns(encoder))


def test_other_columns_do_not_matter() -> None:
    X = pd.DataFrame({"x": [1.0, 2.0, 3.0], "leak": [9.0, 9.0, 1.0]})
    assert np.allclose(fitted(X, number("x")).transform(X).ravel(), [-1.2247449, 0, 1.2247449])


def test_survives_skops() -> None:
    patients = made_up_patients()
    encoder = build_preprocessor(patients.features).fit(patients.X)
    data = skops.io.dumps(encoder)
    again = skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))
    assert (again.transform(patients.X) == encoder.transform(patients.X)).all()


@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c", "d"])), min_size=1, max_size=60))
def test_each_patient_has_at_most_one_level(values: list[str | None]) -> None:
    X = pd.DataFrame({"c": pd.Series(values, dtype=object)})
    encoder = fitted(X, category("c"))
    columns = encoded_columns(encoder)
    raw = encode(columns, X) * 0.5 + np.array([column.center for column in columns])
    assert np.allclose(raw, np.round(raw), atol=1e-6)
    assert (np.round(raw).sum(axis=1) <= 1).all()
