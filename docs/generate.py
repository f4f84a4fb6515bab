"""Write docs/reference/ from the code; with ``--check`` only say which pages are out of date."""

from __future__ import annotations

import ast
import csv
import inspect
import itertools
import json
import re
import sys
import textwrap
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import typer.main
from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from predictor.checks.finding import CHECKS
from predictor.cli import app
from predictor.code_pages import CODE_PAGES
from predictor.codes import CODES
from predictor.config.dictionary import Column, Table, Visits
from predictor.config.schema import Config, ModelType
from predictor.config.source import Source
from predictor.data.analytes import ANALYTES, Analyte
from predictor.data.instruments import INSTRUMENTS, Instrument
from predictor.data.scales import Clause, Rating
from predictor.models.catalog import FAMILIES, Family
from predictor.reports.content import PredictionReportV1

FOLDER = Path(__file__).parent / "reference"
ACCEPTANCE = Path(__file__).parent / "acceptance.csv"
SCHEMA = "prediction_report_v1.schema.json"
FAULTS = Path(__file__).parent / "faults.csv"
TESTS = Path(__file__).parents[1] / "tests"
NOTE = "<!-- Written by docs/generate.py from the code; do not edit. -->"
WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Any: "anything",
    type(None): "null",
    date: "day",
    datetime: "moment, UTC",
}
FAULT_FAMILIES = {
    "CFG": "Config",
    "DAT": "Data files",
    "UNI": "Units and time",
    "LEA": "Leakage and study design",
    "TRN": "Training",
    "ART": "Prediction models",
    "PRE": "Prediction",
    "RPT": "Report",
    "WEB": "Web service",
    "FHI": "FHIR",
    "CDS": "CDS Hooks",
    "SMA": "SMART",
    "OPS": "Supply and operations",
}
CODE_FAMILIES = {
    "CFG": ("Config and dictionary", "2"),
    "LEA": ("Leakage", "2, and 3 for LEA-08"),
    "CLI": ("Command line", "2"),
    "DAT": ("Data files", "3"),
    "UNI": ("Units", "3"),
    "SIZ": ("Sample size", "6"),
    "PRE": ("New patients", "3"),
    "ART": ("Prediction models", "4, 5 for ART-15 and ART-23, and 6 for ART-20 and ART-22"),
    "RUN": ("Run folders", "2, and 4 for RUN-03 to RUN-05"),
    "TRK": ("Tracking", "2 for an address; TRK-02 is a notice at the end of a run"),
    "TRN": ("Disk, memory, locks and clusters", "5; TRN-16 is a notice; 6 for TRN-18"),
    "AUD": ("Audit log", "5, and 4 for AUD-03"),
    "ACC": ("Accounts", "2, and 5 for ACC-02"),
    "WEB": ("Service", "2"),
    "FHI": ("Patients' FHIR resources", "3"),
    "ENV": ("The machine", "5"),
}


