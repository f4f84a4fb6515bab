"""Whatever other programs send: an answer that names what is wrong, never a 500, and nothing that was sent."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from predictor.prediction_model import load_prediction_model
from predictor.service.accounts import Limiter
from predictor.service.description import describe_interface
from running_service import Running, running_service
from trained_clinics import new_patients, trained

EACH = 5_000
"""Cases of Schemathesis, and of Hypothesis: ten thousand together."""

ANSWERS = {200, 400, 401, 403, 404, 405, 413, 415, 422, 429, 503}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = {"better": load_prediction_model(trained("better").folder / "model")}
    with running_service(models, tmp_path_factory.mktemp("service")) as found:
        found.service.estimates = Limiter(10**9, 60)
        yield found


@pytest.fixture(scope="module")
def browser(running: Running) -> Iterator[httpx.Client]:
    with running.browser() as client:
        yield client


def test_the_interface_is_described(browser: httpx.Client, running: Running) -> None:
    found = browser.get("/api/v1/openapi.json").json()
    assert found == describe_interface()
    assert found["openapi"].startswith("3.1")
    assert {"/api/v1/session", "/api/v1/models", "/api/v1/models/{id_}/schema", "/api/v1/estimate"} <= set(
        found["paths"]
    )
    body = found["paths"]["/api/v1/estimate"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    jsonschema_rs.meta.validate(body)
    sound = jsonschema_rs.validator_for(body)
    row = new_patients(1).iloc[0].to_dict()
    sent = {"model": "better", "patient": row.pop("patient"), "values": row}
    assert sound.is_valid(sent)
    assert browser.post("/api/v1/estimate", json=sent).status_code == 200
    for wrong in (
        sent | {"more": 1},
        sent | {"values": []},
        {"values": row},
        sent | {"values": {"age": [1]}},
    ):
        assert not sound.is_valid(wrong)
        assert browser.post("/api/v1/estimate", json=wrong).status_code == 422
    with running.browser(None) as stranger:
        assert stranger.get("/api/v1/openapi.json").status_code == 401


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(
        ["45", "27,5", "1e999", "-0.0", "nan", "٤٢", "1_000", " female", "yes", "x" * 5000, 10**400]
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
NAMES = [name for name in new_patients(1).columns if name != "patient"]
BODIES = st.fixed_dictionaries(
    {"model": st.sampled_from(["better", "better", "better", "", "../x", "group\x00"])},
    optional={
        "patient": st.text(max_size=40) | VALUES,
        "values": st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, VALUES))
        | st.fixed_dictionaries(dict.fromkeys(NAMES, VALUES))
        | VALUES,
        "more": VALUES,
    },
)
KNOWN = new_patients(12).drop(columns="patient").to_dict("records")


def nearly_right() -> st.SearchStrategy[dict[str, Any]]:
    """A patient whom the model knows, with one value that is not."""

    def changed(row: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
        return {"model": "better", "patient": "K-1", "values": {**row, name: value}}

    return st.builds(changed, st.sampled_from(KNOWN), st.sampled_from(NAMES), VALUES)


@pytest.mark.slow
def test_web_19_whatever_hypothesis_makes_of_a_patient_is_answered(
    browser: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=EACH,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(BODIES | nearly_right(), st.sampled_from(["application/json"] * 9 + ["text/plain"]), st.booleans())
    def send(body: Any, kind: str, whole: bool) -> None:
        content = json.dumps(body).encode("utf-8", "surrogatepass")
        content = content if whole else content[: len(content) // 2]
        answer = browser.post("/api/v1/estimate", content=content, headers={"content-type": kind})
        statuses[answer.status_code] += 1
        assert answer.status_code in ANSWERS
        if answer.status_code != 200:
            assert set(answer.json()) <= {"title", "status", "problems"}
            assert "x" * 5000 not in answer.text

    with caplog.at_level(logging.ERROR):
        send()
    assert "incident" not in caplog.text
    assert sum(statuses.values()) >= EACH
    assert {200, 400, 415, 422} <= set(statuses), statuses


@pytest.mark.slow
def test_web_19_whatever_schemathesis_makes_of_the_description_is_answered(
    browser: httpx.Client, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    schema = schemathesis.openapi.from_dict(describe_interface())
    schema.config.update(base_url=running.address)
    operations = [one.ok() for one in schema.get_all_operations()]
    statuses: Counter[int] = Counter()
    token = browser.headers["x-csrf-token"]
    cookie = f"session={browser.cookies['session']}"

    def fuzz(operation: Any, count: int) -> None:
        @settings(
            max_examples=count,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy())
        def send(case: Any) -> None:
            answer = case.call(headers={"X-CSRF-Token": token, "Cookie": cookie})
            statuses[answer.status_code] += 1
            assert answer.status_code in ANSWERS

        send()

    posts = [one for one in operations if one.method.lower() == "post"]
    with caplog.at_level(logging.ERROR):
        for one in operations:
            fuzz(one, EACH // len(posts) if one in posts else 100)
    assert "incident" not in caplog.text
    assert sum(statuses.values()) >= EACH // 2, "what can be sent in few ways is sent in few"
