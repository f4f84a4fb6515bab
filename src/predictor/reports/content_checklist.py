"""A checklist beside the model report as plain data: parts with rows, and how it stands."""

from __future__ import annotations

from predictor.reports.view import View

__all__ = ["ChecklistPart", "ChecklistRow", "ChecklistV1"]


class ChecklistRow(View):
    """One row; `strong` marks a judgement, `gap` what is missing."""

    cells: tuple[str, ...]
    gap: str = ""
    strong: bool = False


class ChecklistPart(View):
    """Rows under one heading."""

    title: str
    rows: tuple[ChecklistRow, ...]


class ChecklistV1(View):
    """One annex page."""

    title: str
    run_id: str
    simulated: bool
    draft: bool
    lead: str
    summary: str
    columns: tuple[str, ...]
    widths: tuple[int, ...]
    parts: tuple[ChecklistPart, ...]
    source: str
