"""That somebody has read a report and taken it into the patient's record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Taken"]


@dataclass(frozen=True)
class Taken:
    """Who took a report into the record, and when.

    Parameters
    ----------
    by : str
        Name of the account, or the reference that an EHR gave.
    at : datetime
        With its zone.
    """

    by: str
    at: datetime
