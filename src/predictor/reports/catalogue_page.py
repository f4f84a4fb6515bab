"""Headings, column heads and marks of the patient's page in English; the sentences are in the catalogue beside it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["PAGE"]

PAGE: Mapping[str, str] = MappingProxyType(
    {
        # header
        "head_patient": "Patient",
        "head_age": "{age} y",
        "head_assessed": "Assessed",
        "head_report": "Report",
        "head_model": "Model",
        "for_clinician": "For the treating clinician.",
        "why_page": "Why this page exists:",
        "too_few": "Too few patients.",
        # sections of an estimate
        "h_estimate": "1. The estimate",
        "h_applies": "2. Does the model apply to this patient?",
        "h_rests": "3. What the estimate rests on",
        "h_plans": "4. If the plan were different",
        "h_inputs": "5. Inputs used",
        "h_performance": "6. How well the model has done",
        "h_decide": "7. Before you decide",
        # sections of a group page and a refusal
        "h_known": "1. What is known",
        "h_like": "2. Is this patient like the group?",
        "h_tried": "3. What was tried",
        "h_decide_group": "4. Before you decide",
        "h_recorded": "5. Inputs recorded",
        "h_why": "Why no estimate is given",
        "h_recorded_refusal": "Inputs recorded",
        "h_annex": "Annex: inputs",
        # the estimate
        "estimate_lead": "The model estimates that about",
        "of_100": "{count} of 100",
        "for_comparison": "For comparison:",
        "plan_assumed": "Plan assumed:",
        "plan": "Plan:",
        "expected_change": "Expected change in {scale}:",
        # column heads
        "c_check": "Check",
        "c_result": "Result",
        "c_means": "What it means",
        "c_input": "Input",
        "c_this": "This patient",
        "c_compared": "Compared with",
        "c_bars": "Lowers ◂ ▸ raises",
        "c_points": "Points",
        "c_total": "Total",
        "c_value": "Value",
        "c_unit": "Unit or range",
        "c_date": "Date",
        "c_source": "Source",
        "c_note": "Note",
        "c_rule": "Rule",
        "c_resolve": "What would resolve it",
        "c_group": "Group",
        "c_responders": "Responders",
        "c_patients": "Patients",
        "c_of_100": "Of 100",
        "c_limits": "{level} % limits",
        "c_tried": "Tried",
        "c_built": "Built from",
        "in_words": "In words.",
        "planned": "planned",
        "this_plan": "{label} (this plan)",
        "filled_in": "Filled in",
        "not_recorded": "Not recorded",
        # performance
        "developed_on": "Developed on",
        "tested_on": "Tested on",
        "p_ranking": "Ranking",
        "p_calibration": "Calibration",
        "p_ranges": "Ranges",
        "p_not_tested": "Not tested in",
        "in_numbers": "In plain numbers.",
        # group page
        "group_interval": "Interval: {method}.",
        "nothing_fitted": "Nothing was fitted.",
        "changes_nothing": "None of these changes the numbers above.",
        "changes_rate_only": "None of these changes the observed rates; what is estimated rests on them.",
        # other outcomes
        "h_beside": "Other outcomes, of 100 with this plan",
        "beside_number": "{n} ({range})",
        "beside_estimate": "{number}: estimated for these values, with the range over refits; {rate}",
        "beside_rate": "{number}: observed, {events} of {n}, with its interval; {without}",
        "beside_nothing": "nobody with this plan was observed for it; {without}",
        "beside_better": "no personal estimate is given: it would need inputs that this model does not ask for",
        "beside_no_better": "no personal estimate is given: none was shown to be better",
        "beside_too_little": "no personal estimate is given: too few patients to judge one",
        "beside_seen": "observed in {events} of {n}",
        "beside_unseen": "nobody with this plan was observed for it",
        "beside_apart": "What the model says of {n} other outcomes with this plan stands in the annex.",
        "h_beside_annex": "Annex: other outcomes, of 100 with this plan",
        # safety, signature, footer
        "safety_items": "Safety items.",
        "reviewed_by": "Reviewed by:",
        "sign_date": "Date:",
        "taken": "Read and taken into the record by {by}, {at}. That does not say whether it was used.",
        "sign_estimate": "Estimate used in decision: ☐ yes ☐ no, because",
        "sign_page": "This page used in decision: ☐ yes ☐ no, because",
        "foot": "Model {model} {version}, file sha256 {sha}; software {software}; configuration {config}; made {made} "
        "by {user}.",
        "foot_valid": "Valid until {day}.",
        "foot_questions": "Questions: {owner}, {contact}.",
    }
)
