"""How a scale's items make its scores, read from ``scales.toml``, where the keys are explained."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

__all__ = ["SUICIDALITY", "TOTAL", "Clause", "Item", "Part", "Rating", "read_rating", "read_scale_tables"]

TOTAL = "total"
SUICIDALITY = "suicidality"
ABOUT_MISSING = ("missing", "prorated")
Steps = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Item:
    """One item of a scale.

    Parameters
    ----------
    key : str
        Its number, or its name where items are not numbered.
    low, high : float
        Smallest and largest rating, both included.
    only : tuple of float
        The possible ratings where the range does not say so.
    reverse : bool
    steps : tuple of (float, float)
        Ratings up to and including the first number get the second as points; empty where ratings are points.
    """

    key: str
    low: float
    high: float
    only: tuple[float, ...] = ()
    reverse: bool = False
    steps: Steps = ()

    @property
    def points(self) -> tuple[float, float]:
        """Smallest and largest number of points."""
        return (self.steps[0][1], self.steps[-1][1]) if self.steps else (self.low, self.high)


@dataclass(frozen=True)
class Part:
    """A total or a subscale: domains that are added.

    Parameters
    ----------
    domains : tuple of tuple of str
        Items of each domain; of several only the highest counts.
    most_missing : int
        Domains that may be missing.
    spread : {"mean", "attainable", ""}
        How the others then make the value; empty where none may be missing.
    steps : tuple of (float, float)
        Points of this subscale's items where they are not those of the scale.
    bands : tuple of (float, str)
        Smallest value of each degree.
    cutoffs : mapping of str to float
    """

    domains: tuple[tuple[str, ...], ...]
    most_missing: int = 0
    spread: str = ""
    steps: Steps = ()
    bands: tuple[tuple[float, str], ...] = ()
    cutoffs: Mapping[str, float] | None = None

    @property
    def items(self) -> tuple[str, ...]:
        """Keys of all items, in order of the domains."""
        return tuple(key for domain in self.domains for key in domain)


@dataclass(frozen=True)
class Clause:
    """``count`` of the items are rated at least ``at_least``, or what ``but`` says for some of them."""

    items: tuple[str, ...]
    at_least: float
    count: int
    but: Mapping[str, float]


@dataclass(frozen=True)
class Rating:
    """All scores of a scale and how its items make them.

    Parameters
    ----------
    items : mapping of str to Item
    whole : Part
        The total's domains, or those of ``total_of``.
    parts : mapping of str to Part
        Subscales.
    total_of : tuple of str
        Subscales whose sum the total is; empty where it is the sum of its domains.
    ladder : tuple of (str, float)
        Rungs of a staging: item and the smallest number that climbs it.
    certain : bool
        A domain of several items is known only if the missing ones could not be higher.
    missing_across : tuple of str
        Subscales of which none may be missing altogether, nor hold all of several missing items.
    required : tuple of str
        Items without which there is no total.
    staged_from : mapping of str to float
        Smallest ratings that the scale is made for; below there is no total.
    spread_source : str
        Who says how missing domains are made up for.
    skip : (str, float, tuple of str) or None
        Where this item has this value, those items count 0 if they are missing.
    criteria : mapping of str to tuple of Clause
    safety : str or None
        The item about suicidal thoughts.
    """

    items: Mapping[str, Item]
    whole: Part
    parts: Mapping[str, Part]
    total_of: tuple[str, ...] = ()
    ladder: tuple[tuple[str, float], ...] = ()
    certain: bool = False
    missing_across: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    staged_from: Mapping[str, float] = field(default_factory=dict)
    spread_source: str = ""
    skip: tuple[str, float, tuple[str, ...]] | None = None
    criteria: Mapping[str, tuple[Clause, ...]] | None = None
    safety: str | None = None

    def scores(self) -> tuple[str, ...]:
        """Return the name of every score: total, subscales, what a yes or no is said about, and what was missing."""
        cutoffs = [name for part in (self.whole, *self.parts.values()) for name in part.cutoffs or ()]
        named = [
            TOTAL,
            *self.parts,
            *cutoffs,
            *(self.criteria or ()),
            *([SUICIDALITY] if self.safety else []),
        ]
        return (*named, *ABOUT_MISSING)

    def low_high(self) -> tuple[float, float]:
        """Return the smallest and the largest total."""
        if self.ladder:
            return 0.0, float(len(self.ladder))
        summed = [self.parts[name] for name in self.total_of] or [self.whole]
        ends = [self.ends(part, domain) for part in summed for domain in part.domains]
        return float(sum(low for low, _ in ends)), float(sum(high for _, high in ends))

    def ends(self, part: Part, domain: Sequence[str]) -> tuple[float, float]:
        """Return the smallest and the largest number of points of a domain.

        Parameters
        ----------
        part : Part
        domain : sequence of str
        """
        ends = [
            (part.steps[0][1], part.steps[-1][1]) if part.steps else self.items[key].points for key in domain
        ]
        return max(low for low, _ in ends), max(high for _, high in ends)


def read_scale_tables() -> dict[str, dict[str, Any]]:
    """Return the tables of ``scales.toml`` by scale, with what ``like`` takes over filled in."""
    text = files("predictor.data").joinpath("scales.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, Any]] = {}
    for name, table in tomllib.loads(text).items():
        inherited = tables[table["like"]] if "like" in table else {}
        tables[name] = {**inherited, **{key: value for key, value in table.items() if key != "like"}}
    return tables


def read_rating(table: Mapping[str, Any]) -> Rating | None:
    """Return the scoring of one table of ``scales.toml``; None where it lists no items.

    Parameters
    ----------
    table : mapping of str to object
    """
    if "items" not in table:
        return None
    items = _items(table)
    skip = table.get("skip")
    return Rating(
        items=items,
        whole=_whole(table, list(items)),
        parts={name: _part(part) for name, part in table.get("parts", {}).items()},
        total_of=tuple(table.get("total_of", ())),
        ladder=tuple((key, at_least) for key, at_least in table.get("ladder", ())),
        certain=table.get("group_missing") == "certain",
        missing_across=tuple(table.get("missing_across", ())),
        required=keys_of(table.get("required", "")),
        staged_from=dict(table.get("staged_from", {})),
        spread_source=table.get("spread_source", ""),
        skip=(skip["where"], skip["is"], keys_of(skip["items"])) if skip else None,
        criteria={name: tuple(map(_clause, clauses)) for name, clauses in table.get("criteria", {}).items()},
        safety=table.get("safety"),
    )


def keys_of(text: str) -> tuple[str, ...]:
    """Return the item keys that a text such as ``"1-3,7"`` lists.

    Parameters
    ----------
    text : str
    """
    keys: list[str] = []
    for piece in filter(None, text.split(",")):
        first, dash, last = piece.strip().partition("-")
        keys += [str(number) for number in range(int(first), int(last) + 1)] if dash else [first]
    return tuple(keys)


def _items(table: Mapping[str, Any]) -> dict[str, Item]:
    ranges = {key: ends for keys, ends in table["items"].items() for key in keys_of(keys)}
    only = {key: tuple(values) for keys, values in table.get("only", {}).items() for key in keys_of(keys)}
    points = table.get("points", {})
    reverse = keys_of(table.get("reverse", ""))
    ordered = sorted(ranges, key=int) if all(key.isdigit() for key in ranges) else list(ranges)
    return {
        key: Item(
            key,
            ranges[key][0],
            ranges[key][1],
            only.get(key, ()),
            key in reverse,
            _steps(points.get(key, ())),
        )
        for key in ordered
    }


def _steps(steps: Sequence[Sequence[float]]) -> Steps:
    return tuple((up_to, points) for up_to, points in steps)


def _whole(table: Mapping[str, Any], keys: Sequence[str]) -> Part:
    """Domains in the items' order: a group stands where its first item does."""
    group_of = {key: keys_of(group) for group in table.get("domains", ()) for key in keys_of(group)}
    domains = dict.fromkeys(group_of.get(key, (key,)) for key in keys)
    return _with_rule(table, tuple(domains), ())


def _part(table: Mapping[str, Any]) -> Part:
    domains = tuple((key,) for key in keys_of(table["items"]))
    return _with_rule(table, domains, _steps(table.get("points", ())))


def _with_rule(table: Mapping[str, Any], domains: tuple[tuple[str, ...], ...], steps: Steps) -> Part:
    most, cutoffs = table.get("most_missing", 0), dict(table.get("cutoffs", {}))
    return Part(domains, most, table["spread"] if most else "", steps, _bands(table), cutoffs)


def _bands(table: Mapping[str, Any]) -> tuple[tuple[float, str], ...]:
    return tuple((low, name) for low, name in table.get("bands", ()))


def _clause(table: Mapping[str, Any]) -> Clause:
    return Clause(keys_of(table["items"]), table["at_least"], table["count"], dict(table.get("but", {})))
