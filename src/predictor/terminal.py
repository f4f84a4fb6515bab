"""What the command line prints: the same facts as text for a person and as a record for a machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from predictor.answers import WATERMARK
from predictor.checking import CheckReport
from predictor.checks.finding import Finding, findings_frame, forbidding
from predictor.cohort.outcomes import sensitivity
from predictor.data.frames import rows_of
from predictor.experiment import Training

__all__ = [
    "check_record",
    "check_text",
    "training_record",
    "training_text",
]


def check_text(report: CheckReport) -> str:
    """Say what a training would find.

    Parameters
    ----------
    report : CheckReport
    """
    parameters = report.adequacy.table.rename(
        columns={
            "feature_set": "set",
            "parameters": "P",
            "events_per_parameter": "events/P",
            "n_needed": "n needed",
            "affordable": "P affordable",
        }
    )
    parts = [
        _heading("Who is in"),
        _table(report.attrition),
        _heading("Outcomes"),
        _table(report.outcomes.fillna("")),
        _heading(
            f"Sample size (Riley's criteria, expecting {report.adequacy.expected}: R² "
            f"{report.adequacy.r_squared:.3f}; penalties and selection make no parameter cheaper; trees have no "
            "criterion, and the same P is shown for them)"
        ),
        _table(parameters.round(3)),
        _heading("Work"),
        f"{report.fits} fits, about {max(report.cpu_seconds / 60, 0.1):.1f} minutes of CPU",
    ]
    if report.notices:
        parts += [_heading("To know before training"), *(f"- {notice}" for notice in report.notices)]
    allowed = tuple(one for one in report.findings if one not in forbidding(report.findings))
    parts += _findings(allowed, "Checks for leaks")
    if report.problems:
        parts += [_heading("What stops `predictor train`"), *(str(problem) for problem in report.problems)]
    else:
        parts += ["", "No problem found: `predictor train` can start."]
    return "\n".join(parts)


def check_record(report: CheckReport) -> dict[str, Any]:
    """Return the same as plain data.

    Parameters
    ----------
    report : CheckReport
    """
    return {
        "attrition": _records(report.attrition),
        "outcomes": _records(report.outcomes),
        "features": _records(report.features),
        "expected": report.adequacy.expected,
        "r_squared": report.adequacy.r_squared,
        "parameters": _records(report.adequacy.table),
        "fits": report.fits,
        "cpu_seconds": report.cpu_seconds,
        "notices": list(report.notices),
        "problems": [str(problem) for problem in report.problems],
        "findings": _records(findings_frame(report.findings)),
    }


def training_text(training: Training) -> str:
    """Say who was in, how the models compare, the verdict, and where everything is.

    Parameters
    ----------
    training : Training
    """
    study, evaluation = training.study, training.evaluation
    y = study.primary.label[study.primary.evaluable]
    missing = study.primary.missing_reasons()
    reasons = "; ".join(f"{r.reason}: {r.n}" for r in rows_of(missing) if r.reason != "observed")
    parts = [WATERMARK] if study.simulated else []
    parts += [
        _heading(study.loaded.config.experiment.question),
        _table(study.cohort.attrition),
        f"{study.primary.name}: {len(y)} evaluable, {int(y.sum())} with the outcome"
        + (f" (missing: {reasons})" if reasons else ""),
        *_other_strategies(training),
        _heading("Models side by side, out of fold (95 % limits; the references come first)"),
        _table(performance_table(evaluation.performance)),
        *_other_outcomes(training),
        *_findings(training.findings, "Checks"),
        _heading("Verdict"),
        f"{training.model.model.card['verdict']['sentence']}",
        _heading("Where to look"),
        f"Model report     {_short(training.model_report)}",
        *(f"Patient report   {_short(path)}" for path in training.patient_reports),
        f"Prediction model {_short(training.folder / 'model')}",
    ]
    if training.tracking is not None:
        parts.append("MLflow           predictor ui    (then open http://localhost:5000)")
    return "\n".join([*parts, *(f"Notice: {notice}" for notice in training.notices)])


def _findings(findings: Sequence[Finding], heading: str) -> list[str]:
    """List what the checks have found; nothing where they found nothing."""
    return [_heading(heading), *(f"- {one}" for one in findings)] if findings else []


def _other_outcomes(training: Training) -> list[str]:
    """Say what the judged procedure reaches on the outcomes that the verdict is not about."""
    table = training.secondary
    if table.empty:
        return []
    lines = []
    for name, rows in table.groupby("outcome", sort=False):
        first = rows.iloc[0]
        auc = rows[rows["metric"] == "auc"]
        figures = [f"AUC {r.value:.3f} ({r.low:.3f} to {r.high:.3f})" for r in rows_of(auc)]
        share = (
            f"mean {first['mean']:.1f}, SD {first['sd']:.1f}"
            if first["kind"] == "change"
            else f"{int(first['events'])} events"
        )
        lines.append(
            "; ".join([f"{name}: {first['n']} evaluable, {share}", *figures, *filter(None, [first["note"]])])
        )
    return [_heading("Other outcomes on the same folds, by the judged procedure"), *lines]


def _other_strategies(training: Training) -> list[str]:
    """Responders under the other ways to treat missing outcomes and baselines; nothing for events without scores."""
    config = training.study.loaded.config
    table = sensitivity(
        training.study.cohort.timeline,
        config.primary,
        config.outcomes[config.primary],
        baseline=config.cohort.baseline,
    )
    if table.empty:
        return []
    shown = table.assign(declared=["declared" if one else "sensitivity" for one in table["declared"]])
    return [_heading("The outcome under other strategies"), _table(shown)]


def training_record(training: Training) -> dict[str, Any]:
    """Return the same as plain data.

    Parameters
    ----------
    training : Training
    """
    card = training.model.model.card
    return {
        "simulated": training.study.simulated,
        "attrition": _records(training.study.cohort.attrition),
        "performance": _records(training.evaluation.performance),
        "secondary": _records(training.secondary),
        "verdict": card["verdict"],
        "run": str(training.folder),
        "model": str(training.folder / "model"),
        "model_report": str(training.model_report),
        "patient_reports": [str(path) for path in training.patient_reports],
        "mlflow_run": training.tracking.run_id if training.tracking else None,
        "findings": _records(findings_frame(training.findings)),
        "notices": list(training.notices),
    }


def performance_table(performance: pd.DataFrame) -> pd.DataFrame:
    """Return one row per procedure and one column per metric, each as value (low to high).

    Parameters
    ----------
    performance : pandas.DataFrame
        Tidy, as `Evaluation.performance`.
    """
    shown = {"auc": "AUC", "log_loss": "log loss", "brier": "Brier", "calibration_slope": "cal. slope"}
    rows = performance[performance["metric"].isin(shown)].copy()
    rows["text"] = [
        f"{r.value:.3f} ({r.low:.3f} to {r.high:.3f})" if np.isfinite(r.value) else "" for r in rows_of(rows)
    ]
    order = list(dict.fromkeys(performance["procedure"]))
    table = rows.pivot(index="procedure", columns="metric", values="text").reindex(
        index=order, columns=list(shown)
    )
    return table.rename(columns=shown).reset_index()


def _heading(text: str) -> str:
    return f"\n{text}\n{'-' * min(len(text), 110)}"


def _table(frame: pd.DataFrame) -> str:
    return frame.to_string(index=False) if len(frame) else "(none)"


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
