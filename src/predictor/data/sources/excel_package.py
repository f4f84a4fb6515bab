"""An Excel workbook before a parser sees it: an archive of plain XML that unpacks to what a table needs.

The parser builds every cell of a merged range, and follows what a document declares about itself; a few kilobytes can
then take all memory. So its parts are looked at as bytes, and one that could hide something from that is refused.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Iterator

from predictor.data.sources.files import check_memory
from predictor.data.sources.text_table import refuse
from predictor.errors import DataError

__all__ = ["check_package"]

PER_BYTE = 12  # bytes of memory for each byte of unpacked XML, measured with openpyxl 3.1
MAX_UNPACKED = 1024**3
MAX_MERGED = 1_000_000  # cells
FORMULA = re.compile(rb"<(?:\w+:)?f[ >/]")
MERGED = re.compile(rb"<(?:[\w.-]+:)?mergeCell[\s/>][^>]*")
RANGE = re.compile(rb"\sref\s*=\s*[\"']([A-Z]{1,3})([0-9]{1,7})(?::([A-Z]{1,3})([0-9]{1,7}))?[\"']")
ENCODING = re.compile(rb"^<\?xml[^>]*\sencoding\s*=\s*[\"']([^\"']*)")
SPACE = b"\xef\xbb\xbf \t\r\n"


def check_package(raw: bytes, shown_as: str) -> bool:
    """Refuse what is no workbook, unpacks to more than fits, or merges or declares what no table needs.

    Parameters
    ----------
    raw : bytes
    shown_as : str

    Returns
    -------
    bool
        Whether it holds formulas.

    Raises
    ------
    DataError
        DAT-10 (limits) or DAT-12 (no workbook, or XML of another kind).
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as package:
            unpacked, names = sum(part.file_size for part in package.infolist()), set(package.namelist())
            if "[Content_Types].xml" not in names or not any(name.startswith("xl/") for name in names):
                raise _no_workbook(raw, shown_as)
            if unpacked > MAX_UNPACKED:
                message = f"the workbook unpacks to {unpacked:,} bytes, the limit is {MAX_UNPACKED:,}"
                raise refuse(shown_as, "DAT-10", message, "Save the sheet as CSV")
            check_memory(PER_BYTE * unpacked, shown_as)
            parts = [_check_part(package.read(name), shown_as) for name in sorted(names)]
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error):
        raise _no_workbook(raw, shown_as) from None
    merged = sum(cells for _, cells in parts)
    if merged > MAX_MERGED:
        message = f"{merged:,} cells are merged, the limit is {MAX_MERGED:,}"
        raise refuse(shown_as, "DAT-10", message, "Unmerge them, or save the sheet as CSV")
    return any(calculates for calculates, _ in parts)


def _no_workbook(raw: bytes, shown_as: str) -> DataError:
    if raw.startswith(b"\xd0\xcf\x11\xe0"):
        message, remedy = (
            "an old (.xls) or encrypted workbook, at byte 0",
            "Save it as .xlsx without a password",
        )
    else:
        message, remedy = "no Excel workbook, at byte 0", "Save it as .xlsx, or write its `format:`"
    return refuse(shown_as, "DAT-12", message, remedy)


def _check_part(data: bytes, shown_as: str) -> tuple[bool, int]:
    """Say of one part whether it calculates and how many cells it merges."""
    text = data.lstrip(SPACE)
    if not text.startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        return False, 0  # a picture, say: no parser takes it for XML
    encoding = ENCODING.match(text)
    foreign = encoding is not None and encoding[1].lower() not in (b"utf-8", b"us-ascii", b"ascii")
    cells = list(_merged(text))
    if foreign or not text.startswith(b"<") or b"\x00" in text or b"<!DOCTYPE" in text or None in cells:
        message = (
            "the workbook has a part that Excel does not write: another encoding, a document type, a range"
        )
        raise refuse(shown_as, "DAT-12", message, "Open it in Excel and save it again")
    return FORMULA.search(text) is not None, sum(filter(None, cells))


def _merged(text: bytes) -> Iterator[int | None]:
    """Count the cells of each merged range; None for one that is not written as Excel does."""
    for tag in MERGED.finditer(text):
        ends = RANGE.search(tag[0])
        if ends is None:
            yield None
        else:
            wide = abs(_column(ends[3] or ends[1]) - _column(ends[1])) + 1
            yield wide * (abs(int(ends[4] or ends[2]) - int(ends[2])) + 1)


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number
