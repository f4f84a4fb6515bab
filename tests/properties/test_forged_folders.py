"""Folders that somebody else wrote, with the right hashes: refused when they are loaded, or whole; never a crash."""

from __future__ import annotations

import copy
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from model_examples import example_model, rehash
from predictor.errors import ModelError
from predictor.prediction import ResponsePredictor
from predictor.prediction_model import load_prediction_model, save_prediction_model
from trained_clinics import Answer, clinic_of, command_line, new_patients, trained

FILES = (
    "schema.json",
    "applicability.json",
    "explain.json",
    "card.json",
    "metrics.json",
    "golden.json",
    "scorer.json",
)
ODD = [
    None,
    True,
    -1,
    0,
    1e308,
    10**30,
    "",
    "x" * 1000,
    [],
    {},
    [[]],
    {"a": 1},
    "../../x",
    "2020-13-45",
    "\u202e",
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_prediction_model(example_model(), folder)
    return folder


def forge(folder: Path, name: str, place: tuple[str | int, ...], value: Any) -> None:
    """Put a value at a place of one of the texts, and mend the hashes as a forger would."""
    content = json.loads((folder / name).read_bytes())
    if place:
        part = content
        for key in place[:-1]:
            part = part[key]
        part[place[-1]] = value
    (folder / name).write_text(json.dumps(content if place else value))
    rehash(folder)


def answer(folder: Path) -> str:
    """Load and ask for one patient; say what came of it, and let through what nobody expects."""
    try:
        model = load_prediction_model(folder)
    except ModelError:
        return "refused"
    row = {one.name: 40.0 if one.kind == "number" else None for one in model.inputs}
    (found,) = ResponsePredictor(model).explain(pd.DataFrame([row]).astype(object))
    return found.kind


def test_the_folder_that_nobody_forged_answers(saved: Path) -> None:
    assert answer(saved) != "refused"


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("card.json", (), "a card"),
        ("card.json", ("valid_until",), "the end of time"),
        ("card.json", ("verdict",), ["better"]),
        ("card.json", ("paper",), {}),
        ("applicability.json", ("plan",), "ketamine"),
        ("applicability.json", ("policy",), []),
        ("applicability.json", ("policy", "withhold_if"), "never"),
        ("applicability.json", ("policy", "withhold_if"), {"missing_features_over": "9"}),
        ("applicability.json", ("policy", "withhold_if"), {"outside_training_range": "no"}),
        ("applicability.json", ("entry_rules",), "none"),
        ("applicability.json", ("entry_rules", 0), {"name": "Adult"}),
        ("applicability.json", ("entry_rules", 0, "conditions", 0, "min"), "eighteen"),
        ("applicability.json", ("entry_rules", 0, "conditions", 0, "in"), 18),
        ("applicability.json", ("entry_rules", 0, "conditions", 0, "input"), "height"),
        ("applicability.json", ("plan",), {"input": "height"}),
        ("schema.json", ("inputs", 1, "limits"), [0]),
        ("schema.json", ("inputs", 1, "learned"), 3.0),
        ("schema.json", ("inputs", 1, "label"), True),
        ("schema.json", ("inputs", 1, "required"), "yes"),
        ("schema.json", ("inputs", 1, "source"), 7),
        ("schema.json", ("inputs", 0, "deciles"), [None]),
        ("schema.json", ("features", 0, "source"), None),
        ("schema.json", ("features", 0, "name"), "height"),
        ("applicability.json", ("entry_rules", 0, "conditions"), []),
        ("applicability.json", ("distance",), {"columns": [{"feature": "age", "scale": []}]}),
        ("explain.json", ("", 0, "start_log_odds"), "0"),
        ("explain.json", ("", 0, "mean_log_odds_contributions"), {}),
        ("explain.json", ("", 0, "mean_log_odds_contributions", "height"), 1.0),
        ("explain.json", ("",), []),
        ("metrics.json", ("group_rates",), [{"plan": 1}]),
        ("metrics.json", ("group_rates",), None),
    ],
)
def test_art_03_what_only_looks_like_a_model_is_refused_when_it_is_loaded(
    saved: Path, tmp_path: Path, name: str, place: tuple[str | int, ...], value: Any
) -> None:
    folder = Path(shutil.copytree(saved, tmp_path / "model"))
    forge(folder, name, place, value)
    with pytest.raises(ModelError, match="ART-03 its content cannot be read"):
        load_prediction_model(folder)


