"""A clinic's database from the dictionary to a model, and its password nowhere."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from postgres import USER, Server
from predictor.config.loading import load_config
from predictor.config.yaml_writer import write_yaml
from predictor.data.conform import read_tables
from predictor.errors import ConfigError, DataError
from predictor.experiment import train
from predictor.prediction.export import read_export
from predictor.study import prepare_study

CONFIG = Path(__file__).parents[2] / "configs" / "redcap_simulated.yaml"
SQL_TYPES = {"float64": "double precision", "datetime64[ns]": "timestamp"}


def plain(path: Path) -> dict[str, Any]:
    loaded = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture
def project(tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The SIMULATED REDCap project as tables of a database."""
    loaded = load_config(CONFIG)
    tables = read_tables(loaded.dictionary, loaded.sources)
    dictionary = plain(CONFIG.parent / "dictionaries" / "redcap_simulated.yaml")
    with postgres.connect() as connection:
        for name, table in tables.items():
            rows = table.frame.astype(object).where(table.frame.notna(), None)
            types = [SQL_TYPES.get(str(kind), "text") for kind in table.frame.dtypes]
            header = ", ".join(f'"{h}" {kind}' for h, kind in zip(rows.columns, types, strict=True))
            connection.execute(f'DROP TABLE IF EXISTS "{name}"')
            connection.execute(f'CREATE TABLE "{name}" ({header})')
            slots = ", ".join(["%s"] * len(rows.columns))
            connection.cursor().executemany(
                f'INSERT INTO "{name}" VALUES ({slots})', rows.to_numpy().tolist()
            )
            dictionary[name]["source"] = {"sql": {"url_from": "PREDICTOR_CLINIC", "table": name}}
            for column in dictionary[name]["columns"].values():
                if "values" in column:
                    column["values"] = list(column["values"].values())
    (tmp_path / "dictionary.yaml").write_text(write_yaml(dictionary), encoding="utf-8")
    config = plain(CONFIG) | {"data": {"dictionary": "dictionary.yaml"}}
    (tmp_path / "config.yaml").write_text(write_yaml(config), encoding="utf-8")
    monkeypatch.setenv("PREDICTOR_CLINIC", postgres.url)
    return tmp_path


def test_the_same_baseline_table_as_from_the_file(project: Path) -> None:
    here, there = prepare_study(load_config(project / "config.yaml")), prepare_study(load_config(CONFIG))
    assert here.dataset.X.equals(there.dataset.X)
    assert (here.outcomes["response"].label == there.outcomes["response"].label)[
        here.outcomes["response"].evaluable
    ].all()
    assert prepare_study(load_config(project / "config.yaml")).data_hash == here.data_hash


def leaks(folder: Path, secrets: list[str]) -> list[str]:
    return [
        f"{path.relative_to(folder)}: {i}"
        for path in folder.rglob("*")
        if path.is_file()
        for i, secret in enumerate(secrets)
        if secret.encode() in path.read_bytes()
    ]


@pytest.mark.slow
def test_a_training_keeps_no_credential(
    project: Path, postgres: Server, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    secrets = [postgres.password, USER, postgres.url]
    with caplog.at_level(logging.DEBUG):
        training = train(load_config(project / "config.yaml"), runs_folder=project / "runs")
    assert training.evaluation.verdict.sentence
    assert leaks(project, secrets) == []
    said = caplog.text + "".join(capfd.readouterr()) + "".join(map(str, training.notices))
    assert [i for i, secret in enumerate(secrets) if secret in said] == []
    (project / "planted").write_text(postgres.password, encoding="ascii")
    assert leaks(project, secrets) == ["planted: 0"]  # the search finds what it looks for


@pytest.mark.parametrize(
    "sql",
    [
        {"url": "postgresql://nurse:planted-secret@db/research", "table": "t"},
        {"url": "postgres://nurse:planted-secret@db/research", "table": "t"},
        {"url": "nurse:planted-secret@db", "table": "t"},
        {"url": "postgresql://db/research?password=planted-secret", "table": "t"},
        {"url": "sqlite:///planted-secret@nurse.sqlite", "table": "t"},
        {"url_from": "postgresql://nurse:planted-secret@db/research", "table": "t"},
        {"url": ["postgresql://nurse:planted-secret@db/research"], "table": "t"},
        {"url_from": "PREDICTOR_DB", "table": "t", "password": "planted-secret"},
        {"url_from": "PREDICTOR_DB", "query": "SELECT 'planted-secret'; SELECT 1"},
    ],
)
def test_a_password_in_a_dictionary_is_refused_and_not_repeated(tmp_path: Path, sql: dict[str, Any]) -> None:
    dictionary = plain(CONFIG.parent / "dictionaries" / "redcap_simulated.yaml")
    for table in dictionary.values():
        table["source"] = {"sql": sql}
    (tmp_path / "dictionary.yaml").write_text(write_yaml(dictionary), encoding="utf-8")
    config = plain(CONFIG) | {"data": {"dictionary": "dictionary.yaml"}}
    (tmp_path / "config.yaml").write_text(write_yaml(config), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_config(tmp_path / "config.yaml")
    assert "planted-secret" not in str(error.value)
    assert "nurse" not in str(error.value)


def test_new_patients_of_a_server_are_asked_for_as_rows(project: Path) -> None:
    loaded = load_config(project / "config.yaml")
    with pytest.raises(
        DataError, match=r"PRE-01 the tables enrolment, treatment, rating, laboratory come from"
    ):
        read_export(None, project, loaded.dictionary, loaded.config.cohort, as_of=date(2026, 1, 1))  # type: ignore[arg-type]
