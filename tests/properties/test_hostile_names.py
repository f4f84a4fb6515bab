"""Whatever a label, level, site, set, outcome or owner is called, every page shows it and obeys nothing of it."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile import HOSTILE, Structure, hostile_clinic, with_texts
from predictor.config.yaml_text import read_yaml
from predictor.errors import visible
from predictor.reports.content_checklist import ChecklistPart, ChecklistRow, ChecklistV1
from predictor.reports.content_evaluation import (
    EvaluationReportV1,
    FigureRow,
    MixRow,
    StepRow,
    UpdateRow,
)
from predictor.reports.content_model import Interval
from predictor.reports.content_quality import (
    ColumnRow,
    CoverageRow,
    DataQualityV1,
    MissingRow,
    OutcomeRow,
    StepLine,
    TableRow,
    TimelineRow,
)
from predictor.reports.render import (
    render_checklist,
    render_data_quality,
    render_evaluation,
    render_model_report,
    render_patient_report,
)
from predictor.reports.view import View
from report_examples import (
    MADE,
    arms_report,
    estimate_report,
    group_report,
    model_report,
    refusal_report,
)
from trained_clinics import Clinic, command_line, train_quietly

LINKS = {"tripod_ai.html", "probast_ai.html", "model_card.json", "methods.txt"}
BENIGN = tuple(f"word {chr(97 + i)}" for i in range(len(HOSTILE)))


# Each page by itself


def checklist() -> ChecklistV1:
    rows = (ChecklistRow(cells=("1", "x"), gap="g"), ChecklistRow(cells=("2", "y"), strong=True))
    return ChecklistV1(
        title="t",
        run_id="r",
        simulated=True,
        draft=True,
        lead="l",
        summary="s",
        columns=("a", "b"),
        widths=(20, 80),
        parts=(ChecklistPart(title="p", rows=rows),),
        source="q",
    )


def evaluation() -> EvaluationReportV1:
    figure = FigureRow(name="AUC", figure=Interval(value=0.7, lo=0.6, hi=0.8), interval="DeLong")
    return EvaluationReportV1(
        title="t",
        experiment="e",
        created_utc=MADE,
        software_version="0.4",
        model_name="m",
        model_sha256="9c1f",
        config_sha256="9c1f",
        data_sha256="9c1f",
        outcome="o",
        simulated=True,
        n=100,
        events=50,
        level=0.95,
        advice="a",
        steps=(StepRow(step="all", units=100),),
        figures=(figure,),
        benefit=(figure,),
        mix=(MixRow(what="age", level="mean", unit="years", here=Interval(value=1.0, lo=2.0)),),
        updates=(UpdateRow(update="slope", parameters=2, chosen=True),),
        clusters=7,
        tested="t",
        notes=("n",),
    )


def quality() -> DataQualityV1:
    column = ColumnRow(
        table="t",
        column="c",
        label="l",
        kind="number",
        unit="u",
        known="baseline",
        n=9,
        missing=None,
        expected="0 to 9",
        observed="1 to 8",
        mean="",
        remark="r",
        levels="a, b",
        bars=(1, None, 7),
    )
    seen = {"values": 9, "units": 9, "baseline": 9, "recorded_later": None, "one_day": None}
    return DataQualityV1(
        experiment="e",
        created_utc=MADE,
        software_version="0.4",
        config_sha256="9c1f",
        data_sha256="9c1f",
        simulated=True,
        units=9,
        baseline_days=(-28, 0),
        windows=(("w", 21, 35),),
        tables=(TableRow(table="t", file="f", rows=9, patients=None, columns=2),),
        steps=(StepLine(step="s", patients=9, units=9, excluded=0, unknown=0),),
        outcomes=(OutcomeRow(outcome="o", kind="response", reason="r", n=9, events=4),),
        columns=(column,),
        site="s",
        sites=("a", "b"),
        missing=(MissingRow(feature="f", all=0.2, sites=(0.1, None)),),
        complete=("c", "d"),
        assessed=("w",),
        coverage=(CoverageRow(reference="r", assessed=(9,), **seen),),
        timeline=(TimelineRow(reference="r", first_day=-28, last_day=0, n=9),),
        duplicates=(("w", 1),),
        notices=("n",),
    )


PAGES: list[tuple[Callable[[], View], Callable[[Any], str]]] = [
    *((one, render_patient_report) for one in (estimate_report, group_report, arms_report, refusal_report)),
    (model_report, render_model_report),
    (checklist, render_checklist),
    (evaluation, render_evaluation),
    (quality, render_data_quality),
]


def page_with(number: int, texts: Iterator[str]) -> Structure:
    made, render = PAGES[number]
    view = made()
    content = with_texts(view.model_dump(mode="python"), texts)
    if "patient" in content:
        content["patient"]["pseudonym"] = content["patient"]["pseudonym"][:24]
    return Structure(render(type(view)(**content)))


@cache
def structure(number: int, length: int) -> list[tuple[str, tuple[str, ...]]]:
    """Elements of a page in which every text is a harmless word of that length."""
    return page_with(number, itertools.repeat("x" * length)).elements


def in_a_line(text: str) -> str:
    return " ".join(text.split())


PIECES = st.sampled_from(
    [*HOSTILE, "<", ">", '"', "'", "&", "{{", "}}", "{%", "--", "\x00", "\u202e", "\r\n"]
)
TEXTS = st.lists(PIECES | st.text(min_size=1, max_size=5), min_size=1, max_size=6).map("".join)


@pytest.mark.parametrize("number", range(len(PAGES)))
@given(text=TEXTS)
@settings(max_examples=40, deadline=None)
def test_no_text_makes_an_element_or_an_attribute(number: int, text: str) -> None:
    """The page is the page of harmless words of the same length, element by element and attribute by attribute."""
    if not text.strip():
        return
    page = page_with(number, itertools.repeat(text))
    assert page.elements == structure(number, len(text))
    assert page.comments == []
    assert "<" not in page.style
    assert in_a_line(visible(text, keep="\t\n\r")) in in_a_line(page.text)


@pytest.mark.parametrize("number", range(len(PAGES)))
def test_a_direction_mark_turns_no_figure_around(number: int) -> None:
    page = page_with(number, itertools.repeat("\u202e54\u202c \u2067x\u2069 \x85\x00"))
    assert r"\u202e54\u202c \u2067x\u2069 \u0085\u0000" in page.text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x85]", page.text + page.style)


# All of a clinic whose names are hostile


def all_pages(folder: Path, texts: tuple[str, ...]) -> dict[str, Path]:
    """Train, describe, evaluate and report, and return every page by its name."""
    clinic = hostile_clinic(folder, texts)
    run = train_quietly(clinic).folder
    write_new_patients(clinic)
    for arguments in (
        ("describe", "config.yaml", "--out", "quality"),
        ("evaluate", run, "config.yaml", "--out", "evaluation"),
        ("report", run, "new.csv", "--out", "reports"),
        ("predict", run, "new.csv", "--out", "answers.csv"),
    ):
        answer = command_line(*arguments, cwd=folder)
        assert answer.code == 0, answer.err
    made = [run, *(folder / name for name in ("quality", "evaluation", "reports"))]
    pages = {path.name: path for where in made for path in where.rglob("*.html")}
    assert len(pages) == 9, sorted(pages)
    return pages


def write_new_patients(clinic: Clinic) -> None:
    sex = read_yaml(clinic.folder / "dictionary.yaml", "d").data["patients"]["columns"]["sex"]["values"]
    row = {"patient": "=1+1", "age": 40, "smoker": 0, "madrs": 30, "crp": 1.0, "arm": "placebo"}
    pd.DataFrame([{**row, "sex": level} for level in sex.values()]).to_csv(
        clinic.folder / "new.csv", index=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("names")


@pytest.fixture(scope="module")
def pages(folder: Path) -> dict[str, Path]:
    return all_pages(folder / "hostile", HOSTILE)


@pytest.fixture(scope="module")
def harmless(folder: Path) -> dict[str, Path]:
    return all_pages(folder / "benign", BENIGN)


def test_rpt_01_every_page_of_a_clinic_with_hostile_names_is_that_of_a_clinic_with_plain_ones(
    pages: dict[str, Path], harmless: dict[str, Path]
) -> None:
    assert pages.keys() == harmless.keys()
    for name, path in pages.items():
        page, plain = (Structure(one.read_text(encoding="utf-8")) for one in (path, harmless[name]))
        assert set(page.elements) <= set(plain.elements), name
        assert page.comments == [], name


def test_rpt_01_the_names_are_shown_as_they_are_written(pages: dict[str, Path]) -> None:
    seen = {name: Structure(path.read_text(encoding="utf-8")).text for name, path in pages.items()}
    for text in HOSTILE:
        assert visible(text) in seen["model_report.html"], text
    counts = {name: sum(visible(text) in page for text in HOSTILE) for name, page in seen.items()}
    assert counts["data_quality.html"] >= 12
    assert counts["evaluation.html"] >= 8
    assert counts["patient_0001.html"] >= 8
    assert all("7*7" in page for name, page in seen.items() if name.startswith("patient"))


def test_rpt_01_no_page_leads_anywhere_or_loads_anything(pages: dict[str, Path]) -> None:
    for name, path in pages.items():
        html = path.read_text(encoding="utf-8")
        links = set(re.findall(r'\s(?:href|src|action|srcset)="([^"]*)"', html))
        assert links == (LINKS if name == "model_report.html" else set()), name
        style = Structure(html).style
        assert re.findall(r"url\(([^)]*)\)|@import", style) == ["#hatch"], name


def test_dat_24_no_table_of_that_clinic_holds_a_formula(pages: dict[str, Path]) -> None:
    project = pages["data_quality.html"].parents[1]
    tables = [path for path in project.rglob("*.csv") if path.name not in ("patients.csv", "new.csv")]
    assert len(tables) > 20
    for path in tables:
        for row in csv.reader(path.read_text(encoding="utf-8").splitlines()):
            starts = {cell[0] for cell in row if cell and not re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", cell)}
            assert not starts & set("=+@\t\r"), path.name
    assert not (project / "pwned").exists()


def test_the_model_of_that_clinic_says_what_its_makers_wrote(pages: dict[str, Path]) -> None:
    card = json.loads((pages["model_report.html"].parent / "model" / "card.json").read_text())
    assert {card["owner"], card["contact"], card["title"]} <= set(HOSTILE)
