"""The clinical sign-off of a model: what is recorded, that nothing of it can be changed, and who is offered what."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_examples import refusal, rehash
from predictor.errors import ConfigError, ModelError, RefusedError, ResourceError
from predictor.interoperability.cards import card_of
from predictor.interoperability.risk_assessment import patient_resources
from predictor.prediction_model import load_prediction_model
from predictor.reports.content import SignedOff
from predictor.reports.patient import patient_views
from predictor.reports.render import render_patient_report
from predictor.run_store import verify_run
from predictor.runs import send_run
from predictor.service.shelf import open_shelf
from predictor.sign_off import SignOff, read_sign_off
from predictor.signature import ModelPolicy, create_key
from predictor.signing import Approval, approval_of, give_sign_off
from trained_clinics import command_line, new_patients, trained

# The example model's time ends in March 2027.
NOW = datetime(2026, 4, 1, 9, 30, tzinfo=UTC)
WHO = "Dr A. Example, consultant psychiatrist"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A private key's file, and the public key."""
    path = tmp_path_factory.mktemp("key") / "key.pem"
    return path, base64.b64decode(create_key(path))


def policy_of(key: tuple[Path, bytes]) -> ModelPolicy:
    return ModelPolicy("required", {"clinic": key[1]})


def approve(folder: Path, key: tuple[Path, bytes] | None = None, **more: Any) -> SignOff:
    options = {"now": NOW, "replace": False} | {k: more.pop(k) for k in ("now", "replace") if k in more}
    approval = approval_of(WHO, ["minutes of the board of 30 March"], **more)
    return give_sign_off(folder, approval, key=key and key[0], **options)


