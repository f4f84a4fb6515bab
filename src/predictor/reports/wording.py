"""Every sentence and every number format that a report shows; the templates only place them.

Estimates are whole counts of 100, ranges are rounded outward, contributions are rounded so that they add up,
and a label is given by a rule that the reader can check from the printed numbers. Sentences come from one
catalogue with named variables, so that another language is another catalogue.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

from predictor.errors import visible
from predictor.reports.catalogue import MESSAGES

__all__ = [
    "DASH",
    "FORBIDDEN",
    "Label",
    "capitalised",
    "count_of_100",
    "count_text",
    "date_text",
    "dated",
    "forbidden_words",
    "hash_text",
    "interval_text",
    "joined",
    "legible",
    "number_text",
    "outward",
    "points_text",
    "range_text",
    "rate_label",
    "round_to_total",
    "say",
    "shortened",
    "sum_text",
    "time_text",
]

DASH = "—"
MINUS = "−"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

FORBIDDEN = (
    "will respond",
    "will not respond",
    "recommended",
    "we recommend",
    "should receive",
    "should not receive",
    "guarantee",
    "AI",
    "accurate",
    "confident",
    "safe",
    "unsafe",
    "because of",
)
"""What no generated sentence may contain: promises, directives, marketing, and causes."""

Label = Literal["above the average", "below the average", "close to that average: the range includes it"]

# A probability of 0.29 times 100 is 28.999999999999996: without this, outward rounding would give 28.
SLACK = 1e-9


def legible(value: Any) -> Any:
    """Write in a text what is not seen by its code points: a direction mark in a label turns the figures beside it.

    Parameters
    ----------
    value : object
        What a template is about to show; anything but plain text comes back as it is.
    """
    return visible(value, keep="\t\n\r") if type(value) is str else value


def say(message: str, /, **values: object) -> str:
    """Fill one sentence of the catalogue.

    Parameters
    ----------
    message : str
        Key in the catalogue.
    **values : object
        The sentence's named variables. They are put in as they are: braces in a value are not read as
        variables.

    Returns
    -------
    str
        Plain text, to be escaped by the template.

    Raises
    ------
    KeyError
        If the message or one of its variables is missing.
    """
    return MESSAGES[message].format_map(values)


def count_of_100(probability: float) -> int:
    """Whole count of 100 for one probability: 0 stands for "fewer than 1", 100 for "more than 99".

    Parameters
    ----------
    probability : float
        Between 0 and 1.

    Returns
    -------
    int
        Rounded to nearest inside 1 to 99; 0 below 0.01 and 100 above 0.99, so that rounding never hides or
        makes a certainty.

    Raises
    ------
    ValueError
        If the number is not a probability.
    """
    if not 0.0 <= probability <= 1.0:
        raise ValueError("A probability between 0 and 1 was expected")
    if probability < 0.01 - SLACK:
        return 0
    if probability > 0.99 + SLACK:
        return 100
    return math.floor(100 * probability + 0.5)


def count_text(count: int) -> str:
    """Words for an estimated count of 100: "54", "fewer than 1", "more than 99"."""
    if count <= 0:
        return "fewer than 1"
    return "more than 99" if count >= 100 else str(count)


def outward(lo: float, hi: float) -> tuple[int, int]:
    """Round a range of probabilities to whole counts of 100, never narrower than it was.

    Parameters
    ----------
    lo, hi : float
        Ends of the range, 0 <= lo <= hi <= 1.

    Returns
    -------
    tuple of int
        Floor and ceiling of 100 times the ends.

    Raises
    ------
    ValueError
        If the ends are not ordered probabilities.
    """
    if not 0.0 <= lo <= hi <= 1.0:
        raise ValueError("Two ordered probabilities were expected")
    return math.floor(100 * lo + SLACK), math.ceil(100 * hi - SLACK)


def range_text(lo: int, hi: int) -> str:
    """Words for a range of counts of 100: "41 to 66", "fewer than 1 to 12"."""
    return f"{count_text(lo)} to {count_text(hi)}"


def rate_label(lo: int, hi: int, base: int) -> Label:
    """Compare a printed range with the printed base rate.

    The printed whole numbers are compared, not the unrounded ones, so that no reader sees "above the
    average" beside a range that touches it; as ranges are rounded outward this can only make the label more
    cautious.

    Parameters
    ----------
    lo, hi, base : int
        Range and base rate, counts of 100.

    Returns
    -------
    str
        One of the three labels that exist.
    """
    if lo > base:
        return "above the average"
    if hi < base:
        return "below the average"
    return "close to that average: the range includes it"


def round_to_total(values: Sequence[float], total: int) -> tuple[int, ...]:
    """Round numbers to integers that add up to a given total, by largest remainder.

    Every number is rounded down; then, one at a time, the number that is furthest above its rounded value
    gets 1 more until the sum is right (or, when the total itself was rounded down further, the one least
    above it gets 1 less).

    Parameters
    ----------
    values : sequence of float
        What is to be rounded, in the total's unit.
    total : int
        What the rounded numbers must add up to.

    Returns
    -------
    tuple of int
        In the order of `values`.

    Raises
    ------
    ValueError
        If there is nothing to round and the total is not 0, or a value is not finite.
    """
    if not values:
        if total:
            raise ValueError("No value to carry the total")
        return ()
    if not all(math.isfinite(value) for value in values):
        raise ValueError("Finite values were expected")
    rounded = [math.floor(value) for value in values]
    while (missing := total - sum(rounded)) != 0:
        remainders = [value - whole for value, whole in zip(values, rounded, strict=True)]
        if missing > 0:
            rounded[remainders.index(max(remainders))] += 1
        else:
            rounded[remainders.index(min(remainders))] -= 1
    return tuple(rounded)


def points_text(points: int) -> str:
    """Words for a contribution: "raises 6", "lowers 5", "no change"."""
    if points == 0:
        return "no change"
    return f"raises {points}" if points > 0 else f"lowers {-points}"


def sum_text(start: int, points: Sequence[int]) -> str:
    """Write a sum out with true minus signs: "48 + 6 − 5 + 0"; every row is in it, also one of 0."""
    return str(start) + "".join(f" {'+' if value >= 0 else MINUS} {abs(value)}" for value in points)


def number_text(value: float | None, digits: int = 2) -> str:
    """Write a number with fixed digits and a true minus sign; a dash when there is none."""
    if value is None:
        return DASH
    text = f"{value:.{digits}f}"
    if float(text) == 0.0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def interval_text(value: float | None, lo: float | None, hi: float | None, digits: int = 2) -> str:
    """Write an estimate with its limits, "0.66 (0.57 to 0.75)"; without limits the number alone."""
    if value is None or lo is None or hi is None:
        return number_text(value, digits)
    return f"{number_text(value, digits)} ({number_text(lo, digits)} to {number_text(hi, digits)})"


def date_text(day: date | None) -> str:
    """Write a date as 22 Nov 2026 whatever the machine's language; a dash when there is none."""
    return DASH if day is None else f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def dated(text: str, day: date | None) -> str:
    """Write a day that a text for machines holds as 2026-11-22 as a page writes it."""
    return text if day is None else text.replace(day.isoformat(), date_text(day))


