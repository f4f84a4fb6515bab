from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import sklearn

import predictor
from predictor.provenance import git_commit, package_versions, software_version


def test_the_installed_version_is_the_one_in_the_source() -> None:
    assert software_version() == predictor.__version__


def test_versions_are_those_that_are_loaded() -> None:
    assert package_versions()["scikit-learn"] == sklearn.__version__


def test_commit_of_a_repository_and_of_a_plain_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit(tmp_path) == ""
    as_somebody = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run([*as_somebody, "commit", "-q", "--allow-empty", "-m", "x"], cwd=tmp_path, check=True)
    log = subprocess.run(
        ["git", "log", "--format=%H"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert git_commit(tmp_path) == log.stdout.strip()


def test_no_commit_where_git_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(tmp_path) == ""
