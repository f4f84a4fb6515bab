"""Validating on past the first mistake, so that ten different mistakes in a config give ten problems.

Each round asks the schema, keeps its new mistakes, takes the offending values out (or renames a misspelt key),
and asks again until the schema is content with the rest. What was taken out is remembered, so that nothing that
merely follows from it is reported.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from predictor.config.messages import Mistake, mistakes_of
from predictor.config.yaml_text import PLACEHOLDER, Place, YamlText
from predictor.errors import Problem

__all__ = ["Mended", "mend"]

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[str | int, ...]

MOST_ROUNDS = 12
GIVE_A_NAME = ("name", "instrument", "analyte", "measure", "item", "score", "assay")
# Stand-ins for required keys that are missing, chosen so that no check between sections stumbles over them.
STAND_INS: dict[str, Any] = {
    "version": 1,
    "experiment": {"name": "placeholder", "question": "-"},
    "name": "placeholder",
    "question": "-",
    "data": {"dictionary": "-"},
    "dictionary": "-",
    "cohort": {"index": {"visits": True}},
    "index": {"visits": True},
    "first_day": 1,
    "last_day": 10**6,
    "assessed": {"first_day": 1, "last_day": 10**6},
    "at_most": 0.0,
    "in": ["placeholder"],
    "measure": PLACEHOLDER,
    "column": PLACEHOLDER,
    "by": PLACEHOLDER,
    "outcomes": {"placeholder": {"kind": "event", "column": PLACEHOLDER, "in": ["placeholder"]}},
    "primary": PLACEHOLDER,
    "features": {"groups": {}, "sets": {}},
    "groups": {},
    "sets": {},
    "models": {"placeholder": {"type": "elastic_net", "features": [PLACEHOLDER]}},
    "type": "elastic_net",
    "source": {"path": PLACEHOLDER},
    "path": PLACEHOLDER,
    "key": PLACEHOLDER,
    "columns": {},
    "days": {},
    "date": PLACEHOLDER,
}


@dataclass
class Mended(Generic[Model]):
    """What is left of a file after its mistakes were taken out.

    Parameters
    ----------
    value : Model or None
        The validated rest; None where nothing was left.
    problems : list of Problem
        The mistakes, with key paths.
    touched : set of str
        Key paths that were taken out or filled in.
    lost : set of str
        Names whose declaration was taken out.
    """

    value: Model | None = None
    problems: list[Problem] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)

    def follows(self, path: str) -> bool:
        """Whether a problem at ``path`` merely follows from what was taken out at, above, or just below it.

        Parameters
        ----------
        path : str
            Key path.
        """
        return any(
            path == other or path.startswith(f"{other}.") or other.rpartition(".")[0] == path
            for other in self.touched
        )


def mend(model: type[Model], text: YamlText) -> Mended[Model]:
    """Validate, take out what is wrong, and validate again until the rest stands.

    Parameters
    ----------
    model : type of BaseModel
        Schema of the whole file.
    text : YamlText
        The file; a misspelt key is renamed in its ``places``.
    """
    result: Mended[Model] = Mended(touched=set(text.refused))
    result.lost |= {path.rpartition(".")[2] for path in text.refused}
    data = copy.deepcopy(text.data)
    for _ in range(MOST_ROUNDS):
        try:
            result.value = model.model_validate(data)
        except ValidationError as error:
            found = mistakes_of(error, model=model, data=data, places=text.places)
            _take_out(data, found, result, text.places)
        else:
            break
    return result


def _take_out(data: Any, found: list[Mistake], result: Mended[Any], places: dict[str, Place]) -> None:
    renamed = {_path(loc) for mistake in found if (loc := _meant(data, mistake))}
    before = Mended[Any](touched=set(result.touched))
    for mistake in found:
        path = mistake.problem.path
        if mistake.kind == "missing" and path in renamed:
            continue
        if not before.follows(path) and not (mistake.kind == "missing" and path in before.touched):
            result.problems.append(mistake.problem)
        if _at(data, mistake.loc[:-1]) is None:
            continue  # what it stood in was itself taken out in this round
        meant = _meant(data, mistake)
        if meant is not None:
            _rename(data, mistake.loc, meant, places)
        elif mistake.kind == "missing":
            _fill(data, mistake.loc, result)
        else:
            _drop(data, mistake.loc, result)


def _meant(data: Any, mistake: Mistake) -> Loc | None:
    """Where a misspelt key belongs, when the right one is not there as well."""
    if not mistake.near or mistake.near in (_at(data, mistake.loc[:-1]) or ()):
        return None
    return (*mistake.loc[:-1], mistake.near)


def _rename(data: Any, loc: Loc, meant: Loc, places: dict[str, Place]) -> None:
    parent = _at(data, loc[:-1])
    parent[meant[-1]] = parent.pop(loc[-1])
    old, new = _path(loc), _path(meant)
    for path in [path for path in places if path == old or path.startswith(f"{old}.")]:
        places[new + path[len(old) :]] = places[path]


def _fill(data: Any, loc: Loc, result: Mended[Any]) -> None:
    name = str(loc[-1])
    parent = _at(data, loc[:-1])
    stands_in = name in STAND_INS and not (name == "features" and loc[0] == "models")
    if name == "features" and len(loc) == 3 and loc[0] == "models":
        parent[name] = [PLACEHOLDER]
    elif stands_in and isinstance(parent, dict):
        parent[name] = copy.deepcopy(STAND_INS[name])
    else:
        _drop(data, loc[:-1], result)
    result.touched.add(_path(loc))
    _lose(loc, result)


def _drop(data: Any, loc: Loc, result: Mended[Any]) -> None:
    if not loc:
        return
    parent, last = _at(data, loc[:-1]), loc[-1]
    result.touched.add(_path(loc))
    _lose(loc, result)
    if isinstance(parent, dict) and last == "known":
        parent[last] = "baseline"  # so that no column seems to lack it
    elif isinstance(parent, dict):
        parent.pop(last, None)
    elif isinstance(parent, list) and parent[int(last)] != PLACEHOLDER:
        # A list keeps its length, or the positions in later messages would be wrong.
        parent[int(last)] = PLACEHOLDER
    else:
        _drop(data, loc[:-1], result)


def _lose(loc: Loc, result: Mended[Any]) -> None:
    """Remember names that are declared but did not pass; where a column's name is unknown, its whole table's."""
    result.lost.add(str(loc[-1]))
    if len(loc) > 1 and loc[1] == "columns" and (len(loc) <= 3 or loc[-1] in GIVE_A_NAME):
        result.lost.add(str(loc[0]))


def _at(data: Any, loc: Loc) -> Any:
    """Return what stands at a place, None where nothing does any more."""
    for part in loc:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _path(loc: Loc) -> str:
    return ".".join(str(part) for part in loc)
