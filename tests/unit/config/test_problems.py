from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from predictor.config.dictionary import Dictionary
from predictor.config.problems import count_fits, find_problems
from predictor.config.schema import Config


def config(**changes: Any) -> dict[str, Any]:
    """Return a sound config as plain data, with ``a__b=c`` changes; ``...`` deletes."""
    data: dict[str, Any] = {
        "version": 1,
        "experiment": {"name": "unit", "question": "Who responds?"},
        "data": {"dictionary": "d.yaml"},
        "cohort": {
            "index": "visits",
            "treatment": {"column": "patients.arm", "control": "placebo"},
            "eligibility": [{"name": "Adult", "column": "patients.age", "min": 18}],
        },
        "outcomes": {
            "response": {
                "kind": "response",
                "measure": "madrs",
                "assessed": {"first_day": 20, "last_day": 40},
            }
        },
        "primary": "response",
        "severity": "scores.madrs",
        "features": {"groups": {"clinical": ["patients.age", "scores.madrs"]}, "sets": {"all": ["clinical"]}},
        "models": {"net": {"type": "elastic_net", "features": ["all"]}},
    }
    return changed(data, changes)


def dictionary(**changes: Any) -> dict[str, Any]:
    """Return a sound dictionary as plain data, with ``a__b=c`` changes."""
    data: dict[str, Any] = {
        "patients": {
            "source": {"path": "p.csv"},
            "key": "id",
            "known": "baseline",
            "columns": {
                "age": {"type": "number"},
                "arm": {"type": "category", "values": ["placebo", "drug"], "known": "plan"},
                "got": {"type": "category", "values": ["placebo", "drug"], "known": "after"},
                "relapse": {"type": "category", "values": ["yes", "no"], "known": "after"},
                "born": {"type": "date"},
            },
        },
        "scores": {
            "source": {"path": "s.csv"},
            "key": "id",
            "visits": {"column": "visit", "days": {"v0": 0, "v28": 28, "x": "ignore"}},
            "columns": {"MADRS": {"instrument": "madrs"}},
        },
    }
    return changed(data, changes)


