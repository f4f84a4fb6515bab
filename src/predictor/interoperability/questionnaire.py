"""The form of a model as a FHIR Questionnaire that other systems can show, and the answers that come back.

Source: HL7, FHIR R4 (4.0.1), Questionnaire and QuestionnaireResponse, and the extensions minValue, maxValue and
questionnaire-unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from predictor.data.cells import RefusedCellError, number_of
from predictor.data.instruments import find_instrument
from predictor.data.sources.fhir_rows import rows_of_resource
from predictor.interoperability.bundle import Entry
from predictor.interoperability.candidates import Candidate, Clock, moment_of
from predictor.interoperability.coded_inputs import CodedInput
from predictor.interoperability.quantities import UCUM, Refusal, Value, number_of_quantity, ucum_of
from predictor.prediction_model import InputField, PredictionModel

__all__ = ["answers_of", "canonical_of", "questionnaire"]

EXTENSION = "http://hl7.org/fhir/StructureDefinition/"
GROUPS = {"entry": "May the model be used?", "baseline": "Before treatment", "plan": "The planned treatment"}
DONE = ("completed", "amended")


def canonical_of(model: PredictionModel) -> str:
    """Return the address of a model's questionnaire: another model's has another.

    Parameters
    ----------
    model : PredictionModel
    """
    return f"urn:response-predictor:questionnaire:{str(model.manifest.get('sha256', ''))[:16] or 'unsaved'}"


def questionnaire(model: PredictionModel) -> dict[str, Any]:
    """Write the questionnaire of a model's inputs: one item each, called like the input.

    Parameters
    ----------
    model : PredictionModel

    Returns
    -------
    dict
        A Questionnaire resource.
    """
    groups = [
        {
            "linkId": f"group-{role}",
            "text": title,
            "type": "group",
            "item": [_item(one) for one in model.inputs if one.role == role],
        }
        for role, title in GROUPS.items()
    ]
    return {
        "resourceType": "Questionnaire",
        "url": canonical_of(model),
        "version": str(model.card["created"]),
        "title": str(model.card["title"]),
        "status": "active",
        "experimental": bool(model.card["simulated"]),
        "subjectType": ["Patient"],
        "item": [group for group in groups if group["item"]],
    }


def _item(one: InputField) -> dict[str, Any]:
    item: dict[str, Any] = {
        "linkId": one.name,
        "text": one.label,
        "type": _type(one),
        "required": one.required,
    }
    extensions = list(_extensions(one))
    if extensions:
        item["extension"] = extensions
    if one.kind == "category":
        item["answerOption"] = [{"valueCoding": {"code": level, "display": level}} for level in one.levels]
    return item


def _type(one: InputField) -> str:
    if one.kind == "category":
        return "choice"
    return {"yes_no": "boolean", "whole": "integer"}.get(one.grain, "decimal")


def _extensions(one: InputField) -> Iterator[dict[str, Any]]:
    if one.kind == "category" or one.grain == "yes_no":
        return
    whole = one.grain == "whole"
    for name, limit in zip(("minValue", "maxValue"), one.limits, strict=True):
        if limit is not None:
            value = {"valueInteger": int(limit)} if whole else {"valueDecimal": float(limit)}
            yield {"url": f"{EXTENSION}{name}"} | value
    if one.unit:
        unit = {"system": UCUM, "code": ucum_of(one.unit), "display": one.unit}
        yield {"url": f"{EXTENSION}questionnaire-unit", "valueCoding": unit}


def answers_of(
    entry: Entry, inputs: tuple[CodedInput, ...], clock: Clock, *, own: str
) -> Iterator[tuple[CodedInput, Candidate]]:
    """Yield what a QuestionnaireResponse says of the inputs.

    Parameters
    ----------
    entry : Entry
    inputs : tuple of CodedInput
    clock : Clock
    own : str
        From `canonical_of`: then an item is an input. Of another questionnaire, the scores that the dictionary
        declares are computed from their items.

    Raises
    ------
    Refusal
        FHI-03, FHI-07 or FHI-08.
    """
    asked = str(entry.resource.get("questionnaire", "")).partition("|")[0]
    scored = [one for one in inputs if one.coded and one.coded.items and one.coded.questionnaire == asked]
    status = entry.resource.get("status")
    if (asked != own and not scored) or status == "entered-in-error":
        return
    if status not in DONE:
        raise Refusal("FHI-03", "it is not completed", "Send it when it is completed or amended")
    when = moment_of(entry.resource, ("authored",), clock)
    if asked == own:
        known = {one.field.name: one for one in inputs}
        for link, answer in _items(entry.resource):
            if link not in known:
                message = "an item of another version of this questionnaire"
                raise Refusal("FHI-07", message, "Fetch the questionnaire anew")
            value, given = _answered(answer, known[link])
            yield known[link], Candidate(value, when, entry.place, entry.reference, given)
    for one in scored:
        yield one, Candidate(_score(entry.resource, one), when, entry.place, entry.reference)


def _items(resource: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the answered items in any depth of groups, each once."""
    waiting, seen = list(resource.get("item", [])), set()
    while waiting:
        item = waiting.pop()
        waiting += item.get("item", [])
        answers = item.get("answer", [])
        if len(answers) > 1 or (answers and item["linkId"] in seen):
            raise Refusal("FHI-07", "an item has several answers", "Send one")
        if answers:
            seen.add(item["linkId"])
            yield str(item["linkId"]), answers[0]


def _answered(answer: Mapping[str, Any], one: CodedInput) -> tuple[Value, str]:
    if one.field.kind == "category":
        code = answer.get("valueCoding", {}).get("code", answer.get("valueString"))
        if code in one.field.levels:
            return str(code), ""
    elif one.field.grain == "yes_no":
        if "valueBoolean" in answer:
            return ("yes" if answer["valueBoolean"] else "no"), ""
    elif "valueQuantity" in answer:
        return number_of_quantity(answer["valueQuantity"], one)
    else:
        for key in ("valueDecimal", "valueInteger"):
            if key in answer:
                return float(answer[key]), ""
    raise Refusal(
        "FHI-07", f"the answer to {one.field.name} is none of its kind", "Answer as the questionnaire asks"
    )


def _score(resource: Mapping[str, Any], one: CodedInput) -> Value:
    """Compute a score from its items, as it is computed in training; None where too many are missing."""
    import pandas as pd  # a service that is sent no items does without them

    from predictor.data.rating import rate_items

    assert one.coded is not None
    scale = find_instrument(str(one.column.instrument))
    if scale is None or scale.rating is None:
        raise Refusal("FHI-07", "the scale has no items here", "Send the total as an Observation")
    try:
        (answers,) = rows_of_resource(resource, {}).rows
        given = {key: answers.get(link, "") for key, link in one.coded.items.items()}
        ratings = {
            key: [number_of(given[key]) if given.get(key) else float("nan")] for key in scale.rating.items
        }
        scores = rate_items(scale.rating, pd.DataFrame(ratings))
        value = float(scores[one.column.score or "total"].iloc[0])
    except (ValueError, KeyError, RefusedCellError):
        message = f"its items are none that {scale.name} can have"
        raise Refusal("FHI-07", message, "Send one answer per item, within its range") from None
    return None if math.isnan(value) else value
