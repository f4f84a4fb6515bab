"""Items of a scale in a table: wide by visit, wide by day, and long."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from predictor.config.dictionary import Dictionary, Table
from predictor.config.dictionary_problems import find_dictionary_problems
from predictor.data.conform import ConformedTable, conform_table
from predictor.data.sources.csv import TextTable
from predictor.errors import DataError

GAD = {f"g{i}": {"instrument": "gad7", "item": i} for i in range(1, 8)}
TOTAL = {"gad": {"instrument": "gad7", "score": "total"}}
HEADER = "id|" + "|".join(GAD)
LONG = {"layout": "long", "name_column": "test", "value_column": "score"}


def text(header: str, *rows: str) -> TextTable:
    frame = pd.DataFrame([row.split("|") for row in rows], columns=header.split("|"), dtype="str")
    return TextTable(frame=frame, rows=np.arange(2, len(rows) + 2), notices=(), sha256="", shown_as="t.csv")


def declare(columns: dict[str, Any], **table: Any) -> Table:
    whole = {"source": {"path": "t.csv"}, "key": "id", "known": "baseline", "columns": columns} | table
    return Table.model_validate(whole)


def conformed(cells: TextTable, declared: Table) -> ConformedTable:
    return conform_table(cells, declared, name="t", decimal=".")


def problems(cells: TextTable, declared: Table) -> list[str]:
    with pytest.raises(DataError) as caught:
        conformed(cells, declared)
    return [str(problem) for problem in caught.value.problems]


def test_a_total_is_computed_beside_the_items():
    cells = text(HEADER, "1|1|1|1|1|1|0|0", "2|2|2|2|2|2||", "3|2|2|2|2|||", "4|3|3|3|3|3|3|3")
    table = conformed(cells, declare(GAD | TOTAL))
    assert table.frame["gad"].tolist()[:2] == [5, 14]
    assert np.isnan(table.frame["gad"][2])
    assert table.frame["gad"][3] == 21
    assert table.notices == (
        "t.csv: 1 totals of gad7 were spread over missing items",
        "t.csv: 1 totals of gad7 were not computed: too many items are missing",
    )


def test_names_that_configs_use():
    declared = declare(
        {
            "a": {"instrument": "madrs", "item": 3},
            "b": {"instrument": "madrs", "score": "suicidality"},
            "c": {"instrument": "madrs", "score": "total"},
            "d": {"instrument": "msm", "item": "duration", "type": "number"},
            "e": {"instrument": "madrs", "score": "missing", "name": "gaps"},
        }
    )
    names = [column.reference(header) for header, column in declared.columns.items()]
    assert names == ["madrs_3", "madrs_suicidality", "madrs", "msm_duration", "gaps"]
    assert declared.columns["a"].kind == "integer"


def test_the_safety_item_is_never_filled_in_and_its_lack_is_said():
    items = {f"m{i}": {"instrument": "madrs", "item": i} for i in range(1, 11)}
    scores = {
        "madrs": {"instrument": "madrs", "score": "total"},
        "suic": {"instrument": "madrs", "score": "suicidality"},
    }
    cells = text("id|" + "|".join(items), "1|3|3|3|3|3|3|3|3|3|", "2|1|1|1|1|1|1|1|1|1|2")
    table = conformed(cells, declare(items | scores))
    assert table.frame["madrs"].tolist() == [30, 11]
    assert np.isnan(table.frame["suic"][0])
    assert table.frame["suic"][1] == 2
    assert "t.csv: 1 totals of madrs lack item 10: suicidality not assessed" in table.notices


def test_a_patient_without_a_failed_trial_has_no_stage_and_is_no_error():
    items = {
        key: {"instrument": "msm", "item": key}
        for key in ("duration", "severity", "failures", "augmentation", "ect")
    }
    cells = text("id|" + "|".join(items), "1|30|4|3|1|0", "2|30|4|0|0|0", "3|30|4||0|0")
    table = conformed(cells, declare(items | {"msm": {"instrument": "msm", "score": "total"}}))
    assert table.frame["msm"][0] == 10
    assert table.frame["msm"][1:].isna().all()
    assert [notice for notice in table.notices if "totals" in notice] == [
        "t.csv: 1 totals of msm were not computed: it begins at failures 1",
        "t.csv: 1 totals of msm were not computed: too many items are missing",
    ]


def test_each_day_of_a_wide_table_is_an_assessment_of_its_own():
    columns: dict[str, Any] = {}
    for day in (0, 28):
        columns |= {f"c{i}_{day}": {"instrument": "audit_c", "item": i, "day": day} for i in (1, 2, 3)}
        columns |= {f"audit_{day}": {"instrument": "audit_c", "score": "total", "day": day}}
    cells = text("id|c1_0|c2_0|c3_0|c1_28|c2_28|c3_28", "1|1|2|3|0||", "2|4|4|4|1|1|1")
    table = conformed(cells, declare(columns))
    assert table.frame["audit_0"].tolist() == [6, 12]
    assert table.frame["audit_28"].tolist() == [0, 3]


def test_a_long_table_gets_a_row_for_each_score_and_assessment():
    columns = {f"audit{i}": {"instrument": "audit_c", "item": i} for i in (1, 2, 3)}
    columns |= {"audit": {"instrument": "audit_c", "score": "total"}}
    visits = {"column": "visit", "days": {"b": 0, "w4": 28}}
    rows = ["1|b|audit1|1", "1|b|audit2|2", "1|w4|audit1|0", "1|b|audit3|3", "2|b|audit1|4", "2|b|audit2|1"]
    table = conformed(text("id|visit|test|score", *rows), declare(columns, visits=visits, **LONG))
    made = table.frame.loc[table.frame["test"] == "audit"]
    # Patient 2 has no third item, so there is no total; "0 = never" leads past items 2 and 3.
    assert made[["id", "visit", "score"]].to_numpy().tolist() == [["1", "b", 6.0], ["1", "w4", 0.0]]
    assert table.rows[made.index].tolist() == [2, 4]


def test_in_a_long_table_an_item_stands_once_in_an_assessment():
    columns = {f"audit{i}": {"instrument": "audit_c", "item": i} for i in (1, 2, 3)}
    columns |= {"audit": {"instrument": "audit_c"}}
    # Patient 2 has 1 at item 1, so the total is at most 1 + 4 + 4.
    rows = ["1|audit1|1", "1|audit1|2", "1|audit2|1", "1|audit3|1", "2|audit1|1", "2|audit|10"]
    found = problems(text("id|test|score", *rows), declare(columns, **LONG))
    assert [line.partition(". ")[0] for line in found] == [
        "t.csv:3: test: DAT-05 audit1 stands twice in one assessment",
        "t.csv:7: score: DAT-19 the items of this assessment do not make this total of audit_c",
    ]


def test_where_no_item_is_answered_the_total_is_the_files_own():
    given = {"gad_given": {"instrument": "gad7", "name": "gad_given"}}
    cells = text(HEADER + "|gad_given", "1|||||||" + "|12", "2|1|1|1|1|1|0|0|5", "3|1|1|1|1|1|1|1|")
    table = conformed(cells, declare(GAD | TOTAL | given))
    assert table.frame["gad"].tolist() == [12, 5, 7]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {"g8": {"instrument": "gad7", "item": 8}},
            "g8: CFG-48 gad7 has no item 8; it has 1, 2, 3, 4, 5, 6, 7",
        ),
        (
            {"p1": {"instrument": "psqi", "item": 1}},
            "p1: CFG-48 psqi has no item 1; only its total can be read",
        ),
        (GAD | {"x": {"instrument": "gad7", "score": "fear"}}, "x: CFG-48 gad7 has no score 'fear'"),
        (
            {"g1": GAD["g1"], "x": {"instrument": "gad7", "score": "total"}},
            "x: CFG-48 gad7 is to be computed without its items 2, 3, 4, 5, 6, 7",
        ),
        (
            GAD | TOTAL | {"again": {"instrument": "gad7", "item": 2, "name": "again"}},
            "g2: CFG-48 item 2 of gad7 is 'again' as well",
        ),
        (
            {"x": {"instrument": "psqi", "score": "total"}, "y": {"type": "text"}},
            "x: CFG-48 psqi has no items here, so that nothing can be computed",
        ),
        (
            GAD | {"x": {"instrument": "gad7", "score": "total", "day": 7}},
            "x: CFG-48 gad7 is to be computed without its items 1, 2, 3, 4, 5, 6, 7",
        ),
    ],
)
def test_cfg_48_items_and_scores_that_do_not_fit_the_scale(columns, expected):
    headers = [header for header, column in columns.items() if "score" not in column]
    cells = text("|".join(["id", *headers]), "1" + "|1" * len(headers), "2" + "|0" * len(headers))
    assert problems(cells, declare(columns))[0].startswith(f"t.csv: {expected}")


def test_cfg_48_a_score_must_not_hide_a_column_of_the_file():
    cells = text(HEADER + "|gad", "1" + "|1" * 7 + "|7", "2" + "|0" * 7 + "|0")
    assert problems(cells, declare(GAD | TOTAL))[0].startswith(
        "t.csv:1: gad: CFG-48 the file holds what the dictionary says is computed from items"
    )
    cells = text("id|test|score", "1|g1|1", "1|gad|7")
    found = problems(cells, declare(GAD | TOTAL, **LONG))
    assert [line[:22] for line in found if "CFG" in line] == ["t.csv:3: test: CFG-48 "]


@pytest.mark.parametrize(
    ("column", "path", "expected"),
    [
        ({"measure": "x", "item": 1}, "item", "item is a part of an instrument, and none is named"),
        ({"instrument": "gad7", "item": 1, "score": "total"}, "score", "an item is read from the file"),
        (
            {"instrument": "gad7", "score": "total", "range": [0, 21]},
            "range",
            "so range says nothing about it",
        ),
        ({"instrument": "gad7", "score": "total", "missing": ["99"]}, "missing", "so missing says nothing"),
    ],
)
def test_cfg_38_what_items_and_scores_do_not_go_with(column, path, expected):
    dictionary = Dictionary.model_validate({"t": declare({"x": column}).model_dump(by_alias=True)})
    found = [problem for problem in find_dictionary_problems(dictionary) if problem.code == "CFG-38"]
    assert [problem.path for problem in found] == [f"dictionary.t.columns.x.{path}"]
    assert expected in found[0].message
