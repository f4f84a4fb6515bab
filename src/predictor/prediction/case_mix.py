"""Who the patients are, in numbers that hold no patient: means, spreads and shares of a model's inputs.

A model can do worse elsewhere because it is wrong there, or because the patients there are more alike. Which of
the two it is shows in the spread of its own predictions, beside that of the inputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from predictor.prediction_model import InputField

__all__ = ["CASE_MIX", "compare_case_mix", "describe_case_mix"]

CASE_MIX = ("what", "level", "unit", "development", "development_sd", "here", "here_sd", "difference")
FEWEST_OF_A_LEVEL = 5
DIGITS = 3

Value = float | str | None


def describe_case_mix(inputs: Sequence[InputField], rows: Sequence[Mapping[str, Value]]) -> dict[str, Any]:
    """Describe each input by its mean and SD, or by the shares of its levels, and by how much of it is missing.

    Parameters
    ----------
    inputs : sequence of InputField
        Those that only an entry rule needs are left out.
    rows : sequence of mapping
        Values by input name, None where missing.

    Returns
    -------
    dict
        By input name, plain JSON. What would tell of fewer than five patients is left out: a level, or a yes or no,
        that only they have; numbers are rounded to three digits.
    """
    return {
        one.name: _describe(one, [row[one.name] for row in rows]) for one in inputs if one.role != "entry"
    }


def _describe(one: InputField, values: Sequence[Value]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    found: dict[str, Any] = {"missing": _short(1 - len(known) / len(values)) if values else 0.0}
    if len(known) < FEWEST_OF_A_LEVEL:
        return found
    if one.kind == "category":
        counts = {level: known.count(level) for level in one.levels}
        shares = {k: _short(n / len(known)) for k, n in counts.items() if n >= FEWEST_OF_A_LEVEL}
        return found | {"shares": shares}
    numbers = [float(value) for value in known]
    mean = math.fsum(numbers) / len(numbers)
    if one.grain == "yes_no":
        few = min(mean, 1 - mean) * len(numbers) < FEWEST_OF_A_LEVEL - 0.5
        return found if few else found | {"mean": _short(mean)}
    variance = math.fsum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1)
    return found | {"mean": _short(mean), "sd": _short(math.sqrt(variance))}


def _short(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


def compare_case_mix(
    inputs: Sequence[InputField], development: Mapping[str, Any], here: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Set the patients of development beside others, input by input.

    Parameters
    ----------
    inputs : sequence of InputField
    development, here : mapping
        From `describe_case_mix`; empty where a model was saved without one.

    Returns
    -------
    list of dict
        Rows of `CASE_MIX`: means or shares with their SD, and the difference in SDs of development, which of a share
        π is √(π(1 − π)); beyond ± 0.5 the patients differ plainly.
    """
    rows = []
    for one in inputs:
        before, now = development.get(one.name, {}), here.get(one.name, {})
        if one.role != "entry":
            rows += _mean_rows(one, before, now) if one.kind == "number" else _share_rows(one, before, now)
            missing = (before.get("missing", one.missing_share), now.get("missing"))
            rows.append(_row(one.label, "missing", "share", missing, (None, None), None))
    return rows


def _mean_rows(one: InputField, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    means, spreads = (before.get("mean"), now.get("mean")), (before.get("sd"), now.get("sd"))
    if one.grain == "yes_no":
        return [_row(one.label, "yes", "share", means, (None, None), _spread_of_share(means[0]))]
    return [_row(one.label, "mean", one.unit, means, spreads, spreads[0])]


def _share_rows(one: InputField, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    shares, others = before.get("shares", {}), now.get("shares", {})
    rows = []
    for level in one.levels:
        pair = (shares.get(level), others.get(level))
        rows.append(_row(one.label, level, "share", pair, (None, None), _spread_of_share(pair[0])))
    return rows


def _spread_of_share(share: float | None) -> float | None:
    return None if share is None else math.sqrt(share * (1 - share))


def _row(
    what: str,
    level: str,
    unit: str,
    means: tuple[float | None, float | None],
    spreads: tuple[float | None, float | None],
    scale: float | None,
) -> dict[str, Any]:
    before, now = means
    difference = (now - before) / scale if before is not None and now is not None and scale else None
    return dict(
        zip(
            CASE_MIX,
            (what, level, unit, before, spreads[0], now, spreads[1], difference),
            strict=True,
        )
    )
