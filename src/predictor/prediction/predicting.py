"""A prediction model and new patients: an estimate with its range and its reasons, or a reason to withhold it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import ModelError, Problem
from predictor.features.columns import RawColumns
from predictor.prediction.applicability import judge_patient
from predictor.prediction.others import add_others
from predictor.prediction.plans import add_plans, columns_by_plan
from predictor.prediction.ranges import range_limits, refit_probabilities, spread_over_gaps
from predictor.prediction.reading import Rows, learned_text, read_patients
from predictor.prediction.records import Contribution, Patient, Prediction
from predictor.prediction_model import PredictionModel, load_prediction_model, raw_columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS",
    "NOTED",
    "ResponsePredictor",
    "as_frame",
    "as_records",
    "predict_frame",
    "predict_patients",
]

Answers = tuple[np.ndarray, np.ndarray]  # of the model, and of every refit

COLUMNS = (
    "row",
    "kind",
    "probability",
    "low",
    "high",
    "plan",
    "group_rate",
    "group_low",
    "group_high",
    "reason",
)
NOTED = (*COLUMNS, "notes")
"""With what a reader of the number has to know: values that are older than the model needs, or of unknown age."""


@dataclass(frozen=True)
class ResponsePredictor:
    """A prediction model ready for use from Python.

    Parameters
    ----------
    model : PredictionModel

    Examples
    --------
    >>> predictor = ResponsePredictor.load("experiments/runs/<id>/model")  # doctest: +SKIP
    >>> predictor.predict(frame)  # doctest: +SKIP
    """

    model: PredictionModel

    @classmethod
    def load(cls, folder: str | Path) -> ResponsePredictor:
        """Load a model folder through every check of `load_prediction_model`.

        Parameters
        ----------
        folder : path
        """
        return cls(load_prediction_model(Path(folder)))

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return one row per patient: the estimate with its range, the group's rate, or the reason for neither.

        Parameters
        ----------
        frame : pandas.DataFrame
            One row per patient, with the columns of `inputs`, in the dictionary's units.
        """
        return predict_frame(self.model, frame)

    def explain(self, frame: pd.DataFrame) -> list[Prediction]:
        """Return the full predictions, with contributions and checks.

        Parameters
        ----------
        frame : pandas.DataFrame
        """
        return predict_patients(self.model, frame)

    def inputs(self) -> pd.DataFrame:
        """Return the input columns with unit, kind, role and learned range."""
        import pandas as pd

        rows = [
            (f.name, f.label, f.kind, f.unit, f.role, f.required, learned_text(f)) for f in self.model.inputs
        ]
        return pd.DataFrame(rows, columns=["name", "label", "kind", "unit", "role", "required", "learned"])


def predict_frame(model: PredictionModel, frame: pd.DataFrame | Rows) -> pd.DataFrame:
    """Predict many patients: one output row per input row, an estimate or a reason.

    Parameters
    ----------
    model : PredictionModel
    frame : pandas.DataFrame
        One row per patient.

    Returns
    -------
    pandas.DataFrame
        ``row``, ``kind``, ``probability``, ``low``, ``high``, ``plan``, ``group_rate``, ``group_low``, ``group_high``,
        ``reason``.

    Raises
    ------
    DataError
        If columns are missing, unknown or doubled (PRE-01).
    """
    return as_frame(predict_patients(model, frame, explain=False))


def as_frame(predictions: Sequence[Prediction]) -> pd.DataFrame:
    """Return predictions as a table, one row each.

    Parameters
    ----------
    predictions : sequence of Prediction
    """
    import pandas as pd

    return pd.DataFrame(as_records(predictions), columns=list(COLUMNS))


