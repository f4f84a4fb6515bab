"""The reference pages are what the code says now, and every link in the documentation leads somewhere."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from predictor.code_pages import CODE_PAGES
from predictor.codes import CODES
from predictor.errors import Problem

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "data" / "README.md"])


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    pages = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()
    assert isinstance(pages, dict)
    return pages


def test_reference_is_up_to_date(generated: dict[str, str]) -> None:
    committed = {
        path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").iterdir()
    }
    assert sorted(committed) == sorted(generated)
    old = [name for name, text in generated.items() if committed[name] != text]
    assert old == [], "run: python docs/generate.py"


@pytest.mark.parametrize(
    ("page", "row"),
    [
        ("config.md", "| `seed` | whole number, at least 0, below 4294967296 | `0` |"),
        ("config.md", "| `reduction` | number, above 0, at most 1 | `0.5` |"),
        ("config.md", "`randomised` or `cluster_randomised` or `observational`"),
        ("dictionary.md", "| `layout` | `wide` or `long` | `wide` |"),
        ("errors.md", "| [`CFG-01`](#cfg-01) | A key is unknown. |"),
        ("instruments.md", "| `madrs` | Montgomery-Åsberg Depression Rating Scale | 0 to 60 | higher | 10 |"),
        ("analytes.md", "| `il6` | Interleukin 6 ("),
        ("commands.md", "## predictor train"),
        ("commands.md", "| `--patients` | `800` |"),
        ("models.md", "`validation_fraction`"),
    ],
)
def test_a_page_says_what_the_code_says(generated: dict[str, str], page: str, row: str) -> None:
    assert row in generated[page]


def test_every_fault_has_a_test_or_a_reason_and_every_such_test_a_fault() -> None:
    functions = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    rows, tests = functions["fault_rows"](), functions["fault_tests"]()
    assert len({row for row, *_ in rows}) == len(rows) == 158
    assert [row for row, _, waits_for in rows if row not in tests and not waits_for] == []
    # A code may have a test of its own without being a situation of the catalogue, as CFG-46 has.
    assert tests.keys() <= {row for row, *_ in rows} | set(CODES)


def test_every_error_code_stands_on_the_page_and_in_a_test(generated: dict[str, str]) -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    page = generated["errors.md"]
    for pattern in (r"^\| \[`([A-Z]{3}-\d\d)`\]\(#", r"^### (\S+)$"):  # the lists, and the section of each
        assert sorted(re.findall(pattern, page, re.MULTILINE)) == sorted(CODES)
    for code, meaning in CODES.items():
        section = page.partition(f"\n### {code}\n")[2].partition("\n#")[0]
        assert section.count(meaning) == 1
        assert f"\n```text\n{CODE_PAGES[code].example}\n```\n" in section
        assert Problem(code, "").page == f"docs/reference/errors.md#{code.lower()}"
    assert [code for code in CODES if code not in tests] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", text):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{target}#{anchor}"
