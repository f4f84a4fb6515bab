"""What a form was filled in with by a launch, so that its report still says which resources it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from predictor.interoperability.intake import PatientInputs
from predictor.prediction.unit_choice import UNIT
from predictor.service.form import Filled, FormField
from predictor.service.sessions import Session, Sessions

__all__ = ["LAUNCH", "Launched", "launched_of", "marked"]

LAUNCH = "__launch"
"""Field of a form by which the session finds what the form was filled in with."""


@dataclass(frozen=True)
class Launched:
    """The values of one patient as they were put into a form; a session keeps them as long as a report.

    Parameters
    ----------
    model : str
        Its name in addresses.
    inputs : PatientInputs
    texts : mapping of str to str
        As they stood in the form, by the keys of `predictor.service.form.Filled.values`.
    hints : mapping of str to str
        What stood beside each question that was filled in.
    """

    model: str
    inputs: PatientInputs
    texts: Mapping[str, str]
    hints: Mapping[str, str]

    @classmethod
    def into(cls, model: str, inputs: PatientInputs, fields: Sequence[FormField]) -> Launched:
        """Remember what stands in a form that was filled in.

        Parameters
        ----------
        model : str
        inputs : PatientInputs
        fields : sequence of FormField
        """
        texts = {one.name: one.value for one in fields}
        units = {f"{one.name}{UNIT}": one.chosen_unit for one in fields if one.units}
        hints = {one.name: one.hint for one in fields if one.name in inputs.chosen}
        return cls(model, inputs, texts | units, hints)

    def source(self, values: Mapping[str, str]) -> dict[str, Any]:
        """Return what a report of these values rests on: a value that somebody changed is no resource's any more.

        Where none is left as it was, nothing ties the report to the patient of the launch, and it does not name them.

        Parameters
        ----------
        values : mapping of str to str
            From the form; see `predictor.service.form.Filled`.

        Returns
        -------
        dict
            See `predictor.interoperability.intake.PatientInputs.source`; empty where no resource is left.
        """
        left = {name: one for name, one in self.inputs.chosen.items() if self.stands(name, values)}
        kept = replace(self.inputs, chosen=left)
        return kept.source if kept.basis else {}

    def stands(self, name: str, values: Mapping[str, str]) -> bool:
        """Say whether a value and its unit are those of the launch."""
        return all(values.get(key) == self.texts.get(key) for key in (name, f"{name}{UNIT}"))


def launched_of(sessions: Sessions, session: Session, name: str, *, model: str) -> Launched | None:
    """Return what a form of this model was filled in with; None for one that was filled in by hand, or too long ago.

    Parameters
    ----------
    sessions : Sessions
    session : Session
    name : str
        What the form brought back.
    model : str
    """
    found = sessions.result(session, name)
    return found if isinstance(found, Launched) and found.model == model else None


def marked(filled: Filled, launched: Launched | None) -> tuple[FormField, ...]:
    """Say again beside every answer of a form that is shown again, and that nobody changed, where it came from.

    Parameters
    ----------
    filled : Filled
    launched : Launched or None
        None for a form that was filled in by hand.
    """
    if launched is None:
        return filled.fields
    return tuple(
        replace(one, hint=launched.hints[one.name])
        if one.name in launched.hints and launched.stands(one.name, filled.values)
        else one
        for one in filled.fields
    )
