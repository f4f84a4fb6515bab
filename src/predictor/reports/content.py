"""The patient report as plain data: all that a page, a JSON file and a service say about one patient.

`PredictionReportV1` is the whole content of a report. It is checked when it is made: the numbers printed
side by side must agree, a refusal can hold no estimate, and a group page no personal one. The template only
lays it out. Numbers are already rounded to what is printed (whole counts of 100); use the ``from_…``
constructors, which round by the rules of `predictor.reports.wording`.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from predictor.reports.content_estimate import (
    Applicability,
    Change,
    Check,
    Contribution,
    Contributions,
    Difference,
    Estimate,
    Others,
    Performance,
    PlainCounts,
    WhatIf,
    WhatIfCell,
    WhatIfRow,
)
from predictor.reports.view import Count, Proportion, View
from predictor.reports.wording import count_of_100, outward

__all__ = [
    "Applicability",
    "Change",
    "Check",
    "Contribution",
    "Contributions",
    "Difference",
    "Estimate",
    "GroupRate",
    "InputValue",
    "ModelLabel",
    "ObservedRate",
    "OtherOutcome",
    "Others",
    "Outcome",
    "Patient",
    "Performance",
    "PlainCounts",
    "PlanItem",
    "PredictionReportV1",
    "Reason",
    "ReportLabel",
    "SafetyPrompt",
    "SignedOff",
    "Tried",
    "View",
    "WhatIf",
    "WhatIfCell",
    "WhatIfRow",
]


Day = date
"""The type, for the field of the same name."""


class ReportLabel(View):
    """Which report this is: enough to trace it, nothing about the patient."""

    id: str
    created_utc: datetime
    user_ref: str
    software_version: str
    config_sha256: str
    kind: Literal["estimate", "group_rate", "refusal"]


class Patient(View):
    """Who it is about: the clinic's pseudonym and nothing else that identifies."""

    pseudonym: Annotated[str, Field(max_length=24)]
    age_years: int | None = None
    sex: str | None = None
    assessed_on: date | None = None


class SignedOff(View):
    """Who answers for the model's clinical use; `checked`: signed with a key that this machine trusts."""

    by: str
    role: str
    day: Day
    until: Day
    demonstration: bool = False
    checked: bool = False


class ModelLabel(View):
    """Which model made it, and whom to ask."""

    id: str
    version: str
    bundle_sha256: str
    title: str
    owner: str
    contact: str
    valid_until: date | None = None
    status: Literal["research", "local-approved"] = "research"
    sign_off: SignedOff | None = None

    @property
    def demonstration(self) -> bool:
        """Whether it says of itself that nobody has approved it."""
        return self.sign_off is not None and self.sign_off.demonstration

    @model_validator(mode="after")
    def _approved_by_somebody(self) -> Self:
        given = self.sign_off
        if self.status == "local-approved" and not (given and given.checked and not given.demonstration):
            raise ValueError(
                "A model is approved by a clinical sign-off that was checked, or it is for research"
            )
        return self


class Outcome(View):
    """What is predicted; `definition` completes the sentence "Response means …" without a full stop."""

    name: str
    definition: str
    horizon: str
    scale: str
    better: Literal["higher", "lower"]


class PlanItem(View):
    """One part of the plan assumed, e.g. label "Dose", value "0.5", unit "mg/kg"."""

    field: str
    label: str
    value: str
    unit: str = ""


class InputValue(View):
    """One input as it was used.

    `value_text` None means missing. Whatever `note` says (filled in, old, converted) is pointed out on the
    page. `effect` is what filling in did to the estimate ("moves the estimate by −2 to +3"); only a personal
    estimate may have it.
    """

    field: str
    label: str
    value_text: str | None
    unit_text: str = ""
    date: Day | None = None
    source: str = ""
    note: str = ""
    effect: str = ""
    imputed: bool = False

    @property
    def flagged(self) -> bool:
        """Whether a reader has to look at it: missing, old or converted."""
        return self.value_text is None or self.imputed or bool(self.note)


def _nearest(rate: float) -> int:
    """Round an observed rate to a whole count of 100, halves up."""
    return math.floor(100 * rate + 0.5)


class ObservedRate(View):
    """Responders among the patients of one group; rate and limits are counts of 100, rounded to nearest."""

    label: str
    responders: Annotated[int, Field(ge=0)]
    n: Annotated[int, Field(gt=0)]
    per100: Count
    lo: Count
    hi: Count
    this_plan: bool = False

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.responders > self.n or not self.lo <= self.per100 <= self.hi:
            raise ValueError("Responders among n, and a rate inside its interval")
        return self

    @classmethod
    def from_counts(
        cls, label: str, responders: int, n: int, *, lo: float, hi: float, this_plan: bool = False
    ) -> Self:
        """Round an observed rate and its limits (probabilities) to whole counts of 100.

        Observed rates are rounded to nearest, not outward: nothing is estimated for a person here, and 6 of
        29 reads "21 of 100; 10 to 38", as it would in a paper.
        """
        return cls(
            label=label,
            responders=responders,
            n=n,
            per100=_nearest(responders / n),
            lo=_nearest(lo),
            hi=_nearest(hi),
            this_plan=this_plan,
        )


