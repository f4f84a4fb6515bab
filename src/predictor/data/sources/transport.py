"""The structure of SAS transport files (XPT), checked before anything else reads them.

A transport file of version 5 does not say how many records it has, so one that was cut off reads without a murmur. Its
own arithmetic tells: it consists of records of 80 bytes, and what is left after the last whole observation is blank.
Where a whole number of observations fills a record, one that ends between two records cannot be told from a whole one.

Source: SAS Institute, TS-140, The Record Layout of a SAS Version 5 or 6 Data Set in SAS Transport (XPORT) Format.
"""

from __future__ import annotations

from predictor.data.sources.text_table import refuse
from predictor.errors import DataError

__all__ = ["check_transport"]

RECORD = 80
HEAD = b"HEADER RECORD*******"
LIBRARY = (HEAD + b"LIBRARY HEADER RECORD!!!!!!!", HEAD + b"LIBV8   HEADER RECORD!!!!!!!")
MEMBER = (HEAD + b"MEMBER  HEADER RECORD!!!!!!!", HEAD + b"MEMBV8  HEADER RECORD!!!!!!!")
VARIABLES = (HEAD + b"NAMESTR HEADER RECORD!!!!!!!", HEAD + b"NAMSTV8 HEADER RECORD!!!!!!!")
LONG_LABELS = (HEAD + b"LABELV8 HEADER RECORD!!!!!!!", HEAD + b"LABELV9 HEADER RECORD!!!!!!!")
OBSERVATIONS = (HEAD + b"OBS     HEADER RECORD!!!!!!!", HEAD + b"OBSV8   HEADER RECORD!!!!!!!")


def check_transport(raw: bytes, shown_as: str) -> None:
    """Refuse a transport file that is cut off, damaged, or holds several data sets.

    Parameters
    ----------
    raw : bytes
        The whole file.
    shown_as : str

    Raises
    ------
    DataError
        DAT-12, with the offset of the byte.
    """
    if not raw.startswith(LIBRARY):
        raise _invalid(0, "no library header stands there", shown_as)
    if len(raw) % RECORD:
        raise _invalid(len(raw), "the file ends inside a record of 80 bytes: it is cut off", shown_as)
    _check_labels(raw, shown_as)
    members = _find(raw, MEMBER)
    if len(members) != 1:
        remedy = "Write one data set to a file"
        at = members[1] if members else len(raw)
        raise _invalid(at, f"{len(members)} data sets, one was expected", shown_as, remedy)
    start, width = _observations(raw, members[0], shown_as)
    rest = raw[start + (len(raw) - start) // width * width :]
    if rest.strip(b" "):
        raise _invalid(len(raw), "the last observation is not whole: the file is cut off", shown_as)


def _check_labels(raw: bytes, shown_as: str) -> None:
    labels = _find(raw, LONG_LABELS)
    if labels:
        remedy = "Shorten the labels and write version 5, which data sets for authorities have to be"
        raise _invalid(labels[0], "labels of more than 40 characters", shown_as, remedy)


def _observations(raw: bytes, member: int, shown_as: str) -> tuple[int, int]:
    """Return where the observations start and how many bytes each one has."""
    size = _number(raw[member + 75 : member + 78])
    names = next(iter(_find(raw, VARIABLES)), None)
    begins = next(iter(_find(raw, OBSERVATIONS)), None)
    if size not in (136, 140) or names is None or begins is None or names > begins:
        raise _invalid(member, "the headers of the data set are damaged", shown_as)
    number = _number(raw[names + 54 : names + 58])
    first = names + RECORD
    if number < 1 or first + number * size > begins:
        raise _invalid(names, "the descriptions of the variables are damaged", shown_as)
    places = [first + i * size for i in range(number)]
    width = sum(int.from_bytes(raw[at + 4 : at + 6], "big") for at in places)
    if width < 1:
        raise _invalid(first, "the descriptions of the variables are damaged", shown_as)
    return begins + RECORD, width


def _find(raw: bytes, headers: tuple[bytes, ...]) -> list[int]:
    """Return where records start that are one of these headers."""
    found = []
    for header in headers:
        at = raw.find(header)
        while at >= 0:
            if at % RECORD == 0:
                found.append(at)
            at = raw.find(header, at + 1)
    return sorted(found)


def _number(digits: bytes) -> int:
    return int(digits) if digits.strip().isdigit() else 0


def _invalid(offset: int, message: str, shown_as: str, remedy: str = "Export the file again") -> DataError:
    return refuse(shown_as, "DAT-12", f"no valid XPT file: at byte {offset:,}, {message}", remedy)
