"""The sentences of a patient report, written from its content; the template only places them."""

from __future__ import annotations

from collections.abc import Sequence

from predictor.reports.content import (
    Contribution,
    Contributions,
    Difference,
    GroupRate,
    OtherOutcome,
    Performance,
    PlanItem,
    PredictionReportV1,
)
from predictor.reports.wording import (
    capitalised,
    count_of_100,
    count_text,
    interval_text,
    joined,
    number_text,
    range_text,
    say,
    shortened,
    sum_text,
)

__all__ = [
    "contribution_words",
    "difference_text",
    "estimate_texts",
    "group_texts",
    "other_texts",
    "plan_text",
]


def plan_text(plan: Sequence[PlanItem]) -> str:
    """Write the plan as one line: "Dose 0.5 mg/kg, Infusions 6"."""
    return ", ".join(" ".join(part for part in (one.label, one.value, one.unit) if part) for one in plan)


def contribution_words(rows: Sequence[Contribution]) -> str:
    """Say which inputs raise and which lower the estimate, as associations.

    Parameters
    ----------
    rows : sequence of Contribution
        Those shown; rows that move nothing are not mentioned.

    Returns
    -------
    str
        One or two sentences.
    """
    raising = [_phrase(row) for row in rows if row.points > 0]
    lowering = [_phrase(row) for row in rows if row.points < 0]
    sentences = []
    if raising:
        sentences.append(say("words_raise", inputs=capitalised(joined(raising))))
    if lowering:
        sentences.append(say("words_lower", inputs=capitalised(joined(lowering))))
    return " ".join(sentences) or say("words_none")


def _phrase(row: Contribution) -> str:
    if row.phrase:
        return row.phrase
    label = shortened(row.label, 40)
    return f"{label} not recorded" if row.value_text is None else f"{label} {shortened(row.value_text, 20)}"


def difference_text(difference: Difference) -> str:
    """Say how another plan compares with the planned one, and whether the model tells them apart.

    Parameters
    ----------
    difference : Difference
    """
    points, lo, hi = (_more(one) for one in (difference.points, difference.lo, difference.hi))
    text = say("difference", points=points, lo=lo, hi=hi)
    return text if difference.told_apart else f"{text} {say('not_told_apart')}"


def _more(points: int) -> str:
    if points == 0:
        return say("no_difference")
    return say("more" if points > 0 else "fewer", n=abs(points))


def estimate_texts(view: PredictionReportV1) -> dict[str, str]:
    """Write the sentences of a personal estimate.

    Parameters
    ----------
    view : PredictionReportV1
        Of kind ``estimate``.

    Returns
    -------
    dict of str
        Names that the template uses.
    """
    estimate, contributions = view.estimate, view.contributions
    if estimate is None or contributions is None or view.performance is None:
        raise ValueError("These sentences belong to a report of kind estimate")
    scope = "plan" if estimate.same_plan else "all"
    base = count_text(estimate.base_rate_per100)
    return {
        "comparison": say(f"comparison_{scope}", base=capitalised(base), n=estimate.base_n),
        "start": say(f"start_{scope}", start=count_text(contributions.start), base=base),
        "others": _others(contributions),
        "sum_line": _sum_line(contributions),
        "words": contribution_words(contributions.rows),
        "change": _change(view),
        **_performance(view.performance),
    }


def _others(contributions: Contributions) -> str:
    other = contributions.other
    if other is None:
        return ""
    if other.with_plan:
        return say("others_plan")
    return say("others_1") if other.n == 1 else say("others", n=other.n)


def _sum_line(contributions: Contributions) -> str:
    points = [row.points for row in contributions.rows]
    if contributions.other:
        points.append(contributions.other.points)
    return sum_text(contributions.start, points)


def _change(view: PredictionReportV1) -> str:
    change = view.continuous
    if change is None:
        return ""
    return say(
        "continuous",
        mean=number_text(change.mean_change, 1),
        unit=change.unit,
        lo=number_text(change.lo, 1),
        hi=number_text(change.hi, 1),
        coverage=change.coverage_text,
    )


def _performance(performance: Performance) -> dict[str, str]:
    """Write section 6: consequences in counts first, then the statistician's numbers in words."""
    texts = {"ranking": "", "calibration": "", "plain_counts": ""}
    if performance.auc is not None:
        texts["ranking"] = say(
            "ranking",
            pairs=count_of_100(performance.auc),
            auc=interval_text(performance.auc, performance.auc_lo, performance.auc_hi),
            level=f"{100 * performance.level:g}",
        )
    if performance.calibration_slope is not None or performance.calibration_intercept is not None:
        texts["calibration"] = say(
            "calibration",
            slope=number_text(performance.calibration_slope),
            intercept=number_text(performance.calibration_intercept),
        )
    if performance.counts:
        texts["plain_counts"] = say(
            "plain_development" if performance.tested_on is None else "plain_tested",
            threshold=performance.counts.threshold,
            above=performance.counts.above_responded,
            above_not=100 - performance.counts.above_responded,
            below=performance.counts.below_responded,
        )
    return texts


def group_texts(group: GroupRate) -> dict[str, str]:
    """Write the sentences of a group page."""
    rate = next((arm for arm in group.arms if arm.this_plan), group.rate)
    return {
        "group_lead": say(
            "group_rate",
            responders=rate.responders,
            n=rate.n,
            treatment=group.treatment,
            per100=rate.per100,
            lo=rate.lo,
            hi=rate.hi,
        ),
        "discuss_group": say("discuss_group", n=rate.n, responders=rate.responders),
        "level": f"{100 * group.level:g}",
    }


def other_texts(others: Sequence[OtherOutcome]) -> list[dict[str, str]]:
    """Write the lines of the other outcomes: what each is, and its number with what the number is.

    Parameters
    ----------
    others : sequence of OtherOutcome
    """
    return [{"name": one.name, "definition": one.definition, "said": _said(one)} for one in others]


def _said(one: OtherOutcome) -> str:
    seen = one.observed
    if one.per100 is not None and one.lo is not None and one.hi is not None:
        number = say("beside_number", n=count_text(one.per100), range=range_text(one.lo, one.hi))
        rate = say("beside_seen", events=seen.responders, n=seen.n) if seen else say("beside_unseen")
        return say("beside_estimate", number=number, rate=rate)
    without = say(f"beside_{one.verdict}")
    if seen is None:
        return say("beside_nothing", without=without)
    number = say("beside_number", n=seen.per100, range=f"{seen.lo} to {seen.hi}")
    return say("beside_rate", number=number, events=seen.responders, n=seen.n, without=without)
