"""A model trained at one clinic, evaluated at another: SIMULATED patients whose outcomes are shifted in a known way."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

import predictor
from predictor.config.loading import load_config
from predictor.errors import ConfigError, DataError, ResourceError
from predictor.external import ExternalEvaluation, evaluate_external, updated_model
from predictor.prediction import ResponsePredictor
from predictor.prediction_model import PredictionModel, load_prediction_model, raw_columns
from predictor.validation.discrimination import auc
from predictor.validation.updating import closed_test
from trained_clinics import NOW, Clinic, command_line, new_patients, trained, write_clinic

N = 1200


def other_clinic(
    folder: Path, *, intercept: float = 0.0, slope: float = 1.0, reverse_age: bool = False, n: int = N
) -> Clinic:
    """Write a SIMULATED clinic whose responses follow a line of the trained model's own log-odds, or also age."""
    clinic = write_clinic(folder, n=n, seed=77)
    clinic.change(
        "patients:\n  source", "patients:\n  title: SIMULATED other clinic\n  source", file="dictionary.yaml"
    )
    clinic.change("name: clinic-elastic-net", "name: other-clinic")
    tables = {name: clinic.table(name) for name in ("patients", "treatments", "scores")}
    eta = intercept + slope * model_log_odds(clinic)
    if reverse_age:
        age = tables["patients"]["age"].astype(float).to_numpy()
        eta = eta + (age - 45) / 8
    responds = np.random.default_rng(5).random(n) < expit(eta)
    scores = tables["scores"]
    before = scores["score"].iloc[:n].astype(float).to_numpy()
    after = np.where(responds, np.floor(before * 0.4), np.ceil(before * 0.8)).astype(int)
    scores.loc[scores.index[n:], "score"] = after.astype(str)
    scores.to_csv(clinic.folder / "scores.csv", index=False)
    return clinic


def parent() -> PredictionModel:
    return load_prediction_model(trained().folder / "model")


def model_log_odds(clinic: Clinic) -> np.ndarray:
    """What the trained model says of everybody in a clinic's files, in the files' order."""
    patients, treatments = clinic.table("patients"), clinic.table("treatments")
    scores = clinic.table("scores").iloc[: len(patients)]
    frame = pd.DataFrame(
        {
            "age": patients["age"].astype(float),
            "sex": patients["sex"].map({"F": "female", "M": "male"}),
            "site": patients["site"],
            "madrs": scores["score"].astype(float).to_numpy(),
            "crp": pd.to_numeric(patients["crp"], errors="coerce"),
            "arm": treatments["arm"],
        }
    )
    p = predictor.predict(parent(), frame)["probability"].to_numpy(dtype=float)
    return np.where(
        np.isnan(p), 0.0, logit(np.where(np.isnan(p), 0.5, p))
    )  # refused: outside what was learned


def evaluated(clinic: Clinic) -> ExternalEvaluation:
    return evaluate_external(parent(), load_config(clinic.config), today=NOW.date())


@pytest.mark.parametrize(
    ("shift", "wanted"),
    [
        ({}, "none"),
        ({"intercept": -0.9}, "intercept"),
        ({"intercept": 0.5, "slope": 0.5}, "slope"),
        ({"reverse_age": True}, "refit"),
    ],
)
def test_the_closed_test_finds_what_was_shifted(tmp_path: Path, shift: dict[str, float], wanted: str) -> None:
    found = evaluated(other_clinic(tmp_path, **shift))  # type: ignore[arg-type]
    assert found.test.chosen == wanted
    assert found.simulated
    update = found.test.update
    if wanted in ("intercept", "slope"):
        assert update.intercept == pytest.approx(shift["intercept"], abs=0.25)
        assert update.slope == pytest.approx(shift.get("slope", 1.0), abs=0.12)


