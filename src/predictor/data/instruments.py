"""Rating scales: what a total can be, which way it points, where remission is put, and how its items make it.

Ranges are those of the full scale as published; a total outside its range is an error when a file is read, never
clipped. Versions of a scale that count differently are scales of their own, so that they are never pooled. The scales
stand in ``scales.toml``; item texts are deliberately absent, because several scales are licensed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from predictor.data.scales import Rating, read_rating, read_scale_tables

__all__ = ["INSTRUMENTS", "Instrument", "find_instrument", "similar_instruments"]


@dataclass(frozen=True)
class Instrument:
    """A rating scale.

    Parameters
    ----------
    name : str
        Name in dictionaries: ``instrument: madrs``.
    full_name : str
    low, high : float
        Smallest and largest possible total, both included.
    source : str
        Publication of the scale or of its scoring.
    direction : {"higher_is_worse", "higher_is_better"}
    remission_at_most : float or None
        Usual remission cut-off, included; a config may choose another. None where none is established.
    response_reduction : float or None
        Usual response rule: smallest reduction as a share of baseline. None where none is established.
    safety_item : int or None
        Number of the item about suicidal thoughts.
    loinc : str
        LOINC code of the total where confirmed, else empty.
    rating : Rating or None
        How items make the scores; None for a scale of which only totals are read.
    """

    name: str
    full_name: str
    low: float
    high: float
    source: str
    direction: Literal["higher_is_worse", "higher_is_better"] = "higher_is_worse"
    remission_at_most: float | None = None
    response_reduction: float | None = None
    safety_item: int | None = None
    loinc: str = ""
    rating: Rating | None = None


def _instrument(name: str, table: Mapping[str, Any]) -> Instrument:
    rating = read_rating(table)
    low, high = rating.low_high() if rating else table["total"]
    safety = table.get("safety")
    return Instrument(
        name,
        table["full_name"],
        low,
        high,
        table["source"],
        direction=table.get("direction", "higher_is_worse"),
        remission_at_most=table.get("remission_at_most"),
        response_reduction=table.get("response_reduction"),
        safety_item=None if safety is None else int(safety),
        loinc=table.get("loinc", ""),
        rating=rating,
    )


@cache
def _all() -> Mapping[str, Instrument]:
    return {name: _instrument(name, table) for name, table in read_scale_tables().items()}


class _Instruments(Mapping[str, Instrument]):
    """Every scale by its name; the file is read when the first one is asked for, not when this is imported."""

    def __getitem__(self, name: str) -> Instrument:
        return _all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_all())

    def __len__(self) -> int:
        return len(_all())


INSTRUMENTS: Mapping[str, Instrument] = _Instruments()


def find_instrument(name: str) -> Instrument | None:
    """Return the rating scale of that name; None where it is not known.

    Parameters
    ----------
    name : str
    """
    return INSTRUMENTS.get(name)


def similar_instruments(name: str) -> list[str]:
    """Return up to three known names that resemble ``name``, the closest first.

    Parameters
    ----------
    name : str
    """
    return difflib.get_close_matches(name.lower(), list(INSTRUMENTS), n=3, cutoff=0.5)
