"""Pages for everybody: axe-core on a page, and the text spacing of WCAG 1.4.12."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from playwright.sync_api import Page

from machine import lacking

AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
"""Of axe.min.js in axe-core 4.14.1 (MPL-2.0), which .ci/run fetches and this repository does not hold."""

SPACING = (
    "* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important } "
    "p { margin-bottom: 2em !important }"
)


def axe_core() -> str:
    """Give the source of axe-core, whose file the variable AXE_CORE names; on CI it has to be there."""
    named = os.environ.get("AXE_CORE", "")
    if not named:
        lacking("AXE_CORE names no axe.min.js. `npm install --prefix FOLDER axe-core@4.14.1` fetches it.")
    source = Path(named).read_bytes()
    assert hashlib.sha256(source).hexdigest() == AXE_SHA256, "another axe-core than the pinned one"
    return source.decode("utf-8")


def violations(page: Page, axe: str) -> list[str]:
    """Say what axe-core finds wrong on a page, element by element."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert len(found["passes"]) >= 15, "the page was not examined"
    return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]
