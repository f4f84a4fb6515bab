"""What a prediction model is: plain numbers that score and explain, and the estimator that they came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from predictor.data.accepted_units import AcceptedUnit
from predictor.explanation.attribution import Explainer
from predictor.explanation.attribution import PlanBaseline as MemberBaseline
from predictor.features.columns import Categories
from predictor.features.dataset import Feature
from predictor.features.distance import Distance
from predictor.models.joined import JoinedModels, join_models
from predictor.models.plain import CompactModel
from predictor.other_outcomes import GroupRate, OtherOutcome
from predictor.sign_off import SignOff

if TYPE_CHECKING:
    from predictor.models.averaging import AveragedClassifier

__all__ = ["InputField", "PlanBaseline", "PredictionModel", "raw_columns"]


@dataclass(frozen=True)
class InputField:
    """One value a user of the model gives, and what the model has seen of it.

    Parameters
    ----------
    name, label, unit : str
    kind : {"number", "category"}
    levels : tuple of str
        Levels learned; rare ones, which were merged, are not named.
    limits : tuple of (float or None, float or None)
        Hard limits of the dictionary.
    learned : tuple of (float, float) or None
        Range seen in development.
    role : {"baseline", "plan", "entry"}
        ``entry``: asked only because an entry rule needs it.
    required : bool
    missing_share : float
        Share of development patients without it.
    importance : float
        Share of the total mean absolute contribution, 0 to 1.
    typical : dict of str to float or str
        Plan label to median or most frequent level.
    source : str
        ``table.column`` of the dictionary, for reading an export.
    take : str
        Which of several values in the baseline window.
    grain : {"any", "whole", "yes_no"}
        Which numbers a value can be.
    deciles : tuple of float
        Nine values that cut the development patients' into tenths; empty where fewer than 20 had one.
    max_age_days : int or None
        How old a value may be at day 0, where values have days: as the dictionary says, else as old as development
        took them.
    accepted_units : tuple of AcceptedUnit
        In which a value may be given, the input's own first; empty where it is the only one.
    """

    name: str
    label: str
    kind: Literal["number", "category"]
    unit: str
    levels: tuple[str, ...]
    limits: tuple[float | None, float | None]
    learned: tuple[float, float] | None
    role: Literal["baseline", "plan", "entry"]
    required: bool
    missing_share: float
    importance: float
    typical: dict[str, float | str]
    source: str = ""
    take: str = "last"
    grain: Literal["any", "whole", "yes_no"] = "any"
    deciles: tuple[float, ...] = ()
    max_age_days: int | None = None
    accepted_units: tuple[AcceptedUnit, ...] = ()


@dataclass(frozen=True)
class PlanBaseline:
    """Mean log-odds of one plan's development patients, and the mean contribution of each feature to it."""

    start_log_odds: float
    mean_log_odds_contributions: dict[str, float]
    n: int


@dataclass(frozen=True)
class PredictionModel:
    """All that is needed to say something about the next patient, or to say why not.

    Every dict is plain JSON, so that a loaded model equals the saved one.

    Parameters
    ----------
    build : callable
        Gives the estimator fitted on all development patients; see `estimator`.
    scorer : CompactModel
        The same as plain numbers.
    refits : tuple of CompactModel
        Of resampled patients, behind the range; they go through the scorer's line.
    features : tuple of Feature
        In the order of ``X``'s columns.
    inputs : tuple of InputField
    entry_rules : tuple of dict
        Name and conditions.
    plan : dict
        Column, bands, control, labels.
    baselines : dict of str to tuple of PlanBaseline
        By plan, one for each member of the scorer.
    group_rates : tuple of GroupRate
    policy : dict
        ``withhold_if``, ``release``, ``reason``.
    dictionary, cohort : dict
        What reads an export, and the config's section on whom the model is about.
    card : dict
        Title, outcome, verdict, performance, limits, provenance, ``simulated``, ``valid_until``.
    manifest : dict
        What the manifest shall hold besides; saving adds name, creation, files, hashes, versions and types.
    distance : Distance or None
        How the development patients were distributed; None where there were too few to say.
    outcomes : tuple of OtherOutcome
        Beside the primary one, each with a verdict of its own.
    sign_off : SignOff or None
        Who answers for its clinical use, as the folder says; saving writes none.
    """

    build: Callable[[], AveragedClassifier]
    scorer: CompactModel
    refits: tuple[CompactModel, ...]
    features: tuple[Feature, ...]
    inputs: tuple[InputField, ...]
    entry_rules: tuple[dict[str, Any], ...]
    plan: dict[str, Any]
    baselines: dict[str, tuple[PlanBaseline, ...]]
    group_rates: tuple[GroupRate, ...]
    policy: dict[str, Any]
    dictionary: dict[str, Any]
    cohort: dict[str, Any]
    card: dict[str, Any]
    manifest: dict[str, Any]
    distance: Distance | None = None
    outcomes: tuple[OtherOutcome, ...] = ()
    sign_off: SignOff | None = None

    @cached_property
    def estimator(self) -> AveragedClassifier:
        """The scikit-learn estimator, built when first asked for and compared with the plain numbers."""
        return self.build()

    @cached_property
    def input_by_name(self) -> dict[str, InputField]:
        """The inputs by their names."""
        return {one.name: one for one in self.inputs}

    @cached_property
    def joined_refits(self) -> JoinedModels:
        """The refits side by side, for the few patients of a page; laid out when first asked for."""
        return join_models(self.refits)

    @property
    def research_only(self) -> bool:
        """Whether its personal numbers are released for research, without having been shown to be better."""
        better = self.card.get("verdict", {}).get("label") == "better"
        return self.policy.get("release") == "research" and not better

    @cached_property
    def of_outcomes(self) -> dict[str, PredictionModel]:
        """By name, this model with the scorer and refits of each other outcome that has its own."""
        return {
            one.name: replace(self, scorer=one.scorer, refits=one.refits, outcomes=())
            for one in self.outcomes
            if one.scorer is not None
        }

    @cached_property
    def explainer(self) -> Explainer:
        """Explains patients by the plain numbers."""
        plans = {
            plan: [
                MemberBaseline(one.start_log_odds, _in_order(one, member.features), one.n)
                for one, member in zip(baselines, self.scorer.members, strict=True)
            ]
            for plan, baselines in self.baselines.items()
        }
        by_member = [
            {plan: baselines[i] for plan, baselines in plans.items()} for i in range(len(self.scorer.members))
        ]
        names = tuple(feature.name for feature in self.features)
        of_plan = tuple(feature.name for feature in self.features if feature.known == "plan")
        return Explainer(self.scorer, names, by_member, of_plan)


def _in_order(baseline: PlanBaseline, features: Sequence[str]) -> np.ndarray:
    return np.array([baseline.mean_log_odds_contributions[name] for name in features])


def raw_columns(
    features: Sequence[Feature], rows: Sequence[Mapping[str, Any]]
) -> dict[str, np.ndarray | Categories]:
    """Turn rows into the raw columns that a scorer takes.

    Parameters
    ----------
    features : sequence of Feature
    rows : sequence of mapping
        Values by feature; None where missing.
    """
    return {
        f.name: np.array([row[f.name] for row in rows], dtype=np.float64)
        if f.kind == "number"
        else Categories.of(row[f.name] for row in rows)
        for f in features
    }
