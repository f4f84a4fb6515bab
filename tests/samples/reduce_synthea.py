"""Reduce bundles of PySynthea to what tests/samples/synthea holds: ``python reduce_synthea.py FOLDER OUT.json``.

Kept, as they are: the patients, and their observations, conditions and administrations since 2024. The seed and the
command that made the bundles stand in tests/samples/synthea/README.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

KINDS = ("Observation", "Condition", "MedicationAdministration")
SINCE = "2024"


def kept(resource: dict[str, Any]) -> bool:
    """Whether a resource is in the sample."""
    when = str(resource.get("effectiveDateTime", resource.get("onsetDateTime", "")))
    return resource["resourceType"] == "Patient" or (resource["resourceType"] in KINDS and when >= SINCE)


def main(folder: str, out: str) -> None:
    """Write one bundle of all patients of a folder."""
    entries = [
        {"fullUrl": entry["fullUrl"], "resource": entry["resource"]}
        for path in sorted(Path(folder).glob("*.json"))
        for entry in json.loads(path.read_text(encoding="utf-8"))["entry"]
        if kept(entry["resource"])
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    Path(out).write_text(
        json.dumps(bundle, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
