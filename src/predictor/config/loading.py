"""From two YAML files to a config and its dictionary, and back: the one place where YAML is read."""

from __future__ import annotations

import hashlib
import json
import os.path
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from predictor.config.dictionary import Column, Dictionary
from predictor.config.marks import find_marks, first_of
from predictor.config.mending import Mended, mend
from predictor.config.overriding import override
from predictor.config.paths import Territory, project_root
from predictor.config.problems import find_problems
from predictor.config.schema import Config
from predictor.config.yaml_text import Place, YamlText, read_yaml
from predictor.config.yaml_writer import write_yaml
from predictor.errors import ConfigError, Problem

__all__ = ["LoadedConfig", "dump_config", "hash_of", "load_config"]

IN_DICTIONARY = "dictionary."
# Problems that say nothing new where the part of the file that they compare with did not pass itself.
FOLLOW_UPS = {
    "features": {"CFG-21", "CFG-22"},
    "features.groups": {"CFG-21"},
    "features.sets": {"CFG-22"},
    "models": {"CFG-23"},
    "outcomes": {"CFG-24", "CFG-33"},
}
NEED_DAYS = {"CFG-15", "CFG-25", "CFG-31", "CFG-35", "LEA-03"}
TELL_DAYS = {"name", "known", "instrument", "analyte", "measure", "item", "score", "day"}


@dataclass(frozen=True)
class LoadedConfig:
    """A config and its dictionary, checked against each other.

    Parameters
    ----------
    config : Config
        With all defaults filled in and overrides applied.
    dictionary : Dictionary
    path : pathlib.Path
        The config's file, as the user named it.
    root : pathlib.Path
        The project: nearest folder with ``pyproject.toml`` or ``.git``, else the config's own.
    sources : dict of str to pathlib.Path
        Table → its file, links resolved, inside the project or the data folder; it need not exist. A database on a
        server has none.
    overrides : tuple of str
        ``a.b=c`` from the command line, in order.
    config_hash, dictionary_hash : str
        SHA-256 of the filled-in contents; equal hashes ask the same question of the same columns.
    """

    config: Config
    dictionary: Dictionary
    path: Path
    root: Path
    sources: dict[str, Path]
    overrides: tuple[str, ...]
    config_hash: str
    dictionary_hash: str
    _files: _Files = field(repr=False, compare=False)

    def locate(self, problem: Problem) -> Problem:
        """Add file and line to a problem that knows only its key path.

        Parameters
        ----------
        problem : Problem
            A path that starts with ``dictionary.`` lives in the dictionary's file.
        """
        return self._files.locate(problem)


@dataclass
class _Files:
    """Names and places of the two files."""

    config: str
    places: dict[str, Place]
    dictionary: str = ""
    dictionary_places: dict[str, Place] = field(default_factory=dict)

    def locate(self, problem: Problem) -> Problem:
        if problem.file:
            return problem
        path, file, places = problem.path, self.config, self.places
        if path.startswith(IN_DICTIONARY):
            path, file, places = path.removeprefix(IN_DICTIONARY), self.dictionary, self.dictionary_places
        while path and path not in places:
            path = path.rpartition(".")[0]
        place = places.get(path)
        if place is None:
            return replace(problem, file=file)
        return replace(problem, file=place.origin or file, line=place.line)


@dataclass
class _Draft:
    """What is known while both files are being read."""

    files: _Files
    root: Path
    territory: Territory
    problems: list[Problem] = field(default_factory=list)


def load_config(
    path: str | Path, *, overrides: Sequence[str] = (), data_folder: str | Path | None = None
) -> LoadedConfig:
    """Read, fill in and check a config and its dictionary.

    Parameters
    ----------
    path : str or pathlib.Path
        The config; messages show it as written here.
    overrides : sequence of str
        ``a.b=c``: a key path and a YAML value.
    data_folder : str or pathlib.Path, optional
        Folder that source paths start from, in place of ``data.folder``; it may lie outside the project.

    Raises
    ------
    ConfigError
        With every problem of both files at once, each with file, line, key path and remedy.
    """
    shown, path = str(path), Path(path)
    text = read_yaml(path, shown)
    files = _Files(shown, text.places)
    if text.data is None:
        raise ConfigError(text.problems)
    root = project_root(path)
    outside = [Path(data_folder).resolve()] if data_folder is not None else []
    draft = _Draft(files, root, Territory((root, *outside)), list(text.problems))
    draft.problems += override(text, overrides)
    mended = mend(Config, text)
    draft.problems += mended.problems
    dictionary = _dictionary(draft, text, path)
    draft.problems += _between(mended, dictionary)
    sources = _sources(draft, mended, dictionary, path, data_folder)
    if draft.problems or mended.value is None or dictionary is None or dictionary.value is None:
        found = _sorted([files.locate(problem) for problem in draft.problems], shown)
        read = [files.config, *([files.dictionary] if dictionary is not None else [])]
        raise ConfigError([*found, *first_of(find_marks({name: Path(name) for name in read}))])
    return LoadedConfig(
        config=mended.value,
        dictionary=dictionary.value,
        path=path,
        root=root,
        sources=sources,
        overrides=tuple(overrides),
        config_hash=hash_of(mended.value),
        dictionary_hash=hash_of(dictionary.value),
        _files=files,
    )


