"""The locks: every pin hashed, no host named, both in agreement with each other and with pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ["requirements.lock", "requirements-dev.lock"]
PIN = re.compile(
    r"^(?P<name>[a-z0-9-]+)(\[[a-z0-9,-]+\])?==(?P<version>[^\s;]+)(?P<marker> ;[^\\\n]*)?", re.MULTILINE
)


def pins(lock: str) -> set[tuple[str, str, str]]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return {(m["name"], m["version"], (m["marker"] or "").strip()) for m in PIN.finditer(text)}


def names(requirements: list[str]) -> set[str]:
    return {
        re.split(r"[^A-Za-z0-9._-]", r)[0].lower().replace("_", "-").replace(".", "-") for r in requirements
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_names_no_host_and_no_option(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert not [line for line in text.splitlines() if line.startswith(("-", "/", "."))]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", text)
    assert len(blocks) == len(pins(lock)) > 100
    assert [b.split("\n")[0] for b in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}", b)] == []


def test_the_development_lock_holds_every_runtime_pin() -> None:
    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_every_declared_requirement_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = {
        key: [r for r in value if isinstance(r, str)] for key, value in project["dependency-groups"].items()
    }
    runtime = names(project["project"]["dependencies"]) | names(groups["build"])
    assert runtime <= {name for name, *_ in pins("requirements.lock")}
    assert names(groups["test"]) | names(groups["dev"]) <= {
        name for name, *_ in pins("requirements-dev.lock")
    }


@pytest.mark.parametrize(
    ("name", "floor"),
    [("mlflow", (3, 17, 2)), ("starlette", (1, 3, 1)), ("skops", (0, 16)), ("jinja2", (3, 1, 6))],
)
def test_versions_with_known_holes_are_below_the_pin(name: str, floor: tuple[int, ...]) -> None:
    found = [
        tuple(map(int, version.split("."))) for pin, version, _ in pins("requirements.lock") if pin == name
    ]
    assert len(found) == 1
    assert found[0] >= floor
