"""What moved an estimate: SHAP contributions that add up to the number displayed.

Linear models are explained around their stored training means, trees by their own path-dependent Shapley values, so
that no patient has to be stored. Everything happens on the scale on which the model is a sum; the calibration
is one straight line on that scale, and its slope scales the contributions exactly. An average of models is explained
model by model: its contributions are the weighted means of theirs, in probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from predictor.explanation.tree_shap import TreeShap
from predictor.features.columns import Categories, RawColumns, columns_of
from predictor.features.encoding import FEW, encode_block
from predictor.models.plain import CompactModel, Member, expit, through_line

if TYPE_CHECKING:
    import pandas as pd

    from predictor.models.tuning import TunedClassifier

__all__ = [
    "Explainer",
    "MemberExplainer",
    "PlanBaseline",
    "Points",
    "attribute",
    "base_log_odds",
    "explain_points",
    "plan_baselines",
    "relative_to_plan",
    "to_probability",
]

TOLERANCE = 1e-6
FEWEST_OF_A_PLAN = 5


class PlanBaseline(NamedTuple):
    """Where the patients of one plan start: mean log-odds, mean contribution of each feature, patients averaged."""

    start_log_odds: float
    contributions: np.ndarray
    n: int


class Points(NamedTuple):
    """An explanation in probability: start + contributions + leftover = probability.

    Parameters
    ----------
    probability, start, leftover : ndarray of shape (n,)
        The number displayed, the mean of the same plan from which it is explained, and what trees leave of the
        plan itself.
    contributions : ndarray of shape (n, features)
    """

    probability: np.ndarray
    start: np.ndarray
    contributions: np.ndarray
    leftover: np.ndarray


@dataclass(frozen=True)
class MemberExplainer:
    """Explains one calibrated model.

    Parameters
    ----------
    member : Member
    """

    member: Member

    @cached_property
    def _trees(self) -> TreeShap | None:
        return None if self.member.trees is None else TreeShap(self.member.trees)

    @cached_property
    def base(self) -> float:
        """Score from which contributions start."""
        return self.member.base + (0.0 if self._trees is None else self._trees.base)

    @property
    def base_log_odds(self) -> float:
        """Calibrated log-odds from which contributions start."""
        return float(self.member.calibrated(np.array([self.base]))[0])

    def attribute(self, raw: RawColumns, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Attribute the calibrated log-odds of each patient to the features.

        Parameters
        ----------
        raw : mapping of str to ndarray or Categories
        n : int

        Returns
        -------
        phi : ndarray of shape (n, features)
            In the order of ``member.features``; indicators of levels and of missing values are summed into their
            feature, and a feature that nothing was encoded of has 0.
        log_odds : ndarray of shape (n,)
            `base_log_odds` plus the contributions.

        Raises
        ------
        ArithmeticError
            If they do not add up within 1e-6.
        """
        member = self.member
        raw = member.completed(raw, n)
        encoded = encode_block(member.columns, raw, n)
        scores = member.scores(encoded) if n <= FEW or self._walks else member.fused.scores(raw, n)
        by_column = self._by_column(encoded)
        by_feature = np.zeros((len(member.features), n))
        for column, part in zip(member.columns, by_column, strict=True):
            by_feature[member.features.index(column.feature)] += part
        _require_sum(self.base + by_feature.sum(axis=0), scores)
        displayed = member.calibrated(scores)
        phi = (by_feature * self._steepness(scores - self.base, displayed - self.base_log_odds)).T
        _require_sum(self.base_log_odds + phi.sum(axis=1), displayed)
        return np.asarray(phi), displayed

    @property
    def _walks(self) -> bool:
        return self.member.fused.trees is not None

    def _by_column(self, encoded: np.ndarray) -> np.ndarray:
        """Contributions of the encoded columns on the model's own scale, shape (columns, n)."""
        if self._trees is not None:
            return self._trees.contributions(encoded) if len(encoded) else np.zeros(encoded.shape)
        # Encoded columns are centred on the training part: their means are 0, and no background is needed.
        coef = self.member.coef if len(self.member.coef) else np.zeros(len(encoded))
        return np.asarray(coef[:, None] * encoded)

    def _steepness(self, rise: np.ndarray, run: np.ndarray) -> np.ndarray:
        """Find the displayed log-odds for one unit of the score: the sigmoid's slope, 1 on the log-odds scale.

        A forest that is not calibrated shows the logit of its score. It is then shared along the straight line
        from the base, as in `to_probability`.
        """
        if self.member.sigmoid is not None:
            return np.full(len(rise), self.member.sigmoid[0])
        if self.member.scale == "log_odds":
            return np.ones(len(rise))
        flat = np.abs(rise) < 1e-12
        return np.where(flat, 0.0, run / np.where(flat, 1.0, rise))


