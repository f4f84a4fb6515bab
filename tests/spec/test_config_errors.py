"""Bad configs and what they are told: the catalogue CFG-01 to CFG-15, as far as it concerns reading the two files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from predictor.config.loading import load_config
from predictor.errors import ConfigError

CONFIG = """\
version: 1
experiment: {name: spec, question: Who responds?}
data: {dictionary: dictionary.yaml}
cohort:
  index: visits
  treatment: {column: patients.arm, control: placebo}
  eligibility:
    - {name: Adult, column: patients.age, min: 18}
outcomes:
  response:
    kind: response
    measure: madrs
    assessed: {first_day: 20, last_day: 40}
primary: response
severity: assessments.madrs
features:
  groups:
    clinical: [patients.age, patients.site, assessments.madrs]
  sets:
    all: [clinical]
models:
  net: {type: elastic_net, features: [all]}
validation:
  outer: {n_splits: 5}
tracking: {uri: embedded}
"""
DICTIONARY = """\
patients:
  source: {path: patients.csv}
  key: id
  known: baseline
  columns:
    age: {type: number, unit: years, range: [18, 80]}
    site: {type: category}
    arm: {type: category, values: [placebo, drug], known: plan}
    relapse: {type: boolean, known: after}
assessments:
  source: {path: scores.csv}
  key: id
  columns:
    madrs_0: {instrument: madrs, day: 0}
    madrs_28: {instrument: madrs, day: 28}
"""

Refuse = Callable[..., list[str]]


@pytest.fixture
def refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Write the two files with changes, load them, and return the lines of the refusal."""

    def lines(
        *changes: tuple[str, str],
        dictionary: tuple[tuple[str, str], ...] = (),
        config: str | bytes = CONFIG,
        overrides: tuple[str, ...] = (),
    ) -> list[str]:
        written = DICTIONARY
        for old, new in dictionary:
            assert old in written
            written = written.replace(old, new, 1)
        if isinstance(config, str):
            for old, new in changes:
                assert old in config
                config = config.replace(old, new, 1)
            config = config.encode()
        (tmp_path / "pyproject.toml").touch()
        (tmp_path / "dictionary.yaml").write_text(written, encoding="utf-8")
        (tmp_path / "config.yaml").write_bytes(config)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ConfigError) as refused:
            load_config("config.yaml", overrides=overrides)
        assert refused.value.exit_code == 2
        return str(refused.value).splitlines()

    return lines


def test_the_unchanged_files_load(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "dictionary.yaml").write_text(DICTIONARY, encoding="utf-8")
    loaded = load_config(tmp_path / "config.yaml")
    assert loaded.config.validation.outer.n_splits == 5
    assert loaded.sources["patients"] == (tmp_path / "patients.csv").resolve()


def test_cfg_01_unknown_key(refuse: Refuse) -> None:
    assert refuse(("models:", "modle:")) == [
        'config.yaml:21: modle: CFG-01 unknown key "modle". Did you mean "models"? Write that.'
    ]
    assert refuse(("n_splits: 5", "n_split: 5")) == [
        'config.yaml:24: validation.outer.n_split: CFG-01 unknown key "n_split". '
        'Did you mean "n_splits"? Write that.'
    ]
    assert refuse(dictionary=(("unit: years", "unti: years"),)) == [
        'dictionary.yaml:6: dictionary.patients.columns.age.unti: CFG-01 unknown key "unti". '
        'Did you mean "unit"? Write that.'
    ]
    assert refuse(("uri: embedded", "uri: embedded, zzz: 1")) == [
        'config.yaml:25: tracking.zzz: CFG-01 unknown key "zzz". '
        "Known keys here: uri, experiment, allowed_hosts."
    ]


def test_cfg_02_duplicate_key(refuse: Refuse) -> None:
    assert refuse(("validation:", "primary: response\nvalidation:")) == [
        'config.yaml:23: primary: CFG-02 the key "primary" is written twice, on lines 14 and 23. '
        "Keep one of the two."
    ]


