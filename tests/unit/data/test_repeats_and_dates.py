"""Rows that repeat or contradict another, dates that lie alone, and totals in which blanks count as 0: by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from predictor.config.dictionary import Table
from predictor.data.conform import conform_table
from predictor.data.sources.text_table import TextTable

DATED = {"known": {"date": "on"}}


def notices(lines: list[str], columns: dict, **table: object) -> list[str]:
    header, *rows = [line.split("|") for line in lines]
    frame = pd.DataFrame(rows, columns=header, dtype="str")
    text = TextTable(frame, np.arange(2, len(rows) + 2), (), "", "t.csv")
    declared = Table.model_validate({"source": {"path": "t.csv"}, "key": "id", "columns": columns} | table)
    found = conform_table(text, declared, name="t", decimal=".").notices
    said = ("repeat", "differ", "lie more than", "stand although")
    return [one for one in found if any(word in one for word in said)]


def test_a_wide_row_that_repeats_contradicts_or_completes_another() -> None:
    lines = [
        "id|on|no|a|b",
        "1|2024-01-01|1|5|6",
        "1|2024-01-01|2|5|6",  # repeats row 2
        "2|2024-01-01|3|5|",
        "2|2024-01-01|4||7",  # completes row 4
        "3|2024-01-01|5|1|2",
        "3|2024-01-01|6|1|3",  # contradicts row 6 in b
        "4|2024-01-01|7|5|6",  # another patient
        "1|2024-01-02|8|5|6",  # another day
        "5||9|5|6",
        "5||10|5|6",  # without a date
    ]
    columns = {"a": {"type": "number"}, "b": {"type": "number"}}
    assert notices(lines, columns, **DATED) == [
        "t.csv: 1 rows repeat an earlier one of the same patient and time in every declared column (row 3): imported "
        "twice?",
        "t.csv: 1 values of 'b' differ from an earlier one of the same patient and time (rows 6, 7); nothing says "
        "which is right",
    ]


def test_what_was_recorded_later_corrects_and_does_not_contradict() -> None:
    lines = [
        "id|on|in|a",
        "1|2024-01-01|2024-01-02|5",
        "1|2024-01-01|2024-02-02|6",
        "2|2024-01-01|2024-01-02|5",
    ]
    assert notices(lines, {"a": {"type": "number"}}, **DATED, recorded="in") == []
    lines[2] = lines[2].replace("2024-02-02", "2024-01-02")
    assert len(notices(lines, {"a": {"type": "number"}}, **DATED, recorded="in")) == 1


def test_of_a_long_table_each_quantity_is_looked_at() -> None:
    long = {"layout": "long", "name_column": "what", "value_column": "v"} | DATED
    lines = [
        "id|on|what|v|no",
        "1|2024-01-01|a|5|1",
        "1|2024-01-01|b|6|2",
        "1|2024-01-01|a|7|3",
        "2|2024-01-01|b|6|4",
        "2|2024-01-01|b|6|5",
    ]
    columns = {"a": {"type": "number", "measure": "a"}, "b": {"type": "number", "measure": "b"}}
    assert [line.partition(" ")[2].partition(" of the")[0] for line in notices(lines, columns, **long)] == [
        "1 rows repeat an earlier one",
        "1 values of 'v' differ from an earlier one",
    ]


def dated(days: list[str]) -> list[str]:
    return ["id|on|a", *(f"{i}|{day}|{i % 7}" for i, day in enumerate(days))]


def test_a_date_that_lies_alone() -> None:
    usual = [f"2024-01-{day:02d}" for day in range(1, 31)]
    columns = {"a": {"type": "number"}}
    assert notices(dated(usual), columns, **DATED) == []
    assert notices(dated([*usual, "1924-01-05"]), columns, **DATED) == [
        "t.csv: 1 dates in 'on' lie more than 5 years before all others (row 32): a year typed wrong?"
    ]
    assert notices(dated(["2042-01-05", *usual]), columns, **DATED) == [
        "t.csv: 1 dates in 'on' lie more than 5 years after all others (row 2): a year typed wrong?"
    ]
    # 1,826 days are no more than five years of 365.25 days; 1,827 are.
    assert notices(dated([*usual, "2029-01-29"]), columns, **DATED) == []
    assert len(notices(dated([*usual, "2029-01-31"]), columns, **DATED)) == 1
    # A second period of the clinic is not alone, and few dates say nothing.
    assert (
        notices(dated([*usual, *(day.replace("2024", "2014") for day in usual[:5])]), columns, **DATED) == []
    )
    assert notices(dated([*usual[:10], "1924-01-05"]), columns, **DATED) == []


def test_a_total_that_counts_blanks_as_0() -> None:
    items = {f"g{i}": {"instrument": "gad7", "item": i} for i in range(1, 8)}
    lines = [
        "id|" + "|".join(items) + "|total",
        "1|1|1|1|1|1|1|1|7",
        "2|2|2|2|2|2||0|10",  # the five known ones, the blank one as 0
        "3|2|2|2|2|2||0|12",  # 12 = 10 and 2 for the blank one, as on paper
        "4|0|1|2|3|0|1|2|9",
    ]
    assert notices(lines, items | {"total": {"instrument": "gad7"}}, known="baseline") == [
        "t.csv: 1 totals in 'total' stand although items of gad7 are missing, and are as small as can be (row 3): were "
        "blanks counted as 0?"
    ]
