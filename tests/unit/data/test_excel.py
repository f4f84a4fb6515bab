"""Excel workbooks as text: stored values, named sheets, dates of both calendars."""

from __future__ import annotations

import sys
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from predictor.config.source import Source
from predictor.data.sources.excel import text_of
from predictor.data.sources.reading import read_source
from predictor.data.sources.text_table import TextTable
from predictor.errors import DataError, ResourceError


def read(path: Path, **words: Any) -> TextTable:
    return read_source(path, Source(path=path.name, **words), shown_as=path.name)


def book(path: Path, rows: list[list[object]]) -> Path:
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)
    workbook.save(path)
    return path


def test_cells_as_they_are_stored(tmp_path: Path) -> None:
    rows = [
        ["id", " age ", "seen", "ok", None],
        ["00123", 40.5, date(2026, 3, 4), True, None],
        [None, None, None, None, None],
        [124, 0.1, datetime(2026, 3, 4, 10, 30), False, None],
    ]
    table = read(book(tmp_path / "b.xlsx", rows))
    assert table.frame.to_dict("list") == {
        "id": ["00123", "124"],
        "age": ["40.5", "0.1"],
        "seen": ["2026-03-04", "2026-03-04 10:30:00"],
        "ok": ["true", "false"],
    }
    assert table.rows.tolist() == [2, 4]  # rows of the sheet, so that a message leads to the cell


def test_rows_above_the_header_that_are_blank_do_not_count(tmp_path: Path) -> None:
    table = read(book(tmp_path / "b.xlsx", [[None], ["id"], ["a"], ["b"]]))
    assert table.rows.tolist() == [3, 4]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (1e20, "1e+20"),
        (time(10, 30), "10:30:00"),
        (timedelta(hours=30), "108000.0"),
        (datetime(2026, 1, 1), "2026-01-01"),
        (7, "7"),
    ],
)
def test_a_stored_value_as_text(value: object, text: str) -> None:
    assert text_of(value) == text


def test_a_sheet_by_its_name(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["nothing"])
    for name in ("Scores", "Notes"):
        sheet = workbook.create_sheet(name)
        sheet.append(["id"])
        sheet.append([name])
    workbook["Notes"].sheet_state = "hidden"
    workbook.save(tmp_path / "b.xlsx")
    assert read(tmp_path / "b.xlsx", sheet="Scores").frame["id"].tolist() == ["Scores"]
    named = read(tmp_path / "b.xlsx", sheet="Notes")
    assert named.notices == ("b.xlsx: the sheet that was named is hidden in Excel",)
    with pytest.raises(DataError, match=r'DAT-14 no sheet is called "Score"; there are 3 sheets'):
        read(tmp_path / "b.xlsx", sheet="Score")


def test_what_is_no_workbook_says_what_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / "b.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    with pytest.raises(DataError, match=r"DAT-12 an old \(\.xls\) or encrypted workbook"):
        read(path)
    path.write_bytes(b"id,age\n1,40\n")
    with pytest.raises(DataError, match="DAT-12 no Excel workbook, at byte 0"):
        read(path)
    whole = book(tmp_path / "w.xlsx", [["id"], ["a"]]).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="DAT-12"):
        read(path)


def test_a_sheet_that_is_empty(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="DAT-11 the sheet is empty"):
        read(book(tmp_path / "b.xlsx", []))
    with pytest.raises(DataError, match="DAT-11"):
        read(book(tmp_path / "c.xlsx", [["id"]]))


def test_without_the_package_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = book(tmp_path / "b.xlsx", [["id"], ["a"]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ResourceError, match="ENV-02 Excel files need the package openpyxl"):
        read(path)