def test_cfg_03_tag_runs_nothing(refuse: Refuse, tmp_path: Path) -> None:
    trap = f"!!python/object/apply:os.system ['touch {tmp_path}/canary']"
    assert refuse(("Who responds?", trap)) == [
        "config.yaml:2: experiment.question: CFG-03 tags (!) are not allowed; nothing was run. "
        "Write the plain value."
    ]
    assert not (tmp_path / "canary").exists()


def test_cfg_04_alias_bomb_answers_at_once(refuse: Refuse) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    started = time.perf_counter()
    lines = refuse(config=bomb)
    assert time.perf_counter() - started < 1
    assert lines[0] == (
        "config.yaml:1: a: CFG-04 anchors (&) are not allowed (81 anchors and aliases in the file, the first here). "
        "Write the value where it is needed."
    )
    assert sum("CFG-04" in line for line in lines) == 1


def test_cfg_05_nesting(refuse: Refuse) -> None:
    assert refuse(config="a: " + "[" * 3000 + "]" * 3000) == [
        "config.yaml:1: CFG-05 nested deeper than 20 levels. Flatten it."
    ]
    assert refuse(config="".join(" " * level + "a:\n" for level in range(1000))) == [
        "config.yaml:21: CFG-05 nested deeper than 20 levels. Flatten it."
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version: 1 #" + b"x" * 5_000_000, "config.yaml: CFG-06 the file is larger than 1,000,000 bytes."),
        (b"\x89PNG\x00\x01", "config.yaml: CFG-06 the file is binary (a NUL byte at offset 4)"),
        (
            CONFIG.encode("utf-16"),
            "config.yaml: CFG-06 the file is UTF-16, expected UTF-8. Save it as UTF-8.",
        ),
        (b"a: \xff\n", "config.yaml: CFG-06 the file is not UTF-8 (byte 0xff at offset 3)."),
        (b"", "config.yaml:1: CFG-06 the file is empty. Start with a key"),
        (b"# only a comment\n", "config.yaml:1: CFG-06 the file is empty."),
        (
            b"- a\n- b\n",
            "config.yaml:1: CFG-06 the file must be a mapping of keys at the top, this one starts with a list.",
        ),
        (b"a: 1\n---\nb: 2\n", "config.yaml:2: CFG-06 the file holds a second document (---)."),
        (b"a: [" + b"1, " * 20_001 + b"]", "config.yaml:1: CFG-06 more than 20,000 values."),
    ],
    ids=["large", "binary", "utf-16", "latin-1", "empty", "comment", "list", "two documents", "nodes"],
)
def test_cfg_06_not_a_config(refuse: Refuse, content: bytes, said: str) -> None:
    lines = refuse(config=content)
    assert len(lines) == 1
    assert lines[0].startswith(said)


def test_cfg_07_types_and_quoting(refuse: Refuse) -> None:
    assert refuse(("version: 1", "version: 1.10")) == [
        "config.yaml:1: version: CFG-07 expected 1, came the number 1.10 "
        "(YAML reads 1.10 without quotes as the number 1.1). Write 1."
    ]
    assert refuse(("name: spec", "name: 12")) == [
        "config.yaml:2: experiment.name: CFG-07 expected text, came the number 12. "
        'Quote it: "12" (without quotes YAML 1.2 reads a number).'
    ]
    assert refuse(
        ("uri: embedded}", "uri: embedded}\nreport: {withhold_if: {outside_training_range: no}}")
    ) == [
        "config.yaml:26: report.withhold_if.outside_training_range: CFG-07 expected true or false, "
        'came the text "no". Write true or false without quotes (YAML 1.2 reads yes, no, on and off as text).'
    ]
    assert refuse(("name: spec", "name: true")) == [
        "config.yaml:2: experiment.name: CFG-07 expected text, came true. "
        'Quote it: "true" (without quotes YAML 1.2 reads true or false).'
    ]
    assert refuse(("n_splits: 5", 'n_splits: "5"')) == [
        'config.yaml:24: validation.outer.n_splits: CFG-07 expected a whole number, came the text "5". '
        "Write the number without quotes."
    ]
    assert refuse(("control: placebo", "control: [1]")) == [
        "config.yaml:6: cohort.treatment.control: CFG-07 expected text or a number, came a list. "
        "Write text or a number."
    ]


