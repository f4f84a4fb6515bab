"""The simulated cohort as a clinic's export: text cells, with the dirt of real files. Always SIMULATED."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.data.simulation.design import Settings
from predictor.data.simulation.outcomes import HARMS
from predictor.data.simulation.records import VISIT_DAYS, Records

__all__ = ["WATERMARK", "SimulatedCohort", "export_tables", "write_cohort"]

Array = NDArray[np.float64]
Streams = Mapping[str, np.random.Generator]

WATERMARK = "SIMULATED"
CONSENT_REFUSED = 0.02
DUPLICATES = 0.003
CORTISOL_UG_PER_NMOL = 27.59
DAY_ZERO = np.datetime64("2019-01-07", "D")

README = """SIMULATED DATA. No patient in these files exists.

{courses} treatment courses of {patients} simulated patients, made with
{settings}
The effects, margins and error rates are settings chosen so that the answer is known. They are no findings.

patients.csv      one row per patient
treatments.csv    one row per course; drug ketamine_iv or active_placebo; allocation randomised (in a third of
                  the sites) or by_indication (the more severe and resistant get ketamine more often)
assessments.csv   one row per score: MADRS, GAD-7, CTQ. The last rating before the first infusion may be of
                  the same day; a row four hours after the infusion was made after it
biomarkers.csv    one row per blood draw before the first infusion: crp mg/L, il6 pg/mL, adiponectin ug/mL,
                  bdnf (serum) ng/mL, cortisol nmol/L, b12 pmol/L. "<0.4" is below detection. A few results
                  come in other units and then stand in crp_mg_dl or cortisol_ug_dl
side_effects.csv  one row per course: any during the course
followup.csv      one row per course with a rated response: ended_on, by relapse or censored
truth.csv         what no clinic has: true probabilities and both potential outcomes. Never a model's input
"""


@dataclass(frozen=True)
class SimulatedCohort:
    """A clinic-like export of simulated patients, and the truth that no clinic has.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        ``patients``, ``treatments``, ``assessments``, ``biomarkers``, ``side_effects``, ``followup``: every
        cell is text as it stands in the file, missing cells are empty, and the column ``provenance`` says
        SIMULATED.
    truth : pandas.DataFrame
        One row per course: see `simulate_cohort`.
    settings : Settings
        What it was made with.
    """

    tables: Mapping[str, pd.DataFrame]
    truth: pd.DataFrame
    settings: Settings


def export_tables(
    people: pd.DataFrame,
    *,
    courses: pd.DataFrame,
    truth: pd.DataFrame,
    records: Records,
    settings: Settings,
    streams: Streams,
) -> dict[str, pd.DataFrame]:
    """Return the six tables of the export, every cell text and empty where missing.

    Parameters
    ----------
    people : pandas.DataFrame
        One row per patient.
    courses, truth : pandas.DataFrame
        One row per course.
    records : Records
        What was rated and what is missing.
    settings : Settings
        Whether there is dirt.
    streams : mapping of str to numpy.random.Generator
        One per kind of randomness.
    """
    minutes = _quarter_hours(len(courses), start=10, end=13, rng=streams["dates"])
    infusion = _moment(courses["start"], minutes=minutes)
    tables = {
        "patients": _patients(people, records=records, rng=streams["dirt"]),
        "treatments": _treatments(courses, infusion=infusion, records=records),
        "assessments": _assessments(courses, infusion=infusion, records=records, rng=streams["dates"]),
        "biomarkers": _biomarkers(
            courses, infusion=infusion, records=records, settings=settings, streams=streams
        ),
        "side_effects": _side_effects(courses, truth=truth, infusion=infusion),
        "followup": _follow_up(courses, infusion=infusion, records=records),
    }
    if settings.dirt:
        tables = {name: _with_duplicates(table, rng=streams["dirt"]) for name, table in tables.items()}
    return {name: table.assign(provenance=WATERMARK) for name, table in tables.items()}


def write_cohort(cohort: SimulatedCohort, folder: str | Path) -> list[Path]:
    """Write the export, ``README.txt`` and, in a file of its own, ``truth.csv``.

    Parameters
    ----------
    cohort : SimulatedCohort
        What to write.
    folder : str or Path
        Made if it is not there; files of the same names are replaced.

    Returns
    -------
    list of Path
        The files written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    truth = cohort.truth.assign(provenance=WATERMARK)
    flags = truth.select_dtypes(bool).columns
    truth[flags] = truth[flags].astype(int)
    written = []
    for name, table in {**cohort.tables, "truth": truth}.items():
        written.append(folder / f"{name}.csv")
        table.to_csv(
            written[-1], index=False, lineterminator="\n", quoting=csv.QUOTE_MINIMAL, float_format="%.10g"
        )
    readme = folder / "README.txt"
    settings = "\n".join(f"    {key}: {value}" for key, value in vars(cohort.settings).items())
    readme.write_text(
        README.format(courses=len(truth), patients=cohort.settings.patients, settings=settings),
        encoding="utf-8",
    )
    return [*written, readme]


