"""FHIR's dates, which may stop at the year or the month, as the time between their first and last instant.

Source: HL7, FHIR R4 (4.0.1), datatypes ``date`` and ``dateTime``: a time of day always has its offset, and seconds may
be 60.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

__all__ = ["Moment", "completed_years", "read_moment"]

FORM = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<time>\d\d:\d\d):(?P<second>\d\d)(?P<fraction>\.\d+)?(?P<offset>Z|[+-]\d\d:\d\d))?)?)?"
)


@dataclass(frozen=True)
class Moment:
    """When something was, as exactly as it was written, by the clinic's clock.

    Parameters
    ----------
    first, last : datetime
        Its ends, both included, without an offset: equal where a time of day was given.
    """

    first: datetime
    last: datetime

    @property
    def day(self) -> date | None:
        """The day, where it is exact to the day."""
        return self.first.date() if self.first.date() == self.last.date() else None

    def meets(self, other: Moment) -> bool:
        """Whether it cannot be said which of the two was first."""
        return self.first <= other.last and other.first <= self.last


def read_moment(text: str, zone: tzinfo | None) -> Moment:
    """Read a date or a time.

    A leap second counts as the second before it. A time is converted to the clinic's zone, a date is the clinic's.

    Parameters
    ----------
    text : str
    zone : tzinfo or None
        Of the clinic; None for that of this machine.

    Raises
    ------
    ValueError
        Without the text.
    """
    found = FORM.fullmatch(text)
    if found is None:
        msg = "no date of FHIR"
        raise ValueError(msg)
    if found["time"] is None:
        return _whole(found)
    second = "59" if found["second"] == "60" else found["second"]
    offset = "+00:00" if found["offset"] == "Z" else found["offset"]
    fraction = (found["fraction"] or "")[:7]  # microseconds
    written = f"{found['year']}-{found['month']}-{found['day']}T{found['time']}:{second}{fraction}{offset}"
    try:
        instant = datetime.fromisoformat(written).astimezone(zone).replace(tzinfo=None)
    except (ValueError, OverflowError):
        msg = "no date of FHIR"
        raise ValueError(msg) from None
    return Moment(instant, instant)


def _whole(found: re.Match[str]) -> Moment:
    """Return a year, a month or a day from its first to its last instant."""
    try:
        year, month, day = int(found["year"]), int(found["month"] or 1), int(found["day"] or 1)
        first = datetime(year, month, day)
        last_month = month if found["month"] else 12
        last_day = day if found["day"] else monthrange(year, last_month)[1]
        last = datetime(year, last_month, last_day) + timedelta(days=1) - timedelta(microseconds=1)
    except (ValueError, OverflowError):
        msg = "no date of FHIR"
        raise ValueError(msg) from None
    return Moment(first, last)


def completed_years(birth: Moment, on: date) -> int | None:
    """Return the age in completed years; None where the birth date leaves two ages open.

    Parameters
    ----------
    birth : Moment
    on : date

    Notes
    -----
    Who was born on 29 February completes a year on 1 March where there is no 29th.
    """
    ages = {_years(end.date(), on) for end in (birth.first, birth.last)}
    return ages.pop() if len(ages) == 1 else None


def _years(birth: date, on: date) -> int:
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))