def _dictionary(draft: _Draft, text: YamlText, path: Path) -> Mended[Dictionary] | None:
    """Read the dictionary that the config names; None where there is none to read."""
    section = text.data.get("data")
    written = section.get("dictionary") if isinstance(section, dict) else None
    if not isinstance(written, str):
        return None
    resolved = draft.territory.resolve(written, path.parent, "data.dictionary")
    if isinstance(resolved, Problem):
        draft.problems.append(resolved)
        return None
    draft.files.dictionary = os.path.normpath(os.path.join(os.path.dirname(draft.files.config), written))  # noqa: PTH118, PTH120 - a name to show, not a path to open
    found = read_yaml(resolved, draft.files.dictionary)
    draft.files.dictionary_places = found.places
    draft.problems += [
        replace(problem, path=IN_DICTIONARY + problem.path if problem.path else "")
        for problem in found.problems
    ]
    if found.data is None:
        return None
    mended = mend(Dictionary, found)
    mended.touched = {IN_DICTIONARY + touched for touched in mended.touched}
    draft.problems += [replace(problem, path=IN_DICTIONARY + problem.path) for problem in mended.problems]
    return mended


def _between(config: Mended[Config], dictionary: Mended[Dictionary] | None) -> list[Problem]:
    """Problems between sections and files, without those that only follow from what did not pass."""
    if config.value is None:
        return []
    declared = dictionary.value if dictionary else None
    lost = config.lost | (dictionary.lost if dictionary else set())
    silent = {code for path in config.touched for code in FOLLOW_UPS.get(path, ())}
    if declared is None or (dictionary and any(map(_may_hide_days, dictionary.touched))):
        silent |= NEED_DAYS
    if declared is None:
        silent.add("CFG-20")
    found = find_problems(config.value, declared or Dictionary({}), lost=lost)
    return [
        problem
        for problem in found
        if problem.code not in silent
        and not config.follows(problem.path)
        and not (dictionary and dictionary.follows(problem.path))
    ]


def _may_hide_days(touched: str) -> bool:
    """Whether a table, a column, or what tells a column's quantity and days was taken out of the dictionary."""
    parts = touched.split(".", 3)
    if len(parts) < 4:
        return len(parts) == 2 or parts[2] in ("columns", "known", "visits")
    key = parts[3].rpartition(".")[2]
    if parts[2] == "columns":
        return key in TELL_DAYS or key not in Column.model_fields
    return parts[2] in ("known", "visits")


def _sources(
    draft: _Draft,
    config: Mended[Config],
    dictionary: Mended[Dictionary] | None,
    path: Path,
    data_folder: str | Path | None,
) -> dict[str, Path]:
    if config.value is None or dictionary is None or dictionary.value is None:
        return {}
    section = config.value.data
    base: Path | Problem = draft.territory.resolve(section.dictionary, path.parent, "data.dictionary")
    if data_folder is not None:
        base = Path(data_folder).resolve()
        if not base.is_dir():
            draft.problems.append(
                Problem("CFG-09", "this is no folder", "Name a folder", file="--data-folder")
            )
    elif section.folder is not None:
        base = draft.territory.resolve(section.folder, path.parent, "data.folder")
    elif isinstance(base, Path):
        base = base.parent
    if isinstance(base, Problem):
        draft.problems += [base] if base.path == "data.folder" else []
        return {}
    return dict(_source_files(draft, dictionary, base))


def _source_files(draft: _Draft, dictionary: Mended[Dictionary], base: Path) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for name, table in (dictionary.value or Dictionary({})).tables():
        written = table.source.file
        if written is None:
            continue
        key = f"{IN_DICTIONARY}{name}.source.{'path' if table.source.sql is None else 'sql.url'}"
        resolved = draft.territory.resolve(written, base, key)
        if not isinstance(resolved, Problem):
            found.append((name, resolved))
        elif not dictionary.follows(key):
            draft.problems.append(resolved)
    return found


def _sorted(problems: list[Problem], config: str) -> list[Problem]:
    """In the order of the lines: the command line, the config, then the dictionary."""
    order = {"--set": 0, "--data-folder": 0, config: 1}
    return sorted(problems, key=lambda problem: (order.get(problem.file, 2), problem.line or 0))


def _plain(model: BaseModel) -> Any:
    return model.model_dump(mode="json", by_alias=True)


def hash_of(model: BaseModel) -> str:
    """Return the SHA-256 of a filled-in config or dictionary; neither the order of keys nor where it runs matters.

    Parameters
    ----------
    model : Config or Dictionary
    """
    asked = _plain(model)
    if isinstance(model, Config):
        del asked["execution"]
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def dump_config(loaded: LoadedConfig) -> str:
    """Return the config that ran as YAML, defaults and overrides filled in; it loads again to the same hash.

    Parameters
    ----------
    loaded : LoadedConfig
        Paths in it stay relative to the folder of the config it came from.
    """
    notes = [f"# {loaded.path.name} with all defaults filled in, sha256 {loaded.config_hash}"]
    notes += [f"# --set {json.dumps(text)}" for text in loaded.overrides]
    return "\n".join(notes) + "\n" + write_yaml(_plain(loaded.config))
