"""Which of a model's inputs can be found in FHIR resources, by the codes that its dictionary declares."""

from __future__ import annotations

from dataclasses import dataclass

from predictor.config.coded import Coded
from predictor.config.dictionary import Column, Dictionary
from predictor.prediction_model import InputField, PredictionModel

__all__ = ["CodedInput", "coded_inputs"]


@dataclass(frozen=True)
class CodedInput:
    """One input, its column in the dictionary, and where FHIR resources hold it.

    Parameters
    ----------
    field : InputField
    column : Column
    coded : Coded or None
        None where no code is declared: then only the model's own questionnaire holds it.
    """

    field: InputField
    column: Column
    coded: Coded | None


def coded_inputs(model: PredictionModel) -> tuple[CodedInput, ...]:
    """Return the inputs in the model's order.

    Parameters
    ----------
    model : PredictionModel
    """
    dictionary = Dictionary.model_validate(model.dictionary)
    return tuple(CodedInput(one, *_declared(dictionary, one)) for one in model.inputs)


def _declared(dictionary: Dictionary, one: InputField) -> tuple[Column, Coded | None]:
    """Return the column behind an input; of one quantity on several days, the first with codes."""
    table_name, _, name = one.source.partition(".")
    if table_name not in dictionary:
        return Column(), None
    table = dictionary[table_name]
    columns = [table.columns[header] for header in table.headers_of(name)]
    found = next((column for column in columns if column.fhir is not None), None)
    column = found or (columns[0] if columns else Column())
    # A mean or a slope over the window is no value that a resource holds.
    return column, column.fhir if one.take == "last" else None