@pytest.mark.parametrize("written", ["0123", "12:30", "1_000", "0x10", ".inf", "1e999", "9" * 60])
def test_cfg_07_ambiguous_scalars_must_be_quoted(refuse: Refuse, written: str) -> None:
    (line,) = refuse(("name: spec", f"name: {written}"))
    assert line.startswith("config.yaml:2: experiment.name: CFG-07")
    assert f'Quote it: "{written}"' in line


def test_cfg_07_yaml_1_2_words_and_numbers(tmp_path: Path) -> None:
    config = CONFIG.replace("question: Who responds?", "question: no").replace(
        "features: [all]}", "features: [all], search: {learning_rate: [1e-3, 0.1]}}"
    )
    (tmp_path / "config.yaml").write_text(config, encoding="utf-8")
    (tmp_path / "dictionary.yaml").write_text(DICTIONARY, encoding="utf-8")
    loaded = load_config(tmp_path / "config.yaml").config
    assert loaded.experiment.question == "no"
    assert loaded.models["net"].search == {"learning_rate": [0.001, 0.1]}


@pytest.mark.parametrize("written", ["os.system", "mypkg.Evil"])
def test_cfg_08_model_type_outside_the_catalog(refuse: Refuse, written: str) -> None:
    assert refuse(("type: elastic_net", f"type: {written}")) == [
        f'config.yaml:22: models.net.type: CFG-08 the text "{written}" is no model type; models come from a closed '
        "catalog, never from an import path. Write one of: elastic_net, random_forest, extra_trees, lightgbm, "
        "hist_gradient_boosting."
    ]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("../../etc/passwd", "it leads outside the project"),
        ("/etc/passwd", "it leads outside the project"),
        ("link.csv", "it leads outside the project"),
        ("https://example.org/data.csv", "an address or a drive is no path here"),
        ("file:///etc/passwd", "an address or a drive is no path here"),
        ("C:/data.csv", "an address or a drive is no path here"),
        ("~/data.csv", "~ is not expanded"),
        ("//server/share.csv", "a network share is no path here"),
    ],
)
def test_cfg_09_data_outside_the_project(refuse: Refuse, tmp_path: Path, written: str, reason: str) -> None:
    (tmp_path / "link.csv").symlink_to("/etc/passwd")
    assert refuse(dictionary=(("patients.csv", f'"{written}"'),)) == [
        f"dictionary.yaml:2: dictionary.patients.source.path: CFG-09 '{written}': {reason}. "
        "Write a path inside the project, or name the data's folder with --data-folder."
    ]


def test_cfg_09_dictionary_outside_the_project(refuse: Refuse) -> None:
    (line,) = refuse(("dictionary: dictionary.yaml", "dictionary: ../dictionary.yaml"))
    assert line.startswith("config.yaml:3: data.dictionary: CFG-09 '../dictionary.yaml': it leads outside")
    (line,) = refuse(("dictionary: dictionary.yaml", "dictionary: dictionary.yaml, folder: ~/data"))
    assert line.startswith("config.yaml:3: data.folder: CFG-09 '~/data': ~ is not expanded.")


def test_cfg_11_too_many_fits(refuse: Refuse) -> None:
    assert refuse(("type: elastic_net", "type: elastic_net, candidates: 22222222")) == [
        "config.yaml:23: validation.max_fits: CFG-11 5 splits × 3 repeats × 3 inner splits × 22,222,222 candidates "
        "= 999,999,990 fits, above the limit of 20,000. Lower them, or raise validation.max_fits."
    ]


@pytest.mark.parametrize("written", [-5, 0, 1])
def test_cfg_12_impossible_folds(refuse: Refuse, written: int) -> None:
    assert refuse(("n_splits: 5", f"n_splits: {written}")) == [
        f"config.yaml:24: validation.outer.n_splits: CFG-12 expected at least 2, came the number {written}. "
        "Write a number of at least 2."
    ]


