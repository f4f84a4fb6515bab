"""A fitted classifier as plain numbers, evaluated by numpy alone: no pandas, no scikit-learn, no scipy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from predictor.features.chain import Chain, chain_from_plain, chain_to_plain
from predictor.features.columns import (
    EncodedColumn,
    RawColumns,
    columns_of,
)
from predictor.features.encoding import encode_block
from predictor.models.fused import FusedMember, fuse
from predictor.models.trees import Trees

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FEWEST_FOR_FUSION",
    "CompactModel",
    "KnownColumns",
    "Member",
    "expit",
    "from_plain",
    "imputers_of",
    "logit",
    "plain_imputer",
    "shared_columns",
    "through_line",
    "to_plain",
]

Scale = Literal["log_odds", "probability"]
Sigmoid = tuple[float, float]

CLIP = 1e-6
NEAREST = 1e-15
FEWEST_FOR_FUSION = 2000  # patients; fewer are answered sooner by the plain way, compiling counted in


def expit(log_odds: np.ndarray) -> np.ndarray:
    """Turn log-odds into probabilities, without overflow at either end."""
    tail = np.exp(-np.abs(log_odds))
    return np.asarray(np.where(log_odds >= 0, 1.0, tail) / (1.0 + tail))


def logit(probability: np.ndarray) -> np.ndarray:
    """Turn probabilities into log-odds; 0 and 1 become infinite."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(probability) - np.log1p(-probability))


def through_line(probability: np.ndarray, line: Sigmoid) -> np.ndarray:
    """Put probabilities through a slope and an intercept on the log-odds; 0 and 1 count as 1e-15 from there."""
    return expit(line[1] + line[0] * logit(np.clip(probability, NEAREST, 1.0 - NEAREST)))


@dataclass(frozen=True)
class Member:
    """One fitted and calibrated model without scikit-learn.

    Parameters
    ----------
    features : tuple of str
        Columns that it reads.
    columns : tuple of EncodedColumn
        How patients are encoded.
    base : float
        Intercept, or the value before the first tree.
    coef : ndarray of float64 of shape (len(columns),) or (0,)
        Coefficients of a linear model.
    trees : Trees or None
        Trees of the other models.
    scale : {"log_odds", "probability"}
        What base, coefficients and trees add up to.
    sigmoid : tuple of (float, float) or None
        Slope and intercept of the calibration.
    chain : Chain or None
        Fills in missing numbers before anything else; without it each has its own constant.
    imputation : int
        Which of several.
    """

    features: tuple[str, ...]
    columns: tuple[EncodedColumn, ...]
    base: float
    coef: np.ndarray
    trees: Trees | None
    scale: Scale
    sigmoid: Sigmoid | None
    chain: Chain | None = None
    imputation: int = 0

    def completed(self, raw: RawColumns, n: int) -> RawColumns:
        """Fill in raw columns, which `scores`, `fused` and the explanations then take as they are."""
        return raw if self.chain is None else self.chain.completed(raw, n)

    def scores(self, encoded: np.ndarray) -> np.ndarray:
        """Evaluate the model's own sum from encoded columns, shape (columns, n) to (n,)."""
        scores = np.full(encoded.shape[1], self.base)
        if len(self.coef):
            scores = scores + self.coef @ encoded
        if self.trees is not None:
            scores = scores + self.trees.total(encoded.T)
        return scores

    def calibrated(self, scores: np.ndarray) -> np.ndarray:
        """Turn scores into calibrated log-odds."""
        if self.sigmoid is not None:
            return self.sigmoid[1] + self.sigmoid[0] * scores
        return scores if self.scale == "log_odds" else logit(np.clip(scores, CLIP, 1.0 - CLIP))

    @cached_property
    def fused(self) -> FusedMember:
        """The same, compiled for many patients."""
        return fuse(self.columns, self.base, self.coef, self.trees)


