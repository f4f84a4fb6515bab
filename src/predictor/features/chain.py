"""The deployed imputer as plain numbers: a chain of linear regressions with fixed draws, evaluated by numpy alone.

Every path evaluates the same sums in the same order, one product after the other and no matrix product, so that a
patient gets the same bits alone, in a block and in the fitted encoder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from predictor.features.columns import (
    TEXT,
    Categories,
    EncodedColumn,
    RawColumns,
    read_number,
    read_numbers,
    rows_of,
)
from predictor.features.encoding import encode_block

__all__ = ["Chain", "chain_from_plain", "chain_to_plain"]

FEWEST_FOR_A_BLOCK = 24  # patients; fewer are filled sooner one by one


@dataclass(frozen=True)
class Chain:
    r"""One imputation of new patients: each missing number by its regression on all others, again and again.

    .. math:: x_j^{(r)} = \beta_{j0} + \sum_{i \ne j} \beta_{ji} x_i + \varepsilon_{rj}

    in standardised numbers, from the mean on, for a fixed count of rounds. The coefficients are one draw from their
    posterior and the noise is fixed with them, so that a patient gets the same answer whenever asked, and the
    answers of m chains scatter as m draws do.

    Parameters
    ----------
    names : tuple of str of length p
        Numbers, in the order of the coefficients.
    transforms : tuple of str
        Applied to each number first.
    centers, scales : tuple of float
        Mean and standard deviation of the transformed numbers known in training.
    lows, highs : tuple of float
        Between which a standardised number is filled in.
    context : tuple of EncodedColumn of length q
        Indicators of categories, which are never missing: a category that is missing is a level of its own.
    order : tuple of int
        In which the numbers are visited, the most complete first.
    intercept : tuple of float
    coef : tuple of tuple of float of shape (p, p + q)
        0 for the number itself.
    noise : tuple of tuple of float of shape (rounds, p)
        Residual standard deviation times a fixed standard-normal draw.
    """

    names: tuple[str, ...]
    transforms: tuple[str, ...]
    centers: tuple[float, ...]
    scales: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    context: tuple[EncodedColumn, ...]
    order: tuple[int, ...]
    intercept: tuple[float, ...]
    coef: tuple[tuple[float, ...], ...]
    noise: tuple[tuple[float, ...], ...]

    def completed(self, raw: RawColumns, n: int) -> dict[str, np.ndarray | Categories]:
        """Transform the numbers of raw columns and fill in what is missing; other columns stay as they are.

        Parameters
        ----------
        raw : mapping of str to ndarray of float64 or Categories
        n : int
            Patients.
        """
        read = [
            read_numbers(_as_numbers(raw[name]), transform)
            for name, transform in zip(self.names, self.transforms, strict=True)
        ]
        values = np.array(read).reshape(len(self.names), n)
        rows = np.flatnonzero(np.isnan(values).any(axis=0))
        if len(rows):
            some = {name: rows_of(raw[name], rows) for name in self._texts}
            values[:, rows] = self.filled(values[:, rows], encode_block(self.context, some, len(rows)))
        return {**raw, **dict(zip(self.names, values, strict=True))}

    def completed_one(self, patient: Mapping[str, Any]) -> dict[str, Any]:
        """Do the same for one patient, None where missing."""
        read = [
            read_number(patient[name], transform)
            for name, transform in zip(self.names, self.transforms, strict=True)
        ]
        values = [math.nan if value is None else value for value in read]
        if None in read:
            texts = {name: Categories.of([patient[name]]) for name in self._texts}
            values = self._filled_one(values, encode_block(self.context, texts, 1)[:, 0].tolist())
        return {**patient, **dict(zip(self.names, values, strict=True))}

    def filled(self, values: np.ndarray, context: np.ndarray) -> np.ndarray:
        """Fill in transformed numbers.

        Parameters
        ----------
        values : ndarray of float64 of shape (p, n)
            NaN where missing.
        context : ndarray of shape (q, n)
            Encoded categories of the same patients.
        """
        if values.shape[1] < FEWEST_FOR_A_BLOCK:
            ones = zip(values.T.tolist(), context.T.tolist(), strict=True)
            return np.array([self._filled_one(*one) for one in ones]).reshape(values.shape[::-1]).T
        missing = np.isnan(values)
        z = (values - np.array(self.centers)[:, None]) / np.array(self.scales)[:, None]
        z[missing] = 0.0
        self._visit(z, context.astype(np.float64), missing)
        back = np.array(self.centers)[:, None] + np.array(self.scales)[:, None] * z
        return np.where(missing, back, values)

    def _visit(self, z: np.ndarray, context: np.ndarray, missing: np.ndarray) -> None:
        asked = [(j, np.flatnonzero(missing[j])) for j in self.order if missing[j].any()]
        columns = [*z, *context]
        for noise in self.noise:
            for j, at in asked:
                total = np.full(len(at), self.intercept[j] + noise[j])
                for i, weight in self._weights[j]:
                    total += weight * columns[i][at]
                z[j, at] = np.minimum(np.maximum(total, self.lows[j]), self.highs[j])

    def _filled_one(self, values: Sequence[float], context: Sequence[float]) -> list[float]:
        missing = [value != value for value in values]
        asked = [j for j in self.order if missing[j]]
        z = [
            0.0 if gone else (value - center) / scale
            for value, gone, center, scale in zip(values, missing, self.centers, self.scales, strict=True)
        ]
        z += context
        # A single missing number depends on none that changes, so that only its last visit counts.
        for noise in self.noise if len(asked) > 1 else self.noise[-1:]:
            for j in asked:
                total = self.intercept[j] + noise[j]
                for i, weight in self._weights[j]:
                    total += weight * z[i]
                z[j] = min(max(total, self.lows[j]), self.highs[j])
        return [
            center + scale * new if gone else value
            for value, gone, new, center, scale in zip(
                values, missing, z[: len(values)], self.centers, self.scales, strict=True
            )
        ]

    @cached_property
    def _weights(self) -> tuple[tuple[tuple[int, float], ...], ...]:
        """Coefficients that are not 0 with their places."""
        return tuple(tuple((i, w) for i, w in enumerate(row) if w != 0.0) for row in self.coef)

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(column.feature for column in self.context if column.transform == TEXT))


def _as_numbers(values: np.ndarray | Categories) -> np.ndarray:
    if isinstance(values, Categories):
        raise TypeError("a number is asked for, and a category was given")
    return values


def chain_to_plain(chain: Chain) -> dict[str, Any]:
    """Describe a chain by numbers, texts and lists alone."""
    return asdict(chain)


def chain_from_plain(plain: Mapping[str, Any]) -> Chain:
    """Rebuild what `chain_to_plain` described, number by number the same."""
    parts = {name: _tuples(part) for name, part in plain.items() if name != "context"}
    return Chain(**parts, context=tuple(EncodedColumn(**column) for column in plain["context"]))


def _tuples(part: Any) -> Any:
    return tuple(_tuples(one) for one in part) if isinstance(part, list | tuple) else part