@dataclass(frozen=True)
class Explainer:
    """Explains the average of calibrated models, relative to the average patient of the same plan.

    Parameters
    ----------
    model : CompactModel
    features : tuple of str
        Columns of the explanation; a model that does not read one contributes 0 to it.
    baselines : sequence of mapping of str to PlanBaseline
        By plan, for each member, in the order of the member's features.
    plan_features : tuple of str
        Features that are the plan itself.
    """

    model: CompactModel
    features: tuple[str, ...]
    baselines: Sequence[Mapping[str, PlanBaseline]]
    plan_features: tuple[str, ...] = ()

    @cached_property
    def _members(self) -> tuple[MemberExplainer, ...]:
        return tuple(MemberExplainer(member) for member in self.model.members)

    def points(self, raw: RawColumns, n: int, plan: np.ndarray) -> Points:
        """Explain patients in probability.

        Parameters
        ----------
        raw : mapping of str to ndarray or Categories
        n : int
        plan : ndarray of str of shape (n,)

        Raises
        ------
        ValueError
            For a plan without a baseline.
        ArithmeticError
            If an explanation misses the number displayed by more than 1e-6.
        """
        found = Points(np.zeros(n), np.zeros(n), np.zeros((n, len(self.features))), np.zeros(n))
        for member, weight, baselines in zip(self._members, self.model.weights, self.baselines, strict=True):
            self._add(found, member, weight, member.attribute(raw, n), plan, baselines)
        found = found if self.model.line is None else _through_line(found, self.model.line)
        explained = found.start + found.contributions.sum(axis=1) + found.leftover
        _require_sum(explained, found.probability)
        return found

    def _add(
        self,
        found: Points,
        explainer: MemberExplainer,
        weight: float,
        attributed: tuple[np.ndarray, np.ndarray],
        plan: np.ndarray,
        baselines: Mapping[str, PlanBaseline],
    ) -> None:
        names = explainer.member.features
        of_plan = [i for i, name in enumerate(names) if name in self.plan_features]
        phi, log_odds = attributed
        contributions, leftover, start = relative_to_plan(
            phi, log_odds, plan, baselines, plan_features=of_plan
        )
        columns = [self.features.index(name) for name in names]
        found.contributions[:, columns] += weight * to_probability(contributions, start, log_odds)
        found.leftover[:] += weight * to_probability(leftover, start, log_odds)
        found.start[:] += weight * expit(start)
        found.probability[:] += weight * expit(log_odds)


def attribute(fitted: TunedClassifier, X: pd.DataFrame) -> np.ndarray:
    """Attribute the calibrated log-odds of each patient to the features.

    Parameters
    ----------
    fitted : TunedClassifier
        With the preprocessor of `predictor.features.preprocessing.build_preprocessor`.
    X : pandas.DataFrame of shape (n, features)

    Returns
    -------
    ndarray of shape (n, features)
        Contributions in the order of ``feature_names_in_``. With `base_log_odds` they add up to
        ``fitted.decision_function(X)``.

    Raises
    ------
    ArithmeticError
        If they do not add up within 1e-6.

    References
    ----------
    Lundberg et al. (2020), Nat Mach Intell 2:56.
    """
    explainer = _explainer(fitted)
    phi, _ = explainer.attribute(columns_of(X, explainer.member.columns), len(X))
    _require_sum(explainer.base_log_odds + phi.sum(axis=1), fitted.decision_function(X))
    return phi


def base_log_odds(fitted: TunedClassifier) -> float:
    """Calibrated log-odds from which the contributions of `attribute` start."""
    return _explainer(fitted).base_log_odds


