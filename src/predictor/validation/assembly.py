"""From candidates to the judged procedure: weights and line from training units alone, the rest is arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from predictor.errors import Problem, ResourceError
from predictor.models.averaging import UNCHANGED, average_line, average_weights, straighten
from predictor.models.sigmoid import Sigmoid
from predictor.validation.imputed import together_log_odds
from predictor.validation.splits import Fold

__all__ = [
    "RESAMPLED",
    "Candidate",
    "Fitted",
    "FoldResult",
    "Protocol",
    "assemble",
    "candidate_line",
    "candidate_weights",
]

AVERAGE, SELECTION = "average", "selection"
# The bootstrap's resamples are folds of this repeat, which no cross-validation reaches, so that none shares its seed
# with an outer fold. Fold 0 of it is everybody: the final fit, with which the refits are compared.
RESAMPLED = 1_000_000


@dataclass(frozen=True)
class Candidate:
    """One model on one feature set: what the inner folds choose between, or weigh.

    Parameters
    ----------
    name : str
        ``model | set``.
    family : str
        Name in the catalog.
    features : tuple of str
        Columns of X.
    grid : tuple of dict
        Parameter candidates.
    """

    name: str
    model: str
    feature_set: str
    family: str
    features: tuple[str, ...]
    grid: tuple[dict[str, object], ...]


@dataclass(frozen=True)
class Protocol:
    """The whole declared procedure, ready to be repeated on any part of the data.

    Parameters
    ----------
    candidates : tuple of Candidate
    judge : str
        ``average``, ``selection``, or the name of one candidate.
    references : dict of str to tuple of str
        Name of each reference and its columns; no column means the prevalence.
    inner_splits : int
    calibration : {"auto", "none", "sigmoid"}
    seed : int
    arms : dict of str to (str, str)
        Arms that patients were randomised to, each with the feature that says so and its value; every test unit is
        predicted under each of them.
    imputations : int
        How many times missing numbers are imputed; 0 for the training median with an indicator, which the references
        always have.
    rounds : int
        Visits of every number in a chain of imputations.
    """

    candidates: tuple[Candidate, ...]
    judge: str
    references: Mapping[str, tuple[str, ...]]
    inner_splits: int
    calibration: str
    seed: int
    arms: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    imputations: int = 0
    rounds: int = 5

    def seed_of(self, repeat: int, fold: int) -> int:
        """Return the seed of all that is random in one fold.

        Parameters
        ----------
        repeat, fold : int
        """
        return int(np.random.SeedSequence([self.seed, repeat, fold]).generate_state(1)[0])


@dataclass(frozen=True)
class FoldResult:
    """What one outer fold gives.

    Parameters
    ----------
    fold : Fold
    predictions : dict of str to ndarray
        Probability of each test unit by procedure; the judged procedure is called ``average``, ``selection`` or by its
        name.
    weights : dict of str to float
        Share of each candidate in the judged procedure; they add up to 1, and a selection gives all of it to one.
    inner_log_loss : dict of str to float
    points : ndarray of shape (test units, features) or (0, features)
        Contributions of the judged procedure on the probability scale, in points of 1.
    by_set : dict of str to ndarray
        Probability of each test unit by the average of all models on one feature set; empty with a single set.
    kept : dict of str to ndarray of bool
        Which features each penalised linear candidate did not drop.
    by_arm : dict of str to ndarray
        Probability of each test unit under each arm, by the judged procedure.
    """

    fold: Fold
    predictions: Mapping[str, np.ndarray]
    weights: Mapping[str, float]
    inner_log_loss: Mapping[str, float]
    points: np.ndarray
    by_set: Mapping[str, np.ndarray] = field(default_factory=dict)
    kept: Mapping[str, np.ndarray] = field(default_factory=dict)
    by_arm: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Fitted:
    """What a part finds out about one procedure.

    Parameters
    ----------
    name : str
    p : ndarray of shape (imputations, test units)
    inner_log_loss : float
        NaN for a reference.
    by_others : ndarray of shape (training units, imputations) or (0,)
        Log-odds of training units by models that have not seen them, see `predictor.validation.imputed.Imputed`.
    points : ndarray of shape (imputations, test units, features) or (1, 0, 0)
    kept : ndarray of bool of shape (features,) or None
        Which features a penalised linear model did not drop; None for other families.
    by_arm : dict of str to ndarray of shape (imputations, test units)
    failure : str
        Why it could not be fitted; empty where it could.
    converged : bool
        Whether its last fits ended before the largest number of steps.
    """

    name: str
    p: np.ndarray
    inner_log_loss: float
    by_others: np.ndarray
    points: np.ndarray
    kept: np.ndarray | None = None
    by_arm: Mapping[str, np.ndarray] = field(default_factory=dict)
    failure: str = ""
    converged: bool = True


def candidate_weights(
    protocol: Protocol,
    inner_log_loss: Mapping[str, float],
    by_others: Mapping[str, np.ndarray],
    target: np.ndarray,
) -> dict[str, float]:
    """Weigh the candidates as the judged procedure does, from training units alone.

    Parameters
    ----------
    protocol : Protocol
    inner_log_loss : mapping of str to float
    by_others : mapping of str to ndarray of shape (training units,) or (training units, imputations)
        See `predictor.validation.imputed.Imputed`.
    target : ndarray of shape (training units,)

    Returns
    -------
    dict of str to float
        In the order of the candidates: all of it to the one declared, or with the smallest inner log loss; or by the
        log loss of the average, see `predictor.models.averaging.average_weights`. One that could not be fitted, and has
        no patient tested by others while the rest have, gets nothing of an average.
    """
    names = [c.name for c in protocol.candidates]
    if protocol.judge == AVERAGE:
        usable = [name for name in names if np.isfinite(by_others[name]).any()] or names
        log_odds = np.column_stack([together_log_odds(by_others[name]) for name in usable])
        tested = np.isfinite(log_odds).all(axis=1)
        weights = dict(zip(usable, average_weights(log_odds[tested], target[tested]), strict=True))
        return {name: float(weights.get(name, 0.0)) for name in names}
    chosen = protocol.judge
    if protocol.judge == SELECTION:
        chosen = min(names, key=lambda name: (inner_log_loss[name], name))
    return {name: float(name == chosen) for name in names}


def candidate_line(
    protocol: Protocol,
    weights: Mapping[str, float],
    by_others: Mapping[str, np.ndarray],
    target: np.ndarray,
) -> Sigmoid:
    """Find the line that straightens the judged average, from training units alone.

    Parameters
    ----------
    protocol : Protocol
    weights : mapping of str to float
        From `candidate_weights`.
    by_others, target
        As there.

    Returns
    -------
    tuple of (float, float)
        See `predictor.models.averaging.average_line`; (1, 0) where nothing is averaged or nothing shall be calibrated.
    """
    if protocol.judge != AVERAGE or protocol.calibration == "none":
        return UNCHANGED
    members = {name: weight for name, weight in weights.items() if weight > 0}
    log_odds = np.column_stack([by_others[name] for name in members])
    tested = np.isfinite(log_odds).all(axis=1)
    widths = [by_others[name].size // len(log_odds) for name in members]
    shares = np.repeat([weight / m for weight, m in zip(members.values(), widths, strict=True)], widths)
    return average_line(log_odds[tested], shares, target[tested])


def assemble(
    protocol: Protocol, y: np.ndarray, fold: Fold, parts: Mapping[tuple[str, ...], list[Fitted]]
) -> FoldResult:
    """Put what the parts found together to the judged procedure.

    Parameters
    ----------
    protocol : Protocol
    y : ndarray of shape (n,)
    fold : Fold
    parts : mapping of candidates' names to list of Fitted

    Raises
    ------
    ResourceError
        TRN-07, if no candidate could be fitted.
    """
    found = {one.name: one for fitted in parts.values() for one in fitted}
    members = [found[c.name] for c in protocol.candidates]
    _require_one(members, fold)
    losses = {one.name: one.inner_log_loss for one in members}
    by_others = {one.name: one.by_others for one in members}
    weights = candidate_weights(protocol, losses, by_others, y[fold.train])
    line = candidate_line(protocol, weights, by_others, y[fold.train])
    predictions = {name: found[name].p.mean(axis=0) for name in [*protocol.references, *weights]}
    straight = {one.name: _straightened(one, line) for one in members}
    if protocol.judge not in predictions:
        predictions[protocol.judge] = np.sum([weights[name] * p for name, (p, _) in straight.items()], axis=0)
    return FoldResult(
        fold=fold,
        predictions=predictions,
        weights=weights,
        inner_log_loss=losses,
        points=np.sum([weights[name] * points for name, (_, points) in straight.items()], axis=0),
        by_set=_averages_by_set(protocol, members, y[fold.train]),
        kept={one.name: one.kept for one in members if one.kept is not None},
        by_arm={
            arm: _weighted({one.name: one.by_arm[arm] for one in members}, weights, line)
            for arm in protocol.arms
        },
    )


def _require_one(members: Sequence[Fitted], fold: Fold) -> None:
    if all(one.failure for one in members):
        reasons = "; ".join(f"{one.name}: {one.failure}" for one in members)
        message = (
            f"no candidate could be fitted in repeat {fold.repeat + 1}, fold {fold.fold + 1} ({reasons})"
        )
        remedy = "Change the models or their search, or raise execution.unit_seconds; finished work is kept"
        raise ResourceError(Problem("TRN-07", message, remedy, path="models"))


def _weighted(p: Mapping[str, np.ndarray], weights: Mapping[str, float], line: Sigmoid) -> np.ndarray:
    straight = [weights[name] * _mean_through(one, line) for name, one in p.items()]
    return np.asarray(np.sum(straight, axis=0))


def _mean_through(p: np.ndarray, line: Sigmoid) -> np.ndarray:
    """Put the probabilities of every imputation, shape (imputations, n), through the line and average them."""
    nothing = np.zeros((0, 0))
    return np.asarray(np.mean([straighten(one, nothing, line)[0] for one in p], axis=0))


def _straightened(one: Fitted, line: Sigmoid) -> tuple[np.ndarray, np.ndarray]:
    """Put every imputation's model through the line, then average probabilities and contributions."""
    found = [straighten(p, points, line) for p, points in zip(one.p, one.points, strict=True)]
    return np.mean([p for p, _ in found], axis=0), np.mean([points for _, points in found], axis=0)


def _averages_by_set(
    protocol: Protocol, members: Sequence[Fitted], target: np.ndarray
) -> dict[str, np.ndarray]:
    """Average the models of each feature set apart, in the way the judged average is made."""
    sets = list(dict.fromkeys(c.feature_set for c in protocol.candidates))
    if len(sets) == 1:
        return {}
    found = {}
    for one in sets:
        candidates = tuple(c for c in protocol.candidates if c.feature_set == one)
        apart = replace(protocol, candidates=candidates, judge=AVERAGE)
        own = {member.name: member for member in members if member.name in {c.name for c in candidates}}
        by_others = {name: member.by_others for name, member in own.items()}
        losses = {name: member.inner_log_loss for name, member in own.items()}
        weights = candidate_weights(apart, losses, by_others, target)
        line = candidate_line(apart, weights, by_others, target)
        found[one] = _weighted({name: member.p for name, member in own.items()}, weights, line)
    return found
