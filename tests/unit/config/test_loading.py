from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from predictor.config.loading import LoadedConfig, dump_config, load_config
from predictor.config.yaml_text import parse_yaml
from predictor.config.yaml_writer import write_yaml
from predictor.errors import ConfigError, Problem

CONFIG = """\
version: 1
experiment: {name: unit, question: "Who, and \\"when\\"?"}
data: {dictionary: site/dictionary.yaml}
cohort: {index: visits}
outcomes:
  remission: {kind: remission, measure: bop, at_most: 10, assessed: {first_day: 20, last_day: 40}}
primary: remission
severity: scores.bop
features:
  groups: {clinical: [scores.bop, {column: patients.age, transform: sqrt}]}
  sets: {all: [clinical]}
models:
  net: {type: elastic_net, features: [all], search: {C: [1e-3, 10]}}
"""
DICTIONARY = """\
patients:
  source: {path: p.csv, missing: [no]}
  key: id
  known: baseline
  columns:
    age: {type: number}
scores:
  source: {path: ../data/s.csv}
  key: id
  columns:
    BL..BOP: {measure: bop, unit: "%", day: 0}
    V5..BOP: {measure: bop, unit: "%", day: 28}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "project" / "configs" / "site").mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").touch()
    (tmp_path / "project" / "configs" / "site" / "dictionary.yaml").write_text(DICTIONARY, encoding="utf-8")
    config = tmp_path / "project" / "configs" / "config.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    return config


def refusal(path: Path, *overrides: str, data_folder: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_config(path, overrides=overrides, data_folder=data_folder)
    return [str(problem).replace(f"{path.parent}/", "") for problem in refused.value.problems]


def test_defaults_are_filled_in(path: Path) -> None:
    loaded = load_config(path)
    assert loaded.root == path.parents[1].resolve()
    assert loaded.config.cohort.index.visits
    assert loaded.config.validation.outer.n_repeats == 3
    assert loaded.config.features.groups["clinical"][0].take == "last"
    assert loaded.dictionary["patients"].source.missing == ["no"]
    assert loaded.sources == {
        "patients": loaded.root / "configs" / "site" / "p.csv",
        "scores": loaded.root / "configs" / "data" / "s.csv",
    }


def test_without_a_project_the_configs_own_folder_is_the_limit(path: Path) -> None:
    (path.parents[1] / "pyproject.toml").unlink()
    assert load_config(path).root == path.parent.resolve()


def test_dumped_config_loads_to_the_same_hash(path: Path) -> None:
    loaded = load_config(path, overrides=["experiment.seed=11", "cohort.baseline.first_day=-3"])
    dumped = path.with_name("filled.yaml")
    dumped.write_text(dump_config(loaded), encoding="utf-8")
    again = load_config(dumped)
    assert again.config == loaded.config
    assert again.config_hash == loaded.config_hash
    assert '--set "experiment.seed=11"' in dumped.read_text(encoding="utf-8")


def test_hashes_see_what_matters_and_nothing_else(path: Path) -> None:
    before = load_config(path)
    path.write_text("# a comment\n" + CONFIG.replace("version: 1\n", "") + "version: 1\n", encoding="utf-8")
    assert load_config(path).config_hash == before.config_hash
    assert load_config(path, overrides=["experiment.seed=1"]).config_hash != before.config_hash
    elsewhere = load_config(path, overrides=["execution.engine=dask", "execution.workers=3"])
    assert elsewhere.config.execution.workers == 3
    assert elsewhere.config_hash == before.config_hash
    dictionary = path.parent / "site" / "dictionary.yaml"
    dictionary.write_text(DICTIONARY.replace("day: 28", "day: 30"), encoding="utf-8")
    after = load_config(path)
    assert after.config_hash == before.config_hash
    assert after.dictionary_hash != before.dictionary_hash


def located(loaded: LoadedConfig, path: str) -> tuple[str, int | None]:
    problem = loaded.locate(Problem("X", "x", path=path))
    return Path(problem.file).name, problem.line


def test_problems_of_later_stages_find_their_line(path: Path) -> None:
    loaded = load_config(path, overrides=["severity=scores.bop"])
    assert located(loaded, "outcomes.remission.assessed.target_day") == ("config.yaml", 6)
    assert located(loaded, "models.net.search.C") == ("config.yaml", 13)
    assert located(loaded, "dictionary.scores.columns.V5..BOP.range") == ("dictionary.yaml", 12)
    assert located(loaded, "severity") == ("--set", None)
    assert located(loaded, "validation.judge") == ("config.yaml", 1)
    elsewhere = Problem("X", "x", file="data.csv", line=3)
    assert loaded.locate(elsewhere) == elsewhere


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "validation.outer.n_split=3",
            'CFG-44 there is no "n_split" to set. Did you mean "n_splits"? Write that.',
        ),
        ("models.nett.candidates=3", 'CFG-44 there is no "nett" to set. Did you mean "net"? Write that.'),
        ("features.groups.clinical.7=patients.age", 'CFG-44 there is no "7" to set. Known keys: 0, 1.'),
        ("cohort.index.take=last", 'CFG-44 there is no "take" to set. Set `cohort.index` as a whole.'),
        (
            "validation.outer.n_splits=-3",
            "CFG-12 expected at least 2, came the number -3. Write a number of at least 2.",
        ),
        (
            "experiment.name=0123",
            "CFG-07 0123 without quotes is read differently by different YAML versions. "
            'Quote it: "0123", or write a plain decimal number.',
        ),
    ],
)
def test_overrides_that_cannot_be_applied(path: Path, override: str, said: str) -> None:
    assert refusal(path, override) == [f"--set: {override.partition('=')[0]}: {said}"]


def test_an_override_without_a_value(path: Path) -> None:
    assert refusal(path, "experiment.seed") == [
        "--set: CFG-44 an override is a key path, =, and a value. Write --set validation.outer.n_repeats=1."
    ]


def test_overrides_change_values_of_every_sort(path: Path) -> None:
    overrides = [
        "validation.outer.n_splits=4",
        "validation.thresholds=[0.1, 0.2]",
        "cohort.eligibility=[{name: Adult, column: patients.age, min: 18}]",
        "cohort.eligibility.0.min=21",
        "models.forest={type: random_forest, features: [all]}",
        "models.net.params.l1_ratio=0.5",
        "experiment.question=a=b",
    ]
    config = load_config(path, overrides=overrides).config
    assert config.validation.outer.n_splits == 4
    assert config.validation.thresholds == [0.1, 0.2]
    assert config.cohort.eligibility[0].min == 21
    assert config.models["forest"].type == "random_forest"
    assert config.models["net"].params == {"l1_ratio": 0.5}
    assert config.experiment.question == "a=b"


def test_data_folder_outside_the_project(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    (folder / "deep").mkdir(parents=True)
    (path.parent / "site" / "dictionary.yaml").write_text(
        DICTIONARY.replace("../data", "deep"), encoding="utf-8"
    )
    assert load_config(path, data_folder=folder).sources == {
        "patients": folder.resolve() / "p.csv",
        "scores": folder.resolve() / "deep" / "s.csv",
    }


def test_a_path_out_of_the_data_folder_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (line,) = refusal(path, data_folder=tmp_path / "elsewhere")
    assert line.startswith("site/dictionary.yaml:8: dictionary.scores.source.path: CFG-09 '../data/s.csv'")
    lines = refusal(path, data_folder=tmp_path / "nowhere")
    assert "--data-folder: CFG-09 this is no folder. Name a folder." in lines


def test_files_that_are_not_there(path: Path) -> None:
    (path.parent / "site" / "dictionary.yaml").unlink()
    (line,) = refusal(path)
    assert line.startswith(
        "site/dictionary.yaml: CFG-45 the file cannot be opened (No such file or directory)."
    )
    path.unlink()
    (line,) = refusal(path)
    assert line.startswith("config.yaml: CFG-45")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("cohort: {index: visits}", "cohort: {}", "config.yaml:4: cohort.index: CFG-26"),
        ("cohort: {index: visits}\n", "", "config.yaml:1: cohort: CFG-26"),
        ("kind: remission", "kind: remision", "config.yaml:6: outcomes.remission.kind: CFG-27"),
        ("kind: remission, ", "", "config.yaml:6: outcomes.remission.kind: CFG-26"),
        ("at_most: 10, ", "", "config.yaml:6: outcomes.remission.at_most: CFG-26"),
        ("measure: bop, ", "", "config.yaml:6: outcomes.remission.measure: CFG-26"),
        ("first_day: 20, ", "", "config.yaml:6: outcomes.remission.assessed.first_day: CFG-26"),
        ("type: elastic_net, ", "", "config.yaml:13: models.net.type: CFG-26"),
        ("features: [all], ", "", "config.yaml:13: models.net.features: CFG-26"),
        ("features: [all], ", "features: all, ", "config.yaml:13: models.net.features: CFG-07"),
        ("[scores.bop, {", "[bop, {", "config.yaml:10: features.groups.clinical.0: CFG-29"),
        ("[scores.bop, {", "[7, {", "config.yaml:10: features.groups.clinical.0: CFG-07"),
        ("transform: sqrt", "transform: sqt", "config.yaml:10: features.groups.clinical.1.transform: CFG-27"),
        ("severity:", "serverity:", "config.yaml:8: serverity: CFG-01"),
        ("primary: remission", "primary: 3", "config.yaml:7: primary: CFG-07"),
        ("name: unit", "name: my study", "config.yaml:2: experiment.name: CFG-29"),
        ("dictionary: site/dictionary.yaml", "folder: x", "config.yaml:3: data.dictionary: CFG-26"),
        (
            "groups: {clinical: [scores.bop, {column: patients.age, transform: sqrt}]}",
            "",
            "config.yaml:9: features.groups",
        ),
    ],
)
def test_one_mistake_in_the_config_gives_one_line(path: Path, old: str, new: str, said: str) -> None:
    assert old in CONFIG
    path.write_text(CONFIG.replace(old, new), encoding="utf-8")
    lines = refusal(path)
    assert len(lines) == 1, lines
    assert lines[0].startswith(said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("key: id\n  known", "kye: id\n  known", "3: dictionary.patients.kye: CFG-01"),
        ("known: baseline", "known: baselin", "4: dictionary.patients.known: CFG-27"),
        ("known: baseline", "known: 3", "4: dictionary.patients.known: CFG-07"),
        ("{type: number}", "number", "6: dictionary.patients.columns.age: CFG-07"),
        ("{type: number}", "{type: numbr}", "6: dictionary.patients.columns.age.type: CFG-27"),
        ("missing: [no]", "missing: [999]", "2: dictionary.patients.source.missing.0: CFG-07"),
        (
            "{type: number}",
            "{type: number, range: [1, 2, 3]}",
            "6: dictionary.patients.columns.age.range: CFG-28",
        ),
        (
            "{type: number}",
            "{type: category, values: [1, 2]}",
            "6: dictionary.patients.columns.age.values: CFG-07",
        ),
        ('{measure: bop, unit: "%", day: 0}', "3", "11: dictionary.scores.columns.BL..BOP: CFG-07"),
        ("  columns:\n    age: {type: number}\n", "", "1: dictionary.patients.columns: CFG-26"),
        ("patients:\n", "patients: &p\n", "1: dictionary.patients: CFG-04"),
    ],
)
def test_one_mistake_in_the_dictionary_gives_one_line(path: Path, old: str, new: str, said: str) -> None:
    assert old in DICTIONARY
    path.write_text(CONFIG.replace(", transform: sqrt", ""), encoding="utf-8")
    (path.parent / "site" / "dictionary.yaml").write_text(DICTIONARY.replace(old, new), encoding="utf-8")
    lines = refusal(path)
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"site/dictionary.yaml:{said}")


def test_features_that_were_taken_out_are_not_each_others_repetition(path: Path) -> None:
    wrong = CONFIG.replace(
        "[scores.bop, {column: patients.age, transform: sqrt}]", "[scores.a b, scores.c d]"
    )
    path.write_text(wrong, encoding="utf-8")
    assert [line.split()[1:3] for line in refusal(path)] == [
        [f"features.groups.clinical.{position}:", "CFG-29"] for position in (0, 1)
    ]


def test_a_column_that_is_no_declaration_hides_no_name(path: Path) -> None:
    named = DICTIONARY.replace("age: {type: number}", "years: {type: number, name: age}")
    (path.parent / "site" / "dictionary.yaml").write_text(named, encoding="utf-8")
    load_config(path)
    for broken in ("years: 3", "years: {type: number, name: 3}"):
        text = named.replace("years: {type: number, name: age}", broken)
        (path.parent / "site" / "dictionary.yaml").write_text(text, encoding="utf-8")
        (line,) = refusal(path)
        assert line.startswith("site/dictionary.yaml:6: dictionary.patients.columns.years")


JUNK: list[Any] = [None, True, 3, -1.5, "x", "a.b", [], {}, [1, "x"], {"x": 1}, [{"x": 1}], "visits", "bop"]


def damage(data: Any, rng: random.Random) -> None:
    """Delete, rename or replace one value anywhere in nested data."""
    spots = []
    remaining = [data]
    while remaining:
        here = remaining.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else []
        spots += [(here, key) for key in keys]
        remaining += [here[key] for key in keys]
    here, key = rng.choice(spots)
    how = rng.random()
    if isinstance(here, dict) and how < 0.25:
        del here[key]
    elif isinstance(here, dict) and how < 0.5:
        here[f"{str(key)[:-1]}q"] = here.pop(key)
    else:
        here[key] = rng.choice(JUNK)


@pytest.mark.parametrize("seed", range(150))
def test_whatever_is_wrong_is_a_config_error(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    config, dictionary = parse_yaml(CONFIG, "c").data, parse_yaml(DICTIONARY, "d").data
    for _ in range(rng.randint(1, 5)):
        damage(rng.choice([config, dictionary]), rng)
    path.write_text(write_yaml(config), encoding="utf-8")
    (path.parent / "site" / "dictionary.yaml").write_text(write_yaml(dictionary), encoding="utf-8")
    problems: tuple[Problem, ...] = ()
    try:
        load_config(path)
    except ConfigError as error:
        problems = error.problems
    assert all(problem.file and problem.code and problem.remedy for problem in problems)
