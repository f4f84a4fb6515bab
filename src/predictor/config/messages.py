"""What the schema refuses, said in the config's own words.

pydantic reports one error per branch of a union and names its own internals; here each mistake becomes one
`Problem` with the key path, what was expected, what came (as written), and what to write.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, RootModel, ValidationError

from predictor.config.yaml_text import Place
from predictor.errors import Problem

__all__ = ["Mistake", "alternatives_at", "keys_of", "mistakes_of", "nearest", "suggestion"]

NAMES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
LIMITS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}
A_NUMBER = {"above": "a number above", "at least": "a number of at least"}
A_NUMBER |= {"below": "a number below", "at most": "a number of at most"}
REFERENCE = "[^.\\s]+"


@dataclass(frozen=True)
class Mistake:
    """One schema mistake: where it is in the data, of what sort, and its message.

    Parameters
    ----------
    loc : tuple
        Keys and list positions that lead to the value; the last one is absent where ``kind`` is ``missing``.
    kind : {"missing", "unknown", "value"}
    problem : Problem
        Message and remedy; ``path`` is ``loc`` with dots.
    near : str
        For an unknown key: the key that was probably meant; else empty.
    """

    loc: tuple[str | int, ...]
    kind: Literal["missing", "unknown", "value"]
    problem: Problem
    near: str = ""


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Up to three known names that ``name`` may have meant, best first.

    Parameters
    ----------
    name : str
        As written.
    known : iterable of str
        What may be written.
    """
    folded: dict[str, str] = {}
    for item in known:
        folded.setdefault(item.lower(), item)
    wanted = name.lower()
    found = get_close_matches(wanted, list(folded), n=3, cutoff=0.6)
    likeness = [SequenceMatcher(None, item, wanted).ratio() for item in found]
    return [folded[item] for item, like in zip(found, likeness, strict=True) if like > likeness[0] - 0.1]


def suggestion(name: str, known: Iterable[str], *, what: str = "names") -> str:
    """``Did you mean …?``, or the list of what may be written.

    Parameters
    ----------
    name : str
        As written.
    known : iterable of str
        What may be written.
    what : str
        What the known names are, in the plural.
    """
    names = list(known)
    near = nearest(name, names)
    if near:
        meant = " or ".join(f'"{item}"' for item in near)
        return f"Did you mean {meant}? Write {'that' if len(near) == 1 else 'one of them'}"
    if not names:
        return f"There are no {what} to choose from; declare it first"
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"Known {what}: {listed}"


def mistakes_of(
    error: ValidationError, *, model: type[BaseModel], data: Any, places: dict[str, Place]
) -> list[Mistake]:
    """One mistake per key path, in the order of the schema.

    Parameters
    ----------
    error : pydantic.ValidationError
        What the schema says.
    model : type of BaseModel
        Schema of the whole file, for the names of the keys that exist.
    data : Any
        What was validated.
    places : dict
        How each value was written.
    """
    grouped: dict[tuple[str | int, ...], list[Any]] = {}
    for item in error.errors(include_url=False):
        loc = _loc_in(data, item["loc"], missing=item["type"] == "missing")
        if item["type"].startswith("union_tag"):
            loc = (*loc, "kind")
        grouped.setdefault(loc, []).append(item)
    return [_mistake(loc, items, model, data, places) for loc, items in grouped.items()]


def _loc_in(data: Any, loc: tuple[str | int, ...], *, missing: bool) -> tuple[str | int, ...]:
    """Keep the parts of ``loc`` that lead through the data; pydantic adds tags and type names in between."""
    kept: list[str | int] = []
    here = data
    for part in loc:
        inside = range(len(here)) if isinstance(here, list) else here if isinstance(here, dict) else ()
        if part in inside:
            here = here[part]
            kept.append(part)
    return (*kept, loc[-1]) if missing else tuple(kept)


def _value_at(data: Any, loc: tuple[str | int, ...]) -> Any:
    for part in loc:
        data = data.get(part) if isinstance(data, dict) else data[int(part)]
    return data


def _mistake(
    loc: tuple[str | int, ...], items: list[Any], model: type[BaseModel], data: Any, places: dict[str, Place]
) -> Mistake:
    path = ".".join(str(part) for part in loc)
    first = items[0]
    if first["type"] in ("missing", "union_tag_not_found"):
        remedy = f"Write `{loc[-1]}: …` here"
        return Mistake(loc, "missing", Problem("CFG-26", f'the key "{loc[-1]}" is missing', remedy, path))
    if first["type"] == "extra_forbidden":
        keys = keys_of(alternatives_at(model, loc[:-1]))
        near = nearest(str(loc[-1]), keys)
        problem = Problem(
            "CFG-01", f'unknown key "{loc[-1]}"', suggestion(str(loc[-1]), keys, what="keys here"), path
        )
        return Mistake(loc, "unknown", problem, near[0] if near else "")
    came = _described(_value_at(data, loc), places.get(path))
    return Mistake(loc, "value", _value_problem(path, items, came, _value_at(data, loc), places.get(path)))


def _described(value: Any, place: Place | None) -> str:
    written = place.text if place and place.text else str(value)
    if len(written) > 60:
        written = written[:60] + "…"
    if isinstance(value, bool):
        return written
    if isinstance(value, (int, float)):
        return f"the number {written}"
    if isinstance(value, str):
        return f'the text "{written}"'
    return "nothing" if value is None else "a mapping" if isinstance(value, dict) else "a list"


