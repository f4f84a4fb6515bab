"""Who is asked about, and from when: day 0 and eligibility, with every dropped row visible."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd

from predictor.cohort.clock import check_recorded
from predictor.cohort.conditions import is_one_of, meets
from predictor.cohort.day0 import check_order, find_units
from predictor.cohort.decision import decision_days, early_days, early_values
from predictor.cohort.timeline import Timeline, build_timeline
from predictor.cohort.windows import baseline_rows
from predictor.config.dictionary import DateKnown, Dictionary
from predictor.config.schema import (
    DECISION_TAKES,
    AfterInfusion,
    Baseline,
    CohortSection,
    Index,
    Rule,
)
from predictor.data.conform import ConformedTable
from predictor.errors import DataError, Problem

__all__ = [
    "Cohort",
    "baseline_days",
    "baseline_values",
    "consenting_tables",
    "patient_table",
    "select_cohort",
]


@dataclass(frozen=True)
class Cohort:
    """The units (patients, or courses of patients), each with its day 0.

    Parameters
    ----------
    timeline : Timeline
        What is recorded about the selected units.
    attrition : pandas.DataFrame
        One row per step: ``step``, ``patients``, ``units`` that remain, ``excluded`` by it (patients until day 0 is
        fixed, units from then on), and ``unknown``, those of the excluded for whom a missing value decided.
    groups : ndarray of int of shape (units,)
        Patient, or the declared cluster; clusters that share a patient are one group.
    plan : ndarray of str of shape (units,)
        Arm or dose band, ``all`` where no treatment is declared.
    """

    timeline: Timeline
    attrition: pd.DataFrame
    groups: np.ndarray
    plan: np.ndarray


def patient_table(cohort: CohortSection, dictionary: Dictionary) -> str:
    """Return the table that lists everybody: the declared one, else the first with one row per patient.

    Parameters
    ----------
    cohort : CohortSection
    dictionary : Dictionary
    """
    if cohort.patients:
        return cohort.patients
    for name, table in dictionary.tables():
        if not table.has_days and not isinstance(table.known, DateKnown):
            return name
    return next(name for name, _ in dictionary.tables())


def baseline_values(
    timeline: Timeline, dictionary: Dictionary, reference: str, *, baseline: Baseline, take: str = "last"
) -> pd.Series:
    """Return one value per unit, known at day 0 (or without a day, for eligibility, also afterwards).

    Parameters
    ----------
    timeline : Timeline
    dictionary : Dictionary
    reference : str
        ``table.column``.
    baseline : Baseline
        The window that dated values have to fall into.
    take : {"last", "first", "mean", "min", "max", "slope", "latest", "early_change"}
        Which of several values, or what of them; ``slope`` is per week; the last two as in
        `predictor.cohort.decision.early_values`.
    """
    if take in DECISION_TAKES:
        return early_values(timeline, reference, baseline=baseline, take=take)
    n = len(timeline.units)
    found = dictionary.find(reference)
    plain = timeline.attributes.get(reference)
    dated = found is not None and isinstance(found[0].known_of(found[2]), DateKnown)
    if plain is not None and not dated:
        return plain
    rows = baseline_rows(timeline, baseline)
    own = rows.loc[rows["reference"] == reference]
    if take == "slope":
        return _slopes(own).reindex(range(n)).reset_index(drop=True)
    own = own if take in {"last", "first"} else own.astype({"value": float})
    taken = own.groupby("unit")["value"].agg(take)
    return taken.reindex(range(n)).reset_index(drop=True)


def _slopes(rows: pd.DataFrame) -> pd.Series:
    """Change per week of each unit by least squares: covariance of value and week over the variance of the week."""
    week = rows["day"].astype(float) / 7
    table = pd.DataFrame({"unit": rows["unit"], "week": week, "value": rows["value"].astype(float)})
    centred = table[["week", "value"]] - table.groupby("unit")[["week", "value"]].transform("mean")
    products = pd.DataFrame(
        {"unit": table["unit"], "xy": centred["week"] * centred["value"], "xx": centred["week"] ** 2}
    )
    sums = products.groupby("unit").sum()
    return sums["xy"] / sums["xx"].where(sums["xx"] > 0)


def baseline_days(
    timeline: Timeline, dictionary: Dictionary, reference: str, *, baseline: Baseline, take: str = "last"
) -> pd.Series:
    """Return the day, relative to day 0, of the value that `baseline_values` takes; missing where it has none.

    Of a mean, a minimum or a maximum it is the day of the last value that went into it.

    Parameters
    ----------
    timeline, dictionary, reference, baseline, take
        As in `baseline_values`.
    """
    if take in DECISION_TAKES:
        return early_days(timeline, reference, baseline=baseline, take=take)
    found = dictionary.find(reference)
    dated = found is not None and isinstance(found[0].known_of(found[2]), DateKnown)
    everybody = range(len(timeline.units))
    if reference in timeline.attributes and not dated:
        return pd.Series(np.nan, index=everybody)
    rows = baseline_rows(timeline, baseline)
    days = rows.loc[(rows["reference"] == reference) & rows["value"].notna()].groupby("unit")["day"]
    return (days.first() if take == "first" else days.last()).reindex(everybody)


def select_cohort(
    tables: Mapping[str, ConformedTable], dictionary: Dictionary, cohort: CohortSection
) -> Cohort:
    """Fix day 0 of everybody and apply the eligibility rules in order.

    Parameters
    ----------
    tables : mapping of str to ConformedTable
    dictionary : Dictionary
    cohort : CohortSection

    Returns
    -------
    Cohort
        Units are sorted by patient and day 0, so the files' row order does not matter.

    Raises
    ------
    DataError
        DAT-17 where something known after day 0 is dated before it, or recorded before its own date; DAT-30, with the
        attrition, if nobody has a day 0 or is left.
    """
    steps = _Attrition()
    listing = patient_table(cohort, dictionary)
    everybody = sorted(set(tables[listing].frame[dictionary[listing].key]))
    steps.add("In the export", len(everybody), len(everybody))
    patients, tables = _consenting(everybody, tables, dictionary, cohort, steps)
    units, undated = find_units(patients, tables, dictionary, cohort)
    if cohort.index.table is not None:
        steps.start(cohort.index, units, unknown=undated)
    if not len(units):
        raise DataError(Problem("DAT-30", "nobody has a day 0", f"Steps: {steps.words()}"))
    check_order(units, tables, dictionary, cohort)
    check_recorded(tables, dictionary)
    timeline = build_timeline(
        units, tables, dictionary, index_table=cohort.index.table, same_day=cohort.baseline.same_day
    )
    if isinstance(cohort.decision_time, AfterInfusion):
        timeline = _until_decision(timeline, tables, dictionary, cohort, steps)
    for rule in cohort.eligibility:
        timeline = _apply(rule, timeline, dictionary, cohort.baseline, steps)
    plan = plan_labels(timeline, cohort)
    if cohort.treatment is not None:
        known = plan != ""
        timeline, plan = timeline.take(known), plan[known]
        if not known.all():
            steps.keep("Planned treatment recorded", timeline, unknown=int((~known).sum()))
    groups, known = _groups(timeline, dictionary, cohort)
    if not known.all():
        timeline, plan, groups = timeline.take(known), plan[known], groups[known]
        steps.keep("Cluster recorded", timeline, unknown=int((~known).sum()))
    if not len(timeline.units):
        raise DataError(Problem("DAT-30", "nobody is left after eligibility", f"Steps: {steps.words()}"))
    return Cohort(timeline=timeline, attrition=steps.frame(), groups=groups, plan=plan)


def _until_decision(
    timeline: Timeline,
    tables: Mapping[str, ConformedTable],
    dictionary: Dictionary,
    cohort: CohortSection,
    steps: _Attrition,
) -> Timeline:
    """Keep the units that came to the decision, with its day; the others never had to be decided about."""
    decision = cast(AfterInfusion, cohort.decision_time)
    days = decision_days(timeline.units, tables, dictionary, cohort)
    kept = replace(timeline, decision=days).take(~np.isnan(days))
    steps.keep(f"Infusion {decision.after_infusion}, decided by day {decision.last_day}", kept)
    return kept


def plan_labels(timeline: Timeline, cohort: CohortSection) -> np.ndarray:
    """Return the arm or dose band of each unit; empty where it is not recorded, ``all`` where none is declared.

    Parameters
    ----------
    timeline : Timeline
    cohort : CohortSection
    """
    if cohort.treatment is None:
        return np.full(len(timeline.units), "all", dtype=object)
    values = timeline.attributes.get(cohort.treatment.column)
    if values is None:
        return np.full(len(timeline.units), "", dtype=object)
    if cohort.treatment.bands is None:
        return np.array(["" if pd.isna(v) else _plain(v) for v in values], dtype=object)
    return band_labels(values.to_numpy(float), cohort.treatment.bands)


def band_labels(values: np.ndarray, bands: list[float]) -> np.ndarray:
    """Return the dose band of each value: below the first cut, between two, at or above the last.

    Parameters
    ----------
    values : ndarray of float of shape (n,)
    bands : list of float
        Increasing cuts; a value equal to a cut belongs to the upper band.
    """
    names = [f"below {bands[0]:g}"]
    names += [f"{low:g} to below {high:g}" for low, high in itertools.pairwise(bands)]
    names += [f"{bands[-1]:g} or more"]
    position = np.searchsorted(np.asarray(bands), values, side="right")
    return np.array(
        [names[i] if np.isfinite(v) else "" for i, v in zip(position, values, strict=True)], dtype=object
    )


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


class _Attrition:
    """Collects the steps; each knows how many it left and how many of the excluded were unknown."""

    def __init__(self) -> None:
        self.steps: list[dict[str, object]] = []

    def add(
        self, step: str, patients: int, units: int, *, excluded: int | None = None, unknown: int = 0
    ) -> None:
        before = cast(int, self.steps[-1]["units"]) if self.steps else units
        self.steps.append(
            {
                "step": step,
                "patients": patients,
                "units": units,
                "excluded": before - units if excluded is None else excluded,
                "unknown": unknown,
            }
        )

    def keep(self, step: str, timeline: Timeline, *, unknown: int = 0) -> None:
        self.add(step, timeline.units["patient"].nunique(), len(timeline.units), unknown=unknown)

    def start(self, index: Index, units: pd.DataFrame, *, unknown: int) -> None:
        what = ", ".join(f"{column} = {value}" for column, value in index.where.items())
        step = f"Day 0: {index.take} row of {index.table}" + (f" with {what}" if what else "")
        patients = units["patient"].nunique()
        excluded = cast(int, self.steps[-1]["patients"]) - patients
        self.add(step, patients, len(units), excluded=excluded, unknown=unknown)

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self.steps)

    def words(self) -> str:
        return "; ".join(f"{s['step']} {s['units']}" for s in self.steps)


def _consenting(
    everybody: list[str],
    tables: Mapping[str, ConformedTable],
    dictionary: Dictionary,
    cohort: CohortSection,
    steps: _Attrition,
) -> tuple[list[str], Mapping[str, ConformedTable]]:
    """Leave out, from every table, the patients who did not consent: nothing of them is read further."""
    if cohort.consent is None:
        return everybody, tables
    found = dictionary.find(cohort.consent)
    if found is None:
        return everybody, tables
    declared, header, _ = found
    frame = tables[cohort.consent.partition(".")[0]].frame
    agreed = is_one_of(frame[header], ("yes", "true", "1"))
    # Where there are several rows, one refusal (a withdrawal) is enough.
    consenting = sorted(
        set(everybody) & set(frame.loc[agreed, declared.key]) - set(frame.loc[~agreed, declared.key])
    )
    recorded = set(frame.loc[frame[header].notna(), declared.key])
    steps.add(
        "Consent to research",
        len(consenting),
        len(consenting),
        unknown=len(set(everybody) - recorded),
    )
    kept = set(consenting)
    return consenting, {
        name: _only(table, table.frame[dictionary[name].key].isin(kept).to_numpy(bool))
        for name, table in tables.items()
    }


def consenting_tables(
    tables: Mapping[str, ConformedTable], dictionary: Dictionary, cohort: CohortSection
) -> Mapping[str, ConformedTable]:
    """Return the tables without the rows of patients who did not consent to research.

    Parameters
    ----------
    tables : mapping of str to ConformedTable
    dictionary : Dictionary
    cohort : CohortSection
    """
    listing = patient_table(cohort, dictionary)
    everybody = sorted(set(tables[listing].frame[dictionary[listing].key]))
    return _consenting(everybody, tables, dictionary, cohort, _Attrition())[1]


def _only(table: ConformedTable, rows: np.ndarray) -> ConformedTable:
    return replace(table, frame=table.frame.loc[rows].reset_index(drop=True), rows=table.rows[rows])


def _apply(
    rule: Rule, timeline: Timeline, dictionary: Dictionary, baseline: Baseline, steps: _Attrition
) -> Timeline:
    eligible = np.zeros(len(timeline.units), dtype=bool)
    known = np.ones(len(timeline.units), dtype=bool)
    for condition in rule.conditions():
        values = baseline_values(timeline, dictionary, condition.column, baseline=baseline)
        holds, has_value = meets(values, condition)
        eligible |= holds
        known &= has_value
    kept = timeline.take(eligible)
    steps.keep(rule.name, kept, unknown=int((~eligible & ~known).sum()))
    return kept


def _groups(
    timeline: Timeline, dictionary: Dictionary, cohort: CohortSection
) -> tuple[np.ndarray, np.ndarray]:
    patient = pd.factorize(timeline.units["patient"], sort=True)[0]
    if cohort.group is None:
        return patient.astype(int), patient >= 0
    values = baseline_values(timeline, dictionary, cohort.group, baseline=cohort.baseline)
    cluster = pd.factorize(values, sort=True)[0]
    known = cluster >= 0
    groups = np.full(len(cluster), -1)
    groups[known] = _joined(patient[known], cluster[known])
    return groups, known


def _joined(patient: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Return the clusters' numbers, one number for those that a patient with courses in both connects."""
    lowest, before = pd.Series(cluster), None
    while before is None or not lowest.equals(before):
        before = lowest
        lowest = lowest.groupby(patient).transform("min").groupby(cluster).transform("min")
    return np.unique(lowest, return_inverse=True)[1]
