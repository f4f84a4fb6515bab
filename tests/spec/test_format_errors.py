"""Rows DAT-12 to DAT-14 of the catalogue of faults: files that are not whole, too large, or not what they look like."""

from __future__ import annotations

import random
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from predictor.config.source import Source
from predictor.data.sources import files, statistical
from predictor.data.sources.reading import read_source
from predictor.data.sources.text_table import TextTable
from predictor.errors import DataError

FRAME = pd.DataFrame({"USUBJID": [f"P{i:04}" for i in range(50)], "AVAL": np.arange(50.0), "AGE": 40.5})


def read(path: Path, **words: object) -> TextTable:
    return read_source(path, Source.model_validate({"path": path.name, **words}), shown_as=path.name)


def refusal(path: Path, **words: object) -> str:
    with pytest.raises(DataError) as error:
        read(path, **words)
    return str(error.value)


@pytest.fixture
def transport(tmp_path: Path) -> Path:
    path = tmp_path / "adsl.xpt"
    pyreadstat.write_xport(FRAME, path, file_format_version=5)
    return path


def test_dat_12_a_transport_file_that_is_cut_off_anywhere(transport: Path) -> None:
    whole = transport.read_bytes()
    assert len(read(transport).frame) == len(FRAME)
    # Every length that is no multiple of 80 bytes, and every one that ends inside an observation.
    for length in (1, 79, 400, len(whole) - 1, len(whole) - 81, len(whole) - 160):
        transport.write_bytes(whole[:length])
        assert refusal(transport).startswith("adsl.xpt: DAT-12 no valid XPT file: at byte ")


def test_dat_12_random_bytes_of_every_format(tmp_path: Path) -> None:
    noise = random.Random(12).randbytes(10_000)
    for name in ("a.xpt", "a.sav", "a.dta", "a.sas7bdat", "a.xlsx", "a.parquet"):
        path = tmp_path / name
        path.write_bytes(noise)
        assert refusal(path).startswith(f"{name}: DAT-12 no ")


def test_dat_12_the_right_beginning_and_then_random_bytes(tmp_path: Path) -> None:
    noise = random.Random(12).randbytes(10_000)
    starts = {"a.sav": b"$FL2", "a.dta": b"<stata_dta>", "b.dta": bytes([115])}
    starts["a.sas7bdat"] = statistical.MAGIC["sas"][0]
    for name, start in starts.items():
        path = tmp_path / name
        path.write_bytes(start + noise)
        assert refusal(path).startswith(f"{name}: DAT-12 no valid ")


