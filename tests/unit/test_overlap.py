from __future__ import annotations

from predictor.external.overlap import count_shared


def test_a_key_alone_is_no_patient_and_key_with_values_is_one() -> None:
    shared = count_shared(
        ["1", "2", "3"], [(1.0,), (2.0,), (3.0,)], ["1", "2", "9"], [(1.0,), (7.0,), (8.0,)]
    )
    assert (shared.same, shared.renamed, shared.n) == (1, 0, 3)
    assert not shared.none


def test_values_are_compared_to_nine_digits_and_missing_ones_count() -> None:
    mine = [(0.1 + 0.2, "f", None), (0.3, "f", 1.0)]
    shared = count_shared(["1", "2"], mine, ["1", "2"], [(0.3, "f", None), (0.300001, "f", 1.0)])
    assert (shared.same, shared.renamed) == (1, 0)


def test_patients_who_look_alike_are_chance_and_a_copied_file_is_not() -> None:
    """Of 100 rows there 50 look like another one, so that ten of 20 rows are found there by chance of 51 in 101."""
    there = [(float(i % 25 if i < 50 else i),) for i in range(100)]
    coarse = count_shared(
        [f"x{i}" for i in range(20)],
        [(float(i if i < 10 else 1000 + i),) for i in range(20)],
        [str(i) for i in range(100)],
        there,
    )
    assert (coarse.renamed, round(coarse.repeated, 4)) == (10, 0.505)
    assert coarse.none
    distinct = [(float(i),) for i in range(100)]
    copied = count_shared([f"x{i}" for i in range(20)], distinct[:20], [str(i) for i in range(100)], distinct)
    assert copied.renamed == 20
    assert not copied.none
