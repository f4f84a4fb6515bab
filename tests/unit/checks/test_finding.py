"""Catalogue, page, tests and findings speak of the same codes; an acknowledged error goes on with its reason."""

from __future__ import annotations

import re
from pathlib import Path

import predictor.checks
from predictor.checks.collecting import BEFORE
from predictor.checks.finding import CHECKS, Finding, acknowledge, findings_frame, forbidding

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "reference" / "checks.md"
CODES = [f"P{i:03d}" for i in range(1, len(CHECKS) + 1)]

LEAK = Finding("P001", "error", "patients.crp", "the value of patients.crp alone has an AUC of 0.990")
NAME = Finding("P002", "warning", "patients.crp_post", "it sounds later")


def test_catalogue_code_page_and_tests_name_the_same_codes() -> None:
    assert list(CHECKS) == CODES
    sources = [
        path for path in Path(predictor.checks.__file__).parent.glob("*.py") if path.name != "finding.py"
    ]
    raised = {
        code for path in sources for code in re.findall(r'"(P\d{3})"', path.read_text(encoding="utf-8"))
    }
    assert raised == set(CODES)
    assert re.findall(r"^## (P\d{3})$", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == CODES
    tests = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    assert {code.upper() for code in re.findall(r"def test_(p\d{3})_", tests)} == set(CODES)


def test_every_check_before_the_fit_stands_in_the_list_once() -> None:
    before = [code for code, check in CHECKS.items() if check.when == "before"]
    assert len(BEFORE) == len(set(BEFORE)) == len(before)


def test_severities_are_those_of_the_catalogue() -> None:
    assert [code for code, check in CHECKS.items() if "error" in check.severities] == ["P001", "P003", "P006"]
    assert all(check.severities and check.when in {"before", "after"} for check in CHECKS.values())


def test_a_finding_prints_what_to_do_and_its_page() -> None:
    assert str(NAME).startswith("P002 warning: it sounds later. Find out when it was recorded")
    assert str(NAME).endswith("(predictor explain P002).")


def test_only_errors_forbid_and_a_reason_lifts_them() -> None:
    findings = acknowledge([NAME, LEAK], {})
    assert [one.code for one in findings] == ["P001", "P002"]  # the gravest first
    (forbidden,) = forbidding(findings)
    assert (forbidden.problem.code, forbidden.problem.path) == ("P001", "patients.crp")
    assert "write the reason to validation.acknowledged under 'P001 patients.crp'" in str(forbidden.problem)

    lifted = acknowledge([NAME, LEAK], {"P001 patients.crp": "measured before the infusion"})
    assert forbidding(lifted) == ()
    assert "Acknowledged: measured before the infusion." in str(lifted[0])
    assert findings_frame(lifted)["acknowledged"].tolist() == ["measured before the infusion", ""]
    assert forbidding(acknowledge([LEAK], {"P001 patients.age": "another"})) == (LEAK,)


def test_an_empty_table_keeps_its_columns() -> None:
    columns = list(findings_frame([]))
    assert columns == ["code", "severity", "subject", "finding", "remedy", "page", "acknowledged"]
