"""The patient's page for everybody: WCAG 2.2 AA by axe-core, keyboard, zoom, text spacing, colours, script off.

axe-core finds only a part of what can be wrong. A pass by a person with keyboard and screen reader is NOT DONE.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from accessible_pages import SPACING, violations
from predictor.reports.content import PredictionReportV1
from predictor.reports.render import render_patient_report
from report_examples import OTHERS, arms_report, estimate_report, group_report, inputs, refusal_report

pytestmark = pytest.mark.browser

VIEWS = {
    "estimate": estimate_report(simulated=True, research_only=True),
    "annex": estimate_report(inputs=inputs(25)),
    "others": estimate_report(others=OTHERS),
    "group": group_report(others=OTHERS),
    "arms": arms_report(),
    "refusal": refusal_report(),
}
Open = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Show a report in a window of its own, offline."""
    contexts = []

    def show(view: PredictionReportV1, *, width: int = 1280, **settings: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_content(render_patient_report(view))
        return page

    yield show
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("width", [1280, 320])
def test_r2_axe_finds_no_violation(opened: Open, axe: str, name: str, width: int) -> None:
    assert violations(opened(VIEWS[name], width=width), axe) == []


def test_r2_axe_sees_a_bad_page(opened: Open, axe: str) -> None:
    page = opened(refusal_report())
    page.evaluate("document.querySelector('h1').style.color = '#ddd'; document.documentElement.lang = ''")
    found = " ".join(violations(page, axe))
    assert "color-contrast" in found
    assert "html-has-lang" in found


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize(("width", "spaced"), [(640, False), (320, False), (320, True), (1280, True)])
def test_nothing_is_lost_at_200_per_cent_at_320_pixels_and_with_wide_spacing(
    opened: Open, name: str, width: int, *, spaced: bool
) -> None:
    """1280 pixels at 200 per cent are 640; tables wider than the page move in a frame of their own."""
    page = opened(VIEWS[name], width=width)
    if spaced:
        page.add_style_tag(content=SPACING)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    hidden = page.evaluate(
        "[...document.querySelectorAll('main *:not(svg, svg *)')].filter("
        "e => getComputedStyle(e).overflowX === 'hidden' || getComputedStyle(e).overflowY === 'hidden').length"
    )
    assert hidden == 0


@pytest.mark.parametrize("name", VIEWS)
def test_every_table_that_scrolls_is_reached_by_the_keyboard(opened: Open, name: str) -> None:
    page = opened(VIEWS[name], width=320)
    scrolling = page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
    )
    assert scrolling >= 1
    reached = 0
    for _ in range(40):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "(() => { const e = document.activeElement; if (!e.matches('.scroll')) return null; "
            "const before = e.scrollLeft; return [e.scrollWidth > e.clientWidth, getComputedStyle(e).outlineStyle]})()"
        )
        if found is None:
            break
        if found[0]:
            assert found[1] != "none"
            reached += 1
    assert reached == scrolling


def test_without_script_the_page_is_the_same(opened: Open) -> None:
    with_script, without = (
        opened(estimate_report(), java_script_enabled=on).locator("main").inner_text() for on in (True, False)
    )
    assert with_script == without
    assert "Plausible range: 41 to 66 of 100" in without


def circles(page: Page) -> np.ndarray:
    """Mean grey of each of the hundred circles' inside, 0 black to 255 white, as a camera would see it."""
    boxes = [one.bounding_box() for one in page.locator("svg.figure circle").all()]
    shot = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("L")
    pixels = np.asarray(shot, dtype=float)
    found = []
    for box in boxes:
        assert box is not None
        x, y, r = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["width"] / 4
        found.append(pixels[int(y - r) : int(y + r), int(x - r) : int(x + r)].mean())
    return np.array(found)


@pytest.mark.parametrize("forced", ["none", "active"])
def test_r11_the_icon_array_is_read_without_colours(opened: Open, forced: str) -> None:
    """54 of 100, range 41 to 66: filled, filled in the range, empty in the range, empty, and each of its own grey."""
    page = opened(estimate_report(), forced_colors=forced)
    grey = circles(page)
    filled, hatched, open_, empty = grey[:41], grey[41:54], grey[54:66], grey[66:]
    assert filled.max() + 20 < hatched.min()
    assert hatched.max() + 20 < open_.min()
    assert open_.max() + 10 < empty.min()
    widths = page.evaluate(
        "[...document.querySelectorAll('svg.figure circle')].map(e => parseFloat(getComputedStyle(e).strokeWidth))"
    )
    assert min(widths[41:66]) > 2 * max(widths[:41] + widths[66:])


@pytest.mark.parametrize("forced", ["none", "active"])
def test_rpt_07_bars_say_their_direction_in_words_and_by_side(opened: Open, forced: str) -> None:
    page = opened(estimate_report(), forced_colors=forced)
    rows = page.locator("table:has(.total) tbody tr:not(.total)")
    assert rows.count() == 7
    for row in rows.all():
        zero = row.locator("svg line").first.bounding_box()
        bar = row.locator("svg rect").bounding_box()
        words = row.locator("td").last.inner_text()
        assert zero is not None
        assert bar is not None
        right = bar["x"] + bar["width"] / 2 > zero["x"]
        assert words.startswith("raises" if right else "lowers"), words


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_rpt_07_forced_colours_keep_the_words_readable(opened: Open, scheme: str) -> None:
    page = opened(estimate_report(), forced_colors="active", color_scheme=scheme)
    shot = np.asarray(Image.open(io.BytesIO(page.locator(".lead").screenshot())).convert("L"), dtype=float)
    assert shot.max() - shot.min() > 200
