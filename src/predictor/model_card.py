"""The card of a prediction model: what it predicts, how it was judged, on whom, and until when it may be used."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from predictor.data.frames import rows_of
from predictor.provenance import package_versions
from predictor.reports.facts import tried, verdict_facts
from predictor.reports.model import LIMITS
from predictor.reports.verdict_wording import group_reason, verdict_sentence
from predictor.study import Study, describe_outcome
from predictor.validation.evaluation import Evaluation

__all__ = ["write_card"]


def write_card(
    study: Study,
    evaluation: Evaluation,
    *,
    overridden: str,
    chosen: str,
    rows: np.ndarray,
    created: date,
) -> dict[str, object]:
    """Say what the model is, how it was judged and until when it may be used.

    Parameters
    ----------
    study : Study
    evaluation : Evaluation
    overridden : str
        What `predictor.adequacy.Adequacy` says where the training went on with too few patients.
    chosen : str
        The candidate that was fitted on everybody.
    rows : ndarray of int
        Positions of the evaluable units.
    created : date
    """
    config = study.loaded.config
    facts = verdict_facts(study, evaluation)
    judged = evaluation.performance[evaluation.performance["kind"] == "judged"]
    metrics = {
        str(r.metric): {"value": _number(r.value), "low": _number(r.low), "high": _number(r.high)}
        for r in rows_of(judged)
    }
    y = study.primary.label[rows]
    return {
        "name": config.experiment.name,
        "title": config.report.title or config.experiment.question,
        "owner": config.report.owner,
        "contact": config.report.contact,
        "not_covered": config.report.not_covered or "",
        "paper": config.report.paper,
        "outcome": _outcome(study),
        "chosen": chosen,
        "verdict": {
            "label": evaluation.verdict.label,
            "sentence": verdict_sentence(facts),
            "reason": group_reason(facts),
        },
        "metrics": metrics,
        "plain_counts": evaluation.plain_counts,
        "tried": [one.model_dump() for one in tried(study, evaluation)],
        "group_interval": evaluation.group_interval,
        "override": overridden,
        "limits": list(LIMITS),
        "n": len(y),
        "events": int(y.sum()),
        "developed_on": _developed_on(study, rows, y),
        "simulated": study.simulated,
        "created": created.isoformat(),
        "valid_until": (created + timedelta(days=config.report.valid_days)).isoformat(),
        "config_sha256": study.loaded.config_hash,
        "dictionary_sha256": study.loaded.dictionary_hash,
        "data_sha256": study.data_hash,
        "versions": package_versions(),
    }


def _outcome(study: Study) -> dict[str, str]:
    section = study.loaded.config.outcomes[study.primary.name]
    horizon, scale = "", ""
    if section.kind == "event":
        scale = section.column
    elif section.kind == "adverse_event":
        horizon, scale = f"day {section.assessed.last_day}", ", ".join(harm.column for harm in section.any)
    elif section.kind == "relapse":
        horizon, scale = f"{section.within} days after the response", section.measure
    else:
        horizon, scale = f"day {section.assessed.target_day or section.assessed.last_day}", section.measure
    return {
        "name": study.primary.name,
        "definition": describe_outcome(study, study.primary.name),
        "horizon": horizon,
        "scale": scale,
        "better": "lower",
    }


def _developed_on(study: Study, rows: np.ndarray, y: np.ndarray) -> str:
    text = f"{len(y)} patients, {int(y.sum())} with the outcome"
    clusters = len(np.unique(study.cohort.groups[rows]))
    return f"{text}, {clusters} clusters" if study.loaded.config.cohort.group else text


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