def test_refused_patients_are_counted_and_the_others_are_the_models_own_answers(tmp_path: Path) -> None:
    clinic = other_clinic(tmp_path, n=300)
    table = clinic.table("patients")
    table.loc[:29, "age"] = "79"  # older than anybody the model has seen
    table.to_csv(clinic.folder / "patients.csv", index=False)
    found = evaluated(clinic)
    steps = dict(zip(found.attrition["step"], found.attrition["units"], strict=True))
    refused = [step for step in steps if step.startswith("Refused")]
    assert len(refused) >= 1
    assert any("values inside learned ranges" in step for step in refused)
    assert steps["With an outcome"] - found.n >= 30
    assert steps["Answered by the model"] == found.n
    log_odds = model_log_odds(clinic)
    kept = log_odds != 0.0
    scores = clinic.table("scores")["score"].astype(float).to_numpy()
    y = (scores[300:] <= scores[:300] / 2).astype(float)
    own = found.performance.set_index("metric").loc["auc"]
    assert kept.sum() == found.n
    assert own["value"] == pytest.approx(auc(y[kept], expit(log_odds[kept])))
    assert own["low"] < own["value"] < own["high"]


def test_the_command_writes_tables_page_and_an_updated_model_that_predicts(tmp_path: Path) -> None:
    clinic, out, new = other_clinic(tmp_path / "b", intercept=-0.9), tmp_path / "out", tmp_path / "new"
    answer = command_line(
        "evaluate", trained().folder, clinic.config, "--out", out, "--save-updated", new, cwd=tmp_path
    )
    assert answer.code == 0, answer.err
    assert answer.out.startswith("SIMULATED DATA")
    assert "a new intercept brings it right" in answer.out
    assert {path.name for path in out.iterdir()} == {
        "evaluation.csv",
        "case_mix.csv",
        "updating.csv",
        "evaluation.html",
    }
    assert "SIMULATED" in (out / "evaluation.html").read_text(encoding="utf-8")
    table = pd.read_csv(out / "evaluation.csv")
    assert {"auc", "brier", "log_loss", "ici", "e50", "e90", "net_benefit", "observed_expected"} <= set(
        table["metric"]
    )
    updated, before = load_prediction_model(new), parent()
    step = updated.card["updates"][0]
    assert step["parent_sha256"] == before.manifest["sha256"]
    assert step["data_sha256"] != before.card["data_sha256"]
    assert updated.manifest["sha256"] != before.manifest["sha256"]
    assert step["method"] == "intercept"
    moved = predictor.predict(updated, new_patients())["probability"].to_numpy(dtype=float)
    stayed = predictor.predict(before, new_patients())["probability"].to_numpy(dtype=float)
    np.testing.assert_allclose(logit(moved), step["intercept"] + logit(stayed), atol=1e-9)


def test_declared_clusters_are_what_the_closed_test_counts(tmp_path: Path) -> None:
    clinic = other_clinic(tmp_path / "b", intercept=-0.9)
    table = clinic.table("patients")
    table["therapist"] = [f"T{i % 40:02d}" for i in range(len(table))]
    table.to_csv(clinic.folder / "patients.csv", index=False)
    clinic.change("    crp:", "    therapist: {type: category}\n    crp:", file="dictionary.yaml")
    clinic.change("cohort:\n", "cohort:\n  group: patients.therapist\n")
    answer = command_line(
        "evaluate", trained().folder, clinic.config, "--out", tmp_path / "out", cwd=tmp_path
    )
    assert answer.code == 0, answer.err
    assert "Tested by scores of the 40 clusters, not by patients" in answer.out
    assert "none against refit: F " in answer.out
    page = (tmp_path / "out" / "evaluation.html").read_text(encoding="utf-8")
    assert "counts the 40 clusters and not their patients" in page
    updates = pd.read_csv(tmp_path / "out" / "updating.csv").set_index("update")
    assert updates.loc["none", "df"] + updates.loc["none", "df_error"] == 40
    assert not updates.loc["none", "chosen"]


