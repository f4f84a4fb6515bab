"""What the tables of one file say alike is said once."""

from __future__ import annotations

from predictor.data.notices import notices_of_tables


def test_each_thing_is_said_once_with_the_tables_that_it_is_about() -> None:
    said = {"age": ["x: 3 rows", "x: 1 column"], "madrs": ["x: 3 rows"], "crp": ["x: 3 rows", "x: 3 rows"]}
    assert notices_of_tables(said) == ["age, madrs, crp: x: 3 rows", "age: x: 1 column"]


def test_of_many_tables_the_first_are_named() -> None:
    many = {f"t{i}": ["the same"] for i in range(9)}
    assert notices_of_tables(many) == ["t0, t1, t2 and 6 more: the same"]