def test_the_command_records_who_when_on_what_and_until_when(
    folder: Path, tmp_path: Path, key: tuple[Path, bytes]
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    report = tmp_path / "evaluation.html"
    report.write_bytes(b"<p>120 patients of our own</p>")
    said = command_line(
        *("sign", folder, "--by", WHO, "--evidence", report, "--evidence", "board minutes of 30 March"),
        *("--scope", "adults of the ketamine clinic", "--key", key[0]),
        *("--until", (datetime.now(UTC).date() + timedelta(days=1)).isoformat()),
    )
    assert said.code == 0, said.err
    written = json.loads((folder / "sign_off.json").read_bytes())
    assert (written["by"], written["role"]) == ("Dr A. Example", "consultant psychiatrist")
    assert written["scope"] == "adults of the ketamine clinic"
    assert written["demonstration"] is False
    assert written["manifest_sha256"] == json.loads(before["manifest.json"])["sha256"]
    assert abs(datetime.fromisoformat(written["signed_utc"]) - datetime.now(UTC)) < timedelta(minutes=5)
    file, text = written["evidence"]
    assert file == {
        "kind": "file",
        "reference": "evaluation.html",
        "sha256": hashlib.sha256(report.read_bytes()).hexdigest(),
        "size": report.stat().st_size,
    }
    assert (text["kind"], text["reference"]) == ("text", "board minutes of 30 March")
    assert str(tmp_path) not in (folder / "sign_off.json").read_text(), "a path of this machine"
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after.keys() - before.keys() == {"sign_off.json", "manifest.sig"}
    assert {name: after[name] for name in before} == before, "the model itself stays as it was"
    found = load_prediction_model(folder, policy=policy_of(key)).sign_off
    assert found
    assert found.vouched


def test_its_signature_is_ed25519_over_the_record(folder: Path, key: tuple[Path, bytes]) -> None:
    """Verified here by the bytes of RFC 8032 through another implementation's command line."""
    approve(folder, key)
    content = json.loads((folder / "sign_off.json").read_bytes())
    record = {name: value for name, value in content.items() if name not in ("signature", "sha256")}
    parts = {
        "sig": base64.b64decode(content["signature"]["signature"]),
        "message": b"response-predictor clinical sign-off\n"
        + (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode(),
        "key.der": bytes.fromhex("302a300506032b6570032100") + key[1],
    }
    for name, data in parts.items():
        (folder.parent / name).write_bytes(data)
    command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in message -sigfile sig"
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    run = subprocess.run(command.split(), cwd=folder.parent, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_without_more_it_holds_a_year_or_as_long_as_the_model(folder: Path) -> None:
    assert approve(folder).expires == date(2027, 3, 1), "the model's own last day"
    early = NOW - timedelta(days=60)
    assert approve(folder, now=early, replace=True).expires == (early + timedelta(days=365)).date()


def test_art_21_a_change_of_any_byte_is_caught(folder: Path, key: tuple[Path, bytes]) -> None:
    approve(folder, key)
    path, manifest = folder / "sign_off.json", load_prediction_model(folder).manifest["sha256"]
    original = path.read_bytes()
    bits = np.random.default_rng(21).integers(8, size=len(original))
    for policy in (policy_of(key), ModelPolicy()):
        assert read_sign_off(folder, original, manifest, policy)
        for place, bit in enumerate(bits):
            damaged = bytearray(original)
            damaged[place] ^= 1 << int(bit)
            with pytest.raises(ModelError, match=r"sign_off\.json: ART-21"):
                read_sign_off(folder, bytes(damaged), manifest, policy)
    for damaged_file in (original[:-1], original + b"\n", b"", b"[]", b"{}", b"[" * 90_000, original[::-1]):
        path.write_bytes(damaged_file)
        assert f"{path}: ART-21 the clinical sign-off" in refusal(folder)


def test_art_21_a_sign_off_of_another_model(saved: Path, folder: Path, key: tuple[Path, bytes]) -> None:
    approve(folder, key)
    other = Path(shutil.copytree(saved, folder.parent / "other"))
    rehash(other, name="another")
    shutil.copy(folder / "sign_off.json", other)
    assert "ART-21 the clinical sign-off does not hold: it is one of another model" in refusal(other)


def test_art_21_a_model_that_was_changed_after_it(folder: Path, key: tuple[Path, bytes]) -> None:
    approve(folder, key)
    (folder / "manifest.sig").unlink()
    rehash(folder, valid_until="2030-01-01")
    assert "or of this one before it was changed" in refusal(folder)


def forge(folder: Path, **changes: Any) -> None:
    """Write a changed record under a seal that fits, as somebody would who has read how it is made."""
    path = folder / "sign_off.json"
    content = json.loads(path.read_bytes()) | changes
    content.pop("sha256")

    def text(part: Any) -> bytes:
        return (json.dumps(part, indent=1, ensure_ascii=False) + "\n").encode()

    path.write_bytes(text({**content, "sha256": hashlib.sha256(text(content)).hexdigest()}))


def test_art_21_a_forged_record_does_not_fit_its_signature(folder: Path, key: tuple[Path, bytes]) -> None:
    approve(folder, key)
    forge(folder, by="Dr B. Forger")
    for policy in (policy_of(key), ModelPolicy()):
        assert "the signature is not one of this sign-off" in refusal(folder, policy=policy)
    forge(folder, signature=None)
    found = load_prediction_model(folder, policy=policy_of(key)).sign_off
    assert found
    assert not found.vouched, "without the signature it is nobody's word"
    assert "not signed with a key" in found.complaint(NOW.date())


def test_art_21_a_key_that_the_policy_does_not_name(
    folder: Path, key: tuple[Path, bytes], tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    create_key(other)
    approve(folder, key)
    approve(folder, (other, b""), replace=True)
    said = refusal(folder, policy=policy_of(key))
    assert "the sign-off is signed with a key that the policy does not name" in said


EVIDENCE = {"kind": "text", "reference": "a b", "sha256": "0" * 64, "size": 3}


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "something"},
        {"format": 2},
        {"more": 1},
        {"by": ""},
        {"by": 7},
        {"by": "a\nb"},
        {"by": "x" * 81},
        {"role": "\u202eabc"},
        {"statement": " "},
        {"scope": None},
        {"demonstration": "no"},
        {"evidence": []},
        {"evidence": [EVIDENCE] * 21},
        {"evidence": "all of it"},
        {"evidence": [EVIDENCE | {"kind": "link"}]},
        {"evidence": [EVIDENCE | {"sha256": "0" * 63}]},
        {"evidence": [EVIDENCE | {"size": True}]},
        {"evidence": [EVIDENCE | {"size": -1}]},
        {"replaces": "x"},
        {"manifest_sha256": 1},
        {"signed_utc": "yesterday"},
        {"signed_utc": "2026-04-01T09:30:00"},
        {"expires": 20270401},
        {"expires": "2026-03-31"},
        {"signature": {}},
        {"signature": "none"},
        {"signature": {"algorithm": "none", "key": "", "signature": ""}},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_art_21_what_no_sign_off_holds(folder: Path, changes: dict[str, Any]) -> None:
    approve(folder)
    forge(folder, **changes)
    assert "ART-21 the clinical sign-off" in refusal(folder)


def test_art_21_a_sign_off_larger_than_any(folder: Path) -> None:
    (folder / "sign_off.json").write_bytes(b" " * 100_001)
    assert "ART-21 the clinical sign-off is too large" in refusal(folder)


def test_art_12_a_link_in_its_place(folder: Path, tmp_path: Path) -> None:
    approve(folder)
    (folder / "sign_off.json").rename(tmp_path / "elsewhere")
    (folder / "sign_off.json").symlink_to(tmp_path / "elsewhere")
    assert "ART-12" in refusal(folder)


def test_without_the_package_a_signed_one_is_not_waved_through(
    folder: Path, key: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(folder, key)
    (folder / "manifest.sig").unlink()
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(ResourceError, match="ENV-02"):
        load_prediction_model(folder, policy=ModelPolicy("optional", {"clinic": key[1]}))


def test_art_23_one_is_not_overwritten_and_a_new_one_names_the_old(folder: Path) -> None:
    first = approve(folder)
    before = (folder / "sign_off.json").read_bytes()
    with pytest.raises(ResourceError, match="ART-23") as caught:
        approve(folder)
    assert caught.value.exit_code == 5
    assert (folder / "sign_off.json").read_bytes() == before
    second = approve(folder, replace=True, scope="another ward")
    assert (second.replaces, second.scope) == (first.sha256, "another ward")
    assert not first.replaces


def test_a_damaged_model_is_not_signed_off(folder: Path) -> None:
    (folder / "card.json").write_bytes(b"{}")
    with pytest.raises(ModelError, match="ART-01"):
        approve(folder)
    assert not (folder / "sign_off.json").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing says who signs"),
        (["--evidence", "a text of words"], "nothing says who signs"),
        (["--key", "KEY", "--evidence", "a text of words"], "a sign-off is somebody's"),
        (["--by", "Dr A. Example"], "a name and a role were expected"),
        (["--by", ""], "a name and a role were expected"),
        (["--by", WHO], "a sign-off rests on evidence"),
        (["--by", WHO, "--evidence", "evalution.html"], "there is no file of this name"),
        (
            ["--by", WHO, "--evidence", "a b", "--until", "2999-01-01"],
            "a sign-off holds from today to 2027-03-01",
        ),
        (
            ["--by", WHO, "--evidence", "a b", "--until", "2026-01-01"],
            "a sign-off holds from today to 2027-03-01",
        ),
        (["--by", f"{'x' * 81}, role", "--evidence", "a b"], "by is not 1 to 80 characters"),
        (["--by", WHO, "--evidence", "a b", "--scope", "a\nb"], "scope is not 1 to 300 characters"),
        (["--by", WHO, *["--evidence", "a b"] * 21], "its evidence is not at most 20 files or texts"),
    ],
)
def test_cli_01_what_cannot_be_recorded_is_said(folder: Path, arguments: list[str], said: str) -> None:
    answer = command_line("sign", folder, *arguments)
    assert answer.code == 2
    assert "CLI-01" in answer.err
    assert said in answer.err
    assert not (folder / "sign_off.json").exists()


def test_evidence_that_is_not_there_leaves_no_new_key_behind(folder: Path, tmp_path: Path) -> None:
    key = tmp_path / "new.pem"
    answer = command_line(
        "sign", folder, "--key", key, "--new-key", "--by", WHO, "--evidence", "evalution.html"
    )
    assert answer.code == 2
    assert not key.exists()
    answer = command_line(
        "sign", folder, "--key", key, "--new-key", "--by", WHO, "--evidence", "minutes of the board"
    )
    assert answer.code == 0, answer.err
    assert key.exists()


def test_a_demonstration_needs_no_evidence_and_says_what_it_is(folder: Path) -> None:
    answer = command_line("sign", folder, "--by", "make serve, demonstration", "--demonstration")
    assert answer.code == 0, answer.err
    assert "DEMONSTRATION" in answer.out
    found = load_prediction_model(folder).sign_off
    assert found
    assert found.demonstration
    assert "for no patient" in found.statement


# What is offered to whom


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """A trained model in a folder of its own."""
    return Path(shutil.copytree(trained("better").folder / "model", tmp_path / "model"))


@pytest.fixture
def trust(tmp_path: Path, key: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose policy names the key."""
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"signature": "optional", "keys": {"c": base64.b64encode(key[1]).decode()}}))
    monkeypatch.setenv("PREDICTOR_POLICY", str(path))


@pytest.mark.usefixtures("trust")
def test_art_22_no_model_is_offered_without_a_sign_off_that_holds(
    clinic: Path, key: tuple[Path, bytes]
) -> None:
    def refused(reason: str) -> None:
        with pytest.raises(
            RefusedError, match=f"ART-22 the model is not offered to clinicians: {reason}"
        ) as caught:
            open_shelf([clinic], demonstration=False)
        assert caught.value.exit_code == 6

    assert command_line("sign", clinic, "--key", key[0]).code == 0
    refused("it has no clinical sign-off")
    today = datetime.now(UTC)
    approve(clinic, now=today)
    refused("its clinical sign-off is not signed with a key that the policy names")
    approve(clinic, key, now=today, replace=True, demonstration=True)
    refused("its sign-off is a demonstration")
    assert not open_shelf([clinic], demonstration=True)[0].signed
    past = Approval(*WHO.split(", "), approval_of(WHO, ["a b"]).evidence, expires=date(2026, 5, 1))
    give_sign_off(clinic, past, key=key[0], replace=True, now=NOW)
    refused("its clinical sign-off ended on 2026-05-01")
    approve(clinic, key, now=today, replace=True)
    assert open_shelf([clinic], demonstration=False)[0].signed


def test_art_20_a_sign_off_without_a_policy_is_not_enough(clinic: Path, key: tuple[Path, bytes]) -> None:
    approve(clinic, key, now=datetime.now(UTC))
    with pytest.raises(RefusedError, match="ART-20"):
        open_shelf([clinic], demonstration=False)


@pytest.mark.usefixtures("trust")
def test_a_model_that_was_signed_off_says_so_and_stops_the_day_after(
    clinic: Path, key: tuple[Path, bytes]
) -> None:
    today = datetime.now(UTC)
    until = today.date() + timedelta(days=30)
    approve(clinic, key, now=today, expires=until)
    (offered,) = open_shelf([clinic], demonstration=False)
    (view,) = patient_views(offered.model, new_patients(1), now=today, user_ref="a")
    assert view.model.status == "local-approved"
    assert view.model.sign_off == SignedOff(
        by="Dr A. Example", role="consultant psychiatrist", day=today.date(), until=until, checked=True
    )
    page = render_patient_report(view)
    assert "Signed off by Dr A. Example, consultant psychiatrist" in page
    assert "not a cleared medical device" in page
    assert "DEMONSTRATION" not in page
    (last,) = patient_views(offered.model, new_patients(1), now=today + timedelta(days=30), user_ref="a")
    assert last.report.kind == "estimate"
    (after,) = patient_views(offered.model, new_patients(1), now=today + timedelta(days=31), user_ref="a")
    assert after.report.kind == "refusal"
    assert after.model.status == "research"


def test_every_report_of_a_demonstration_is_marked(clinic: Path, tmp_path: Path) -> None:
    said = command_line("sign", clinic, "--by", "make serve, demonstration", "--demonstration")
    assert said.code == 0, said.err
    assert "MLflow was not told: no store knows this model's run" in said.out
    new_patients(2).to_csv(tmp_path / "patients.csv", index=False)
    assert command_line("report", clinic, tmp_path / "patients.csv", "--out", tmp_path / "out").code == 0
    for page in sorted((tmp_path / "out").glob("*.html")):
        text = page.read_text()
        # In the margin of every printed sheet, and once above the page.
        style, _, body = text.partition("</style>")
        assert [part.count("DEMONSTRATION: not signed for clinical use") for part in (style, body)] == [1, 1]
        assert json.loads(page.with_suffix(".json").read_text())["model"]["sign_off"]["demonstration"] is True


def test_other_systems_are_told_that_it_is_a_demonstration(clinic: Path) -> None:
    approve(clinic, now=datetime.now(UTC), demonstration=True)
    model = load_prediction_model(clinic)
    (view,) = patient_views(model, new_patients(1), now=datetime.now(UTC), user_ref="a")
    card = card_of(view, ordered=True)
    assert card
    assert card["summary"].startswith("DEMONSTRATION. About ")
    assert len(card["summary"]) < 140
    assert "DEMONSTRATION: not signed for clinical use" in card["detail"]
    written = patient_resources(view, subject="Patient/1", basis=())
    notes = [one["text"] for one in written["entry"][0]["resource"]["note"]]
    assert "DEMONSTRATION: not signed for clinical use" in " ".join(notes)


# Beside the run, and in the registry


@pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
def test_the_run_stays_whole_and_the_registered_model_carries_it(tmp_path: Path) -> None:
    import mlflow

    (tmp_path / "pyproject.toml").touch()
    original = trained("better").folder
    run = Path(shutil.copytree(original, tmp_path / "experiments" / "runs" / original.name))
    record = send_run(run, root=tmp_path)
    answer = command_line("sign", run, "--by", WHO, "--evidence", "minutes of the board")
    assert answer.code == 0, answer.err
    assert f"MLflow: clinic-elastic-net version {record.model_version}" in answer.out
    assert verify_run(run) == (), "a sign-off is no change of the run"
    (run / "model" / "other.json").write_text("{}")
    assert [str(one.code) for one in verify_run(run)] == ["RUN-04"]
    client = mlflow.MlflowClient(record.uri, record.uri)
    found = client.get_model_version_by_alias("clinic-elastic-net", "clinical")
    written = json.loads((run / "model" / "sign_off.json").read_bytes())
    assert str(found.version) == record.model_version
    assert found.tags["sign_off.by"] == WHO
    assert found.tags["sign_off.sha256"] == written["sha256"]
    assert found.tags["sign_off.signed_utc"] == written["signed_utc"]
    assert found.tags["sign_off.demonstration"] == "false"
    assert hashlib.sha256(b"minutes of the board").hexdigest() in found.tags["sign_off.evidence"]


def test_a_store_that_cannot_be_written_does_not_undo_it(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    original = trained("better").folder
    run = Path(shutil.copytree(original, tmp_path / "experiments" / "runs" / original.name))
    (run.parent / "mlflow.db").write_bytes(b"no database at all, and longer than a header of one" * 100)
    answer = command_line("sign", run, "--by", WHO, "--evidence", "minutes of the board")
    assert answer.code == 0
    assert "MLflow was not told" in answer.out
    assert "TRK-02" in answer.out
    assert load_prediction_model(run / "model").sign_off


def test_the_same_moment_gives_the_same_record(folder: Path, saved: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(saved, tmp_path / "again"))
    one, two = approve(folder), approve(other)
    assert one == two
    assert (folder / "sign_off.json").read_bytes() == (other / "sign_off.json").read_bytes()


def test_a_name_too_many(folder: Path) -> None:
    with pytest.raises(ConfigError, match="CLI-01"):
        give_sign_off(folder, Approval("a" * 81, "b"), key=None, now=NOW)
