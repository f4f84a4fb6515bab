"""The models that a service offers: each has passed every check, its own golden patients included, before it opens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from predictor.errors import Problem, RefusedError
from predictor.model_folder import SIGNATURE
from predictor.prediction_model import PredictionModel, load_prediction_model
from predictor.reports.patient import example_patients, patient_views
from predictor.signature import current_policy

__all__ = ["Offered", "open_shelf"]


@dataclass(frozen=True)
class Offered:
    """One model under the name that its pages have.

    Parameters
    ----------
    id : str
        Small letters, digits and hyphens.
    model : PredictionModel
    signed : bool
        By a key that the policy names.
    """

    id: str
    model: PredictionModel
    signed: bool

    @property
    def title(self) -> str:
        """What it predicts, in words."""
        return str(self.model.card["title"])

    @property
    def personal(self) -> bool:
        """Whether it gives personal numbers, as it was shown to be better or is released for research."""
        return bool(self.model.refits)

    def expired(self, today: date) -> bool:
        """Whether its time is over: then it answers with a refusal."""
        return date.fromisoformat(str(self.model.card["valid_until"])) < today


def open_shelf(folders: Sequence[Path], *, demonstration: bool) -> tuple[Offered, ...]:
    """Load the models.

    Parameters
    ----------
    folders : sequence of Path
    demonstration : bool
        Offer unsigned models too, each page marked as a demonstration.

    Raises
    ------
    ModelError
        A gate that a folder does not pass.
    RefusedError
        ART-20, for a model that nobody signed whom the policy names.
    """
    keys = current_policy().keys
    found: list[Offered] = []
    for folder in folders:
        model = load_prediction_model(folder)
        _ = model.estimator  # built now: what cannot be built must not be offered
        # An invented patient through the whole way, so that the first real one does not wait for imports and tables.
        patient_views(model, example_patients(model), now=datetime.now(UTC), user_ref="start")
        # With keys in the policy, a signature of anybody else has not passed the load.
        signed = bool(keys) and (folder / SIGNATURE).exists()
        if not signed and not demonstration:
            raise RefusedError(_unsigned(folder))
        found.append(Offered(_free(_slug(str(model.card["name"])), found), model, signed))
    return tuple(found)


def _unsigned(folder: Path) -> Problem:
    remedy = (
        "Sign it (predictor sign MODEL --key KEY) and name the key in the policy file; "
        "--demonstration serves it on this machine only, marked on every page"
    )
    return Problem("ART-20", "an unsigned model is not offered to clinicians", remedy, file=str(folder))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"


def _free(slug: str, taken: Sequence[Offered]) -> str:
    names = {one.id for one in taken}
    return next(
        name for i in range(len(names) + 1) if (name := slug if i == 0 else f"{slug}-{i + 1}") not in names
    )
