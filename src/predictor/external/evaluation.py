"""A saved model on patients that it has never seen: performance, case mix, and how much of it has to change.

The patients are whatever cohort a config and its dictionary describe; the model answers them as it answers everybody,
refusals included. The config's own models and folds play no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from predictor.cohort.definitions import outcome_text
from predictor.cohort.outcomes import define_outcomes
from predictor.cohort.selection import Cohort, select_cohort
from predictor.config.loading import LoadedConfig
from predictor.config.schema import Config
from predictor.errors import ConfigError, DataError, Problem
from predictor.external.overlap import require_apart
from predictor.external.patients import find_columns, patient_keys, read_inputs
from predictor.features.encoding import encode_block
from predictor.prediction import predict_patients
from predictor.prediction.case_mix import CASE_MIX, compare_case_mix, describe_case_mix
from predictor.prediction.reading import read_patients
from predictor.prediction_model import PredictionModel, raw_columns
from predictor.study import hash_of, is_simulated, read_needed
from predictor.validation.new_patients import FEWEST, evaluate_new, net_benefit_new
from predictor.validation.updating import ClosedTest, closed_test

__all__ = ["ExternalEvaluation", "evaluate_external"]

UPDATING = [
    "update",
    "parameters",
    "intercept",
    "slope",
    "log_likelihood",
    "statistic",
    "df",
    "df_error",
    "p_value",
    "chosen",
]
NEAREST = 1e-15
MEMBERSHIP = (
    "A membership model, which tells development patients from these, needs the rows of both; the model's folder "
    "holds no patient, so that inputs and predictions are compared by their means and spreads"
)


@dataclass(frozen=True)
class ExternalEvaluation:
    """What patients that the model had not seen say about it.

    Parameters
    ----------
    model : PredictionModel
    loaded : LoadedConfig
    simulated : bool
        Of these patients, or of those the model was developed on.
    data_hash : str
    attrition : DataFrame
        From the export to the units with an outcome whom the model answered: ``step``, ``units``.
    n, events : int
        Of the answered units.
    performance : DataFrame
        See `predictor.validation.new_patients.evaluate_new`, and net benefit with its ``threshold``.
    case_mix : DataFrame
        See `predictor.prediction.case_mix.compare_case_mix`; the last row is the log-odds of the predictions.
    test : ClosedTest
    notes : tuple of str
        What has to be known to read the figures.
    """

    model: PredictionModel
    loaded: LoadedConfig
    simulated: bool
    data_hash: str
    attrition: pd.DataFrame
    n: int
    events: int
    performance: pd.DataFrame
    case_mix: pd.DataFrame
    test: ClosedTest
    notes: tuple[str, ...]

    @property
    def updating(self) -> pd.DataFrame:
        """One row per update with its test against the largest."""
        tests = {step.smaller: step for step in self.test.steps}
        rows = []
        for one in self.test.updates:
            step = tests.get(one.method)
            error = np.nan if step is None or step.df_error is None else step.df_error
            compared = (step.statistic, step.df, error, step.p_value) if step else (np.nan,) * 4
            fitted = (one.parameters, one.intercept, one.slope, one.log_likelihood)
            rows.append((one.method, *fitted, *compared, one.method == self.test.chosen))
        return pd.DataFrame(rows, columns=UPDATING)

    @property
    def own_data(self) -> bool:
        """Whether the model was developed on these very data; they say nothing about an update of it."""
        return self.data_hash == self.model.card.get("data_sha256")

    @property
    def recalibrates(self) -> bool:
        """Whether these patients ask for a line that a new version of the model can go through."""
        return self.test.chosen in ("intercept", "slope") and not self.own_data

    @property
    def advice(self) -> str:
        """What is to be done about the model, in words."""
        if self.own_data:
            return "Nothing can be said about an update: the model was developed on these patients."
        if self.test.note.startswith("fewer"):
            return f"Nothing can be said about an update: {self.test.note}."
        return ADVICE[self.test.chosen]


ADVICE = {
    "none": "The model fits these patients as it is.",
    "intercept": "The level is off: a new intercept brings it right.",
    "slope": "Level and spread are off: a new intercept and slope bring them right.",
    "refit": "A recalibration is not enough here: train a model on these patients, or on both.",
}


def evaluate_external(
    model: PredictionModel,
    loaded: LoadedConfig,
    *,
    developed_on: LoadedConfig | None = None,
    today: date | None = None,
) -> ExternalEvaluation:
    """Evaluate a saved model on the primary outcome of the cohort that a config describes.

    Parameters
    ----------
    model : PredictionModel
    loaded : LoadedConfig
        Its features have to name every input of the model, in the same units.
    developed_on : LoadedConfig or None
        What the model was trained with, where its data are at hand: nobody may be in both.
    today : date or None
        For the model's check that it is in date.

    Raises
    ------
    DataError
        PRE-01 for an input that the config does not have; DAT-22 where nobody with an outcome was answered, or all of
        them had, or had not, the event; LEA-08 where patients are among those of ``developed_on``.
    ConfigError
        CFG-24 where the primary outcome is a change.
    """
    config, dictionary = loaded.config, loaded.dictionary
    if config.outcomes[config.primary].kind == "change":
        problem = Problem(
            "CFG-24", "a change is described, not predicted", "Name another outcome", path="primary"
        )
        raise ConfigError(loaded.locate(problem))
    columns = find_columns(model, loaded)
    tables = read_needed(loaded)
    cohort = select_cohort(tables, dictionary, config.cohort)
    outcome = define_outcomes(cohort, config.outcomes, baseline=config.cohort.baseline)[config.primary]
    rows = np.flatnonzero(outcome.evaluable)
    patients = read_inputs(cohort, loaded, columns).iloc[rows].reset_index(drop=True)
    answered, p, refused = _answers(model, patients, today)
    y, groups = outcome.label[rows][answered], cohort.groups[rows][answered]
    _check(y, path=f"outcomes.{config.primary}")
    values = [patient.values for patient in read_patients(model, patients)]
    if developed_on is not None:
        keys = patient_keys(cohort)
        require_apart(model, [keys[row] for row in rows], values, developed_on)
    answers = [values[i] for i in np.flatnonzero(answered)]
    log_odds = np.log(np.clip(p, NEAREST, 1)) - np.log(np.clip(1 - p, NEAREST, 1))
    return ExternalEvaluation(
        model=model,
        loaded=loaded,
        simulated=is_simulated(dictionary) or bool(model.card.get("simulated")),
        data_hash=hash_of(tables),
        attrition=_attrition(cohort, len(rows), refused, len(y)),
        n=len(y),
        events=int(y.sum()),
        performance=_performance(y, p, groups, config),
        case_mix=_case_mix(model, values, log_odds),
        test=closed_test(log_odds, y, _design(model, answers), groups=groups),
        notes=_notes(model, loaded, hash_of(tables), len(y), int(y.sum())),
    )


def _answers(
    model: PredictionModel, patients: pd.DataFrame, today: date | None
) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Who was answered, with what, and how many were refused by which checks."""
    # Whether the model's numbers are shown or withheld, they are what is evaluated here; nobody is given one.
    released = replace(model, policy={**model.policy, "release": "research"})
    found = predict_patients(released, patients, explain=False, ranges=False, today=today)
    refused: dict[str, int] = {}
    for one in found:
        if one.kind == "refusal":
            why = " and ".join(check.label.lower() for check in one.checks if check.status == "fail")
            refused[why] = refused.get(why, 0) + 1
    answered = np.array([one.probability is not None for one in found], dtype=bool)
    p = np.array([one.probability for one in found if one.probability is not None], dtype=float)
    return answered, p, refused


