"""Which software made something: versions of the packages that a prediction depends on, and the project's commit."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

__all__ = ["git_commit", "package_versions", "software_version"]

PACKAGES = ("scikit-learn", "numpy", "scipy", "pandas", "skops", "shap", "mlflow")


def software_version() -> str:
    """Return the installed version of this package."""
    return version("response-predictor")


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a prediction depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def git_commit(root: Path) -> str:
    """Return the commit of the project, empty where there is none.

    Parameters
    ----------
    root : Path
    """
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
