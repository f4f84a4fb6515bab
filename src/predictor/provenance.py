"""Which software made something: versions of the packages that a prediction depends on, and the project's commit."""

from __future__ import annotations

import hashlib
import platform
import re
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

__all__ = ["git_commit", "package_versions", "software_hash", "software_version"]

PACKAGES = ("scikit-learn", "numpy", "scipy", "pandas", "skops", "shap", "mlflow")
FURTHER = ("lightgbm", "pyarrow")  # what a result depends on, and a prediction does not


@cache  # the metadata are a file, which every report would read anew
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


def software_hash() -> str:
    """Hash all that a result depends on besides config and data: this package's source, Python, and what it needs.

    Returns
    -------
    str
        SHA-256. It changes with every version of a required package, and with every line of this one.
    """
    hasher = hashlib.sha256(f"python {platform.python_version()}".encode())
    for name in sorted({*PACKAGES, *FURTHER, *_requirements()}):
        with suppress(PackageNotFoundError):
            hasher.update(f"{name} {version(name)}".encode())
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        hasher.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return hasher.hexdigest()


def _requirements() -> set[str]:
    """Names of the packages that this one cannot do without."""
    listed = requires("response-predictor") or []
    needed = [one for one in listed if "extra ==" not in one]
    return {re.split(r"[^A-Za-z0-9_.-]", one, maxsplit=1)[0] for one in needed}
