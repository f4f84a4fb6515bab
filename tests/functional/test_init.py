"""`predictor init`: from an export to drafts that `check` reads, with every guess marked, and training that waits."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from predictor.config.loading import load_config
from trained_clinics import command_line, write_clinic

DATA = Path(__file__).resolve().parents[2] / "data"
TRIALS = {
    "nimh_ketamine": ["participants.tsv", "phenotype.tsv"],
    "opt_periodontal": ["opt.csv"],
    "thinking_healthy": ["thinking_healthy.csv"],
}
MARK = re.compile(r"# CONFIRM: .+")


def project(folder: Path) -> Path:
    (folder / "pyproject.toml").touch()
    return folder


@pytest.mark.parametrize("trial", list(TRIALS))
def test_a_draft_of_each_open_trial_is_read_by_check(tmp_path: Path, trial: str) -> None:
    folder = project(tmp_path)
    for name in TRIALS[trial]:
        shutil.copy(DATA / trial / name, folder / name)
    answer = command_line("init", ".", cwd=folder)
    assert (answer.code, answer.err) == (0, "")
    texts = [(folder / name).read_text(encoding="utf-8") for name in ("dictionary.yaml", "config.yaml")]
    marks = [line for text in texts for line in text.splitlines() if MARK.search(line) and line[0] != "#"]
    assert f"{len(marks)} lines are marked CONFIRM" in answer.out
    checked = command_line("check", "config.yaml", cwd=folder)
    # Exit 6 is the policy about sample size and leaks, not about what can be read.
    assert checked.code in (0, 6), checked.err
    assert checked.out.count("CFG-56 a guess that nobody has confirmed") == len(marks)


def test_what_the_drafts_of_the_open_trials_say(tmp_path: Path) -> None:
    """Against the dictionaries that were written by hand, from the papers and data cards."""
    folder = project(tmp_path)
    for trial in ("nimh_ketamine", "thinking_healthy"):
        (folder / trial).mkdir()
        for name in TRIALS[trial]:
            shutil.copy(DATA / trial / name, folder / trial / name)
        assert command_line("init", trial, "--out", f"{trial}/dictionary.yaml", cwd=folder).code == 0
    yaml = YAML(typ="safe")
    nimh = yaml.load(folder / "nimh_ketamine" / "dictionary.yaml")
    assert nimh["participants"]["key"] == nimh["phenotype"]["key"] == "participant_id"
    assert nimh["phenotype"]["visits"]["column"] == "session_id"
    assert nimh["phenotype"]["visits"]["days"]["ses-b0"] == 0
    scales = {header: column["instrument"] for header, column in nimh["phenotype"]["columns"].items()}
    assert scales == {"MADRS_Total": "madrs", "HAM17_Total": "hamd17", "HAMD_Bech": "hamd6"}
    columns = yaml.load(folder / "thinking_healthy" / "dictionary.yaml")["thinking_healthy"]["columns"]
    assert columns["hamd_baseline"] == {"instrument": "hamd17", "day": 0}
    assert columns["hamd_6m"] == {"instrument": "hamd17", "day": 183}
    # What happened to the women is known afterwards.
    for header in ("response_6m", "remission_1y", "depressed_6m", "attrit2"):
        assert columns[header]["known"] == "after"


def test_a_clinics_export_with_dates_and_one_score_a_row(tmp_path: Path) -> None:
    folder = project(tmp_path)
    assert (
        command_line("simulate", "--patients", "150", "--seed", "3", "--out", "export", cwd=folder).code == 0
    )
    (folder / "export" / "truth.csv").unlink()
    answer = command_line("init", "export", cwd=folder)
    assert answer.code == 0
    assert answer.out.startswith("SIMULATED DATA")
    loaded = load_config(folder / "config.yaml")
    assert (folder / "dictionary.yaml").read_text(encoding="utf-8").startswith("# SIMULATED")
    assert loaded.config.cohort.index.table == "treatments"
    assert loaded.config.cohort.consent == "patients.research_consent"
    assert (loaded.config.outcomes["response"].measure, loaded.config.severity) == (
        "madrs",
        "assessments.madrs",
    )
    dictionary = loaded.dictionary
    assert dictionary["assessments"].layout == "long"
    assert dictionary["assessments"].columns["GAD-7"].instrument == "gad7"
    assert (
        dictionary["biomarkers"].columns["crp"].unit,
        dictionary["biomarkers"].columns["crp"].below_limit,
    ) == (
        "mg/L",
        "sqrt2",
    )
    assert dictionary["biomarkers"].columns["cortisol"].unit == "nmol/L"
    # Nothing known after day 0 is among the features: they are what the shipped config allows, and no more.
    sources = {entry.column for entry in loaded.config.features.groups["clinical"]}
    assert not any(name.startswith(("followup.", "side_effects.")) for name in sources)
    assert "treatments.infusions_received" not in sources
    assert {"patients.age", "assessments.madrs", "biomarkers.crp"} <= sources
    checked = command_line("check", "config.yaml", cwd=folder)
    assert checked.code in (0, 6), checked.err
    assert "CFG-56" in checked.out
    for text in (answer.out, checked.out):
        assert "SIM-0" not in text


def test_training_waits_until_every_guess_is_confirmed(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path)
    dictionary = clinic.folder / "dictionary.yaml"
    lines = dictionary.read_text(encoding="utf-8").splitlines()
    at = next(i for i, line in enumerate(lines) if "key:" in line)
    lines[at] += "   # CONFIRM: does each value stand for one patient?"
    dictionary.write_text(
        "# CONFIRM lines that declare nothing wait for nobody\n" + "\n".join(lines), encoding="utf-8"
    )
    answer = command_line("train", "config.yaml", "--workers", "1", cwd=clinic.folder)
    assert answer.code == 2
    assert answer.errors[0] == (
        f"dictionary.yaml:{at + 2}: key: CFG-56 a guess that nobody has confirmed (does each value stand for one "
        "patient?). Mend the line if need be, then delete its mark."
    )
    assert not (clinic.folder / "experiments").exists()
    dictionary.write_text("\n".join(lines).replace("# CONFIRM", "# confirmed"), encoding="utf-8")
    assert command_line("check", "config.yaml", cwd=clinic.folder).out.count("CFG-56") == 0


def test_a_draft_with_an_error_is_told_of_its_marks_too(tmp_path: Path) -> None:
    clinic = write_clinic(tmp_path)
    dictionary, config = clinic.folder / "dictionary.yaml", clinic.folder / "config.yaml"
    marked = dictionary.read_text(encoding="utf-8").splitlines()
    at = next(i for i, line in enumerate(marked) if "key:" in line)
    marked[at] += "   # CONFIRM: is it?"
    dictionary.write_text("\n".join(marked) + "\n", encoding="utf-8")
    config.write_text(config.read_text(encoding="utf-8") + "modle: x\n", encoding="utf-8")
    answer = command_line("check", "config.yaml", cwd=clinic.folder)
    assert answer.code == 2
    assert "CFG-01" in answer.errors[0]
    assert answer.errors[-1].startswith(f"dictionary.yaml:{at + 1}: key: CFG-56")


def test_a_semicolon_file_a_missing_key_and_files_that_lie_there(tmp_path: Path) -> None:
    folder = project(tmp_path)
    rows = [f"P{i:02d};{30 + i};{20 + i % 9}" for i in range(20)]
    (folder / "german.csv").write_text("patient_id;age;madrs_baseline\n" + "\n".join(rows), encoding="utf-8")
    assert command_line("init", "german.csv", cwd=folder).code == 0
    text = (folder / "dictionary.yaml").read_text(encoding="utf-8")
    assert '"delimiter": ";"' in text
    again = command_line("init", "german.csv", cwd=folder)
    assert again.code == 2
    assert "CFG-10" in again.err
    (folder / "keyless.csv").write_text("a,b\n1,2\n1,2\n", encoding="utf-8")
    keyless = command_line("init", "keyless.csv", "--out", "other/dictionary.yaml", cwd=folder)
    assert keyless.code == 3
    assert "DAT-05 nothing looks like a patient's key" in keyless.err
    nothing = command_line("init", "nowhere", "--out", "other/dictionary.yaml", cwd=folder)
    assert nothing.code == 3
    assert "DAT-15" in nothing.err


@pytest.mark.parametrize(
    ("header", "file"),
    [
        ('"name\x85evil: {source: {path: q.csv}, key: k, columns: {}} #"', "patients.csv"),
        ('"na\nevil: 1"', "patients.csv"),
        ("name\u2028evil: 1", "patients.csv"),
        ("name", "other\nevil: {source: {path: q.csv}, key: k, columns: {}} #.csv"),
        ("name", "other\x85evil: 1 #.csv"),
    ],
)
def test_no_header_and_no_files_name_opens_a_line_in_a_draft(tmp_path: Path, header: str, file: str) -> None:
    """A comment ends where YAML sees the end of a line; what stands behind it would be read as ours."""
    folder = project(tmp_path)
    rows = "".join(f"P{i},{20 + i},{i % 2}\n" for i in range(30))
    (folder / "patients.csv").write_text(f"id,age,{header}\n{rows}", encoding="utf-8")
    if file != "patients.csv":
        (folder / file).write_text("k,l\n1,2\n", encoding="utf-8")
    assert command_line("init", ".", cwd=folder).code == 0
    text = (folder / "dictionary.yaml").read_text(encoding="utf-8")
    assert "evil" in text
    tables = YAML(typ="safe").load(text)
    assert [name for name in tables if name not in ("patients", "other_evil_1")] in (
        [],
        [name for name in tables if name.startswith("other_evil_source")],
    )
    assert "age" in tables["patients"]["columns"]
    assert not re.search("[\x85\u2028]", text)


def test_an_export_of_redcap_without_its_dictionary_asks_for_it(tmp_path: Path) -> None:
    folder = project(tmp_path)
    shutil.copy(DATA / "redcap_simulated" / "export.csv", folder / "export.csv")
    answer = command_line("init", "export.csv", cwd=folder)
    assert (answer.code, answer.err) == (0, "")
    assert "export.csv looks like an export of REDCap" in answer.out
    assert "--redcap-dictionary FILE" in answer.out
    text = (folder / "dictionary.yaml").read_text(encoding="utf-8")
    assert text.count("CONFIRM: a REDCap export? Download the project's data dictionary") == 1
    drafted = YAML(typ="safe").load(text)
    assert {
        name: table["source"]["redcap"]["dictionary"] for name, table in drafted.items()
    } == dict.fromkeys(("export", "laboratory"), "data_dictionary.csv")
    assert drafted["laboratory"]["known"] == {"date": "lab_date"}
    assert drafted["export"]["visits"]["days"]["week_4_arm_1"] == 28
    assert not any(header.endswith("_complete") for table in drafted.values() for header in table["columns"])
    assert "full_name" not in drafted["export"]["columns"]
    missing = command_line("check", "config.yaml", cwd=folder)
    assert missing.errors[0].startswith("data_dictionary.csv: DAT-15 the file does not exist")


def test_the_data_dictionary_beside_an_export_is_named_and_is_no_table(tmp_path: Path) -> None:
    folder = project(tmp_path)
    for name, copied in (("export.csv", "export.csv"), ("data_dictionary.csv", "Project_DD.csv")):
        shutil.copy(DATA / "redcap_simulated" / name, folder / copied)
    answer = command_line("init", ".", cwd=folder)
    assert (answer.code, answer.err) == (0, "")
    assert "--redcap-dictionary Project_DD.csv" in answer.out
    drafted = YAML(typ="safe").load(folder / "dictionary.yaml")
    assert list(drafted) == ["export", "laboratory"]
    checked = command_line("check", "config.yaml", cwd=folder)
    assert checked.code in (0, 6), checked.err
    assert checked.out.count("questions without any checked box") == 1
    assert "- export, laboratory: export.csv: questions without any checked box" in checked.out
