"""Tables in, tables out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from predictor.config.dictionary import Dictionary, Table
from predictor.data import conform
from predictor.data.conform import ConformedTable, conform_table, read_tables
from predictor.data.description import describe
from predictor.data.sources.text_table import TextTable
from predictor.errors import DataError

ROOT = Path(__file__).parents[3]


def text(header: str, *records: str) -> TextTable:
    frame = pd.DataFrame([record.split("|") for record in records], columns=header.split("|"), dtype="str")
    return TextTable(frame, np.arange(2, len(records) + 2), (), "0" * 64, "t.csv")


def declare(columns: dict[str, Any], **more: Any) -> Table:
    return Table.model_validate(
        {"source": {"path": "t.csv"}, "key": "id", "known": "baseline", "columns": columns} | more
    )


def conformed(cells: TextTable, declared: Table, **kwargs: Any) -> ConformedTable:
    return conform_table(cells, declared, name="t", decimal=declared.source.decimal, **kwargs)


def problems(cells: TextTable, declared: Table, **kwargs: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        conformed(cells, declared, **kwargs)
    return [str(problem) for problem in caught.value.problems]


def test_each_kind_gets_its_type():
    cells = text(
        "id|n|i|b|c|t|d|more", "01|1,5|2.0|yes|1.0| x |2026-01-02|?", "02|2|3|0.0|2.0|y||?", "03|.||no||||?"
    )
    columns = {
        "n": {"type": "number", "missing": ["."]},
        "i": {"type": "integer"},
        "b": {"type": "boolean"},
        "c": {"type": "category", "values": {"1.0": "usual_care", "2.0": "cbt"}},
        "t": {"type": "text"},
        "d": {"type": "date"},
    }
    with pytest.raises(DataError, match=r"t\.csv:2: i: DAT-07"):
        conformed(cells, declare(columns, source={"path": "t.csv", "decimal": ","}))
    cells.frame.loc[0, "i"] = "2,0"
    table = conformed(cells, declare(columns, source={"path": "t.csv", "decimal": ","}))
    frame = table.frame
    assert list(frame) == ["id", "n", "i", "b", "c", "t", "d"]
    assert frame.dtypes.astype(str).tolist() == [
        "object",
        "float64",
        "float64",
        "float64",
        "object",
        "object",
        "datetime64[ns]",
    ]
    np.testing.assert_array_equal(frame["n"], [1.5, 2, np.nan])
    np.testing.assert_array_equal(frame["i"], [2, 3, np.nan])
    np.testing.assert_array_equal(frame["b"], [1, 0, 0])
    assert frame["c"].tolist() == ["usual_care", "cbt", None]
    assert frame["t"].tolist() == [" x ", "y", None]
    assert frame["d"].isna().tolist() == [False, True, True]
    assert table.notices == ("t.csv: 1 columns are not declared in this table and were not read",)


def test_missing_codes_are_compared_without_spaces():
    cells = text("id|bmi", "1| n/a", "2|.  ", "3|  ", "4| 22 ")
    declared = declare(
        {"bmi": {"type": "number", "missing": [" ."]}}, source={"path": "t.csv", "missing": ["n/a "]}
    )
    np.testing.assert_array_equal(conformed(cells, declared).frame["bmi"], [np.nan, np.nan, np.nan, 22])


def test_exact_copies_are_dropped_where_declared_and_named_where_not():
    cells = text("id|seen|madrs", "1|2026-01-01|20", "1|2026-01-01|20", "1|2026-01-01|21", "2|2026-01-01|20")
    columns, dated = {"madrs": {"instrument": "madrs"}}, {"known": {"date": "seen"}}
    table = conformed(cells, declare(columns, **dated, duplicates="drop_exact"))
    assert table.rows.tolist() == [2, 4, 5]
    assert table.notices == (
        "t.csv: 1 rows are exact copies of another row and were dropped",
        "t.csv: 1 values of 'madrs' differ from an earlier one of the same patient and time (rows 2, 4); "
        "nothing says which is right",
    )
    assert problems(cells, declare(columns, **dated)) == [
        "t.csv:3: id: DAT-05 an exact copy of an earlier row. "
        "Delete it, or write duplicates: drop_exact in the dictionary."
    ]


def test_a_wide_table_with_days_also_has_one_row_per_patient():
    cells = text("id|hamd", "1|20", "1|10", "2|3")
    declared = declare({"hamd": {"instrument": "hamd17", "day": 182}}, known=None)
    assert "DAT-05 the patient's key stands in an earlier row" in problems(cells, declared)[0]


LONG = {"layout": "long", "name_column": "test", "value_column": "result", "known": {"date": "drawn"}}


def test_long_values_are_read_by_the_measure_they_belong_to():
    cells = text(
        "id|drawn|test|result",
        "1|2026-01-01|crp|<1",
        "1|2026-01-01|madrs|30",
        "1|2026-01-01|ferritin|many",
        "2||crp |2",
        "2|2026-01-03|madrs|",
    )
    columns = {"crp": {"analyte": "crp", "below_limit": "half"}, "madrs": {"instrument": "madrs"}}
    table = conformed(cells, declare(columns, **LONG))
    assert table.frame["test"].tolist() == ["crp", "madrs", "crp", "madrs"]
    np.testing.assert_array_equal(table.frame["result"], [0.5, 30, 2, np.nan])
    assert table.rows.tolist() == [2, 3, 5, 6]
    assert table.notices == (
        "t.csv: 1 rows hold names that are not declared and were dropped",
        "t.csv: 1 rows have no date in 'drawn' and cannot be placed in time",
        "t.csv: 1 values of result (crp) are below the limit of detection, read as half of it",
        "t.csv: 'madrs' has the same value in every row, so it tells patients nothing apart",
    )


def test_long_problems_name_the_measure():
    cells = text(
        "id|drawn|test|result", "1|2026-01-01|crp|x", "1|2026-01-01|madrs|61", "2|2026-01-02|MADRS|3"
    )
    columns = {"crp": {"analyte": "crp"}, "madrs": {"instrument": "madrs"}, "il6": {"analyte": "il6"}}
    assert [line.partition(". ")[0] for line in problems(cells, declare(columns, **LONG))] == [
        "t.csv: il6: DAT-21 no row has a value",
        "t.csv:2: result (crp): DAT-07 text where a number was expected",
        "t.csv:3: result (madrs): DAT-18 outside 0 to 60, which a total of madrs can be",
        "t.csv:4: test: DAT-20 differs from the declared name 'madrs' in upper and lower case only",
    ]


def test_long_values_of_several_kinds_are_objects():
    cells = text(
        "id|drawn|test|result", "1|2026-01-01|crp|3", "1|2026-01-01|panel|yes", "2|2026-01-01|panel|"
    )
    columns = {"crp": {"analyte": "crp"}, "panel": {"type": "category", "values": ["yes", "no"]}}
    assert conformed(cells, declare(columns, **LONG)).frame["result"].tolist() == [3.0, "yes", None]


@pytest.mark.parametrize("by", [False, True])
def test_visit_labels_have_to_be_declared(by):
    days: dict[str, Any] = {"early": {"b0": -2}, "late": {"b0": -16, "w4": 28}} if by else {"b0": 0, "w4": 28}
    visits = {"column": "visit", "days": days, "missing": "ignore"} | ({"by": "patients.first"} if by else {})
    cells = text("id|visit|madrs", "1|b0 |30", "1|w4|10", "1||9")
    declared = declare({"madrs": {"instrument": "madrs"}}, visits=visits)
    assert conformed(cells, declared).frame["visit"].tolist() == ["b0", "w4", None]
    cells.frame.loc[1, "visit"] = "w5"
    strict = declare({"madrs": {"instrument": "madrs"}}, visits=visits | {"missing": "error"})
    assert [line.partition(". ")[0] for line in problems(cells, strict)] == [
        "t.csv:3: visit: DAT-20 not one of the declared codes: 'b0', 'w4'",
        "t.csv:4: visit: DAT-20 the visit label is missing",
    ]


def test_an_unknown_instrument_is_named_with_the_nearest():
    assert problems(text("id|x", "1|2", "2|3"), declare({"x": {"instrument": "hamd_17"}}))[0].startswith(
        "t.csv: x: CFG-08 the instrument 'hamd_17' is not known. Did you mean hamd17"
    )


def test_new_patients_need_not_have_what_is_known_afterwards():
    cells = text("id|age|hamd", "1|40|20")
    columns = {
        "age": {"type": "number"},
        "hamd": {"instrument": "hamd17", "day": 0},
        "hamd_6m": {"instrument": "hamd17", "day": 182},
        "arm_received": {"type": "category", "known": "after"},
    }
    table = conformed(cells, declare(columns), learning=False)
    assert table.frame["hamd_6m"].isna().all()
    assert table.frame["arm_received"].tolist() == [None]
    assert table.notices == ("t.csv: 2 columns known after day 0 are not in the file",)
    lines = problems(cells, declare(columns))
    assert [line.partition(":")[2].split(":")[1] for line in lines] == [" arm_received", " hamd_6m"]
    lacking = text("id|age", "1|40")
    assert "hamd: CFG-14" in problems(lacking, declare(columns), learning=False)[0]


def test_a_shared_file_is_read_once(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("id,age,hamd\n1,40,20\n2,41,21\n")
    tables = {
        "patients": declare({"age": {"type": "number"}}).model_dump(),
        "scores": declare({"hamd": {"instrument": "hamd17"}}).model_dump(),
    }
    calls = []
    original = conform.read_source

    def counting(*args: Any, **kwargs: Any) -> TextTable:
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(conform, "read_source", counting)
    found = read_tables(Dictionary.model_validate(tables), dict.fromkeys(tables, path))
    assert len(calls) == 1
    assert found["patients"].frame["age"].tolist() == [40, 41]
    assert found["scores"].frame["hamd"].tolist() == [20, 21]
    path.write_text("id,age,hamd\n1,40\n")
    with pytest.raises(DataError) as caught:
        read_tables(Dictionary.model_validate(tables), dict.fromkeys(tables, path))
    assert len(caught.value.problems) == 1


def test_only_the_rows_of_the_table_are_read_and_the_others_counted():
    cells = text("id|visit|hamd", "1|base|20", "1| wk4|9", "2|base|19", "3||18")
    declared = declare(
        {"hamd": {"instrument": "hamd17"}}, source={"path": "t.csv", "where": {"visit": "base"}}
    )
    table = conformed(cells, declared)
    assert table.frame["hamd"].tolist() == [20, 19]
    assert table.rows.tolist() == [2, 4]
    assert "t.csv: 2 rows are not of this table by visit and were not read" in table.notices
    several = declare(
        {"hamd": {"instrument": "hamd17"}}, source={"path": "t.csv", "where": {"visit": ["wk4", ""]}}
    )
    assert conformed(cells, several).rows.tolist() == [3, 5]
    none = declare({"hamd": {"instrument": "hamd17"}}, source={"path": "t.csv", "where": {"visit": "week 4"}})
    assert problems(cells, none) == [
        "t.csv: DAT-11 no row is of this table by visit. Mend `where:` under source."
    ]
    lacking = declare(
        {"hamd": {"instrument": "hamd17"}}, source={"path": "t.csv", "where": {"visits": "base"}}
    )
    assert problems(cells, lacking, learning=False) == [
        "t.csv:1: visits: CFG-14 declared in the dictionary, but the file has no such column. "
        "Did you mean 'visit'? Mend the dictionary or the file."
    ]


def test_values_carried_forward_are_left_out_and_counted():
    cells = text("id|PARAMCD|AVAL|DTYPE", "1|HAMD|20|", "1|HAMD|9|LOCF", "2|HAMD|19| ", "2|HAMD|11|AVERAGE")
    words = {"layout": "long", "name_column": "PARAMCD", "value_column": "AVAL", "known": "baseline"}
    declared = declare({"HAMD": {"instrument": "hamd17"}}, **words)
    table = conformed(cells, declared)
    assert table.frame["AVAL"].tolist() == [20, 19]
    counts = "t.csv: rows that were derived and not observed: AVERAGE 1, LOCF 1; they were "
    assert f"{counts}left out (`derived: keep` keeps them)" in table.notices
    kept = declare({"HAMD": {"instrument": "hamd17"}}, source={"path": "t.csv", "derived": "keep"}, **words)
    assert conformed(cells, kept).frame["AVAL"].tolist() == [20, 9, 19, 11]
    assert f"{counts}kept, as declared" in conformed(cells, kept).notices


def test_keys_that_differ_in_spaces_between_files_would_lose_rows(tmp_path):
    (tmp_path / "a.csv").write_text("id,age\nA1,40\nA2,41\n")
    (tmp_path / "b.csv").write_text("id,hamd\nA1 ,20\nA2,21\n")
    tables = {
        "a": declare({"age": {"type": "number"}}).model_dump(),
        "b": declare({"hamd": {"instrument": "hamd17"}}).model_dump(),
    }
    with pytest.raises(
        DataError, match=r"b\.csv:2: id: DAT-05 1 patient keys differ from others only in spaces"
    ):
        read_tables(Dictionary.model_validate(tables), {name: tmp_path / f"{name}.csv" for name in tables})


def test_a_description_shows_nobody():
    values = [*range(1, 12), ""]
    sites = ["x"] * 7 + ["y"] * 4 + ["z"]
    cells = text(
        "id|n|site|sex|few",
        *(f"{i}|{n}|{s}|{'m' if i else 'f'}|" for i, (n, s) in enumerate(zip(values, sites, strict=True))),
    )
    declared = declare(
        {
            "n": {"type": "number", "unit": "mg/L", "label": "Marker", "name": "marker"},
            "site": {"type": "category"},
            "sex": {"type": "category", "values": ["m", "f"]},
            "few": {"type": "number", "known": "after"},
        }
    )
    described = describe(conformed(cells, declared), declared).set_index("column")
    marker = described.loc["marker"]
    assert (marker["label"], marker["unit"], marker["known"], marker["n"]) == (
        "Marker",
        "mg/L",
        "baseline",
        12,
    )
    assert pd.isna(marker["missing"])  # one missing: below 5
    assert (marker["low"], marker["high"]) == (5, 7)  # the fifth of 1 to 11 from either end
    assert described.loc["site", "levels"] == "x (7), 2 rarer levels"
    assert described.loc["sex", "levels"] == "f, m"  # 11 and 1: either would give the other away
    assert described.loc["few", "missing"] == 12
    assert pd.isna(described.loc["few", "low"])


@pytest.mark.parametrize("name", ["nimh_ketamine", "thinking_healthy", "opt_periodontal"])
def test_the_trials_conform_to_their_dictionaries(name):
    path = ROOT / "configs" / "dictionaries" / f"{name}.yaml"
    dictionary = Dictionary.model_validate(YAML(typ="safe").load(path.read_text()))
    sources = {table: path.parent / declared.source.path for table, declared in dictionary.tables()}
    tables = read_tables(dictionary, sources)
    assert list(tables) == [table for table, _ in dictionary.tables()]
    if name == "nimh_ketamine":  # counts of the data card
        assert tables["patients"].frame["infusion_1"].isna().sum() == 6
        assert tables["assessments"].frame[
            ["MADRS_Total", "HAM17_Total", "HAMD_Bech"]
        ].isna().sum().tolist() == [10, 29, 29]
    elif name == "thinking_healthy":
        assert tables["assessments"].frame[["hamd_6m", "hamd_1y"]].isna().sum().tolist() == [85, 112]
    else:
        assert tables["patients"].frame[["Hisp", "BMI"]].isna().sum().tolist() == [145, 73]


def test_a_key_that_is_also_declared_as_a_column_stays_text():
    cells = text("id|age", "007|40", "7|41")
    table = conformed(cells, declare({"id": {"type": "integer"}, "age": {"type": "number"}}))
    assert table.frame["id"].tolist() == ["007", "7"]