def test_dat_12_the_wrong_extension(transport: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "adsl.sas7bdat"
    wrong.write_bytes(transport.read_bytes())
    message = refusal(wrong)
    assert (
        "DAT-12 no SAS (.sas7bdat) file: its first bytes, at byte 0, are those of another format" in message
    )
    assert "write its `format:`" in message
    assert len(read(wrong, format="xpt").frame) == len(FRAME)


def test_dat_12_labels_of_more_than_forty_characters(tmp_path: Path) -> None:
    path = tmp_path / "long.xpt"
    pyreadstat.write_xport(FRAME, path, file_format_version=8, column_labels={"AVAL": "x" * 41})
    message = refusal(path)
    at = path.read_bytes().find(b"HEADER RECORD*******LABELV8")
    assert f"at byte {at:,}, labels of more than 40 characters" in message
    pyreadstat.write_xport(FRAME, path, file_format_version=8, column_labels={"AVAL": "x" * 40})
    assert len(read(path).frame) == len(FRAME)


def test_dat_12_two_data_sets_in_one_file(transport: Path) -> None:
    whole = transport.read_bytes()
    transport.write_bytes(whole + whole[240:])
    assert "2 data sets, one was expected" in refusal(transport)


def test_dat_12_a_reader_that_crashes_ends_alone(transport: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A program that ends itself as the kernel would end the parser.
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    original = statistical.subprocess.run

    def crashing(command: list[str], **options: object) -> object:
        return original([command[0], "-c", crash], **options)

    monkeypatch.setattr(statistical.subprocess, "run", crashing)
    assert "DAT-12 no valid XPT file, or one that is cut off: its reader was ended by it" in refusal(
        transport
    )


def test_dat_13_a_reader_that_needs_more_memory_than_it_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.sav"
    pyreadstat.write_sav(
        pd.DataFrame({f"x{i}": np.random.default_rng(i).random(200_000) for i in range(10)}), path
    )
    monkeypatch.setattr(statistical, "memory_free", lambda: 30_000_000)
    message = refusal(path)
    assert "DAT-13 too large for the memory that its reader may use; nothing was read" in message
    monkeypatch.undo()
    assert len(read(path).frame) == 200_000


def test_dat_13_a_file_that_is_larger_than_all_memory_is_not_even_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "huge.sav"
    with path.open("wb") as file:
        file.truncate(60_000_000)
    monkeypatch.setattr(files, "memory_free", lambda: 1_000_000)
    assert "DAT-10 reading the file needs about 0.1 GB of memory" in refusal(path)


def workbook(path: Path, *rows: list[object]) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return book


def test_dat_14_formula_errors_and_formulas_without_a_result(tmp_path: Path) -> None:
    path = tmp_path / "b.xlsx"
    workbook(path, ["id", "bmi"], ["a", "#DIV/0!"], ["b", "=1+1"], ["c", 3])
    lines = refusal(path).splitlines()
    assert lines[0].startswith("b.xlsx:2: DAT-14 the cell B2 holds a formula's error")
    assert lines[1].startswith("b.xlsx:3: DAT-14 the formula in cell B3 has no saved result")
    assert len(lines) == 2


def test_dat_14_merged_cells(tmp_path: Path) -> None:
    path = tmp_path / "b.xlsx"
    book = workbook(path, ["id", "age"], ["a", 1], ["b", 2])
    book.active.merge_cells("B2:B3")
    book.save(path)
    assert refusal(path).startswith("b.xlsx:2: DAT-14 the cells B2:B3 are merged")


def test_dat_14_dates_that_count_from_1904(tmp_path: Path) -> None:
    path = tmp_path / "b.xlsx"
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    book.active.append(["id", "on"])
    book.active.append(["a", pd.Timestamp("2026-03-04").to_pydatetime()])
    book.save(path)
    table = read(path)
    assert table.frame["on"].tolist() == ["2026-03-04"]
    assert table.notices == ("b.xlsx: the workbook counts days from 1904; its dates were read so",)


def test_dat_14_hidden_sheets_rows_and_columns(tmp_path: Path) -> None:
    path = tmp_path / "b.xlsx"
    book = workbook(path, ["id", "age"], ["a", 1], ["b", 2])
    book.create_sheet("old").sheet_state = "hidden"
    book.active.row_dimensions[3].hidden = True
    book.active.column_dimensions["B"].hidden = True
    book.save(path)
    table = read(path)
    assert table.frame["id"].tolist() == ["a", "b"]
    assert table.notices == (
        "b.xlsx: 1 hidden sheets were not read",
        "b.xlsx: 1 hidden rows and 1 hidden columns were read like the others",
    )
    book.create_sheet("new")
    book.save(path)
    assert "DAT-14 2 visible and 1 hidden sheets, one was expected. Write `sheet: NAME`" in refusal(path)


def test_dat_05_an_id_whose_zeros_are_only_its_format(tmp_path: Path) -> None:
    path = tmp_path / "b.xlsx"
    book = workbook(path, ["id"], [123], [124])
    book.active["A2"].number_format = "00000"
    book.save(path)
    assert refusal(path).startswith(
        "b.xlsx:2: DAT-05 the cell A2 shows leading zeros that are only its format"
    )


def test_dat_10_a_workbook_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b.xlsx"
    workbook(path, ["id"], ["a"])
    from predictor.data.sources import excel_package

    monkeypatch.setattr(excel_package, "MAX_UNPACKED", 1000)
    assert "DAT-10 the workbook unpacks to" in refusal(path)


def crafted(path: Path, sheet: Callable[[bytes], bytes]) -> None:
    """Write a workbook of two patients, and change its sheet's XML by hand."""
    workbook(path, ["id", "age"], ["a", 31], ["b", 42])
    with zipfile.ZipFile(path) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    (name,) = [one for one in parts if one.startswith("xl/worksheets/")]
    parts[name] = sheet(parts[name])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for one, data in parts.items():
            package.writestr(one, data)


def before_the_end(xml: bytes) -> Callable[[bytes], bytes]:
    return lambda sheet: sheet.replace(b"</sheetData>", xml + b"</sheetData>")


def after_the_rows(xml: bytes) -> Callable[[bytes], bytes]:
    return lambda sheet: sheet.replace(b"</sheetData>", b"</sheetData>" + xml)


ALL = b"A1:XFD1048576"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            before_the_end(b'<row r="900000"><c r="XFD900000"><v>1</v></c></row>'),
            "DAT-10 the sheet reaches to column 16,384",
        ),
        (
            before_the_end(b'<row r="900000"><c r="GJH900000"><v>1</v></c></row>'),
            "DAT-10 reading the file needs about",
        ),
        (
            after_the_rows(b'<mergeCells count="1"><mergeCell ref="' + ALL + b'"/></mergeCells>'),
            "DAT-10 17,179,869,184 cells are merged",
        ),
        (
            after_the_rows(b"<mergeCells><mergeCell\nref = '" + ALL + b"'/></mergeCells>"),
            "DAT-10 17,179,869,184 cells are merged",
        ),
        (
            after_the_rows(b'<mergeCells><mergeCell ref="&#65;1:XFD1048576"/></mergeCells>'),
            "DAT-12 the workbook has a part that Excel does not write",
        ),
        (lambda sheet: sheet.decode().encode("utf-16"), "DAT-12 the workbook has a part"),
        (
            lambda sheet: b'<?xml version="1.0" encoding="cp037"?>' + sheet[sheet.index(b"<worksheet") :],
            "DAT-12 the workbook has a part",
        ),
        (
            lambda sheet: (
                b'<!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
                + sheet[sheet.index(b"<worksheet") :].replace(b"<v>31</v>", b"<v>&x;</v>")
            ),
            "DAT-12 the workbook has a part",
        ),
    ],
)
def test_dat_10_a_few_bytes_of_a_workbook_that_would_make_millions_of_cells(
    tmp_path: Path, change: Callable[[bytes], bytes], said: str
) -> None:
    path = tmp_path / "b.xlsx"
    crafted(path, change)
    assert path.stat().st_size < 20_000
    began = time.process_time()
    assert said in refusal(path)
    assert time.process_time() - began < 5


def test_dat_10_a_workbook_that_nobody_crafted_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "b.xlsx"
    crafted(path, lambda sheet: sheet)
    assert read(path).frame["age"].tolist() == ["31", "42"]
