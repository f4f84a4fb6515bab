"""PROBAST+AI answered from the run's own facts: 16 questions on development, 18 on evaluation, the judgement.

The words are ours. A question that the run cannot answer, and each concern about applicability, is a person's, written
under ``report.assessment``; until then it stays "no information" and says so. A reader may judge otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import pandas as pd

from predictor.adequacy import Adequacy
from predictor.checks.finding import Finding
from predictor.reports import probast_answers as answers
from predictor.reports.probast_answers import Answer, Facts, Reply
from predictor.study import Study
from predictor.validation.evaluation import Evaluation

__all__ = ["DOMAINS", "QUESTIONS", "Question", "combine", "judge", "probast_frame", "unanswered"]

Part = Literal["development", "evaluation"]
DOMAINS = ("participants and data sources", "predictors", "outcome", "analysis")
APPLIES = {
    "participants": "Concern that patients and setting are not those the model is meant for",
    "predictors": "Concern that inputs are defined, measured or at hand otherwise where it is to be used",
    "outcome": "Concern that the outcome, its time or its measure is not what the decision is about",
}


@dataclass(frozen=True)
class Question:
    """One signalling question of one part, in our words."""

    id: str
    part: Part
    domain: str
    asks: str
    answer: Callable[[Facts], Answer]


Asked = tuple[str, Callable[[Facts], Answer]]
SHARED: Mapping[str, tuple[Asked, ...]] = MappingProxyType(
    {
        DOMAINS[0]: (
            ("Do the data sources suit the question?", answers.sources),
            ("Does the design of the study suit it?", answers.study_design),
            (
                "Did inclusion and exclusion leave patients like those the model is for?",
                answers.representative,
            ),
        ),
        DOMAINS[1]: (
            ("Were predictors defined and assessed alike for everybody?", answers.same_predictors),
            ("Were they prepared alike for everybody?", answers.same_preparation),
            ("Were they assessed by someone who could not know the outcome?", answers.predictors_blind),
            ("Are all of them there at the moment the model is to be used?", answers.predictors_at_hand),
        ),
        DOMAINS[2]: (
            ("Was the outcome defined and assessed fittingly?", answers.outcome_definition),
            ("Was it defined and assessed alike for everybody?", answers.same_outcome),
            ("Was it assessed without use or knowledge of the predictors?", answers.outcome_blind),
            ("Is the time between predictors and outcome fitting?", answers.interval),
        ),
    }
)
ANALYSIS: Mapping[Part, tuple[Asked, ...]] = MappingProxyType(
    {
        "development": (
            ("Does anything show that the sample was large enough?", answers.size_for_development),
            ("Were continuous and categorical predictors handled fittingly?", answers.scales),
            ("Were missing or censored data handled fittingly?", answers.missing_data),
            ("If classes were balanced, were predictions recalibrated?", answers.imbalance),
            ("Was overfitting addressed?", answers.overfitting),
        ),
        "evaluation": (
            ("Does the evaluation go beyond the patients the model was fitted to?", answers.beyond_apparent),
            ("Does anything show that the sample was large enough?", answers.size_for_evaluation),
            ("Were missing or censored data handled fittingly?", answers.missing_data),
            (
                "If classes were balanced, was the evaluation done without that?",
                answers.imbalance_in_evaluation,
            ),
            ("If data were split, was leakage avoided?", answers.leakage),
            ("If data were resampled, were all steps of development repeated?", answers.all_steps),
            ("Was performance judged fittingly: calibration, discrimination, net benefit?", answers.measures),
        ),
    }
)


def _questions() -> tuple[Question, ...]:
    found = []
    for part, analysis in ANALYSIS.items():
        by_domain = {**SHARED, DOMAINS[3]: analysis}
        found += [
            Question(f"{part[0].upper()}{place}.{number}", part, domain, asks, answer)
            for place, domain in enumerate(DOMAINS, start=1)
            for number, (asks, answer) in enumerate(by_domain[domain], start=1)
        ]
    return tuple(found)


QUESTIONS = _questions()


def probast_frame(
    study: Study,
    evaluation: Evaluation,
    findings: Sequence[Finding],
    adequacy: Adequacy,
    *,
    resamples: int,
) -> pd.DataFrame:
    """Answer every question, and judge each domain and each part by the tool's rule.

    Parameters
    ----------
    study : Study
    evaluation : Evaluation
    findings : sequence of Finding
    adequacy : Adequacy
    resamples : int
        Of the optimism bootstrap; 0 without one.

    Returns
    -------
    DataFrame
        ``id``, ``part``, ``domain``, ``asks``, ``answer``, ``evidence``, ``person`` (key of ``report.assessment``,
        where only a person can answer). Rows with an ``id`` such as ``D4`` or ``D`` hold the judgement of a domain or a
        part: low, high or unclear; ``A1`` to ``A3`` and ``A`` are the applicability of both parts, which are about the
        same patients.

    References
    ----------
    Moons KGM et al. PROBAST+AI: an updated quality, risk of bias, and applicability assessment tool for prediction
    models using regression or artificial intelligence methods. BMJ 2025;388:e082505.
    """
    facts = Facts(study, evaluation, findings, adequacy, resamples)
    answered = [(one, one.answer(facts)) for one in QUESTIONS]
    rows = []
    for part in ANALYSIS:
        judgements = []
        for place, domain in enumerate(DOMAINS, start=1):
            own = [(one, answer) for one, answer in answered if (one.part, one.domain) == (part, domain)]
            rows += [
                _row(one.id, part, domain, one.asks, answer.reply, answer.evidence, answer.person)
                for one, answer in own
            ]
            judgements.append(judge([answer.reply for _, answer in own]))
            rows.append(
                _row(f"{part[0].upper()}{place}", part, domain, _concern(part, domain), judgements[-1])
            )
        rows.append(_row(part[0].upper(), part, "overall", _concern(part, "overall"), combine(judgements)))
    return pd.DataFrame([*rows, *_applicability(facts)])


def _applicability(facts: Facts) -> list[dict[str, str]]:
    rows = []
    for place, (domain, asks) in enumerate(APPLIES.items(), start=1):
        concern, evidence = answers.applicability(facts, domain)
        rows.append(
            _row(f"A{place}", "applicability", domain, asks, concern, evidence, f"applicability_{domain}")
        )
    concerns = [row["answer"] for row in rows]
    overall = "no information" if "no information" in concerns else combine(concerns)
    return [*rows, _row("A", "applicability", "overall", "Concern about applicability: overall", overall)]


def unanswered(table: pd.DataFrame) -> tuple[str, ...]:
    """Name the keys of ``report.assessment`` without which the self-assessment is not complete.

    Parameters
    ----------
    table : DataFrame
        Of `probast_frame`.
    """
    open_ones = table[(table["person"] != "") & (table["answer"] == "no information")]
    return tuple(dict.fromkeys(open_ones["person"]))


def _row(
    name: str, part: str, domain: str, asks: str, answer: str, evidence: str = "", person: str = ""
) -> dict[str, str]:
    return {
        "id": name,
        "part": part,
        "domain": domain,
        "asks": asks,
        "answer": answer,
        "evidence": evidence,
        "person": person,
    }


def _concern(part: str, domain: str) -> str:
    return f"{'Concern about quality' if part == 'development' else 'Risk of bias'}: {domain}"


def judge(replies: Sequence[Reply]) -> str:
    """Judge a domain: one "no" makes it high; else one without information makes it unclear; else it is low.

    Parameters
    ----------
    replies : sequence of str
    """
    if {"no", "probably no"} & {*replies}:
        return "high"
    return "unclear" if "no information" in replies else "low"


def combine(judgements: Sequence[str]) -> str:
    """Judge a part: one high domain makes it high; else one unclear domain makes it unclear; else it is low.

    Parameters
    ----------
    judgements : sequence of str
    """
    if "high" in judgements:
        return "high"
    return "unclear" if "unclear" in judgements else "low"
