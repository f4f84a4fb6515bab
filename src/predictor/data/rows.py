"""Which rows of a source belong to a table: those that the dictionary asks for, and none that were made up.

A trial's analysis file carries rows that nobody observed: a visit that was missed, filled with the last value before it
(LOCF). They look like measurements. CDISC marks them in DTYPE, and they are left out unless the dictionary keeps them.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from predictor.data.reading import Reading

__all__ = ["keep_own_rows"]


def keep_own_rows(reading: Reading, *, learning: bool = True) -> Reading:
    """Keep the rows that ``where`` names, without derived ones; what is left out is counted in the notices.

    Parameters
    ----------
    reading : Reading
    learning : bool
        True where a model is to be learned: a table without a row is then an error. Of new patients nothing may have
        happened yet.
    """
    return _keep_observed(_keep_where(reading, learning=learning))


def _keep_where(reading: Reading, *, learning: bool) -> Reading:
    where = reading.declared.source.where
    keep = np.ones(len(reading.rows), dtype=bool)
    for header, texts in where.items():
        keep &= reading.cells[header].str.strip().isin(texts).to_numpy(bool)
    if keep.all():
        return reading
    reading.note(f"rows are not of this table by {', '.join(where)} and were not read", n=int((~keep).sum()))
    if learning and not keep.any():
        message = f"no row is of this table by {', '.join(where)}"
        reading.found.add("DAT-11", message, "Mend `where:` under source")
        reading.found.raise_if_any()
    return reading.take(keep)


def _keep_observed(reading: Reading) -> Reading:
    """Leave out what DTYPE of an ADaM table calls derived, and say how many rows of each kind there are."""
    if not {"DTYPE", "PARAMCD"} <= set(reading.cells.columns):
        return reading
    derivation = reading.cells["DTYPE"].str.strip()
    observed = (derivation == "").to_numpy(bool)
    if observed.all():
        return reading
    kinds = Counter(derivation[~observed])
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    kept = reading.declared.source.derived == "keep"
    done = "were kept, as declared" if kept else "were left out (`derived: keep` keeps them)"
    reading.note(f"rows that were derived and not observed: {counts}; they {done}")
    return reading if kept else reading.take(observed)
