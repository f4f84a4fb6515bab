from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

import predictor
from predictor.api import model_folder, predict, read_new_patients, report, simulate, write_table
from predictor.errors import ConfigError, DataError, ResourceError
from trained_clinics import clinic_of, new_patients, trained


def test_the_public_names_are_those_of_the_readme() -> None:
    for name in predictor.__all__:
        assert callable(getattr(predictor, name))
        assert name in dir(predictor)
    with pytest.raises(AttributeError, match="no attribute 'predictt'"):
        _ = predictor.predictt


def test_a_model_may_be_given_as_path_run_or_object(tmp_path: Path) -> None:
    training = trained()
    path = tmp_path / "patients.csv"
    new_patients().to_csv(path, index=False)
    expected = training.model.predict(new_patients())
    for model in (training.folder, training.folder / "model", training.model.model):
        pd.testing.assert_frame_equal(predict(model, path), expected)
    pd.testing.assert_frame_equal(predict(training.model.model, new_patients()), expected)


def test_a_run_is_found_by_the_beginning_or_the_end_of_its_id() -> None:
    folder = trained().folder
    runs = folder.parent
    assert model_folder(folder.name[:20], runs_folder=runs) == folder / "model"
    assert model_folder(folder.name[-6:], runs_folder=runs) == folder / "model"
    with pytest.raises(ConfigError, match="RUN-01"):
        model_folder("20990101", runs_folder=runs)


def test_reports_are_named_by_row_and_the_same_twice(tmp_path: Path) -> None:
    now = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
    first = report(trained().model.model, new_patients(3), tmp_path / "a", rows=[3, 1], now=now)
    again = report(trained().model.model, new_patients(3), tmp_path / "b", rows=[3, 1], now=now)
    assert [path.name for path in first] == ["patient_0003.html", "patient_0001.html"]
    for one, two in zip(first, again, strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_no_patient_no_report(tmp_path: Path) -> None:
    assert report(trained().model.model, new_patients(0), tmp_path / "out") == []


def test_simulate_needs_somebody_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CLI-03 the number of patients must be at least 1"):
        simulate(tmp_path / "out", patients=0, seed=1)
    assert not (tmp_path / "out").exists()
    assert simulate(tmp_path / "out", patients=5, seed=1) == tmp_path / "out"
    with pytest.raises(ConfigError, match="CFG-10"):
        simulate(tmp_path / "out", patients=5, seed=1)


def test_a_table_is_checked_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    new_patients(2).drop(columns="age").to_csv(path, index=False)
    with pytest.raises(DataError, match="PRE-01 the model needs the column age"):
        read_new_patients(trained().model.model, path, as_of=None)
    with pytest.raises(DataError):
        read_new_patients(trained().model.model, clinic_of(trained()).folder, as_of=None)


def test_a_table_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"TRN-05 this cannot be written \(No such file or directory\)"):
        write_table(new_patients(1), tmp_path / "no" / "table.csv")


def test_a_full_disk_is_said_as_one() -> None:
    with pytest.raises(ResourceError, match=r"TRN-04 this cannot be written \(No space left on device\)"):
        write_table(new_patients(1), Path("/dev/full"))
