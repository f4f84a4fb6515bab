"""The verdict in plain sentences: for the statistician, and for the clinician without a personal number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from predictor.reports.wording import capitalised, number_text, say

__all__ = ["Gain", "Verdict", "VerdictFacts", "group_reason", "verdict_sentence", "what_matters"]

Verdict = Literal["better", "no_better", "too_little"]


@dataclass(frozen=True)
class Gain:
    """What the procedure gained over one reference, in nats of log loss per patient.

    Parameters
    ----------
    reference : str
        As it is to be read, e.g. ``severity + plan``.
    gain, lo, hi : float
        Mean gain and its two-sided limits; above 0 is better.
    upper : float
        One-sided upper limit: the gain that is not excluded.
    """

    reference: str
    gain: float
    lo: float
    hi: float
    upper: float


@dataclass(frozen=True)
class VerdictFacts:
    """Everything the sentences depend on; they are written from these facts and from nothing else.

    Parameters
    ----------
    verdict : str
        ``better``, ``no_better`` or ``too_little``.
    n, responders, groups : int
        Evaluable patients, responders among them, independent patients or clusters.
    margin : float
        Smallest gain that matters, nats.
    gains : tuple of Gain
        One for each reference; may be empty when nothing was fitted.
    plan_adds : bool
        The plan alone was shown to be better than the prevalence.
    severity_adds : bool
        Severity was shown to add to what the plan tells (or, without a plan, to the prevalence).
    needed : int
        Events, non-events and groups asked for before a gain is judged.
    level : float
        Of the two-sided limits.
    """

    verdict: Verdict
    n: int
    responders: int
    groups: int
    margin: float
    gains: tuple[Gain, ...] = field(default=())
    plan_adds: bool = False
    severity_adds: bool = False
    needed: int = 20
    level: float = 0.95


def what_matters(facts: VerdictFacts) -> str:
    """Say what was shown to tell responders from others, as a clause without a capital."""
    if facts.verdict == "better":
        return say("matters_better")
    if facts.plan_adds and facts.severity_adds:
        return say("matters_both")
    if facts.plan_adds:
        return say("matters_plan")
    return say("matters_severity") if facts.severity_adds else say("matters_none")


def group_reason(facts: VerdictFacts) -> str:
    """Say why no personal estimate is given, as a clause for "No personal estimate is given, because …".

    Parameters
    ----------
    facts : VerdictFacts
        Of the run that built the model.

    Returns
    -------
    str
        A clause without capital and full stop.
    """
    too_few = _too_few(facts, "reason_")
    if too_few:
        return too_few
    if facts.verdict == "too_little":
        nothing = not (facts.plan_adds or facts.severity_adds)
        return say("reason_too_little_none" if nothing else "reason_too_little", matters=what_matters(facts))
    return say(f"reason_{facts.verdict}", matters=what_matters(facts))


def verdict_sentence(facts: VerdictFacts) -> str:
    """Say the verdict with the figures that decided it.

    For *better* the reference with the smallest gain is named; for *no better* the one that excludes a gain
    most closely; for *too little* the one that leaves the least gain open.

    Parameters
    ----------
    facts : VerdictFacts
        Of the run.

    Returns
    -------
    str
        Two or three sentences.
    """
    headline = say(f"verdict_{facts.verdict}")
    too_few = _too_few(facts, "") if facts.verdict == "too_little" else ""
    if too_few:
        return f"{headline} {capitalised(too_few)}"
    if not facts.gains:
        return headline
    deciding = min(facts.gains, key=lambda one: one.gain if facts.verdict == "better" else one.upper)
    figures = say(
        f"gain_{facts.verdict}",
        reference=deciding.reference,
        gain=number_text(deciding.gain, 3),
        lo=number_text(deciding.lo, 3),
        hi=number_text(deciding.hi, 3),
        upper=number_text(deciding.upper, 4),
        margin=number_text(facts.margin, 4),
        level=f"{100 * facts.level:g}",
        n=facts.n,
    )
    if facts.verdict == "better":
        return f"{headline} {figures}"
    return f"{headline} {figures} In plain words: {what_matters(facts)}."


def _too_few(facts: VerdictFacts, prefix: str) -> str:
    """Name the shortage that forbids any judgement, or nothing when there is none."""
    others = facts.n - facts.responders
    if min(facts.responders, others) < facts.needed:
        return say(f"{prefix}few_patients", responders=facts.responders, others=others, needed=facts.needed)
    if facts.groups < facts.needed:
        return say(f"{prefix}few_groups", groups=facts.groups, needed=facts.needed)
    return ""
