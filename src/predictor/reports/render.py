"""Lay a report's content out as one HTML file that needs nothing else: no script, network, font or image.

The templates escape every value, undefined variables are errors, and the page carries a content policy that
forbids everything but its own style. The same content gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from predictor.reports.content import InputValue, PredictionReportV1
from predictor.reports.content_checklist import ChecklistV1
from predictor.reports.content_evaluation import EvaluationReportV1
from predictor.reports.content_model import ModelReportV1
from predictor.reports.content_quality import DataQualityV1
from predictor.reports.drawing import Drawing
from predictor.reports.figures import (
    calibration_plot,
    contribution_bars,
    decision_curve,
    gain_plot,
    group_bars,
    icon_array,
    importance_plot,
    instability_plot,
    roc_plot,
)
from predictor.reports.patient_others import OTHERS_THAT_FIT
from predictor.reports.patient_text import (
    difference_text,
    estimate_texts,
    group_texts,
    other_texts,
    plan_text,
)
from predictor.reports.quality_figures import range_bars, visit_timeline
from predictor.reports.sections import contents, heading
from predictor.reports.taken import Taken
from predictor.reports.view import View
from predictor.reports.wording import (
    DASH,
    count_text,
    date_text,
    hash_text,
    legible,
    number_text,
    points_text,
    range_text,
    say,
    shortened,
    time_text,
)

__all__ = [
    "Paper",
    "drawing_style",
    "render_checklist",
    "render_data_quality",
    "render_evaluation",
    "render_model_report",
    "render_patient_report",
]

Paper = Literal["A4", "letter"]

ROWS_THAT_FIT = {"A4": 18, "letter": 14}
"""Inputs that fit the second page; more go to an annex."""

LINES_THAT_FIT = {"A4": 27, "letter": 22}
"""Printed lines for inputs, other plans beyond three rows, limits and safety items on the second page."""

CHARACTERS = {"label": 30, "value_text": 10, "unit_text": 13, "source": 13, "note": 20}
"""Characters that fit one printed line of each column of the inputs table."""

FLAGGED_ROWS = 10
"""Marked inputs listed on the second page when there is an annex."""


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=legible,
        loader=PackageLoader("predictor.reports", "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.globals.update(say=say, range_text=range_text, dash=DASH, heading=heading, contents=contents)
    environment.filters.update(
        check_mark={"ok": "✓", "check": "!", "fail": "✗"}.__getitem__,
        count=count_text,
        css_text=_css_text,
        date=date_text,
        difference=difference_text,
        hash=hash_text,
        number=number_text,
        points=points_text,
        say=say,  # a fixed key is filled in when the template is compiled
        shortened=shortened,
        small=_small,
        time=time_text,
    )
    return environment


def _small(count: int | None) -> str:
    return say("small_count") if count is None else str(count)


def _css_text(text: str) -> str:
    """Write text for a CSS string: whatever is not an ASCII letter or digit becomes a six-digit escape.

    No quote, backslash, angle bracket or line end of a value reaches the style sheet, so it cannot end the
    string or the element.
    """
    return "".join(
        char if char.isascii() and char.isalnum() else f"\\{ord(char):06x}" for char in legible(text)
    )


def drawing_style() -> str:
    """Give the part of the style sheet that colours drawings."""
    return _environment().get_template("drawing.css.j2").render()


def render_patient_report(
    view: PredictionReportV1,
    *,
    paper: Paper = "A4",
    links: Sequence[tuple[str, str]] = (),
    banner: str = "",
    taken: Taken | None = None,
) -> str:
    """Write one patient's report: an estimate on two pages, or the group page, or a refusal.

    Parameters
    ----------
    view : PredictionReportV1
        Everything the page says.
    paper : str
        ``A4`` or ``letter``.
    links : sequence of (str, str)
        Words and addresses of the ways on, above the page and not printed.
    banner : str
        What has to stand at the head of every sheet besides what the content itself asks for.
    taken : Taken or None
        Who has taken it into the record: named above the page, and in the place of a signature.

    Returns
    -------
    str
        A complete HTML document.
    """
    annex = _needs_annex(view, paper)
    flagged = [one for one in view.inputs if one.flagged]
    context: dict[str, Any] = {
        "links": links,
        "taken": taken,
        "banners": _patient_banners(view, banner),
        "page_mark": say("page_mark", pseudonym=view.patient.pseudonym, id=shortened(view.report.id, 30)),
        "title": say(f"title_{view.report.kind}"),
        "plan": plan_text(view.plan),
        "not_covered": say("not_covered_named", items=view.not_covered)
        if view.not_covered
        else say("not_covered"),
        "annex": annex,
        "filled": say("filled_in" if view.estimate else "not_recorded"),
        "annex_text": _annex_text(view, flagged),
        "annex_more": say("flagged_more", n=len(flagged) - FLAGGED_ROWS)
        if annex and len(flagged) > FLAGGED_ROWS
        else "",
        "listed": flagged[:FLAGGED_ROWS] if annex else view.inputs,
        "applicability": _applicability_line(view),
        "beside": other_texts(view.others),
        "beside_apart": len(view.others) > OTHERS_THAT_FIT,
    }
    if view.estimate and view.contributions:
        context |= estimate_texts(view)
        context |= {"icons": icon_array(view.estimate), "bars": contribution_bars(view.contributions)}
    if view.group:
        context |= group_texts(view.group)
        rates = view.group.arms or (view.group.rate,)
        context |= {"rates": rates, "bars": group_bars(rates)}
    return _page("patient", view, paper, **context)


def render_model_report(view: ModelReportV1, *, paper: Paper = "A4") -> str:
    """Write the report on one training run for a data scientist or a review board.

    Parameters
    ----------
    view : ModelReportV1
        Everything the report says.
    paper : str
        ``A4`` or ``letter``.

    Returns
    -------
    str
        A complete HTML document.
    """
    statements = [
        (name.replace("_", " ").capitalize(), text) for name, text in view.statements.model_dump().items()
    ]
    missing = [name.lower() for name, text in statements if text is None]
    missing += [name for annex in view.annexes for name in annex.missing]
    figures = {
        "gains": gain_plot(view.verdict) if view.verdict.comparisons else None,
        "calibration": calibration_plot(view.calibration) if view.calibration else None,
        "roc": roc_plot(view.roc) if view.roc else None,
        "decision": decision_curve(view.decision) if view.decision else None,
        "importance": importance_plot(view.importance) if view.importance else None,
        "decision_treated": _treated_curve(view),
        "instability": _instability(view),
    }
    return _page(
        "model",
        view,
        paper,
        banners=_banners(simulated=view.simulated, research_only=view.research_only, draft=bool(missing)),
        page_mark=shortened(view.run.run_id, 60),
        level=f"{100 * view.verdict.level:g}",
        statements=statements,
        missing_statements=", ".join(missing),
        provenance=_provenance(view),
        **figures,
    )


def render_checklist(view: ChecklistV1, *, paper: Paper = "A4") -> str:
    """Write a checklist that is an annex of the model report.

    Parameters
    ----------
    view : ChecklistV1
    paper : str
        ``A4`` or ``letter``.

    Returns
    -------
    str
        A complete HTML document.
    """
    banners = _banners(simulated=view.simulated, draft=view.draft)
    mark = shortened(f"{view.title}, {view.run_id}", 80)
    return _page("checklist", view, paper, banners=banners, page_mark=mark)


def render_evaluation(view: EvaluationReportV1, *, paper: Paper = "A4") -> str:
    """Write the page on a model's evaluation on other patients.

    Parameters
    ----------
    view : EvaluationReportV1
    paper : str
        ``A4`` or ``letter``.

    Returns
    -------
    str
        A complete HTML document.
    """
    return _page(
        "evaluation",
        view,
        paper,
        banners=_banners(simulated=view.simulated),
        page_mark=shortened(view.model_name, 60),
        level=f"{100 * view.level:g}",
    )


def render_data_quality(view: DataQualityV1, *, paper: Paper = "A4") -> str:
    """Write the data-quality report.

    Parameters
    ----------
    view : DataQualityV1
    paper : str
        ``A4`` or ``letter``.

    Returns
    -------
    str
        A complete HTML document.
    """
    bars = {
        f"{row.table}.{row.column}": range_bars(row.bars, name=f"bars{i}")
        for i, row in enumerate(view.columns)
    }
    return _page(
        "quality",
        view,
        paper,
        banners=_banners(simulated=view.simulated),
        page_mark=shortened(view.experiment, 60),
        bars=bars,
        timeline=visit_timeline(view),
    )


def _page(template: str, view: View, paper: Paper, **content: Any) -> str:
    return _environment().get_template(f"{template}.html.j2").render(view=view, paper=paper, **content)


def _treated_curve(view: ModelReportV1) -> Drawing | None:
    curve = view.treated_decision
    title = "Decision curve among the treated"
    return decision_curve(curve, name="decision_treated", title=title) if curve else None


def _instability(view: ModelReportV1) -> Drawing | None:
    """Draw the refits' curves where there are at least two points of them."""
    stability = view.evidence.stability
    return instability_plot(stability.curve) if stability and len(stability.curve) > 1 else None