def _check(y: np.ndarray, *, path: str) -> None:
    if len(np.unique(y)) < 2:
        message = f"{len(y)} patients with an outcome were answered by the model, {int(y.sum())} of them with the event"
        remedy = "Events and non-events are needed; see what the model refuses with `predictor predict`"
        raise DataError(Problem("DAT-22", message, remedy, path=path))


def _attrition(cohort: Cohort, evaluable: int, refused: Mapping[str, int], answered: int) -> pd.DataFrame:
    steps = [(str(row["step"]), int(row["units"])) for row in cohort.attrition.to_dict("records")]
    steps.append(("With an outcome", evaluable))
    left = evaluable
    for why, n in sorted(refused.items(), key=lambda pair: (-pair[1], pair[0])):
        left -= n
        steps.append((f"Refused by the model: {why} ({n})", left))
    steps.append(("Answered by the model", answered))
    return pd.DataFrame(steps, columns=["step", "units"])


def _performance(y: np.ndarray, p: np.ndarray, groups: np.ndarray, config: Config) -> pd.DataFrame:
    interval = config.validation.interval
    drawn = {"level": interval.level, "resamples": interval.resamples, "seed": config.experiment.seed}
    found = [evaluate_new(y, p, groups, **drawn)]  # type: ignore[arg-type]
    if min(y.sum(), len(y) - y.sum()) >= FEWEST:
        thresholds = config.validation.thresholds
        found.append(net_benefit_new(y, p, groups, thresholds=thresholds, **drawn))  # type: ignore[arg-type]
    frame = pd.concat(
        [one.assign(threshold=one.get("threshold", np.nan)) for one in found], ignore_index=True
    )
    return frame[["metric", "threshold", "value", "low", "high", "interval"]]