def explain_points(fitted: TunedClassifier, train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Explain patients in probability relative to the average training patient, whatever the plan.

    Parameters
    ----------
    fitted : TunedClassifier
    train, test : pandas.DataFrame of shape (n, features)
        The features of the model.

    Returns
    -------
    ndarray of shape (len(test), features)
    """
    everybody = plan_baselines(attribute(fitted, train), fitted.decision_function(train), _all(train))
    log_odds = fitted.decision_function(test)
    phi, _, start = relative_to_plan(attribute(fitted, test), log_odds, _all(test), everybody)
    return to_probability(phi, start, log_odds)


def _all(X: pd.DataFrame) -> np.ndarray:
    return np.full(len(X), "all")


def _explainer(fitted: TunedClassifier) -> MemberExplainer:
    from predictor.models.compact import compact_member  # scikit-learn, which a stored model does without

    return MemberExplainer(compact_member(fitted))


def plan_baselines(phi: np.ndarray, log_odds: np.ndarray, plan: np.ndarray) -> dict[str, PlanBaseline]:
    """Average log-odds and contributions over the development patients of each plan.

    Parameters
    ----------
    phi : ndarray of shape (n, features)
        From `attribute`.
    log_odds : ndarray of shape (n,)
        Calibrated log-odds of the same patients.
    plan : ndarray of str of shape (n,)
        Arm or dose band.

    Returns
    -------
    dict of str to PlanBaseline
        A plan of fewer than five patients gets the averages over everybody, since its own would be near a
        patient's row.
    """
    everybody = PlanBaseline(float(log_odds.mean()), phi.mean(axis=0), len(phi))
    found = {}
    for name in sorted({str(one) for one in plan}):
        same = plan.astype(str) == name
        few = same.sum() < FEWEST_OF_A_PLAN
        mean = PlanBaseline(float(log_odds[same].mean()), phi[same].mean(axis=0), int(same.sum()))
        found[name] = everybody if few else mean
    return found


def relative_to_plan(
    phi: np.ndarray,
    log_odds: np.ndarray,
    plan: np.ndarray,
    baselines: Mapping[str, tuple[float, np.ndarray, int]],
    *,
    plan_features: Sequence[int] = (),
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take contributions relative to the average patient of the same plan.

    Parameters
    ----------
    phi, log_odds, plan
        As in `plan_baselines`, of the patients to explain.
    baselines : mapping of str to PlanBaseline
    plan_features : sequence of int
        Columns of ``phi`` that are the plan itself. Being planned what one is planned is no reason to be
        above average: what trees leave of them goes to the leftover.

    Returns
    -------
    contributions : ndarray of shape (n, features)
        0 in the columns of the plan.
    leftover : ndarray of shape (n,)
    start : ndarray of shape (n,)
        L0, the mean log-odds of the same plan; start + contributions + leftover = ``log_odds``.

    Raises
    ------
    ValueError
        For a plan without a baseline.
    ArithmeticError
        If they do not add up within 1e-6: phi, log-odds and baselines are then not of one model.
    """
    coded = Categories.of(str(one) for one in plan)
    if unknown := {name for name in coded.levels if name not in baselines}:
        msg = f"{len(unknown)} plan(s) have no baseline. Explain only plans that development patients had."
        raise ValueError(msg)
    own = [baselines[name] for name in coded.levels]
    start = np.array([one[0] for one in own], dtype=np.float64)[coded.codes]
    means = np.array([one[1] for one in own], dtype=np.float64).reshape(len(own), phi.shape[1])
    contributions = phi - means[coded.codes]
    of_plan = list(plan_features)
    leftover = contributions[:, of_plan].sum(axis=1)
    contributions[:, of_plan] = 0.0
    _require_sum(start + contributions.sum(axis=1) + leftover, log_odds)
    return contributions, leftover, start


def to_probability(contributions: np.ndarray, start: np.ndarray, log_odds: np.ndarray) -> np.ndarray:
    r"""Turn contributions on the log-odds into shares of the difference of two probabilities.

    .. math:: \phi_j \, \frac{p - p_0}{L - L_0}, \qquad \phi_j \, p_0 (1 - p_0) \text{ where } |L - L_0| <
    10^{-6}

    The attribution along the straight line from L0 to L: every contribution is passed at the same pace, so
    that all share one exchange rate and together give exactly p − p0.

    Parameters
    ----------
    contributions : ndarray of shape (n, features) or (n,)
        Relative to the plan.
    start, log_odds : ndarray of shape (n,)
        L0 and L.

    Returns
    -------
    ndarray of the shape of ``contributions``
        In probability; times 100 these are points of 100.
    """
    p0, distance = expit(start), log_odds - start
    near = np.abs(distance) < TOLERANCE
    rate = np.where(near, p0 * (1.0 - p0), (expit(log_odds) - p0) / np.where(near, 1.0, distance))
    return np.asarray(contributions * (rate[:, None] if contributions.ndim == 2 else rate))


def _through_line(points: Points, line: tuple[float, float]) -> Points:
    """Lead an explanation from the recalibrated start to the recalibrated number, at one pace for all of it."""
    start, probability = through_line(points.start, line), through_line(points.probability, line)
    distance = points.probability - points.start
    near = np.abs(distance) < TOLERANCE
    slope = line[0] * start * (1.0 - start) / (points.start * (1.0 - points.start))
    rate = np.where(near, slope, (probability - start) / np.where(near, 1.0, distance))
    return Points(probability, start, points.contributions * rate[:, None], points.leftover * rate)


def _require_sum(parts: np.ndarray, whole: np.ndarray) -> None:
    """Refuse contributions that do not add up."""
    gap = float(np.max(np.abs(parts - whole), initial=0.0))
    if not gap <= TOLERANCE:
        msg = f"Contributions miss the displayed log-odds by {gap:.2g}; at most {TOLERANCE:.0e} is rounding."
        raise ArithmeticError(msg)
