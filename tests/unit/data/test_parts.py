"""A table that is read in parts is what it is when it is read at once: values, rows, findings, notices, results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clinic import build_clinic
from predictor.cohort.reach import days_within_reach
from predictor.config.dictionary import Dictionary
from predictor.config.loading import load_config
from predictor.data.conform import ConformedTable, read_tables
from predictor.data.notices import Notice, summed_notices
from predictor.data.sources import text_table
from predictor.data.unit_guard import find_suspect_units
from predictor.errors import DataError
from predictor.study import prepare_study

LONG = {
    "scores": {
        "source": {"path": "scores.parquet"},
        "key": "patient",
        "known": {"date": "on"},
        "layout": "long",
        "name_column": "scale",
        "value_column": "score",
        "columns": {
            "MADRS": {"instrument": "madrs"},
            "GAD7": {"instrument": "gad7"},
            "sleep": {"measure": "sleep"},
        },
    }
}


def table(n: int = 60, rows: int = 1000, *, seed: int = 3) -> pd.DataFrame:
    """Rows in no order, two undeclared columns, keys with zeros, an undeclared quantity."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "patient": [f"{i:03d}" for i in rng.integers(0, n, rows)],
            "on": np.datetime64("2024-01-01") + rng.integers(0, 400, rows).astype("timedelta64[D]"),
            "scale": rng.choice(["MADRS", "GAD7", "sleep", "BPRS"], rows),
            "score": rng.integers(0, 21, rows),
            "number": np.arange(rows),
            "remark": rng.choice(["", "late"], rows),
        }
    )


def read(folder: Path, *, at_once: bool, dictionary: dict = LONG) -> ConformedTable:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_table, "MAX_ROWS", 10_000 if at_once else 300)
        declared = Dictionary.model_validate(dictionary)
        return read_tables(declared, {"scores": folder / "scores.parquet"})["scores"]


def write(folder: Path, frame: pd.DataFrame) -> None:
    pq.write_table(
        pa.Table.from_pandas(frame, preserve_index=False), folder / "scores.parquet", row_group_size=70
    )


def told(folder: Path, *, at_once: bool, dictionary: dict = LONG) -> list[str]:
    with pytest.raises(DataError) as caught:
        read(folder, at_once=at_once, dictionary=dictionary)
    return [str(problem) for problem in caught.value.problems]


def test_values_rows_and_hash_are_the_same(tmp_path: Path) -> None:
    write(tmp_path, table())
    whole, parts = read(tmp_path, at_once=True), read(tmp_path, at_once=False)
    pd.testing.assert_frame_equal(parts.frame, whole.frame)
    np.testing.assert_array_equal(parts.rows, whole.rows)
    assert parts.sha256 == whole.sha256
    assert [one for one in parts.notices if "differ from" not in one] == [
        one for one in whole.notices if "differ from" not in one
    ]
    counts = [[one.split()[1] for one in found.notices if "differ from" in one] for found in (whole, parts)]
    assert counts[0] == counts[1] != []


def test_bad_cells_are_the_same_findings(tmp_path: Path) -> None:
    frame = table()
    frame.loc[[40, 700, 990], "score"] = 99
    write(tmp_path, frame.loc[frame["scale"] != "sleep"].reset_index(drop=True))
    found = told(tmp_path, at_once=False)
    assert found == told(tmp_path, at_once=True)
    assert any("DAT-18" in line for line in found)


def test_exact_copies_are_seen_with_all_columns_that_were_not_read(tmp_path: Path) -> None:
    frame = table()
    copy = pd.concat([frame, frame.iloc[[5]], frame.iloc[[9]].assign(remark="other")], ignore_index=True)
    write(tmp_path, copy)
    found = told(tmp_path, at_once=False)
    assert found == told(tmp_path, at_once=True)
    assert [line.partition(" an exact")[0] for line in found] == ["scores.parquet:1001: patient: DAT-05"] or (
        found[0].endswith("drop_exact in the dictionary.")
    )


