from __future__ import annotations

import pytest

from predictor.reports.facts import feature_labels, tried, verdict_facts, whole_set
from trained_clinics import trained


def test_facts_of_a_verdict_are_those_of_the_evaluation() -> None:
    training = trained()
    facts = verdict_facts(training.study, training.evaluation)
    y = training.study.primary.label
    assert (facts.verdict, facts.n, facts.responders) == ("better", 200, int(y.sum()))
    assert facts.groups == 200
    # Half the information of a lone predictor with an AUC of 0.60: 0.0158 nats at a prevalence of one half.
    assert facts.margin == pytest.approx(0.0158, abs=3e-4)
    assert [gain.reference for gain in facts.gains] == ["prevalence", "severity", "plan", "severity + plan"]
    assert facts.level == 0.95


def test_what_was_tried_has_one_line_per_candidate_in_words() -> None:
    training = trained("group")
    (line,) = tried(training.study, training.evaluation)
    assert line.label == "net"
    assert line.built_from == "6 inputs (clinical, blood, plan)"
    assert line.result.startswith("AUC ")
    assert "50 of 100 pairs in the right order is chance" in line.result


def test_sets_and_features_in_words() -> None:
    study = trained().study
    assert whole_set(study, "all") == "clinical, blood, plan"
    assert feature_labels(study)["crp"] == "C-reactive protein"
