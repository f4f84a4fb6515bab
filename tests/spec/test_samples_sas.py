"""SAS7BDAT files become the tables that their twins in CSV hold, read by our own path and by pandas' own reader."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from predictor.config.dictionary import Dictionary
from predictor.config.source import Source
from predictor.data.conform import ConformedTable, read_tables
from predictor.data.sources.reading import read_source
from predictor.errors import DataError

SAMPLES = Path(__file__).parents[1] / "samples" / "sas"


def twin(name: str) -> list[dict[str, str]]:
    with (SAMPLES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def conformed(name: str, key: str, columns: dict[str, dict[str, Any]], **words: Any) -> ConformedTable:
    table = {"source": {"path": f"{name}.sas7bdat"}, "key": key, "known": "baseline", "columns": columns}
    dictionary = Dictionary.model_validate({"visits": table | words})
    return read_tables(dictionary, {"visits": SAMPLES / f"{name}.sas7bdat"})["visits"]


def cells(name: str) -> pd.DataFrame:
    path = SAMPLES / f"{name}.sas7bdat"
    return read_source(path, Source(path=path.name), shown_as=path.name).frame


def test_every_value_of_a_file_of_sas_is_its_twins() -> None:
    expected = twin("dates")
    columns = {"float_row": {"type": "number"}, "date_row": {"type": "date"}, "text_row": {"type": "text"}}
    frame = conformed("dates", "integer_row", columns, known={"date": "date_row"}).frame
    assert frame["integer_row"].astype(float).tolist() == [float(row["integer_row"]) for row in expected]
    assert frame["float_row"].tolist() == [float(row["float_row"]) for row in expected]
    assert frame["date_row"].tolist() == [pd.Timestamp(row["date_row"]) for row in expected]
    assert cells("dates")["text_row"].astype(str).tolist() == [row["text_row"] for row in expected]
    assert len(frame) == 5


def test_missing_values_codes_and_letters_of_every_alphabet() -> None:
    expected = twin("visits")
    sex = {"type": "category", "values": {"1": "male", "2": "female"}}
    site = {"type": "category", "values": ["Köln", "Łódź", "São Paulo", "Ålesund"]}
    columns = {"madrs": {"instrument": "madrs"}, "crp": {"type": "number"}, "sex": sex, "site": site}
    frame = conformed("visits", "subject", columns).frame
    assert frame["subject"].tolist() == [row["subject"] for row in expected]
    for name in ("madrs", "crp"):
        wanted = [float(row[name]) if row[name] else np.nan for row in expected]
        assert np.array_equal(frame[name].astype(float), wanted, equal_nan=True)
    assert [None if pd.isna(x) else x for x in frame["sex"]] == ["male", "female", "male", None, "female"]
    assert [None if pd.isna(x) else x for x in frame["site"]] == [row["site"] or None for row in expected]


@pytest.mark.parametrize("name", ["dates", "visits"])
def test_pandas_own_reader_finds_the_same_cells(name: str) -> None:
    theirs = pd.read_sas(SAMPLES / f"{name}.sas7bdat", encoding="utf-8" if name == "visits" else "cp1252")
    ours = cells(name)
    assert list(ours.columns) == list(theirs.columns)
    for column in theirs.columns:
        for mine, other in zip(ours[column].astype(str), theirs[column], strict=True):
            assert mine == "" if pd.isna(other) else _same(mine, other)


def _same(cell: str, value: Any) -> bool:
    if isinstance(value, pd.Timestamp):
        return pd.Timestamp(cell) == value
    return cell == value if isinstance(value, str) else float(cell) == value


def test_a_plain_number_is_no_date() -> None:
    with pytest.raises(DataError, match="visit: DAT-16"):
        conformed("visits", "subject", {"visit": {"type": "date"}})


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.sas7bdat"
    path.write_bytes((SAMPLES / "dates.sas7bdat").read_bytes()[:70_000])
    with pytest.raises(DataError, match="DAT-12"):
        read_source(path, Source(path=path.name), shown_as=path.name)
