"""Units in, answers out: UNI-01 to UNI-09 of the catalogue of faults, each by its row.

The values are invented: log-normal around medians that laboratories report.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from predictor.config.dictionary import Dictionary, Table
from predictor.config.dictionary_problems import find_dictionary_problems
from predictor.data.analytes import ANALYTES
from predictor.data.conform import ConformedTable, conform_table
from predictor.data.conversion import UnitError, convert
from predictor.data.sources.csv import TextTable
from predictor.data.unit_guard import find_suspect_units, unguarded
from predictor.errors import DataError, ResourceError


def drawn(median: float, *, n: int = 120, sd: float = 0.4, seed: int = 1) -> np.ndarray:
    return median * np.exp(np.random.default_rng(seed).normal(0, sd, n))


def dictionary(columns: dict[str, Any], **table: Any) -> Dictionary:
    columns = {"site": {"type": "category"}} | columns
    whole = {"source": {"path": "labs.csv"}, "key": "id", "known": "baseline", "columns": columns} | table
    return Dictionary.model_validate({"labs": whole})


def conformed(frame: pd.DataFrame, declared: Dictionary) -> ConformedTable:
    cells = TextTable(frame.astype(str), np.arange(2, len(frame) + 2), (), "", "labs.csv")
    return conform_table(cells, declared["labs"], name="labs", decimal=".")


def table(values: np.ndarray, **others: Any) -> pd.DataFrame:
    n = len(values)
    cells = {
        "id": [f"P{i}" for i in range(n)],
        "site": ["A", "B"] * (n // 2),
        "x": [f"{v:.5g}" for v in values],
    }
    return pd.DataFrame(cells | others)


def suspicions(
    values: np.ndarray, column: dict[str, Any], *, site: str | None = None, **others: Any
) -> list[str]:
    declared = dictionary({"x": column})
    found = conformed(table(values, **others), declared)
    return [str(one) for one in find_suspect_units({"labs": found}, declared, site=site)]


def broken(frame: pd.DataFrame, columns: dict[str, Any]) -> list[str]:
    with pytest.raises(DataError) as caught:
        conformed(frame, dictionary(columns))
    return [str(problem) for problem in caught.value.problems]


CRP = {"analyte": "crp", "unit": "mg/L", "range": [0, 300]}


def test_uni_01_crp_in_mg_per_dl_in_a_column_of_mg_per_l():
    right = drawn(1.3, sd=1.35)
    assert suspicions(right, CRP) == []
    (line,) = suspicions(right / 10, CRP)
    assert line == (
        f"labs.csv: x: UNI-01 the median is {np.median(right / 10):.3g} mg/L, 0.5 to 20 was expected of crp: it looks "
        "like mg/dL. Mend `unit:`, or write `file_unit:` or `unit_column:`; if it is right, write "
        "`unit_confirmed: true`."
    )
    assert suspicions(right / 10, CRP | {"unit_confirmed": True}) == []
    assert suspicions(right / 10, CRP | {"file_unit": "mg/dL"}) == []


@pytest.mark.parametrize(
    ("analyte", "unit", "median", "wrong"),
    [
        ("glucose", "mmol/L", 95, "mg/dL"),  # 95 mg/dL are 5.3 mmol/L
        ("glucose", "mg/dL", 5.3, "mmol/L"),
        ("creatinine", "umol/L", 0.9, "mg/dL"),  # 0.9 mg/dL are 80 µmol/L
        ("cortisol_serum", "nmol/L", 145, "ng/mL"),  # 145 ng/mL are 400 nmol/L
        ("cortisol_serum", "nmol/L", 14.5, "ug/dL"),
        ("vitamin_d", "nmol/L", 24, "ng/mL"),  # 24 ng/mL are 60 nmol/L
    ],
)
def test_uni_02_medians_off_by_a_known_factor(analyte, unit, median, wrong):
    column = {"analyte": analyte, "unit": unit, "range": [0, 2000]}
    (line,) = suspicions(drawn(median), column)
    assert "UNI-01" in line
    assert wrong in line.partition("it looks like ")[2]


def test_uni_03_one_site_of_two_in_the_other_unit():
    values = drawn(1.3, sd=1.35, n=200)
    sites = np.array(["A", "B"] * 100)
    mixed = np.where(sites == "B", values / 10, values)
    assert suspicions(values, CRP, site="labs.site") == []
    (line,) = suspicions(mixed, CRP, site="labs.site")
    assert "UNI-03 the median of crp at 1 of 2 sites is" in line
    assert "which is what mg/dL would do" in line


def test_uni_03_half_of_the_rows_in_the_other_unit_where_sites_are_not_known():
    values = drawn(400, n=200, sd=0.3)
    column = {"analyte": "cortisol_serum", "unit": "nmol/L", "range": [0, 2000]}
    mixed = np.where(np.arange(200) % 2 == 0, values / 27.59, values)
    assert suspicions(values, column) == []
    (line,) = suspicions(mixed, column)
    assert "UNI-03 100 of 200 values of cortisol_serum are about" in line
    assert "which is what ug/dL would do" in line


def test_uni_03_no_false_alarm_where_sites_differ_by_chance_only():
    sites = [f"S{i % 12}" for i in range(600)]
    frames = [table(drawn(1.3, n=600, sd=1.35, seed=seed)).assign(site=sites) for seed in range(40)]
    declared = dictionary({"x": CRP})
    alarms = [
        list(find_suspect_units({"labs": conformed(frame, declared)}, declared, site="labs.site"))
        for frame in frames
    ]
    assert alarms == [[]] * 40


def test_uni_03_two_small_sites_that_differ_fivefold_by_chance_are_not_enough():
    # With ten values at each of two sites medians of CRP differ more than fivefold in about 3 of 100 such clinics.
    alarms, apart = [], []
    for seed in range(120):
        values = drawn(1.31, n=20, sd=1.35, seed=seed)
        alarms += suspicions(values, CRP | {"range": [0, None]}, site="labs.site")
        apart.append(abs(np.log(np.median(values[::2]) / np.median(values[1::2]))))
    assert np.exp(max(apart)) > 5
    assert alarms == []


def test_uni_04_a_column_of_units_is_converted_row_by_row_and_counted():
    frame = table(np.array([10.0, 275.89, 20, 100.0]), unit=["ug/dL", "nmol/L", "ug/dL", "ng/mL"])
    column = {"analyte": "cortisol_serum", "unit": "nmol/L", "unit_column": "unit"}
    found = conformed(frame, dictionary({"x": column}))
    np.testing.assert_allclose(found.frame["x"], [275.9, 275.89, 551.8, 275.9], rtol=1e-4)
    assert [notice for notice in found.notices if "converted" in notice] == [
        "labs.csv: 1 values of x were converted from ng/mL to nmol/L",
        "labs.csv: 2 values of x were converted from ug/dL to nmol/L",
    ]


def test_uni_04_limits_are_those_of_the_declared_unit():
    frame = table(np.array([10.0, 100.0]), unit=["ug/dL", "ug/dL"])
    column = {"analyte": "cortisol_serum", "unit": "nmol/L", "unit_column": "unit"}
    (line,) = broken(frame, {"x": column})
    assert line.startswith(
        "labs.csv:3: x: DAT-18 outside 20 to 1700 nmol/L, which cortisol_serum can be, after the"
    )


def test_uni_04_a_censored_value_is_converted_as_well():
    frame = table(np.array([0.4, 0.02])).assign(x=["0.4", "<0.02"])
    column = {"analyte": "crp", "unit": "mg/L", "file_unit": "mg/dL", "below_limit": "half"}
    found = conformed(frame, dictionary({"x": column}))
    np.testing.assert_allclose(found.frame["x"], [4, 0.1])
    assert "labs.csv: 1 values of x are below the limit of detection, read as half of it" in found.notices


def test_uni_05_units_that_are_not_known_or_missing():
    values = np.array([1.0, 2.0])
    (line,) = broken(table(values), {"x": {"analyte": "crp", "unit": "mg/Liter"}})
    assert line == (
        "labs.csv: x: UNI-05 'mg/Liter' is no UCUM code, for crp. Write one of: mg/L, mg/dL, ug/mL, ug/L."
    )
    (line,) = broken(table(values), {"x": {"analyte": "crpp", "unit": "mg/L"}})
    assert line == (
        "labs.csv: x: UNI-05 the analyte 'crpp' is not known. Did you mean crp? For one that is not listed write "
        "measure: crpp and a range."
    )
    frame = table(np.array([1.0, 2.0, 3.0, 4.0]), unit=["mg/L", "", "mg per L", "mg/L"])
    lines = broken(frame, {"x": {"analyte": "crp", "unit": "mg/L", "unit_column": "unit"}})
    assert [line.partition(". ")[0] for line in lines] == [
        "labs.csv:3: unit: UNI-05 the unit is missing",
        "labs.csv:4: unit: UNI-05 the unit is no UCUM code that can become mg/L",
    ]
    assert "per" not in lines[1].partition("UNI-05")[2]
    no_unit = dictionary({"x": {"analyte": "crp"}})
    assert "CFG-40" in [problem.code for problem in find_dictionary_problems(no_unit)]


def test_uni_06_mass_to_amount_of_substance_without_a_molar_mass():
    with pytest.raises(UnitError, match="no molar mass is known") as caught:
        convert(np.ones(1), "mg/L", "mmol/L", ANALYTES["crp"])
    assert caught.value.code == "UNI-06"
    (line,) = broken(table(np.array([1.0, 2.0])), {"x": {"analyte": "crp", "unit": "nmol/L"}})
    assert line.startswith("labs.csv: x: UNI-06 nmol/L and mg/L are mass and amount of substance")


def test_uni_06_units_of_different_quantities():
    with pytest.raises(UnitError, match="units of different quantities") as caught:
        convert(np.ones(1), "kg", "cm")
    assert caught.value.code == "UNI-06"


def test_uni_07_weight_in_pounds_and_height_in_inches():
    weight = {"measure": "weight", "unit": "kg", "range": [25, 350]}
    height = {"measure": "height", "unit": "cm", "range": [50, 230]}
    assert suspicions(drawn(78, sd=0.2), weight) == suspicions(drawn(170, sd=0.05), height) == []
    (line,) = suspicions(drawn(172, sd=0.15), weight)
    assert "UNI-01" in line
    assert "it looks like [lb_av]" in line
    (line,) = suspicions(drawn(67, sd=0.05), height)
    assert "it looks like [in_i]" in line


def test_uni_08_a_dose_in_mg_where_mg_per_kg_was_expected():
    column = {"measure": "dose_per_weight", "unit": "mg/kg"}
    (line,) = broken(table(np.array([0.5, 38.0])), {"x": column})
    assert line == (
        "labs.csv:3: x: DAT-18 outside 0 to 3 mg/kg, which dose_per_weight can be. Mend the cell; values are never "
        "clipped."
    )


@pytest.mark.parametrize("name", [name for name, analyte in ANALYTES.items() if analyte.units])
def test_uni_09_there_and_back_again(name):
    analyte = ANALYTES[name]
    values = np.random.default_rng(5).uniform(0.01, 1000, 10_000)
    for unit in analyte.units:
        back = convert(convert(values, analyte.unit, unit, analyte), unit, analyte.unit, analyte)
        np.testing.assert_allclose(back, values, rtol=1e-12)


# Factors as laboratories print them (domain.md, section 5), from conventional to SI units
FACTORS = [
    ("cortisol_serum", "ug/dL", "nmol/L", 27.59),
    ("acth", "pg/mL", "pmol/L", 0.2202),
    ("crp", "mg/dL", "mg/L", 10),
    ("il6", "pg/mL", "ng/L", 1),
    ("bdnf_serum", "ng/mL", "ug/L", 1),
    ("kynurenine", "ng/mL", "umol/L", 1 / 208.2),
    ("kynurenic_acid", "ng/mL", "nmol/L", 1 / 0.1892),
    ("tryptophan", "mg/L", "umol/L", 4.896),
    ("adiponectin", "ug/mL", "mg/L", 1),
    ("b12", "pg/mL", "pmol/L", 0.7378),
    ("folate", "ng/mL", "nmol/L", 2.266),
    ("vitamin_d", "ng/mL", "nmol/L", 2.496),
    ("creatinine", "mg/dL", "umol/L", 88.42),
    ("glucose", "mmol/L", "mg/dL", 18.0),
]


@pytest.mark.parametrize(("name", "given", "wanted", "factor"), FACTORS)
def test_factors_are_those_that_laboratories_print(name, given, wanted, factor):
    found = convert(np.array([2.0]), given, wanted, ANALYTES[name])[0] / 2
    assert found == pytest.approx(factor, rel=1e-3)


def test_haemoglobin_a1c_has_a_factor_and_an_offset():
    # The master equation: 6.5 % are 47.5, reported as 48 mmol/mol; 5 % are 31
    found = convert(np.array([6.5, 5.0]), "%", "mmol/mol", ANALYTES["hba1c"])
    np.testing.assert_allclose(found, [47.545, 31.15])


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    import predictor.data.conversion as conversion

    for cached in (conversion._registry, conversion._quantity, conversion._factor):
        cached.cache_clear()
    monkeypatch.setitem(sys.modules, "ucumvert", None)
    with pytest.raises(ResourceError, match=r"ENV-02 .*not installed. Install them: pip install .*\[units\]"):
        convert(np.ones(1), "mg/dL", "mg/L", ANALYTES["crp"])
    assert suspicions(drawn(1.3), CRP) == []  # nothing to convert, nothing to install
    monkeypatch.undo()


def test_without_the_extra_the_columns_that_are_not_compared_are_named(monkeypatch):
    declared = dictionary(
        {"x": CRP, "y": CRP | {"unit_confirmed": True}, "z": {"type": "number", "range": [0, 9]}}
    )
    assert unguarded(declared) == []
    monkeypatch.setattr("predictor.data.conversion.find_spec", lambda name: None)
    assert unguarded(declared) == ["labs.x"]


def test_assays_are_measures_of_their_own():
    column = {"analyte": "tnf_alpha", "unit": "pg/mL", "assay": "luminex", "assay_column": "platform"}
    declared = dictionary({"x": column})
    assert declared.references() == ["labs.site", "labs.tnf_alpha_luminex"]
    frame = table(np.array([2.0, 3.0, 4.0, 5.0]), platform=["luminex", "simoa", "luminex", "simoa"])
    found = conformed(frame, declared)
    np.testing.assert_array_equal(found.frame["x"], [2, np.nan, 4, np.nan])
    assert "labs.csv: 2 rows of another assay than luminex were not read as tnf_alpha" in found.notices


def test_a_value_above_the_largest_measurable_one():
    frame = table(np.array([400.0, 1476.0])).assign(x=["400", ">1476"])
    column = {"analyte": "b12", "unit": "pmol/L"}
    assert "DAT-07" in broken(frame, {"x": column})[0]
    found = conformed(frame, dictionary({"x": column | {"above_limit": "limit"}}))
    assert found.frame["x"].tolist() == [400, 1476]


CORTISOL = {"analyte": "cortisol_serum", "unit": "nmol/L"}
DRAWN = {"known": {"date": "drawn"}}


def test_cortisol_without_the_time_of_the_draw_or_of_waking_is_pointed_out():
    drawn = ["2026-03-02T08:15", "2026-03-03", "2026-03-04T07:45", ""]
    frame = table(np.array([300.0, 310, 320, 330]), drawn=drawn)
    columns = {"drawn": {"type": "date"}, "x": CORTISOL}
    notices = conformed(frame, dictionary(columns, **DRAWN)).notices
    assert "labs.csv: 2 values of x (cortisol_serum) have no time of the draw" in notices
    assert [notice for notice in notices if "waking" in notice] == [
        "labs.csv: nothing says how long after waking x (cortisol_serum) was drawn; declare the measure "
        "hours_since_waking, or derive it with the rule hours_between"
    ]


def test_cortisol_with_both_times_is_not():
    times = [f"2026-03-0{day}T0{hour}:15" for day in (2, 3) for hour in (7, 8)]
    frame = table(
        np.array([300.0, 310, 320, 330]), drawn=times, woke=["2026-03-02T06:30", "2026-03-02T06:00"] * 2
    )
    hours = {"unit": "h", "derive": {"rule": "hours_between", "start": "woke", "end": "drawn"}}
    columns = {"drawn": {"type": "date"}, "woke": {"type": "date"}, "x": CORTISOL, "hours": hours}
    notices = conformed(frame, dictionary(columns, **DRAWN)).notices
    assert [notice for notice in notices if "draw" in notice or "waking" in notice] == []


def test_every_analyte_is_complete_and_its_limits_agree():
    for name, analyte in ANALYTES.items():
        assert analyte.bounds is not None
        low, high = analyte.median or analyte.bounds
        assert analyte.bounds[0] <= low < high <= analyte.bounds[1], name
        assert Table.model_validate(
            {"source": {"path": "x"}, "key": "id", "columns": {"x": {"measure": name, "unit": analyte.unit}}}
        )
