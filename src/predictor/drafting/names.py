"""What a column's name alone suggests: a rating scale, a laboratory value, a unit, a day, a person."""

from __future__ import annotations

import re
from collections.abc import Sequence

from predictor.data.analytes import ANALYTES
from predictor.data.instruments import INSTRUMENTS

__all__ = [
    "day_of",
    "named_analytes",
    "named_instrument",
    "named_item",
    "named_unit",
    "names_person",
    "plain_name",
    "sounds_later",
    "words_of",
]

# Names in use for scales whose own name says more: "hamd" is mostly the 17-item version, and so on.
SHORT_NAMES = {
    "hamd": "hamd17",
    "hdrs": "hamd17",
    "ham": "hamd17",
    "bech": "hamd6",
    "phq": "phq9",
    "gad": "gad7",
    "bdi": "bdi2",
    "bdiii": "bdi2",
    "pcl": "pcl5",
    "qids": "qids_sr16",
    "ids": "ids30",
    "ctq": "ctq28",
}
UNITS = {
    "mg_l": "mg/L",
    "mg_dl": "mg/dL",
    "g_l": "g/L",
    "ug_l": "ug/L",
    "ug_dl": "ug/dL",
    "ug_ml": "ug/mL",
    "ng_l": "ng/L",
    "ng_ml": "ng/mL",
    "ng_dl": "ng/dL",
    "pg_ml": "pg/mL",
    "nmol_l": "nmol/L",
    "pmol_l": "pmol/L",
    "umol_l": "umol/L",
    "mmol_l": "mmol/L",
    "kg_m2": "kg/m2",
}
DAYS_OF = {
    "d": 1,
    "day": 1,
    "w": 7,
    "wk": 7,
    "week": 7,
    "m": 30.4375,
    "mo": 30.4375,
    "month": 30.4375,
    "y": 365.25,
}
BASELINE = {"baseline", "bl", "base", "screening", "screen", "b0", "t0", "pre", "v1", "enrolment", "intake"}
PERSON = {
    "name",
    "surname",
    "forename",
    "firstname",
    "lastname",
    "email",
    "phone",
    "address",
    "street",
    "postcode",
}
PERSON |= {"zip", "dob", "birthdate", "birthday", "ssn", "mrn", "insurance", "initials"}
AFTER = {
    "response",
    "responder",
    "remission",
    "relapse",
    "relapsed",
    "outcome",
    "received",
    "attrit",
    "attrition",
}
AFTER |= {"dropout", "completed", "completer", "end", "ended", "improvement", "worse", "side", "followup"}


def words_of(name: str) -> list[str]:
    """Split a name into its words in small letters: ``crpMgL``, ``CRP.mg.l`` and ``crp_mg_l`` alike."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|\d+", name)]


def plain_name(header: str) -> str:
    """Write a header as a name that configs can use: letters, digits and underscores."""
    return re.sub(r"[^\w]+", "_", header).strip("_") or "column"


def _squeezed(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def named_instrument(name: str) -> str | None:
    """Return the rating scale that a name begins with, the longest that fits.

    Parameters
    ----------
    name : str
    """
    squeezed = _squeezed(name)
    known = (
        {_squeezed(one): one for one in INSTRUMENTS} | SHORT_NAMES | {"ham17": "hamd17", "hamdbech": "hamd6"}
    )
    fits = [
        short for short in known if squeezed.startswith(short) and not squeezed[len(short) :][:1].isalpha()
    ]
    fits += [short for short in known if short in words_of(name)]
    return known[max(fits, key=len)] if fits else None


def named_item(name: str, instrument: str) -> str | None:
    """Return the item that a name of a scale ends with, such as 3 in ``madrs_item3``; None where it names none.

    Parameters
    ----------
    name, instrument : str
    """
    rating = INSTRUMENTS[instrument].rating
    found = re.search(r"(?:^|[^a-z0-9])(?:item|i|q)?[ _.]?(\d{1,2})$", name.lower())
    if rating is None or found is None:
        return None
    return found[1].lstrip("0") if found[1].lstrip("0") in rating.items else None


def named_analytes(name: str) -> list[str]:
    """Return the laboratory values that a name begins with; one name may be several matrices.

    Parameters
    ----------
    name : str
    """
    squeezed = _squeezed(name)
    exact = [one for one in ANALYTES if squeezed.startswith(_squeezed(one))]
    first = words_of(name)[:1]
    return exact or [one for one in ANALYTES if [one.split("_")[0]] == first and len(first[0]) > 2]


def named_unit(name: str) -> str | None:
    """Return the unit that a name ends with.

    Parameters
    ----------
    name : str
    """
    lowered = "_".join(words_of(name))
    return next((unit for suffix, unit in UNITS.items() if lowered.endswith(f"_{suffix}")), None)


def day_of(label: str) -> int | None:
    """Return the day that a visit's label or the end of a name stands for; None where it tells nothing.

    Parameters
    ----------
    label : str
        ``baseline`` and ``bl`` are day 0, ``week4`` and ``w4`` day 28, ``6m`` day 183 (months of 30.4 days).
    """
    words = words_of(label)
    if BASELINE & set(words):
        return 0
    text = "_".join(words)
    number_last = re.search(r"(?:^|_)(day|d|week|wk|w|month|mo|m|y)_?(\d{1,3})(?:_|$)", text)
    number_first = re.search(r"(?:^|_)(\d{1,3})_?(day|d|week|wk|w|month|mo|m|y)(?:_|$)", text)
    if number_last:
        return round(int(number_last[2]) * DAYS_OF[number_last[1]])
    return round(int(number_first[1]) * DAYS_OF[number_first[2]]) if number_first else None


def names_person(name: str) -> bool:
    """Say whether a name is that of something that could identify a person.

    Parameters
    ----------
    name : str
    """
    return bool(PERSON & set(words_of(name)))


def sounds_later(names: Sequence[str]) -> bool:
    """Say whether a word speaks of what happened to the patients, or of a later visit.

    Parameters
    ----------
    names : sequence of str
        Names of the column and its table.
    """
    words = [word for name in names for word in words_of(name)]
    bare = {word.rstrip("0123456789") for word in words}
    return bool(AFTER & bare) or any(re.fullmatch(r"v([2-9]|\d\d)", word) for word in words)
