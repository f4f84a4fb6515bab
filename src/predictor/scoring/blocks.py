"""One block of patients, from Arrow columns to answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from predictor.features.columns import Categories, RawColumns, rows_of
from predictor.prediction import as_records, predict_patients
from predictor.prediction.predicting import COLUMNS
from predictor.prediction.ranges import range_limits, refit_probabilities, spread_over_gaps
from predictor.prediction.reading import Rows, read_patients
from predictor.prediction_model import InputField, PredictionModel, raw_columns
from predictor.scoring.screening import plans_of, sound_rows

__all__ = ["ANSWERS", "Block", "contributions_schema", "score_block"]

TEXT = pa.dictionary(pa.int32(), pa.string())
ANSWERS = pa.schema(
    [
        (name, {"row": pa.int64()}.get(name, TEXT if name in ("kind", "plan", "reason") else pa.float64()))
        for name in COLUMNS
    ]
)


@dataclass(frozen=True)
class Block:
    """Answers of a block, and what moved them where that was asked for."""

    answers: pa.RecordBatch
    contributions: pa.RecordBatch | None


@dataclass(frozen=True)
class _Found:
    """Rows that passed every check, their raw columns, plans and probabilities."""

    rows: np.ndarray
    raw: RawColumns
    plan: Categories
    probability: np.ndarray


def contributions_schema(model: PredictionModel) -> pa.Schema:
    """Columns of the contributions: the row, where it starts, one per feature in points of 1, and the rest.

    Parameters
    ----------
    model : PredictionModel
    """
    names = [f.name for f in model.features if f.known != "plan"]
    numbers = ["start", *names, "other"]
    return pa.schema([("row", pa.int64()), *((name, pa.float64()) for name in numbers)])


def score_block(
    model: PredictionModel,
    batch: pa.RecordBatch,
    *,
    first_row: int,
    ranges: bool,
    contributions: bool,
    today: date,
) -> Block:
    """Answer every patient of a block as `predictor.prediction.predict_frame` would.

    Parameters
    ----------
    model : PredictionModel
    batch : pyarrow.RecordBatch
        Columns of the model's inputs.
    first_row : int
        Number of the first patient; the first of a file is 1.
    ranges, contributions : bool
        Whether the range over refits and what moved each estimate are wanted.
    today : date
        For the check that the model is in date.
    """
    n = batch.num_rows
    sound, raw, plan = _screened(model, batch, n, today)
    answers = _Answers.empty(first_row, n)
    if sound.any():
        rows = np.flatnonzero(sound)
        few = raw if len(rows) == n else {name: rows_of(values, rows) for name, values in raw.items()}
        plans = plan if len(rows) == n else plan.take(rows)
        _answer_sound(model, _Found(rows, few, plans, np.empty(0)), answers, ranges=ranges)
    if not sound.all():
        _answer_singly(model, batch, np.flatnonzero(~sound), answers, ranges=ranges, today=today)
    explained = _explained(model, batch, answers) if contributions else None
    return Block(answers.batch(), explained)


def _screened(
    model: PredictionModel, batch: pa.RecordBatch, n: int, today: date
) -> tuple[np.ndarray, RawColumns, Categories]:
    raw = {one.name: read_column(one, batch.column(one.name)) for one in model.inputs}
    readable = {name: values for name, values in raw.items() if values is not None}
    until = model.card.get("valid_until")
    late = until is not None and today > date.fromisoformat(str(until))
    if late or len(readable) < len(raw):
        return np.zeros(n, dtype=bool), {}, Categories(np.full(n, -1), [])
    plan = plans_of(model, readable, n)
    return sound_rows(model, readable, n, plan), readable, plan


def read_column(one: InputField, column: pa.Array) -> np.ndarray | Categories | None:
    """Read a column of a type that leaves no question; None for any other, which is read cell by cell.

    Parameters
    ----------
    one : InputField
    column : pyarrow.Array
    """
    kind = column.type
    if one.kind == "category":
        return _read_texts(column)
    if pa.types.is_boolean(kind) and one.grain == "yes_no":
        column, kind = column.cast(pa.uint8()), pa.uint8()
    if not (pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind)):
        return None
    values = column.to_numpy(zero_copy_only=False)
    return np.asarray(values if values.dtype == np.float64 else values.astype(np.float64))


def _read_texts(column: pa.Array) -> Categories | None:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.dictionary_encode()
    if not pa.types.is_dictionary(column.type):
        return None
    levels = column.dictionary.to_pylist()
    if not all(isinstance(level, str) for level in levels):
        return None
    indices = column.indices
    codes = (pc.fill_null(indices, -1) if indices.null_count else indices).to_numpy(zero_copy_only=False)
    return Categories(codes, levels)


class _Answers:
    """Columns of the answers to a block, filled in row by row or all at once."""

    def __init__(self, columns: dict[str, np.ndarray], texts: dict[str, dict[str, int]]) -> None:
        self.columns = columns
        self._texts = texts

    @classmethod
    def empty(cls, first_row: int, n: int) -> _Answers:
        texts = ("kind", "plan", "reason")
        columns: dict[str, np.ndarray] = {"row": np.arange(first_row, first_row + n)}
        for name in COLUMNS[1:]:
            columns[name] = np.zeros(n, dtype=np.int32) if name in texts else np.full(n, np.nan)
        return cls(columns, {name: {} for name in texts})

    def code(self, name: str, text: str) -> int:
        """Place of a text in its column's dictionary."""
        known = self._texts[name]
        return known.setdefault(text, len(known))

    def batch(self) -> pa.RecordBatch:
        arrays = [self._array(name) for name in COLUMNS]
        return pa.RecordBatch.from_arrays(arrays, schema=ANSWERS)

    def _array(self, name: str) -> pa.Array:
        values = self.columns[name]
        if name in self._texts:
            return pa.DictionaryArray.from_arrays(values, pa.array(list(self._texts[name]), pa.string()))
        if name == "row":
            return pa.array(values)
        return (
            pa.nulls(len(values), pa.float64())
            if np.isnan(values).all()
            else pa.array(values, from_pandas=True)
        )


