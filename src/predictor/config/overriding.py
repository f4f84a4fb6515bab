"""``--set a.b=c``: one value of the config, changed on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from predictor.config.messages import alternatives_at, keys_of, suggestion
from predictor.config.schema import Config
from predictor.config.yaml_text import Place, YamlText, parse_yaml
from predictor.errors import Problem

__all__ = ["override"]

ORIGIN = "--set"


def override(text: YamlText, overrides: Sequence[str]) -> list[Problem]:
    """Put each ``a.b=c`` into the config's data, and return those that cannot be applied.

    Parameters
    ----------
    text : YamlText
        The config; its data and places are changed.
    overrides : sequence of str
        Key path, ``=``, and a value in YAML; a name that the file does not declare is refused.
    """
    problems: list[Problem] = []
    for item in overrides:
        path, equals, written = item.partition("=")
        if not equals or not path:
            message = "an override is a key path, =, and a value"
            problems.append(
                Problem("CFG-44", message, "Write --set validation.outer.n_repeats=1", file=ORIGIN)
            )
            continue
        value = parse_yaml(written, ORIGIN)
        if value.problems:
            problems += [Problem(p.code, p.message, p.remedy, path, ORIGIN) for p in value.problems]
            continue
        refused = _put(text, path.split("."), value)
        problems += [refused] if refused else []
    return problems


def _put(text: YamlText, parts: list[str], value: YamlText) -> Problem | None:
    refused = _unknown(text.data, parts)
    if refused is not None:
        return refused
    here = text.data
    for part in parts[:-1]:
        here = here[int(part)] if isinstance(here, list) else here.setdefault(part, {})
    if isinstance(here, list):
        here[int(parts[-1])] = value.data
    else:
        here[parts[-1]] = value.data
    path = ".".join(parts)
    for known in [known for known in text.places if known == path or known.startswith(f"{path}.")]:
        del text.places[known]
    for inside, place in value.places.items():
        text.places[f"{path}.{inside}" if inside else path] = Place(None, place.text, place.quoted, ORIGIN)
    return None


def _unknown(data: Any, parts: list[str]) -> Problem | None:
    """Why a path cannot be set: a key the schema does not know, or a name the file does not declare."""
    here = data
    for position, part in enumerate(parts):
        above = alternatives_at(Config, parts[:position])
        known = _known(here, above, last=position == len(parts) - 1)
        if known is not None and part not in known:
            whole = f"Set `{'.'.join(parts[:position])}` as a whole"
            remedy = suggestion(part, known, what="keys") if known else whole
            return Problem("CFG-44", f'there is no "{part}" to set', remedy, ".".join(parts), ORIGIN)
        if isinstance(here, list):
            here = here[int(part)]
        elif isinstance(here, dict):
            here = here.get(part)
    return None


def _known(here: Any, above: list[Any], *, last: bool) -> list[str] | None:
    """Parts that may follow; None where every name may."""
    if isinstance(here, list):
        return [str(position) for position in range(len(here))]
    if here is not None and not isinstance(here, dict):
        return []
    if any(isinstance(item, type) and issubclass(item, BaseModel) for item in above):
        return keys_of(above)
    if not above:
        return []
    # A mapping by name: a new name can be given as a whole, but not one key of it.
    return None if last or Any in above else list(here or {})
