"""The open trials in data/ are the published files, and their cards in data/README.md say what is in them."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data"
CARDS = (DATA / "README.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| `(?P<file>[^`]+/[^`]+)` \| (?P<bytes>\d+) \| `(?P<sha256>[0-9a-f]{64})` \|$", re.MULTILINE
)
LISTED = {m["file"]: (int(m["bytes"]), m["sha256"]) for m in ROW.finditer(CARDS)}
TRIALS = ["nimh_ketamine", "thinking_healthy", "opt_periodontal"]
SIMULATED = ["redcap_simulated"]


def table(file: str, delimiter: str = ",") -> list[dict[str, str]]:
    with (DATA / file).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter=delimiter))


def test_every_shipped_file_is_on_a_card() -> None:
    shipped = {f"{trial}/{path.name}" for trial in [*TRIALS, *SIMULATED] for path in (DATA / trial).iterdir()}
    assert shipped == set(LISTED)


@pytest.mark.parametrize("file", sorted(LISTED))
def test_a_file_is_the_one_its_card_describes(file: str) -> None:
    content = (DATA / file).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == LISTED[file]


@pytest.mark.parametrize("trial", TRIALS)
def test_a_card_names_origin_licence_citation_and_limits(trial: str) -> None:
    (card,) = re.findall(rf"^## {trial} .*?(?=^## |\Z)", CARDS, re.MULTILINE | re.DOTALL)
    for part in (
        "**Origin.**",
        "**Licence.**",
        "as stated by the source repository",
        "**Citation.**",
        "**Known limits.**",
    ):
        assert part in card
    assert re.search(r"`[0-9a-f]{40}`", card), "the commit the files came from"


def test_ketamine_trial_holds_the_people_its_authors_count() -> None:
    # README.openneuro.txt: N = 58; MDD 33, BP 3, HC 22.
    people = table("nimh_ketamine/participants.tsv", "\t")
    assert Counter(row["group"] for row in people) == {"MDD": 33, "BP": 3, "HC": 22}
    assert len({row["participant_id"] for row in people}) == 58
    assert len(table("nimh_ketamine/phenotype.tsv", "\t")) == 236


def test_thinking_healthy_holds_the_trial_its_authors_report() -> None:
    # Rahman et al., Lancet 2008: 463 and 440 women in 40 union councils; whole councils were randomised.
    women = table("thinking_healthy/thinking_healthy.csv")
    assert Counter(row["treat"] for row in women) == {"1.0": 463, "0.0": 440}
    arms = {(row["uc"], row["treat"]) for row in women}
    assert len(arms) == 40
    assert len(women[0]) == 53


def test_opt_holds_the_trial_its_authors_report() -> None:
    # Michalowicz et al., N Engl J Med 2006: 413 and 410 women, four centres; 171 columns: opt_dictionary.Rd.
    women = table("opt_periodontal/opt.csv")
    assert Counter(row["Group"] for row in women) == {"T": 413, "C": 410}
    assert {row["Clinic"] for row in women} == {"NY", "MN", "KY", "MS"}
    assert len(women[0]) == 171


def test_every_dental_column_is_in_the_published_dictionary() -> None:
    described = set(
        re.findall(
            r"\\item\{\\code\{([^}]+)\}\}", (DATA / "opt_periodontal/opt_dictionary.Rd").read_text("utf-8")
        )
    )
    assert set(table("opt_periodontal/opt.csv")[0]) <= described
