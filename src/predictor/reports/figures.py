"""The figures of both reports, as drawings made from the view models.

No figure carries what its table does not: shapes, dashes and words tell the series apart, so that greyscale
and forced colours lose nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

from predictor.reports.content import Contributions, Estimate, ObservedRate
from predictor.reports.content_evidence import InstabilityPoint
from predictor.reports.content_model import (
    CalibrationPlot,
    DecisionCurve,
    ImportanceTable,
    RocCurve,
    VerdictSummary,
)
from predictor.reports.drawing import (
    Drawing,
    Frame,
    Mark,
    Tick,
    axes,
    circle,
    line,
    polygon,
    polyline,
    rect,
    text,
)
from predictor.reports.wording import count_text, number_text, range_text, say, shortened

__all__ = [
    "calibration_plot",
    "contribution_bars",
    "decision_curve",
    "gain_plot",
    "group_bars",
    "icon_array",
    "importance_plot",
    "instability_plot",
    "roc_plot",
]

UNIT_TICKS = tuple(Tick(value / 10, f"{value / 10:g}") for value in range(0, 11, 2))


def icon_array(estimate: Estimate) -> Drawing:
    """Draw 10 x 10 circles, filled up to the estimate; those inside the range have a thick outline.

    Filled ones among them are hatched, empty ones grey.



    Parameters
    ----------
    estimate : Estimate
        Whole counts of 100.

    Returns
    -------
    Drawing
    """
    marks = [
        _icon(number, number <= estimate.per100, estimate.lo < number <= estimate.hi)
        for number in range(1, 101)
    ]
    exact = estimate.lo == estimate.hi
    description = say(
        "icon_description_exact" if exact else "icon_description",
        filled=count_text(estimate.per100),
        first=estimate.lo + 1,
        hi=estimate.hi,
    )
    title = say("icon_title", count=count_text(estimate.per100))
    return Drawing(
        "icons", 210, 209, title, f"{description} {range_text(estimate.lo, estimate.hi)}.", tuple(marks)
    )


@cache
def _icon(number: int, filled: bool, ranged: bool) -> Mark:
    """Draw one of the hundred; there are four looks of each."""
    row, column = divmod(number - 1, 10)
    looks = ("icon-grey", "icon-hatched") if ranged else ("icon-empty", "icon-full")
    return circle(10 + 21 * column, 10 + 21 * row, 7.4 if ranged else 8, looks[filled])


def contribution_bars(contributions: Contributions) -> tuple[Drawing, ...]:
    """Draw one bar for each row of the table (the others last), to one scale, right of zero when it raises.

    Parameters
    ----------
    contributions : Contributions
        Whole points of 100.

    Returns
    -------
    tuple of Drawing
        Decoration: the table carries the numbers and the words, so the drawings have no title.
    """
    points = [row.points for row in contributions.rows]
    if contributions.other:
        points.append(contributions.other.points)
    scale = 86 / max([abs(value) for value in points] + [6])
    return tuple(_bar(value * scale) for value in points)


def _bar(length: float) -> Drawing:
    css = "bar-raises" if length > 0 else "bar-lowers"
    marks = (line(90, 0, 90, 14, "axis"), rect(90 + min(length, 0), 3, abs(length), 8, css))
    return Drawing("", 180, 14, "", "", marks)


def group_bars(rates: Sequence[ObservedRate]) -> tuple[Drawing, ...]:
    """Draw each group's observed rate as a mark with its interval on a scale from 0 to 100.

    Parameters
    ----------
    rates : sequence of ObservedRate
        Rows of the table.

    Returns
    -------
    tuple of Drawing
        Decoration: the table carries the numbers, so the drawings have no title.
    """
    frame = Frame(4, 0, 172, 14, 0, 100)
    ticks = [line(frame.x(at), 1, frame.x(at), 13, "grid") for at in (0, 50, 100)]
    drawings = []
    for rate in rates:
        span = line(frame.x(rate.lo), 7, frame.x(rate.hi), 7, "whisker")
        dot = rect(frame.x(rate.per100) - 1.8, 2, 3.6, 10, "dot")
        drawings.append(Drawing("", 180, 14, "", "", (*ticks, span, dot)))
    return tuple(drawings)


def gain_plot(verdict: VerdictSummary) -> Drawing:
    """Draw the gain over each reference with its limits, against zero and the margin.

    Parameters
    ----------
    verdict : VerdictSummary
        With at least one comparison.

    Returns
    -------
    Drawing
    """
    values = [x for one in verdict.comparisons for x in (one.lo, one.hi)] + [0.0, verdict.margin]
    low, high, ticks = _nice(min(values), max(values))
    rows = len(verdict.comparisons)
    frame = Frame(190, 26, 390, 26 * rows, low, high, 0, rows)
    marks = axes(frame, x_ticks=ticks, y_ticks=(), x_label="gain in log loss, nats per patient", y_label="")
    for value, name, css in ((0.0, "no gain", "reference"), (verdict.margin, "margin", "margin")):
        marks.append(line(frame.x(value), frame.top, frame.x(value), frame.top + frame.height, css))
        anchor_end = value == 0.0
        marks.append(text(frame.x(value), frame.top - 6, name, "tick", "end" if anchor_end else "start"))
    for index, one in enumerate(verdict.comparisons):
        y = frame.top + 26 * index + 13
        marks.append(text(182, y + 4, shortened(one.reference, 28), "tick", "end"))
        marks.append(line(frame.x(one.lo), y, frame.x(one.hi), y, "whisker"))
        marks.append(circle(frame.x(one.gain), y, 4, "dot"))
    return Drawing(
        "gains",
        600,
        frame.top + frame.height + 34,
        "Gain of the procedure over each reference",
        say("gains_description"),
        tuple(marks),
    )


def calibration_plot(plot: CalibrationPlot) -> Drawing:
    """Draw observed against predicted: smooth curve with band, grouped patients, distribution below.

    Parameters
    ----------
    plot : CalibrationPlot
        Out-of-fold curve, groups and histogram.

    Returns
    -------
    Drawing
    """
    frame = Frame(44, 26, 340, 300)
    band = [
        (point.predicted, point.lo, point.hi)
        for point in plot.curve
        if point.lo is not None and point.hi is not None
    ]
    curve = [(point.predicted, point.observed) for point in plot.curve]
    marks = _against_the_ideal(frame, "predicted probability", band, curve)
    for group in plot.bins:
        x = frame.x(group.predicted)
        marks.append(line(x, frame.y(group.lo), x, frame.y(group.hi), "whisker thin"))
        marks.append(circle(x, frame.y(group.observed), 3.5, "dot"))
    marks.extend(_histogram(plot, Frame(44, 376, 340, 44)))
    return Drawing(
        "calibration",
        400,
        430,
        f"Calibration of {plot.model}",
        say("calibration_description"),
        tuple(marks),
    )


def instability_plot(curve: Sequence[InstabilityPoint]) -> Drawing:
    """Draw the band and the median of the refits' calibration curves.

    Parameters
    ----------
    curve : sequence of InstabilityPoint
        At least two.

    Returns
    -------
    Drawing
    """
    frame = Frame(44, 26, 300, 300)
    band = [(point.predicted, point.lo, point.hi) for point in curve]
    medians = [(point.predicted, point.median) for point in curve]
    marks = _against_the_ideal(frame, "probability predicted by a refit", band, medians)
    return Drawing(
        "instability",
        360,
        372,
        "Calibration of the refits",
        say("instability_description"),
        tuple(marks),
    )


def _against_the_ideal(
    frame: Frame,
    x_label: str,
    band: Sequence[tuple[float, float, float]],
    curve: Sequence[tuple[float, float]],
) -> list[Mark]:
    """Draw a curve of observed over predicted with its band, and the diagonal that it should follow."""
    marks = axes(frame, x_ticks=UNIT_TICKS, y_ticks=UNIT_TICKS, x_label=x_label, y_label="observed share")
    if len(band) > 1:
        upper = [(frame.x(predicted), frame.y(hi)) for predicted, _, hi in band]
        lower = [(frame.x(predicted), frame.y(lo)) for predicted, lo, _ in band]
        marks.append(polygon([*upper, *reversed(lower)], "band"))
    marks.append(line(frame.x(0), frame.y(0), frame.x(1), frame.y(1), "reference"))
    marks.append(text(frame.x(0.94), frame.y(0.99), "ideal", "tick", "end"))
    marks.append(polyline([(frame.x(predicted), frame.y(value)) for predicted, value in curve], "curve"))
    return marks


def _histogram(plot: CalibrationPlot, frame: Frame) -> list[Mark]:
    """Draw how many patients were given each probability, under the calibration curve and on its scale."""
    if not plot.histogram:
        return []
    tallest = max(max(bar.n for bar in plot.histogram), 1)
    marks = [text(frame.left, frame.top - 2, f"patients (tallest bar: {tallest})")]
    for bar in plot.histogram:
        height = (frame.height - 10) * bar.n / tallest
        left, right = frame.x(bar.left), frame.x(bar.right)
        marks.append(
            rect(left + 0.5, frame.top + frame.height - height, max(right - left - 1, 0.5), height, "count")
        )
    marks.append(
        line(frame.left, frame.top + frame.height, frame.left + frame.width, frame.top + frame.height, "axis")
    )
    return marks


def roc_plot(roc: RocCurve) -> Drawing:
    """Draw the receiver operating characteristic with the chance line.

    Parameters
    ----------
    roc : RocCurve
        Corners from (0, 0) to (1, 1).

    Returns
    -------
    Drawing
    """
    frame = Frame(44, 26, 300, 300)
    marks = axes(
        frame,
        x_ticks=UNIT_TICKS,
        y_ticks=UNIT_TICKS,
        x_label="share of non-responders above the threshold",
        y_label="share of responders above the threshold",
    )
    marks.append(line(frame.x(0), frame.y(0), frame.x(1), frame.y(1), "reference"))
    marks.append(text(frame.x(0.62), frame.y(0.55), "chance", "tick"))
    marks.append(polyline([(frame.x(point.fpr), frame.y(point.tpr)) for point in roc.points], "curve"))
    marks.append(
        text(frame.x(0.97), frame.y(0.05), f"AUC {number_text(roc.auc.value)}", "tick strong", "end")
    )
    return Drawing(
        "roc",
        360,
        372,
        f"ROC curve of {roc.model}",
        say("roc_description"),
        tuple(marks),
    )


DASHES = {"model": "curve", "reference": "curve dashed", "treat_all": "curve dotted", "treat_none": "axis"}


def decision_curve(curve: DecisionCurve, *, name: str = "decision", title: str = "Decision curve") -> Drawing:
    """Draw net benefit over thresholds for every strategy; the declared thresholds are marked.

    Parameters
    ----------
    curve : DecisionCurve
        At least one series. Values below a small negative floor are cut, as the strategy is useless there.
    name, title : str
        Of the drawing; a page with two of them needs two names.

    Returns
    -------
    Drawing
    """
    best = max(max(series.net_benefit, default=0.0) for series in curve.series)
    low, high, ticks = _nice(-0.25 * max(best, 0.04), max(best, 0.04))
    last = max(max(series.thresholds, default=1.0) for series in curve.series)
    frame = Frame(52, 26, 390, 250, 0, last, low, high)
    x_ticks = tuple(Tick(value / 10, f"{value / 10:g}") for value in range(int(10 * last + 1e-9) + 1))
    marks = axes(
        frame, x_ticks=x_ticks, y_ticks=ticks, x_label="threshold probability", y_label="net benefit"
    )
    for threshold in curve.declared:
        marks.append(
            line(frame.x(threshold), frame.top, frame.x(threshold), frame.top + frame.height, "margin")
        )
    for series in curve.series:
        inside = [
            (frame.x(x), frame.y(y))
            for x, y in zip(series.thresholds, series.net_benefit, strict=True)
            if low <= y <= high
        ]
        if inside:
            marks.append(polyline(inside, DASHES[series.role]))
    marks.extend(_key(curve, 322))
    return Drawing(
        name,
        460,
        330 + 18 * len(curve.series),
        title,
        say("decision_description"),
        tuple(marks),
    )


def _key(curve: DecisionCurve, top: float) -> list[Mark]:
    """Name the lines below the plot, each beside a piece of itself."""
    marks = []
    for index, series in enumerate(curve.series):
        y = top + 18 * index
        marks.append(line(52, y, 92, y, DASHES[series.role]))
        marks.append(text(98, y + 4, shortened(series.label)))
    return marks


def importance_plot(table: ImportanceTable) -> Drawing:
    """Draw mean absolute contributions, largest first, with their spread over folds and repeats.

    Parameters
    ----------
    table : ImportanceTable
        At least one row.

    Returns
    -------
    Drawing
    """
    largest = max([row.hi for row in table.rows] + [0.5])
    _, high, ticks = _nice(0.0, largest)
    frame = Frame(200, 10, 390, 22 * len(table.rows), 0, high, 0, max(len(table.rows), 1))
    marks = axes(
        frame, x_ticks=ticks, y_ticks=(), x_label="mean absolute contribution, points of 100", y_label=""
    )
    for index, row in enumerate(table.rows):
        y = frame.top + 22 * index + 11
        marks.append(text(193, y + 4, shortened(row.label, 30), "tick", "end"))
        marks.append(rect(frame.left, y - 5.5, frame.x(row.mean) - frame.left, 11, "count"))
        marks.append(line(frame.x(row.lo), y, frame.x(row.hi), y, "whisker"))
    return Drawing(
        "importance",
        610,
        frame.top + frame.height + 36,
        f"What {table.model} uses most",
        say("importance_description"),
        tuple(marks),
    )


def _nice(low: float, high: float) -> tuple[float, float, Sequence[Tick]]:
    """Choose round limits and ticks (steps of 1, 2 or 5 times a power of ten) that hold the values."""
    span = max(high - low, 1e-6)
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = tuple(Tick(index * step, number_text(index * step, digits)) for index in range(first, last + 1))
    return first * step, last * step, ticks