def places(content: Any, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return where something stands in a text, the whole first."""
    found = [here]
    if isinstance(content, dict):
        pairs: list[tuple[str | int, Any]] = list(content.items())
    else:
        pairs = list(enumerate(content)) if isinstance(content, list) else []
    for key, part in pairs:
        found += places(part, (*here, key))
    return found


def forged_at_random(folder: Path, draw: random.Random) -> None:
    name = draw.choice(FILES)
    content = json.loads((folder / name).read_bytes())
    found = sorted(places(content), key=len)
    # The outer parts as often as the many numbers inside.
    place = found[min(int(draw.expovariate(4 / len(found))), len(found) - 1)]
    forge(folder, name, place, copy.deepcopy(draw.choice(ODD)))


@pytest.mark.parametrize("number", [60, pytest.param(1_500, marks=pytest.mark.slow)])
def test_art_03_no_forged_folder_crashes_whoever_loads_it_or_asks_it(
    saved: Path, tmp_path: Path, number: int
) -> None:
    draw = random.Random(number)
    answers = []
    for _ in range(number):
        folder = Path(shutil.copytree(saved, tmp_path / "model"))
        forged_at_random(folder, draw)
        answers.append(answer(folder))
        shutil.rmtree(folder)
    assert answers.count("refused") > number / 3
    assert answers.count("refused") < number


# The commands that a clinic uses: reports, a table as CSV and as Parquet, an export


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients as CSV and as Parquet."""
    folder = tmp_path_factory.mktemp("asked")
    new_patients(3).to_csv(folder / "three.csv", index=False)
    new_patients(3).to_parquet(folder / "three.parquet")
    return folder


def ask(model: Path, asked: Path, out: Path) -> dict[str, tuple[Answer, list[float | None]]]:
    """Give a folder to every command that answers patients, and return what each said with its numbers."""
    out.mkdir()
    three, export = asked / "three.csv", clinic_of(trained()).folder
    answers = {
        "report": command_line("report", model, three, "--out", out / "pages"),
        "csv": command_line("predict", model, three, "--out", out / "csv.csv"),
        "parquet": command_line("predict", model, asked / "three.parquet", "--out", out / "parquet.parquet"),
        "export": command_line(
            "predict", model, export, "--as-of", "2025-12-31", "--out", out / "export.csv"
        ),
    }
    pages = [json.loads(path.read_text()) for path in sorted((out / "pages").glob("*.json"))]
    numbers: dict[str, list[float | None]] = {
        "report": [(page.get("estimate") or {}).get("per100") for page in pages]
    }
    for name in ("csv.csv", "export.csv", "parquet.parquet"):
        path = out / name
        if path.is_file():
            table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
            numbers[path.stem] = [None if pd.isna(one) else float(one) for one in table["probability"]]
    return {name: (one, numbers.get(name, [])) for name, one in answers.items()}


@pytest.fixture(scope="module")
def honest(asked: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float | None]]:
    """What the folder says that nobody has touched."""
    said = ask(trained().folder / "model", asked, tmp_path_factory.mktemp("honest") / "out")
    assert {answer.code for answer, _ in said.values()} == {0}
    assert all(any(one is not None for one in numbers) for _, numbers in said.values())
    return {name: numbers for name, (_, numbers) in said.items()}


def test_art_01_no_command_gives_a_number_from_a_folder_with_a_changed_byte(
    asked: Path, tmp_path: Path
) -> None:
    draw = random.Random(8)
    for name in ("scorer.json", "card.json", "model.skops", "refits.npz"):
        folder = Path(shutil.copytree(trained().folder / "model", tmp_path / name / "model"))
        data = bytearray((folder / name).read_bytes())
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        (folder / name).write_bytes(data)
        for command, (answer, numbers) in ask(folder, asked, tmp_path / name / "out").items():
            assert (answer.code, numbers) == (4, []), (name, command)
            assert "ART-0" in answer.err
        assert {path.name for path in (tmp_path / name / "out").iterdir()} == set()


@pytest.mark.parametrize("number", [8, pytest.param(250, marks=pytest.mark.slow)])
def test_art_03_a_forged_folder_gives_the_same_numbers_or_none_to_every_command(
    asked: Path, honest: dict[str, list[float | None]], tmp_path: Path, number: int
) -> None:
    draw = random.Random(number)
    for i in range(number):
        folder = Path(shutil.copytree(trained().folder / "model", tmp_path / str(i) / "model"))
        forged_at_random(folder, draw)
        for command, (answer, numbers) in ask(folder, asked, tmp_path / str(i) / "out").items():
            assert answer.code in (0, 3, 4), (answer.err, command)
            for one, true in zip(numbers, honest[command], strict=False):
                assert one is None or one == pytest.approx(true, abs=1e-9), command
        shutil.rmtree(tmp_path / str(i))


@pytest.mark.parametrize(
    ("name", "place", "value", "command"),
    [
        ("explain.json", ("ketamine", 0, "start_log_odds"), 9.0, "report"),
        ("explain.json", ("midazolam", 0, "mean_log_odds_contributions", "age"), 10**30, "report"),
        ("card.json", ("metrics", "auc", "value"), 10**30, "report"),
        ("card.json", ("plain_counts",), [1], "report"),
        ("card.json", ("metrics", "auc"), "0.8", "report"),
        ("schema.json", ("dictionary", "patients", "source", "decimal"), 0, "export"),
        ("schema.json", ("dictionary", "patients", "columns", "age", "label"), 10**30, "export"),
        ("schema.json", ("cohort", "index", "table"), "nowhere", "export"),
        ("schema.json", ("cohort", "eligibility", 0), True, "export"),
        ("schema.json", ("inputs", 0, "source"), "patients.height", "export"),
    ],
)
def test_art_03_what_a_folder_says_to_one_command_alone_is_refused_by_it(
    asked: Path, tmp_path: Path, name: str, place: tuple[str | int, ...], value: Any, command: str
) -> None:
    folder = Path(shutil.copytree(trained().folder / "model", tmp_path / "model"))
    forge(folder, name, place, value)
    answer, numbers = ask(folder, asked, tmp_path / "out")[command]
    assert (answer.code, numbers) == (4, [])
    assert "ART-03" in answer.err
