"""Units accepted at the bedside: the lines into the dictionary's unit, against figures of the literature."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.config.dictionary import Column
from predictor.data.accepted_units import AcceptedUnit, accepted_units, unit_words
from predictor.data.analytes import ANALYTES
from predictor.data.conversion import convert


def units_of(column: Column) -> dict[str, AcceptedUnit]:
    return {one.unit: one for one in accepted_units(column)}


@pytest.mark.parametrize(
    ("column", "unit", "given", "expected"),
    [
        # AMA Manual of Style, table of SI conversion: CRP 10, cortisol 27.59, vitamin D 2.496, creatinine 88.4.
        (Column(analyte="crp", unit="mg/L"), "mg/dL", 5, 50),
        (Column(analyte="cortisol_serum", unit="nmol/L"), "ug/dL", 10, 275.9),
        (Column(analyte="vitamin_d", unit="nmol/L"), "ng/mL", 20, 49.92),
        (Column(analyte="creatinine", unit="umol/L"), "mg/dL", 1, 88.4),
        (Column(analyte="creatinine", unit="mg/dL"), "umol/L", 88.4, 1),
        # The international pound and inch.
        (Column(measure="weight", unit="kg"), "[lb_av]", 154, 69.853225),
        (Column(measure="height", unit="cm"), "[in_i]", 70, 177.8),
        # NGSP to IFCC: 6.5 % is 48 mmol/mol; the other way an offset has to be taken off first.
        (Column(analyte="hba1c", unit="mmol/mol"), "%", 6.5, 47.545),
        (Column(analyte="hba1c", unit="%"), "mmol/mol", 47.545, 6.5),
        # 1 kPa is 7.50062 mmHg.
        (Column(measure="systolic_pressure", unit="mm[Hg]"), "kPa", 16, 120.01),
    ],
)
def test_a_value_in_another_unit_becomes_the_dictionarys(
    column: Column, unit: str, given: float, expected: float
) -> None:
    accepted = units_of(column)[unit]
    assert accepted.convert(given) == pytest.approx(expected, rel=5e-4)
    assert accepted.restore(accepted.convert(given)) == pytest.approx(given, rel=1e-10)


def test_the_dictionarys_own_unit_comes_first_and_changes_nothing() -> None:
    first, *others = accepted_units(Column(measure="weight", unit="[lb_av]"))
    assert (first.unit, first.convert(154.321), first.restore(154.321)) == ("[lb_av]", 154.321, 154.321)
    assert [one.unit for one in others] == ["kg", "g"]


def test_a_factor_of_a_thousand_is_a_thousand() -> None:
    """A limit of 100 pg/mL is kept by 0.1 ng/mL, which the factor 1000.0000000000001 would put above it."""
    (factor,) = convert(np.array([1.0]), "ng/mL", "pg/mL")
    assert factor != 1000.0, "the registry's factor is not exact: else this test shows nothing"
    assert units_of(Column(analyte="il6", unit="pg/mL"))["ng/mL"].convert(0.1) == 100.0


@pytest.mark.parametrize(
    "column",
    [
        Column(type="number", unit="kg"),
        Column(measure="weight"),
        Column(measure="bmi", unit="kg/m2"),
        Column(measure="unheard_of", unit="mg"),
        Column(instrument="madrs"),
    ],
)
def test_what_has_one_unit_or_an_unknown_quantity_has_no_choice(column: Column) -> None:
    assert accepted_units(column) == ()


def test_every_unit_of_the_table_has_a_line() -> None:
    """Of each analyte, in its own unit; a unit that could not be converted would silently be no choice."""
    for name, analyte in ANALYTES.items():
        found = [one.unit for one in accepted_units(Column(measure=name, unit=analyte.unit))]
        expected = [analyte.unit, *analyte.units] if analyte.units else []
        assert found == expected, name


def test_without_the_packages_there_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ucumvert", None)
    from predictor.data import conversion

    for cached in (conversion._registry, conversion._quantity, conversion._factor):
        cached.cache_clear()
    assert accepted_units(Column(analyte="crp", unit="mg/L")) == ()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("mg/L", "mg/L"),
        ("ug/dL", "µg/dL"),
        ("umol/L", "µmol/L"),
        ("[lb_av]", "lb"),
        ("mm[Hg]", "mmHg"),
        ("m[IU]/L", "mIU/L"),
        ("u[IU]/mL", "µIU/mL"),
        ("years", "years"),
        ("sulcus", "sulcus"),
    ],
)
def test_a_unit_is_written_as_clinics_do(code: str, words: str) -> None:
    assert unit_words(code) == words
