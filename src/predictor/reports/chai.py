"""The model card in the fields of the CHAI applied model card (schema version 0.2), filled from run and statements.

The names of the fields are the schema's, so that the card can be written as its XML by walking through it. Text that
nobody gave is "NOT PROVIDED".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from predictor.data.frames import rows_of
from predictor.provenance import software_version
from predictor.reports.facts import verdict_facts
from predictor.reports.methods import FAMILY_WORDS
from predictor.reports.model import LIMITS, ModelFacts
from predictor.reports.model_evidence import metric_text
from predictor.reports.model_method import study_limits
from predictor.reports.verdict_wording import verdict_sentence
from predictor.reports.wording import joined, say
from predictor.study import Study, describe_outcome

__all__ = ["NOT_PROVIDED", "chai_card"]

NOT_PROVIDED = "NOT PROVIDED"
SUBGROUP_METRICS = {"auc": "AUC", "observed_minus_expected": "observed minus expected"}
Record = dict[str, Any]


def chai_card(facts: ModelFacts) -> Record:
    """Fill the card's fields.

    Parameters
    ----------
    facts : ModelFacts
    """
    study = facts.study
    report, said = study.loaded.config.report, _Said(study)
    return {
        "Schema": "CHAI applied model card, fields of version 0.2",
        "Simulated": study.simulated,
        "BasicInfo": {
            "ModelName": report.title or study.loaded.config.experiment.name,
            "ModelDeveloper": report.owner,
            "DeveloperContact": report.contact,
        },
        "ReleaseInfo": {
            "ReleaseStage": "draft" if said.gaps else report.release.replace("_", " "),
            "ReleaseDate": facts.created.date().isoformat(),
            "ReleaseVersion": facts.run_id,
            "GlobalAvailability": NOT_PROVIDED,
            "RegulatoryApproval": say("research_use"),
        },
        "ModelSummary": {
            "Summary": f"{study.loaded.config.experiment.question} "
            f"{verdict_sentence(verdict_facts(study, facts.evaluation))}",
            "Keywords": ["prediction", "treatment response", study.primary.name.replace("_", " ")],
        },
        "UsesAndDirections": {
            "IntendedUseAndWorkflow": said["intended_use"],
            "PrimaryIntendedUsers": said["intended_users"],
            "HowToUse": said["user_interaction"],
            "TargetedPatientPopulation": said["setting"],
            "CautionedOutOfScopeSettings": said["out_of_scope"],
        },
        "Warnings": {
            "KnownRisksAndLimitations": " ".join(
                [*LIMITS, *study_limits(study), f"Known issues: {said['known_issues']}"]
            ),
            "KnownBiasesOrEthicalConsiderations": said["known_inequalities"],
            "ClinicalRiskLevel": said["clinical_risk"],
        },
        "TrustIngredients": _trust(study, said),
        "KeyMetrics": {
            "UsefulnessUsabilityEfficacy": _usefulness(facts),
            "FairnessEquity": _fairness(facts),
            "SafetyReliability": _reliability(facts),
        },
        "Resources": {
            "EvaluationReferences": "model_report.html, tripod_ai.html, probast_ai.html",
            "ClinicalTrial": said["registration"],
            "PeerReviewedPublications": said["publications"],
            "PatientConsentOrDisclosure": said["ethics"],
        },
        "Bibliography": said["publications"],
    }


class _Said(Mapping[str, str]):
    """Statements by their key; what nobody gave is NOT PROVIDED."""

    def __init__(self, study: Study) -> None:
        self._texts: dict[str, str | None] = study.loaded.config.report.statements.model_dump()

    @property
    def gaps(self) -> Sequence[str]:
        """Keys without a text."""
        return [key for key, text in self._texts.items() if text is None]

    def __getitem__(self, key: str) -> str:
        return self._texts[key] or NOT_PROVIDED

    def __iter__(self) -> Any:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def _trust(study: Study, said: _Said) -> Record:
    config = study.loaded.config
    _, y = study.evaluable(config.primary)
    families = dict.fromkeys(FAMILY_WORDS[section.type] for section in config.models.values())
    return {
        "AISystemFacts": {
            "OutcomesAndOutputs": f"{describe_outcome(study, study.primary.name)}. Output: a probability with its "
            "range over refits, or the group's rate, or a refusal with reasons.",
            "ModelType": f"{joined(list(families))}; judged: {study.protocol.judge}",
            "FoundationModels": "none",
            "InputDataSource": said["data_sources"],
            "OutputAndInputDataTypes": f"{len(study.dataset.features)} inputs: numbers and categories known at day 0",
            "DevelopmentDataCharacterization": f"{len(y)} patients, {int(y.sum())} with the outcome; see "
            "characteristics.csv",
            "BiasMitigationApproaches": said["fairness"],
            "OngoingMaintenance": said["monitoring_plan"],
            "Security": "The model folder runs no code when it is loaded, holds no patient and is checked "
            "against hashes.",
            "Transparency": f"Settings, data hash and versions are in the model report; software {software_version()}.",
        },
        "TransparencyInformation": {
            "FundingSource": said["funding"],
            "ThirdPartyInformation": said["conflicts"],
            "StakeholdersConsulted": said["patient_involvement"],
        },
    }


def _metric(goal: str, results: list[Record], interpretation: str, facts: ModelFacts) -> Record:
    outer = facts.study.loaded.config.validation.outer
    return {
        "MetricGoal": goal,
        "Results": results or [{"Label": "none", "Value": NOT_PROVIDED}],
        "Interpretation": interpretation,
        "TestType": "internal",
        "TestingDataDescription": "the development patients, each predicted by models that had not seen them",
        "ValidationProcessAndJustification": f"nested cross-validation, {outer.n_splits} folds, "
        f"{outer.n_repeats} repeats",
    }


def _usefulness(facts: ModelFacts) -> Record:
    performance = facts.evaluation.performance
    judged = performance[performance["kind"] == "judged"]
    results = [_result(metric_text(str(r.metric)), r.value, r.low, r.high) for r in rows_of(judged)]
    benefit = facts.evaluation.net_benefit
    results += [
        _result(f"net benefit at {r.threshold:g}", r.value, r.low, r.high)
        for r in rows_of(benefit[benefit["kind"] == "judged"])
    ]
    sentence = verdict_sentence(verdict_facts(facts.study, facts.evaluation))
    return _metric("better than the group's rate, severity and plan", results, sentence, facts)


def _fairness(facts: ModelFacts) -> Record:
    table: pd.DataFrame = facts.subgroups
    results = [] if table.empty else _subgroup_results(table)
    text = (
        "Subgroups were examined; those too small to judge are not listed."
        if len(table)
        else "No subgroup was declared, so that none was examined."
    )
    return _metric("alike in declared subgroups", results, text, facts)


def _subgroup_results(table: pd.DataFrame) -> list[Record]:
    shown = table[table["metric"].isin(["auc", "observed_minus_expected"])]
    return [
        _result(f"{SUBGROUP_METRICS[str(r.metric)]}, {r.by}: {r.subgroup}", r.value, r.low, r.high)
        for r in rows_of(shown)
    ]


def _reliability(facts: ModelFacts) -> Record:
    found = facts.evidence.stability
    results = []
    if found is not None:
        results.append(
            _result("mean difference of an estimate between refits, points of 100", 100 * found.instability)
        )
    results += [
        _result(f"checks of severity {severity}", sum(one.severity == severity for one in facts.findings))
        for severity in ("error", "warning", "notice")
    ]
    return _metric("the same patient gets the same answer", results, "See stability and checks.", facts)


def _result(label: str, value: object, low: object = None, high: object = None) -> Record:
    found: Record = {"Label": label}
    for name, number in (("Value", value), ("Low", low), ("High", high)):
        if number is not None:
            found[name] = _number(number)
    return found


def _number(value: Any) -> float | int | None:
    if isinstance(value, int):
        return value
    return round(float(value), 6) if np.isfinite(value) else None
