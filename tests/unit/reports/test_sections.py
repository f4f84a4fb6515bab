"""The list of sections is what the report has, in its order."""

from __future__ import annotations

import re

from predictor.reports.render import render_model_report
from predictor.reports.sections import SECTIONS, contents, heading, reference
from report_examples import model_report


def test_the_headings_of_the_report_are_the_list_of_sections() -> None:
    html = render_model_report(model_report())
    assert re.findall(r"<h2>([^<]*)</h2>", html) == [heading(key) for key in SECTIONS]


def test_the_contents_name_every_section_with_its_number() -> None:
    assert contents().startswith("1 verdict · 2 attrition · 3 data and outcome")
    assert contents().count("·") == len(SECTIONS) - 1
    assert reference("attrition") == "section 2 (attrition)"