def as_records(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Return predictions as plain data, one mapping of `NOTED` each.

    Parameters
    ----------
    predictions : sequence of Prediction
    """
    return [_record(one) for one in predictions]


def _record(one: Prediction) -> dict[str, Any]:
    group = one.group if one.kind != "refusal" else None
    observed = (None, None, None) if group is None else (group.rate, group.low, group.high)
    estimated = (one.probability, one.low, one.high)
    old = "; ".join(
        check.meaning for check in one.checks if (check.id, check.status) == ("fresh_inputs", "check")
    )
    found = (one.row, one.kind, *estimated, one.plan, *observed, "; ".join(one.reasons), old)
    return dict(zip(NOTED, found, strict=True))


def predict_patients(
    model: PredictionModel,
    frame: pd.DataFrame | Rows,
    *,
    explain: bool = True,
    ranges: bool = True,
    today: date | None = None,
    day0: date | None = None,
) -> list[Prediction]:
    """Predict each patient, or say why not.

    Parameters
    ----------
    model : PredictionModel
    frame : pandas.DataFrame or Rows
        One row per patient. Text cells are read by the model's input schema, numbers are taken as they are.
    explain : bool
        Whether contributions, the estimate under other plans, and the other outcomes are wanted.
    ranges : bool
        Whether the range over the refits is wanted, which costs two hundred times the estimate.
    today : date or None
        For the check that the model is in date; default today.
    day0 : date or None
        From which the age of values counts; default ``today``.

    Raises
    ------
    DataError
        If columns are missing, unknown or doubled.
    ModelError
        ART-03, if the folder explains other estimates than it gives.
    """
    patients = read_patients(model, frame)
    today = today or date.today()
    judged = [judge_patient(model, patient, today=today, day0=day0) for patient in patients]
    numbered = [i for i, p in enumerate(judged) if p.kind == "estimate"]
    if numbered:
        chosen, asked = [patients[i] for i in numbered], [judged[i] for i in numbered]
        estimates = (
            _explained(model, chosen, asked, ranges=ranges)
            if explain
            else _estimate(model, _raw(model, chosen), asked, ranges=ranges)
        )
        for i, estimate in zip(numbered, estimates, strict=True):
            judged[i] = estimate
    return add_others(model, patients, judged) if explain else judged


def _explained(
    model: PredictionModel, patients: Sequence[Patient], judged: Sequence[Prediction], *, ranges: bool
) -> list[Prediction]:
    """Estimate, explain, and put each patient under the other plans."""
    raw, answers = _raw(model, patients), None
    by_plan: Sequence[Answers | None] = [None] * len(patients)
    if model.refits:
        by_plan = said = [_ask_by_plan(model, patient) for patient in patients]
        answers = (np.array([p[0] for p, _ in said]), np.stack([refits[:, 0] for _, refits in said], axis=1))
    estimates = _estimate(model, raw, judged, ranges=ranges, answers=answers)
    explained = _explain(model, patients, raw, estimates)
    return [add_plans(model, *one) for one in zip(patients, explained, by_plan, strict=True)]


def _ask_by_plan(model: PredictionModel, patient: Patient) -> Answers:
    """Ask the model and every refit about a patient under each plan at once, the planned one first.

    Returns
    -------
    probability : ndarray of shape (plans,)
    refits : ndarray of shape (refits, plans)
    """
    raw, n = columns_by_plan(model, patient)
    return model.scorer.probability(raw, n), refit_probabilities(model, raw, n)


def _estimate(
    model: PredictionModel,
    raw: RawColumns,
    judged: Sequence[Prediction],
    *,
    ranges: bool,
    answers: Answers | None = None,
) -> list[Prediction]:
    """Add the estimates; ``answers`` are those of the model and of the refits, where they are known already."""
    n = len(judged)
    probability = model.scorer.probability(raw, n) if answers is None else answers[0]
    spread = spread_over_gaps(model, raw, n)
    low: Sequence[float | None] = [None] * n
    high = low
    if ranges and model.refits:
        refits = refit_probabilities(model, raw, n) if answers is None else answers[1]
        ends = range_limits(refits, probability, spread)
        low, high = ends[0].tolist(), ends[1].tolist()
    rows = zip(
        judged, probability.tolist(), low, high, spread.low.tolist(), spread.high.tolist(), strict=True
    )
    return [
        replace(
            one,
            probability=p,
            low=lo,
            high=hi,
            imputed_low=None if math.isnan(least) else least,
            imputed_high=None if math.isnan(most) else most,
            imputations=0 if math.isnan(least) else spread.draws,
        )
        for one, p, lo, hi, least, most in rows
    ]


def _raw(model: PredictionModel, patients: Sequence[Patient]) -> RawColumns:
    return raw_columns(model.features, [patient.values for patient in patients])


def _explain(
    model: PredictionModel, patients: Sequence[Patient], raw: RawColumns, estimates: Sequence[Prediction]
) -> list[Prediction]:
    plan = np.array([patient.plan for patient in patients], dtype=object)
    try:
        points = model.explainer.points(raw, len(patients), plan)
    # Estimates that their explanations do not add up to are of a folder that somebody has put together.
    except (ArithmeticError, ValueError) as error:
        message = "the explanations in the model's folder are not those of its estimates"
        raise ModelError(
            Problem("ART-03", message, "Restore the folder from a copy, or train again")
        ) from error
    rows = zip(estimates, patients, points.contributions, points.leftover, points.start, strict=True)
    return [
        replace(
            one,
            start=float(start),
            other=float(leftover),
            contributions=_contributions(model, patient, contributions),
        )
        for one, patient, contributions, leftover, start in rows
    ]


def _contributions(model: PredictionModel, patient: Patient, points: np.ndarray) -> tuple[Contribution, ...]:
    found = [
        Contribution(
            name=f.name,
            label=f.label,
            value=patient.values[f.name],
            unit=f.unit,
            reference=model.input_by_name[f.name].typical.get(patient.plan),
            points=float(share),
            sensitive=f.sensitive,
        )
        for f, share in zip(model.features, points, strict=True)
        if f.known != "plan"
    ]
    return tuple(sorted(found, key=lambda c: (-abs(c.points), c.name)))
