"""What the sentences of both reports rest on, taken from a finished evaluation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from predictor.reports.content import Tried
from predictor.reports.verdict_wording import Gain, VerdictFacts
from predictor.reports.wording import interval_text
from predictor.study import Study
from predictor.validation.evaluation import Evaluation

__all__ = ["feature_labels", "tried", "verdict_facts", "whole_set"]


def verdict_facts(study: Study, evaluation: Evaluation) -> VerdictFacts:
    """Collect what the verdict's sentences depend on.

    Parameters
    ----------
    study : Study
    evaluation : Evaluation
    """
    verdict = evaluation.verdict
    between = evaluation.between_references
    adds = {one.reference for one in between if one.low > 0 and one.gain >= verdict.margin}
    planned = "plan" in study.protocol.references
    return VerdictFacts(
        verdict=verdict.label,
        n=verdict.events + verdict.non_events,
        responders=verdict.events,
        groups=verdict.clusters,
        margin=verdict.margin,
        gains=tuple(
            Gain(one.reference, one.gain, one.low, one.high, one.upper) for one in verdict.comparisons
        ),
        plan_adds="plan over prevalence" in adds,
        severity_adds=("severity + plan over plan" if planned else "severity over prevalence") in adds,
        level=study.loaded.config.validation.interval.level,
    )


def tried(study: Study, evaluation: Evaluation) -> tuple[Tried, ...]:
    """Say what was tried before no personal estimate was given, one line per candidate.

    Parameters
    ----------
    study : Study
    evaluation : Evaluation
    """
    performance = evaluation.performance
    lines = []
    for candidate in study.protocol.candidates:
        auc = _metric(performance, candidate.name, "auc")
        chance = "50 of 100 pairs in the right order is chance"
        result = f"AUC {interval_text(*auc)}; {chance}" if auc else "not judged"
        lines.append(
            Tried(
                label=candidate.model.replace("_", " "),
                built_from=f"{len(candidate.features)} inputs ({whole_set(study, candidate.feature_set)})",
                result=result,
            )
        )
    return tuple(lines)


def whole_set(study: Study, feature_set: str) -> str:
    """Return the groups that make up a feature set, in words.

    Parameters
    ----------
    study : Study
    feature_set : str
    """
    return ", ".join(group.replace("_", " ") for group in study.loaded.config.features.sets[feature_set])


def feature_labels(study: Study) -> Mapping[str, str]:
    """Return each feature's label by its name.

    Parameters
    ----------
    study : Study
    """
    return {feature.name: feature.label for feature in study.dataset.features}


def _metric(performance: pd.DataFrame, procedure: str, metric: str) -> tuple[float, float, float] | None:
    rows = performance[(performance["procedure"] == procedure) & (performance["metric"] == metric)]
    if rows.empty or not np.isfinite(rows["value"].iloc[0]):
        return None
    return float(rows["value"].iloc[0]), float(rows["low"].iloc[0]), float(rows["high"].iloc[0])
