"""Columns that a dictionary declares by a rule: small tables in and out, worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from predictor.config.dictionary import Dictionary
from predictor.config.dictionary_problems import find_dictionary_problems
from predictor.data.conform import ConformedTable, read_tables
from predictor.errors import DataError

WEIGHT = {"measure": "weight", "unit": "kg"}
HEIGHT = {"measure": "height", "unit": "cm"}
BMI = {"measure": "bmi", "unit": "kg/m2", "derive": {"rule": "bmi", "weight": "w", "height": "h"}}


def declared(columns: dict[str, Any], **tables: Any) -> Dictionary:
    patients = {"source": {"path": "patients.csv"}, "key": "id", "known": "baseline", "columns": columns}
    return Dictionary.model_validate({"patients": patients} | tables)


@pytest.fixture
def read(tmp_path):
    def read(dictionary: Dictionary, **files: str) -> ConformedTable:
        for name, text in files.items():
            (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
        assert list(find_dictionary_problems(dictionary)) == []
        sources = {name: tmp_path / f"{name}.csv" for name, _ in dictionary.tables()}
        return read_tables(dictionary, sources)["patients"]

    return read


def refused(dictionary: Dictionary) -> list[str]:
    problems = [
        problem for problem in find_dictionary_problems(dictionary) if problem.code in ("CFG-49", "CFG-38")
    ]
    return [f"{problem.path.partition('.columns.')[2]}: {problem.message}" for problem in problems]


def test_body_mass_index(read):
    table = read(
        declared({"w": WEIGHT, "h": HEIGHT, "bmi": BMI}), patients="id,w,h\n1,81,180\n2,60,\n3,128,160\n"
    )
    np.testing.assert_allclose(table.frame["bmi"], [25, np.nan, 50])  # 81/1.8²; 128/1.6²


def test_body_mass_index_from_pounds_and_inches(read):
    pounds, inches = {**WEIGHT, "file_unit": "[lb_av]"}, {**HEIGHT, "file_unit": "[in_i]"}
    table = read(
        declared({"w": pounds, "h": inches, "bmi": BMI}), patients="id,w,h\n1,154.324,70.866\n2,200,70\n"
    )
    # 70.0 kg and 180.0 cm; 90.72 kg and 177.8 cm
    np.testing.assert_allclose(table.frame["bmi"], [21.605, 28.697], rtol=1e-4)


def test_a_result_outside_its_limits_is_an_error_with_its_row(read):
    dictionary = declared({"w": {**WEIGHT, "range": [0, 900]}, "h": HEIGHT, "bmi": BMI})
    with pytest.raises(DataError) as caught:
        read(dictionary, patients="id,w,h\n1,81,180\n2,700,170\n")
    assert str(caught.value.problems[0]).endswith(
        "patients.csv:3: bmi: DAT-18 computed, and outside 10 to 90 kg/m2, which bmi can be. Mend what it is computed "
        "from, or a unit; values are never clipped."
    )


@pytest.mark.parametrize(
    ("units", "given", "expected"),
    [(("mg/kg", "mg"), 0.5, 40), (("mg", "mg/kg"), 40, 0.5)],  # 80 kg
)
def test_doses_by_body_weight_and_back(read, units, given, expected):
    dose = {"type": "number", "unit": units[0], "known": "plan"}
    other = {"unit": units[1], "known": "plan", "derive": {"rule": "dose", "dose": "d", "weight": "w"}}
    table = read(
        declared({"w": WEIGHT, "d": dose, "e": other}), patients=f"id,w,d\n1,80,{given}\n2,,{given}\n"
    )
    np.testing.assert_allclose(table.frame["e"], [expected, np.nan])


def test_cortisol_awakening_response(read):
    sample = {"type": "number", "unit": "nmol/L"}
    rule = {"rule": "awakening_response", "samples": {"s0": 0, "s30": 30, "s45": 45}}
    columns = {"s0": sample, "s30": sample, "s45": sample, "car": {"unit": "nmol/L", "derive": rule}}
    cells = "id,s0,s30,s45\n1,10,16,13\n2,8,8,8\n3,12,9,\n4,12,9,6\n"
    table = read(declared(columns), patients=cells)
    # 0 6 3 above the first: (30·3 + 15·4.5)/45 = 3.5; 0 −3 −6: −(30·1.5 + 15·4.5)/45 = −2.5
    np.testing.assert_allclose(table.frame["car"], [3.5, 0, np.nan, -2.5])


def test_hours_since_waking(read):
    date = {"type": "date"}
    hours = {
        "unit": "h",
        "range": [0, 24],
        "derive": {"rule": "hours_between", "start": "woke", "end": "drawn"},
    }
    rows = [
        "1,2026-03-02T06:30,2026-03-02T08:15",
        "2,2026-03-02,2026-03-02T08:15",
        "3,2026-03-02T22:00,2026-03-03T07:00",
    ]
    table = read(
        declared({"woke": date, "drawn": date, "hours": hours}), patients="\n".join(["id,woke,drawn", *rows])
    )
    np.testing.assert_allclose(table.frame["hours"], [1.75, np.nan, 9])
    with pytest.raises(DataError, match=r"3: drawn: DAT-17 drawn is before woke"):
        read(
            declared({"woke": date, "drawn": date, "hours": hours}),
            patients="id,woke,drawn\n1,2026-03-02T06:30,2026-03-02T08:00\n2,2026-03-02T09:30,2026-03-02T08:15\n",
        )


def test_what_was_below_the_limit_of_detection_stays_known(read):
    crp = {"analyte": "crp", "unit": "mg/L", "below_limit": "sqrt2"}
    flag = {"type": "integer", "derive": {"rule": "below_limit", "of": "crp"}}
    table = read(declared({"crp": crp, "low": flag}), patients="id,crp\n1,<0.2\n2,0.2\n3,\n4,3\n")
    np.testing.assert_allclose(table.frame["crp"], [0.2 / np.sqrt(2), 0.2, np.nan, 3])
    np.testing.assert_array_equal(table.frame["low"], [1, 0, np.nan, 0])


TRIALS = {
    "source": {"path": "trials.csv"},
    "key": "id",
    "known": "baseline",
    "rows": "several",
    "columns": {
        "drug": {"type": "text"},
        "adequacy": {"type": "integer", "range": [0, 5]},
        "result": {"type": "category", "values": ["failed", "helped"]},
    },
}
FAILED = {
    "rule": "count",
    "table": "trials",
    "where": [{"column": "adequacy", "min": 3}, {"column": "result", "in": ["failed"]}],
}
HISTORY = (
    "id,drug,adequacy,result\n1,a,3,failed\n1,b,5,failed\n1,c,2,failed\n1,d,4,helped\n2,a,,failed\n2,b,4,\n"
    "4,a,3,failed\n"
)


def test_adequate_trials_that_failed_are_counted(read):
    count = {"type": "integer", "name": "failed_trials", "derive": FAILED}
    dictionary = declared({"sex": {"type": "category"}, "n": count}, trials=TRIALS)
    table = read(dictionary, patients="id,sex\n1,f\n2,m\n3,f\n", trials=HISTORY)
    assert table.frame["n"].tolist() == [2, 0, 0]


def test_the_maudsley_stage_takes_the_counted_failures(read):
    others = ("duration", "severity", "augmentation", "ect")
    items = {key: {"instrument": "msm", "item": key} for key in others}
    items |= {"failures": {"instrument": "msm", "item": "failures", "derive": FAILED}}
    dictionary = declared(items | {"msm": {"instrument": "msm", "score": "total"}}, trials=TRIALS)
    table = read(
        dictionary, patients="id,duration,severity,augmentation,ect\n1,30,4,1,0\n2,8,3,0,1\n", trials=HISTORY
    )
    assert table.frame["failures"].tolist() == [2, 0]
    assert table.frame["msm"].tolist()[0] == 3 + 4 + 1 + 1
    assert np.isnan(table.frame["msm"][1])  # nothing failed, so there is no stage


def test_a_change_is_known_when_the_later_score_is():
    scores = {f"madrs_{day}": {"instrument": "madrs", "day": day} for day in (0, 1)}
    rule = {"rule": "difference", "of": "madrs_0", "minus": "madrs_1"}
    early = {"unit": "", "day": 0, "derive": rule}
    assert refused(declared(scores | {"early": early})) == [
        'early.derive: "madrs_1" may be known later than this column is said to be'
    ]
    assert refused(declared(scores | {"early": early | {"day": 1}})) == []


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (BMI | {"unit": "kg"}, 'bmi.derive: the body mass index is in kg/m2, declared is "kg"'),
        (
            BMI | {"derive": {"rule": "bmi", "weight": "ww", "height": "h"}},
            'bmi.derive: "ww" is no declared column of this table',
        ),
        (
            BMI | {"derive": {"rule": "bmi", "weight": "sex", "height": "h"}},
            'bmi.derive: "sex" is category, number',
        ),
        (
            BMI | {"derive": {"rule": "difference", "of": "bmi", "minus": "h"}},
            "bmi.derive: the column would be computed",
        ),
        (
            BMI | {"derive": {"rule": "difference", "of": "w", "minus": "h"}},
            "bmi.derive: the inputs and the result are",
        ),
        (BMI | {"derive": {"rule": "below_limit", "of": "w"}}, 'bmi.derive: "w" has no below_limit'),
        (
            BMI | {"derive": {"rule": "dose", "dose": "h", "weight": "w"}},
            "bmi.derive: a dose goes from mg/kg to mg",
        ),
        (
            BMI | {"derive": {"rule": "awakening_response", "samples": {"w": 30, "h": 0}}},
            "bmi.derive: the samples' minutes do not rise from 0",
        ),
        (
            BMI | {"derive": {"rule": "count", "table": "history"}},
            'bmi.derive.table: "history" is no other table',
        ),
        (
            BMI | {"derive": {"rule": "count", "table": "trials", "where": [{"column": "result", "min": 1}]}},
            'bmi.derive.where.0: "result" is category: categories are tested by `in`',
        ),
        (BMI | {"below_limit": "half"}, "bmi.below_limit: a derived column is not read from the file"),
        (
            BMI | {"derive": {"rule": "bmi", "weight": "w2", "height": "h"}},
            'bmi.derive: "w2" may be known later',
        ),
    ],
)
def test_cfg_49_rules_that_cannot_be_followed(column, expected):
    columns = {
        "sex": {"type": "category"},
        "w": WEIGHT,
        "w2": {**WEIGHT, "name": "w2", "known": "after"},
        "h": HEIGHT,
    }
    assert refused(declared(columns | {"bmi": column}, trials=TRIALS))[0].startswith(expected)


def test_cfg_49_only_what_is_known_at_day_0_is_counted():
    trials = {**TRIALS, "known": "after"}
    count = {"type": "integer", "derive": FAILED}
    assert refused(declared({"sex": {"type": "category"}, "n": count}, trials=trials)) == [
        "n.derive.table: the rows of trials are not all known at day 0"
    ]


def test_rows_without_an_order_can_only_be_counted():
    dictionary = declared({"sex": {"type": "category"}}, trials=TRIALS)
    assert dictionary.references() == ["patients.sex"]
    assert dictionary.find("trials.adequacy") is None


VITALS = {
    "layout": "long",
    "name_column": "what",
    "value_column": "value",
    "known": {"date": "on"},
    "source": {"path": "patients.csv"},
    "key": "id",
}


def vitals(columns: dict[str, Any]) -> Dictionary:
    return Dictionary.model_validate({"patients": VITALS | {"columns": columns}})


def test_in_a_long_table_what_was_measured_together_is_computed_together(read):
    rows = [
        "id,on,what,value",
        "a,2024-01-01,w,81",
        "a,2024-01-01,h,180",
        "a,2024-02-01,w,90",  # no height on this day
        "b,2024-01-01,h,160",
        "b,2024-01-01,w,128",
    ]
    table = read(vitals({"w": WEIGHT, "h": HEIGHT, "bmi": BMI}), patients="\n".join(rows) + "\n")
    own = table.frame["what"] == "bmi"
    found = table.frame.loc[own, ["id", "on", "value"]].astype({"on": str}).round(9).to_numpy().tolist()
    assert found == [["a", "2024-01-01", 25.0], ["b", "2024-01-01", 50.0]]  # 81/1.8²; 128/1.6²
    assert table.rows[own].tolist() == [2, 5]  # the first row of each measurement
    assert table.frame.loc[~own, "value"].tolist() == [81, 180, 90, 160, 128]


def test_in_a_long_table_one_rule_may_use_another(read):
    dose = {"measure": "dose", "unit": "mg", "range": [0, 200]}
    per_kg = {
        "measure": "dose_per_weight",
        "unit": "mg/kg",
        "derive": {"rule": "dose", "dose": "d", "weight": "w"},
    }
    more = {
        "measure": "more",
        "unit": "mg/kg",
        "derive": {"rule": "difference", "of": "per_kg", "minus": "usual"},
    }
    usual = {"measure": "usual", "unit": "mg/kg"}
    rows = ["a,2024-01-01,w,80", "a,2024-01-01,d,40", "a,2024-01-01,usual,0.4", "b,2024-01-01,w,70"]
    table = read(
        vitals({"w": WEIGHT, "d": dose, "usual": usual, "per_kg": per_kg, "more": more}),
        patients="\n".join(["id,on,what,value", *rows, "b,2024-01-02,d,30"]) + "\n",
    )
    computed = table.frame.loc[table.frame["what"].isin(["per_kg", "more"])].set_index("what")["value"]
    np.testing.assert_allclose(computed[["per_kg", "more"]], [0.5, 0.1])  # 40/80; 0.5 - 0.4


def test_in_a_long_table_a_result_outside_its_limits_names_the_row(read):
    dictionary = vitals({"w": {**WEIGHT, "range": [0, 900]}, "h": HEIGHT, "bmi": BMI})
    rows = [
        "id,on,what,value",
        "a,2024-01-01,w,81",
        "a,2024-01-01,h,180",
        "b,2024-01-01,w,700",
        "b,2024-01-01,h,170",
    ]
    with pytest.raises(DataError) as caught:
        read(dictionary, patients="\n".join(rows) + "\n")
    assert "patients.csv:4: bmi: DAT-18 computed, and outside 10 to 90 kg/m2" in str(caught.value)


def test_in_a_long_table_only_rules_that_need_values_alone(tmp_path):
    below = {"type": "number", "derive": {"rule": "below_limit", "of": "crp"}}
    crp = {"analyte": "crp", "unit": "mg/L", "below_limit": "half"}
    assert refused(vitals({"crp": crp, "below": below})) == [
        "below.derive: in a long table nothing is computed by the rule below_limit"
    ]


def test_a_score_is_computed_too_late_to_be_computed_from():
    items = {f"g{i}": {"instrument": "gad7", "item": i} for i in range(1, 8)}
    total = {"instrument": "gad7", "score": "total"}
    less = {"type": "number", "derive": {"rule": "difference", "of": "total", "minus": "g1"}}
    assert refused(declared(items | {"total": total, "less": less})) == [
        'less.derive: "total" is a score, which is computed after this column'
    ]
