"""Subdistribution hazards at their edges. The agreement with cmprsk is in tests/reference."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.validation.competing_risks import cumulative_incidence
from predictor.validation.cox import fit_cox
from predictor.validation.fine_gray import fit_fine_gray


def cohort(n: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=n), rng.random(n) < 0.5]).astype(float)
    time = np.ceil(10 * rng.exponential(np.exp(-0.5 * X[:, 0])))
    return X, time, rng.choice([0, 1, 2], n, p=[0.25, 0.45, 0.3])


def test_without_another_cause_it_is_cox() -> None:
    X, time, event = cohort()
    event = np.where(event == 2, 0, event)
    got, plain = fit_fine_gray(X, time, event), fit_cox(X, time, event == 1, ties="breslow")
    assert got.coef == pytest.approx(plain.coef)
    assert got.log_likelihood == pytest.approx(plain.log_likelihood)
    assert 1 - got.risk(X[:4], at=[5, 20]) == pytest.approx(plain.survival(X[:4], at=[5, 20]))


def test_without_censoring_those_with_another_cause_stay_for_ever() -> None:
    X, time, event = cohort()
    event = np.where(event == 0, 2, event)
    forever = np.where(event == 2, 1e6, time)
    got, plain = fit_fine_gray(X, time, event), fit_cox(X, forever, event == 1, ties="breslow")
    assert got.coef == pytest.approx(plain.coef)


def test_the_robust_error_is_the_jackknife() -> None:
    X, time, event = cohort(30)
    copies = 300
    base = fit_fine_gray(X, time, event)
    moved = []
    for i in range(len(X)):
        more = [np.concatenate([np.repeat(a, copies, axis=0), a[i : i + 1]]) for a in (X, time, event)]
        moved.append((fit_fine_gray(*more).coef - base.coef) * copies)
    assert base.se == pytest.approx(np.sqrt(np.sum(np.square(moved), axis=0)), rel=5e-3)


def test_a_typical_patients_risk_is_near_the_cumulative_incidence() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(600, 1))
    time, event = rng.exponential(size=600), rng.integers(0, 3, 600)
    model = fit_fine_gray(noise, time, event)
    want = cumulative_incidence(time, event, cause=1, at=[0.3, 1.0]).risk
    assert model.risk([[0.0]], at=[0.3, 1.0])[0] == pytest.approx(want, abs=0.02)


def test_a_cause_that_never_happened_is_refused() -> None:
    X, time, event = cohort()
    with pytest.raises(ValueError, match="events of the cause"):
        fit_fine_gray(X, time, event, cause=3)