def _text(values: Any, form: str, *, missing: Any = None) -> NDArray[np.str_]:
    """Format numbers; empty where ``missing`` (by default: NaN)."""
    values = np.asarray(values, dtype=float)
    absent = np.isnan(values) if missing is None else np.asarray(missing, dtype=bool)
    different, code = np.unique(np.where(absent, 0, values), return_inverse=True)
    return np.where(absent, "", np.char.mod(form, different)[code])


def _yes_no(values: Any, *, missing: Any = None) -> NDArray[np.str_]:
    words = np.where(np.asarray(values, dtype=bool), "yes", "no")
    return words if missing is None else np.where(missing, "", words)


def _moment(days: Any, *, minutes: Any) -> NDArray[np.datetime64]:
    day = DAY_ZERO + np.asarray(days, dtype="timedelta64[D]")
    return np.asarray(day.astype("datetime64[m]") + np.asarray(minutes, dtype="timedelta64[m]"))


def _quarter_hours(n: int, *, start: int, end: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Minutes after midnight, on the quarter hour, between two full hours."""
    return 15 * rng.integers(4 * start, 4 * end, n)


def _day_text(moments: NDArray[np.datetime64]) -> NDArray[np.str_]:
    return np.datetime_as_string(moments, unit="D")


def _minute_text(moments: NDArray[np.datetime64]) -> NDArray[np.str_]:
    different, code = np.unique(moments, return_inverse=True)
    return np.datetime_as_string(different, unit="m")[code]


def _patients(people: pd.DataFrame, *, records: Records, rng: np.random.Generator) -> pd.DataFrame:
    # Courses start with every patient's first, so the first rows of the gaps are the patients'.
    missing = {name: flags[: len(people)] for name, flags in records.missing.items()}
    return pd.DataFrame(
        {
            "patient_id": people["patient_id"],
            "site": people["site"],
            "research_consent": _yes_no(rng.random(len(people)) >= CONSENT_REFUSED),
            "age": _text(people["age"], "%d"),
            "sex": np.where(people["female"] == 1, "F", "M"),
            "bmi": _text(people["bmi"], "%.1f"),
            "family_history_aud": _yes_no(people["family_history_aud"]),
            "suicide_attempt": _yes_no(people["suicide_attempt"]),
            "ptsd": _yes_no(people["ptsd"]),
            "anxious_depression": _yes_no(people["anxious_depression"]),
            "employed": _yes_no(people["employed"]),
            "n_failed_antidepressants": _text(people["n_failed"], "%d"),
            "episode_months": _text(people["episode_months"], "%d"),
            "benzodiazepine_mg": _text(people["benzodiazepine_mg"], "%.1f"),
            "processing_speed": _text(
                people["processing_speed"], "%.2f", missing=missing["processing_speed"]
            ),
            "bdnf_met_carrier": _yes_no(people["met_carrier"], missing=missing["met_carrier"]),
        }
    )


def _treatments(courses: pd.DataFrame, *, infusion: NDArray[np.datetime64], records: Records) -> pd.DataFrame:
    treated = courses["treated"].to_numpy(bool)
    return pd.DataFrame(
        {
            "course_id": courses["course_id"],
            "patient_id": courses["patient_id"],
            "started_at": _minute_text(infusion),
            "drug": np.where(treated, "ketamine_iv", "active_placebo"),
            "allocation": np.where(courses["randomised"], "randomised", "by_indication"),
            "dose": _text(np.where(treated, courses["planned_dose"], 0), "%.1f"),
            "planned_infusions": "6",
            "infusions_received": _text(records.infusions, "%d"),
        }
    )


def _assessments(
    courses: pd.DataFrame, *, infusion: NDArray[np.datetime64], records: Records, rng: np.random.Generator
) -> pd.DataFrame:
    n = len(courses)
    start = courses["start"].to_numpy()
    # A third of the entry ratings are made on the day of the first infusion, from 8 to 10 o'clock: before it.
    entry_day = start - np.where(rng.random(n) < 1 / 3, 0, rng.integers(1, 8, n))
    entry = _moment(entry_day, minutes=_quarter_hours(n, start=8, end=10, rng=rng))
    screening = _moment(start - rng.integers(10, 29, n), minutes=_quarter_hours(n, start=9, end=16, rng=rng))
    week4 = VISIT_DAYS.index(28)
    visits = [
        _moment(start + day + rng.integers(0, 2, n), minutes=_quarter_hours(n, start=9, end=16, rng=rng))
        for day in VISIT_DAYS
    ]
    rows = [
        ("MADRS", screening, records.screening),
        ("MADRS", entry, records.entry),
        ("GAD-7", entry, records.gad7_entry),
        ("CTQ", entry, records.ctq),
        ("MADRS", infusion + np.timedelta64(240, "m"), records.acute),
        *(("MADRS", when, records.visits[:, j]) for j, when in enumerate(visits)),
        ("GAD-7", visits[week4], records.gad7_week4),
    ]
    row, course, when, score = _stack(rows)
    order = np.lexsort((row, when, course))
    return pd.DataFrame(
        {
            "patient_id": _pick(courses["patient_id"], codes=course[order]),
            "assessed_at": _minute_text(when[order]),
            "scale": _pick(pd.Series([name for name, _, _ in rows]), codes=row[order]),
            "score": _pick(pd.Series([str(number) for number in range(126)]), codes=score[order].astype(int)),
        }
    )


def _pick(words: pd.Series, *, codes: NDArray[np.int64]) -> pd.Series:
    return words.take(codes).reset_index(drop=True)


def _stack(
    rows: list[tuple[str, NDArray[np.datetime64], Array]],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.datetime64], Array]:
    """One line per score that was recorded: position of its row and of its course, moment, score."""
    n = len(rows[0][2])
    when = np.concatenate([moment for _, moment, _ in rows])
    score = np.concatenate([values for _, _, values in rows])
    kept = ~np.isnan(score)
    row, course = np.repeat(np.arange(len(rows)), n), np.tile(np.arange(n), len(rows))
    return row[kept], course[kept], when[kept], score[kept]


def _biomarkers(
    courses: pd.DataFrame,
    *,
    infusion: NDArray[np.datetime64],
    records: Records,
    settings: Settings,
    streams: Streams,
) -> pd.DataFrame:
    n = len(courses)
    rng = streams["dirt"]
    when = infusion.astype("datetime64[D]") - streams["dates"].integers(0, 8, n).astype("timedelta64[D]")
    minutes = _quarter_hours(n, start=8, end=10, rng=streams["dates"])
    table = pd.DataFrame(
        {
            "patient_id": courses["patient_id"],
            "drawn_at": _minute_text(when.astype("datetime64[m]") + minutes.astype("timedelta64[m]")),
            "hours_since_waking": _text(courses["hours_since_waking"], "%.1f"),
            "crp": _text(courses["crp"], "%.2f", missing=records.missing["crp"]),
            "crp_mg_dl": "",
            "il6": _text(courses["il6"], "%.2f", missing=records.missing["il6"]),
            "adiponectin": _text(courses["adiponectin"], "%.2f", missing=records.missing["adiponectin"]),
            "bdnf": _text(courses["bdnf"], "%.1f", missing=records.missing["bdnf"]),
            "cortisol": _text(courses["cortisol"], "%d", missing=records.missing["cortisol"]),
            "cortisol_ug_dl": "",
            "b12": _text(courses["b12"], "%d", missing=records.missing["b12"]),
        }
    )
    if settings.dirt:
        _censor(table, "il6", values=courses["il6"].to_numpy(float), limit=0.4)
        _censor(table, "crp", values=courses["crp"].to_numpy(float), limit=0.2)
    if settings.dirt or settings.mislabelled_units:
        hidden = settings.mislabelled_units
        milligrams = np.char.mod("%.3f", courses["crp"].to_numpy(float) / 10)
        _other_unit(table, "crp", other="crp_mg_dl", text=milligrams, share=0.005, hidden=hidden, rng=rng)
        micrograms = np.char.mod("%.1f", courses["cortisol"].to_numpy(float) / CORTISOL_UG_PER_NMOL)
        _other_unit(
            table, "cortisol", other="cortisol_ug_dl", text=micrograms, share=0.01, hidden=hidden, rng=rng
        )
    return table


def _censor(table: pd.DataFrame, column: str, *, values: Array, limit: float) -> None:
    below = (values < limit) & (table[column] != "")
    table[column] = np.where(below, f"<{limit}", table[column])


def _other_unit(
    table: pd.DataFrame,
    column: str,
    *,
    other: str,
    text: NDArray[np.str_],
    share: float,
    hidden: bool,
    rng: np.random.Generator,
) -> None:
    """Move a share of the results to the column of the other unit, or hide them in the same column."""
    chosen = (rng.random(len(table)) < share) & (table[column] != "") & ~table[column].str.startswith("<")
    table[column] = np.where(chosen, text if hidden else "", table[column])
    if not hidden:
        table[other] = np.where(chosen, text, "")


def _side_effects(
    courses: pd.DataFrame, *, truth: pd.DataFrame, infusion: NDArray[np.datetime64]
) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "course_id": courses["course_id"],
            "patient_id": courses["patient_id"],
            "recorded_on": _day_text(infusion + np.timedelta64(18, "D")),
        }
    )
    return table.assign(**{harm: _yes_no(truth[harm]) for harm in HARMS})


def _follow_up(courses: pd.DataFrame, *, infusion: NDArray[np.datetime64], records: Records) -> pd.DataFrame:
    kept = ~np.isnan(records.relapse_day)
    relapsed = np.isfinite(records.relapse_day[kept])
    days = np.where(relapsed, records.relapse_day[kept], records.last_day[kept])
    ended = infusion[kept].astype("datetime64[D]") + days.astype("timedelta64[D]")
    return pd.DataFrame(
        {
            "course_id": courses["course_id"].to_numpy()[kept],
            "patient_id": courses["patient_id"].to_numpy()[kept],
            "maintenance": np.where(records.weekly[kept], "weekly", "none"),
            "cbt": _yes_no(records.cbt[kept]),
            "ended_on": _day_text(ended),
            "ended_by": np.where(relapsed, "relapse", "censored"),
        }
    )


def _with_duplicates(table: pd.DataFrame, *, rng: np.random.Generator) -> pd.DataFrame:
    """Repeat 0.3 % of the rows exactly, right after themselves."""
    times = 1 + (rng.random(len(table)) < DUPLICATES).astype(int)
    return table.loc[table.index.repeat(times)].reset_index(drop=True)
