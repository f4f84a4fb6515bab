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