def test_what_is_said_of_a_whole_column_needs_all_parts(tmp_path: Path) -> None:
    frame = table().assign(score=lambda own: own["score"].where(own["scale"] != "sleep", 7))
    frame.loc[int(np.flatnonzero(frame["scale"] == "MADRS")[9]), "on"] = np.datetime64("1924-01-01")
    write(tmp_path, frame)
    whole, parts = read(tmp_path, at_once=True), read(tmp_path, at_once=False)
    for words in ("'sleep' has the same value in every row", "1 dates in 'on' lie more than 5 years before"):
        own = [[one for one in found.notices if words in one] for found in (whole, parts)]
        assert own[0] == own[1] != []
    empty = frame.assign(score=frame["score"].astype(float).where(frame["scale"] != "sleep"))
    write(tmp_path, empty)
    assert told(tmp_path, at_once=False) == told(tmp_path, at_once=True)


def test_a_large_table_without_a_date_is_refused_as_before(tmp_path: Path) -> None:
    write(tmp_path, table())
    undated = {"scores": {**LONG["scores"], "known": "baseline", "rows": "one"}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_table, "MAX_ROWS", 300)
        with pytest.raises(DataError, match=r"DAT-10 more than 300 rows"):
            read_tables(Dictionary.model_validate(undated), {"scores": tmp_path / "scores.parquet"})


def test_counts_of_parts_are_added_and_rows_left_as_they_are() -> None:
    differ = "values of 'crp' differ from an earlier one of the same patient and time"
    said = [
        Notice("t.parquet", "rows hold names that are not declared", 3),
        Notice("t.parquet", differ, 2, " (rows 4, 9); nothing"),
        Notice("t.parquet", "rows hold names that are not declared", 4),
        Notice("t.parquet", differ, 1, " (rows 70, 71); nothing"),
        Notice("t.parquet", "2 columns are not declared in this table and were not read"),
        Notice("t.parquet", "2 columns are not declared in this table and were not read"),
    ]
    assert [str(one) for one in summed_notices(said)] == [
        "t.parquet: 7 rows hold names that are not declared",
        f"t.parquet: 3 {differ} (rows 4, 9); nothing",
        "t.parquet: 2 columns are not declared in this table and were not read",
    ]


def test_counts_of_columns_whose_names_differ_in_a_number_stay_apart() -> None:
    said = [Notice("t.parquet", f"rows have no date in 'day_{i}'", n) for i, n in ((1, 2), (2, 5), (1, 4))]
    assert [str(one) for one in summed_notices(said)] == [
        "t.parquet: 6 rows have no date in 'day_1'",
        "t.parquet: 5 rows have no date in 'day_2'",
    ]


