"""The evaluation page as plain data: what patients that a model had not seen say about it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from predictor.reports.content_model import Interval
from predictor.reports.view import View

__all__ = ["EvaluationReportV1", "FigureRow", "MixRow", "StepRow", "UpdateRow"]


class StepRow(View):
    """Who is left after one step."""

    step: str
    units: int


class FigureRow(View):
    """One figure with its limits; `interval` says how they were made."""

    name: str
    figure: Interval
    interval: str


class MixRow(View):
    """One input among the patients of development and these; None where it is not known or too few have it."""

    what: str
    level: str
    unit: str
    development: Interval | None = None
    here: Interval | None = None
    difference: float | None = None


class UpdateRow(View):
    """One update of the model, and its test against the largest: χ², or F where patients come in clusters."""

    update: str
    parameters: int
    intercept: float | None = None
    slope: float | None = None
    statistic: float | None = None
    df: int | None = None
    df_error: int | None = None
    p_value: float | None = None
    chosen: bool = False


class EvaluationReportV1(View):
    """Everything one evaluation page says."""

    schema_name: Literal["EvaluationReportV1"] = "EvaluationReportV1"
    title: str
    experiment: str
    created_utc: datetime
    software_version: str
    model_name: str
    model_sha256: str
    config_sha256: str
    data_sha256: str
    outcome: str
    simulated: bool
    n: int
    events: int
    level: float
    advice: str
    steps: tuple[StepRow, ...]
    figures: tuple[FigureRow, ...]
    benefit: tuple[FigureRow, ...] = ()
    mix: tuple[MixRow, ...]
    updates: tuple[UpdateRow, ...]
    clusters: int | None = None
    tested: str = ""
    notes: tuple[str, ...] = ()