def time_text(moment: datetime) -> str:
    """Write a moment as 23 Nov 2026 10:41 UTC."""
    return f"{date_text(moment.date())} {moment:%H:%M} UTC"


def hash_text(digest: str) -> str:
    """First and last four characters of a hash; the whole one is in the JSON."""
    return digest if len(digest) <= 12 else f"{digest[:4]}…{digest[-4:]}"


def shortened(text: str, length: int = 60) -> str:
    """Cut a label that would break the page, with an ellipsis; the inputs table carries it whole."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def joined(parts: Sequence[str]) -> str:
    """List things in a sentence: "a", "a and b", "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def capitalised(text: str) -> str:
    """Start a sentence with a capital and leave the rest as it is."""
    return text[:1].upper() + text[1:]


def forbidden_words(text: str) -> tuple[str, ...]:
    """Find what a generated sentence must not say; a good result is empty.

    Parameters
    ----------
    text : str
        Plain text. Whole words are compared without regard to case, except "AI", which is a word only in
        capitals and not at the end of a standard's name (TRIPOD+AI).

    Returns
    -------
    tuple of str
        The forbidden phrases that occur.
    """
    squeezed = " ".join(text.split())
    return tuple(
        phrase
        for phrase in FORBIDDEN
        if re.search(rf"(?<![\w+]){re.escape(phrase)}\b", squeezed, 0 if phrase.isupper() else re.IGNORECASE)
    )
