"""Rows of a table as plain objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a prediction reads a model's rates without loading pandas
    import pandas as pd

__all__ = ["rows_of"]


def rows_of(frame: pd.DataFrame) -> Iterator[Any]:
    """Yield each row as a named tuple; the table's own docstring says what its columns hold.

    Parameters
    ----------
    frame : pandas.DataFrame
    """
    yield from frame.itertuples(index=False)