@pytest.mark.parametrize(
    "uri",
    [
        "http://evil.example:5000",
        "https://evil.example",
        "file:mlruns",
        "http://127.0.0.1",
        "http://127.0.0.1.evil.example:5000",
        "http://user:word@127.0.0.1:5000",
        "http://[::1",
        "http://127.0.0.1:99999",
        "sqlite:///mlflow.db",
        "",
    ],
)
def test_cfg_13_tracking_address(refuse: Refuse, uri: str) -> None:
    assert refuse(("uri: embedded", f'uri: "{uri}"')) == [
        "config.yaml:25: tracking.uri: CFG-13 this tracking address is not allowed. Write embedded, "
        "http://127.0.0.1:PORT, or https with a host in tracking.allowed_hosts."
    ]


@pytest.mark.parametrize("address", ["tcp://evil.example:8786", "tls://user:word@evil.example:8786", ""])
def test_cfg_46_address_of_a_cluster(refuse: Refuse, address: str) -> None:
    section = f'execution:\n  engine: dask\n  address: "{address}"\ntracking:'
    (line,) = refuse(("tracking:", section))
    assert line.split(" ", 1)[1] == (
        "execution.address: CFG-46 this address of a cluster is not allowed. Write tcp://127.0.0.1:PORT, "
        "tls://HOST:PORT, or tcp with a host in execution.allowed_hosts."
    )


def test_cfg_47_an_outcome_that_cannot_be_imputed(refuse: Refuse) -> None:
    impute = ("kind: response", "kind: response\n    if_missing: impute")
    multiple = ("models:", "imputation: {method: multiple}\nmodels:")
    second = "  later: {kind: response, measure: madrs, assessed: {first_day: 20, last_day: 40}, if_missing: impute}"
    refusal = "outcomes.{}.if_missing: CFG-47 {}, and {}. Write `{}.".format
    assert [line.split(" ", 1)[1] for line in refuse(impute)] == [
        refusal(
            "response",
            "response shall be imputed",
            "missing inputs are filled in by their median",
            "imputation: {method: multiple}`, or exclude",
        )
    ]
    (line,) = refuse(multiple, ("primary: response", f"{second}\nprimary: response"))
    assert line.split(" ", 1)[1] == refusal(
        "later", "later is not the primary outcome", "only that is imputed", "if_missing: exclude`"
    )


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:5000", "http://localhost:5000", "https://mlflow.example.org/x"]
)
def test_cfg_13_allowed_addresses(tmp_path: Path, uri: str) -> None:
    allowed = f'uri: "{uri}", allowed_hosts: [mlflow.example.org]'
    (tmp_path / "config.yaml").write_text(CONFIG.replace("uri: embedded", allowed), encoding="utf-8")
    (tmp_path / "dictionary.yaml").write_text(DICTIONARY, encoding="utf-8")
    assert load_config(tmp_path / "config.yaml").config.tracking.uri == uri


def test_cfg_15_outcome_as_predictor(refuse: Refuse) -> None:
    made_of = "is what the outcome is made of, so it cannot predict it. Leave it out."
    event = 'kind: event\n    column: patients.relapse\n    in: ["true"]'
    as_event = (CONFIG[CONFIG.index("kind: response") : CONFIG.index("\nprimary")], event)
    assert refuse(as_event, ("patients.site", "patients.relapse")) == [
        f"config.yaml:18: features.groups.clinical.1: CFG-15 patients.relapse {made_of}"
    ]
    # The very cells of the outcome, smuggled in under another name by another table of the same file.
    copied = ("site: {type: category}", "madrs_28: {type: number, name: mood}\n    site: {type: category}")
    assert refuse(
        ("patients.site", "patients.mood"), dictionary=(copied, ("patients.csv", "scores.csv"))
    ) == [f"config.yaml:18: features.groups.clinical.1: CFG-15 patients.mood {made_of}"]
    # The outcome's measure, where the dictionary declares no day of it but the outcome's.
    lines = refuse(
        ("severity: assessments.madrs\n", ""),
        dictionary=(("    madrs_0: {instrument: madrs, day: 0}\n", ""),),
    )
    assert f"config.yaml:17: features.groups.clinical.2: CFG-15 assessments.madrs {made_of}" in lines