def _answer_sound(model: PredictionModel, found: _Found, answers: _Answers, *, ranges: bool) -> None:
    rows, plan = found.rows, found.plan
    better = model.card.get("verdict", {}).get("label") == "better"
    personal = better or model.policy.get("release") == "research"
    reason = "" if personal else str(model.card.get("verdict", {}).get("sentence", ""))
    columns = answers.columns
    columns["kind"][rows] = answers.code("kind", "estimate" if personal else "group_rate")
    columns["reason"][rows] = answers.code("reason", reason)
    columns["plan"][rows] = np.array([answers.code("plan", str(level)) for level in plan.levels])[plan.codes]
    rates = {rate.plan: (rate.rate, rate.low, rate.high) for rate in model.group_rates}
    table = np.array([rates.get(str(level), (np.nan,) * 3) for level in plan.levels])
    for name, values in zip(("group_rate", "group_low", "group_high"), table.T, strict=True):
        columns[name][rows] = values[plan.codes]
    if personal:
        probability = model.scorer.probability(found.raw, len(rows))
        columns["probability"][rows] = probability
        if ranges and model.refits:
            spread = spread_over_gaps(model, found.raw, len(rows))
            limits = range_limits(refit_probabilities(model, found.raw, len(rows)), probability, spread)
            columns["low"][rows], columns["high"][rows] = limits


def _answer_singly(
    model: PredictionModel,
    batch: pa.RecordBatch,
    rows: np.ndarray,
    answers: _Answers,
    *,
    ranges: bool,
    today: date,
) -> None:
    predictions = predict_patients(
        model, _rows(model, batch, rows), explain=False, ranges=ranges, today=today
    )
    for row, record in zip(rows, as_records(predictions), strict=True):
        for name in COLUMNS[1:]:
            value = record[name]
            if isinstance(value, str):
                answers.columns[name][row] = answers.code(name, value)
            elif value is not None:
                answers.columns[name][row] = value


def _rows(model: PredictionModel, batch: pa.RecordBatch, rows: Sequence[int] | np.ndarray) -> Rows:
    names = [one.name for one in model.inputs]
    chosen = batch.select(names).take(pa.array(rows))
    columns: list[list[Any]] = [chosen.column(name).to_pylist() for name in names]
    return Rows(names, list(zip(*columns, strict=True)))


def _explained(model: PredictionModel, batch: pa.RecordBatch, answers: _Answers) -> pa.RecordBatch:
    """Explain the estimates of a block; patients without one have no row."""
    schema = contributions_schema(model)
    rows = np.flatnonzero(~np.isnan(answers.columns["probability"]))
    raw = _features(model, batch, rows)
    texts = list(answers._texts["plan"])
    plan = np.array(texts, dtype=object)[answers.columns["plan"][rows]] if len(rows) else np.empty(0, object)
    points = model.explainer.points(raw, len(rows), plan)
    shares = {f.name: points.contributions[:, i] for i, f in enumerate(model.features)}
    found = {**shares, "row": answers.columns["row"][rows], "start": points.start, "other": points.leftover}
    return pa.RecordBatch.from_arrays([pa.array(found[name]) for name in schema.names], schema=schema)


def _features(model: PredictionModel, batch: pa.RecordBatch, rows: np.ndarray) -> RawColumns:
    chosen = batch.take(pa.array(rows))
    raw = {f.name: read_column(model.input_by_name[f.name], chosen.column(f.name)) for f in model.features}
    found = {name: values for name, values in raw.items() if values is not None}
    if len(found) == len(raw):
        return found
    patients = read_patients(model, _rows(model, batch, rows))
    return raw_columns(model.features, [patient.values for patient in patients])
