"""Small drawings as plain data: shapes, a title and a description, made inline SVG by one template macro.

A drawing holds no markup, and every text in it is escaped when it is written out; it is the same for the same
numbers, needs no plotting library, and takes its colours from the page's style sheet, which also serves print,
greyscale and forced colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from predictor.reports.wording import legible

__all__ = [
    "Drawing",
    "Frame",
    "Mark",
    "Tick",
    "axes",
    "circle",
    "line",
    "polygon",
    "polyline",
    "rect",
    "text",
]

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Mark:
    """One SVG element: tag and attribute names are ours, values are numbers, `content` is text to escape."""

    tag: str
    css: str
    attributes: tuple[tuple[str, str], ...]
    content: str = ""

    def __html__(self) -> str:
        """Write it out for a template, which would take longer for a hundred circles than for the rest of a page."""
        attributes = "".join([f' {name}="{value}"' for name, value in self.attributes])
        content = escape(legible(self.content)) if self.content else ""
        return f'<{self.tag} class="{self.css}"{attributes}>{content}</{self.tag}>'


@dataclass(frozen=True)
class Drawing:
    """A figure: size in its own units, marks from back to front, and words for who cannot see it."""

    id: str
    width: float
    height: float
    title: str
    description: str
    marks: tuple[Mark, ...]

    def __html__(self) -> str:
        """Write its marks out."""
        return "".join([mark.__html__() for mark in self.marks])


@dataclass(frozen=True)
class Tick:
    """A position on an axis, in data units, and what is written there."""

    at: float
    label: str


@dataclass(frozen=True)
class Frame:
    """A plotting area: its place in the drawing and the data limits that map to it."""

    left: float
    top: float
    width: float
    height: float
    x_min: float = 0.0
    x_max: float = 1.0
    y_min: float = 0.0
    y_max: float = 1.0

    def x(self, value: float) -> float:
        """Place a data value across; values outside the limits are drawn at the border."""
        inside = min(max(value, self.x_min), self.x_max)
        return self.left + self.width * (inside - self.x_min) / (self.x_max - self.x_min)

    def y(self, value: float) -> float:
        """Place a data value upwards; values outside the limits are drawn at the border."""
        inside = min(max(value, self.y_min), self.y_max)
        return self.top + self.height * (self.y_max - inside) / (self.y_max - self.y_min)


def _n(value: float) -> str:
    """Two decimals are finer than any printer; fixed digits keep the bytes the same everywhere."""
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00")


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points)


def circle(x: float, y: float, radius: float, css: str) -> Mark:
    """Draw a circle."""
    return Mark("circle", css, (("cx", _n(x)), ("cy", _n(y)), ("r", _n(radius))))


def rect(x: float, y: float, width: float, height: float, css: str) -> Mark:
    """Draw a rectangle."""
    return Mark("rect", css, (("x", _n(x)), ("y", _n(y)), ("width", _n(width)), ("height", _n(height))))


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> Mark:
    """Draw a straight line."""
    return Mark("line", css, (("x1", _n(x1)), ("y1", _n(y1)), ("x2", _n(x2)), ("y2", _n(y2))))


def polyline(points: Sequence[tuple[float, float]], css: str) -> Mark:
    """Draw an open line through points."""
    return Mark("polyline", css, (("points", _points(points)),))


def polygon(points: Sequence[tuple[float, float]], css: str) -> Mark:
    """Draw a closed area."""
    return Mark("polygon", css, (("points", _points(points)),))


def text(x: float, y: float, content: str, css: str = "tick", anchor: Anchor = "start") -> Mark:
    """Write a text; `y` is its base line."""
    return Mark("text", css, (("x", _n(x)), ("y", _n(y)), ("text-anchor", anchor)), content)


def axes(
    frame: Frame, *, x_ticks: Sequence[Tick], y_ticks: Sequence[Tick], x_label: str, y_label: str
) -> list[Mark]:
    """Draw the border of a plotting area with ticks, light grid lines and labels.

    Parameters
    ----------
    frame : Frame
        The plotting area.
    x_ticks, y_ticks : sequence of Tick
        In data units.
    x_label, y_label : str
        With units. The label of the vertical axis is written horizontally above it, where it can be read.

    Returns
    -------
    list of Mark
    """
    bottom, right = frame.top + frame.height, frame.left + frame.width
    marks = []
    for tick in x_ticks:
        x = frame.x(tick.at)
        marks.append(line(x, frame.top, x, bottom, "grid"))
        marks.append(text(x, bottom + 13, tick.label, anchor="middle"))
    for tick in y_ticks:
        y = frame.y(tick.at)
        marks.append(line(frame.left, y, right, y, "grid"))
        marks.append(text(frame.left - 5, y + 3.5, tick.label, anchor="end"))
    marks.append(line(frame.left, bottom, right, bottom, "axis"))
    marks.append(line(frame.left, frame.top, frame.left, bottom, "axis"))
    marks.append(text(frame.left + frame.width / 2, bottom + 28, x_label, "axis-label", "middle"))
    marks.append(text(max(frame.left - 30, 2), frame.top - 8, y_label, "axis-label"))
    return marks
