"""Who is simulated: margins, their correlations, and the linear predictor of the true response.

Every figure here is a setting chosen so that the answer is known, not a finding about patients. Values are
rounded as a clinic would record them *before* the linear predictor is computed, so the truth is conditional
on what is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

__all__ = ["DOSE_EFFECTS", "DOSE_SHARES", "MARGINS", "PREVALENCES", "draw_patients", "linear_predictor"]

Array = NDArray[np.float64]

PREVALENCES: Mapping[str, float] = {
    "female": 0.62,
    "family_history_aud": 0.33,
    "suicide_attempt": 0.33,
    "ptsd": 0.14,
    "anxious_depression": 0.59,
    "met_carrier": 0.33,
    "employed": 0.45,
}
BENZODIAZEPINE_USERS = 0.39
DOSE_SHARES: Mapping[float, float] = {0.1: 0.03, 0.2: 0.07, 0.5: 0.75, 1.0: 0.15}
DOSE_EFFECTS: Mapping[float, float] = {0.1: -0.80, 0.2: -0.60, 0.5: 0.0, 1.0: 0.05}

CORRELATIONS: Mapping[tuple[str, str], float] = {
    ("bmi", "crp"): 0.40,
    ("crp", "il6"): 0.45,
    ("bmi", "il6"): 0.30,
    ("bmi", "adiponectin"): -0.35,
    ("crp", "adiponectin"): -0.20,
    ("age", "processing_speed"): -0.35,
    ("age", "episode_months"): 0.20,
    ("age", "n_failed"): 0.20,
    ("n_failed", "episode_months"): 0.35,
    ("ctq", "gad7"): 0.25,
    ("madrs", "gad7"): 0.35,
}


def _truncated_normal(z: Array, mean: float, sd: float, low: float, high: float) -> Array:
    below, above = ndtr((low - mean) / sd), ndtr((high - mean) / sd)
    return np.asarray(mean + sd * ndtri(below + ndtr(z) * (above - below)))


def _lognormal(z: Array, mu: float, sigma: float, low: float, high: float, decimals: int) -> Array:
    return np.asarray(np.round(np.clip(np.exp(mu + sigma * z), low, high), decimals))


def _in_half_units(z: Array, mean: float, sd: float, low: int, high: int) -> Array:
    """Round a truncated normal to whole scores, each score owning half a point on either side."""
    return np.asarray(np.clip(np.round(_truncated_normal(z, mean, sd, low - 0.5, high + 0.5)), low, high))


MARGINS: Mapping[str, Callable[[Array], Array]] = {
    "age": lambda z: np.floor(_truncated_normal(z, 45.5, 13, 18, 80.999)),
    "bmi": lambda z: _lognormal(z, np.log(28), 0.22, 13, 69, 1),
    "crp": lambda z: _lognormal(z, 0.272, 1.348, 0.05, 300, 2),
    "il6": lambda z: _lognormal(z, np.log(1.8), 0.70, 0.05, 100, 2),
    "adiponectin": lambda z: _lognormal(z, np.log(8), 0.50, 0.5, 60, 2),
    "bdnf": lambda z: np.round(_truncated_normal(z, 22, 7, 1, 80), 1),
    "cortisol_at_waking": lambda z: 470 * np.exp(0.28 * z),
    "b12": lambda z: _lognormal(z, np.log(478), 0.40, 50, 3000, 0),
    "ctq": lambda z: np.clip(25 + np.round(np.exp(3.0 + 0.75 * z)), 25, 125),
    "madrs": lambda z: _in_half_units(z, 33, 5.5, 20, 56),
    "gad7": lambda z: _in_half_units(z, 13, 5, 0, 21),
    "n_failed": lambda z: np.minimum(2 + np.floor(np.exp(0.55 + 0.70 * z)), 30),
    "episode_months": lambda z: _lognormal(z, np.log(18), 1.1, 1, 600, 0),
    "processing_speed": lambda z: np.asarray(np.round(np.clip(z - 0.5, -5, 5), 2)),
}
"""Each margin as a function of its standard normal score in the Gaussian copula."""

Transform = Callable[[Array], Array]
AS_IS: Transform = lambda value: value  # noqa: E731 — the tables below read as a formula

PER_SD: Mapping[str, tuple[Transform, float]] = {
    "age": (AS_IS, -0.10),
    "bmi": (lambda bmi: np.minimum(bmi, 35), +0.25),
    "n_failed": (np.log, -0.30),
    "episode_months": (np.log, -0.25),
    "madrs": (AS_IS, -0.10),
    "ctq": (AS_IS, +0.12),
    "processing_speed": (AS_IS, -0.20),
    "crp": (np.log, -0.15),
    "adiponectin": (np.log, -0.20),
    "bdnf": (AS_IS, +0.15),
}
IF_PRESENT: Mapping[str, float] = {
    "family_history_aud": +0.50,
    "anxious_depression": -0.15,
    "suicide_attempt": -0.30,
    "ptsd": -0.20,
    "employed": +0.25,
    "met_carrier": -0.40,
}


def draw_patients(n: int, *, rng: np.random.Generator) -> pd.DataFrame:
    """Draw patients with the declared margins and Gaussian-copula correlations.

    Parameters
    ----------
    n : int
        Number of patients.
    rng : numpy.random.Generator
        The stream of the patients alone, so that no other setting changes who they are.

    Returns
    -------
    pandas.DataFrame
        One row per patient; numeric columns of `MARGINS` and `PREVALENCES` (0/1), `benzodiazepine_mg`,
        `hours_since_waking` and `cortisol` (nmol/L, falling by exp(−0.10·hours since waking)).
    """
    names = list(MARGINS)
    scores = rng.standard_normal((n, len(names))) @ np.linalg.cholesky(_correlation_matrix(names)).T
    values: dict[str, NDArray[np.floating[Any]]] = {
        name: MARGINS[name](scores[:, j]) for j, name in enumerate(names)
    }
    values |= {name: (rng.random(n) < share).astype(np.float64) for name, share in PREVALENCES.items()}
    doses = np.round(np.clip(np.exp(np.log(10) + 0.6 * rng.standard_normal(n)), 1, 100), 1)
    values["benzodiazepine_mg"] = np.where(rng.random(n) < BENZODIAZEPINE_USERS, doses, 0.0)
    hours = np.round(rng.uniform(0.5, 5.0, n), 1)
    cortisol = values.pop("cortisol_at_waking") * np.exp(-0.10 * hours)
    values |= {"hours_since_waking": hours, "cortisol": np.round(np.clip(cortisol, 60, 1700), 0)}
    return pd.DataFrame(values)


def linear_predictor(patients: pd.DataFrame, *, scale: float) -> Array:
    """Return the patient's part of η: without intercept, site and dose.

    Every main effect is centred on the population, the interaction of CRP and obesity is not. Standardised
    terms are per SD of the (transformed) margin; ln CRP has slope −0.15, and −0.15 + 0.20 at BMI ≥ 30; BMI
    saturates at 35, benzodiazepines at 40 mg. Cortisol, IL-6, B12, sex and GAD-7 are true zeros. Population
    means and SDs come from the margins, never from the sample, so a patient's truth does not depend on who
    else was drawn.

    Parameters
    ----------
    patients : pandas.DataFrame
        As `draw_patients` returns.
    scale : float
        Multiplies every term: 1.15 gives an oracle AUC of about 0.74, 0 gives no information.
    """
    terms: list[NDArray[np.floating[Any]]] = [
        coefficient * (transform(_column(patients, name)) - _moments(name)[0]) / _moments(name)[1]
        for name, (transform, coefficient) in PER_SD.items()
    ]
    terms += [c * (_column(patients, name) - PREVALENCES[name]) for name, c in IF_PRESENT.items()]
    terms.append(
        -0.25 * (np.minimum(_column(patients, "benzodiazepine_mg"), 40) / 10 - mean_benzodiazepine())
    )
    terms.append(0.25 * ((_column(patients, "ctq") >= 55) - float((_quantiles("ctq") >= 55).mean())))
    mean, sd = _moments("crp")
    obese = _column(patients, "bmi") >= 30
    terms.append(0.20 * obese * (np.log(_column(patients, "crp")) - mean) / sd)
    return np.asarray(scale * np.sum(terms, axis=0))


@cache
def mean_benzodiazepine() -> float:
    """Return the mean daily dose in units of 10 mg diazepam equivalents, capped at 40 mg."""
    return float(BENZODIAZEPINE_USERS * np.minimum(np.exp(np.log(10) + 0.6 * _grid()), 40).mean() / 10)


def _column(patients: pd.DataFrame, name: str) -> Array:
    return patients[name].to_numpy(dtype=np.float64)


def _correlation_matrix(names: list[str]) -> Array:
    matrix = np.eye(len(names))
    for (first, second), value in CORRELATIONS.items():
        i, j = names.index(first), names.index(second)
        matrix[i, j] = matrix[j, i] = value
    return matrix


@cache
def _grid() -> Array:
    """Twenty thousand equally likely standard normal scores: an integral as a mean."""
    return np.asarray(ndtri((np.arange(20_000) + 0.5) / 20_000))


@cache
def _quantiles(name: str) -> Array:
    return MARGINS[name](_grid())


@cache
def _moments(name: str) -> tuple[float, float]:
    """Return the population mean and SD of a standardised term's transformed margin."""
    transformed = PER_SD[name][0](_quantiles(name))
    return float(transformed.mean()), float(transformed.std())
