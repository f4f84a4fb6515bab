"""A prediction model and new patients: an estimate with its range and its reasons, or a reason to withhold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from predictor.explanation.attribution import attribute, relative_to_plan, to_probability
from predictor.prediction.applicability import judge_patient
from predictor.prediction.reading import learned_text, read_patients
from predictor.prediction.records import Contribution, Patient, Prediction
from predictor.prediction_model import PredictionModel, load_prediction_model

__all__ = ["ResponsePredictor", "as_frame", "predict_frame", "predict_patients"]

RANGE = (2.5, 97.5)


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
        rows = [
            (f.name, f.label, f.kind, f.unit, f.role, f.required, learned_text(f)) for f in self.model.inputs
        ]
        return pd.DataFrame(rows, columns=["name", "label", "kind", "unit", "role", "required", "learned"])


def predict_frame(model: PredictionModel, frame: pd.DataFrame) -> pd.DataFrame:
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
    rows = [
        {
            "row": p.row,
            "kind": p.kind,
            "probability": p.probability,
            "low": p.low,
            "high": p.high,
            "plan": p.plan,
            "group_rate": p.group.rate if p.group and p.kind != "refusal" else None,
            "group_low": p.group.low if p.group and p.kind != "refusal" else None,
            "group_high": p.group.high if p.group and p.kind != "refusal" else None,
            "reason": "; ".join(p.reasons),
        }
        for p in predictions
    ]
    names = [
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
    ]
    return pd.DataFrame(rows, columns=names)


def predict_patients(
    model: PredictionModel, frame: pd.DataFrame, *, explain: bool = True, today: date | None = None
) -> list[Prediction]:
    """Predict each patient, or say why not.

    Parameters
    ----------
    model : PredictionModel
    frame : pandas.DataFrame
        One row per patient. Text cells are read by the model's input schema, numbers are taken as they are.
    explain : bool
        Whether contributions are wanted.
    today : date or None
        For the check that the model is in date; default today.

    Raises
    ------
    DataError
        If columns are missing, unknown or doubled.
    """
    patients = read_patients(model, frame)
    judged = [judge_patient(model, patient, today=today or date.today()) for patient in patients]
    numbered = [i for i, p in enumerate(judged) if p.kind == "estimate"]
    if numbered:
        estimates = _estimate(
            model, [patients[i] for i in numbered], [judged[i] for i in numbered], explain=explain
        )
        for i, estimate in zip(numbered, estimates, strict=True):
            judged[i] = estimate
    return judged


def _estimate(
    model: PredictionModel, patients: Sequence[Patient], judged: Sequence[Prediction], *, explain: bool
) -> list[Prediction]:
    names = [f.name for f in model.features]
    X = pd.DataFrame({f.name: _column([p.values[f.name] for p in patients], f.kind) for f in model.features})[
        names
    ]
    log_odds = model.scorer.log_odds(X)
    probability = expit(log_odds)
    low, high = _refit_range(model, X, probability)
    contributions: list[tuple[tuple[Contribution, ...], float, float]] = [((), 0.0, float("nan"))] * len(
        patients
    )
    if explain:
        contributions = _contributions(model, X, log_odds, patients)
    return [
        replace(
            before,
            probability=float(probability[i]),
            low=float(low[i]),
            high=float(high[i]),
            start=contributions[i][2] if explain else None,
            contributions=contributions[i][0],
            other=contributions[i][1],
        )
        for i, before in enumerate(judged)
    ]


def _column(values: list[float | str | None], kind: str) -> np.ndarray:
    if kind == "number":
        return np.array([np.nan if v is None else v for v in values], dtype=float)
    return np.array(values, dtype=object)


def _refit_range(
    model: PredictionModel, X: pd.DataFrame, probability: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """2.5 and 97.5 percentile over the refits, widened to hold the estimate itself."""
    refits = expit(np.array([refit.log_odds(X) for refit in model.refits]))
    low, high = np.percentile(refits, RANGE, axis=0)
    return np.minimum(low, probability), np.maximum(high, probability)


def _contributions(
    model: PredictionModel, X: pd.DataFrame, log_odds: np.ndarray, patients: Sequence[Patient]
) -> list[tuple[tuple[Contribution, ...], float, float]]:
    plan = np.array([p.plan for p in patients], dtype=object)
    of_plan = [i for i, f in enumerate(model.features) if f.known == "plan"]
    phi, leftover, start = relative_to_plan(
        attribute(model.estimator, X), log_odds, plan, _baselines(model), plan_features=of_plan
    )
    points = to_probability(phi, start, log_odds)
    other = to_probability(leftover, start, log_odds)
    by_name = {one.name: one for one in model.inputs}
    found = []
    for i, patient in enumerate(patients):
        rows = [
            Contribution(
                name=f.name,
                label=f.label,
                value=patient.values[f.name],
                unit=f.unit,
                reference=by_name[f.name].typical.get(patient.plan),
                points=float(points[i, j]),
                sensitive=f.sensitive,
            )
            for j, f in enumerate(model.features)
            if f.known != "plan"
        ]
        rows.sort(key=lambda c: (-abs(c.points), c.name))
        found.append((tuple(rows), float(other[i]), float(expit(start[i]))))
    return found


def _baselines(model: PredictionModel) -> dict[str, tuple[float, np.ndarray, int]]:
    """Baselines in the order of the features, as `relative_to_plan` takes them."""
    names = [f.name for f in model.features]
    return {
        plan: (one.start_log_odds, np.array([one.mean_log_odds_contributions[name] for name in names]), one.n)
        for plan, one in model.baselines.items()
    }
