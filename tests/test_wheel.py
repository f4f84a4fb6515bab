"""What is not Python is in the wheel as well, and is found where the wheel is unpacked."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCORE = """
import sys, pandas as pd, predictor
from predictor.data.instruments import INSTRUMENTS
from predictor.data.rating import rate_items
assert predictor.__file__.startswith(sys.argv[1]), predictor.__file__
scale = INSTRUMENTS["gad7"].rating
print(rate_items(scale, pd.DataFrame([[1] * 7], columns=list(scale.items)))["total"][0])
"""


def test_the_wheel_holds_every_file_of_the_package_and_scores_from_its_own_tables(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    source = ROOT / "src"
    files = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    wanted = [path for path in files if "__pycache__" not in path.parts]
    assert {path.suffix for path in wanted} >= {".py", ".toml", ".j2"}
    assert [str(path) for path in wanted if not (installed / path).is_file()] == []
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    answer = subprocess.run(
        [sys.executable, "-c", SCORE, str(installed)],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert answer.stdout.strip() == "7.0"