def test_contributions_of_an_updated_model_add_up_and_its_range_moves_along(tmp_path: Path) -> None:
    clinic = other_clinic(tmp_path / "b", intercept=0.5, slope=0.5)
    predictor.evaluate_model(parent(), clinic.config, save_updated=tmp_path / "new", now=NOW)
    updated = ResponsePredictor.load(tmp_path / "new")
    for one in updated.explain(new_patients()):
        assert one.probability is not None
        assert one.start is not None
        total = one.start + sum(part.points for part in one.contributions) + one.other
        assert total == pytest.approx(one.probability, abs=1e-6)
        assert one.low is not None
        assert one.low <= one.probability <= (one.high or 0.0)
    line, rows = updated.model.scorer.line, new_patients().to_dict("records")
    assert line is not None
    raw = raw_columns(parent().features, [{str(k): v for k, v in row.items()} for row in rows])
    for moved, stayed in zip(updated.model.refits, parent().refits, strict=True):
        before, after = (logit(refit.probability(raw, len(rows))) for refit in (stayed, moved))
        np.testing.assert_allclose(after, line[1] + line[0] * before, atol=1e-9)


def test_an_updated_model_can_be_updated_again(tmp_path: Path) -> None:
    clinic = other_clinic(tmp_path / "b", intercept=-0.9)
    predictor.evaluate_model(parent(), clinic.config, save_updated=tmp_path / "new", now=NOW)
    again = predictor.evaluate_model(tmp_path / "new", clinic.config, now=NOW)
    assert again.test.chosen == "none"
    assert "adapted to" in again.model.card["limits"][-1]


@pytest.mark.parametrize("shift", [{}, {"reverse_age": True}])
def test_no_model_is_written_where_no_line_was_chosen(tmp_path: Path, shift: dict[str, bool]) -> None:
    clinic = other_clinic(tmp_path / "b", **shift)  # type: ignore[arg-type]
    predictor.evaluate_model(parent(), clinic.config, save_updated=tmp_path / "new", now=NOW)
    assert not (tmp_path / "new").exists()


def test_case_mix_sets_what_the_folder_holds_beside_these_patients(tmp_path: Path) -> None:
    clinic = other_clinic(tmp_path, n=300)
    table = clinic.table("patients")
    table["sex"] = ["F"] * 240 + ["M"] * 60
    table.to_csv(clinic.folder / "patients.csv", index=False)
    mix = evaluated(clinic).case_mix.set_index(["what", "level"])
    developed = trained().study
    rows = developed.primary.evaluable
    assert mix.loc[("Sex", "female"), "here"] == pytest.approx(0.8)
    age = developed.dataset.X["age"][rows]
    assert mix.loc[("Age", "mean"), "development"] == pytest.approx(age.mean(), rel=0.01)
    assert mix.loc[("Age", "mean"), "development_sd"] == pytest.approx(age.std(), rel=0.01)
    assert mix.loc[("Predictions", "mean log-odds"), "development_sd"] > 0.5


def test_a_folder_without_means_and_spreads_is_evaluated_all_the_same(tmp_path: Path) -> None:
    model = parent()
    old = replace(model, card={k: v for k, v in model.card.items() if k != "case_mix"})
    found = evaluate_external(old, load_config(other_clinic(tmp_path, n=300).config), today=NOW.date())
    assert any("means and spreads" in note for note in found.notes)
    assert found.case_mix["development_sd"].isna().all()


def test_lea_08_the_models_own_data_are_recognised_and_change_nothing(tmp_path: Path) -> None:
    """On its own patients a model looks too cautious: a slope above 1 from them would make it too bold."""
    own = trained().study.loaded.path
    found = predictor.evaluate_model(parent(), own, save_updated=tmp_path / "new", now=NOW)
    assert any("developed on: its figures here are too good" in note for note in found.notes)
    assert "developed on these patients" in found.advice
    assert not (tmp_path / "new").exists()
    shifted = replace(found, test=closed_test(np.zeros(80), np.repeat([1.0, 0.0], [60, 20])))
    assert shifted.test.chosen in ("intercept", "slope")
    assert not shifted.recalibrates
    with pytest.raises(ValueError, match="no recalibration to write"):
        updated_model(shifted, parent="", created=NOW.date())


