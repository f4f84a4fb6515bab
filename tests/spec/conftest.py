"""A saved model's folder, for the tests that damage or sign one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from model_examples import example_model
from predictor.prediction_model import save_prediction_model


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As it was saved; whoever changes something takes `folder`."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_prediction_model(example_model(), folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of one's own."""
    return Path(shutil.copytree(saved, tmp_path / "model"))