def _plain(limit: float) -> str:
    return f"{limit:.0f}" if float(limit).is_integer() else f"{limit:g}"


def _value_problem(path: str, items: list[Any], came: str, value: Any, place: Place | None) -> Problem:
    first, context = items[0], items[0].get("ctx", {})
    kind = first["type"]
    if kind in LIMITS:
        key, words = LIMITS[kind]
        code = "CFG-12" if path.endswith(("n_splits", "n_repeats")) else "CFG-28"
        return Problem(
            code,
            f"expected {words} {_plain(context[key])}, came {came}",
            f"Write {A_NUMBER[words]} {_plain(context[key])}",
            path,
        )
    if kind in ("literal_error", "union_tag_invalid"):
        return _choice_problem(
            path, str(context.get("expected") or context["expected_tags"]), came, value, place
        )
    if kind == "string_pattern_mismatch":
        return _form_problem(path, str(context["pattern"]), came)
    if kind in ("too_short", "too_long"):
        message = f"expected {first['msg'].split('should have ')[-1].split(' after')[0]}"
        return Problem("CFG-28", message, "Write them all, or leave the key out where it may be", path)
    expected = list(dict.fromkeys(NAMES.get(item["type"], "another value") for item in items))
    remedy = _type_remedy(expected, value, place)
    return Problem("CFG-07", f"expected {' or '.join(expected)}, came {came}", remedy, path)


def _choice_problem(path: str, expected: str, came: str, value: Any, place: Place | None) -> Problem:
    choices = re.findall(r"'([^']*)'", expected) or [expected]
    if re.fullmatch(r"models\.[^.]+\.type", path):
        message = f"{came} is no model type; models come from a closed catalog, never from an import path"
        return Problem("CFG-08", message, f"Write one of: {', '.join(choices)}", path)
    if not isinstance(value, str):
        quoting = " (YAML reads 1.10 without quotes as the number 1.1)" if isinstance(value, float) else ""
        return Problem(
            "CFG-07", f"expected {', '.join(choices)}, came {came}{quoting}", f"Write {choices[0]}", path
        )
    near = nearest(value, choices)
    remedy = f'Did you mean "{near[0]}"? Write that' if near else f"Write one of: {', '.join(choices)}"
    if choices == [expected] and place and place.quoted:
        return Problem(
            "CFG-07", f"expected the number {expected}, came {came}", "Write it without quotes", path
        )
    return Problem("CFG-27", f"expected {', '.join(choices)}, came {came}", remedy, path)


def _form_problem(path: str, pattern: str, came: str) -> Problem:
    if REFERENCE in pattern:
        message = f"expected table.column with one dot and no space, came {came}"
        return Problem(
            "CFG-29", message, "Write the table's name, a dot, and the column's name in the dictionary", path
        )
    message = f"expected letters, digits, - and _ (at most 64, the first no sign), came {came}"
    return Problem("CFG-29", message, "Write a short name without spaces", path)


def _type_remedy(expected: list[str], value: Any, place: Place | None) -> str:
    written = place.text if place else str(value)
    if value is None:
        return "Write a value, or leave the key out"
    if "text" in expected and isinstance(value, (bool, int, float)):
        read_as = "true or false" if isinstance(value, bool) else "a number"
        return f'Quote it: "{written}" (without quotes YAML 1.2 reads {read_as})'
    if "true or false" in expected and isinstance(value, str):
        return "Write true or false without quotes (YAML 1.2 reads yes, no, on and off as text)"
    if "a whole number" in expected and isinstance(value, float):
        return "Write it without a decimal point"
    if any("number" in item for item in expected) and isinstance(value, str):
        if place and place.quoted:
            return "Write the number without quotes"
        return "Write a plain number with a decimal point, for example 0.5"
    if "a list" in expected:
        return "Write [first, second]"
    return f"Write {' or '.join(expected)}" + (" (`key: value`)" if "a mapping" in expected else "")


def alternatives_at(model: Any, loc: Iterable[str | int]) -> list[Any]:
    """Types that the schema allows at a place.

    Parameters
    ----------
    model : type
        Schema of the whole file.
    loc : iterable of str or int
        Keys and positions that lead to the place.
    """
    current = list(_unwrapped(model))
    for part in loc:
        current = [found for item in current for found in _step(item, part)]
    return current


def _unwrapped(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _unwrapped(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for item in get_args(annotation):
            yield from _unwrapped(item)
    elif isinstance(annotation, type) and issubclass(annotation, RootModel):
        yield from _unwrapped(annotation.model_fields["root"].annotation)
    elif annotation is not type(None):
        yield annotation


def _step(annotation: Any, part: str | int) -> Iterator[Any]:
    origin = get_origin(annotation)
    if annotation is Any:
        yield Any
    elif origin is dict:
        yield from _unwrapped(get_args(annotation)[1])
    elif origin is list:
        yield from _unwrapped(get_args(annotation)[0])
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, declared in annotation.model_fields.items():
            if part == (declared.alias or name):
                yield from _unwrapped(declared.annotation)


def keys_of(alternatives: Iterable[Any]) -> list[str]:
    """Keys that the sections among ``alternatives`` know.

    Parameters
    ----------
    alternatives : iterable of type
        From `alternatives_at`.
    """
    sections = [item for item in alternatives if isinstance(item, type) and issubclass(item, BaseModel)]
    names = [field.alias or name for section in sections for name, field in section.model_fields.items()]
    return list(dict.fromkeys(names))
