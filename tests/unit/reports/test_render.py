"""The pages as text: one file, no script, no address, everything escaped, no number where none is given."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from hostile import with_texts
from predictor.config.schema import HumanStatements
from predictor.reports import render
from predictor.reports.content import InputValue, PredictionReportV1
from predictor.reports.content_evidence import EvidenceView
from predictor.reports.content_model import ModelReportV1
from predictor.reports.render import render_model_report, render_patient_report
from predictor.reports.wording import forbidden_words
from report_examples import (
    ASSESSED,
    INPUTS,
    arms_report,
    estimate_report,
    group_report,
    inputs,
    model_report,
    refusal_report,
)

HOSTILE = (
    "<script>document.title='pwned'</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}",
    "{% raw %}",
    "</style><script>alert(1)</script>",
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
    "<!-- ",
    "&lt;b&gt;",
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
TAGS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "header",
        "section",
        "footer",
        "div",
        "span",
        "p",
        "b",
        "br",
    ),
    *(
        "h1",
        "h2",
        "h3",
        "ul",
        "li",
        "table",
        "caption",
        "colgroup",
        "col",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "figure",
    ),
    "a",
    *("svg", "desc", "defs", "pattern", "rect", "circle", "line", "polyline", "polygon", "text"),
}
PATIENT_REPORTS = [estimate_report, group_report, arms_report, refusal_report]


class Page(HTMLParser):
    """Elements, attributes and visible text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str] = []
        self.text = ""
        self.style = ""
        self._in_style = False
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.extend(attrs)
        self.ids.extend(value for name, value in attrs if name == "id" and value)
        self._in_style = tag == "style"
        self.text += " " if tag == "br" else ""

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False
        self.text += (
            " " if tag in {"td", "th", "p", "li", "h1", "h2", "h3", "title", "desc", "caption"} else ""
        )

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.style += data
        else:
            self.text += data


def rendered(report: Any) -> str:
    view = report()
    return render_model_report(view) if isinstance(view, ModelReportV1) else render_patient_report(view)


def hostile(content: Any) -> Any:
    """Put hostile texts into every field of a report that takes any text."""
    return with_texts(content, itertools.cycle(HOSTILE))


@pytest.mark.parametrize("report", [*PATIENT_REPORTS, model_report])
def test_r7_one_file_without_script_address_or_handler(report: Any) -> None:
    html = rendered(report)
    page = Page(html)
    assert page.tags <= TAGS
    assert ("content", POLICY) in page.attributes
    assert "http" not in html.replace("http-equiv", "")
    assert "//" not in html
    assert "<script" not in html
    names = {name for name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on")} | (names & {"src", "srcset", "action"})
    links = {value for name, value in page.attributes if name == "href"}
    assert links <= {"tripod_ai.html", "probast_ai.html", "model_card.json", "methods.txt"}
    assert not links or report is model_report
    assert re.findall(r"url\(([^)]*)\)|@import", html) == ["#hatch"]
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("report", [*PATIENT_REPORTS, model_report])
def test_r9_the_same_content_gives_the_same_bytes(report: Any) -> None:
    assert rendered(report) == rendered(report)


@pytest.mark.parametrize("report", PATIENT_REPORTS)
def test_r8_hostile_texts_are_shown_and_do_nothing(report: Any) -> None:
    view = report()
    content = hostile(view.model_dump(mode="python"))
    content["patient"]["pseudonym"] = "</style><script>"
    page = Page(render_patient_report(PredictionReportV1(**content)))
    assert page.tags <= TAGS
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in {"src", "href"}]
    shown = [text for text in HOSTILE if text in page.text]
    assert len(shown) >= 5
    assert "49" not in page.text.replace("{{7*7}}", "")
    assert "<" not in page.style


def test_hostile_texts_in_the_model_report() -> None:
    page = Page(render_model_report(ModelReportV1(**hostile(model_report().model_dump(mode="python")))))
    assert page.tags <= TAGS
    assert all(text in page.text for text in HOSTILE[:3])


