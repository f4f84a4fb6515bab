"""What `check` says before anything is fitted: problems, attrition, events per parameter, number of fits, time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from predictor.adequacy import Adequacy, assess_adequacy
from predictor.checks.collecting import check_study
from predictor.checks.finding import Finding, forbidding
from predictor.cohort.selection import patient_table
from predictor.cohort.windows import withheld_values
from predictor.config.confirmations import open_confirmations
from predictor.config.loading import LoadedConfig, load_config
from predictor.data.frames import rows_of
from predictor.data.notices import notices_of_tables
from predictor.data.unit_guard import unguarded
from predictor.errors import Problem, RefusedError
from predictor.models.catalog import FAMILIES
from predictor.staleness import old_values
from predictor.study import Study, about_imputation, count_fits, prepare_study, site_proxies
from predictor.validation.verdict import FEWEST

__all__ = ["CheckReport", "check", "require_sound"]

# CPU seconds of one fit at n = 300 and p = 30, measured on one 2-core machine; the estimate is a size, not a promise.
SECONDS_PER_FIT = {
    "elastic_net": 0.0005,
    "random_forest": 0.05,
    "extra_trees": 0.02,
    "lightgbm": 0.006,
    "hist_gradient_boosting": 0.08,
}

SECONDS_PER_REGRESSION = 0.002


@dataclass(frozen=True)
class CheckReport:
    """What is known before the first fit.

    Parameters
    ----------
    attrition : pandas.DataFrame
        Steps from everybody to the cohort.
    outcomes : pandas.DataFrame
        ``outcome``, ``kind``, ``evaluable``, ``events``, ``reason`` → counts of why outcomes are missing.
    features : pandas.DataFrame
        ``feature``, ``source``, ``missing`` (share), ``dropped`` (reason or empty).
    adequacy : Adequacy
        Riley's criteria for every feature set, and what stops the training.
    fits : int
    cpu_seconds : float
        Rough estimate.
    notices : tuple of str
        What does not forbid the training but has to be known.
    problems : tuple of Problem
        What forbids it; empty when `train` can start.
    findings : tuple of Finding
        Suspected leaks; those of severity error that nobody has acknowledged are among the problems.
    """

    attrition: pd.DataFrame
    outcomes: pd.DataFrame
    features: pd.DataFrame
    adequacy: Adequacy
    fits: int
    cpu_seconds: float
    notices: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    findings: tuple[Finding, ...] = ()


def check(config: LoadedConfig | str | Path) -> CheckReport:
    """Read config, dictionary and data, and say what a training would find; nothing is fitted.

    Parameters
    ----------
    config : LoadedConfig or path

    Raises
    ------
    ConfigError, DataError
        With every problem that was found.
    """
    study = prepare_study(config if isinstance(config, LoadedConfig) else load_config(config))
    adequacy, findings = assess_adequacy(study), check_study(study)
    return CheckReport(
        attrition=study.cohort.attrition,
        outcomes=_outcomes(study),
        features=_features(study),
        adequacy=adequacy,
        fits=count_fits(study),
        cpu_seconds=_seconds(study),
        notices=(*_overridden(adequacy), *adequacy.warnings, *_notices(study)),
        problems=_forbidden(adequacy, findings),
        findings=findings,
    )


def require_sound(study: Study) -> tuple[Adequacy, tuple[Finding, ...]]:
    """Go on only with enough patients and without a suspected leak, or with written reasons for both.

    Parameters
    ----------
    study : Study

    Returns
    -------
    Adequacy, tuple of Finding

    Raises
    ------
    RefusedError
        With everything that is wrong: SIZ-01 to SIZ-03 where the config has no ``override``, and each leak of severity
        *error* that ``validation.acknowledged`` does not name.
    """
    adequacy, findings = assess_adequacy(study), check_study(study)
    problems = _forbidden(adequacy, findings)
    if problems:
        raise RefusedError(problems)
    return adequacy, findings


def _forbidden(adequacy: Adequacy, findings: Sequence[Finding]) -> tuple[Problem, ...]:
    return (*adequacy.forbidding, *(one.problem for one in forbidding(findings)))


def _outcomes(study: Study) -> pd.DataFrame:
    rows = []
    for name, outcome in study.outcomes.items():
        reasons = outcome.missing_reasons()
        missing = "; ".join(f"{r.reason}: {r.n}" for r in rows_of(reasons) if r.reason != "observed")
        events = int(np.nansum(outcome.label)) if outcome.kind != "change" else None
        rows.append((name, outcome.kind, int(outcome.evaluable.sum()), events, missing))
    return pd.DataFrame(rows, columns=["outcome", "kind", "evaluable", "events", "missing"])


def _features(study: Study) -> pd.DataFrame:
    X = study.dataset.X
    rows = [(f.name, f.source, float(X[f.name].isna().mean()), "") for f in study.dataset.features]
    rows += [(name, "", np.nan, reason) for name, reason in study.extraction.dropped.items()]
    return pd.DataFrame(rows, columns=["feature", "source", "missing", "dropped"])


def _seconds(study: Study) -> float:
    config = study.loaded.config
    positions, _ = study.evaluable(config.primary)
    folds = config.validation.outer.n_splits * config.validation.outer.n_repeats + 1
    folds += config.validation.bootstrap.resamples
    size = max(len(positions) / 300, 0.3)
    per_fold = sum(
        len(c.grid)
        * (1 if FAMILIES[c.family].out_of_bag else config.validation.inner.n_splits)
        * SECONDS_PER_FIT[c.family]
        for c in study.protocol.candidates
    )
    return float(folds * (per_fold + _imputing(study)) * size * max(study.protocol.imputations, 1))


def _imputing(study: Study) -> float:
    """CPU seconds of imputing the parts of one outer fold once: two chains a part, two visits of each number."""
    if not study.protocol.imputations:
        return 0.0
    numbers = {f.name for f in study.dataset.features if f.kind == "number"}
    visited = sum(len(numbers & set(names)) for names in study.extraction.sets.values())
    parts = study.loaded.config.validation.inner.n_splits + 1
    return parts * 2 * visited * study.protocol.rounds * SECONDS_PER_REGRESSION


def _overridden(adequacy: Adequacy) -> list[str]:
    if not adequacy.override:
        return []
    return [f"overridden ({adequacy.override}): {problem}" for problem in adequacy.problems]


def _notices(study: Study) -> Sequence[str]:
    rows, _ = study.evaluable(study.loaded.config.primary)
    groups = len(np.unique(study.cohort.groups[rows]))
    found = [str(problem) for problem in open_confirmations(study.loaded)]
    if groups < FEWEST:
        found.append(
            f"{groups} independent patients or clusters: the verdict will be 'too little data to tell'"
        )
    found += [f"{name} is left out: {reason}" for name, reason in study.extraction.dropped.items()]
    found += notices_of_tables({name: table.notices for name, table in study.tables.items()})
    found += [str(proxy) for proxy in site_proxies(study)]
    found += [about_imputation(study)] if study.dataset.X.isna().any(axis=None) else []
    found += _about_units(study)
    found += _withheld(study)
    found += old_values(study)
    found += _about_rules(study)
    found += _strangers(study)
    return found


def _about_units(study: Study) -> list[str]:
    names = unguarded(study.loaded.dictionary)
    if not names:
        return []
    return [
        f"the units of {', '.join(names)} were not compared with others that they may be in: "
        'pip install "response-predictor[units]"'
    ]


def _withheld(study: Study) -> list[str]:
    """Say how much of the baseline became known too late to count."""
    late = withheld_values(study.cohort.timeline, study.loaded.config.cohort.baseline)
    used = [feature.source for feature in study.dataset.features]
    return [
        f"{name}: {late[name]} values speak of the baseline and were recorded after day 0, so they are not used"
        for name in dict.fromkeys(used)
        if late.get(name)
    ]


def _strangers(study: Study) -> list[str]:
    """Patients whom one table knows and the list of patients does not: perhaps a slip in how a key is written."""
    dictionary = study.loaded.dictionary
    listing = patient_table(study.loaded.config.cohort, dictionary)
    listed = set(study.tables[listing].frame[dictionary[listing].key])
    keys = {name: set(table.frame[dictionary[name].key]) for name, table in study.tables.items()}
    return [
        f"{name}: {len(those - listed)} of {len(those)} patients are not in {listing}, so their rows are not used"
        for name, those in keys.items()
        if those - listed
    ]


def _about_rules(study: Study) -> list[str]:
    dictionary = study.loaded.dictionary
    found = []
    for rule in study.loaded.config.cohort.eligibility:
        declared = [(c.column, dictionary.find(c.column)) for c in rule.conditions()]
        later = [name for name, one in declared if one is not None and one[0].known_of(one[2]) == "after"]
        if later:
            found.append(
                f"eligibility '{rule.name}' uses {', '.join(later)}, known after day 0: right if it says who started "
                "the treatment, wrong if it selects on what happened"
            )
    return found
