"""The example configs load, and their declarations give the published counts when read with plain pandas."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from predictor.config.dictionary import Table
from predictor.config.loading import LoadedConfig, dump_config, load_config
from predictor.config.problems import count_fits
from predictor.config.schema import ResponseOutcome

CONFIGS = Path(__file__).parents[3] / "configs"
TRIALS = ["ketamine_nimh", "thinking_healthy", "opt_periodontal"]


def read(loaded: LoadedConfig, name: str) -> pd.DataFrame:
    """Read a table's file as text, as the dictionary declares it, with missing codes as missing."""
    source = loaded.dictionary[name].source
    frame = pd.read_csv(loaded.sources[name], sep=source.delimiter or ",", dtype=str, keep_default_na=False)
    stripped = frame.apply(lambda column: column.str.strip())
    return stripped.mask(stripped.isin(source.missing))


def scores(loaded: LoadedConfig, measure: str, levels: Mapping[str, str]) -> pd.DataFrame:
    """Return patient, day and score of a measure; ``levels`` is what a visit map depends on, per patient."""
    table = loaded.dictionary["assessments"]
    frame = read(loaded, "assessments")
    pieces = []
    for header in table.headers_of(measure):
        column = table.columns[header]
        day = column.day if column.day is not None else visit_days(table, frame, levels)
        pieces.append(
            pd.DataFrame({"patient": frame[table.key], "day": day, "score": pd.to_numeric(frame[header])})
        )
    return pd.concat(pieces).dropna()


def visit_days(table: Table, frame: pd.DataFrame, levels: Mapping[str, str]) -> pd.Series:
    assert table.visits is not None
    mapped = [
        table.visits.days.get(levels.get(patient, ""), {}).get(label)
        for patient, label in zip(frame[table.key], frame[table.visits.column], strict=True)
    ]
    return pd.to_numeric(pd.Series(mapped, index=frame.index).replace("ignore", None))


def responders(loaded: LoadedConfig, people: set[str], levels: Mapping[str, str]) -> pd.Series:
    """Return response, one per evaluable patient, by the declared window and reduction."""
    outcome = loaded.config.outcomes[loaded.config.primary]
    assert isinstance(outcome, ResponseOutcome)
    found = scores(loaded, outcome.measure, levels)
    found = found[found["patient"].isin(people)].sort_values("day")
    window = loaded.config.cohort.baseline
    before = found[found["day"].between(window.first_day, window.last_day)].groupby("patient")["score"].last()
    after = found[found["day"].between(outcome.assessed.first_day, outcome.assessed.last_day)]
    later = after.groupby("patient")["score"].first()
    both = pd.concat([before, later], axis=1, keys=["before", "after"]).dropna()
    return both["after"] <= (1 - outcome.reduction) * both["before"]


@pytest.mark.parametrize("name", TRIALS)
def test_example_configs_load_and_are_modest(name: str) -> None:
    loaded = load_config(CONFIGS / f"{name}.yaml")
    validation = loaded.config.validation
    assert (validation.outer.n_splits, validation.outer.n_repeats, validation.inner.n_splits) == (5, 3, 3)
    assert len(loaded.config.features.sets) <= 2
    assert {model.type: model.n_candidates for model in loaded.config.models.values()} == {
        "elastic_net": 9 * 2,  # strengths × kinds of penalty
        "random_forest": 2,  # sizes of a leaf
        "lightgbm": 2 * 5,  # leaves × numbers of trees
    }
    assert count_fits(loaded.config) == 5 * 3 * 3 * 30 * len(loaded.config.features.sets)


@pytest.mark.parametrize("name", TRIALS)
def test_filled_in_example_configs_load_to_the_same_hash(name: str, tmp_path: Path) -> None:
    loaded = load_config(CONFIGS / f"{name}.yaml")
    (tmp_path / "dictionaries").mkdir()
    dictionary = CONFIGS / loaded.config.data.dictionary
    (tmp_path / "dictionaries" / dictionary.name).write_bytes(dictionary.read_bytes())
    text = dictionary.read_text(encoding="utf-8").replace("../../data", "../data")
    (tmp_path / "dictionaries" / dictionary.name).write_text(text, encoding="utf-8")
    (tmp_path / "config.yaml").write_text(dump_config(loaded), encoding="utf-8")
    assert load_config(tmp_path / "config.yaml").config_hash == loaded.config_hash


@pytest.mark.parametrize("name", TRIALS)
def test_every_declared_column_and_code_is_in_its_file(name: str) -> None:
    loaded = load_config(CONFIGS / f"{name}.yaml")
    for table_name, table in loaded.dictionary.tables():
        frame = read(loaded, table_name)
        assert frame[table.key].notna().all()
        for header, column in table.columns.items():
            values = frame[header].dropna()
            if column.values is not None:
                assert set(values) <= set(column.values), header
            if column.kind in ("number", "integer"):
                low, high = column.range or (None, None)
                numbers = pd.to_numeric(values)
                assert numbers.between(-1e9 if low is None else low, 1e9 if high is None else high).all(), (
                    header
                )
            if column.kind == "integer":
                assert (pd.to_numeric(values) % 1 == 0).all(), header
            if column.kind == "boolean":
                assert set(values) <= {"0", "1", "0.0", "1.0"}, header


def test_nimh_ketamine_counts() -> None:
    loaded = load_config(CONFIGS / "ketamine_nimh.yaml")
    table, frame = (
        loaded.dictionary["patients"],
        read(load_config(CONFIGS / "ketamine_nimh.yaml"), "patients"),
    )
    named = pd.DataFrame({
        f"patients.{c.reference(h)}": frame[h].map(c.values) if c.values else frame[h] for h, c in table.columns.items()
    }).set_index(frame[table.key])  # fmt: skip
    remaining = [len(named)]
    for rule in loaded.config.cohort.eligibility:
        passes = [named[condition.column].isin(condition.in_ or []) for condition in rule.conditions()]
        named = named[pd.concat(passes, axis=1).any(axis=1)]
        remaining.append(len(named))
    assert remaining == [58, 36, 31]
    response = responders(loaded, set(named.index), named["patients.first_infusion"].dropna().to_dict())
    assert (len(response), int(response.sum())) == (29, 6)
    saline_first = named.loc[response.index, "patients.first_infusion"] == "saline"
    assert int(saline_first.sum()) == 13


@pytest.mark.parametrize(
    ("name", "people", "evaluable", "responding"),
    [("thinking_healthy", 903, 818, 505), ("opt_periodontal", 823, 659, 221)],
)
def test_counts_of_the_wide_trials(name: str, people: int, evaluable: int, responding: int) -> None:
    loaded = load_config(CONFIGS / f"{name}.yaml")
    patients = read(loaded, "patients")[loaded.dictionary["patients"].key]
    assert patients.nunique() == len(patients) == people
    response = responders(loaded, set(patients), {})
    assert (len(response), int(response.sum())) == (evaluable, responding)


def test_thinking_healthy_has_forty_clusters() -> None:
    assert read(load_config(CONFIGS / "thinking_healthy.yaml"), "patients")["uc"].nunique() == 40