@pytest.mark.parametrize("text", HOSTILE)
def test_rpt_01_each_hostile_label_and_value_is_literal(text: str) -> None:
    one = InputValue(field="x", label=text, value_text=text, note=text)
    page = Page(render_patient_report(refusal_report(inputs=(one,))))
    assert page.text.count(text) == 3
    assert page.tags <= TAGS


def test_text_in_the_style_sheet_cannot_end_its_string() -> None:
    assert render._css_text('a1";}</style>') == r"a1\000022\00003b\00007d\00003c\00002fstyle\00003e"


def test_the_estimate_answers_in_its_first_lines() -> None:
    text = Page(rendered(estimate_report)).text
    for sentence in (
        "The model estimates that about 54 of 100 people with these recorded values, given this treatment, "
        "would respond.",
        "Plausible range: 41 to 66 of 100 (2.5–97.5 percentile over 200 refits)",
        "Response means the MADRS total fell by at least half, measured 24 hours after the sixth infusion.",
        "placebo response, natural recovery and regression to the mean are included.",
        "48 of 100 development patients with the same plan responded (212 patients). This patient's "
        "estimate is close to that average: the range includes it.",
        "Use with caution: 2 points to check.",
        "Starting from 48, the model's average for this plan (the group's observed rate was 48)",
        "These are associations in past data, not causes;",
        "Total 48 + 6 − 5 + 4 − 3 + 2 + 1 + 1 54",
        "54 (41 to 66) planned",
        "not shown: fewer than 10 patients",
        "— Missing",
        "Of 100 test patients given an estimate of 50 or more, 62 responded and 38 did not.",
        "So a low estimate is not a reason by itself to withhold treatment",
        "MADRS item 10: Suicidality not assessed",
        "Research use; not a cleared medical device.",
    ):
        assert sentence in text, sentence
    assert text.index("2. Does the model apply") < text.index("3. What the estimate rests on")
    assert "of 100 people like" not in text


def test_without_external_test_that_is_said_first() -> None:
    whole = estimate_report()
    assert whole.performance
    text = Page(
        render_patient_report(
            estimate_report(performance=whole.performance.model_copy(update={"tested_on": None}))
        )
    ).text
    assert "Never tested outside the clinics it was built in. Developed on" in text
    assert "Each development patient was estimated by models that had not seen that patient." in text


@pytest.mark.parametrize(
    ("probability", "words"), [(0.004, "fewer than 1 of 100"), (0.997, "more than 99 of 100")]
)
def test_extreme_estimates_in_words(probability: float, words: str) -> None:
    text = Page(render_patient_report(estimate_report(probability=probability, lo=0.0, hi=1.0))).text
    assert f"about {words} people" in text


def test_the_group_page_gives_the_rate_and_the_reason() -> None:
    html = rendered(group_report)
    text = Page(html).text
    assert "6 of 29 patients who started this treatment responded (21 of 100; 10 to 38)." in text
    assert "No personal estimate is given, because with 6 responders and 23 non-responders" in text
    assert "What was tried" in text
    assert "Suicidality not assessed" in text
    assert "Reviewed by:" in text
    assert "The model estimates" not in text
    assert "Icon array" not in text


def test_the_group_page_by_arm_speaks_of_the_planned_arm() -> None:
    text = Page(rendered(arms_report)).text
    assert "310 of 412 patients who started the talking therapy responded (75 of 100; 70 to 80)." in text
    assert "the treatment matters; nothing else recorded here was shown to add to it." in text
    assert "Usual care 195 406 48 42 to 54" in text
    assert "formed by chance, so their rates can be compared" in text


