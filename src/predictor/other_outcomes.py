"""The other outcomes of a model: what was observed of them, and what estimates one that was shown to be better.

Each has a verdict of its own, by the procedure and on the folds of the primary outcome. Only *better* may bring a
scorer and its refits into the model's folder, under the same gates as the model's own.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from predictor.data.frames import rows_of
from predictor.features.columns import RawColumns
from predictor.model_folder import read_json, to_json
from predictor.models.archive import load_compact, save_compact
from predictor.models.plain import CompactModel, from_plain, to_plain
from predictor.models.soundness import require_sound

if TYPE_CHECKING:
    import pandas as pd

    from predictor.models.averaging import AveragedClassifier

__all__ = [
    "GroupRate",
    "OtherOutcome",
    "outcome_differences",
    "outcomes_from",
    "outcomes_record",
    "write_outcomes",
]

OtherVerdict = Literal["better", "no_better", "too_little"]


@dataclass(frozen=True)
class GroupRate:
    """Observed share of events among development patients of one plan, with its interval."""

    plan: str
    n: int
    events: int
    rate: float
    low: float
    high: float

    @classmethod
    def from_table(cls, rates: pd.DataFrame) -> tuple[Self, ...]:
        """Take the rows of `predictor.validation.counts.group_rates`."""
        return tuple(
            cls(str(r.plan), int(r.n), int(r.events), float(r.rate), float(r.low), float(r.high))
            for r in rows_of(rates)
        )


@dataclass(frozen=True)
class OtherOutcome:
    """An outcome that the model's verdict is not about.

    Parameters
    ----------
    name, kind, definition : str
        The definition completes "means …".
    n, events : int
        Patients whom its verdict rests on, and those of them with the outcome.
    verdict : {"better", "no_better", "too_little"}
        Of its own.
    interval : str
        How the limits of the rates were made.
    group_rates : tuple of GroupRate
    scorer : CompactModel or None
        None unless the verdict is *better* and the model asks for every input that it needs.
    refits : tuple of CompactModel
        Of resampled patients, behind its range.
    build : callable or None
        At training, gives the estimator whose probabilities of the made-up patients are kept.
    """

    name: str
    kind: str
    definition: str
    n: int
    events: int
    verdict: OtherVerdict
    interval: str
    group_rates: tuple[GroupRate, ...]
    scorer: CompactModel | None = None
    refits: tuple[CompactModel, ...] = ()
    build: Callable[[], AveragedClassifier] | None = field(default=None, compare=False)


def _files(number: int) -> tuple[str, str]:
    """Names of the files of the personal model of the outcome at a place, the first is 1."""
    return f"outcome_{number}.json", f"outcome_{number}.npz"


def outcomes_record(outcomes: Sequence[OtherOutcome]) -> list[dict[str, Any]]:
    """Describe outcomes as plain data, their models apart; see `write_outcomes`.

    Parameters
    ----------
    outcomes : sequence of OtherOutcome
    """
    return [
        {
            "name": one.name,
            "kind": one.kind,
            "definition": one.definition,
            "n": one.n,
            "events": one.events,
            "verdict": one.verdict,
            "interval": one.interval,
            "group_rates": [asdict(rate) for rate in one.group_rates],
            "personal": one.scorer is not None,
        }
        for one in outcomes
    ]


def write_outcomes(outcomes: Sequence[OtherOutcome], folder: Path) -> None:
    """Write the personal models of outcomes into a model's folder.

    Parameters
    ----------
    outcomes : sequence of OtherOutcome
    folder : Path
    """
    for number, one in enumerate(outcomes, start=1):
        if one.scorer is not None:
            scorer, refits = _files(number)
            (folder / scorer).write_bytes(to_json(to_plain(one.scorer), indent=None))
            save_compact(one.refits, folder / refits)


def outcomes_from(
    record: Sequence[Mapping[str, Any]], content: Mapping[str, bytes]
) -> tuple[OtherOutcome, ...]:
    """Read what `outcomes_record` and `write_outcomes` wrote.

    Parameters
    ----------
    record : sequence of mapping
        Which has the shape of outcomes.
    content : mapping of str to bytes
        Files of the folder.

    Raises
    ------
    ValueError
        For a personal model that there is no verdict for, numbers that no fit gives, or files of no outcome.
    """
    personal = {i for i, one in enumerate(record, start=1) if one["personal"]}
    expected = {name for i in personal for name in _files(i)}
    if {name for name in content if name.startswith("outcome_")} != expected:
        raise ValueError("the files of the other outcomes are not those that are listed")
    if any(one["personal"] and one["verdict"] != "better" for one in record):
        raise ValueError("an outcome that was not shown to be better has a personal model")
    if len({one["name"] for one in record}) < len(record):
        raise ValueError("an outcome stands twice")
    return tuple(_outcome(one, i, content) for i, one in enumerate(record, start=1))


def _outcome(record: Mapping[str, Any], number: int, content: Mapping[str, bytes]) -> OtherOutcome:
    about = {key: value for key, value in record.items() if key not in ("group_rates", "personal")}
    rates = tuple(GroupRate(**rate) for rate in record["group_rates"])
    if not record["personal"]:
        return OtherOutcome(**about, group_rates=rates)
    place, refit_place = _files(number)
    scorer = require_sound(from_plain(read_json(content[place])))
    refits = [require_sound(refit) for refit in load_compact(io.BytesIO(content[refit_place]))]
    if not refits:
        raise ValueError("a personal estimate has a range")
    straight = tuple(replace(refit, line=scorer.line) for refit in refits)
    return OtherOutcome(**about, group_rates=rates, scorer=scorer, refits=straight)


def outcome_differences(
    outcomes: Sequence[OtherOutcome], golden: Mapping[str, Sequence[float]], raw: RawColumns, n: int
) -> list[np.ndarray]:
    """Compare personal models with what they gave the made-up patients when they were saved.

    Parameters
    ----------
    outcomes : sequence of OtherOutcome
    golden : mapping of str to sequence of float
        Probabilities by outcome.
    raw : mapping of str to ndarray or Categories
        The made-up patients.
    n : int

    Returns
    -------
    list of ndarray of shape (n,)
        Absolute differences of the scorer, as it stands and compiled, and whether every refit gives a probability
        (0, else NaN).

    Raises
    ------
    ValueError
        If the outcomes with made-up patients are not those with a personal model.
    """
    personal = {one.name: one for one in outcomes if one.scorer is not None}
    if golden.keys() != personal.keys() or any(len(found) != n for found in golden.values()):
        raise ValueError("the made-up patients of the other outcomes are not those of their models")
    found = []
    for name, one in personal.items():
        assert one.scorer is not None
        expected = np.array(golden[name], dtype=np.float64)
        found += [np.abs(one.scorer.probability(raw, n, fused=fused) - expected) for fused in (False, True)]
        refits = np.array([refit.probability(raw, n) for refit in one.refits])
        found.append(np.where(((refits >= 0) & (refits <= 1)).all(axis=0), 0.0, np.nan))
    return found