def test_ten_different_mistakes_give_ten_lines(refuse: Refuse) -> None:
    lines = refuse(
        ("version: 1", "version: 2"),
        ("control: placebo", "control: placeb"),
        ("column: patients.age, min: 18", "column: patients.aeg, min: 18"),
        ("first_day: 20, last_day: 40", "first_day: 40, last_day: 20"),
        ("primary: response", "primary: respons"),
        ("patients.site, ", "patients.relapse, "),
        ("models:", "modle:"),
        ("type: elastic_net", "type: os.system"),
        ("n_splits: 5", "n_splits: -5"),
        ("uri: embedded", "uri: http://evil.example"),
        dictionary=(),
    )
    assert [line.split(":")[1] + line.split("CFG-")[-1][:2] for line in lines if "CFG" in line] == [
        "107", "634", "820", "1331", "1424", "2101", "2208", "2412", "2513",
    ]  # fmt: skip
    assert [line for line in lines if "LEA-03" in line] == [
        "config.yaml:18: features.groups.clinical.1: LEA-03 patients.relapse is known only after day 0. "
        "Leave it out; the treatment received and whatever follows it are no features. If it was known before, "
        "mend its `known:` in the dictionary."
    ]
    assert len(lines) == 10


@pytest.mark.parametrize("name", ["=HYPERLINK(A1)", "+1", "-crp", "@SUM(A1)"])
def test_dat_24_a_columns_name_is_no_formula_because_it_becomes_a_header(refuse: Refuse, name: str) -> None:
    assert refuse(dictionary=(("age: {type", f'"{name}": {{type: number}}\n    age: {{type'),)) == [
        f'dictionary.yaml:6: dictionary.patients.columns.{name}: CFG-29 "{name}" would be run as a formula by a '
        "spreadsheet. Give the column a `name:` that begins with a letter."
    ]


def test_dat_24_a_header_that_looks_like_a_formula_is_read_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    declared = DICTIONARY.replace("age: {type", '"-80C": {type: number, name: frozen}\n    age: {type')
    (tmp_path / "dictionary.yaml").write_text(declared, encoding="utf-8")
    assert "patients.frozen" in load_config(tmp_path / "config.yaml").dictionary.references()


# What one tries who hands us a config of his own


@pytest.mark.parametrize("key", ["\\e[31mred\\a", "\\u009b2J", "\\ud800", "\\x7f", "a\\0b"])
def test_a_character_that_a_terminal_obeys_is_refused_in_keys_and_values(refuse: Refuse, key: str) -> None:
    for old, new in (("tracking:", f'"{key}": 1\ntracking:'), ("Who responds?", f'"{key}"')):
        (line,) = refuse((old, new))
        assert "CFG-30 not valid YAML: a character that nobody sees (U+" in line
        assert line.isprintable()


@pytest.mark.parametrize("key", ["\u202egnp.exe", "a\u2066b", "a\\nconfig.yaml: all is well", "\u200fx"])
def test_a_key_that_would_show_another_text_is_shown_by_its_code_points(refuse: Refuse, key: str) -> None:
    (line,) = refuse(("tracking:", f'"{key}": 1\ntracking:'))
    assert "CFG-01 unknown key" in line
    assert "\\u" in line
    assert line.isprintable()


@pytest.mark.parametrize("file", ["config.yaml", "dictionary.yaml"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_device_in_the_place_of_a_file_is_refused_at_once(
    tmp_path: Path, file: str, kind: str
) -> None:
    for name, text in (("config.yaml", CONFIG), ("dictionary.yaml", DICTIONARY), ("pyproject.toml", "")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / file).unlink()
    if kind == "pipe":
        os.mkfifo(tmp_path / file)
    else:
        (tmp_path / file).symlink_to("/dev/zero")
    began = time.monotonic()
    with pytest.raises(ConfigError, match=r"CFG-(45|09)"):
        load_config(tmp_path / "config.yaml")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("name", ["../../x", "..", "a/b", "a b", "x" * 65, ""])
def test_a_name_in_mlflow_is_no_path(refuse: Refuse, name: str) -> None:
    """MLflow puts an experiment's files into a folder of its name."""
    (line,) = refuse(("uri: embedded", f'uri: embedded, experiment: "{name}"'))
    assert "tracking.experiment: CFG-29" in line


def test_more_processes_than_any_machine_has_are_refused(refuse: Refuse) -> None:
    (line,) = refuse(("tracking:", "execution: {workers: 1000000}\ntracking:"))
    assert "execution.workers: CFG-28" in line