def test_r10_a_refusal_shows_reasons_and_no_number_of_an_estimate() -> None:
    html = rendered(refusal_report)
    page = Page(html)
    assert "No estimate can be given for this patient" in page.text
    assert "The model knows four clinics" in page.text
    assert "Record the MADRS total within 28 days" in page.text
    assert not page.tags & {"svg", "circle", "rect"}
    body = page.text.replace("sha256", "")
    for words in ("of 100", "Plausible range", "raises", "lowers", "average", "%"):
        assert words not in body


@pytest.mark.parametrize("report", PATIENT_REPORTS)
@pytest.mark.parametrize(
    ("flag", "banner"), [("simulated", "SIMULATED DATA"), ("research_only", "RESEARCH ONLY")]
)
def test_banners_stand_on_the_page_and_in_every_page_margin(report: Any, flag: str, banner: str) -> None:
    plain, marked = Page(rendered(report)), Page(render_patient_report(report(**{flag: True})))
    assert banner not in plain.text + plain.style
    assert banner in marked.text
    margin = re.search(r"@top-center \{ content: (.*?);", marked.style)
    assert margin
    assert banner in margin[1]
    assert "&#" not in margin[1]


@pytest.mark.parametrize(("count", "annex"), [(1, False), (14, False), (18, False), (19, True), (40, True)])
def test_more_inputs_than_fit_move_to_an_annex(count: int, annex: bool) -> None:
    text = Page(render_patient_report(estimate_report(inputs=inputs(count)))).text
    assert ("Annex: inputs" in text) == annex
    for one in inputs(count):
        assert one.label in text
        assert (one.value_text or "— Missing") in text
    if annex:
        assert (
            f"Only inputs that are missing, old or converted are listed here; all {count} inputs are in the annex."
            in text
        )


def test_letter_paper_holds_fewer() -> None:
    view = estimate_report(inputs=inputs(15))
    assert "Annex: inputs" not in render_patient_report(view)
    letter = render_patient_report(view, paper="letter")
    assert "Annex: inputs" in letter
    assert "size: letter" in letter


def test_many_marked_inputs_are_counted() -> None:
    many = tuple(one.model_copy(update={"note": "old"}) for one in inputs(25))
    assert (
        "15 more are marked in the annex." in Page(render_patient_report(estimate_report(inputs=many))).text
    )


def test_an_annex_without_marked_inputs_says_so() -> None:
    clean = tuple(one.model_copy(update={"date": ASSESSED}) for one in inputs(40) if not one.flagged)
    text = Page(render_patient_report(estimate_report(inputs=clean))).text
    assert f"No input is missing, old or converted; all {len(clean)} inputs" in text
    # Nobody can say that a value without a date is not old.
    undated = (*clean[1:], clean[0].model_copy(update={"date": None}))
    text = Page(render_patient_report(estimate_report(inputs=undated))).text
    assert f"No input is missing or converted, 1 of {len(clean)} came without a date" in text
    assert "old or converted" not in text


@given(probability=st.floats(0, 1), below=st.floats(0, 1), above=st.floats(0, 1), plan=st.booleans())
@settings(max_examples=100)
def test_no_page_says_what_is_forbidden_and_every_sum_is_right(
    *, probability: float, below: float, above: float, plan: bool
) -> None:
    lo, hi = probability * below, probability + (1 - probability) * above
    view = estimate_report(probability=probability, lo=lo, hi=hi, **({} if plan else {"whatif": None}))
    text = Page(render_patient_report(view)).text
    assert forbidden_words(text) == ()
    total = re.search(r"Total (\d+(?: [+−] \d+)*) (fewer than 1|more than 99|\d+) In words", text)
    assert total
    printed = (
        {"fewer than 1": 0, "more than 99": 100}.get(total[2]) if not total[2].isdigit() else int(total[2])
    )
    assert eval(total[1].replace("−", "-")) == printed


@pytest.mark.parametrize("report", [group_report, arms_report, refusal_report, model_report])
def test_no_other_page_says_what_is_forbidden(report: Any) -> None:
    assert forbidden_words(Page(rendered(report)).text) == ()