@dataclass(frozen=True)
class CompactModel:
    """The average of calibrated models as plain numbers; a single model is the case of weight 1.

    Parameters
    ----------
    members : tuple of Member
    weights : tuple of float
        They add up to 1.
    line : tuple of (float, float) or None
        Slope and intercept that the log-odds of the average go through, after a recalibration on new patients.
    """

    members: tuple[Member, ...]
    weights: tuple[float, ...]
    line: Sigmoid | None = None

    @property
    def columns(self) -> tuple[EncodedColumn, ...]:
        """Encoded columns of all members."""
        return tuple(column for member in self.members for column in member.columns)

    def probability(self, raw: RawColumns, n: int, *, fused: bool | None = None) -> np.ndarray:
        """Evaluate the averaged calibrated probability of the event.

        Parameters
        ----------
        raw : mapping of str to ndarray of float64 or Categories
            Numbers with NaN where missing.
        n : int
            Patients.
        fused : bool, optional
            Whether to compile first; by default for many patients.

        Returns
        -------
        ndarray of float64 of shape (n,)
            That of ``AveragedClassifier.predict_proba`` within 1e-9.
        """
        return self._mean([expit(log_odds) for log_odds in self.by_member(raw, n, fused=fused)], n)

    def _mean(self, by_member: Sequence[np.ndarray], n: int) -> np.ndarray:
        total = np.zeros(n)
        for p, weight in zip(by_member, self.weights, strict=True):
            total += weight * p
        return total if self.line is None else through_line(total, self.line)

    def by_member(self, raw: RawColumns, n: int, *, fused: bool | None = None) -> Iterator[np.ndarray]:
        """Evaluate each member's calibrated log-odds, filling in and encoding once for all that share it."""
        filled: dict[int, RawColumns] = {}
        encoded: dict[tuple[int, int], np.ndarray] = {}
        for member in self.members:
            chain = id(member.chain)
            if chain not in filled:
                filled[chain] = member.completed(raw, n)
            if n >= FEWEST_FOR_FUSION if fused is None else fused:
                yield member.calibrated(member.fused.scores(filled[chain], n))
                continue
            key = (chain, id(member.columns))
            if key not in encoded:
                encoded[key] = encode_block(member.columns, filled[chain], n)
            yield member.calibrated(member.scores(encoded[key]))

    @property
    def imputations(self) -> int:
        """How many times a missing number is filled in."""
        return max(1, max(member.imputation for member in self.members) + 1)

    def by_imputation(self, raw: RawColumns, n: int) -> np.ndarray:
        """Evaluate the probability that each imputation gives, shape (imputations, n).

        Their mean is `probability`; how far they lie apart is what the missing inputs leave open.
        """
        found, shares = np.zeros((self.imputations, n)), np.zeros(self.imputations)
        for member, weight, log_odds in zip(self.members, self.weights, self.by_member(raw, n), strict=True):
            found[member.imputation] += weight * expit(log_odds)
            shares[member.imputation] += weight
        p = np.asarray(found / shares[:, None])
        return p if self.line is None else through_line(p, self.line)

    def one(self, patient: Mapping[str, float | str | None]) -> float:
        """Evaluate the probability of one patient, in microseconds."""
        total = 0.0
        filled: dict[int, Mapping[str, float | str | None]] = {id(None): patient}
        for member, weight in zip(self.members, self.weights, strict=True):
            if member.chain is not None and id(member.chain) not in filled:
                filled[id(member.chain)] = member.chain.completed_one(patient)
            score = np.float64(member.fused.one(filled[id(member.chain)]))
            eta = float(member.calibrated(score))  # type: ignore[arg-type]
            tail = math.exp(-abs(eta))
            total += weight * (1.0 if eta >= 0 else tail) / (1.0 + tail)
        return total if self.line is None else float(through_line(np.float64(total), self.line))  # type: ignore[arg-type]

    def log_odds(self, X: pd.DataFrame) -> np.ndarray:
        """Evaluate calibrated log-odds of a table, shape (n,): ``decision_function`` within 1e-9."""
        raw = columns_of(X, self.columns)
        if len(self.members) == 1 and self.line is None:
            return next(self.by_member(raw, len(X)))
        return logit(self.probability(raw, len(X)))

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Evaluate calibrated probabilities of both classes of a table, shape (n, 2)."""
        p = self.probability(columns_of(X, self.columns), len(X))
        return np.column_stack([1.0 - p, p])


def to_plain(model: CompactModel) -> dict[str, Any]:
    """Describe a model by numbers, texts and lists alone.

    Parameters
    ----------
    model : CompactModel
    """
    imputers = imputers_of(model)
    return {
        "weights": list(model.weights),
        "line": model.line,
        **({"imputers": [chain_to_plain(chain) for chain in imputers]} if imputers else {}),
        "members": [
            {
                "features": list(member.features),
                "columns": [asdict(column) for column in member.columns],
                "base": member.base,
                "coef": member.coef.tolist(),
                "trees": None if member.trees is None else _plain_trees(member.trees),
                "scale": member.scale,
                "sigmoid": member.sigmoid,
                **plain_imputer(member, imputers),
            }
            for member in model.members
        ],
    }


def imputers_of(model: CompactModel) -> list[Chain]:
    """List the imputers, each once however many members share it."""
    return list({id(m.chain): m.chain for m in model.members if m.chain is not None}.values())


def plain_imputer(member: Member, imputers: Sequence[Chain]) -> dict[str, int]:
    """Say which of the imputers a member has; nothing where it has none."""
    if member.chain is None:
        return {}
    number = next(i for i, chain in enumerate(imputers) if chain is member.chain)
    return {"imputer": number, "imputation": member.imputation}


def _plain_trees(trees: Trees) -> dict[str, list[float]]:
    return {part.name: getattr(trees, part.name).tolist() for part in fields(Trees)}


KnownColumns = tuple[list[dict[str, Any]], tuple[EncodedColumn, ...]]


def shared_columns(plain: list[dict[str, Any]], known: list[KnownColumns]) -> tuple[EncodedColumn, ...]:
    """Rebuild encoded columns, as one object for all members that have the same: they are then encoded once.

    Parameters
    ----------
    plain : list of dict
    known : list of (list of dict, tuple of EncodedColumn)
        Those of the members before; a new one is added.
    """
    for described, columns in known:
        if described == plain:
            return columns
    columns = tuple(EncodedColumn(**column) for column in plain)
    known.append((plain, columns))
    return columns


def from_plain(plain: Mapping[str, Any]) -> CompactModel:
    """Rebuild what `to_plain` described, number by number the same."""
    imputers = [chain_from_plain(part) for part in plain.get("imputers", [])]
    known: list[KnownColumns] = []
    members = tuple(
        Member(
            features=tuple(part["features"]),
            columns=shared_columns(part["columns"], known),
            base=float(part["base"]),
            coef=np.array(part["coef"], dtype=np.float64),
            trees=None if part["trees"] is None else Trees.of(part["trees"]),
            scale=part["scale"],
            sigmoid=None if part["sigmoid"] is None else (part["sigmoid"][0], part["sigmoid"][1]),
            chain=imputers[part["imputer"]] if "imputer" in part else None,
            imputation=int(part.get("imputation", 0)),
        )
        for part in plain["members"]
    )
    line = plain.get("line")  # which a folder from before recalibrations does not have
    weights = tuple(float(weight) for weight in plain["weights"])
    return CompactModel(members, weights, None if line is None else (float(line[0]), float(line[1])))