class OtherOutcome(View):
    """One more outcome for the same plan: a personal estimate where its own verdict is *better*, else the rate alone.

    `definition` completes "means …"; counts are of 100. `observed` is None where nobody had this plan.
    """

    name: str
    definition: str
    verdict: Literal["better", "no_better", "too_little"]
    observed: ObservedRate | None = None
    per100: Count | None = None
    lo: Count | None = None
    hi: Count | None = None

    @property
    def personal(self) -> bool:
        """Whether there is a personal estimate."""
        return self.per100 is not None

    @model_validator(mode="after")
    def _personal_only_where_better(self) -> Self:
        numbers = [one for one in (self.per100, self.lo, self.hi) if one is not None]
        if numbers and (len(numbers) < 3 or self.verdict != "better"):
            raise ValueError(
                "A personal estimate has its range, and a verdict that it is better than the rate"
            )
        if len(numbers) == 3 and not numbers[1] <= numbers[0] <= numbers[2]:
            raise ValueError("The estimate lies inside its range")
        return self

    @classmethod
    def from_probabilities(
        cls,
        name: str,
        definition: str,
        probability: float,
        lo: float,
        hi: float,
        *,
        observed: ObservedRate | None,
    ) -> Self:
        """Round a personal estimate to nearest and its range outward, as those of the main outcome."""
        low, high = outward(lo, hi)
        per100 = count_of_100(probability)
        return cls(
            name=name,
            definition=definition,
            verdict="better",
            observed=observed,
            per100=per100,
            lo=min(low, per100),
            hi=max(high, per100),
        )


class Tried(View):
    """One thing that was tried before no personal estimate was given."""

    label: str
    built_from: str
    result: str


class GroupRate(View):
    """The group page: the rate among comparable patients, why there is no more than that, what was tried.

    `reason` is a clause ("because …", see `predictor.reports.verdict_wording.group_reason`); `arms` is empty
    when there is one group.
    """

    treatment: str
    rate: ObservedRate
    interval_method: str
    level: Proportion = 0.95
    arms: tuple[ObservedRate, ...] = ()
    arms_randomised: bool = False
    reason: str
    tried: tuple[Tried, ...] = ()


class Reason(View):
    """One reason for a refusal: the input, its value, the rule it breaks, and what would resolve it."""

    field: str
    label: str
    value_text: str | None
    rule: str
    resolve: str


class SafetyPrompt(View):
    """A safety item of a scale that was recorded, or not. Never imputed, never scored by the model."""

    label: str
    assessed: bool
    finding: str = ""


class PredictionReportV1(View):
    """Everything one patient report says.

    The kind decides which parts exist: ``estimate`` has `estimate`, `applicability`, `contributions` and
    `performance`; ``group_rate`` has `group` and `applicability`; ``refusal`` has `refusal` and no number of an
    estimate.
    `inputs`, `safety` and `limits` may come with every kind.
    """

    schema_name: Literal["PredictionReportV1"] = "PredictionReportV1"
    report: ReportLabel
    simulated: bool = False
    research_only: bool = False
    research_reason: str = ""
    override: str = ""
    patient: Patient
    model: ModelLabel
    outcome: Outcome
    plan: tuple[PlanItem, ...] = ()
    estimate: Estimate | None = None
    continuous: Change | None = None
    applicability: Applicability | None = None
    contributions: Contributions | None = None
    whatif: WhatIf | None = None
    others: tuple[OtherOutcome, ...] = ()
    group: GroupRate | None = None
    refusal: tuple[Reason, ...] = ()
    inputs: tuple[InputValue, ...] = ()
    performance: Performance | None = None
    safety: tuple[SafetyPrompt, ...] = ()
    not_covered: str = ""
    limits: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Write the content as JSON: parts the kind does not have are left out, missing values are null."""
        return (
            self.model_dump_json(indent=2, exclude={name for name in PARTS if not getattr(self, name)}) + "\n"
        )

    @model_validator(mode="after")
    def _parts_fit_the_kind(self) -> Self:
        present = {name for name in PARTS if getattr(self, name)}
        needed, allowed = KINDS[self.report.kind]
        if not needed <= present <= needed | allowed:
            raise ValueError(
                f"A report of kind {self.report.kind} has {sorted(needed)} and may have {sorted(allowed)}"
            )
        if self.report.kind != "estimate" and any(one.effect for one in self.inputs):
            raise ValueError("Only a personal estimate may say what filling in an input did to it")
        if self.estimate and self.contributions and self.estimate.per100 != self.contributions.total:
            raise ValueError("The contributions must end at the estimate")
        return self


PARTS = (
    "estimate",
    "continuous",
    "applicability",
    "contributions",
    "whatif",
    "others",
    "group",
    "refusal",
    "performance",
)
KINDS: dict[str, tuple[set[str], set[str]]] = {
    "estimate": (
        {"estimate", "applicability", "contributions", "performance"},
        {"continuous", "whatif", "others"},
    ),
    "group_rate": ({"group", "applicability"}, {"others"}),
    "refusal": ({"refusal"}, set()),
}