def with_patients_of(clinic: Clinic, own: Path, n: int, *, renamed: bool) -> Clinic:
    """Put the first ``n`` patients of another clinic's folder in the place of the last ones of this one."""
    for name in ("patients", "treatments", "scores"):
        mine = clinic.table(name)
        key = mine.columns[0]
        theirs = pd.read_csv(own / f"{name}.csv", dtype=str, keep_default_na=False)
        moved = sorted(theirs[key].unique())[:n]
        replaced = sorted(mine[key].unique())[-n:]
        taken = theirs[theirs[key].isin(moved)]
        if renamed:
            taken = taken.assign(**{key: taken[key].map(dict(zip(moved, replaced, strict=True)))})
            kept = mine[~mine[key].isin(replaced)]
        else:
            kept = mine[~mine[key].isin([*replaced, *moved])]
        pd.concat([kept, taken]).to_csv(clinic.folder / f"{name}.csv", index=False)
    return clinic


@pytest.mark.parametrize("renamed", [False, True])
def test_lea_08_a_partly_overlapping_export_is_refused_with_a_count_and_no_key(
    tmp_path: Path, renamed: bool
) -> None:
    own = trained().study.loaded
    clinic = with_patients_of(write_clinic(tmp_path, n=200, seed=77), own.path.parent, 30, renamed=renamed)
    with pytest.raises(DataError, match="LEA-08") as caught:
        predictor.evaluate_model(parent(), clinic.config, developed_on=own, now=NOW)
    assert caught.value.exit_code == 3
    message = str(caught.value)
    counts = [int(one) for one in re.findall(r"(\d+) (?:are among|have the inputs)", message)]
    # A few of the thirty have no outcome or do not enter the cohort.
    assert 20 <= counts[int(renamed)] <= 30
    assert counts[1 - int(renamed)] <= 1
    assert not set(re.findall(r"\w+", message)) & set(clinic.table("patients").iloc[:, 0])


def test_lea_08_equal_keys_of_other_patients_are_no_overlap_and_other_data_no_proof(tmp_path: Path) -> None:
    own = trained().study.loaded
    clinic = write_clinic(tmp_path, n=200, seed=77)
    shared = set(clinic.table("patients").iloc[:, 0]) & set(
        pd.read_csv(own.path.parent / "patients.csv", dtype=str).iloc[:, 0]
    )
    assert len(shared) > 100  # both clinics number their patients from 1
    found = predictor.evaluate_model(parent(), clinic.config, developed_on=own, now=NOW)
    assert found.n > 50
    with pytest.raises(DataError, match="LEA-08 the data of this config are not those"):
        predictor.evaluate_model(parent(), clinic.config, developed_on=clinic.config, now=NOW)


def test_a_missing_input_and_another_unit_are_refused(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path / "a", n=60)
    clinic.change("unit: mg/L, range: [0, 300]", "unit: nmol/L, range: [0, 300]", file="dictionary.yaml")
    with pytest.raises((DataError, ConfigError), match="nmol/L"):
        evaluate_external(parent(), load_config(clinic.config))
    clinic = write_clinic(tmp_path / "b", n=60)
    clinic.change("    age:", "    years:", file="dictionary.yaml")
    for name in ("column: patients.age", "[patients.age"):
        clinic.change(name, name.replace("age", "years"))
    table = clinic.table("patients").rename(columns={"age": "years"})
    table.to_csv(clinic.folder / "patients.csv", index=False)
    with pytest.raises(DataError, match=r"PRE-01.*the model needs age"):
        evaluate_external(parent(), load_config(clinic.config))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path / "b", n=60)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(ConfigError, match="CFG-10"):
        predictor.evaluate_model(parent(), clinic.config, tmp_path / "out")
    with pytest.raises(ResourceError, match="ART-15"):
        predictor.evaluate_model(parent(), clinic.config, save_updated=tmp_path / "out")


def test_few_events_leave_the_model_as_it_is(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path, n=30, seed=3)
    found = evaluated(clinic)
    assert found.test.chosen == "none"
    assert "Nothing can be said" in found.advice
    assert set(found.performance["metric"]) == {"observed", "expected"}