def test_outcomes_and_features_are_those_of_the_table_read_at_once(tmp_path: Path) -> None:
    made = build_clinic(tmp_path, n=120, courses=2)
    scores = pd.read_csv(tmp_path / "scores.csv", dtype={"patient": str})
    rng = np.random.default_rng(1)
    far = scores.sample(400, random_state=1, replace=True).assign(
        on=lambda own: (pd.to_datetime(own["on"]) - pd.to_timedelta(rng.integers(400, 900, 400), "D")).dt.date
    )
    every = pd.concat([scores, far.drop_duplicates()], ignore_index=True).drop_duplicates(
        ["patient", "on", "scale"]
    )
    every = every.assign(on=pd.to_datetime(every["on"])).sample(frac=1, random_state=2)
    pq.write_table(
        pa.Table.from_pandas(every, preserve_index=False), tmp_path / "scores.parquet", row_group_size=50
    )
    text = (tmp_path / "dictionary.yaml").read_text(encoding="utf-8")
    (tmp_path / "dictionary.yaml").write_text(text.replace("scores.csv", "scores.parquet"), encoding="utf-8")
    whole = prepare_study(load_config(made.config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_table, "MAX_ROWS", 400)
        parts = prepare_study(load_config(made.config))
    pd.testing.assert_frame_equal(parts.dataset.X, whole.dataset.X)
    pd.testing.assert_frame_equal(parts.dataset.outcomes, whole.dataset.outcomes)
    pd.testing.assert_frame_equal(parts.cohort.attrition, whole.cohort.attrition)
    assert len(parts.tables["scores"].frame) < len(whole.tables["scores"].frame)
    assert any("lie outside every window and were not kept" in one for one in parts.tables["scores"].notices)
    assert set(parts.tables["scores"].frame["patient"]) == set(whole.tables["scores"].frame["patient"])


def test_how_far_windows_reach(tmp_path: Path) -> None:
    config = build_clinic(tmp_path, n=30).load().config
    assert days_within_reach(config.cohort, config.outcomes) == (-28, 35)


LABS = {
    "scores": {
        **{key: value for key, value in LONG["scores"].items() if key != "columns"},
        "columns": {"CRP": {"analyte": "crp", "unit": "mg/L"}, "sleep": {"measure": "sleep"}},
    },
    "people": {
        "source": {"path": "people.csv"},
        "key": "patient",
        "known": "baseline",
        "columns": {"site": {"type": "category"}},
    },
}


def labs(folder: Path, *, at_once: bool, **wrong: float) -> tuple[dict[str, ConformedTable], list[str]]:
    """A laboratory table of which only what is dated from day 700 on is kept; what is in mg/dL lies before."""
    rng, n = np.random.default_rng(8), 2000
    frame = pd.DataFrame(
        {
            "patient": [f"{i:03d}" for i in rng.integers(0, 60, n)],
            "on": np.datetime64("2024-01-01") + np.arange(n).astype("timedelta64[D]"),
            "scale": rng.choice(["CRP", "sleep"], n),
            "score": np.exp(rng.normal(0.8, 0.3, n)),
        }
    )
    south = frame["patient"] >= "030"
    early = np.arange(n) < 700
    frame.loc[early & south, "score"] *= wrong.get("south", 1)
    frame.loc[early, "score"] *= wrong.get("early", 1)
    write(folder, frame)
    people = pd.DataFrame({"patient": [f"{i:03d}" for i in range(60)]})
    people.assign(site=np.where(people["patient"] >= "030", "south", "north")).to_csv(
        folder / "people.csv", index=False
    )
    declared = Dictionary.model_validate(LABS)
    files = {"scores": folder / "scores.parquet", "people": folder / "people.csv"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_table, "MAX_ROWS", 10_000 if at_once else 300)
        start = np.datetime64("2024-01-01") + np.timedelta64(700, "D")
        tables = read_tables(declared, files, keep=lambda *_: lambda own: (own["on"] >= start).to_numpy())
    return tables, [str(one) for one in find_suspect_units(tables, declared, site="people.site")]


@pytest.mark.parametrize("wrong", [{"south": 0.1}, {"early": 0.1}, {}])
def test_the_unit_guard_sees_the_rows_that_are_not_kept(tmp_path: Path, wrong: dict[str, float]) -> None:
    whole, expected = labs(tmp_path, at_once=True, **wrong)
    parts, found = labs(tmp_path, at_once=False, **wrong)
    assert found == expected
    assert [line.split()[2] for line in found] == (["UNI-03"] if wrong else [])
    assert len(parts["scores"].frame) < len(whole["scores"].frame)
    kept = parts["scores"].frame.query("scale == 'CRP'")
    assert (
        len(parts["scores"].whole["CRP"].values)
        == (whole["scores"].frame["scale"] == "CRP").sum()
        > len(kept)
    )


def test_a_table_of_which_all_is_kept_holds_nothing_twice(tmp_path: Path) -> None:
    write(tmp_path, table())
    assert read(tmp_path, at_once=False).whole == {}
