"""Parquet columns as text by their stored type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictor.config.source import Source
from predictor.data.sources.reading import read_source
from predictor.data.sources.text_table import TextTable
from predictor.errors import DataError


def read(path: Path) -> TextTable:
    return read_source(path, Source(path=path.name), shown_as=path.name)


def test_every_type_of_a_cell(tmp_path: Path) -> None:
    columns = {
        "id": pa.array(["007", None]),
        "n": pa.array([3, None]),
        "score": pa.array([0.1, float("nan")]),
        "whole": pa.array([30.0, 1e-7]),
        "single": pa.array([0.1, 2.5], pa.float32()),
        "yes": pa.array([True, None]),
        "on": pa.array([date(2026, 3, 4), None]),
        "at": pa.array([datetime(2026, 3, 4, 10, 30), None], pa.timestamp("ns")),
        "arm": pa.array(["ketamine", "saline"]).dictionary_encode(),
        "dose": pa.array([Decimal("0.50"), None]),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    table = read(tmp_path / "t.parquet")
    assert table.frame.to_dict("list") == {
        "id": ["007", ""],
        "n": ["3", ""],
        "score": ["0.1", ""],
        "whole": ["30", "1e-7"],
        "single": ["0.1", "2.5"],
        "yes": ["true", ""],
        "on": ["2026-03-04", ""],
        "at": ["2026-03-04 10:30:00.000000", ""],
        "arm": ["ketamine", "saline"],
        "dose": ["0.50", ""],
    }


def test_a_time_zone_stays_visible_so_that_it_is_refused_later(tmp_path: Path) -> None:
    at = pa.array([datetime(2026, 3, 4, 10, 30, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"at": at}), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet").frame["at"].tolist() == ["2026-03-04 10:30:00.000000Z"]


def test_what_is_no_cell_is_refused_with_its_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"items": pa.array([[1, 2]])}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet: items: DAT-07 a column of type list"):
        read(tmp_path / "t.parquet")


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": ["a"] * 100}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="DAT-12 no Parquet file, or one that is cut off"):
        read(path)


def test_a_file_with_too_many_rows_is_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"n": pa.nulls(1_000_001)}), path)
    monkeypatch.setattr(pq.ParquetFile, "read", lambda self: pytest.fail("it was read"))
    with pytest.raises(DataError, match="DAT-10 more than 1,000,000 rows"):
        read(path)
