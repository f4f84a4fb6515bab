from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import pytest

from predictor.adequacy import assess_adequacy
from predictor.checks.finding import Finding
from predictor.config.schema import Applicability, Assessed, Assessment
from predictor.reports.checklists import probast_view
from predictor.reports.probast import DOMAINS, QUESTIONS, combine, judge, probast_frame, unanswered
from predictor.reports.probast_answers import Reply
from trained_clinics import trained


def table(*findings: Finding) -> pd.DataFrame:
    training = trained()
    adequacy = assess_adequacy(training.study)
    return probast_frame(training.study, training.evaluation, findings, adequacy, resamples=4).set_index("id")


def test_the_parts_have_16_and_18_questions_in_four_domains() -> None:
    assert Counter(one.part for one in QUESTIONS) == {"development": 16, "evaluation": 18}
    per_domain = Counter((one.part, one.domain) for one in QUESTIONS)
    assert [per_domain["development", name] for name in DOMAINS] == [3, 4, 4, 5]
    assert [per_domain["evaluation", name] for name in DOMAINS] == [3, 4, 4, 7]
    assert len({one.id for one in QUESTIONS}) == 34


@pytest.mark.parametrize(
    ("replies", "judgement"),
    [
        (["yes", "probably yes", "not applicable"], "low"),
        (["yes", "no information"], "unclear"),
        (["no information", "probably no"], "high"),
        (["no", "yes"], "high"),
    ],
)
def test_one_no_makes_a_domain_high(replies: Sequence[Reply], judgement: str) -> None:
    assert judge(replies) == judgement


def test_one_high_domain_makes_the_whole_high() -> None:
    assert combine(["low", "high", "unclear"]) == "high"
    assert combine(["low", "unclear", "low"]) == "unclear"
    assert combine(["low", "low"]) == "low"


def test_the_answers_are_those_of_this_run() -> None:
    """The clinic: 200 patients, two arms dealt by chance, 98 events, 7 parameters of which 1 is affordable."""
    found = table()
    assert found.loc["D1.2", "answer"] == "yes"
    assert "7 parameters, 98 of the rarer outcome (14.0 per parameter)" in found.loc["D4.1", "evidence"]
    assert found.loc["D4.1", "answer"] in {"no", "probably no"}
    assert found.loc["D4.4", "answer"] == "not applicable"
    assert found.loc["E4.2", "answer"] == "no"  # 98 events, and 100 are asked for
    assert found.loc["E4.5", "answer"] == "yes"
    assert found.loc["D4", "answer"] == found.loc["D", "answer"] == "high"
    assert found.loc["D2", "answer"] == "low"


def test_what_only_a_person_can_say_is_marked_so() -> None:
    found = table()
    marked = found.index[found["person"] != ""]
    assert list(marked) == ["D1.1", "D1.3", "D3.3", "E1.1", "E1.3", "E3.3", "A1", "A2", "A3"]
    assert set(found.loc[marked, "answer"]) == {"no information"}
    assert found.loc["D1.1", "evidence"].endswith("going by report.statements.data_sources: NOT PROVIDED.")


ASSESSED = Assessment(
    sources=Assessed(answer="yes", because="A register that was kept for this question."),
    representative=Assessed(answer="probably yes"),
    outcome_blind=Assessed(answer="probably no", because="Raters knew the arm"),
    applicability_participants=Applicability(concern="low", because="Our own clinic."),
    applicability_predictors=Applicability(concern="unclear", because="CRP by another laboratory"),
    applicability_outcome=Applicability(concern="low", because="MADRS at four weeks"),
)


def assessed(assessment: Assessment, **said: str) -> pd.DataFrame:
    study = trained().study
    config = study.loaded.config
    statements = config.report.statements.model_copy(update=said)
    report = config.report.model_copy(update={"assessment": assessment, "statements": statements})
    loaded = replace(study.loaded, config=config.model_copy(update={"report": report}))
    return probast_frame(
        replace(study, loaded=loaded), trained().evaluation, (), assess_adequacy(study), resamples=4
    )


def test_a_persons_answers_make_the_self_assessment_complete() -> None:
    found = assessed(ASSESSED, data_sources="A register of two clinics.")
    assert unanswered(found) == ()
    rows = found.set_index("id")
    assert "no information" not in set(found["answer"])
    assert rows.loc[["D1.1", "E1.1", "D1.3", "D3.3"], "answer"].tolist() == [
        "yes",
        "yes",
        "probably yes",
        "probably no",
    ]
    assert (
        "“A register of two clinics”. A register that was kept for this question."
        in rows.loc["D1.1", "evidence"]
    )
    assert rows.loc["D1", "answer"] == "low"
    assert rows.loc["D3", "answer"] == "high"  # one "no" is enough
    assert rows.loc[["A1", "A2", "A3", "A"], "answer"].tolist() == ["low", "unclear", "low", "unclear"]
    assert rows.loc["A2", "evidence"] == "Judged by a person: CRP by another laboratory."


def test_what_is_not_answered_is_named_and_makes_a_draft() -> None:
    part = assessed(ASSESSED.model_copy(update={"outcome_blind": None, "applicability_outcome": None}))
    assert unanswered(part) == ("outcome_blind", "applicability_outcome")
    assert part.set_index("id").loc["A", "answer"] == "no information"
    page = probast_view(part, run_id="r", simulated=False, draft=False)
    assert page.draft
    assert "NOT PROVIDED in report.assessment: outcome_blind, applicability_outcome." in page.summary
    complete = probast_view(assessed(ASSESSED), run_id="r", simulated=False, draft=False)
    assert not complete.draft
    assert "NOT PROVIDED" not in complete.summary


def test_a_suspected_leak_changes_the_answers_it_bears_on() -> None:
    found = table(
        Finding("P002", "warning", "a.b", "its name sounds late"), Finding("P003", "error", "c.d", "x")
    )
    assert found.loc["D2.4", "answer"] == found.loc["E4.5", "answer"] == "probably no"
    assert "P002 and P003" in found.loc["E4.5", "evidence"]
    assert found.loc["D3.3", "answer"] == "no"
    notice = table(Finding("P015", "notice", "a.b", "may be late"))
    assert notice.loc["D2.4", "answer"] == "yes"