def test_an_undefined_variable_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render._environment().from_string("{{ nowhere }}").render()


def test_templates_never_switch_escaping_off() -> None:
    loader = render._environment().loader
    assert loader
    for name in loader.list_templates():
        source = loader.get_source(render._environment(), name)[0]
        assert not re.search(r"\|\s*safe|Markup|autoescape|<script", source), name


def test_the_model_report_says_everything_a_statistician_asks() -> None:
    text = Page(rendered(model_report)).text
    for part in (
        "Better than the references.",
        "659 evaluable patients, 221 responders, 438 non-responders",
        "severity + plan 0.0390 0.0080 to 0.0700 0.0160 0.0141 up to 0.0650",
        "Outcome measured 164 659 visit 5 missing",
        "0.83 0.79 to 0.87",
        "elastic net clinical 62 (48 to 71)",
        "0.30 0.180 (0.150 to 0.210)",
        "Bleeding on probing at baseline 9.4 6.6 to 13.2",
        "too few to judge",
        "exclude (declared) 659 221",
        "C-reactive protein serum 38 6 %",
        "Age clinical fewer than 10 —",
        "elastic_net C 0.001 to 10, log 0.05 to 0.4 0.12",
        "scikit-learn 1.9.0",
        "predictor train configs/opt_periodontal.yaml",
        "The clinic carries much of the gain",
        "AUC 0.870 0.050 0.820 (0.002) 0.835 (0.001) 0.831 (0.001) 0.830 (0.790 to 0.870)",
        "0.30 8.4 21",
        "0.50 0.4 few or nearly all",
        "0.40 0.41 0.33 to 0.50",
        "Mean pocket depth 91 (86 to 95)",
        "Bleeding on probing at baseline 1 1 to 2 96",
        "serum clinical log loss 0.0011 (−0.0062 to 0.0084) 0.764",
        "Clinic 98 yes",
        "From the plan alone AUC 0.83, of the plan alone 0.58: about a quarter comes from the treatment.",
        "0.10 treat everybody 100 0.050 (−0.020 to 0.120)",
        "The treated alone: net benefit per patient",
    ):
        assert part in text, part


def test_every_figure_has_words_and_a_table() -> None:
    html = rendered(model_report)
    figures = ("gains", "calibration", "roc", "decision", "decision_treated", "importance", "instability")
    for name in figures:
        section = html[html.index('<svg class="figure" viewBox') :]
        assert f'<title id="{name}-title">' in section
        after = html[html.index(f'id="{name}-desc"') :]
        assert "<table" in after[: after.index("<section>") if "<section>" in after else None]


def test_unfilled_statements_make_a_draft() -> None:
    text = Page(rendered(model_report)).text
    assert "DRAFT" in text
    assert "NOT PROVIDED, so this report is a draft: intended use, intended users" in text
    filled = HumanStatements(**dict.fromkeys(HumanStatements.model_fields, "Written by a person."))
    assert "DRAFT" not in render_model_report(model_report(statements=filled))


def test_an_empty_run_still_has_a_report() -> None:
    bare = model_report(
        models=(),
        weights=(),
        calibration=None,
        roc=None,
        decision=None,
        net_benefit=(),
        importance=None,
        transport=(),
        sensitivity=(),
        missingness=(),
        settings=(),
        search=(),
        versions=(),
        design=(),
        warnings=(),
        evidence=EvidenceView(),
        treated_decision=None,
        treated_net_benefit=(),
        methods=(),
        annexes=(),
        verdict=model_report().verdict.model_copy(update={"verdict": "too_little", "comparisons": ()}),
    )
    page = Page(render_model_report(bare))
    assert "No model was fitted." in page.text
    assert "svg" not in page.tags
    assert page.text.count("Not available: nothing was validated") == 4


def test_inputs_of_the_example_are_all_different() -> None:
    assert len({one.field for one in INPUTS}) == len(INPUTS)
