"""SPSS, Stata, SAS and XPT files written by pyreadstat and read as text."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from predictor.config.source import Source
from predictor.data.sources import statistical_child as child
from predictor.data.sources.reading import read_source
from predictor.data.sources.text_table import TextTable
from predictor.errors import DataError, ResourceError

FRAME = pd.DataFrame(
    {
        "id": ["001", "002", "003"],
        "madrs": [30.0, 999.0, np.nan],
        "sex": [1.0, 2.0, 1.0],
        "crp": [0.1, 70.5, 80.0],
        "visit": pd.to_datetime(["2026-03-04", "2026-03-05", None]),
    }
)
SEX = {"sex": {1: "male", 2: "female"}}


def read(path: Path, **words: Any) -> TextTable:
    return read_source(path, Source(path=path.name, **words), shown_as=path.name)


def cells(table: TextTable, name: str) -> list[str]:
    return [str(cell) for cell in table.frame[name]]


@pytest.fixture
def spss(tmp_path: Path) -> Path:
    path = tmp_path / "visits.sav"
    pyreadstat.write_sav(
        FRAME,
        path,
        variable_value_labels=SEX,
        missing_ranges={"madrs": [999]},
        variable_format={"visit": "DATE11"},
    )
    return path


def test_numbers_ids_and_dates_keep_what_was_written(spss: Path) -> None:
    table = read(spss)
    assert cells(table, "id") == ["001", "002", "003"]
    assert cells(table, "crp") == ["0.1", "70.5", "80"]
    assert cells(table, "visit") == ["2026-03-04", "2026-03-05", ""]
    assert table.rows.tolist() == [1, 2, 3]


def test_codes_that_the_file_calls_missing_are_missing_and_counted(spss: Path) -> None:
    table = read(spss)
    assert cells(table, "madrs") == ["30", "", ""]
    assert table.notices == ("visits.sav: cells with a code that the file calls missing: madrs 1",)
    assert cells(read(spss, user_missing="codes"), "madrs") == ["30", "999", ""]


def test_cells_hold_codes_or_labels_as_declared(spss: Path) -> None:
    assert cells(read(spss), "sex") == ["1", "2", "1"]
    assert cells(read(spss, value_labels="labels"), "sex") == ["male", "female", "male"]


def test_a_range_of_missing_codes_and_one_of_text(tmp_path: Path) -> None:
    path = tmp_path / "r.sav"
    frame = pd.DataFrame({"score": [90.0, 97.0, 99.0], "why": ["a", "x", "b"]})
    pyreadstat.write_sav(frame, path, missing_ranges={"score": [{"lo": 97, "hi": 99}], "why": ["x"]})
    table = read(path)
    assert cells(table, "score") == ["90", "", ""]
    assert cells(table, "why") == ["a", "", "b"]


def test_stata_letters_are_missing_or_stand_as_written(tmp_path: Path) -> None:
    path = tmp_path / "s.dta"
    frame = FRAME.drop(columns="visit").assign(madrs=[30.0, "a", 5.0])
    pyreadstat.write_dta(frame, path, missing_user_values={"madrs": ["a"]}, variable_value_labels=SEX)
    assert cells(read(path), "madrs") == ["30", "", "5"]
    assert cells(read(path, user_missing="codes"), "madrs") == ["30", "a", "5"]
    assert cells(read(path, value_labels="labels"), "sex") == ["male", "female", "male"]


def test_single_precision_is_written_as_it_was_entered(tmp_path: Path) -> None:
    path = tmp_path / "f.dta"
    pd.DataFrame({"crp": np.array([0.1, 2.0], dtype=np.float32)}).to_stata(path, write_index=False)
    assert cells(read(path), "crp") == ["0.1", "2"]


def test_a_transport_file_and_its_dates(tmp_path: Path) -> None:
    path = tmp_path / "v.xpt"
    frame = FRAME.assign(visit=[date(2026, 3, 4), date(2026, 3, 5), None], drawn=FRAME["visit"])
    pyreadstat.write_xport(frame, path, file_format_version=5, variable_format={"visit": "DATE9"})
    table = read(path)
    assert cells(table, "visit") == cells(table, "drawn") == ["2026-03-04", "2026-03-05", ""]
    assert cells(table, "crp") == ["0.1", "70.5", "80"]


@pytest.mark.parametrize("form", ["WORDDATE18", "WORDDATX18", "JULIAN7", "NLDATE20", "EURDFDD8", "DATE9"])
def test_every_format_of_sas_that_shows_a_day_gives_a_date(tmp_path: Path, form: str) -> None:
    path = tmp_path / "v.xpt"
    pyreadstat.write_xport(pd.DataFrame({"seen": [-1.0, 24169.0]}), path, variable_format={"seen": form})
    assert cells(read(path), "seen") == ["1959-12-31", "2026-03-04"]


def test_a_month_of_sas_is_no_date(tmp_path: Path) -> None:
    path = tmp_path / "v.xpt"
    pyreadstat.write_xport(pd.DataFrame({"seen": [24169.0]}), path, variable_format={"seen": "MONYY7"})
    assert cells(read(path), "seen") == ["24169"]


def test_the_child_in_this_process_writes_what_the_parent_reads(spss: Path, tmp_path: Path) -> None:
    result = tmp_path / "cells.arrow"
    # No limit: it would hold for this process from here on.
    assert child.main(["spss", str(spss), str(result), "labels", "codes", "0"]) == 0
    import pyarrow as pa

    table = pa.ipc.open_file(result).read_all()
    assert table.column("sex").to_pylist() == ["male", "female", "male"]
    spss.write_bytes(spss.read_bytes()[:200])
    assert child.main(["spss", str(spss), str(result), "labels", "codes", "0"]) == child.NOT_VALID


def test_without_the_package_it_is_named(spss: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyreadstat", None)
    with pytest.raises(
        ResourceError, match=r"ENV-02 SPSS, Stata, SAS and XPT files need the package pyreadstat"
    ) as error:
        read(spss)
    assert 'pip install "response-predictor[formats]"' in str(error.value)


def test_a_file_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "e.sav"
    pyreadstat.write_sav(FRAME.drop(columns="visit").iloc[:0], path)
    with pytest.raises(DataError, match="DAT-11"):
        read(path)
