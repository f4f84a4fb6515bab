"""Strict YAML 1.2 with line numbers: what is ambiguous, hidden or boundless is refused.

Values are resolved here and not by the YAML library, so that the whole rule is one screen long: ``true`` and
``false``, decimal numbers and nothing are what they look like, everything else is text, and what two YAML versions read
differently must be quoted. Keys are always text, as written.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from predictor.durable import read_plain
from predictor.errors import Problem

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_NODES",
    "PLACEHOLDER",
    "Place",
    "YamlText",
    "parse_yaml",
    "read_yaml",
]

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_NODES = 20_000
PLACEHOLDER = "placeholder.placeholder"

INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
AMBIGUOUS = re.compile(
    r"[-+]?(0[0-9_][0-9_.]*|0[xob][0-9A-Fa-f_]+|[0-9][0-9_]*_[0-9_.]*|[0-9]+(:[0-9]+)+(\.[0-9]*)?|\.(inf|Inf|INF)|\.(nan|NaN|NAN))"
)
WORDS: dict[str, Any] = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
WORDS |= {"": None, "~": None, "null": None, "Null": None, "NULL": None}
LONGEST_NUMBER = 40
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Place:
    """Where a value stands, and how it was written.

    Parameters
    ----------
    line : int or None
        Line in the file, from 1; None for a value from the command line.
    text : str
        A scalar as written, without quotes; empty for mappings and lists.
    quoted : bool
        Whether the scalar stood in quotes.
    origin : str
        What to show in place of the file's name, e.g. ``--set``.
    """

    line: int | None
    text: str = ""
    quoted: bool = False
    origin: str = ""


@dataclass
class YamlText:
    """A YAML file as plain data, with the place of every value.

    Parameters
    ----------
    data : Any
        Nested dicts and lists; None where nothing could be read.
    places : dict
        Key path with dots (``models.elastic_net.type``, list items by number from 0) to its place.
    problems : list of Problem
        What the language refuses, with line and path.
    refused : set of str
        Key paths whose value was refused and left out: nothing more should be said about them.
    """

    data: Any = None
    places: dict[str, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)


class _UnreadableError(Exception):
    """Reading cannot go on; the problem is already recorded."""


REFUSED: Any = object()


@dataclass
class _Open:
    """A mapping or list that is being read."""

    container: dict[str, Any] | list[Any]
    path: str
    key: str | None = None
    key_line: int = 0
    repeated: bool = False


def read_yaml(path: Path, shown: str) -> YamlText:
    """Read one config or dictionary file strictly.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    shown : str
        Its name in messages, as the user wrote it.

    Returns
    -------
    YamlText
        ``data`` is None where the file as a whole is refused; it never raises for the file's content.
    """
    text, refusal = _text_of(path, shown)
    if text is None:
        return YamlText(problems=[refusal] if refusal else [])
    result = parse_yaml(text, shown)
    if not result.problems and not isinstance(result.data, dict):
        empty = result.data is None
        message = "the file is empty" if empty else "the file must be a mapping of keys at the top"
        came = (
            ""
            if empty
            else f", this one starts with {'a list' if isinstance(result.data, list) else 'a value'}"
        )
        remedy = "Start with a key, for example `version: 1`"
        result.problems.append(Problem("CFG-06", message + came, remedy, file=shown, line=1))
    if not isinstance(result.data, dict):
        result.data = None
    return result


def _text_of(path: Path, shown: str) -> tuple[str | None, Problem | None]:
    try:
        raw = read_plain(path, MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        remedy = "Check the path; it is relative to the folder you are in, the dictionary's to the config"
        return None, Problem("CFG-45", f"the file cannot be opened ({reason})", remedy, file=shown)
    if len(raw) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES:,} bytes"
        return None, Problem("CFG-06", message, "A config names files, it does not hold data", file=shown)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None, Problem("CFG-06", "the file is UTF-16, expected UTF-8", "Save it as UTF-8", file=shown)
    if b"\x00" in raw:
        message = f"the file is binary (a NUL byte at offset {raw.index(0)}), expected UTF-8 text"
        return None, Problem("CFG-06", message, "Name a YAML file", file=shown)
    try:
        return raw.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        message = f"the file is not UTF-8 (byte 0x{raw[error.start]:02x} at offset {error.start})"
        return None, Problem("CFG-06", message, "Save it as UTF-8", file=shown)


def parse_yaml(text: str, shown: str) -> YamlText:
    """Parse YAML text; every refusal is recorded with its line, and reading goes on where it can.

    Parameters
    ----------
    text : str
        The YAML.
    shown : str
        Name of its file in messages.
    """
    reader = _Reader(shown)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            reader.take(event)
    except _UnreadableError:
        reader.result.data = None
    except (YAMLError, ValueError, OverflowError) as error:
        reader.result.data = None
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or "a character that YAML does not allow"
        line = mark.line + 1 if mark is not None else None
        remedy = "Check indentation, colons, brackets and quotes on this line and the one above"
        reader.result.problems.append(
            Problem("CFG-30", f"not valid YAML: {said}", remedy, file=shown, line=line)
        )
    reader.result.problems = _aliases_once(reader.result.problems)
    return reader.result


def _aliases_once(problems: list[Problem]) -> list[Problem]:
    """One line for all anchors and aliases: 91 lines about one alias bomb would hide everything else."""
    aliases = [problem for problem in problems if problem.code == "CFG-04"]
    if len(aliases) < 2:
        return problems
    message = f"{aliases[0].message} ({len(aliases)} anchors and aliases in the file, the first here)"
    return [replace(p, message=message) if p is aliases[0] else p for p in problems if p not in aliases[1:]]


class _Reader:
    """Builds plain data from YAML events without recursion, so that no nesting can exhaust the stack."""

    def __init__(self, shown: str) -> None:
        self.result = YamlText()
        self._shown = shown
        self._open: list[_Open] = []
        self._nodes = 0
        self._documents = 0

    def take(self, event: Event) -> None:
        """Use one event of the parser."""
        if isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            self._open.pop()
        elif isinstance(event, DocumentStartEvent):
            self._start_document(event)
        elif isinstance(event, AliasEvent):
            self._refuse(event, "CFG-04", "aliases (*) are not allowed", "Write the value out")
            self._store(REFUSED, event)
        elif isinstance(event, (ScalarEvent, MappingStartEvent, SequenceStartEvent)):
            self._node(event)

    def _start_document(self, event: DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            self._stop(event, "CFG-06", "the file holds a second document (---)", "One file, one document")
        if event.version or event.tags:
            self._refuse(event, "CFG-03", "directives (%) are not allowed", "Delete the line")

    def _node(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._stop(
                event, "CFG-06", f"more than {MAX_NODES:,} values", "A config names files, it holds no data"
            )
        if event.anchor is not None:
            self._refuse(event, "CFG-04", "anchors (&) are not allowed", "Write the value where it is needed")
        tagged = getattr(event, "tag", None) is not None
        if tagged:
            self._refuse(
                event, "CFG-03", "tags (!) are not allowed; nothing was run", "Write the plain value"
            )
        if isinstance(event, ScalarEvent):
            if unseen := UNSEEN.search(event.value):
                message = f"not valid YAML: a character that nobody sees (U+{ord(unseen[0]):04X})"
                self._stop(event, "CFG-30", message, "Delete it")
            self._scalar(event, tagged=tagged)
            return
        if len(self._open) >= MAX_DEPTH:
            self._stop(event, "CFG-05", f"nested deeper than {MAX_DEPTH} levels", "Flatten it")
        container: dict[str, Any] | list[Any] = {} if isinstance(event, MappingStartEvent) else []
        path = self._here()
        self._store(REFUSED if tagged else container, event)
        self._open.append(_Open(container, path))

    def _scalar(self, event: ScalarEvent, *, tagged: bool) -> None:
        inside = self._open[-1] if self._open else None
        if inside is not None and isinstance(inside.container, dict) and inside.key is None:
            self._key(inside, event)
            return
        quoted = event.style is not None and event.style != ""
        value = event.value if quoted else _resolve(event.value)
        if value is REFUSED and not tagged:
            message = f"{event.value} without quotes is read differently by different YAML versions"
            self._refuse(
                event, "CFG-07", message, f'Quote it: "{event.value}", or write a plain decimal number'
            )
        self._store(REFUSED if tagged else value, event, text=event.value, quoted=quoted)

    def _key(self, inside: _Open, event: ScalarEvent) -> None:
        line = event.start_mark.line + 1
        path = _join(inside.path, event.value)
        inside.key, inside.key_line, inside.repeated = event.value, line, False
        if event.value in inside.container:
            first = self.result.places[path].line
            message = f'the key "{event.value}" is written twice, on lines {first} and {line}'
            problem = Problem("CFG-02", message, "Keep one of the two", path, self._shown, line)
            self.result.problems.append(problem)
            inside.repeated = True

    def _here(self) -> str:
        if not self._open:
            return ""
        inside = self._open[-1]
        if isinstance(inside.container, list):
            return _join(inside.path, str(len(inside.container)))
        repeated = f"{inside.key} (again)" if inside.repeated else str(inside.key)
        return _join(inside.path, repeated)

    def _store(self, value: Any, event: Event, *, text: str = "", quoted: bool = False) -> None:
        path = self._here()
        if value is REFUSED:
            self.result.refused.add(path)
        if not self._open:
            self.result.data = None if value is REFUSED else value
            self.result.places[""] = Place(event.start_mark.line + 1, text, quoted)
            return
        inside = self._open[-1]
        if isinstance(inside.container, list):
            self.result.places[path] = Place(event.start_mark.line + 1, text, quoted)
            inside.container.append(PLACEHOLDER if value is REFUSED else value)
            return
        if inside.key is None:
            self._stop(event, "CFG-07", "a key must be plain text", "Write `key: value`")
        self.result.places[path] = Place(inside.key_line, text, quoted)
        if not inside.repeated and value is not REFUSED:
            inside.container[str(inside.key)] = value
        inside.key = None

    def _refuse(self, event: Event, code: str, message: str, remedy: str) -> None:
        line = event.start_mark.line + 1
        self.result.problems.append(Problem(code, message, remedy, self._here_or_above(), self._shown, line))

    def _here_or_above(self) -> str:
        inside = self._open[-1] if self._open else None
        if inside is not None and isinstance(inside.container, dict) and inside.key is None:
            return inside.path
        return self._here()

    def _stop(self, event: Event, code: str, message: str, remedy: str) -> None:
        line = event.start_mark.line + 1
        self.result.problems.append(Problem(code, message, remedy, file=self._shown, line=line))
        raise _UnreadableError


def _join(path: str, part: str) -> str:
    return f"{path}.{part}" if path else part


def _resolve(text: str) -> Any:
    """Value of an unquoted scalar; ``REFUSED`` where YAML versions disagree or a number is not finite."""
    if text in WORDS:
        return WORDS[text]
    if AMBIGUOUS.fullmatch(text):
        return REFUSED
    if not FLOAT.fullmatch(text):
        return text
    if len(text) > LONGEST_NUMBER:
        return REFUSED
    if INTEGER.fullmatch(text):
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else REFUSED
