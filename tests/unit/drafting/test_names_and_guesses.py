"""What names and cells suggest, by hand."""

from __future__ import annotations

import pytest

from predictor.drafting.guesses import guess_column
from predictor.drafting.names import (
    day_of,
    named_analytes,
    named_instrument,
    named_unit,
    names_person,
    sounds_later,
)


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("MADRS_Total", "madrs"),
        ("HAM17_Total", "hamd17"),
        ("HAMD_Bech", "hamd6"),
        ("hamd_6m", "hamd17"),
        ("GAD-7", "gad7"),
        ("phq9_2", "phq9"),
        ("bdi", "bdi2"),
        ("hamster", None),
        ("age", None),
    ],
)
def test_a_scale_by_its_name(name: str, scale: str | None) -> None:
    assert named_instrument(name) == scale


@pytest.mark.parametrize(
    ("label", "day"),
    [
        ("baseline", 0),
        ("hamd_baseline", 0),
        ("BL.GE", 0),
        ("week4", 28),
        ("Week 12", 84),
        ("w2", 14),
        ("hamd_6m", 183),
        ("hamd_1y", 365),
        ("ses-d2", 2),
        ("ses-b0", 0),
        ("follow-up", None),
    ],
)
def test_the_day_of_a_label(label: str, day: int | None) -> None:
    assert day_of(label) == day


def test_units_persons_analytes_and_what_comes_later() -> None:
    assert named_unit("crp_mg_dl") == "mg/dL"
    assert named_unit("cortisolUgDl") == "ug/dL"
    assert named_unit("crp") is None
    assert named_analytes("crp_mg_dl") == ["crp"]
    assert named_analytes("cortisol") == ["cortisol_serum", "cortisol_saliva"]
    assert names_person("Last name")
    assert not names_person("diagnosis")
    assert sounds_later(["infusions_received"])
    assert sounds_later(["V5.GE"])
    assert not sounds_later(["BL.GE", "dental"])


@pytest.mark.parametrize(
    ("header", "cells", "declared", "asked"),
    [
        ("started", ["2024-01-10", "2024-02-01T09:30", ""], {"type": "date"}, None),
        ("smoker", ["0", "1", "1"], {"type": "boolean"}, "is 1 yes"),
        ("age", [str(20 + i) for i in range(30)], {"type": "integer", "unit": "years"}, "unit and range"),
        ("madrs", ["0", "30", "60"], {"instrument": "madrs"}, "total of madrs"),
        ("madrs", ["0", "64"], {"measure": "madrs", "type": "number"}, "not all values lie in 0 to 60"),
        ("madrs_item3", ["0", "6", "2"], {"instrument": "madrs", "item": 3}, "item 3 of madrs"),
        ("madrs_d28", ["10", "33"], {"instrument": "madrs", "day": 28}, "day 28"),
        ("crp", ["1.2", "4", "8"], {"analyte": "crp", "unit": "mg/L"}, "the median fits"),
        ("crp_mg_dl", ["0.2", "0.4"], {"analyte": "crp", "unit": "mg/dL"}, "by its name"),
        ("crp", ["<0.4", "2", "3"], {"analyte": "crp", "unit": "mg/L", "below_limit": "sqrt2"}, "limit"),
        # In ug/dL the median is what a group has in the morning; as nmol/L it would be far too low.
        ("cortisol", ["12", "14", "11"], {"analyte": "cortisol_serum", "unit": "ug/dL"}, "the median fits"),
        ("sex", ["F", "M"] * 5, {"type": "category", "values": ["F", "M"]}, "all its values"),
        ("ward", ["a"] * 9 + ["b"] * 2, {"type": "category"}, "rare values are not listed"),
    ],
)  # fmt: skip
def test_a_column_by_its_cells(
    header: str, cells: list[str], declared: dict[str, object], asked: str | None
) -> None:
    guess = guess_column(header, cells, table="patients")
    assert guess.declared == declared
    assert any(asked in question for question in guess.questions) if asked else guess.questions == ()


@pytest.mark.parametrize(
    ("header", "cells", "why"),
    [
        ("empty", ["", "NA"], "no value"),
        ("surname", ["Doe", "Roe"], "identify a person"),
        ("notes", [f"note {i}" for i in range(40)], "free text"),
        ("born", ["03/04/1980", "05/06/1981", "07/08/1990"], "free text"),
    ],
)
def test_what_is_left_out(header: str, cells: list[str], why: str) -> None:
    guess = guess_column(header, cells, table="patients")
    assert guess.declared == {}
    assert why in guess.left_out