def changed(data: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for path, value in changes.items():
        *parents, last = path.split("__")
        here = data
        for part in parents:
            here = here.setdefault(part, {})
        if value is ...:
            del here[last]
        else:
            here[last] = value
    return data


def problems(
    asked: dict[str, Any] | None = None, declared: dict[str, Any] | None = None
) -> list[tuple[str, str]]:
    found = find_problems(
        Config.model_validate(asked or config()), Dictionary.model_validate(declared or dictionary())
    )
    return [(problem.code, problem.path) for problem in found]


def test_sound_declarations_have_no_problem() -> None:
    assert problems() == []


def test_an_export_without_any_day_serves_recorded_events_but_no_scores() -> None:
    asked = config(
        outcomes={"event": EVENT},
        primary="event",
        severity=...,
        cohort__eligibility=[],
        features__groups__clinical=["patients.age"],
    )
    dayless = dictionary(scores=...)
    assert problems(asked, dayless) == []
    assert ("CFG-35", "cohort.index") in problems(config(), dayless)


EVENT = {"kind": "event", "column": "patients.relapse", "in": ["yes"]}
CHANGE = {"kind": "change", "measure": "madrs", "assessed": {"first_day": 20, "last_day": 40}}


def in_config() -> Iterator[tuple[str, str, dict[str, Any]]]:
    yield "CFG-20", "cohort.group", {"cohort__group": "patients.site"}
    yield "CFG-20", "cohort.patients", {"cohort__patients": "people"}
    yield "CFG-20", "cohort.consent", {"cohort__consent": "patients.agreed"}
    yield (
        "CFG-20",
        "cohort.eligibility.0.column",
        {"cohort__eligibility": [{"name": "A", "column": "patients.x", "min": 1}]},
    )
    yield "CFG-20", "features.groups.clinical.0", {"features__groups__clinical": ["patients.aeg"]}
    yield "CFG-20", "validation.transport.by", {"validation__transport": {"by": "patients.site"}}
    yield (
        "CFG-38",
        "features.groups.clinical.0.unit",
        {"features__groups__clinical": [{"column": "patients.age", "unit": "months"}]},
    )
    yield "CFG-21", "features.sets.all.1", {"features__sets__all": ["clinical", "blood"]}
    yield "CFG-22", "models.net.features.1", {"models__net__features": ["all", "al"]}
    yield "CFG-23", "validation.judge", {"validation__judge": "forest"}
    yield "CFG-24", "primary", {"primary": "remission"}
    yield "CFG-24", "primary", {"outcomes__response": CHANGE}
    yield (
        "CFG-24",
        "outcomes.event.column",
        {"outcomes__event": EVENT | {"column": "patients.arm", "in": ["drug"]}},
    )
    yield "CFG-25", "outcomes.response.measure", {"outcomes__response__measure": "hamd17"}
    yield "CFG-27", "outcomes.event.in", {"outcomes__event": EVENT | {"in": ["maybe"]}}
    yield (
        "CFG-27",
        "cohort.eligibility.0.in",
        {"cohort__eligibility": [{"name": "A", "column": "patients.arm", "in": ["drg"]}]},
    )
    yield "CFG-31", "cohort.baseline", {"cohort__baseline": {"first_day": 0, "last_day": -7}}
    yield (
        "CFG-31",
        "outcomes.response.assessed",
        {"outcomes__response__assessed": {"first_day": 40, "last_day": 20}},
    )
    yield (
        "CFG-31",
        "outcomes.response.assessed",
        {"outcomes__response__assessed": {"first_day": 0, "last_day": 40}},
    )
    yield (
        "CFG-31",
        "outcomes.response.assessed",
        {"outcomes__response__assessed": {"first_day": 30, "last_day": 40}},
    )
    yield "CFG-31", "outcomes.response.assessed.target_day", {"outcomes__response__assessed__target_day": 41}
    yield "CFG-32", "cohort.eligibility.0", {"cohort__eligibility": [{"name": "A"}]}
    yield "CFG-32", "cohort.eligibility.0", {"cohort__eligibility": [{"name": "A", "any": []}]}
    yield "CFG-32", "cohort.eligibility.0", {"cohort__eligibility": [{"name": "A", "column": "patients.age"}]}
    yield (
        "CFG-32",
        "cohort.eligibility.0.any.0",
        {"cohort__eligibility": [{"name": "A", "any": [{"column": "patients.age"}]}]},
    )
    yield (
        "CFG-32",
        "cohort.eligibility.0",
        {"cohort__eligibility": [{"name": "A", "column": "patients.age", "min": 3, "max": 2}]},
    )
    yield (
        "CFG-32",
        "cohort.eligibility.0",
        {"cohort__eligibility": [{"name": "A", "column": "patients.arm", "min": 3}]},
    )
    yield "CFG-33", "severity", {"severity": ...}
    yield "CFG-33", "severity", {"severity": "patients.arm"}
    yield "CFG-34", "cohort.treatment.control", {"cohort__treatment__control": "placeb"}
    yield "CFG-34", "cohort.treatment.control", {"cohort__treatment__control": 0}
    yield "CFG-34", "cohort.treatment.bands", {"cohort__treatment__bands": [0.1, 0.3]}
    yield (
        "CFG-34",
        "cohort.treatment.bands",
        {"cohort__treatment": {"column": "patients.age", "bands": [3, 3]}},
    )
    yield "CFG-35", "cohort.index", {"cohort__index": {"visits": True, "table": "scores"}}
    yield "CFG-35", "cohort.index", {"cohort__index": {}}
    yield "CFG-35", "cohort.index.table", {"cohort__index": {"table": "patients"}}
    yield "CFG-38", "features.groups.clinical.0", {"features__groups__clinical": ["patients.born"]}
    yield (
        "CFG-38",
        "features.groups.clinical.0",
        {"features__groups__clinical": [{"column": "patients.arm", "transform": "log"}]},
    )
    yield "CFG-41", "features.sets.all", {"features__groups__clinical": ["patients.age", "patients.age"]}
    yield "CFG-42", "report.release", {"report": {"release": "research", "reason": " "}}
    yield "LEA-03", "features.groups.clinical.0", {"features__groups__clinical": ["patients.got"]}
    yield "LEA-03", "cohort.treatment.column", {"cohort__treatment__column": "patients.got"}
    yield (
        "LEA-03",
        "severity",
        {
            "cohort__baseline": {"first_day": -28, "last_day": -7},
            "features__groups__clinical": ["patients.age"],
        },
    )


@pytest.mark.parametrize(("code", "path", "changes"), list(in_config()))
def test_each_mistake_in_the_config_is_one_problem(code: str, path: str, changes: dict[str, Any]) -> None:
    assert problems(config(**changes)) == [(code, path)]


LONG = {"layout": "long", "name_column": "scale", "value_column": "score"}


SECRETS = [
    "postgresql://nurse:planted-secret@db/research",
    "postgresql://nurse@db/research",
    "postgresql://db/research?password=planted-secret",
    "postgresql://db/research?user=nurse",
    "sqlite://:planted-secret@/clinic.sqlite",
    "postgresql://db/research?sslmode=require&options=-cx",
]


def in_sql() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Addresses and questions that are not possible: code, key, section ``sql``."""
    asks = {"table": "visits"}
    yield from (("CFG-52", ".url", {"url": secret} | asks) for secret in SECRETS)
    yield "CFG-51", ".url", {"url": "mysql://db/research"} | asks
    yield "CFG-51", ".url", {"url": "sqlite://clinic.sqlite"} | asks
    yield "CFG-51", "", asks
    yield "CFG-51", "", {"url": "postgresql://db/x", "url_from": "PREDICTOR_DB"} | asks
    yield "CFG-51", ".url_from", {"url_from": "AWS_SECRET_ACCESS_KEY"} | asks
    server = {"url_from": "PREDICTOR_DB"}
    yield "CFG-51", "", server
    yield "CFG-51", "", server | asks | {"query": "SELECT 1"}
    yield "CFG-51", ".query", server | {"query": "DROP TABLE visits"}
    yield "CFG-51", ".query", server | {"query": "SELECT 1; DROP TABLE visits"}
    yield "CFG-51", "", server | asks | {"omop": "measurement"}
    yield "CFG-51", "", server | asks | {"descendants": True}
    yield "CFG-51", ".omop", server | {"omop": "measurement"}
    yield "CFG-51", ".schema", server | {"query": "SELECT 1", "schema": "x"}


def in_dictionary() -> Iterator[tuple[str, str, dict[str, Any]]]:
    columns = "dictionary.patients.columns"
    yield "CFG-27", "dictionary.patients.source.encoding", {"patients__source__encoding": "utf-9"}
    yield "CFG-28", "dictionary.patients.source.delimiter", {"patients__source__delimiter": ";;"}
    yield "CFG-50", "dictionary.patients.source.sheet", {"patients__source__sheet": "Scores"}
    yield "CFG-50", "dictionary.patients.source.user_missing", {"patients__source__user_missing": "codes"}
    place = "dictionary.patients.source"
    yield "CFG-26", place, {"patients__source": {}}
    for code, where, sql in in_sql():
        yield code, f"{place}.sql{where}", {"patients__source": {"sql": sql}}
    omop = {"sql": {"url_from": "PREDICTOR_DB", "omop": "measurement"}, "where": {"concept_id": "1; DROP"}}
    yield "CFG-51", f"{place}.sql.omop", {"patients__source": omop}
    zone = {"path": "p.json", "fhir": {"resource": "Observation", "time_zone": "Middle/Earth"}}
    yield "CFG-27", f"{place}.fhir.time_zone", {"patients__source": zone}
    yield "CFG-50", f"{place}.format", {"patients__source": {"path": "p.json", "format": "fhir"}}
    twice = {"path": "p.json", "format": "csv", "fhir": {"resource": "Observation"}}
    yield "CFG-50", f"{place}.fhir", {"patients__source": twice}
    both = {"path": "p.csv", "sql": {"url_from": "PREDICTOR_DB", "table": "t"}}
    yield "CFG-50", f"{place}.sql", {"patients__source": both}
    redcap = {"path": "p.csv", "redcap": {"dictionary": "../d.csv"}}
    yield "CFG-09", "dictionary.patients.source.redcap.dictionary", {"patients__source": redcap}
    excel = {"path": "p.xlsx", "encoding": "cp1252"}
    yield "CFG-50", "dictionary.patients.source.encoding", {"patients__source": excel}
    yield "CFG-28", f"{columns}.age.range", {"patients__columns__age__range": [80, 18]}
    yield "CFG-29", f"{columns}.B.P", {"patients__columns__B.P": {"type": "number"}}
    yield "CFG-36", "dictionary.scores.visits.days.v28", {"scores__visits__days__v28": "28"}
    yield "CFG-36", "dictionary.scores.columns.MADRS.day", {"scores__columns__MADRS__day": 0}
    yield "CFG-37", "dictionary.scores", {"scores__layout": "long", "scores__value_column": "score"}
    yield "CFG-37", "dictionary.scores.name_column", {"scores__name_column": "scale"}
    yield "CFG-38", f"{columns}.x", {"patients__columns__x": {}}
    yield (
        "CFG-38",
        f"{columns}.x",
        {"patients__columns__x": {"analyte": "crp", "measure": "y", "unit": "mg/L"}},
    )
    yield "CFG-38", f"{columns}.x.type", {"patients__columns__x": {"measure": "y", "type": "text"}}
    yield "CFG-38", f"{columns}.age.values", {"patients__columns__age__values": ["1"]}
    yield "CFG-38", f"{columns}.arm.range", {"patients__columns__arm__range": [0, 1]}
    yield "CFG-39", f"{columns}.age", {"patients__known": ..., "patients__columns__born__known": "baseline"}
    yield "CFG-39", f"{columns}.age.known", {"patients__columns__age__known": {"date": "seen"}}
    yield "CFG-39", f"{columns}.age.known", {"patients__columns__age__known": {"date": "arm"}}
    yield "CFG-40", f"{columns}.crp", {"patients__columns__crp": {"analyte": "crp"}}
    yield "CFG-43", f"{columns}.years", {"patients__columns__years": {"type": "number", "name": "age"}}


@pytest.mark.parametrize(("code", "path", "changes"), list(in_dictionary()))
def test_each_mistake_in_the_dictionary_is_one_problem(code: str, path: str, changes: dict[str, Any]) -> None:
    assert (code, path) in problems(declared=dictionary(**changes))
    assert len({found for found, _ in problems(declared=dictionary(**changes))} - {"LEA-03"}) == 1


def test_visit_maps_cover_every_level_and_label() -> None:
    by = {"scores__visits__by": "patients.arm"}
    full = {"placebo": {"v0": 0, "v28": 28}, "drug": {"v0": -7, "v28": 21}}
    assert problems(declared=dictionary(**by, scores__visits__days=full)) == []
    place = "dictionary.scores.visits"
    cases = [
        ({"placebo": full["placebo"]}, (f"{place}.days")),
        (full | {"drugg": full["drug"]}, f"{place}.days.drugg"),
        (full | {"drug": {"v28": 21}}, f"{place}.days.drug"),
        (full | {"drug": 3}, f"{place}.days.drug"),
    ]
    for days, path in cases:
        assert problems(declared=dictionary(**by, scores__visits__days=days)) == [("CFG-36", path)]
    unknown = dictionary(scores__visits__by="patients.sequence", scores__visits__days=full)
    assert problems(declared=unknown) == [("CFG-20", f"{place}.by")]
    without_values = dictionary(scores__visits__by="patients.age", scores__visits__days=full)
    assert problems(declared=without_values) == [("CFG-36", f"{place}.by")]


def test_one_quantity_on_different_days_shares_a_name() -> None:
    score = {"instrument": "hamd17"}
    wide = {"source": {"path": "w.csv"}, "key": "id"}
    apart = wide | {"columns": {"h0": score | {"day": 0}, "h6": score | {"day": 182}}}
    assert problems(declared=dictionary(wide=apart)) == []
    together = wide | {"columns": {"h0": score | {"day": 0}, "h6": score | {"day": 0}}}
    assert problems(declared=dictionary(wide=together)) == [("CFG-43", "dictionary.wide.columns.h6")]


def test_a_dated_index_table() -> None:
    visits = {
        "source": {"path": "t.csv"},
        "key": "id",
        "known": {"date": "started"},
        "columns": {"started": {"type": "date"}, "drug": {"type": "category", "values": ["ket", "sal"]}},
    }
    declared = dictionary(treatments=visits)
    index = {"table": "treatments", "where": {"drug": "ket"}}
    assert problems(config(cohort__index=index), declared) == []
    index["where"] = {"drug": "kat"}
    assert problems(config(cohort__index=index), declared) == [("CFG-27", "cohort.index.where.drug")]
    index["where"] = {"drgu": "ket"}
    assert problems(config(cohort__index=index), declared) == [("CFG-20", "cohort.index.where.drgu")]


def test_near_names_come_from_the_same_table_first() -> None:
    asked = config(cohort__group="patients.madrs", severity="scores.mdars")
    found = find_problems(Config.model_validate(asked), Dictionary.model_validate(dictionary()))
    remedies = {problem.path: problem.remedy for problem in found}
    assert remedies == {
        "cohort.group": 'Did you mean "scores.madrs"? Write that',
        "severity": 'Did you mean "scores.madrs"? Write that',
    }


def test_too_many_fits_are_told_what_to_write() -> None:
    """3 × 3 × 5 × 36 × 10 = 16,200 fits with ten imputations; 6 of them are 9,720, and 7 would be 11,340."""
    asked = config(
        models={"net": {"type": "elastic_net", "features": ["all"], "candidates": 36}},
        validation={
            "outer": {"n_splits": 3, "n_repeats": 3},
            "inner": {"n_splits": 5},
            "max_fits": 10_000,
        },
        imputation={"method": "multiple"},
    )
    (problem,) = find_problems(Config.model_validate(asked), Dictionary.model_validate(dictionary()))
    assert problem.code == "CFG-11"
    assert "Write `m: 6` under imputation, which stays within it" in problem.remedy
    assert "or write `validation.max_fits: 16200`" in problem.remedy
    asked["imputation"]["m"] = 6
    assert problems(asked) == []
    asked["validation"]["max_fits"] = 2_000
    (problem,) = find_problems(Config.model_validate(asked), Dictionary.model_validate(dictionary()))
    assert problem.remedy.startswith("Lower them, or write `validation.max_fits: 9720`")


def test_fits_are_counted_by_hand() -> None:
    asked = config(
        features__sets={"all": ["clinical"], "more": ["clinical"]},
        models={
            "net": {"type": "elastic_net", "features": ["all", "more"]},
            "forest": {"type": "random_forest", "features": ["all"], "candidates": 3},
        },
        validation={"outer": {"n_splits": 4, "n_repeats": 2}, "inner": {"n_splits": 5}},
    )
    # (9 strengths × 2 penalties on 2 sets + 3 × 1) × 5 inner × 4 outer × 2 repeats
    assert count_fits(Config.model_validate(asked)) == (18 * 2 + 3) * 5 * 4 * 2
