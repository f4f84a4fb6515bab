"""From a finished external evaluation to its page and its lines in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from predictor.answers import WATERMARK
from predictor.cohort.definitions import outcome_text
from predictor.data.frames import rows_of
from predictor.external import ExternalEvaluation
from predictor.provenance import software_version
from predictor.reports.content_evaluation import (
    EvaluationReportV1,
    FigureRow,
    MixRow,
    StepRow,
    UpdateRow,
)
from predictor.reports.content_model import Interval
from predictor.validation.updating import Step

__all__ = ["evaluation_record", "evaluation_text", "evaluation_view"]

SMALLEST_P = 0.001
COUNTED = "Tested by scores of the {} clusters, not by patients"
NAMES = {
    "observed": "Share with the outcome, observed",
    "expected": "Share with the outcome, expected",
    "auc": "AUC",
    "brier": "Brier score",
    "scaled_brier": "Scaled Brier score",
    "log_loss": "Log loss",
    "calibration_intercept": "Calibration in the large",
    "calibration_slope": "Calibration slope",
    "observed_expected": "Observed / expected",
    "ici": "ICI",
    "e50": "E50",
    "e90": "E90",
    "net_benefit": "the model",
    "treat_all": "treating everybody",
    "net_benefit_gain": "the model minus treating everybody",
}


def evaluation_view(found: ExternalEvaluation, *, created: datetime) -> EvaluationReportV1:
    """Lay out the evaluation page.

    Parameters
    ----------
    found : ExternalEvaluation
    created : datetime
    """
    loaded, card = found.loaded, found.model.card
    config = loaded.config
    return EvaluationReportV1(
        title=str(card["title"]),
        experiment=config.experiment.name,
        created_utc=created,
        software_version=software_version(),
        model_name=str(card["name"]),
        model_sha256=str(found.model.manifest.get("sha256", "")),
        config_sha256=loaded.config_hash,
        data_sha256=found.data_hash,
        outcome=outcome_text(config.outcomes[config.primary]),
        simulated=found.simulated,
        n=found.n,
        events=found.events,
        level=config.validation.interval.level,
        advice=found.advice,
        steps=tuple(StepRow(step=str(r.step), units=int(r.units)) for r in rows_of(found.attrition)),
        figures=tuple(_figures(found.performance[found.performance["threshold"].isna()])),
        benefit=tuple(_figures(found.performance[found.performance["threshold"].notna()])),
        mix=tuple(_mix(found.case_mix)),
        updates=tuple(_updates(found.updating)),
        clusters=found.test.clusters,
        tested=found.test.note[:1].upper() + found.test.note[1:],
        notes=found.notes,
    )


def _figures(table: pd.DataFrame) -> Iterator[FigureRow]:
    for r in rows_of(table):
        at = f"{100 * r.threshold:g} %: " if np.isfinite(r.threshold) else ""
        if np.isfinite(r.value):
            figure = Interval(value=r.value, lo=_finite(r.low), hi=_finite(r.high))
            yield FigureRow(name=at + NAMES[r.metric], figure=figure, interval=str(r.interval))


def _mix(table: pd.DataFrame) -> Iterator[MixRow]:
    for r in rows_of(table.astype(object).where(table.notna(), None)):
        yield MixRow(
            what=str(r.what),
            level=str(r.level),
            unit=str(r.unit or ""),
            development=_with_sd(r.development, r.development_sd),
            here=_with_sd(r.here, r.here_sd),
            difference=r.difference,
        )


def _with_sd(value: float | None, sd: float | None) -> Interval | None:
    return None if value is None else Interval(value=value, lo=sd)


def _updates(table: pd.DataFrame) -> Iterator[UpdateRow]:
    for r in rows_of(table):
        yield UpdateRow(
            update="intercept and slope" if r.update == "slope" else str(r.update),
            parameters=int(r.parameters),
            intercept=_finite(r.intercept),
            slope=_finite(r.slope),
            statistic=_finite(r.statistic),
            df=int(r.df) if np.isfinite(r.df) else None,
            df_error=int(r.df_error) if np.isfinite(r.df_error) else None,
            p_value=_finite(r.p_value),
            chosen=bool(r.chosen),
        )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def evaluation_text(found: ExternalEvaluation) -> str:
    """Say who was answered, how well, and whether the model has to change.

    Parameters
    ----------
    found : ExternalEvaluation
    """
    performance = found.performance
    figures = [
        f"{NAMES[r.metric]}: {r.value:.3f} ({r.low:.3f} to {r.high:.3f}; {r.interval})"
        for r in rows_of(performance[performance["threshold"].isna()])
        if np.isfinite(r.value)
    ]
    last = found.case_mix.iloc[-1]
    spread = f"SD of the predicted log-odds: {last['here_sd']:.2f} here"
    if pd.notna(last["development_sd"]):
        spread += f", {last['development_sd']:.2f} in development (out of fold)"
    tests = [
        f"{s.smaller} against {s.larger}: {_statistic(s)}, "
        + (f"p {s.p_value:.3f}" if s.p_value >= SMALLEST_P else f"p < {SMALLEST_P}")
        for s in found.test.steps
    ]
    parts = [WATERMARK] if found.simulated else []
    parts += [
        f"{found.model.card['name']} on {found.loaded.config.experiment.name}",
        found.attrition.to_string(index=False),
        f"{found.n} answered, {found.events} with the outcome",
        "",
        *figures,
        "",
        spread,
        *([COUNTED.format(found.test.clusters)] if found.test.steps and found.test.clusters else []),
        *tests,
        *filter(None, [found.test.note[:1].upper() + found.test.note[1:]]),
        found.advice,
        *(f"Note: {note}" for note in found.notes),
    ]
    return "\n".join(parts)


def _statistic(step: Step) -> str:
    if step.df_error is None:
        return f"χ² {step.statistic:.2f} on {step.df} df"
    return f"F {step.statistic:.2f} on {step.df} and {step.df_error} df"


def evaluation_record(found: ExternalEvaluation) -> dict[str, Any]:
    """Return the same as plain data.

    Parameters
    ----------
    found : ExternalEvaluation
    """
    return {
        "simulated": found.simulated,
        "n": found.n,
        "events": found.events,
        "attrition": _records(found.attrition),
        "performance": _records(found.performance),
        "case_mix": _records(found.case_mix),
        "updating": _records(found.updating),
        "clusters": found.test.clusters,
        "chosen": found.test.chosen,
        "advice": found.advice,
        "notes": list(found.notes),
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]
