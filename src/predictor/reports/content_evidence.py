"""The evidence beyond the verdict as plain data: optimism, stability, increments, markers, and what the plan tells.

As everywhere in the model report, a share that stands for fewer than 10 patients is None.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from predictor.reports.view import Count, Interval, Proportion, View

__all__ = [
    "ClassRow",
    "EvidenceView",
    "IncrementRow",
    "IncrementTable",
    "InstabilityPoint",
    "MarkerRow",
    "MarkerTable",
    "OptimismRow",
    "OptimismTable",
    "PlanShare",
    "RankRow",
    "RankTable",
    "SelectionRow",
    "SelectionTable",
    "StabilityView",
    "TreatIfRow",
]


class OptimismRow(View):
    """One metric on its own patients, corrected three ways with Monte-Carlo errors, and cross-validated."""

    metric: str
    apparent: float | None
    optimism: float | None
    corrected: float | None
    corrected_error: float | None
    point_632: float | None
    point_632_error: float | None
    point_632_plus: float | None
    point_632_plus_error: float | None
    nested: Interval | None


class OptimismTable(View):
    """The optimism bootstrap; `sentence` says it for the AUC."""

    rows: tuple[OptimismRow, ...]
    sentence: str
    method: str


class ClassRow(View):
    """How often a refit puts a patient on the other side of a threshold, of 100.

    `unsure` counts the patients of 100 whom more than one refit in five puts there.
    """

    threshold: Proportion
    changed: Annotated[float, Field(ge=0, le=100)]
    unsure: Count | None


class InstabilityPoint(View):
    """The refits' calibration curves at one predicted probability."""

    predicted: Proportion
    lo: Proportion
    median: Proportion
    hi: Proportion


class StabilityView(View):
    """How much the estimates move when other patients are drawn."""

    sentence: str
    classes: tuple[ClassRow, ...]
    curve: tuple[InstabilityPoint, ...]
    method: str


class SelectionRow(View):
    """How often each penalised model kept one input, of 100 refits; None where the model does not have it."""

    label: str
    kept: tuple[Interval | None, ...]


class SelectionTable(View):
    """Inputs that the penalised models keep most often."""

    models: tuple[str, ...]
    rows: tuple[SelectionRow, ...]
    others_n: int = 0


class RankRow(View):
    """An input's rank of importance, its range over refits, and in how many of 100 refits it was first."""

    label: str
    rank: float
    lo: float
    hi: float
    first: Annotated[float, Field(ge=0, le=100)]


class RankTable(View):
    """Ranks of the most important inputs."""

    rows: tuple[RankRow, ...]
    others_n: int = 0
    method: str = ""


class IncrementRow(View):
    """One metric of one block: the larger set against the smaller, with limits that hold for all blocks at once."""

    block: str
    added_to: str
    metric: str
    gain: Interval
    p_text: str


class IncrementTable(View):
    """What each declared block of inputs adds; one sentence per block."""

    sentences: tuple[str, ...]
    rows: tuple[IncrementRow, ...]
    method: str


class MarkerRow(View):
    """One input, and in how many of 100 halves the lasso chose it."""

    label: str
    frequency: Annotated[float, Field(ge=0, le=100)]
    stable: bool


class MarkerTable(View):
    """Stability selection, with its bound in words."""

    sentence: str
    rows: tuple[MarkerRow, ...]
    others_n: int
    method: str


class PlanShare(View):
    """What the planned treatment alone contributes to the discrimination."""

    sentence: str
    judged: Interval
    plan: Interval


class TreatIfRow(View):
    """One strategy of treating at one threshold; `treated` counts of 100 patients."""

    threshold: Proportion
    strategy: str
    treated: Count | None
    benefit: Interval


class EvidenceView(View):
    """All of it; what a study has no use for is empty and the page says why."""

    optimism: OptimismTable | None = None
    stability: StabilityView | None = None
    selection: SelectionTable | None = None
    ranks: RankTable | None = None
    increments: IncrementTable | None = None
    markers: MarkerTable | None = None
    plan_share: PlanShare | None = None
    treat_if: tuple[TreatIfRow, ...] = ()
