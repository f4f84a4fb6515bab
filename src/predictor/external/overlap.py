"""Are some of these patients among those that a model was developed on? Told from both tables, and from nothing stored.

A model's folder holds nothing that could answer this: whatever lets its holder recognise a patient again, hashed or
not, also tells him who took part. So the question is asked where the development data lie.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import binom

from predictor.cohort.selection import select_cohort
from predictor.config.loading import LoadedConfig
from predictor.errors import DataError, Problem
from predictor.external.patients import find_columns, patient_keys, read_inputs
from predictor.prediction.reading import read_patients
from predictor.prediction_model import PredictionModel
from predictor.study import hash_of, read_needed

__all__ = ["Shared", "count_shared", "require_apart"]

CHANCE = 1e-3
DIGITS = 9

Row = tuple[Hashable, ...]
Values = Mapping[str, float | str | None]


@dataclass(frozen=True)
class Shared:
    """How many rows of one table are in another one.

    Parameters
    ----------
    n : int
        Rows looked for.
    same : int
        Those with the key and the values of one row there.
    renamed : int
        Those with the values of a row there, and another key.
    repeated : float
        Share of rows there whose values another row there has too: that often two patients look alike.
    """

    n: int
    same: int
    renamed: int
    repeated: float

    @property
    def by_chance(self) -> bool:
        """Whether so many equal rows under other keys are what patients who look alike make.

        They are, unless so many of n rows, each with chance ``repeated``, have a probability below 0.001.
        """
        return bool(binom.sf(self.renamed - 1, self.n, self.repeated) >= CHANCE)

    @property
    def none(self) -> bool:
        """Whether nothing says that the tables share a patient."""
        return self.same == 0 and self.by_chance


def count_shared(
    keys: Sequence[str], rows: Sequence[Row], other_keys: Sequence[str], other_rows: Sequence[Row]
) -> Shared:
    """Count the rows of one table that are in another one; an equal key alone does not count, since sites number alike.

    Parameters
    ----------
    keys : sequence of str
    rows : sequence of tuple
        Values of the same inputs in the same order, numbers as float; compared to nine digits.
    other_keys, other_rows
        The table that they are looked for in.
    """
    mine, theirs = [_rounded(row) for row in rows], [_rounded(row) for row in other_rows]
    known = set(zip(other_keys, theirs, strict=True))
    times = Counter(theirs)
    pairs = list(zip(keys, mine, strict=True))
    same = sum(pair in known for pair in pairs)
    renamed = sum(row in times and (key, row) not in known for key, row in pairs)
    alike = sum(times[row] > 1 for row in theirs)
    return Shared(len(mine), same, renamed, (alike + 1) / (len(theirs) + 1))


def require_apart(
    model: PredictionModel, keys: Sequence[str], values: Sequence[Values], developed_on: LoadedConfig
) -> None:
    """Refuse patients who are among those that the model was developed on; say how many, never who.

    Parameters
    ----------
    model : PredictionModel
    keys : sequence of str
    values : sequence of mapping
        Of the patients in question, by the model's inputs.
    developed_on : LoadedConfig
        What the model was trained with.

    Raises
    ------
    DataError
        LEA-08 where patients are in both, or where the model was not developed on these data.
    """
    their_keys, theirs = _development_patients(model, developed_on)
    names = [one.name for one in model.inputs]
    shared = count_shared(keys, _rows(names, values), their_keys, _rows(names, theirs))
    if not shared.none:
        message = (
            f"of {shared.n} patients, {shared.same} are among those that the model was developed on, by key and "
            f"inputs, and {shared.renamed} have the inputs of one of them under another key"
        )
        remedy = "Take them out; on them its figures are too good"
        raise DataError(Problem("LEA-08", message, remedy, file=str(developed_on.path)))


def _rounded(row: Row) -> Row:
    return tuple(float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value for value in row)


def _development_patients(model: PredictionModel, loaded: LoadedConfig) -> tuple[list[str], list[Values]]:
    tables = read_needed(loaded)
    if hash_of(tables) != model.card.get("data_sha256"):
        message = "the data of this config are not those that the model was developed on"
        remedy = "Give the config and the data of its training"
        raise DataError(Problem("LEA-08", message, remedy, file=str(loaded.path)))
    cohort = select_cohort(tables, loaded.dictionary, loaded.config.cohort)
    patients = read_inputs(cohort, loaded, find_columns(model, loaded))
    return patient_keys(cohort), [patient.values for patient in read_patients(model, patients)]


def _rows(names: Sequence[str], values: Sequence[Values]) -> list[Row]:
    return [tuple(one.get(name) for name in names) for one in values]
