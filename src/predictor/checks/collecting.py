"""All checks in order: each stands here once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from predictor.checks.finding import Finding, acknowledge
from predictor.checks.identity import duplicates, groups, order
from predictor.checks.judgement import (
    implausibly_good,
    mean_difference,
    miscalibration,
    no_better_than_permuted,
    non_convergence,
    overfitting,
    search_edges,
    sites_differ,
    unstable_predictions,
)
from predictor.checks.leaks import late_names, outcome_components, same_day_values, single_features
from predictor.study import Study
from predictor.validation.procedures import arrange
from predictor.validation.resampling import FoldResult, fold_predictions

if TYPE_CHECKING:
    from predictor.models.tuning import TunedClassifier
    from predictor.validation.evaluation import Evaluation

__all__ = ["BEFORE", "check_study", "check_training"]

BEFORE: tuple[Callable[[Study], Iterator[Finding]], ...] = (
    single_features,
    late_names,
    outcome_components,
    groups,
    order,
    duplicates,
    same_day_values,
)


def check_study(study: Study) -> tuple[Finding, ...]:
    """Look for leaks before the first fit.

    Parameters
    ----------
    study : Study

    Returns
    -------
    tuple of Finding
        The gravest first.
    """
    found = (_in_file(finding, study) for finding in chain.from_iterable(check(study) for check in BEFORE))
    return acknowledge(found, study.loaded.config.validation.acknowledged)


def _in_file(finding: Finding, study: Study) -> Finding:
    """Name the file of the column, or of the table, that a finding is about."""
    table = finding.subject.partition(".")[0]
    dictionary = study.loaded.dictionary
    return replace(finding, file=dictionary[table].source.path) if table in dictionary else finding


def check_training(
    study: Study,
    results: Sequence[FoldResult],
    evaluation: Evaluation,
    *,
    fitted: Mapping[str, TunedClassifier],
    weights: Mapping[str, float],
    apparent: np.ndarray,
    transport: pd.DataFrame,
    instability: float | None = None,
) -> tuple[Finding, ...]:
    """Look at a finished training.

    Parameters
    ----------
    study : Study
    results : sequence of FoldResult
        Of every outer fold.
    evaluation : Evaluation
    fitted : mapping of str to TunedClassifier
        Every candidate, fitted on all evaluable units.
    weights : mapping of str to float
        Share of each in the final model.
    apparent : ndarray of shape (n,)
        Probabilities of the final model for the evaluable units.
    transport : DataFrame
        Empty where no group was left out.
    instability : float, optional
        Mean absolute difference between the probabilities of refits on resamples and of the model; without it the
        repeats of the cross-validation are compared.

    Returns
    -------
    tuple of Finding
        The gravest first.
    """
    config = study.loaded.config
    rows, y = study.evaluable(config.primary)
    _, procedures = arrange(fold_predictions(results, study.protocol, positions=rows))
    judged = next(one for one in procedures if one.kind == "judged")
    spaces = {c.name: config.models[c.model].search for c in study.protocol.candidates}
    performance = evaluation.performance
    found = chain(
        overfitting(y, apparent, performance),
        search_edges(spaces, fitted, weights),
        non_convergence(fitted),
        miscalibration(performance),
        unstable_predictions(mean_difference(judged.p), source="between repeats of the cross-validation")
        if instability is None
        else unstable_predictions(instability, source="between the model and its refits on resamples"),
        sites_differ(transport, level=config.validation.interval.level),
        no_better_than_permuted(
            y, judged, study.cohort.plan[rows], groups=study.cohort.groups[rows], seed=config.experiment.seed
        ),
        implausibly_good(performance),
    )
    return acknowledge(found, config.validation.acknowledged)
