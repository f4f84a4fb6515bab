"""The two drawings of the data-quality report: how values lie in their range, and when they were measured."""

from __future__ import annotations

from collections.abc import Sequence

from predictor.reports.content_quality import DataQualityV1, TimelineRow
from predictor.reports.drawing import Drawing, Frame, Mark, Tick, axes, rect, text

__all__ = ["range_bars", "visit_timeline"]

WIDTH, HEIGHT = 120.0, 14.0
ROW, LEFT, TOP, PLOT = 26.0, 210.0, 16.0, 560.0


def range_bars(counts: Sequence[int | None], *, name: str) -> Drawing:
    """Draw counts of equal parts of a range as bars on one line; 1 to 4 values are no bar.

    Parameters
    ----------
    counts : sequence of (int or None)
    name : str
        Id of the drawing in the page.
    """
    highest = max((count or 0 for count in counts), default=0) or 1
    step = WIDTH / max(len(counts), 1)
    marks: list[Mark] = [rect(0, HEIGHT - 1, WIDTH, 1, "axis")]
    for position, count in enumerate(counts):
        height = (HEIGHT - 1) * (count or 0) / highest
        if height > 0:
            marks.append(rect(position * step + 0.5, HEIGHT - 1 - height, step - 1, height, "count"))
    return Drawing(name, WIDTH, HEIGHT, "Distribution", "Values in equal parts of the range", tuple(marks))


def visit_timeline(view: DataQualityV1) -> Drawing | None:
    """Draw one line of bars for each quantity over the days from day 0, windows as bands; None without days.

    Parameters
    ----------
    view : DataQualityV1
    """
    names = list(dict.fromkeys(row.reference for row in view.timeline))
    if not names:
        return None
    first, last = _span(view)
    height = ROW * len(names)
    frame = Frame(LEFT, TOP, PLOT, height, x_min=first - 0.5, x_max=last + 0.5, y_min=0, y_max=1)
    marks = list(_bands(view, frame))
    ticks = [Tick(day, str(day)) for day in _days(first, last)]
    marks += axes(frame, x_ticks=ticks, y_ticks=(), x_label="Days from day 0", y_label="")
    for position, name in enumerate(names):
        own = [row for row in view.timeline if row.reference == name]
        rows = [row for row in own if first <= row.first_day and row.last_day <= last]
        marks += _line(rows, name, frame, TOP + ROW * (position + 1))
    words = f"{len(names)} quantities between day {first} and day {last}; bars are counts, bands the windows."
    return Drawing(
        "timeline", LEFT + PLOT + 20, TOP + height + 36, "When values were measured", words, tuple(marks)
    )


def _span(view: DataQualityV1) -> tuple[int, int]:
    """Days that the figure shows: all windows, and those between which 98 of 100 values lie."""
    rows = sorted(view.timeline, key=lambda row: row.first_day)
    total, before, inside = sum(row.n or 0 for row in rows), 0, []
    for row in rows:
        if before + (row.n or 0) > 0.01 * total and before < 0.99 * total:
            inside.append(row)
        before += row.n or 0
    windows = [view.baseline_days, *((low, high) for _, low, high in view.windows)]
    shown = [*((row.first_day, row.last_day) for row in inside), *windows]
    return min(low for low, _ in shown), max(high for _, high in shown)


def _bands(view: DataQualityV1, frame: Frame) -> Sequence[Mark]:
    spans = [view.baseline_days, *((low, high) for _, low, high in view.windows)]
    return [
        rect(
            frame.x(low - 0.5),
            frame.top,
            max(frame.x(high + 0.5) - frame.x(low - 0.5), 1),
            frame.height,
            "band",
        )
        for low, high in dict.fromkeys(spans)
        if high >= frame.x_min and low <= frame.x_max
    ]


def _line(rows: Sequence[TimelineRow], name: str, frame: Frame, bottom: float) -> Sequence[Mark]:
    highest = max((row.n or 0 for row in rows), default=0) or 1
    shown = name if len(name) <= 32 else f"{name[:31]}…"
    marks = [text(LEFT - 8, bottom - 4, shown, anchor="end")]
    for row in rows:
        height = (ROW - 6) * (row.n or 0) / highest
        if height > 0:
            left, right = frame.x(row.first_day - 0.5), frame.x(row.last_day + 0.5)
            marks.append(rect(left, bottom - height, max(right - left - 0.5, 1.5), height, "icon-full"))
    return marks


def _days(first: int, last: int) -> Sequence[int]:
    """Multiples of a round number of days, at most nine, with day 0 among them."""
    for step in (1, 2, 7, 14, 28, 56, 91, 182, 364, 728, 1820, 3640):
        if (last - first) / step <= 8:
            return range(-(-first // step) * step, last + 1, step)
    return (0,)
