"""Names that somebody gives to do harm, and a clinic in which everything that can be named carries one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from clinic import Clinic, build_clinic
from predictor.config.schema import HumanStatements
from predictor.config.yaml_text import read_yaml
from predictor.config.yaml_writer import write_yaml

HOSTILE = (
    "<script>document.title='pwned'</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{7*7}}",
    "{% raw %}",
    "</style><script>alert(1)</script>",
    "</title></desc></svg><b>",
    '=HYPERLINK("http://192.0.2.1","x")',
    "http://192.0.2.1/a.png",
    "@import url(//192.0.2.1)",
    "<!-- ]]>",
    "{age} %s %(n)d {0}",
    "$(touch pwned)`touch pwned`",
    "&lt;b&gt; &#x3c;",
    "\u202e45 fo 001\u202c",
    "\u0627\u0644\u0639\u0645\u0631",
    "x" * 300,
)
"""Markup, templates, formulas, formats, addresses, shells, and what is only long or written from the right."""

CLOSED = {"file", "kind", "verdict", "status", "role", "better", "schema_name", "severity", "created_utc"}
"""Fields of a report's content that take a word of a list and no other."""


def with_texts(content: Any, texts: Iterator[str]) -> Any:
    """Put one text after the other into every field of a report's content that takes any.

    Parameters
    ----------
    content : dict, sequence or value
        As ``model_dump`` gives it.
    texts : iterator of str
    """
    if isinstance(content, dict):
        fixed = (
            CLOSED
            | ({"label"} if "base_rate_per100" in content else set())
            | ({"id"} if "meaning" in content else set())
        )
        return {key: value if key in fixed else with_texts(value, texts) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return tuple(with_texts(value, texts) for value in content)
    return next(texts) if isinstance(content, str) and content else content


class Structure(HTMLParser):
    """Elements with the names of their attributes in their order, and the text, of a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.comments: list[str] = []
        self.text = self.style = ""
        self._in_style = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.style += data
        else:
            self.text += data


def hostile_clinic(folder: Path, texts: tuple[str, ...] = HOSTILE) -> Clinic:
    """Write a clinic of 120 patients whose labels, levels, sites, sets, outcome and owner are such texts.

    Parameters
    ----------
    folder : Path
    texts : tuple of str
        Taken in turns.
    """
    changes = {"validation.outer": {"n_splits": 2, "n_repeats": 1}, "validation.inner": {"n_splits": 2}}
    clinic = build_clinic(folder, layout="wide", n=120, sites=2, treatment="arms", lost=0.0, changes=changes)
    turns = itertools.cycle(texts)
    _name_dictionary(clinic, turns)
    _name_config(clinic, turns)
    return clinic


def _name_dictionary(clinic: Clinic, turns: Iterator[str]) -> None:
    path = clinic.folder / "dictionary.yaml"
    dictionary: dict[str, Any] = read_yaml(path, "dictionary.yaml").data
    table, columns = dictionary["patients"], dictionary["patients"]["columns"]
    table["title"] = next(turns)
    for column in columns.values():
        column["label"] = next(turns)
    columns["sex"]["values"] = {"F": next(turns), "M": next(turns)}
    path.write_text(write_yaml(dictionary), encoding="utf-8")
    frame = clinic.table("patients")
    sites = dict(zip(sorted(set(frame["site"])), turns, strict=False))
    clinic.write_table("patients", frame.assign(site=frame["site"].map(sites)))


def _name_config(clinic: Clinic, turns: Iterator[str]) -> None:
    config: dict[str, Any] = read_yaml(clinic.config, "config.yaml").data
    config["experiment"]["question"] = next(turns)
    config["cohort"]["eligibility"][0]["name"] = next(turns)
    config["outcomes"] = {next(turns): config["outcomes"]["response"]}
    config["primary"] = next(iter(config["outcomes"]))
    config["features"]["sets"] = {next(turns): list(config["features"]["groups"])}
    model = config["models"].pop("net")
    config["models"] = {next(turns): {**model, "features": list(config["features"]["sets"])}}
    names = list(HumanStatements.model_fields)
    config["report"] = {
        **{name: next(turns) for name in ("title", "owner", "contact", "not_covered", "reason")},
        "release": "research",
        "statements": dict(zip(names, turns, strict=False)),
        "subgroups": ["patients.sex", "patients.site"],
    }
    clinic.config.write_text(write_yaml(config), encoding="utf-8")
