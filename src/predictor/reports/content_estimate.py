"""What a personal estimate consists of: number and range, applicability, contributions, other plans, tests.

The numbers are already rounded to what is printed; the ``from_…`` constructors round by the rules of
`predictor.reports.wording`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from predictor.reports.view import Count, Proportion, View
from predictor.reports.wording import Label, count_of_100, outward, rate_label, round_to_total, say

__all__ = [
    "Applicability",
    "Change",
    "Check",
    "Contribution",
    "Contributions",
    "Difference",
    "Estimate",
    "Others",
    "Performance",
    "PlainCounts",
    "WhatIf",
    "WhatIfCell",
    "WhatIfRow",
]

Points = Annotated[int, Field(ge=-100, le=100)]

MAX_ROWS = 6
"""Contributions shown one by one; the rest is one row."""


class Estimate(View):
    """The personal estimate: whole counts of 100, the range beside it, and the base rate of the same plan."""

    per100: Count
    lo: Count
    hi: Count
    level: Proportion
    method: str = "2.5–97.5 percentile over refits"
    coverage_text: str = say("coverage")
    base_rate_per100: Count
    base_n: Annotated[int, Field(ge=0)]
    same_plan: bool
    label: Label

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if not self.lo <= self.per100 <= self.hi:
            raise ValueError("The estimate must lie inside its range")
        if self.label != rate_label(self.lo, self.hi, self.base_rate_per100):
            raise ValueError("The label must follow from the range and the base rate")
        return self

    @classmethod
    def from_probabilities(
        cls,
        probability: float,
        lo: float,
        hi: float,
        *,
        base_rate: float,
        base_n: int,
        same_plan: bool,
        level: float = 0.95,
        refits: int = 200,
        gaps: bool = False,
    ) -> Self:
        """Round a probability and its range by the rules of the report.

        Parameters
        ----------
        probability, lo, hi : float
            Calibrated probability and the ends of its range, lo <= probability <= hi.
        base_rate : float
            Observed rate among `base_n` development patients, those with the same plan if `same_plan`.
        base_n : int
            How many they are.
        same_plan : bool
            False when the model knows no plan.
        level : float
            Of the range.
        refits : int
            Behind the range.
        gaps : bool
            Whether the range also holds the values that missing inputs may have.

        Returns
        -------
        Estimate
        """
        low, high = outward(lo, hi)
        base = count_of_100(base_rate)
        percent = f"{50 * (1 - level):g}–{50 * (1 + level):g}"
        return cls(
            per100=count_of_100(probability),
            lo=low,
            hi=high,
            level=level,
            method=say("method_gaps" if gaps else "method", percent=percent, refits=refits),
            base_rate_per100=base,
            base_n=base_n,
            same_plan=same_plan,
            label=rate_label(low, high, base),
        )


class Change(View):
    """The expected change of a score, if that is the outcome; `coverage_text`: how often such ranges held."""

    mean_change: float
    lo: float
    hi: float
    unit: str
    level: Proportion
    coverage_text: str


class Check(View):
    """One line of section 2: what was checked, what came out, what it means."""

    id: Literal[
        "decision_time",
        "entry_rules",
        "learned_ranges",
        "complete_inputs",
        "fresh_inputs",
        "typical",
        "site",
        "planned_treatment",
        "model_in_date",
    ]
    label: str
    status: Literal["ok", "check", "fail"]
    result: str
    meaning: str


class Applicability(View):
    """May the model be used for this patient? The checks come in a fixed order."""

    verdict: Literal["usable", "caution"]
    checks: tuple[Check, ...]

    @model_validator(mode="after")
    def _follows_from_checks(self) -> Self:
        if (self.verdict == "usable") != all(check.status == "ok" for check in self.checks):
            raise ValueError("Usable means that every check is ok")
        return self


class Contribution(View):
    """One input's part in the estimate, in points of 100 relative to patients with the same plan.

    `phrase` names the finding in a sentence ("higher body weight"); without one the label and value are
    used. `value_text` None means missing.
    """

    field: str
    label: str
    value_text: str | None
    reference_text: str
    points: int
    phrase: str = ""


class Others(View):
    """What all inputs that are not shown contribute together."""

    n: Annotated[int, Field(ge=0)]
    points: int
    with_plan: bool = False


class Contributions(View):
    """Section 3: start + every row + the others = total, exactly, in the whole numbers that are printed."""

    start: Count
    rows: Annotated[tuple[Contribution, ...], Field(max_length=MAX_ROWS)]
    other: Others | None
    total: Count

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        parts = sum(row.points for row in self.rows) + (self.other.points if self.other else 0)
        if self.start + parts != self.total:
            raise ValueError("Start and contributions must add up to the total")
        return self

    @classmethod
    def from_points(
        cls,
        rows: Sequence[tuple[Contribution, float]],
        *,
        start: float,
        total: float,
        left_over: float | None = None,
        unlisted: Sequence[float] = (),
        most: int = MAX_ROWS,
    ) -> Self:
        """Choose the largest contributions, pool the others, and round all so that they add up.

        Parameters
        ----------
        rows : sequence of (Contribution, float)
            Every input but the plan, with its exact part in probability (0.06 is six points); `points` of
            the row is ignored.
        start, total : float
            The start and the displayed probability.
        left_over : float or None
            What belongs to no single input (the rest of the plan in a tree model), in probability.
        unlisted : sequence of float
            Parts of inputs that are counted among the others however large they are (sensitive ones).
        most : int
            Rows at most, where other things need the room; never more than six.

        Returns
        -------
        Contributions
            At most `most` rows, largest first, ties in the order given.
        """
        ranked = sorted(rows, key=lambda row: -abs(row[1]))
        most = min(most, MAX_ROWS)
        shown, pooled = ranked[:most], ranked[most:]
        raw = [100 * part for _, part in shown]
        rest = [part for _, part in pooled] + list(unlisted)
        has_other = bool(rest) or left_over is not None or not shown
        if has_other:
            raw.append(100 * (sum(rest) + (left_over or 0.0)))
        first, last = count_of_100(start), count_of_100(total)
        points = round_to_total(raw, last - first)
        return cls(
            start=first,
            rows=tuple(
                row.model_copy(update={"points": value})
                for (row, _), value in zip(shown, points[: len(shown)], strict=True)
            ),
            other=Others(n=len(rest), points=points[-1], with_plan=left_over is not None)
            if has_other
            else None,
            total=last,
        )


class Difference(View):
    """Responders of 100 more (or fewer, below 0) than under the planned treatment, with the range over the refits."""

    points: Points
    lo: Points
    hi: Points

    @property
    def told_apart(self) -> bool:
        """Whether the range leaves 0 out."""
        return self.lo > 0 or self.hi < 0


class WhatIfCell(View):
    """One plan of the grid; a cell without support holds no number."""

    per100: Count | None = None
    lo: Count | None = None
    hi: Count | None = None
    difference: Difference | None = None
    planned: bool = False
    why_not: str = ""

    @model_validator(mode="after")
    def _number_or_reason(self) -> Self:
        numbers = (self.per100, self.lo, self.hi)
        if (None in numbers) == (not self.why_not) or (
            None in numbers and any(n is not None for n in numbers)
        ):
            raise ValueError("A cell has an estimate with its range, or a reason why not")
        if self.difference and (self.planned or self.why_not):
            raise ValueError("Only a plan that is shown and is not the planned one differs from it")
        return self

    @classmethod
    def from_probabilities(
        cls,
        probability: float,
        lo: float,
        hi: float,
        *,
        difference: tuple[float | None, float | None, float | None] = (None, None, None),
        planned: bool = False,
    ) -> Self:
        """Round the estimate under one plan, and its difference from the planned one, by the rules of the report.

        Parameters
        ----------
        probability, lo, hi : float
            As in `Estimate.from_probabilities`.
        difference : tuple of float or None
            In probability, with its range; None for the planned treatment itself.
        planned : bool
        """
        low, high = outward(lo, hi)
        point, least, most = difference
        beside = None
        if point is not None and least is not None and most is not None:
            # Of the counts that stand beside it: who takes one from the other finds this number.
            of_planned = min(1.0, max(0.0, probability - point))
            points = count_of_100(probability) - count_of_100(of_planned)
            ends = math.floor(100 * least + 1e-9), math.ceil(100 * most - 1e-9)
            beside = Difference(points=points, lo=min(ends[0], points), hi=max(ends[1], points))
        return cls(per100=count_of_100(probability), lo=low, hi=high, difference=beside, planned=planned)

    @classmethod
    def unsupported(cls, *, fewer_than: int, planned: bool = False) -> Self:
        """Leave a cell empty for want of patients who had that plan."""
        return cls(why_not=say("support", n=fewer_than), planned=planned)


class WhatIfRow(View):
    """One row of the grid, with a cell for each column."""

    label: str
    cells: tuple[WhatIfCell, ...]


class WhatIf(View):
    """Section 4: a grid over plan fields only. `evidence`: what is known about the comparison, no full stop."""

    row_field: str
    column_field: str = ""
    columns: tuple[str, ...]
    rows: tuple[WhatIfRow, ...]
    evidence: str

    @property
    def beside(self) -> bool:
        """Whether there is a column for the differences from the planned treatment: with one column of plans."""
        return len(self.columns) == 1

    @model_validator(mode="after")
    def _rectangular(self) -> Self:
        if any(len(row.cells) != len(self.columns) for row in self.rows):
            raise ValueError("Every row of the grid needs a cell for each column")
        return self


class PlainCounts(View):
    """Consequences of a cut at `threshold`: responders of 100 at or above it, and of 100 below it."""

    threshold: Count
    above_responded: Count
    below_responded: Count


class Performance(View):
    """Section 6. `tested_on` None means no external test, which is then the first thing said."""

    developed_on: str
    tested_on: str | None = None
    auc: Proportion | None = None
    auc_lo: Proportion | None = None
    auc_hi: Proportion | None = None
    level: Proportion = 0.95
    calibration_slope: float | None = None
    calibration_intercept: float | None = None
    coverage: str = ""
    counts: PlainCounts | None = None
    not_tested_in: str = ""
