"""Blocks of Arrow columns get the answers that the same patients get one by one."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictor import scoring
from predictor.errors import DataError, ResourceError
from predictor.prediction import predict_frame, predict_patients
from predictor.scoring import files, list_partitions, partitions, score_file, score_partition
from predictor.scoring.partitions import Targets
from trained_clinics import FAMILIES, new_patients, trained

KINDS = ("better", "group", *FAMILIES)


def folder(kind: str = "better") -> Path:
    return trained(kind).folder / "model"


def patients(n: int = 120) -> pd.DataFrame:
    """Patients of whom many need a second look: outside ranges, unknown levels, missing values and plans."""
    frame = new_patients(n)
    frame.loc[3::17, "age"] = 79.0
    frame.loc[4::17, "age"] = np.nan
    frame.loc[5::17, "crp"] = np.nan
    frame.loc[6::17, "crp"] = np.inf
    frame.loc[7::17, "madrs"] = 30.5
    frame.loc[8::17, "sex"] = "Female"
    frame.loc[9::17, "site"] = None
    frame.loc[10::17, "site"] = " "
    frame.loc[11::17, "arm"] = None
    frame.loc[12::17, ["age", "crp", "madrs"]] = np.nan
    return frame


def write(frame: pd.DataFrame | pa.Table, path: Path, *, group: int = 50) -> Path:
    table = pa.Table.from_pandas(frame, preserve_index=False) if isinstance(frame, pd.DataFrame) else frame
    pq.write_table(table, path, row_group_size=group)
    return path


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    texts = [name for name in frame if name in ("kind", "plan", "reason")]
    return frame.assign(**{name: frame[name].astype(object) for name in texts}).astype(
        {name: float for name in frame if name not in (*texts, "row")}
    )


def require_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(plain(found), plain(expected), check_dtype=False, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_gets_the_answers_of_its_patients_one_by_one(kind: str, tmp_path: Path) -> None:
    frame = patients()
    expected = predict_frame(trained(kind).model.model, frame)
    assert expected["kind"].nunique() == 2
    scored = score_file(folder(kind), write(frame, tmp_path / "in.parquet"), tmp_path / "out.parquet")
    require_same(pd.read_parquet(tmp_path / "out.parquet"), expected)
    assert scored.counts == expected["kind"].value_counts().to_dict()
    assert (scored.rows, scored.ranges, scored.resumed) == (120, True, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]


def test_types_that_leave_questions_are_read_cell_by_cell(tmp_path: Path) -> None:
    frame = new_patients(6)
    table = pa.table(
        {
            "age": pa.array(frame["age"].astype(int), pa.int16()),
            "sex": pa.array(frame["sex"]).dictionary_encode(),
            "site": pa.array(frame["site"], pa.large_string()),
            "madrs": pa.array([str(value) for value in frame["madrs"]]),
            "crp": pa.array([Decimal(str(value)) for value in frame["crp"]]),
            "arm": pa.array(frame["arm"]),
            "another": pa.array(range(6)),
        }
    )
    moved = tmp_path / "moved.parquet"
    score_file(folder(), write(table, tmp_path / "in.parquet"), tmp_path / "out.parquet", contributions=moved)
    require_same(pd.read_parquet(tmp_path / "out.parquet"), predict_frame(trained().model.model, frame))
    assert len(pd.read_parquet(moved)) == 6


@pytest.mark.parametrize("kind", FAMILIES)
def test_contributions_are_those_of_the_patients_one_by_one(kind: str, tmp_path: Path) -> None:
    model, frame = trained(kind).model.model, patients()
    source, moved = write(frame, tmp_path / "in.parquet"), tmp_path / "moved.parquet"
    score_file(folder(kind), source, tmp_path / "out.parquet", contributions=moved)
    found = pd.read_parquet(moved).set_index("row")
    estimates = [one for one in predict_patients(model, frame) if one.kind == "estimate"]
    assert found.index.tolist() == [one.row for one in estimates]
    for one in estimates:
        row = found.loc[one.row]
        assert row["start"] == pytest.approx(one.start, abs=1e-9)
        assert row["other"] == pytest.approx(one.other, abs=1e-9)
        for part in one.contributions:
            assert row[part.name] == pytest.approx(part.points, abs=1e-9)
        assert row.sum() == pytest.approx(one.probability, abs=1e-6)


def test_without_the_range_only_the_range_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, source = patients(), tmp_path / "in.parquet"
    write(frame, source)
    monkeypatch.setattr(files, "MOST_WITH_RANGE", 100)
    assert not score_file(folder(), source, tmp_path / "out.parquet").ranges
    expected = predict_frame(trained().model.model, frame).assign(low=np.nan, high=np.nan)
    require_same(pd.read_parquet(tmp_path / "out.parquet"), expected)
    assert score_file(folder(), source, tmp_path / "with.parquet", ranges=True).ranges
    assert pd.read_parquet(tmp_path / "with.parquet")["low"].notna().any()


def test_a_model_past_its_date_refuses_everybody(tmp_path: Path) -> None:
    source = write(new_patients(5), tmp_path / "in.parquet")
    scored = score_file(folder(), source, tmp_path / "out.parquet", today=date(2200, 1, 1))
    assert scored.counts == {"refusal": 5}
    assert pd.read_parquet(tmp_path / "out.parquet")["reason"].str.contains("was valid until").all()


def test_partitions_follow_the_row_groups_and_can_run_in_any_order(tmp_path: Path) -> None:
    frame = patients(130)
    source = write(frame, tmp_path / "in.parquet", group=20)
    parts = list_partitions(source, rows=50)
    assert [(part.first_row, part.rows) for part in parts] == [(1, 60), (61, 60), (121, 10)]
    assert [group for part in parts for group in part.row_groups] == list(range(7))
    for part in reversed(parts):
        target = Targets(tmp_path / f"{part.index}.parquet", tmp_path / f"{part.index}c.parquet")
        counts = score_partition(folder(), source, part, target, ranges=True)
        assert sum(counts.values()) == part.rows
    found = pd.concat([pd.read_parquet(tmp_path / f"{i}.parquet") for i in range(3)], ignore_index=True)
    require_same(found, predict_frame(trained().model.model, frame))


KEYS = {
    "texts": pa.array([f"P{i:03}" for i in range(60)]),
    "levels": pa.array([f"P{i:03}" for i in range(60)]).dictionary_encode(),
    "numbers": pa.array([i + 10**15 for i in range(60)], pa.int64()),
    "gaps": pa.array([None, *range(59)], pa.int32()),
}


@pytest.mark.parametrize("kind", KEYS)
def test_the_answers_begin_with_the_keys_as_the_file_has_them(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_partitions(monkeypatch)
    frame = patients(60).drop(columns="patient")
    table = pa.Table.from_pandas(frame, preserve_index=False).append_column("patient", KEYS[kind])
    source, out = write(table, tmp_path / "in.parquet", group=20), tmp_path / "out.parquet"
    assert score_file(folder(), source, out, keys=True).partitions == 3
    found = pq.read_table(out)
    assert found.column_names[:2] == ["patient", "row"]
    assert found.column("patient").to_pylist() == KEYS[kind].to_pylist()
    assert found.schema.field("patient").type == KEYS[kind].type
    require_same(found.drop_columns("patient").to_pandas(), predict_frame(trained().model.model, frame))


def test_without_keys_in_the_file_or_asked_for_there_are_none(tmp_path: Path) -> None:
    source = write(patients(5), tmp_path / "in.parquet")
    plain = write(patients(5).drop(columns="patient"), tmp_path / "plain.parquet")
    score_file(folder(), source, tmp_path / "one.parquet")
    score_file(folder(), plain, tmp_path / "two.parquet", keys=True)
    assert pq.read_schema(tmp_path / "one.parquet").names == pq.read_schema(tmp_path / "two.parquet").names
    assert "patient" not in pq.read_schema(tmp_path / "one.parquet").names


def test_a_file_with_two_columns_of_keys_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(patients(5), preserve_index=False)
    source = write(table.append_column("patient", pa.array(range(5))), tmp_path / "in.parquet")
    with pytest.raises(DataError, match="PRE-01 the column patient stands 2 times"):
        score_file(folder(), source, tmp_path / "out.parquet", keys=True)


def test_parts_without_keys_are_not_kept_for_a_run_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_partitions(monkeypatch)
    source, out = write(patients(60), tmp_path / "in.parquet", group=20), tmp_path / "out.parquet"
    interrupted(source, out, monkeypatch, after=2)
    assert score_file(folder(), source, out, keys=True).resumed == 0
    assert pq.read_table(out).column("patient").to_pylist() == patients(60)["patient"].tolist()


def interrupted(source: Path, out: Path, monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    done: list[Any] = []
    original = partitions.score_block

    def until(*arguments: Any, **options: Any) -> Any:
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(None)
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(partitions, "score_block", until)
        with pytest.raises(KeyboardInterrupt):
            score_file(folder(), source, out)


def small_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "list_partitions", lambda source: list_partitions(source, rows=20))


def test_a_stopped_run_goes_on_and_ends_as_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_partitions(monkeypatch)
    source = write(patients(), tmp_path / "in.parquet", group=20)
    out = tmp_path / "out.parquet"
    interrupted(source, out, monkeypatch, after=2)
    assert not out.exists()
    seen: list[tuple[int, int]] = []
    scored = score_file(folder(), source, out, progress=lambda _, done, total: seen.append((done, total)))
    assert (scored.partitions, scored.resumed) == (6, 2)
    assert seen == [(40, 120), (60, 120), (80, 120), (100, 120), (120, 120)]
    score_file(folder(), source, tmp_path / "undisturbed.parquet")
    assert out.read_bytes() == (tmp_path / "undisturbed.parquet").read_bytes()


def test_parts_of_another_file_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_partitions(monkeypatch)
    source, out = write(patients(), tmp_path / "in.parquet", group=20), tmp_path / "out.parquet"
    interrupted(source, out, monkeypatch, after=2)
    write(new_patients(120, seed=2), source, group=20)
    assert score_file(folder(), source, out).resumed == 0
    require_same(pd.read_parquet(out), predict_frame(trained().model.model, new_patients(120, seed=2)))


def test_parts_of_another_model_or_option_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_partitions(monkeypatch)
    source, out = write(patients(), tmp_path / "in.parquet", group=20), tmp_path / "out.parquet"
    interrupted(source, out, monkeypatch, after=2)
    journal = json.loads((tmp_path / "out.parquet.partial" / "journal.json").read_text())
    assert journal["options"] == {"range": True, "contributions": False, "keys": False, "mark": ""}
    assert score_file(folder("random_forest"), source, out).resumed == 0
    interrupted(source, out, monkeypatch, after=2)
    assert score_file(folder(), source, out, ranges=False).resumed == 0


def test_two_processes_do_not_write_the_same_file(tmp_path: Path) -> None:
    source, out = write(new_patients(5), tmp_path / "in.parquet"), tmp_path / "out.parquet"
    work = files._Work(out, None)
    with work.held({}), pytest.raises(ResourceError, match="TRN-11"):
        score_file(folder(), source, out)


def test_what_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    text = tmp_path / "text.parquet"
    text.write_text("age,sex\n")
    with pytest.raises(DataError, match="DAT-15"):
        score_file(folder(), text, tmp_path / "out.parquet")
    with pytest.raises(DataError, match="DAT-15"):
        score_file(folder(), tmp_path / "none.parquet", tmp_path / "out.parquet")
    source = write(new_patients(5), tmp_path / "in.parquet")
    with pytest.raises(ResourceError, match="TRN-05"):
        score_file(folder(), source, tmp_path / "no" / "out.parquet")
    lacking = write(new_patients(5).drop(columns=["age"]), tmp_path / "lacking.parquet")
    with pytest.raises(DataError, match="PRE-01 the model needs the column age"):
        score_file(folder(), lacking, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_the_package_says_what_it_offers() -> None:
    assert set(scoring.__all__) >= {"list_partitions", "score_file", "score_partition"}
