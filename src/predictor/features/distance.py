"""How far a patient lies from those of the development, all inputs taken together.

Each value can lie inside its range where the combination of them never occurred: a body weight and a height that
no person has. The squared Mahalanobis distance sees that. A model's folder keeps means and covariances, and two
limits; never a patient.

Sources: Mahalanobis 1936; the covariance is shrunk after Ledoit and Wolf 2004 (J Multivar Anal 88:365).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from predictor.features.columns import Categories, EncodedColumn, RawColumns, transformed

__all__ = ["Distance", "fit_distance"]

FEWEST, PER_COLUMN, PARTS = 50, 5, 5
CAUTION, REFUSAL = 0.99, 1e-6
LARGEST = 1e6  # standard deviations; beyond, a square could overflow


@dataclass(frozen=True)
class Distance:
    """Means, covariances and limits of the development patients.

    Parameters
    ----------
    columns : tuple of EncodedColumn
        Numbers after their transformation, and one indicator per level; k in all.
    mean : ndarray of shape (k,)
    covariance : ndarray of shape (k, k)
        Shrunk, positive definite.
    caution, refusal : float
        Squared distances: exceeded by one in a hundred development patients, each measured from the others; and by one
        in a million, were the tail that of a normal distribution.
    hundredths : tuple of float
        Squared distances of which 1, 2 … 99 of 100 development patients lie below; empty in a model saved without.
    """

    columns: tuple[EncodedColumn, ...]
    mean: np.ndarray
    covariance: np.ndarray
    caution: float
    refusal: float
    hundredths: tuple[float, ...] = ()

    def squared(self, raw: RawColumns, n: int) -> np.ndarray:
        """Evaluate the squared distance over the inputs that are there, shape (n,); a missing one adds nothing.

        Parameters
        ----------
        raw : mapping of str to ndarray or Categories
        n : int
        """
        return self._squared(_encoded(self.columns, raw, n) - self.mean)

    def _squared(self, centred: np.ndarray) -> np.ndarray:
        there = np.nan_to_num(centred)
        found: np.ndarray = ((there @ self._precision) * there).sum(axis=1)
        for i in np.flatnonzero(np.isnan(centred).any(axis=1)):
            known = ~np.isnan(centred[i])
            part, block = centred[i, known], self.covariance[np.ix_(known, known)]
            found[i] = part @ np.linalg.solve(block, part)
        return found

    @cached_property
    def _precision(self) -> np.ndarray:
        return np.asarray(np.linalg.inv(self.covariance))

    def place(self, raw: RawColumns) -> tuple[float, int | None]:
        """Say how far out one patient lies.

        Parameters
        ----------
        raw : mapping of str to ndarray or Categories
            Of one patient.

        Returns
        -------
        squared : float
            Its squared distance.
        less_typical : int or None
            Of 100 development patients, those who lay further out, 0 to 99; None where it is not known, and for a
            patient with gaps, whose distance is not comparable.
        """
        centred = _encoded(self.columns, raw, 1) - self.mean
        squared = float(self._squared(centred)[0])
        if not self.hundredths or np.isnan(centred).any():
            return squared, None
        return squared, len(self.hundredths) - int(np.searchsorted(self.hundredths, squared))

    def unusual(self, raw: RawColumns) -> list[str]:
        """Name the two features of one patient without which the distance shrinks most.

        Parameters
        ----------
        raw : mapping of str to ndarray or Categories
            Of one patient.
        """
        names = list(dict.fromkeys(column.feature for column in self.columns))
        without = {name: float(self._without(name).squared(raw, 1)[0]) for name in names}
        return sorted(sorted(names), key=lambda name: without[name])[:2]

    def _without(self, name: str) -> Distance:
        kept = np.array([column.feature != name for column in self.columns])
        columns = tuple(column for column in self.columns if column.feature != name)
        covariance = self.covariance[np.ix_(kept, kept)]
        return Distance(columns, self.mean[kept], covariance, self.caution, self.refusal)

    def to_plain(self) -> dict[str, Any]:
        """Describe it by numbers, texts and lists alone."""
        return {
            "columns": [asdict(column) for column in self.columns],
            "mean": self.mean.tolist(),
            "covariance": self.covariance.tolist(),
            "caution": self.caution,
            "refusal": self.refusal,
            "hundredths": list(self.hundredths),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Distance:
        """Rebuild what `to_plain` described; ValueError where that is no distribution.

        Parameters
        ----------
        plain : mapping
        """
        columns = tuple(EncodedColumn(**column) for column in plain["columns"])
        mean = np.array(plain["mean"], dtype=np.float64)
        covariance = np.array(plain["covariance"], dtype=np.float64)
        caution, refusal = float(plain["caution"]), float(plain["refusal"])
        hundredths = tuple(float(one) for one in plain.get("hundredths", ()))
        sound = (
            mean.shape == (len(columns),)
            and covariance.shape == (len(columns),) * 2
            and bool(np.isfinite(mean).all() and np.isfinite(covariance).all())
            and bool((np.linalg.eigvalsh(covariance) > 0).all())
            and 0 < caution <= refusal < np.inf
            and bool(np.isfinite(hundredths).all() and (np.diff(hundredths) >= 0).all())
        )
        if not sound:
            raise ValueError("the distribution is none")
        return cls(columns, mean, covariance, caution, refusal, hundredths)


def fit_distance(columns: Sequence[EncodedColumn], raw: RawColumns, n: int) -> Distance | None:
    """Describe the development patients.

    Parameters
    ----------
    columns : sequence of EncodedColumn
        Of the model; repetitions and indicators of missingness are left out.
    raw : mapping of str to ndarray or Categories
        Of the development patients, in an order that does not depend on the file's.
    n : int

    Returns
    -------
    Distance or None
        None with fewer than 50 patients, or fewer than 5 per column: their covariances would be guesses.
    """
    used = _used(columns)
    if not used or n < max(FEWEST, PER_COLUMN * len(used)):
        return None
    encoded = _encoded(used, raw, n)
    mean, covariance = _moments(encoded)
    squared = _from_others(used, raw, n)
    caution = float(np.quantile(squared, CAUTION))
    hundredths = tuple(float(f"{one:.3g}") for one in np.quantile(squared, np.arange(1, 100) / 100))
    return Distance(used, mean, covariance, caution, caution * _tail(len(used)), hundredths)


def _used(columns: Sequence[EncodedColumn]) -> tuple[EncodedColumn, ...]:
    found = {
        (column.feature, column.level): column
        for column in reversed(columns)
        if column.operation in ("value", "level")
    }
    return tuple(reversed(found.values()))


def _encoded(columns: Sequence[EncodedColumn], raw: RawColumns, n: int) -> np.ndarray:
    """Encode without filling in, shape (n, k): NaN where missing."""
    plain = np.empty((n, len(columns)))
    for i, column in enumerate(columns):
        plain[:, i] = _plain(column, raw[column.feature])
    plain[~np.isfinite(plain)] = np.nan
    center, scale = (np.array([getattr(column, part) for column in columns]) for part in ("center", "scale"))
    return np.asarray(np.clip((plain - center) / scale, -LARGEST, LARGEST))


def _plain(column: EncodedColumn, values: np.ndarray | Categories) -> np.ndarray:
    """Value before centring."""
    if not isinstance(values, Categories):
        return transformed(values, column.transform)
    by_level = [np.nan if level is None else float(level == column.level) for level in values.levels]
    return np.asarray(np.array([*by_level, np.nan])[values.codes])


def _moments(encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and shrunk covariance; values that are missing have no part in a variance."""
    from sklearn.covariance import ledoit_wolf  # needed in training alone

    known = ~np.isnan(encoded)
    share = np.maximum(known.mean(axis=0), 1 / len(encoded))
    mean = np.where(known, encoded, 0.0).sum(axis=0) / (share * len(encoded))
    centred = np.where(known, encoded - mean, 0.0) / np.sqrt(share)
    covariance, _ = ledoit_wolf(centred, assume_centered=True)
    # A column that never varies, and data that all agree, would leave nothing to divide by.
    return mean, np.asarray(covariance) + 1e-6 * np.eye(encoded.shape[1])


def _from_others(columns: tuple[EncodedColumn, ...], raw: RawColumns, n: int) -> np.ndarray:
    """Squared distance of every patient from four fifths of the patients, of whom it is none."""
    encoded, found = _encoded(columns, raw, n), np.empty(n)
    part = np.arange(n) % PARTS
    for i in range(PARTS):
        mean, covariance = _moments(encoded[part != i])
        rows = {
            name: values.take(part == i) if isinstance(values, Categories) else values[part == i]
            for name, values in raw.items()
        }
        found[part == i] = Distance(columns, mean, covariance, 1.0, 1.0).squared(rows, int((part == i).sum()))
    return found


def _tail(k: int) -> float:
    """How much further than one in a hundred one in a million lies, with k normal columns."""
    from scipy.stats import chi2

    return float(chi2.isf(REFUSAL, k) / chi2.isf(1 - CAUTION, k))
