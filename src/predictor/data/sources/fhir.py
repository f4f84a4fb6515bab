"""FHIR bundles and NDJSON: the resources of one kind as a table of text, each checked by the standard's own models.

A resource that is not valid in the declared version is a problem with its place, never a row. A reference to a patient
is followed inside the bundle; one that leads nowhere keeps its own text as the key, and is counted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from predictor.config.source import Fhir
from predictor.data.findings import Findings
from predictor.data.sources.fhir_models import find_faults
from predictor.data.sources.fhir_rows import Row, date_written, rows_of_resource
from predictor.data.sources.files import read_bytes
from predictor.data.sources.text_table import TextTable, check_names, refuse, table_of_records
from predictor.strict_json import TooDeepError, read_json

__all__ = ["read_fhir"]

PER_BYTE = 12  # bytes of memory for one byte of JSON, as Python's objects
DEEPEST = 60
Placed = tuple[int, dict[str, Any]]


def read_fhir(path: Path, fhir: Fhir, *, shown_as: str) -> TextTable:
    """Read the resources of one kind.

    Parameters
    ----------
    path : Path
        A bundle, or NDJSON.
    fhir : Fhir
    shown_as : str

    Raises
    ------
    DataError
        DAT-42 (no FHIR, or not valid in its version), DAT-03 (names), DAT-10 and DAT-11 (limits), DAT-15 (not
        readable).
    ResourceError
        ENV-02 without the package ``fhir.resources``.
    """
    raw = read_bytes(path, shown_as, needed=lambda _, size: PER_BYTE * size)
    entries, addresses = _entries(raw, shown_as)
    wanted = [(row, one) for row, one in entries if one.get("resourceType") == fhir.resource]
    _check(wanted, fhir, shown_as)
    rows, notices = _rows(wanted, addresses, fhir, shown_as)
    others = len(entries) - len(wanted)
    notices = ([f"{shown_as}: {others} resources of other kinds were not read"] if others else []) + notices
    header = list(dict.fromkeys(name for _, cells in rows for name in cells))
    check_names(header or ["patient"], shown_as)
    return table_of_records(
        {name: [cells.get(name, "") for _, cells in rows] for name in header},
        sha256=hashlib.sha256(raw).hexdigest(),
        shown_as=shown_as,
        rows=[row for row, _ in rows],
        notices=notices,
    )


def _entries(raw: bytes, shown_as: str) -> tuple[list[Placed], dict[str, str]]:
    """Return the resources with their places, and the patients' ids by the addresses that a bundle gives them."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refuse(shown_as, "DAT-08", "FHIR is written in UTF-8", "Export it again") from None
    if _is_lines(text):
        return [
            (row, _parsed(line, shown_as, row))
            for row, line in enumerate(text.split("\n"), start=1)
            if line.strip()
        ], {}
    bundle = _parsed(text, shown_as, None)
    if bundle.get("resourceType") != "Bundle":
        return [(1, bundle)], {}
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise refuse(shown_as, "DAT-42", "the bundle's entries are no list", "Export it again")
    found = [
        (row, one)
        for row, one in enumerate(entries, 1)
        if isinstance(one, dict) and isinstance(one.get("resource"), dict)
    ]
    addresses = {
        str(one["fullUrl"]): str(one["resource"]["id"])
        for _, one in found
        if "fullUrl" in one and one["resource"].get("resourceType") == "Patient" and "id" in one["resource"]
    }
    return [(row, one["resource"]) for row, one in found], addresses


def _is_lines(text: str) -> bool:
    """Whether the first line is a whole resource and others follow."""
    first, _, rest = text.strip().partition("\n")
    return bool(rest.strip()) and first.rstrip().endswith("}") and rest.lstrip().startswith("{")


def _parsed(text: str, shown_as: str, row: int | None) -> dict[str, Any]:
    try:
        found = read_json(text, deepest=DEEPEST)
    except TooDeepError as error:
        remedy = "Mend it where it comes from"
        raise refuse(shown_as, "DAT-42", f"a resource {error}", remedy, row=row) from None
    except ValueError:
        message = "no JSON, or a key twice: FHIR in XML, or a file that is cut off, is not read"
        raise refuse(shown_as, "DAT-42", message, "Export it as JSON or NDJSON", row=row) from None
    if not isinstance(found, dict) or "resourceType" not in found:
        message = "no FHIR resource: it has no resourceType"
        raise refuse(shown_as, "DAT-42", message, "Export a bundle, or one resource on a line", row=row)
    return found


def _check(wanted: Sequence[Placed], fhir: Fhir, shown_as: str) -> None:
    """Report what does not fit the models, by the place in the resource and never by its value."""
    found = Findings(shown_as)
    remedy = "Mend it where it comes from, or write `version:` if it is of another version"
    for row, resource in wanted:
        for place, kind in find_faults(resource, fhir.resource, fhir.version):
            message = f"the resource does not fit FHIR {fhir.version} ({kind})"
            found.add("DAT-42", message, remedy, row=row, column=f"{fhir.resource}{place}")
    found.raise_if_any()


def _rows(
    wanted: Sequence[Placed], addresses: dict[str, str], fhir: Fhir, shown_as: str
) -> tuple[list[tuple[int, Row]], list[str]]:
    """Return the rows of all resources, and what was left out, in counts."""
    found = Findings(shown_as)
    rows: list[tuple[int, Row]] = []
    counts: Counter[str] = Counter()
    for place, resource in wanted:
        try:
            made = rows_of_resource(resource, addresses)
        except ValueError as error:
            found.add("DAT-42", str(error), "Mend it where it comes from", row=place, column=fhir.resource)
            continue
        if made.left_out:
            counts[made.left_out] += 1
        counts["refer to a patient who is not in the file"] += made.dangling
        for row in made.rows:
            dated = {name: date_written(row[name], fhir.time_zone) for name in made.dates if name in row}
            rows.append((place, row | dated))
    found.raise_if_any()
    return rows, [f"{shown_as}: {n} {fhir.resource} resources {why}" for why, n in counts.items() if n]
