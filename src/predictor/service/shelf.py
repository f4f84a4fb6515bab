"""The models that a service offers: each has passed every check, its own golden patients included, before it opens."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

from predictor.errors import Problem, RefusedError
from predictor.interoperability.intake import FhirIntake
from predictor.model_folder import ESTIMATOR, MANIFEST, SIGNATURE
from predictor.model_trial import try_estimator
from predictor.prediction.reading import Rows
from predictor.prediction_model import PredictionModel, load_prediction_model
from predictor.reports.patient import example_rows, patient_views
from predictor.reports.render import render_patient_report
from predictor.reports.wording import say
from predictor.service.form import FormField, blank_form
from predictor.signature import current_policy

__all__ = ["Offered", "open_shelf"]

REPORT = "model_report.html"


@dataclass(frozen=True)
class Offered:
    """One model under the name that its pages have.

    Parameters
    ----------
    id : str
        Small letters, digits and hyphens.
    model : PredictionModel
    signed : bool
        Folder and clinical sign-off, by keys that the policy names; what is not is shown as a demonstration.
    report : str
        The model report of its training as HTML; empty where it does not stand beside the model.
    folder : Path or None
        Where it was loaded from. It is not read again: what is served stays as it was checked.
    """

    id: str
    model: PredictionModel
    signed: bool
    report: str = ""
    folder: Path | None = None

    @property
    def replaced(self) -> bool:
        """Whether its folder holds another model by now, or none: that is what a restart would find."""
        if self.folder is None:
            return False
        try:
            there = json.loads((self.folder / MANIFEST).read_bytes()).get("sha256")
        except (OSError, ValueError, AttributeError):
            return True
        return bool(there != self.model.manifest.get("sha256"))

    @property
    def mark(self) -> str:
        """What stands first in everything that a model which nobody has signed says; empty for a signed one."""
        return "" if self.signed else say("demonstration")

    @property
    def title(self) -> str:
        """What it predicts, in words."""
        return str(self.model.card["title"])

    @property
    def personal(self) -> bool:
        """Whether it gives personal numbers, as it was shown to be better or is released for research."""
        return bool(self.model.refits)

    @cached_property
    def questions(self) -> tuple[FormField, ...]:
        """Its empty form, laid out once."""
        return blank_form(self.model)

    @cached_property
    def intake(self) -> FhirIntake:
        """What reads its inputs from a patient's FHIR resources."""
        return FhirIntake(self.model)

    @property
    def valid_until(self) -> date:
        """Its last day."""
        return date.fromisoformat(str(self.model.card["valid_until"]))

    def expired(self, today: date) -> bool:
        """Whether its time is over: then it answers with a refusal."""
        return self.valid_until < today


def open_shelf(
    folders: Sequence[Path], *, demonstration: bool, tried: Collection[str] = ()
) -> tuple[Offered, ...]:
    """Load the models.

    Parameters
    ----------
    folders : sequence of Path
    demonstration : bool
        Offer unsigned models too, each page marked as a demonstration.
    tried : collection of str
        Hashes of models whose estimator a process before this one has built already, which takes the longest.

    Raises
    ------
    ModelError
        A gate that a folder does not pass, that of its sign-off included.
    RefusedError
        ART-20, for a model that nobody signed whom the policy names; ART-22, for one without a clinical sign-off that
        holds today.
    """
    keys = current_policy().keys
    today = datetime.now(UTC).date()
    found: list[Offered] = []
    for folder in folders:
        model = load_prediction_model(folder)
        # With keys in the policy, a signature of anybody else has not passed the load.
        signed = bool(keys) and (folder / SIGNATURE).exists()
        if not signed and not demonstration:
            raise RefusedError(_unsigned(folder))
        complaint = model.sign_off.complaint(today) if model.sign_off else "it has no clinical sign-off"
        if complaint and not demonstration:
            raise RefusedError(_not_signed_off(folder, complaint))
        if not complaint:
            model = _until_sign_off(model)
        # What cannot be built must not be offered. It is built in a process of its own: answers come from the plain
        # numbers, and the libraries of the estimator would take half of the memory.
        if model.manifest["sha256"] not in tried:
            try_estimator(folder / ESTIMATOR, (folder / ESTIMATOR).read_bytes())
        _warm_up(model)
        id_ = _free(_slug(str(model.card["name"])), found)
        offered = Offered(id_, model, signed and not complaint, _report_beside(folder), folder)
        found.append(offered)
    return tuple(found)


def _until_sign_off(model: PredictionModel) -> PredictionModel:
    """End the model's time with its sign-off, so that a service that runs on refuses from the day after."""
    assert model.sign_off is not None
    until = min(str(model.card["valid_until"]), model.sign_off.expires.isoformat())
    return replace(model, card={**model.card, "valid_until": until})


def _report_beside(folder: Path) -> str:
    """Read the report that a training writes beside its model; a folder that was copied alone has none."""
    path = folder.parent / REPORT
    return path.read_text(encoding="utf-8") if path.is_file() and not path.is_symlink() else ""


def _warm_up(model: PredictionModel) -> None:
    """Lead invented patients through the whole way, so that the first real one waits for no import and no table."""
    invented = example_rows(model)
    table = Rows(list(invented[0]), [list(row.values()) for row in invented])
    for view in patient_views(model, table, now=datetime.now(UTC), user_ref="start"):
        render_patient_report(view)


def _unsigned(folder: Path) -> Problem:
    remedy = (
        "Sign it (predictor sign MODEL --key KEY) and name the key in the policy file; "
        "--demonstration serves it on this machine only, marked on every page"
    )
    return Problem("ART-20", "an unsigned model is not offered to clinicians", remedy, file=str(folder))


def _not_signed_off(folder: Path, complaint: str) -> Problem:
    remedy = (
        "Record one (predictor sign MODEL --by NAME, ROLE --evidence FILE --key KEY); "
        "--demonstration serves it on this machine only, marked on every page"
    )
    message = f"the model is not offered to clinicians: {complaint}"
    return Problem("ART-22", message, remedy, file=str(folder))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"


def _free(slug: str, taken: Sequence[Offered]) -> str:
    names = {one.id for one in taken}
    return next(
        name for i in range(len(names) + 1) if (name := slug if i == 0 else f"{slug}-{i + 1}") not in names
    )
