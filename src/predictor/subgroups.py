"""The declared subgroups of a study, and how the judged procedure does in each of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from predictor.cohort.selection import baseline_values
from predictor.config.schema import Subgroup
from predictor.study import Study
from predictor.validation.procedures import arrange
from predictor.validation.resampling import FoldResult, fold_predictions
from predictor.validation.subgroups import COLUMNS, subgroup_performance

__all__ = ["evaluate_subgroups", "subgroup_labels"]


def evaluate_subgroups(study: Study, results: Sequence[FoldResult]) -> pd.DataFrame:
    """Evaluate the out-of-fold predictions of the primary outcome in every declared subgroup.

    Parameters
    ----------
    study : Study
    results : sequence of FoldResult

    Returns
    -------
    DataFrame
        As `predictor.validation.subgroups.subgroup_performance`; empty where none is declared.
    """
    config = study.loaded.config
    if not config.report.subgroups:
        return pd.DataFrame(columns=COLUMNS)
    evaluable, _ = study.evaluable(config.primary)
    rows, procedures = arrange(fold_predictions(results, study.protocol, positions=evaluable))
    return subgroup_performance(
        next(one for one in procedures if one.kind == "judged"),
        study.primary.label[rows],
        study.cohort.groups[rows],
        {name: labels[rows] for name, labels in subgroup_labels(study).items()},
        thresholds=config.validation.thresholds,
        level=config.validation.interval.level,
        resamples=config.validation.interval.resamples,
        seed=config.experiment.seed,
    )


def subgroup_labels(study: Study) -> dict[str, np.ndarray]:
    """Return the subgroup of every unit by each declared column, empty where it is not known at day 0.

    Parameters
    ----------
    study : Study
    """
    return dict(_labelled(study, one) for one in study.loaded.config.report.subgroups)


def _labelled(study: Study, one: Subgroup) -> tuple[str, np.ndarray]:
    dictionary, config = study.loaded.dictionary, study.loaded.config
    found = dictionary.find(one.column)
    values = baseline_values(study.cohort.timeline, dictionary, one.column, baseline=config.cohort.baseline)
    if found is None:
        raise ValueError("The config's checks let a column through that is not declared.")
    _, header, column = found
    label = column.label or column.reference(header).replace("_", " ")
    return label, np.array([_label(value, one, kind=column.kind, unit=column.unit) for value in values])


def _label(value: object, one: Subgroup, *, kind: str, unit: str) -> str:
    if value is None or value != value:  # NaN is not itself
        return ""
    if kind == "boolean":
        return "yes" if str(value).lower() in {"true", "1", "1.0"} else "no"
    if one.cut is None:
        return str(value)
    limit = f"{one.cut:g} {unit}".strip()
    return f"{limit} or more" if float(str(value)) >= one.cut else f"below {limit}"
