"""A report as a card of CDS Hooks: it informs, and never suggests, orders or warns.

Source: HL7, CDS Hooks 2.0, card attributes: a summary below 140 characters, detail in Markdown.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from predictor.reports.content import PredictionReportV1
from predictor.reports.wording import say

__all__ = ["LONGEST_SUMMARY", "OVERRIDE_REASONS", "card_of"]

LONGEST_SUMMARY = 139
OVERRIDE_REASONS = (
    ("not-needed", "Not needed for this decision"),
    ("does-not-apply", "Does not apply to this patient"),
    ("wrong-data", "The data it used are wrong or old"),
    ("other", "Another reason"),
)
SYSTEM = "urn:response-predictor:override"
SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~])")


def card_of(
    view: PredictionReportV1, *, ordered: bool, launch: str = "", mark: str = ""
) -> dict[str, Any] | None:
    """Write the card of a report.

    Parameters
    ----------
    view : PredictionReportV1
    ordered : bool
        The clinician is ordering the treatment: only then a refusal is worth a card.
    launch : str
        Address that opens the full report as a SMART app; no link without it.
    mark : str
        What has to stand first, such as that the model is not signed for clinical use.

    Returns
    -------
    dict or None
        None where nothing is to be said. Without the verdict *better* it holds the group's rate alone, and a refusal
        no number.
    """
    if view.report.kind == "refusal" and not ordered:
        return None
    reasons = [{"system": SYSTEM, "code": code, "display": text} for code, text in OVERRIDE_REASONS]
    card: dict[str, Any] = {
        "uuid": str(uuid.uuid4()),
        "summary": _shortened(f"{mark.partition(':')[0]}. {_summary(view)}" if mark else _summary(view)),
        "detail": "\n".join(f"- {_plain(line)}" for line in ([mark] if mark else []) + _details(view)),
        "indicator": "info",
        "source": {"label": f"{view.model.id}, version {view.model.version}"},
        "overrideReasons": reasons,
    }
    if launch:
        card["links"] = [{"label": "Open the form and the full report", "url": launch, "type": "smart"}]
    return card


def _summary(view: PredictionReportV1) -> str:
    mark = "DEMONSTRATION. " if view.model.demonstration else ""
    mark += "SIMULATED DATA. " if view.simulated else ""
    if view.estimate is not None:
        one = view.estimate
        counts = f"About {one.per100} of 100 with these values and this treatment"
        return f"{mark}{counts} would respond ({one.lo} to {one.hi})"
    if view.group is not None:
        rate = view.group.rate
        counts = f"{rate.responders} of {rate.n} responded ({rate.per100} of 100; {rate.lo} to {rate.hi})"
        return f"{mark}No personal estimate. In the group studied {counts}"
    return f"{mark}{say('title_refusal')}"


def _details(view: PredictionReportV1) -> list[str]:
    """List what a reader has to know, the most important first."""
    if view.report.kind == "refusal":
        # What would resolve it; rules hold limits, which could be read as an estimate.
        return [*(f"{one.label}: {one.resolve}" for one in view.refusal), say("warning")]
    lines = [say("demonstration")] if view.model.demonstration else []
    lines += [say("simulated")] if view.simulated else []
    lines += [f"Response {say('definition', definition=view.outcome.definition)}"]
    if view.estimate is not None:
        lines += [f"This estimate is {view.estimate.label}.", say("estimate_without")]
    if view.group is not None:
        lines += [say("group_because", reason=view.group.reason), say("group_without")]
    if view.applicability is not None:
        checks = [one for one in view.applicability.checks if one.status != "ok"]
        lines += ["Usable." if not checks else "Use with caution."]
        lines += [f"{one.label}: {one.result}" for one in checks]
    missing = [one.label for one in view.inputs if one.value_text is None]
    lines += [f"Missing: {', '.join(missing)}"] if missing else []
    return [*lines, *view.limits, f"Not a recommendation. {say('warning')}"]


def _plain(text: str) -> str:
    """Let no character of a label mean anything to Markdown."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_SUMMARY else f"{text[: LONGEST_SUMMARY - 1]}…"