def _annex_text(view: PredictionReportV1, flagged: Sequence[InputValue]) -> str:
    """Say which inputs stand on the page; nobody can say that an input without a date is not old."""
    undated = sum(one.date is None for one in view.inputs)
    kind = "flagged" if flagged else "flagged_undated" if undated else "flagged_none"
    return say(kind, n=len(view.inputs), undated=undated)


def _patient_banners(view: PredictionReportV1, banner: str) -> Sequence[str]:
    """Name each mark once, whether the content or whoever prints the page asks for it."""
    demonstration = say("demonstration") if view.model.demonstration else ""
    own = _banners(simulated=view.simulated, research_only=view.research_only)
    return list(dict.fromkeys(filter(None, [banner, demonstration, *own])))


def _banners(*, simulated: bool, research_only: bool = False, draft: bool = False) -> Sequence[str]:
    """Name what every page has to carry: fixed texts only, for they also stand in the page margins."""
    marks = (("simulated", simulated), ("research_only", research_only), ("draft", draft))
    return [say(name) for name, applies in marks if applies]


def _needs_annex(view: PredictionReportV1, paper: Paper) -> bool:
    """Tell whether the inputs, with all that stands beside them, are more than the second page holds."""
    lines = sum(_lines(one) for one in view.inputs) + len(view.limits) + len(view.safety)
    if view.whatif:
        lines += 2 * max(0, len(view.whatif.rows) - 3)
    return len(view.inputs) > ROWS_THAT_FIT[paper] or lines > LINES_THAT_FIT[paper]


def _lines(one: InputValue) -> int:
    """Estimate how many printed lines an input takes in the table."""
    texts = {name: getattr(one, name) or " " for name in CHARACTERS}
    texts["note"] += one.effect
    return max(math.ceil(len(text) / CHARACTERS[name]) for name, text in texts.items())


def _applicability_line(view: PredictionReportV1) -> str:
    """Count the points to check, in words."""
    if view.applicability is None:
        return ""
    points = sum(check.status != "ok" for check in view.applicability.checks)
    said = ("usable", "caution_1", "caution") if view.estimate else ("like", "like_caution_1", "like_caution")
    return say(said[min(points, 2)], k=points)


def _provenance(view: ModelReportV1) -> Sequence[tuple[str, str]]:
    """List what is needed to make the run again; what is unknown is left out."""
    run = view.run
    seconds = None if run.cpu_seconds is None else f"{run.cpu_seconds:.0f} s"
    rows = (
        ("Command", run.command),
        ("Git commit", run.git_commit),
        ("Configuration sha256", run.config_sha256),
        ("Data sha256", run.data_sha256),
        ("Prediction model sha256", run.bundle_sha256),
        ("CPU time", seconds),
    )
    return [(name, text) for name, text in rows if text]