def pages() -> dict[str, str]:
    """Return every page of docs/reference/ by file name."""
    contents = {
        "config.md": config_page(),
        "dictionary.md": dictionary_page(),
        "errors.md": errors_page(),
        "checks.md": checks_page(),
        "instruments.md": instruments_page(),
        "analytes.md": analytes_page(),
        "models.md": models_page(),
        "commands.md": commands_page(),
        "faults.md": faults_page(),
        "patient_report.md": patient_report_page(),
    }
    schema = json.dumps(PredictionReportV1.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
    return contents | {"README.md": index_page(contents), SCHEMA: schema}


def index_page(contents: Mapping[str, str]) -> str:
    """List the pages by their titles."""
    titles = {name: text.split("\n", 1)[0].removeprefix("# ") for name, text in contents.items()}
    return _page("Reference", *[f"- [{title}]({name})" for name, title in titles.items()])


def config_page() -> str:
    """Describe every key of the config, section by section."""
    return _page(
        "The config: what is asked",
        "One YAML file per experiment. Keys not listed here are refused. Days are whole days relative to day 0, both "
        "ends included; `table.column` names a column of the [dictionary](dictionary.md).",
        *_sections([Config]),
    )


def dictionary_page() -> str:
    """Describe every key of the dictionary."""
    return _page(
        "The dictionary: what a site's columns mean",
        "One YAML file per site's export: a mapping of table names to tables. A column that is not declared cannot be "
        "used. `instrument` names one of the [instruments](instruments.md), `analyte` one of the "
        "[analytes](analytes.md).",
        *_sections([Table, Source, Column, Visits]),
    )


def errors_page() -> str:
    """Give every error code a section: its meaning, a line as it is printed, and what to do."""
    parts = [
        "Every problem is one line: `file:line: path: CODE what is wrong. What to write.` All problems of a stage come "
        "at once. The exit code says who can mend it; 1 is a defect of this package."
    ]
    for prefix, (title, exit_code) in CODE_FAMILIES.items():
        codes = [code for code in CODES if code.startswith(prefix)]
        rows = [(f"[`{code}`](#{code.lower()})", CODES[code]) for code in codes]
        parts += [f"## {title}\n\nExit code {exit_code}.", _table(("code", "meaning"), rows)]
        parts += map(_code_section, codes)
    leaks = [
        (f"[`{code}`](checks.md#{code.lower()})", f"{check.title}.")
        for code, check in CHECKS.items()
        if "error" in check.severities
    ]
    parts += ["## Suspected leaks\n\nExit code 6.", _table(("code", "meaning"), leaks)]
    return _page("Error codes", *parts)


def _code_section(code: str) -> str:
    if code not in CODE_PAGES:
        raise SystemExit(
            f"{code} has no page: add an example line and advice to src/predictor/code_pages.toml"
        )
    page = CODE_PAGES[code]
    return f"### {code}\n\n{CODES[code]}\n\n```text\n{page.example}\n```\n\n{_markdown(page.advice)}"


def checks_page() -> str:
    """Explain every coded check in a section of its own, which each finding names."""
    parts = [
        "A finding is one line: code, severity, what was measured, what to do. Those *before* the first fit are "
        "printed by `predictor check` and `predictor train`, those *after* it by `predictor train`; all are in the "
        "model report and in `checks.csv` of the run. A leak of severity *error* stops the training with exit code 6. "
        "Where it is right after all, `validation.acknowledged` of the [config](config.md#validation) gives the "
        "reason, which every report then prints."
    ]
    for code, check in CHECKS.items():
        severities = " or ".join(check.severities)
        head = f"**{check.title}.** Severity: {severities}; looked for {check.when} the first fit."
        parts.append(f"## {code}\n\n{head}\n\n{check.meaning}\n\nWhat to do: {check.remedy}.")
    return _page("Checks P001 to " + max(CHECKS), *parts)


def instruments_page() -> str:
    """List the rating scales."""
    rows = [_instrument_row(scale) for scale in INSTRUMENTS.values()]
    head = ("name", "scale", "total", "worse", "remission at most", "response", "LOINC", "source")
    subscales = [
        row for scale in INSTRUMENTS.values() if scale.rating for row in _score_rows(scale.name, scale.rating)
    ]
    items = [_rating_row(scale.name, scale.rating) for scale in INSTRUMENTS.values() if scale.rating]
    return _page(
        "Instruments: rating scales",
        "A total or an item outside its range is an error when a file is read, never clipped. Totals are read from the "
        "file, or computed there from its items: `item: 3` says which item a column is, `score: total` that it is to "
        "be computed, and where the file has both they must agree. Versions that count differently are scales of "
        "their own.",
        _table(head, rows),
        "## Items and scores\n\nUp to so many domains (items, or groups of which only the highest counts) may be "
        "missing. What the others make is rounded half up: their *mean* times the number of all; or, where items "
        "differ in range, by what is *attainable*, low + (sum − low of the answered) × span / span of the answered. A "
        "*convention* is ours, where the authors of a scale give no rule. `missing` counts unanswered items, "
        "`prorated` is 1 where the total was made so. The item about suicidal thoughts is never filled in: where it "
        "is missing `suicidality` is missing.",
        _table(("name", "items", "turned round", "may be missing", "scores", "degrees from"), items),
        "## Subscales and cut-offs\n\n",
        _table(("scale", "score", "made of", "degrees or cut-off"), subscales),
    )


def analytes_page() -> str:
    """List the laboratory analytes and measures of the body."""
    head = (
        "name",
        "analyte",
        "matrix",
        "unit",
        "other units",
        "g/mol",
        "bounds",
        "median of a group",
        "detection",
        "LOINC",
    )
    return _page(
        "Analytes: laboratory values and measures of the body",
        "Units are UCUM codes. Values are converted when a file is read: `file_unit` names the unit of the file, "
        "`unit_column` the column that holds it row by row; the extra `units` does it. Matrices and assays are never "
        "pooled. A value outside its bounds is an error where the column declares no `range`. A median outside its "
        "limits that another unit would explain (UNI-01), and sites or parts of the values that differ by a unit's "
        "factor (UNI-03), stop the training until the unit is mended or confirmed. All limits are conventions and say "
        "nothing about health; LOINC codes are from memory unless a site's own file has them.",
        _table(head, map(_analyte_row, ANALYTES.values())),
    )


def _analyte_row(analyte: Analyte) -> tuple[str, ...]:
    ends = [
        "" if pair is None else f"{pair[0]:g}" if pair[0] == pair[1] else f"{pair[0]:g} to {pair[1]:g}"
        for pair in (analyte.bounds, analyte.median, analyte.detection)
    ]
    return (
        f"`{analyte.name}`",
        analyte.full_name + (f" ({analyte.care})" if analyte.care else ""),
        analyte.matrix,
        f"`{analyte.unit}`",
        ", ".join(f"`{unit}`" for unit in analyte.units),
        "" if analyte.molar_mass is None else f"{analyte.molar_mass:g}",
        *ends,
        analyte.loinc,
    )


def models_page() -> str:
    """List the model types with what is searched by default and what may be set."""
    parts = [
        "What `type` of a [model](config.md#models) may name. `search` takes, for each parameter, a list of values, "
        "`{log_uniform: [LOW, HIGH]}`, `{uniform: [LOW, HIGH]}` or `{integers: [LOW, HIGH]}`; `params` fixes a value. "
        "The references (prevalence, severity, and with a plan also plan and severity + plan) are always fitted and "
        "never written down."
    ]
    for name in get_args(ModelType):
        parts += _family(FAMILIES[name])
    return _page("Model types", *parts)


def commands_page() -> str:
    """List the commands with their arguments and options."""
    parts = []
    for name, command in _commands(typer.main.get_command(app)):
        rows = [_parameter_row(one) for one in command.params]
        parts += [f"## predictor {name}\n\n{command.help}", _table(("", "default", "meaning"), rows)]
    return _page("Commands", *parts)


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each command with its name, those of a group with the group's name before theirs."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def faults_page() -> str:
    """List the faults and bad inputs with the tests that cover each."""
    rows, tests = fault_rows(), fault_tests()
    covered = sum(row in tests for row, *_ in rows)
    parts = [
        f"{covered} of {len(rows)} situations have a test of their own, named by its row (`test_art_01_…`). Silent "
        "acceptance is failure: each ends in an error with its code, a refusal in words, or the same result. A row "
        "without a test says which part of the software it waits for."
    ]
    for prefix, title in FAULT_FAMILIES.items():
        cells = [
            (f"`{row}`", situation, "<br>".join(tests.get(row, [])) or f"waits for: {waits_for}")
            for row, situation, waits_for in rows
            if row.startswith(prefix)
        ]
        parts += [f"## {title}", _table(("row", "situation", "tests"), cells)]
    return _page("Faults and bad inputs, and the test of each", *parts)


def patient_report_page() -> str:
    """Describe the content of a patient report, and the tests that accept its page."""
    with ACCEPTANCE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    tests = _named_tests(r"test_(r\d+)_")
    cells = [
        (one["row"], one["what"], "<br>".join(tests.get(one["row"], [])) or f"**{one['not_done']}**")
        for one in rows
    ]
    return _page(
        "The patient report: its content, and what accepts its page",
        f"`predictor report` writes the content as JSON and lays it out as HTML, and with `--pdf` as PDF. The "
        f"[schema]({SCHEMA}) is that of the JSON; parts that a kind of report does not have are left out. Counts are "
        "whole numbers of 100.",
        "## Acceptance",
        _table(("row", "what", "tests"), cells),
        *_sections([PredictionReportV1]),
    )


def fault_rows() -> list[tuple[str, str, str]]:
    """Return the catalogue of faults: row, situation, and the part of the software it waits for, if any."""
    with FAULTS.open(encoding="utf-8", newline="") as file:
        return [(one["row"], one["situation"], one["waits_for"]) for one in csv.DictReader(file)]


def fault_tests() -> dict[str, list[str]]:
    """Return the tests that are named by a row, as ``file::test`` in order."""
    tests = _named_tests(r"test_([a-z]{3}_\d\d)_")
    by_row = {name.replace("_", "-"): found for name, found in tests.items()}
    return {row: found for row, found in by_row.items() if row[:3] in FAULT_FAMILIES}


def _named_tests(pattern: str) -> dict[str, list[str]]:
    """Find tests whose name begins with a row's, by that row in capitals."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = re.match(pattern, node.name) if isinstance(node, ast.FunctionDef) else None
            if named and isinstance(node, ast.FunctionDef):
                test = f"{path.relative_to(TESTS.parent).as_posix()}::{node.name}"
                found.setdefault(named[1].upper(), []).append(test)
    return found


def _sections(roots: Sequence[type[BaseModel]]) -> Iterator[str]:
    """Yield a heading, a docstring and a table of keys for each section, in order of first mention."""
    waiting, done = list(roots), set()
    while waiting:
        section = waiting.pop(0)
        if section in done:
            continue
        done.add(section)
        meanings = _meanings(section)
        rows = [
            (
                f"`{field.alias or name}`",
                _type(field.annotation, field.metadata),
                _default(field),
                meanings.get(name, ""),
            )
            for name, field in section.model_fields.items()
        ]
        yield f"## {_title(section)}\n\n{_markdown(section.__doc__ or '')}"
        yield _table(("key", "type", "default", "meaning"), rows)
        children = [one for field in section.model_fields.values() for one in _models_in(field.annotation)]
        waiting = children + waiting


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for part in get_args(annotation) for one in _models_in(part)]


def _title(section: type[BaseModel]) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", section.__name__.removesuffix("Section"))
    return words.capitalize() + ("s" if section.__name__ == "ModelSection" else "")


def _meanings(section: type[BaseModel]) -> dict[str, str]:
    """Return the text below each key in the source: what it means where its name does not say it."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for key, below in itertools.pairwise(tree.body):
        match key, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = _markdown(text)
    return found


def _markdown(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _type(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """Say in words what a key takes."""
    limits = "".join(f", {text}" for text in map(_limit, metadata) if text)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(parts[0], parts[1:]) + limits
    if origin is Literal:
        return " or ".join(f"`{_yaml(value)}`" for value in parts) + limits
    if origin in (Union, types.UnionType):
        return " or ".join(_type(part) for part in parts if part is not type(None)) + limits
    if origin in (list, tuple):
        return f"list of {_type(parts[0])}{limits}"
    if origin is dict:
        return f"mapping of name to {_type(parts[1])}{limits}"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return f"[{_title(annotation).lower()}](#{_title(annotation).lower().replace(' ', '-')}){limits}"
    return WORDS[annotation] + limits


def _limit(constraint: Any) -> str:
    match constraint:
        case FieldInfo():
            return ", ".join(text for text in map(_limit, constraint.metadata) if text)
        case annotated_types.Ge(ge=low):
            return f"at least {low}"
        case annotated_types.Gt(gt=low):
            return f"above {low}"
        case annotated_types.Le(le=high):
            return f"at most {high}"
        case annotated_types.Lt(lt=high):
            return f"below {high}"
        case annotated_types.MinLen(min_length=1):
            return "not empty"
    pattern = getattr(constraint, "pattern", None)
    if pattern == r"^[^.\s]+\.[^.\s]+$":
        return "`table.column`"
    return f"matching `{pattern}`" if pattern else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or isinstance(value, (BaseModel, RootModel)):
        return "its defaults"
    return "none" if value is None else f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


def _instrument_row(scale: Instrument) -> tuple[str, ...]:
    response = scale.response_reduction
    return (
        f"`{scale.name}`",
        scale.full_name,
        f"{scale.low:g} to {scale.high:g}",
        "higher" if scale.direction == "higher_is_worse" else "lower",
        "" if scale.remission_at_most is None else f"{scale.remission_at_most:g}",
        "" if response is None else f"fall by {response:.0%}",
        scale.loinc,
        scale.source,
    )


def _rating_row(name: str, rating: Rating) -> tuple[str, ...]:
    ranges: dict[str, list[str]] = {}
    for item in rating.items.values():
        shown = ", ".join(f"{one:g}" for one in item.only) or f"{item.low:g} to {item.high:g}"
        ranges.setdefault(shown, []).append(item.key)
    items = [f"{', '.join(keys)}: {shown}" for shown, keys in ranges.items()]
    reverse = [item.key for item in rating.items.values() if item.reverse]
    return (
        f"`{name}`",
        "; ".join(items),
        ", ".join(reverse),
        _missing_rule(rating),
        ", ".join(f"`{score}`" for score in rating.scores()),
        ", ".join(f"{low:g} {degree}" for low, degree in rating.whole.bands),
    )


def _missing_rule(rating: Rating) -> str:
    parts = [rating.parts[part] for part in rating.total_of] or [rating.whole]
    most = max(part.most_missing for part in parts)
    if not most:
        return "0"
    where = " in each subscale" if rating.total_of else ""
    apart = ", several not all of one subscale" if rating.missing_across else ""
    return f"{most}{where}{apart}: {parts[0].spread} ({rating.spread_source})"


def _score_rows(name: str, rating: Rating) -> Iterator[tuple[str, ...]]:
    for label, part in [("total", rating.whole), *rating.parts.items()]:
        if label != "total":
            degrees = ", ".join(f"{low:g} {degree}" for low, degree in part.bands)
            yield f"`{name}`", f"`{label}`", f"items {', '.join(part.items)}", degrees
        for score, least in (part.cutoffs or {}).items():
            yield f"`{name}`", f"`{score}`", f"`{label}`", f"at least {least:g}"
    for score, clauses in (rating.criteria or {}).items():
        yield f"`{name}`", f"`{score}`", " and ".join(map(_clause_text, clauses)), "yes or no"


def _clause_text(clause: Clause) -> str:
    but = "".join(f" (item {key}: {least:g})" for key, least in clause.but.items())
    return f"{clause.count} of items {', '.join(clause.items)} at {clause.at_least:g} or more{but}"


def _family(family: Family) -> Iterator[str]:
    model = family.make(0)
    yield f"## {family.name}\n\n`{type(model).__name__}`, {family.n_candidates} candidates by default. " + (
        "Calibrated by one sigmoid on inner out-of-fold scores."
        if family.calibrate_by_default
        else "Not calibrated: it estimates probabilities by construction."
    )
    rows = [
        (f"`{name}`", f"`{value!r}`", f"`{_yaml(family.space[name])}`" if name in family.space else "")
        for name, value in sorted(model.get_params().items())
        if name not in family.fixed
    ]
    yield _table(("parameter", "value", "searched by default"), rows)
    if family.fixed:
        yield (
            "A guarantee rests on, and no config may change: "
            + ", ".join(f"`{name}`" for name in sorted(family.fixed))
            + "."
        )


def _parameter_row(parameter: Any) -> tuple[str, str, str]:
    shown = parameter.name.upper() if parameter.param_type_name == "argument" else ", ".join(parameter.opts)
    if parameter.required:
        return f"`{shown}`", "required", parameter.help or ""
    left_out = parameter.default is None or parameter.default is False
    return f"`{shown}`", "" if left_out else f"`{parameter.default}`", parameter.help or ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a Markdown table without the columns that are empty throughout."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    kept = [i for i in range(len(head)) if any(row[i] for row in cells)]
    lines = [[head[i] for i in kept], ["---"] * len(kept), *([row[i] for i in kept] for row in cells)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _page(title: str, *parts: str) -> str:
    separator = "\n" if all(part.startswith("- ") for part in parts) else "\n\n"
    return f"# {title}\n\n{NOTE}\n\n" + separator.join(parts) + "\n"


def main() -> int:
    """Write the pages, or with ``--check`` name those that differ; the number of them is the exit status."""
    written = pages()
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    changed = sorted(name for name in written.keys() | there.keys() if written.get(name) != there.get(name))
    if "--check" in sys.argv:
        print(*changed, sep="\n")
        return len(changed)
    for name in changed:
        if name in written:
            (FOLDER / name).write_text(written[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
