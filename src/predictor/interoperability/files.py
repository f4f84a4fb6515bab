"""A patient's Bundle from a file, for the command line: what `predictor predict --fhir` reads and says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from predictor.errors import DataError, Problem
from predictor.interoperability.bundle import MOST_BYTES, read_bundle
from predictor.interoperability.candidates import Clock
from predictor.interoperability.intake import FhirIntake
from predictor.interoperability.risk_assessment import patient_resources
from predictor.prediction_model import PredictionModel
from predictor.reports.patient import patient_views
from predictor.reports.wording import say

__all__ = ["report_of_bundle"]


def report_of_bundle(
    model: PredictionModel, path: Path, *, as_of: date | None = None
) -> tuple[dict[str, Any], str]:
    """Estimate the one patient of a file.

    Parameters
    ----------
    model : PredictionModel
    path : Path
    as_of : date or None
        Day of the assessment; today where None.

    Returns
    -------
    tuple of dict and str
        The resources, and what they say in lines.

    Raises
    ------
    DataError
        DAT-15, or FHI-02 to FHI-08, with the file.
    """
    try:
        bundle = read_bundle(_bytes_of(path))
        now = datetime.combine(as_of, time(12), tzinfo=UTC) if as_of else datetime.now().astimezone()
        inputs = FhirIntake(model).read(bundle, Clock(now.date()))
    except DataError as error:
        raise DataError([replace(one, file=str(path)) for one in error.problems]) from None
    view = patient_views(model, inputs.rows("not named"), now=now, user_ref="")[0]
    written = patient_resources(view, subject=inputs.subject, basis=inputs.basis, condition=inputs.condition)
    prediction = written["entry"][0]["resource"]["prediction"][0]
    lines = [say("demonstration")] if view.model.demonstration else []
    lines += [say("simulated")] if view.simulated else []
    lines += [prediction["outcome"]["text"], prediction["rationale"]]
    lines += [f"{reason.rule}. {reason.resolve}" for reason in view.refusal]
    return written, "\n".join(lines)


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        message = f"the file cannot be read ({error.strerror})"
        raise DataError(Problem("DAT-15", message, "Name a file with one patient's Bundle")) from error
