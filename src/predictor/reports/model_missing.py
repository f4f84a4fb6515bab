"""What was missing and what became of it, as the model report shows it: outcomes, their tipping points, and inputs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from predictor.cohort.outcomes import OBSERVED, sensitivity
from predictor.data.frames import rows_of
from predictor.features.preprocessing import build_preprocessor
from predictor.models.missing_outcomes import expect_outcomes
from predictor.reports.content_model import (
    Coefficient,
    Interval,
    Missingness,
    Sensitivity,
    TippingRow,
    TippingTable,
)
from predictor.study import Study
from predictor.validation.tipping import Tipping, tipping_points
from predictor.validation.uncertainty import wilson_interval

__all__ = ["coefficient_rows", "find_tipping", "missingness_rows", "sensitivity_rows", "tipping_view"]

SMALLEST_COUNT = 10


def sensitivity_rows(study: Study) -> tuple[Sensitivity, ...]:
    """Lay out the rate of the outcome under every strategy for missing outcomes.

    Parameters
    ----------
    study : Study
    """
    config = study.loaded.config
    table = sensitivity(
        study.cohort.timeline,
        config.primary,
        config.outcomes[config.primary],
        baseline=config.cohort.baseline,
    )
    rows = []
    for r in rows_of(table):
        low, high = wilson_interval(int(r.events), int(r.n), level=config.validation.interval.level)
        rows.append(
            Sensitivity(
                strategy=str(r.strategy),
                n=int(r.n),
                responders=int(r.events),
                rate=Interval(value=r.events / r.n, lo=low, hi=high),
                declared=bool(r.declared),
            )
        )
    return tuple(rows)


def missingness_rows(study: Study) -> tuple[Missingness, ...]:
    """Lay out how much of each input was missing, and which inputs were not used.

    Parameters
    ----------
    study : Study
    """
    rows, _ = study.evaluable(study.loaded.config.primary)
    X = study.dataset.X.iloc[rows]
    found = []
    for feature in study.dataset.features:
        n = int(X[feature.name].isna().sum())
        found.append(
            Missingness(
                label=feature.label,
                group=feature.group,
                missing=n if n == 0 or n >= SMALLEST_COUNT else None,
                share=n / len(X),
                note=_filling(study, feature.kind) if n else "",
            )
        )
    found += [
        Missingness(label=name, missing=None, share=0.0, used=False, note=reason)
        for name, reason in study.extraction.dropped.items()
    ]
    return tuple(found)


def _filling(study: Study, kind: str) -> str:
    if kind == "category":
        return "a level of its own"
    m = study.protocol.imputations
    return f"imputed {m} times, without an indicator" if m else "the training median, with an indicator"


def coefficient_rows(table: pd.DataFrame) -> tuple[Coefficient, ...]:
    """Lay out the coefficients pooled over the imputations.

    Parameters
    ----------
    table : pandas.DataFrame
        From `predictor.release.pooled_coefficients`.
    """
    return tuple(
        Coefficient(
            candidate=str(r.candidate).replace(" | ", " on ").replace("_", " "),
            column=str(r.column).replace("_", " "),
            value=Interval(value=float(r.estimate), lo=float(r.low), hi=float(r.high)),
            df=float(r.df),
            missing_information=float(r.missing_information),
            in_model=float(r.in_model),
        )
        for r in rows_of(table)
    )


def tipping_view(study: Study) -> TippingTable | None:
    """Lay out where the response rate would say something else; None where no outcome is missing.

    Parameters
    ----------
    study : Study
    """
    found = find_tipping(study)
    if found is None:
        return None
    rows = [
        TippingRow(
            delta=float(r.delta),
            missing_rate=float(r.missing_rate),
            rate=float(r.rate),
            inside=bool(r.inside),
        )
        for r in rows_of(found.table)
    ]
    return TippingTable(rows=tuple(rows), sentence=_tipping_text(found))


def find_tipping(study: Study) -> Tipping | None:
    """Shift the missing primary outcomes away from what is expected of such patients.

    Parameters
    ----------
    study : Study
    """
    outcome, config = study.primary, study.loaded.config
    observed, missing = outcome.why == OBSERVED, outcome.unassessed
    if not missing.any():
        return None
    known = outcome.label[observed]
    rows = np.flatnonzero(observed | missing)
    target = np.where(observed, outcome.label, np.nan)[rows]
    encoded = build_preprocessor(study.dataset.features).fit(study.dataset.X.iloc[np.flatnonzero(observed)])
    declared = outcome.label[np.isfinite(outcome.label)]
    return tipping_points(
        int(known.sum()),
        len(known),
        expect_outcomes(encoded.transform(study.dataset.X.iloc[rows]), target),
        declared=(int(declared.sum()), len(declared)),
        level=config.validation.interval.level,
    )


def _tipping_text(found: Tipping) -> str:
    start = (
        "Missing outcomes are expected from what was known at baseline (a ridge logistic model of those assessed), and "
        "their log-odds then shifted; 0 is missing at random. "
    )
    interval = f"the declared strategy's interval ({found.low:.2f} to {found.high:.2f})"
    if found.below == 0.0 and found.above == 0.0:
        return (
            f"{start}The rate lies outside {interval} already without a shift: the strategy decides the rate."
        )
    ends = [
        f"{word} by {abs(end):.1f}"
        for word, end in (("lower", found.below), ("higher", found.above))
        if end is not None
    ]
    if not ends:
        return f"{start}No shift takes the rate out of {interval}: the missing outcomes cannot change it."
    return f"{start}The rate leaves {interval} when their log-odds are {' or '.join(ends)}."
