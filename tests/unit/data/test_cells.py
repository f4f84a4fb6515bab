"""One cell at a time."""

from __future__ import annotations

import math
import re
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.config.dictionary import Column
from predictor.data.cells import (
    RefusedCellError,
    boolean_of,
    cell_reader,
    date_of,
    number_of,
    plain_dates,
    plain_numbers,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("-2.50", -2.5), ("+.5", 0.5), ("5.", 5), ("1e-3", 0.001), ("6.02E23", 6.02e23), ("007", 7)],
)
def test_numbers(text, value):
    assert number_of(text) == value
    assert number_of(text.replace(".", ","), decimal=",") == value


@pytest.mark.parametrize(
    "text", ["", "1 000", "1_000", "0x10", "١٢", "--5", "1e", "e5", "1e999", "infinity", "5 mg", "½", "−5"]
)
def test_what_python_or_pandas_might_take_for_a_number(text):
    with pytest.raises(RefusedCellError) as caught:
        number_of(text)
    assert caught.value.code == "DAT-07"


def test_a_point_is_no_decimal_mark_where_the_comma_is():
    with pytest.raises(RefusedCellError, match=r"thousands separator"):
        number_of("1.234", decimal=",")
    with pytest.raises(RefusedCellError, match=r'decimal mark is "\."'):
        number_of("27.5", decimal=",")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1.0", 1), ("YES", 1), ("True", 1), ("0", 0), ("0.0", 0), ("no", 0), ("false", 0)],
)
def test_booleans(text, value):
    assert boolean_of(text) == value


@pytest.mark.parametrize("text", ["2", "y", "ja", "-1", "0.5"])
def test_no_booleans(text):
    with pytest.raises(RefusedCellError, match="was expected"):
        boolean_of(text)


def test_dates_keep_their_time_of_day():
    assert date_of("2026-03-04") == datetime(2026, 3, 4)
    assert date_of("2026-03-04T23:59:59") == datetime(2026, 3, 4, 23, 59, 59)


@pytest.mark.parametrize(
    "text", ["4.3.2026", "2026-03-04T25:00", "2026-W10-3", "20260304", "2026-03", "today", "2026-03-04T"]
)
def test_no_dates(text):
    with pytest.raises(RefusedCellError) as caught:
        date_of(text)
    assert caught.value.code == "DAT-16"


def test_values_are_mapped_before_the_type_is_read():
    consent = Column(type="boolean", values={"ja": "yes", "nein": "no"})
    assert [cell_reader(consent, kind="boolean", decimal=".")(cell) for cell in ("ja", "nein")] == [1.0, 0.0]


def test_a_padded_declared_code_matches_the_trimmed_cell():
    padded = Column(type="category", values={"No ": "no"})
    assert cell_reader(padded, kind="category", decimal=".")("No") == "no"


def test_a_long_list_of_codes_is_cut():
    column = Column(type="category", values={str(i): str(i) for i in range(15)})
    with pytest.raises(RefusedCellError, match=r"'11' and 3 more$"):
        cell_reader(column, kind="category", decimal=".")("x")


texts = st.one_of(
    st.floats().map(str),
    st.integers(-300, 300).map(str),
    st.text(st.sampled_from("0123456789.,-+eE<>"), min_size=1, max_size=7),
)
columns = st.sampled_from(
    [
        Column(type="number"),
        Column(type="number", range=[-10, None]),
        Column(type="integer"),
        Column(instrument="madrs"),
    ]
)


@given(cells=st.lists(texts, min_size=1, max_size=4), column=columns, decimal=st.sampled_from([".", ","]))
def test_the_fast_way_gives_the_same_as_cell_by_cell_or_nothing(cells, column, decimal):
    read = cell_reader(column, kind=column.kind, decimal=decimal)
    try:
        expected = [read(cell) for cell in cells]
    except RefusedCellError:
        expected = None
    fast = plain_numbers(pd.Series(cells, dtype="str"), column, kind=column.kind, decimal=decimal)
    assert (fast is None) == (expected is None)
    if fast is not None:
        np.testing.assert_array_equal(fast, expected)


def test_a_limit_is_checked_before_it_is_halved():
    column = Column(type="number", below_limit="sqrt2", range=[0.4, 10])
    read = cell_reader(column, kind="number", decimal=".")
    assert read("<0.4") == pytest.approx(0.4 / math.sqrt(2))
    with pytest.raises(RefusedCellError, match="outside the declared range"):
        read("<0.3")


@pytest.mark.parametrize(
    ("limits", "rule"), [([None, 9], "up to 9"), ([-10, None], "from -10"), ([-10, 9], "-10 to 9")]
)
def test_a_range_in_words(limits, rule):
    read = cell_reader(Column(type="number", range=limits), kind="number", decimal=".")
    with pytest.raises(RefusedCellError, match=f"^outside the declared range {rule}$"):
        read("99" if limits[1] else "-99")


DATE_CELLS = st.lists(
    st.one_of(
        st.datetimes(datetime(1900, 1, 1), datetime(2200, 12, 31)).map(lambda t: t.isoformat()),
        st.datetimes(datetime(1890, 1, 1), datetime(2260, 12, 31)).map(lambda t: t.isoformat(" ", "minutes")),
        st.dates().map(str),
        st.sampled_from(
            [
                "2025-02-29",
                "2026-13-01",
                "2026-03-04T25:00",
                "03/04/2026",
                "45000",
                "2026-03-04T10:00Z",
                "٢٠٢٦-03-04",
            ]
        ),
    ),
    min_size=1,
    max_size=4,
)


@given(cells=DATE_CELLS)
def test_dates_read_at_once_are_those_read_one_by_one(cells: list[str]) -> None:
    fast = plain_dates(pd.Series(cells, dtype=str), Column(type="date"), kind="date")
    try:
        slow = np.array([date_of(cell) for cell in cells], dtype="datetime64[ns]")
    except RefusedCellError:
        assert fast is None  # so that every cell is looked at, and the refused ones named
        return
    assert fast is None or fast.tolist() == slow.tolist()
    if all(re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d)?", cell) for cell in cells):
        assert fast is not None
