"""From a finished training to the view model of the model report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from predictor.adequacy import Adequacy
from predictor.checks.finding import Finding
from predictor.evidence import Evidence
from predictor.provenance import software_version
from predictor.reports.content_model import (
    Annex,
    CheckRow,
    Comparison,
    ModelReportV1,
    RunLabel,
    Setting,
    VerdictSummary,
)
from predictor.reports.facts import verdict_facts
from predictor.reports.methods import methods_paragraphs
from predictor.reports.model_evidence import evidence_view
from predictor.reports.model_method import (
    attrition_rows,
    definition_rows,
    design_rows,
    procedure_text,
    search_rows,
    setting_rows,
    size_note,
    size_rows,
    study_limits,
    warning_lines,
)
from predictor.reports.model_missing import (
    coefficient_rows,
    missingness_rows,
    sensitivity_rows,
    tipping_view,
)
from predictor.reports.model_performance import (
    calibration_view,
    decision_view,
    further_rows,
    importance_view,
    model_rows,
    net_benefit_rows,
    pooled_rows,
    roc_view,
    secondary_rows,
    site_rows,
    subgroup_rows,
    treated_decision_view,
    weight_rows,
)
from predictor.reports.verdict_wording import verdict_sentence, what_matters
from predictor.reports.wording import capitalised
from predictor.study import Study
from predictor.validation.evaluation import Evaluation
from predictor.validation.resampling import FoldResult
from predictor.validation.transport import transport_summary

if TYPE_CHECKING:
    from predictor.models.tuning import TunedClassifier

__all__ = ["LIMITS", "ModelFacts", "model_view"]

LIMITS = (
    "It predicts the outcome under treatment, not the benefit from it: placebo response, natural recovery and "
    "regression to the mean are included.",
    "Contributions are associations in past data, not causes.",
    "It was tested inside the data it was built from. Other clinics, times and treatments are untested.",
    "Measures other than the declared ones, and what nobody recorded, are not in it.",
)


@dataclass(frozen=True)
class ModelFacts:
    """All that the model report is written from."""

    study: Study
    adequacy: Adequacy
    evaluation: Evaluation
    chosen: str
    fitted: dict[str, tuple[TunedClassifier, ...]]
    results: Sequence[FoldResult]
    importance: pd.DataFrame
    transport: pd.DataFrame
    evidence: Evidence
    subgroups: pd.DataFrame
    secondary: pd.DataFrame
    findings: tuple[Finding, ...]
    coefficients: pd.DataFrame
    run_id: str
    created: datetime
    commit: str
    versions: dict[str, str]


def model_view(facts: ModelFacts, *, annexes: Sequence[Annex] = ()) -> ModelReportV1:
    """Lay out the model report.

    Parameters
    ----------
    facts : ModelFacts
    annexes : sequence of Annex
        Files beside the report.
    """
    study, evaluation = facts.study, facts.evaluation
    words = verdict_facts(study, evaluation)
    return ModelReportV1(
        run=_run(facts),
        simulated=study.simulated,
        research_only=study.loaded.config.report.release == "research"
        and evaluation.verdict.label != "better",
        verdict=_verdict(facts, verdict_sentence(words)),
        plain_words=f"{capitalised(what_matters(words))}.",
        warnings=(*warning_lines(study, facts.adequacy), *finding_lines(facts.findings)),
        attrition=attrition_rows(study),
        sizes=size_rows(facts.adequacy),
        size_note=size_note(facts.adequacy),
        definitions=definition_rows(study),
        design=design_rows(study),
        models=model_rows(study, evaluation.performance),
        weights=weight_rows(study, facts.results),
        secondary=secondary_rows(facts.secondary),
        further=further_rows(evaluation.further),
        calibration=calibration_view(evaluation),
        roc=roc_view(evaluation),
        decision=decision_view(study, evaluation),
        net_benefit=net_benefit_rows(study, evaluation.net_benefit),
        treated_decision=treated_decision_view(study, facts.evidence.prognosis),
        treated_net_benefit=net_benefit_rows(study, facts.evidence.prognosis),
        evidence=evidence_view(study, evaluation, facts.evidence),
        importance=importance_view(study, facts.importance),
        transport=site_rows(facts.transport),
        transport_summary=pooled_rows(
            transport_summary(facts.transport, level=study.loaded.config.validation.interval.level)
        ),
        subgroups=subgroup_rows(facts.subgroups),
        sensitivity=sensitivity_rows(study),
        tipping=tipping_view(study),
        missingness=missingness_rows(study),
        coefficients=coefficient_rows(facts.coefficients),
        settings=setting_rows(study),
        search=search_rows(study, facts.fitted),
        versions=tuple(Setting(name=name, value=value) for name, value in facts.versions.items()),
        statements=study.loaded.config.report.statements,
        methods=methods_paragraphs(study, evaluation, facts.adequacy, versions=facts.versions),
        annexes=tuple(annexes),
        limits=(*LIMITS, *study_limits(study)),
        checks=tuple(
            CheckRow(
                code=one.code,
                severity=one.severity,
                subject=one.subject,
                finding=one.finding,
                remedy=one.remedy,
                page=one.explained,
                acknowledged=one.acknowledged,
            )
            for one in facts.findings
        ),
    )


def finding_lines(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Say on the first page what the checks found, except for mere notices.

    Parameters
    ----------
    findings : sequence of Finding
    """
    return tuple(
        f"{one.code}: {one.finding}." + (f" Acknowledged: {one.acknowledged}" if one.acknowledged else "")
        for one in findings
        if one.severity != "notice"
    )


def _run(facts: ModelFacts) -> RunLabel:
    loaded = facts.study.loaded
    return RunLabel(
        run_id=facts.run_id,
        experiment=loaded.config.experiment.name,
        question=loaded.config.experiment.question,
        created_utc=facts.created,
        software_version=software_version(),
        config_sha256=loaded.config_hash,
        data_sha256=facts.study.data_hash,
        git_commit=facts.commit,
        command=" ".join(
            ["predictor train", loaded.path.name, *(f"--set {one}" for one in loaded.overrides)]
        ),
    )


def _verdict(facts: ModelFacts, sentence: str) -> VerdictSummary:
    verdict = facts.evaluation.verdict
    released = verdict.label == "better"
    return VerdictSummary(
        verdict=verdict.label,
        sentence=sentence,
        judge=procedure_text(facts.study.protocol.judge),
        margin=verdict.margin,
        level=facts.study.loaded.config.validation.interval.level,
        comparisons=tuple(
            Comparison(
                reference=one.reference,
                gain=one.gain,
                lo=one.low,
                hi=one.high,
                upper=one.upper,
                standard_error=one.se,
            )
            for one in verdict.comparisons
        ),
        n=verdict.events + verdict.non_events,
        responders=verdict.events,
        groups=verdict.clusters,
        group_word="clusters" if facts.study.loaded.config.cohort.group else "patients",
        effective_n=verdict.effective_n,
        effective_n_needed=verdict.needed_n,
        releases="Personal estimates are released." if released else "Patient reports are the group page.",
    )
