"""A hundred thousand are counted, fifty are shown, and no column hides another."""

from __future__ import annotations

import pytest

from predictor.data.findings import Findings
from predictor.errors import DataError


def test_fifty_are_shown_and_the_rest_is_counted():
    found = Findings("t.csv")
    for row in range(2, 1002):
        found.add("DAT-07", "text", row=row, column="crp")
    for row in (900, 901):
        found.add("DAT-18", "range", row=row, column="age")
    *shown, last = found.problems()
    assert len(shown) == 50
    assert [p.line for p in shown if p.path == "age"] == [900, 901]
    assert [p.line for p in shown] == sorted(p.line for p in shown)
    assert str(last) == "t.csv: DAT-07 952 more problems in this file are not shown. Mend these first."


def test_counting_stops_at_a_hundred_thousand():
    found = Findings("t.csv")
    for row in range(100_010):
        found.add("DAT-07", "text", row=row)
    assert found.full
    assert found.problems()[-1].message == "at least 99,950 more problems in this file are not shown"


def test_nothing_found_raises_nothing():
    found = Findings("t.csv")
    found.raise_if_any()
    found.add("DAT-21", "no row has a value", column="value (crp)")
    assert found.concern("crp")
    assert not found.concern("rp")
    with pytest.raises(DataError, match="DAT-21"):
        found.raise_if_any()
