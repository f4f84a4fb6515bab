"""Are there enough patients? Riley's criteria before any fit, and the stop that only a written reason overrides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from predictor.data.frames import rows_of
from predictor.errors import Problem
from predictor.features.imputation import Draw
from predictor.features.preprocessing import build_preprocessor, encoded_columns
from predictor.study import Study
from predictor.validation.sample_size import (
    affordable_parameters,
    expected_shrinkage,
    r_squared_from_auc,
    sample_size_binary,
)
from predictor.validation.verdict import FEWEST

__all__ = ["Adequacy", "assess_adequacy"]

LEAST_SHRINKAGE, WANTED_SHRINKAGE = 0.5, 0.9
# (1.96 / 0.05)²: with fewer patients than this times the variance of the outcome, not even the overall rate is known
# to within 5 points.
RATE_FACTOR = 384


@dataclass(frozen=True)
class Adequacy:
    """What Riley's criteria say of a study.

    Parameters
    ----------
    expected : str
        The strength that the plan expects, in words.
    r_squared : float
        The same as Cox and Snell's R².
    table : DataFrame
        Per feature set: ``feature_set``, ``parameters`` (encoded columns before any selection), ``n``, ``events`` (of
        the rarer outcome), ``events_per_parameter``, ``shrinkage`` expected, ``n_needed`` and parameters
        ``affordable`` for a shrinkage of 0.9.
    problems : tuple of Problem
        What stops the training unless the config overrides it.
    override : str
        Reason why it goes on regardless; empty without one.
    warnings : tuple of str
        What does not stop it and has to be known.
    """

    expected: str
    r_squared: float
    table: pd.DataFrame
    problems: tuple[Problem, ...]
    override: str
    warnings: tuple[str, ...]

    @property
    def forbidding(self) -> tuple[Problem, ...]:
        """The problems that no reason overrides."""
        return () if self.override else self.problems

    @property
    def overridden(self) -> str:
        """What every report has to say where the training went on regardless; empty where it did not have to."""
        if not (self.problems and self.override):
            return ""
        found = "; ".join(problem.message for problem in self.problems)
        return f"Trained with too few patients ({found}). Reason given: {self.override}."


def assess_adequacy(study: Study) -> Adequacy:
    """Apply the criteria to the primary outcome and every feature set.

    Parameters
    ----------
    study : Study

    References
    ----------
    Riley RD et al. Calculating the sample size required for developing a clinical prediction model. BMJ 2020;368:m441.
    """
    validation = study.loaded.config.validation
    _, y = study.evaluable(study.loaded.config.primary)
    declared = validation.expected_r_squared
    r_squared = r_squared_from_auc(validation.expected_auc, float(y.mean())) if declared is None else declared
    expected = f"an AUC of {validation.expected_auc:g}" if declared is None else f"an R² of {declared:g}"
    table = _table(study, y, r_squared)
    return Adequacy(
        expected=expected,
        r_squared=r_squared,
        table=table,
        problems=tuple(
            study.loaded.locate(problem) for problem in (*_too_few(study, y), *_too_many(table, r_squared))
        ),
        override=study.loaded.config.override or "",
        warnings=tuple(_warnings(table)),
    )


def _table(study: Study, y: np.ndarray, r_squared: float) -> pd.DataFrame:
    positions, _ = study.evaluable(study.loaded.config.primary)
    n, phi = len(y), float(y.mean())
    events = int(min(y.sum(), n - y.sum()))
    rows = []
    for name, names in study.extraction.sets.items():
        features = [f for f in study.dataset.features if f.name in names]
        # Imputed several times, a number has no indicator of its own; how it is imputed changes no count.
        draw = Draw(0, 2, 1, 0) if study.protocol.imputations else None
        encoder = build_preprocessor(features, draw).fit(study.dataset.X.iloc[positions][list(names)])
        p = len(encoded_columns(encoder))
        rows.append(
            {
                "feature_set": name,
                "parameters": p,
                "n": n,
                "events": events,
                "events_per_parameter": events / p if p else np.inf,
                "shrinkage": expected_shrinkage(p, n, r_squared),
                "n_needed": sample_size_binary(p, r_squared=r_squared, prevalence=phi).n,
                "affordable": affordable_parameters(n, r_squared, shrinkage=WANTED_SHRINKAGE),
            }
        )
    return pd.DataFrame(rows)


def _too_few(study: Study, y: np.ndarray) -> list[Problem]:
    found, n = [], len(y)
    needed = int(np.ceil(RATE_FACTOR * y.mean() * (1 - y.mean())))
    remedy = (
        "Collect more, or write `override: REASON` at the top level of the config; every report will print it"
    )
    if n < needed:
        message = (
            f"{n} evaluable patients, and {needed} are needed to know even the overall rate within 5 points"
        )
        found.append(Problem("SIZ-01", message, remedy, path=f"outcomes.{study.primary.name}"))
    events, others = int(y.sum()), int(n - y.sum())
    if min(events, others) < FEWEST:
        message = f"{events} events and {others} non-events, and at least {FEWEST} of each are needed"
        found.append(Problem("SIZ-02", message, remedy, path=f"outcomes.{study.primary.name}"))
    return found


def _too_many(table: pd.DataFrame, r_squared: float) -> list[Problem]:
    return [
        Problem(
            "SIZ-03",
            f"{r.parameters} parameters for {r.n} patients: an expected shrinkage of {r.shrinkage:.2f}, below "
            f"{LEAST_SHRINKAGE}, so that what is found is more noise than signal",
            f"Take fewer columns ({affordable_parameters(r.n, r_squared, shrinkage=LEAST_SHRINKAGE)} parameters pass, "
            f"{r.affordable} would be safe), declare a stronger signal that others have published "
            "(`validation.expected_auc`), or write `override: REASON` at the top level of the config",
            path=f"features.sets.{r.feature_set}",
        )
        for r in rows_of(table)
        if r.shrinkage < LEAST_SHRINKAGE
    ]


def _warnings(table: pd.DataFrame) -> list[str]:
    return [
        f"feature set {r.feature_set}: {r.parameters} parameters give an expected shrinkage of {r.shrinkage:.2f}; "
        f"{WANTED_SHRINKAGE} needs {r.n_needed} patients"
        for r in rows_of(table)
        if LEAST_SHRINKAGE <= r.shrinkage < WANTED_SHRINKAGE
    ]
