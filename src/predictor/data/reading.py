"""What the conversion of one table shares between its steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from predictor.config.dictionary import Table
from predictor.data.findings import Findings
from predictor.data.notices import Notice

__all__ = ["Reading"]


@dataclass(frozen=True)
class Reading:
    """What the conversion of one table shares.

    Parameters
    ----------
    cells : pandas.DataFrame
        Columns of text, by header.
    rows : ndarray of int
        Line of the file behind each row of ``cells``.
    declared : Table
    decimal : {".", ","}
    found : Findings
        Receives what is wrong.
    notices : list of Notice
        Receives what was left out or put right, see `note`.
    """

    cells: pd.DataFrame
    rows: np.ndarray
    declared: Table
    decimal: str
    found: Findings
    notices: list[Notice] = field(default_factory=list)

    def note(self, said: str, *, n: int | None = None, example: str = "") -> None:
        """Say something of the file; see `predictor.data.notices.Notice`."""
        self.notices.append(Notice(self.found.file, said, n, example))

    def take(self, keep: np.ndarray) -> Reading:
        """Keep the rows for which ``keep`` is True."""
        return replace(self, cells=self.cells.loc[keep].reset_index(drop=True), rows=self.rows[keep])
