"""The page of `predictor describe` for everybody: axe-core, narrow windows, keyboard, no script, no error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from accessible_pages import SPACING, violations
from trained_clinics import command_line, write_clinic

pytestmark = pytest.mark.browser

PROJECT = Path(__file__).resolve().parents[2]
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Pages as the command writes them: a small clinic, and the SIMULATED cohort with twelve sites and many columns."""
    folder = tmp_path_factory.mktemp("described")
    small = write_clinic(folder / "small")
    made = folder / "made"
    command_line("simulate", "--patients", "120", "--seed", "3", "--out", made)
    wide = ("describe", PROJECT / "configs" / "ketamine_simulated.yaml", "--data-folder", made)
    for name, words in {"small": ("describe", small.config), "simulated": wide}.items():
        answer = command_line(*words, "--out", folder / f"{name}_page", cwd=folder / "small")
        assert answer.code == 0, answer.err
    return {
        name: (folder / f"{name}_page" / "data_quality.html").read_text(encoding="utf-8")
        for name in ("small", "simulated")
    }


@pytest.fixture
def opened(browser: Browser, pages: dict[str, str]) -> Iterator[Open]:
    """Show a page in a window of its own, offline; what its console says fails the test."""
    contexts, said = [], list[str]()

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            said.append(message.text)

    def show(name: str, *, width: int = 1280, **settings: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(f"asked for {request.url}"))
        page.set_content(pages[name])
        return page

    yield show
    for context in contexts:
        context.close()
    assert said == []


@pytest.mark.parametrize("name", ["small", "simulated"])
@pytest.mark.parametrize("width", [1280, 320])
def test_axe_finds_no_violation(opened: Open, axe: str, name: str, width: int) -> None:
    assert violations(opened(name, width=width), axe) == []


@pytest.mark.parametrize("name", ["small", "simulated"])
@pytest.mark.parametrize(("width", "spaced"), [(640, False), (320, False), (320, True), (1280, True)])
def test_nothing_makes_the_page_wider_than_the_window(
    opened: Open, name: str, width: int, *, spaced: bool
) -> None:
    page = opened(name, width=width)
    if spaced:
        page.add_style_tag(content=SPACING)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["small", "simulated"])
def test_every_table_that_scrolls_is_reached_by_the_keyboard(opened: Open, name: str) -> None:
    page = opened(name, width=320)
    scrolling = page.evaluate(
        "[...document.querySelectorAll('*')].filter(e => e.scrollWidth > e.clientWidth + 1 && "
        "['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e !== document.documentElement)"
        ".map(e => e.tabIndex)"
    )
    assert len(scrolling) >= 3
    assert set(scrolling) == {0}


def test_without_script_the_page_is_the_same_and_says_that_it_is_simulated(opened: Open) -> None:
    with_script, without = (
        opened("simulated", java_script_enabled=on).locator("body").inner_text() for on in (True, False)
    )
    assert with_script == without
    assert "SIMULATED DATA: not real patients" in without
    assert "6. Duplicates" in without


def test_a_console_that_complains_is_heard(browser: Browser, pages: dict[str, str]) -> None:
    heard = list[str]()
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.on("request", lambda request: heard.append(request.url))
    page.set_content(pages["small"].replace("<body", "<body><img src='http://192.0.2.1/x.png'><i", 1))
    context.close()
    assert heard == ["http://192.0.2.1/x.png"]
