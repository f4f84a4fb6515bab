"""The new version of a model: the same model through the line that patients elsewhere ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from predictor.external.evaluation import ExternalEvaluation
from predictor.models.averaging import AveragedClassifier
from predictor.models.plain import CompactModel
from predictor.prediction_model import PredictionModel
from predictor.study import is_simulated

__all__ = ["updated_model"]


def updated_model(found: ExternalEvaluation, *, parent: str, created: date) -> PredictionModel:
    """Recalibrate the model by the line that the closed test chose.

    Parameters
    ----------
    found : ExternalEvaluation
    parent : str
        SHA-256 of the folder that the model came from.
    created : date

    Returns
    -------
    PredictionModel
        The same model through a line on its final log-odds; its card says where the line comes from. Verdict,
        figures and date of expiry stay those of the parent.

    Raises
    ------
    ValueError
        Where these patients do not ask for a recalibration, or are the model's own.
    """
    update, model = found.test.update, found.model
    if not found.recalibrates:
        raise ValueError("There is no recalibration to write. Ask `recalibrates` first.")
    estimator = model.estimator.recalibrated((update.slope, update.intercept))
    step = {
        "method": update.method,
        "intercept": update.intercept,
        "slope": update.slope,
        "n": found.n,
        "events": found.events,
        "experiment": found.loaded.config.experiment.name,
        "simulated": is_simulated(found.loaded.dictionary),
        "parent_sha256": parent,
        "data_sha256": found.data_hash,
        "config_sha256": found.loaded.config_hash,
        "dictionary_sha256": found.loaded.dictionary_hash,
        "created": created.isoformat(),
        "tests": [vars(one) for one in found.test.steps],
    }
    return replace(
        model,
        build=lambda: estimator,
        scorer=_through(model.scorer, estimator),
        refits=tuple(_through(refit, estimator) for refit in model.refits),
        card={
            **model.card,
            "simulated": found.simulated,
            "created": created.isoformat(),
            "limits": [*model.card["limits"], _limit(step)],
            "updates": [*model.card.get("updates", []), step],
        },
        manifest={"parent": parent},
    )


def _through(model: CompactModel, estimator: AveragedClassifier) -> CompactModel:
    return replace(model, line=estimator.line_)


def _limit(step: Mapping[str, Any]) -> str:
    changed = "its level was" if step["method"] == "intercept" else "its level and spread were"
    simulated = "SIMULATED " if step["simulated"] else ""
    return (
        f"After development {changed} adapted to {step['n']} other {simulated}patients, {step['events']} with the "
        "outcome; how good it is was measured before that, on the patients it was developed on."
    )
