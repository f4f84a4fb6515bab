"""The CDISC pilot's analysis data sets become a baseline table whose numbers are the sample's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat

from predictor.config.dictionary import Dictionary
from predictor.config.loading import load_config
from predictor.data.conform import ConformedTable, read_tables
from predictor.study import Study, prepare_study

CONFIG = Path(__file__).parents[1] / "samples" / "cdisc" / "config.yaml"


def study(folder: Path, *overrides: str) -> Study:
    return prepare_study(load_config(CONFIG, overrides=overrides, data_folder=folder / "cdisc"))


def wide(folder: Path, columns: dict[str, str], **source: object) -> ConformedTable:
    """ADQSADAS as it is: one row per record."""
    declared = {
        "source": {"path": "adqsadas.xpt", **source},
        "key": "USUBJID",
        "known": {"date": "ADT"},
        "columns": {"ADT": {"type": "date"}} | {name: {"type": kind} for name, kind in columns.items()},
    }
    dictionary = Dictionary.model_validate({"scores": declared})
    return read_tables(dictionary, {"scores": folder / "cdisc" / "adqsadas.xpt"})["scores"]


def test_adas_totals_and_change_are_those_of_the_sample(format_samples: Path) -> None:
    found = study(format_samples)
    change = found.outcomes["change"]
    own = wide(
        format_samples,
        dict.fromkeys(["BASE", "CHG", "AVAL"], "number"),
        where={"EFFFL": "Y", "PARAMCD": "ACTOT", "AVISIT": "Week 24", "ANL01FL": "Y"},
    ).frame.set_index("USUBJID")
    patients = found.cohort.timeline.units["patient"]
    assert len(patients) == 234
    observed = change.why == "observed"
    assert observed.sum() == len(own) == 155
    own = own.loc[patients[observed]]
    assert np.array_equal(change.baseline[observed], own["BASE"])
    assert np.array_equal(change.follow_up[observed], own["AVAL"])
    assert np.array_equal(change.label[observed], -own["CHG"])  # ours counts a fall


def test_values_carried_forward_are_counted_and_left_out(format_samples: Path) -> None:
    notices = study(format_samples).tables["scores"].notices
    (derived,) = [notice for notice in notices if "derived" in notice]
    raw, _ = pyreadstat.read_xport(format_samples / "cdisc" / "adqsadas.xpt")
    carried = ((raw["DTYPE"] == "LOCF") & (raw["EFFFL"] == "Y") & (raw["ANL01FL"] == "Y")).sum()
    assert f": LOCF {carried}; they were left out" in derived


def test_values_carried_forward_are_kept_where_that_is_declared(format_samples: Path) -> None:
    where = {"EFFFL": "Y", "PARAMCD": "ACTOT", "AVISIT": "Week 24", "ANL01FL": "Y"}
    table = wide(format_samples, {"DTYPE": "category"}, where=where, derived="keep")
    assert len(table.frame) == 234  # every patient of the efficacy set
    assert table.frame["DTYPE"].eq("LOCF").sum() == 79
    assert any("LOCF 79; they were kept, as declared" in notice for notice in table.notices)


def test_the_baseline_flag_marks_the_baseline(format_samples: Path) -> None:
    flagged = wide(format_samples, {"AVAL": "number"}, where={"ABLFL": "Y", "PARAMCD": "ACTOT", "EFFFL": "Y"})
    found = study(format_samples)
    baseline = pd.Series(found.outcomes["change"].baseline, index=found.cohort.timeline.units["patient"])
    assert flagged.frame.set_index("USUBJID")["AVAL"].to_dict() == baseline.to_dict()


def test_dates_of_a_transport_file_become_dates(format_samples: Path) -> None:
    first = study(format_samples).tables["patients"].frame.set_index("USUBJID")["TRTSDT"]
    assert first["01-701-1015"] == pd.Timestamp("2014-01-02")
    assert first.notna().all()
