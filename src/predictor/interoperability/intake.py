"""From one patient's resources to the model's inputs: the newest value of each, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from predictor.cohort.names import names_of
from predictor.errors import DataError, Problem
from predictor.interoperability.bundle import PatientBundle
from predictor.interoperability.candidates import Candidate, Clock, candidates_of
from predictor.interoperability.coded_inputs import CodedInput, coded_inputs
from predictor.interoperability.quantities import Refusal, Value
from predictor.interoperability.questionnaire import answers_of, canonical_of
from predictor.prediction.reading import DATE, SOURCE, Rows
from predictor.prediction_model import PredictionModel

__all__ = ["FhirIntake", "PatientInputs"]

SAME = 1e-9  # relative: below it two numbers differ by their conversion alone


@dataclass(frozen=True)
class PatientInputs:
    """What the resources say of the model's inputs.

    Parameters
    ----------
    chosen : mapping of str to Candidate
        By input; those without one are missing.
    subject : str
        Reference to the patient.
    names : sequence of str
        All inputs, in order.
    defining : set of str
        Inputs that have to be "yes" for the model to be about a patient at all.
    """

    chosen: Mapping[str, Candidate]
    subject: str
    names: Sequence[str] = field(default_factory=tuple)
    defining: AbstractSet[str] = frozenset()

    @property
    def values(self) -> dict[str, Value]:
        """Value of every input; None where it is missing."""
        return {name: self.chosen[name].value if name in self.chosen else None for name in self.names}

    @property
    def basis(self) -> tuple[str, ...]:
        """References to the resources that a value came from, each once."""
        used = (one.reference for one in self.chosen.values() if one.value is not None)
        return tuple(dict.fromkeys(reference for reference in used if reference))

    @property
    def condition(self) -> str:
        """Reference to the condition that is assessed: the one that makes the patient one of the model's.

        Empty where no entry rule asks for a condition, or several do. Any other condition that was sent along is a
        comorbidity, and nothing is assessed of it.
        """
        chosen = [one for name, one in self.chosen.items() if name in self.defining and one.value == "yes"]
        found = {one.reference for one in chosen if one.reference.startswith("Condition/")}
        return found.pop() if len(found) == 1 else ""

    @property
    def source(self) -> dict[str, Any]:
        """What a report of these values rests on: the ``subject``, the ``basis`` and the ``condition``."""
        return {"subject": self.subject, "basis": self.basis, "condition": self.condition}

    def rows(self, pseudonym: str) -> Rows:
        """Return the patient as a table of one row, with the day and the source of each value."""
        found: dict[str, object] = {"patient": pseudonym}
        for name, value in self.values.items():
            one = self.chosen.get(name)
            found[name] = value
            found[f"{name}{DATE}"] = one.when.day if one and one.when else None
            found[f"{name}{SOURCE}"] = one.source if one and value is not None else ""
        return Rows(list(found), [list(found.values())])


class FhirIntake:
    """Reads patients for one model.

    Parameters
    ----------
    model : PredictionModel
    """

    def __init__(self, model: PredictionModel) -> None:
        self.inputs = coded_inputs(model)
        self._own = canonical_of(model)
        self._defining = frozenset(_asked_for(model))

    def read(self, bundle: PatientBundle, clock: Clock) -> PatientInputs:
        """Choose the newest value of each input.

        Parameters
        ----------
        bundle : PatientBundle
        clock : Clock

        Raises
        ------
        DataError
            FHI-02, FHI-03, FHI-04, FHI-07 or FHI-08: all that cannot be used, with the input that it is for.
        """
        problems: list[Problem] = []
        found = {one.field.name: list(self._coded(one, bundle, clock, problems)) for one in self.inputs}
        for one, candidate in self._answered(bundle, clock, problems):
            found[one.field.name].append(candidate)
        chosen: dict[str, Candidate] = {}
        for one in self.inputs:
            try:
                newest = choose_newest(found[one.field.name], one, clock)
            except Refusal as refusal:
                problems.append(_problem(refusal, "", one))
                continue
            if newest is not None:
                chosen[one.field.name] = newest
        if problems:
            raise DataError(problems)
        return PatientInputs(chosen, bundle.subject, tuple(found), self._defining)

    def _coded(
        self, one: CodedInput, bundle: PatientBundle, clock: Clock, problems: list[Problem]
    ) -> Iterator[Candidate]:
        for entry in bundle.entries:
            try:
                yield from candidates_of(entry, one, clock)
            except Refusal as refusal:
                problems.append(_problem(refusal, entry.place, one))

    def _answered(
        self, bundle: PatientBundle, clock: Clock, problems: list[Problem]
    ) -> Iterator[tuple[CodedInput, Candidate]]:
        for entry in bundle.of("QuestionnaireResponse"):
            try:
                yield from answers_of(entry, self.inputs, clock, own=self._own)
            except Refusal as refusal:
                problems.append(_problem(refusal, entry.place))


def _asked_for(model: PredictionModel) -> Iterator[str]:
    """Yield the inputs of which an entry rule asks for "yes", and nothing else would do."""
    for rule in model.entry_rules:
        conditions = rule["conditions"]
        allowed = conditions[0].get("in") if len(conditions) == 1 else None
        if allowed and not names_of(1.0).isdisjoint(allowed) and names_of(0.0).isdisjoint(allowed):
            yield str(conditions[0]["input"])


def _problem(refusal: Refusal, place: str, one: CodedInput | None = None) -> Problem:
    where = ": ".join(part for part in (place, one.field.name if one else "") if part)
    return Problem(refusal.code, refusal.message, refusal.remedy, path=where)


def choose_newest(found: Sequence[Candidate], one: CodedInput, clock: Clock) -> Candidate | None:
    """Return the newest value inside the window that development took its values from; None where there is none.

    Parameters
    ----------
    found : sequence of Candidate
    one : CodedInput
    clock : Clock

    Raises
    ------
    Refusal
        FHI-04 where it cannot be said which of two different values is newer; FHI-08 for a date that is not exact
        to the day where that matters, or lies after the assessment.
    """
    inside = [each for each in found if each.when is None or _inside(each, one, clock)]
    inside.sort(key=lambda each: each.when.last if each.when else datetime.max)
    if not inside:
        return None
    newest = inside[-1]
    for other in inside[:-1]:
        same_time = newest.when is None or other.when is None or newest.when.meets(other.when)
        if same_time and not _equal(newest.value, other.value):
            raise Refusal(
                "FHI-04", f"two values of one time differ ({_dates(newest, other)})", "Mend the record"
            )
    return newest


def _inside(candidate: Candidate, one: CodedInput, clock: Clock) -> bool:
    """Ask whether a value lies in the window; one without a day counts only where the whole of it lies outside."""
    when, most = candidate.when, one.field.max_age_days
    assert when is not None
    oldest = None if most is None else clock.today - timedelta(days=most)
    if oldest is not None and when.last.date() < oldest:
        return False
    if when.first.date() > clock.today:
        raise Refusal("FHI-08", f"{candidate.place} is dated after the assessment", "Mend the record")
    if when.day is None:
        raise Refusal("FHI-08", f"the date of {candidate.place} is not exact to the day", "Send the day")
    return True


def _equal(one: Value, other: Value) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= SAME * max(abs(one), abs(other))
    return one == other


def _dates(*found: Candidate) -> str:
    """Say both places and dates: the sender has to find the two, and the value stays unsaid."""
    return " and ".join(
        f"{one.place} of {one.when.day}" if one.when and one.when.day else one.place for one in found
    )
