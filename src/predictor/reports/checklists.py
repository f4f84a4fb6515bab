"""The two checklists as pages: TRIPOD+AI and PROBAST+AI, from their tables."""

from __future__ import annotations

import pandas as pd

from predictor.data.frames import rows_of
from predictor.reports.content_checklist import ChecklistPart, ChecklistRow, ChecklistV1
from predictor.reports.probast import unanswered
from predictor.reports.wording import capitalised, say

__all__ = ["probast_summary", "probast_view", "tripod_summary", "tripod_view"]


def tripod_summary(table: pd.DataFrame) -> str:
    """Count the sub-items by how they are answered.

    Parameters
    ----------
    table : DataFrame
        See `predictor.reports.tripod.tripod_frame`.
    """
    counts = table["status"].value_counts()
    return say(
        "tripod_summary",
        items=len(table),
        **{
            name.lower().replace(" ", "_"): int(counts.get(name, 0))
            for name in ("answered", "partly", "NOT PROVIDED", "not applicable")
        },
    )


def tripod_view(table: pd.DataFrame, *, run_id: str, simulated: bool, draft: bool) -> ChecklistV1:
    """Lay out TRIPOD+AI.

    Parameters
    ----------
    table : DataFrame
    run_id : str
    simulated, draft : bool
    """
    parts = tuple(
        ChecklistPart(
            title=str(part),
            rows=tuple(
                ChecklistRow(cells=(str(r.item), str(r.asks), str(r.where)), gap=str(r.missing))
                for r in rows_of(rows)
            ),
        )
        for part, rows in table.groupby("part", sort=False)
    )
    return ChecklistV1(
        title="TRIPOD+AI",
        run_id=run_id,
        simulated=simulated,
        draft=draft,
        lead=say("tripod_lead"),
        summary=tripod_summary(table),
        columns=("Item", "What it asks", "Where it is answered"),
        widths=(8, 38, 54),
        parts=parts,
        source=say("tripod_source"),
    )


def probast_summary(table: pd.DataFrame) -> str:
    """Say the judgement of both parts and of applicability, and what a person still has to answer.

    Parameters
    ----------
    table : DataFrame
        See `predictor.reports.probast.probast_frame`.
    """
    by_id = table.set_index("id")["answer"]
    text = say("probast_summary", development=by_id["D"], evaluation=by_id["E"], applies=by_id["A"])
    missing = unanswered(table)
    return f"{text} {say('probast_missing', keys=', '.join(missing))}" if missing else text


def probast_view(table: pd.DataFrame, *, run_id: str, simulated: bool, draft: bool) -> ChecklistV1:
    """Lay out PROBAST+AI.

    Parameters
    ----------
    table : DataFrame
    run_id : str
    simulated, draft : bool
    """
    parts = tuple(
        ChecklistPart(
            title=f"{capitalised(str(part))}: {domain}",
            rows=tuple(
                ChecklistRow(
                    cells=(str(r.id), str(r.asks), str(r.answer), str(r.evidence)),
                    strong="." not in str(r.id) and str(r.person) == "",
                )
                for r in rows_of(rows)
            ),
        )
        for (part, domain), rows in table.groupby(["part", "domain"], sort=False)
    )
    return ChecklistV1(
        title="PROBAST+AI self-assessment",
        run_id=run_id,
        simulated=simulated,
        draft=draft or bool(unanswered(table)),
        lead=say("probast_lead"),
        summary=probast_summary(table),
        columns=("No.", "Question", "Answer", "Evidence"),
        widths=(8, 32, 14, 46),
        parts=parts,
        source=say("probast_source"),
    )
