from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import pytest

from predictor.adequacy import assess_adequacy
from predictor.checks.finding import Finding
from predictor.reports.probast import DOMAINS, QUESTIONS, combine, judge, probast_frame
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
    assert list(marked) == ["D1.1", "D1.3", "D3.3", "E1.1", "E1.3", "E3.3"]
    assert set(found.loc[marked, "answer"]) == {"no information"}
    assert found.loc["D1.1", "evidence"].endswith("going by report.statements.data_sources: NOT PROVIDED.")


def test_a_suspected_leak_changes_the_answers_it_bears_on() -> None:
    found = table(
        Finding("P002", "warning", "a.b", "its name sounds late"), Finding("P003", "error", "c.d", "x")
    )
    assert found.loc["D2.4", "answer"] == found.loc["E4.5", "answer"] == "probably no"
    assert "P002 and P003" in found.loc["E4.5", "evidence"]
    assert found.loc["D3.3", "answer"] == "no"
    notice = table(Finding("P015", "notice", "a.b", "may be late"))
    assert notice.loc["D2.4", "answer"] == "yes"