def _case_mix(
    model: PredictionModel, values: list[Mapping[str, float | str | None]], log_odds: np.ndarray
) -> pd.DataFrame:
    stored: dict[str, Any] = model.card.get("case_mix", {})
    rows = compare_case_mix(model.inputs, stored.get("inputs", {}), describe_case_mix(model.inputs, values))
    before = stored.get("log_odds", {})
    spread = float(log_odds.std(ddof=1))
    mean, sd = before.get("mean"), before.get("sd")
    difference = (float(log_odds.mean()) - mean) / sd if sd else None
    last = ("Predictions", "mean log-odds", "", mean, sd, float(log_odds.mean()), spread, difference)
    return pd.DataFrame([*rows, dict(zip(CASE_MIX, last, strict=True))], columns=list(CASE_MIX))


def _design(model: PredictionModel, answers: list[Mapping[str, float | str | None]]) -> np.ndarray:
    """Encode the patients as the most important linear member does, or the most important of all if none is linear."""
    ranked = sorted(
        zip(model.scorer.members, model.scorer.weights, strict=True),
        key=lambda pair: (pair[0].trees is None, pair[1]),
    )
    member = ranked[-1][0]
    raw = member.completed(raw_columns(model.features, answers), len(answers))
    return encode_block(member.columns, raw, len(answers)).T


def _notes(
    model: PredictionModel, loaded: LoadedConfig, data_hash: str, n: int, events: int
) -> tuple[str, ...]:
    found = []
    if data_hash == model.card.get("data_sha256"):
        found.append("These are the data that the model was developed on: its figures here are too good")
    here, there = (
        outcome_text(loaded.config.outcomes[loaded.config.primary]),
        model.card["outcome"]["definition"],
    )
    if here != there:
        found.append(f"The outcome is another one: the model was made for “{there}”, and here it is “{here}”")
    if model.card.get("verdict", {}).get("label") != "better":
        found.append(
            "The model was not shown to be better than simple references; here its withheld numbers are judged"
        )
    if min(events, n - events) < FEWEST:
        found.append(f"Fewer than {FEWEST} events or non-events: too few to judge")
    elif min(events, n - events) < 100:
        found.append(
            "Fewer than 100 events or non-events: the figures are uncertain, calibration most of all"
        )
    if "case_mix" not in model.card:
        found.append("The model was saved without its patients' means and spreads: they cannot be compared")
    return (*found, MEMBERSHIP)
