"""Twenty made-up patients whose probabilities are kept with a model: it is believed when they get them again.

They are drawn from the ranges that the model has learned, so that they are nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.features.dataset import Feature
from predictor.model_folder import refuse
from predictor.other_outcomes import outcome_differences
from predictor.prediction_model.model import InputField, PredictionModel, raw_columns

if TYPE_CHECKING:
    from predictor.models.averaging import AveragedClassifier

__all__ = ["estimator_difference", "golden_record", "require_reproduced", "scorer_difference"]

CASES, SEED, TOLERANCE = 20, 20, 1e-9


def golden_record(model: PredictionModel) -> dict[str, Any]:
    """Draw the made-up patients and note their probabilities, as plain JSON.

    Parameters
    ----------
    model : PredictionModel
    """
    rows = _draw_rows(model.features, model.inputs)
    return {
        "inputs": rows,
        "probabilities": _by_estimator(model.estimator, model.features, rows),
        "outcomes": _of_outcomes(model, rows),
    }


def scorer_difference(model: PredictionModel, golden: Mapping[str, Any]) -> np.ndarray:
    """Compare the plain numbers, compiled and as they stand, with what is on record.

    Parameters
    ----------
    model : PredictionModel
    golden : mapping
        See `golden_record`.

    Returns
    -------
    ndarray of shape (20,)
        Largest absolute difference in the probabilities of each made-up patient.

    Raises
    ------
    ValueError, KeyError, TypeError
        Where the record is not one of this model.
    """
    rows = golden["inputs"]
    if not len(rows) == len(golden["probabilities"]) == CASES:
        raise ValueError(f"{CASES} made-up patients were expected")
    raw = raw_columns(model.features, rows)
    expected = np.array(golden["probabilities"], dtype=np.float64)
    found = model.scorer.probability(raw, len(rows)), model.scorer.probability(raw, len(rows), fused=True)
    others = outcome_differences(model.outcomes, golden.get("outcomes", {}), raw, len(rows))
    return np.asarray(np.stack([*np.abs(np.stack(found) - expected), *others]).max(axis=0))


def estimator_difference(
    estimator: AveragedClassifier, features: Sequence[Feature], golden: Mapping[str, Any]
) -> np.ndarray:
    """Compare the scikit-learn estimator with what is on record, as `scorer_difference` does.

    Parameters
    ----------
    estimator : AveragedClassifier
    features : sequence of Feature
    golden : mapping
    """
    found = np.array(_by_estimator(estimator, features, golden["inputs"]))
    return np.asarray(np.abs(found - np.array(golden["probabilities"], dtype=np.float64)))


def require_reproduced(path: Path, difference: np.ndarray) -> None:
    """Refuse a model that gives a made-up patient another probability than it did at training.

    Parameters
    ----------
    path : Path
        The model's folder or file.
    difference : ndarray

    Raises
    ------
    ModelError
        ART-09.
    """
    if not difference.max() <= TOLERANCE:
        case = int(np.argmax(~(difference <= TOLERANCE))) + 1
        refuse("ART-09", path, f"made-up patient {case} of {len(difference)} gets another probability")


def _of_outcomes(model: PredictionModel, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Probabilities of the made-up patients, by the estimator where it is at hand, else by the plain numbers."""
    raw = raw_columns(model.features, rows)
    return {
        one.name: _by_estimator(one.build(), model.features, rows)
        if one.build is not None
        else [float(p) for p in one.scorer.probability(raw, len(rows))]
        for one in model.outcomes
        if one.scorer is not None
    }


def _draw_rows(features: Sequence[Feature], inputs: Sequence[InputField]) -> list[dict[str, Any]]:
    """Draw made-up patients inside what was learned; some values are missing where some were in development."""
    rng = np.random.default_rng(SEED)
    by_name = {field.name: field for field in inputs}

    def draw(field: InputField) -> float | str | None:
        if field.missing_share > 0 and rng.random() < 0.1:
            return None
        if field.kind == "category":
            return str(rng.choice(field.levels)) if field.levels else None
        return None if field.learned is None else float(rng.uniform(*field.learned))

    return [{f.name: draw(by_name[f.name]) for f in features} for _ in range(CASES)]


def _by_estimator(
    estimator: AveragedClassifier, features: Sequence[Feature], rows: Sequence[Mapping[str, Any]]
) -> list[float]:
    import pandas as pd

    types = {"number": np.float64, "category": object}
    columns = {f.name: np.array([row[f.name] for row in rows], dtype=types[f.kind]) for f in features}
    found = estimator.predict_proba(pd.DataFrame(columns, columns=[f.name for f in features]))[:, 1]
    return [float(one) for one in found]
